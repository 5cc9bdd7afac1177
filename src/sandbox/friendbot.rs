//! Friendbot: ten thousand lumens for whoever asks.
//!
//! Requests wait for the next ledger, and one transaction of up to a hundred operations serves them. The bot has an
//! account of its own, which the root account opens along with the first gift: while nobody asks, nothing of it is in the
//! ledger, and a world goes the same way as one without it.

use super::actor::{self, Actor, MAX_OPERATIONS};
use super::faces::{Behind, look};
use super::horizon::{self, Problem, problem_response};
use super::http::{Answer, Later, Method, Query, Reply, Request, Response};
use super::world::{Submission, World, ledger_sequence};
use crate::stellar::{AccountId, NetworkId, Stroops};
use ed25519_dalek::SigningKey;
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stellar_xdr::{Hash, Limits, OperationBody, OperationResult, OperationResultTr, Transaction, WriteXdr as _};

/// What an account gets.
const GIFT: Stroops = Stroops(10_000 * 10_000_000);
/// What the bot gets: enough for a million gifts.
const ENDOWMENT: Stroops = Stroops(10_000_000_000 * 10_000_000);
/// What the bot bids for an operation; it pays less unless the ledger is full.
const FEE: u32 = 10_000;
/// Accounts that wait for their gift at once.
const MAX_WAITING: usize = 10_000;
/// How long a gift is waited for.
const WAIT: Duration = Duration::from_secs(30);

/// The giver.
#[derive(Debug)]
pub(crate) struct Friendbot {
    bot: Actor,
    network: NetworkId,
    waiting: Mutex<VecDeque<Arc<Gift>>>,
}

/// A gift on its way.
#[derive(Debug)]
struct Gift {
    account: AccountId,
    sent: Mutex<Option<Sent>>,
}

/// The transaction that a gift is in, and which of its operations it is.
#[derive(Clone, Debug)]
struct Sent {
    hash: Hash,
    operation: usize,
}

impl Friendbot {
    /// The bot of a network.
    pub(crate) fn new(network: NetworkId) -> Self {
        let seed = Sha256::digest([b"sandbox friendbot ".as_slice(), &network.0].concat());
        Self { bot: Actor::new(SigningKey::from_bytes(&seed.into())), network, waiting: Mutex::default() }
    }

    /// A gift for an account; one that waits already is shared. `None` if too many wait.
    fn ask(&self, account: AccountId) -> Option<Arc<Gift>> {
        let mut waiting = self.waiting.lock();
        if let Some(gift) = waiting.iter().find(|gift| gift.account == account) {
            return Some(Arc::clone(gift));
        }
        if waiting.len() >= MAX_WAITING {
            return None;
        }
        let gift = Arc::new(Gift { account, sent: Mutex::new(None) });
        waiting.push_back(Arc::clone(&gift));
        Some(gift)
    }

    /// Hands in the gifts that wait, as many as a transaction holds. For whoever closes ledgers, right before.
    pub(crate) fn give(&self, world: &mut World) {
        let mut waiting = self.waiting.lock();
        // Whoever gave up shares its gift with nobody any more.
        waiting.retain(|gift| Arc::strong_count(gift) > 1);
        if waiting.is_empty() {
            return;
        }
        let root = Actor::new(world.ledger().root_key());
        let account = |id| world.ledger().account(&actor::account_to_xdr(id));
        let is_rich = account(self.bot.id()).is_some_and(|bot| bot.balance / 200 > GIFT.0);
        let payer = if is_rich { &self.bot } else { &root };
        let mut operations = Vec::new();
        if account(self.bot.id()).is_none() {
            operations.push(actor::create_account(self.bot.id(), ENDOWMENT));
        }
        let first = operations.len();
        let count = waiting.len().min(MAX_OPERATIONS - first);
        operations.extend(waiting.iter().take(count).map(|gift| actor::create_account(gift.account, GIFT)));
        let Some(hash) = self.hand_in(world, payer, operations) else { return };
        for (gift, operation) in waiting.drain(..count).zip(first..) {
            *gift.sent.lock() = Some(Sent { hash: hash.clone(), operation });
        }
    }

    /// Hands in a transaction; `None` if it was not accepted: the payer's last one may still wait.
    fn hand_in(&self, world: &mut World, payer: &Actor, operations: Vec<OperationBody>) -> Option<Hash> {
        let sequence = ledger_sequence(world.ledger(), payer.id()) + 1;
        let tx: Transaction = actor::transaction(payer.id(), sequence, FEE, operations);
        let hash = Hash(tx.hash(self.network.0).ok()?);
        let envelope = payer.sign(self.network, tx)?.to_xdr(Limits::none()).ok()?;
        (world.submit(&envelope) == Submission::Pending).then_some(hash)
    }
}

/// Answers a request.
pub(crate) fn answer(behind: &Arc<Behind>, request: &Request, now: Instant) -> Answer {
    if ![Method::Get, Method::Post].contains(&request.method) {
        return problem_response(&Problem::of_status(405)).into();
    }
    let form = Query::parse(&String::from_utf8_lossy(&request.body));
    let address = request.query.get("addr").or_else(|| form.get("addr")).unwrap_or("");
    let Some(account) = parse_account(address) else {
        return problem_response(&Problem::bad_request("addr", "not an account's address")).into();
    };
    if look(&*behind.host, |chain| chain.ledger.account(&actor::account_to_xdr(account)).is_some()) {
        return problem_response(&already_funded()).into();
    }
    let Some(gift) = behind.friendbot.ask(account) else {
        return problem_response(&Problem::server_over_capacity()).into();
    };
    behind.host.hurry();
    Answer::Later(Box::new(Waiting {
        behind: Arc::clone(behind),
        gift,
        base_url: request.base_url.clone(),
        due: now + WAIT,
    }))
}

/// A request that waits for its gift.
struct Waiting {
    behind: Arc<Behind>,
    gift: Arc<Gift>,
    base_url: String,
    due: Instant,
}

/// What became of a gift.
enum Outcome {
    Waits,
    Done(Response),
    /// Another gift of the same transaction made it fail.
    Again,
}

impl Waiting {
    fn outcome(&self) -> Outcome {
        let Some(sent) = self.gift.sent.lock().clone() else { return Outcome::Waits };
        look(&*self.behind.host, |chain| {
            let Some((_, tx)) = chain.history.transaction(&sent.hash) else { return Outcome::Waits };
            if tx.succeeded() {
                return Outcome::Done(horizon::transaction_response(chain, &sent.hash, &self.base_url));
            }
            let exists = OperationResult::OpInner(OperationResultTr::CreateAccount(
                stellar_xdr::CreateAccountResult::AlreadyExist,
            ));
            match tx.operation_results().get(sent.operation) {
                Some(result) if *result == exists => Outcome::Done(problem_response(&already_funded())),
                _ => Outcome::Again,
            }
        })
    }
}

impl Later for Waiting {
    fn poll(&mut self, now: Instant) -> Option<Reply> {
        match self.outcome() {
            Outcome::Done(response) => return Some(response.into()),
            Outcome::Again => match self.behind.friendbot.ask(self.gift.account) {
                Some(gift) => {
                    self.gift = gift;
                    self.behind.host.hurry();
                }
                None => return Some(problem_response(&Problem::server_over_capacity()).into()),
            },
            Outcome::Waits => {}
        }
        (now >= self.due).then(|| problem_response(&Problem::timeout()).into())
    }

    fn due(&self) -> Instant {
        self.due
    }
}

/// The bot's own words, and the result codes that older ones gave.
fn already_funded() -> Problem {
    Problem::plain(400, "bad_request", "Bad Request", "account already funded to starting balance")
        .with("result_codes", json!({"transaction": "tx_failed", "operations": ["op_already_exists"]}))
}

fn parse_account(address: &str) -> Option<AccountId> {
    stellar_strkey::ed25519::PublicKey::from_string(address).ok().map(|key| AccountId(key.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixture::Fixture;
    use crate::sandbox::world::close_time_s;

    fn close(friendbot: &Friendbot, fixture: &mut Fixture) {
        friendbot.give(&mut fixture.world);
        fixture.close();
    }

    fn balance(fixture: &Fixture, account: AccountId) -> Option<i64> {
        fixture.world.ledger().account(&actor::account_to_xdr(account)).map(|account| account.balance)
    }

    #[test]
    fn many_gifts_are_one_transaction_a_ledger_and_the_rest_follow() {
        let mut fixture = Fixture::lively(2);
        let friendbot = Friendbot::new(fixture.world.ledger().network());
        let accounts: Vec<AccountId> =
            (0..150_u8).map(|number| Actor::derive(1, "asks", usize::from(number)).id()).collect();
        let gifts: Vec<_> = accounts.iter().map(|account| friendbot.ask(*account).unwrap()).collect();
        assert!(Arc::ptr_eq(&gifts[0], &friendbot.ask(accounts[0]).unwrap()));
        close(&friendbot, &mut fixture);
        // One operation of the first transaction opens the bot's own account.
        let funded = |fixture: &Fixture| accounts.iter().filter(|it| balance(fixture, **it) == Some(GIFT.0)).count();
        assert_eq!(funded(&fixture), 99);
        close(&friendbot, &mut fixture);
        assert_eq!(funded(&fixture), 150);
        let second = gifts[149].sent.lock().clone().unwrap();
        let (_, tx) = fixture.history.transaction(&second.hash).unwrap();
        assert_eq!(tx.source(), stellar_xdr::MuxedAccount::Ed25519(stellar_xdr::Uint256(friendbot.bot.id().0)));
        assert_eq!((tx.operations().len(), second.operation), (51, 50));
    }

    #[test]
    fn only_so_many_wait_and_nobody_asking_changes_nothing() {
        let (mut quiet, mut other) = (Fixture::lively(1), Fixture::lively(1));
        let friendbot = Friendbot::new(quiet.world.ledger().network());
        for _ in 0..3 {
            close(&friendbot, &mut quiet);
            other.close();
        }
        assert_eq!(quiet.world.ledger().hash(), other.world.ledger().hash());
        assert!(close_time_s(quiet.world.ledger()) > 0);
        for number in 0..MAX_WAITING {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            assert!(friendbot.ask(AccountId(key)).is_some());
        }
        assert!(friendbot.ask(AccountId([9; 32])).is_none());
    }
}

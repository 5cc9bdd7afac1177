//! `cancel-all`: takes down every offer of an account whose engine has died.
//!
//! What the engine knew comes as a [`Handover`] on standard input. The metadata stream then tells what the engine's last
//! transaction, which may still be on its way, has made of it, and what becomes of the deletions. It is over when no
//! offer stands and the sequence number that the engine's last transaction may have had is consumed: from then on
//! nothing that the engine has signed can apply.
//!
//! At most one transaction of this process is unresolved. The next is signed when the ledger has shown the last one, or
//! its number consumed by another, or the first ledger in which it can no longer apply.

mod blind;
mod core;
mod watch;

use self::core::{Core, CoreError, Info};
use self::watch::{OfferNews, SeenLedger, SeenTransaction, Watch, watch};
use crate::commands::handover::{HandedOffer, Handover, HandoverError};
use crate::signer::LocalSigner;
use crate::stellar::transaction::{MAX_OPERATIONS, ManageSellOffer, TransactionHeader, TransactionWriter};
use crate::stellar::{
    AccountId, Asset, AssetCode, LedgerSeq, NetworkId, OfferId, Price, SequenceNumber, Stroops, TxHash,
};
use crate::wire::core_tx::TxAnswer;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long all of it may take; whoever started this process waits a little longer.
const WITHIN: Duration = Duration::from_secs(30);
/// The longest wait for a ledger before the stream is given up.
const LEDGER_WITHIN: Duration = Duration::from_secs(12);
/// Between two questions to core.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// In how many ledgers a transaction may apply.
const VALIDITY_LEDGERS: u32 = 2;
/// The bid an operation grows up to so many base fees.
const MAX_FEE_FACTOR: u32 = 100;
/// Transactions that may fail for reasons of which nothing was learned.
const MAX_FAILURES: u32 = 8;
/// Sequence numbers that are tried where the stream cannot tell the account's: the engine had one transaction on its
/// way, and so may this process.
const PROBES: i64 = 4;
/// `txBAD_SEQ`
const BAD_SEQ: i32 = -5;
/// `txINSUFFICIENT_FEE`
const INSUFFICIENT_FEE: i32 = -9;
/// `MANAGE_SELL_OFFER_NOT_FOUND`
const OFFER_NOT_FOUND: i32 = -11;
/// An offer that no ledger has had; see [`CancelAll::fence`].
const NO_OFFER: OfferId = OfferId(i64::MAX);

/// Why nothing was signed at all.
#[derive(Debug, thiserror::Error)]
pub enum CancelAllError {
    /// What came on standard input.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Core is not there.
    #[error("{0}; nothing was submitted")]
    Core(#[from] CoreError),
    /// Core is of another network.
    #[error("stellar-core is not of the handover's network; nothing was signed")]
    Network,
}

/// Reads a handover and takes its offers down; `true` if they, and any that the engine's last transaction made, are
/// known to be gone. Says what it does, a line each; that nobody reads it stops nothing.
///
/// # Errors
/// If the handover is none, or core does not answer or is of another network.
pub fn run(input: &mut dyn Read, out: &mut dyn Write) -> Result<bool, CancelAllError> {
    let handover = Handover::read(input)?;
    let deadline = Instant::now() + WITHIN;
    let core = Core::new(&handover.core).ok_or(HandoverError::Core)?;
    let info = first_info(&core, deadline)?;
    if info.network != handover.network {
        return Err(CancelAllError::Network);
    }
    let (account, network) = (handover.account(), NetworkId::from_passphrase(&handover.network));
    let meta = handover.meta.clone();
    let mut cancel = CancelAll::new(handover, core, network, deadline, out);
    let (offers, closed) = (cancel.standing.len(), cancel.closed);
    cancel.say(&format!("account {account}: {offers} offers as of ledger {closed}; core is at {}", info.ledger));
    let watched = meta.map(|meta| watch(&meta, account, network).map_err(|error| format!("{meta}: {error}")));
    match watched {
        Some(Ok(watch)) => cancel.follow(&watch, &info),
        Some(Err(error)) => cancel.lost(&error),
        None => cancel.lost("no metadata stream was named"),
    }
    if cancel.watching.is_err() {
        cancel.go_blind();
    }
    Ok(cancel.conclude())
}

/// Core's state, asked for until it answers.
fn first_info(core: &Core, deadline: Instant) -> Result<Info, CoreError> {
    loop {
        match core.info() {
            Err(CoreError::Socket { .. }) if Instant::now() + ASK_EVERY < deadline => std::thread::sleep(ASK_EVERY),
            answer => return answer,
        }
    }
}

/// The transaction that may be unresolved. Its bytes are loaded in [`Core`].
#[derive(Debug)]
struct Flight {
    hash: TxHash,
    sequence: i64,
    /// The first ledger in which it can no longer apply.
    max_ledger: LedgerSeq,
    /// What it deletes, in the order of its operations.
    offers: Vec<OfferId>,
    /// How often it was sent.
    attempts: u32,
    /// Whether core has taken it.
    accepted: bool,
}

/// That the stream tells nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blind;

struct CancelAll<'o> {
    core: Core,
    signer: LocalSigner,
    account: AccountId,
    writer: TransactionWriter,
    deadline: Instant,
    out: &'o mut dyn Write,
    /// The sequence number that the engine knew.
    handed_sequence: i64,
    /// The one that the account has consumed last, as far as is known.
    sequence: i64,
    /// How many more it may have consumed; changes only where the stream does not tell.
    probe: i64,
    closed: LedgerSeq,
    /// Ledgers that closed unseen.
    missed: bool,
    watching: Result<(), Blind>,
    base_fee: u32,
    /// Offered for an operation, in base fees.
    fee_factor: u32,
    /// Offers that stand, as far as is known.
    standing: BTreeMap<OfferId, HandedOffer>,
    flight: Option<Flight>,
    failures: u32,
}

impl<'o> CancelAll<'o> {
    fn new(handover: Handover, core: Core, network: NetworkId, deadline: Instant, out: &'o mut dyn Write) -> Self {
        Self {
            core,
            account: handover.account(),
            signer: handover.signer,
            writer: TransactionWriter::new(network),
            deadline,
            out,
            handed_sequence: handover.sequence.0,
            sequence: handover.sequence.0,
            probe: 0,
            closed: handover.last_ledger,
            missed: false,
            watching: Ok(()),
            base_fee: handover.base_fee,
            fee_factor: 1,
            standing: handover.offers.into_iter().map(|offer| (offer.id, offer)).collect(),
            flight: None,
            failures: 0,
        }
    }

    /// Says a line. Whether anybody reads it changes nothing about the offers.
    fn say(&mut self, line: &str) {
        let _read = writeln!(self.out, "cancel-all    {line}").and_then(|()| self.out.flush());
    }

    fn lost(&mut self, why: &str) {
        self.watching = Err(Blind);
        self.say(&format!("without the stream of ledgers nothing tells what became of a transaction: {why}"));
    }

    /// Goes from ledger to ledger until nothing stands, the time is up, or the stream is lost.
    fn follow(&mut self, watch: &Watch, info: &Info) {
        let mut newest = LedgerSeq(info.ledger);
        self.base_fee = self.base_fee.max(info.base_fee);
        while self.take_ledgers(watch, newest) && !self.is_done() && self.failures < MAX_FAILURES {
            self.act();
            newest = self.closed.next();
        }
    }

    /// Takes ledgers until `newest` is there, and what has come beyond it; `false` if it does not come.
    fn take_ledgers(&mut self, watch: &Watch, newest: LedgerSeq) -> bool {
        let give_up = Instant::now() + LEDGER_WITHIN;
        loop {
            let behind = self.closed < newest;
            let until = if behind { give_up.min(self.deadline) } else { Instant::now() };
            match watch.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Ok(ledger)) => self.on_ledger(&ledger),
                Ok(Err(error)) => {
                    self.lost(&error);
                    return false;
                }
                Err(_) if !behind => return true,
                Err(RecvTimeoutError::Timeout) if Instant::now() >= self.deadline => return false,
                Err(_) => {
                    self.lost(&format!("no ledger {newest} came within {} s", LEDGER_WITHIN.as_secs()));
                    return false;
                }
            }
        }
    }

    /// Nothing stands, and nothing that the engine has signed can apply any more: it had at most one transaction on its
    /// way, under the next number.
    fn is_done(&self) -> bool {
        self.standing.is_empty() && self.flight.is_none() && self.sequence > self.handed_sequence
    }

    fn on_ledger(&mut self, ledger: &SeenLedger) {
        if ledger.seq <= self.closed {
            return;
        }
        if ledger.seq != self.closed.next() {
            self.missed = true;
            self.say(&format!("ledgers {} to {} were not seen", self.closed.next(), ledger.seq.0 - 1));
        }
        self.closed = ledger.seq;
        self.base_fee = self.base_fee.max(ledger.base_fee);
        for news in &ledger.offers {
            self.on_offer(news);
        }
        if let Some(sequence) = ledger.sequence {
            self.sequence = sequence;
            self.probe = 0;
        }
        for transaction in &ledger.transactions {
            self.on_transaction(transaction);
        }
        self.bury();
    }

    fn on_offer(&mut self, news: &OfferNews) {
        match news {
            OfferNews::Stands(offer) => {
                if self.standing.insert(offer.id, *offer).is_none() {
                    self.say(&format!("ledger {}: offer {} was made meanwhile", self.closed, offer.id.0));
                }
            }
            OfferNews::Gone(id) => {
                if self.standing.remove(id).is_some() {
                    self.say(&format!("ledger {}: offer {} is gone", self.closed, id.0));
                }
            }
        }
    }

    /// A transaction of the account is in a ledger.
    fn on_transaction(&mut self, seen: &SeenTransaction) {
        let (closed, hash) = (self.closed, seen.hash);
        let Some(flight) = self.flight.take_if(|flight| flight.hash == hash) else {
            self.say(&format!("ledger {closed}: a transaction that the engine had sent: {hash}"));
            return;
        };
        if seen.code.is_success() {
            self.standing.retain(|id, _| !flight.offers.contains(id));
            self.say(&format!("ledger {closed}: transaction {hash} has applied"));
            return;
        }
        let operation = seen.failed.and_then(|failed| Some((usize::try_from(failed.operation).ok()?, failed.inner)));
        match operation.and_then(|(place, code)| Some((*flight.offers.get(place)?, code))) {
            Some((id, Some(OFFER_NOT_FOUND))) => {
                self.standing.remove(&id);
                let what =
                    if id == NO_OFFER { "the number is consumed".into() } else { format!("offer {} was gone", id.0) };
                self.say(&format!("ledger {closed}: transaction {hash} has not applied: {what}"));
            }
            other => {
                self.failures += 1;
                let at = other.map(|(id, code)| format!(" at offer {} with {code:?}", id.0)).unwrap_or_default();
                self.say(&format!("ledger {closed}: transaction {hash} has failed with code {}{at}", seen.code.0));
            }
        }
    }

    /// Drops the transaction on its way if it can no longer apply.
    fn bury(&mut self) {
        let (closed, sequence) = (self.closed, self.sequence);
        let dead = |flight: &mut Flight| flight.sequence <= sequence || closed.next() >= flight.max_ledger;
        if let Some(flight) = self.flight.take_if(dead) {
            if flight.accepted && flight.sequence > sequence {
                self.fee_factor = (self.fee_factor * 2).min(MAX_FEE_FACTOR);
            }
            self.say(&format!("ledger {closed}: transaction {} can no longer apply", flight.hash));
        }
    }

    /// Sends what is to be sent after a ledger: the next deletions, or once more what core has not taken.
    fn act(&mut self) {
        match &self.flight {
            Some(flight) if flight.accepted => {}
            Some(_) => self.send(),
            None => {
                let offers: Vec<_> = self.standing.values().copied().take(MAX_OPERATIONS).collect();
                self.sign(if offers.is_empty() { vec![self.fence()] } else { offers });
                self.send();
            }
        }
    }

    /// An offer that cannot be there. To delete it fails, and consumes the sequence number, so that the engine's last
    /// transaction cannot apply any more.
    fn fence(&self) -> HandedOffer {
        let buying = Asset::Credit { code: AssetCode::Four(*b"NONE"), issuer: self.account };
        let Ok(price) = Price::new(1, 1) else { unreachable!("one is positive") };
        HandedOffer { id: NO_OFFER, selling: Asset::Native, buying, price }
    }

    /// Signs the deletion of at most 100 offers.
    ///
    /// # Panics
    /// If another transaction may still apply.
    fn sign(&mut self, offers: Vec<HandedOffer>) {
        assert!(self.flight.is_none(), "never two live transactions");
        let operations = u32::try_from(offers.len()).unwrap_or(u32::MAX);
        let header = TransactionHeader {
            source: self.account,
            fee: self.base_fee.saturating_mul(self.fee_factor).saturating_mul(operations),
            sequence: SequenceNumber(self.sequence + self.probe + 1),
            max_ledger: LedgerSeq(self.closed.0.saturating_add(1 + VALIDITY_LEDGERS)),
        };
        self.writer.begin(&header);
        for HandedOffer { id, selling, buying, price } in &offers {
            let (selling, buying, price, id) = (*selling, *buying, *price, *id);
            self.writer.manage_sell_offer(&ManageSellOffer { selling, buying, amount: Stroops::ZERO, price, id });
        }
        let unsigned = self.writer.finish();
        let hash = unsigned.hash();
        let signature = self.signer.sign_hash(&hash);
        self.core.load(unsigned.sign(&header.source, &signature));
        let (sequence, max_ledger) = (header.sequence.0, header.max_ledger);
        let offers = offers.into_iter().map(|offer| offer.id).collect();
        self.flight = Some(Flight { hash, sequence, max_ledger, offers, attempts: 0, accepted: false });
        self.say(&format!("transaction {hash}: {operations} deletions, number {sequence}, before ledger {max_ledger}"));
    }

    /// Sends the signed transaction. A refusal of bytes that were sent once means that they have gone nowhere; of any
    /// other answer the ledger tells what it was worth.
    fn send(&mut self) {
        let Some(flight) = &mut self.flight else { return };
        flight.attempts += 1;
        let (first, sequence) = (flight.attempts == 1, flight.sequence);
        let said = match self.core.submit() {
            Ok(TxAnswer::Pending | TxAnswer::Duplicate) => {
                flight.accepted = true;
                // Core takes the number that comes next, and no other.
                (self.sequence, self.probe) = (sequence - 1, 0);
                "is taken".to_owned()
            }
            Ok(TxAnswer::TryAgainLater) => "has to wait: another one of the account is on its way".to_owned(),
            Ok(TxAnswer::Filtered) => "is not taken by this core, which filters".to_owned(),
            Ok(TxAnswer::Error(code)) => {
                if first {
                    self.flight = None;
                    self.refused(code);
                }
                format!("is refused with code {code}")
            }
            Err(error) => format!("has an unknown fate: {error}"),
        };
        self.say(&format!("number {sequence} {said}"));
    }

    fn refused(&mut self, code: i32) {
        match code {
            // The stream tells the number, unless there is none, or a part of it went unseen.
            BAD_SEQ if self.missed || self.watching.is_err() => self.probe = (self.probe + 1) % PROBES,
            INSUFFICIENT_FEE => self.fee_factor = (self.fee_factor * 2).min(MAX_FEE_FACTOR),
            _ => {}
        }
    }

    /// Says how it ended; whether everything is known to be gone.
    fn conclude(&mut self) -> bool {
        let gone = self.is_done() && self.watching.is_ok() && !self.missed;
        if gone {
            self.say("done: no offer stands, and nothing that was signed before can apply");
            return true;
        }
        let remain: Vec<_> = self.standing.keys().map(|id| id.0.to_string()).collect();
        let all = |known: &str| {
            if remain.is_empty() { "none".to_owned() } else { format!("{} ({known})", remain.join(", ")) }
        };
        let remain = if self.watching.is_err() { all("if their deletion has not applied") } else { all("known") };
        self.say(&format!("NOT DONE: offers that may stand: {remain}"));
        if self.missed {
            self.say("NOT DONE: what the engine's last transaction made in ledgers that were not seen may stand");
        }
        if self.sequence <= self.handed_sequence {
            self.say("NOT DONE: the engine's last transaction may still apply");
        }
        false
    }
}

#[cfg(test)]
mod tests;

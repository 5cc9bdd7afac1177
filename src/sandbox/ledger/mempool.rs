//! Transactions that wait for a ledger (`TransactionQueue.cpp`, `TxQueueLimiter.cpp`): one a source account, replaced only by
//! a fee bump of the same sequence number at ten times the fee rate, aged out after four ledgers and then banned for ten.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashSet;
use stellar_xdr::{AccountId, Hash};

use super::frame::Frame;
use super::lanes::{Eviction, Lane, Lanes, NoRoom, Rate, make_room};

/// Ledgers that a transaction waits before it is given up.
const MAX_AGE: u32 = 4;

/// Ledgers for which a transaction that was given up is refused.
const BAN_DEPTH: usize = 10;

/// The most transactions that are remembered as refused for a ledger. Who is not remembered is judged again.
const MAX_BANNED: usize = 100_000;

/// How much more a fee bump must bid than what it replaces.
const REPLACE_FACTOR: i128 = 10;

/// The queue holds so many ledgers' worth of operations.
const QUEUE_LEDGERS: i64 = 2;

/// A waiting transaction.
#[derive(Clone, Debug)]
struct Waiting {
    frame: Frame,
    /// Ledgers it has waited.
    age: u32,
}

/// Why a transaction does not get into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It waits already.
    Duplicate,
    /// Its account has another one waiting, the queue is full, or it is banned.
    TryAgainLater,
    /// Its sequence number is below that of the one that waits.
    OldSequence,
    /// It bids too little to replace or displace another; this much would do.
    FeeTooLow { wanted: i64 },
}

/// A place in the queue for one that was checked, as long as nothing else changes in there.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    lanes: Lanes,
    evictions: Vec<Eviction>,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mempool {
    waiting: BTreeMap<AccountId, Waiting>,
    /// Full hashes that are refused, by ledger, newest first.
    banned: VecDeque<FxHashSet<Hash>>,
    /// What was last evicted since the last ledger, which newcomers must outbid: whoever they are, and those who trade.
    evicted: Option<Rate>,
    evicted_dex: Option<Rate>,
}

impl Mempool {
    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &Frame> + Clone {
        self.waiting.values().map(|waiting| &waiting.frame)
    }

    /// Whether a transaction may enter, by what waits already, and who must go for it; `lanes` are a ledger's limits. Its own
    /// validity is not judged here. Who finds no room is refused for a while.
    pub(crate) fn check(&mut self, frame: &Frame, lanes: Lanes) -> Result<Room, Refused> {
        if self.banned.iter().any(|hashes| hashes.contains(&frame.full_hash)) {
            return Err(Refused::TryAgainLater);
        }
        let replaced = self.waiting.get(&frame.source()).map(|waiting| &waiting.frame);
        if let Some(current) = replaced {
            check_replacement(current, frame)?;
        }
        let lanes = lanes.times(QUEUE_LEDGERS);
        let no_room = match self.to_outbid_evicted(&lanes, frame) {
            Some(wanted) => NoRoom::Below { wanted },
            None => match make_room(&lanes, self.frames(), frame, replaced) {
                Ok(evictions) => return Ok(Room { lanes, evictions }),
                Err(no_room) => no_room,
            },
        };
        self.ban(&frame.full_hash);
        Err(match no_room {
            NoRoom::AtAnyPrice => Refused::TryAgainLater,
            NoRoom::Below { wanted } => Refused::FeeTooLow { wanted },
        })
    }

    /// What a transaction must bid to outbid those that went in this ledger; `None` if it does.
    fn to_outbid_evicted(&self, lanes: &Lanes, frame: &Frame) -> Option<i64> {
        let of_lane = if lanes.lane(frame) == Lane::Dex { self.evicted_dex } else { None };
        let wanted = |rate: Option<Rate>| rate.and_then(|rate| rate.to_outbid(frame));
        wanted(of_lane).max(wanted(self.evicted))
    }

    /// The fees that an account would owe for what waits, without the transaction of `source`.
    pub(crate) fn fees_owed(&self, payer: &AccountId, source: &AccountId) -> i64 {
        let theirs = self
            .waiting
            .iter()
            .filter(|(waiting_source, waiting)| *waiting_source != source && waiting.frame.fee_source() == *payer);
        theirs.map(|(_, waiting)| waiting.frame.fee_bid()).fold(0, i64::saturating_add)
    }

    /// Lets a transaction in that was checked, in place of its account's other one, and of those who must go for it.
    pub(crate) fn add(&mut self, frame: Frame, room: Room) {
        let source = frame.source();
        // A replacement keeps the age of what it replaces.
        let age = self.waiting.remove(&source).map_or(0, |waiting| waiting.age);
        for gone in room.evictions {
            if room.lanes.fit(self.frames(), &frame) {
                break;
            }
            match gone.guards {
                Lane::Generic => self.evicted = Some(gone.rate),
                Lane::Dex => self.evicted_dex = Some(gone.rate),
            }
            self.drop_of(&gone.source);
        }
        self.waiting.insert(source, Waiting { frame, age });
    }

    /// After a ledger: forgets what was applied and refuses it for a while, ages what was not, and gives up what is too
    /// old.
    pub(crate) fn ledger_closed<'a>(&mut self, applied: impl Iterator<Item = &'a Frame>) {
        for frame in applied {
            let source = frame.source();
            if self.waiting.get(&source).is_some_and(|waiting| waiting.frame.sequence() <= frame.sequence()) {
                self.waiting.remove(&source);
            }
            self.ban(&frame.full_hash);
        }
        self.banned.push_front(FxHashSet::default());
        self.banned.truncate(BAN_DEPTH);
        let mut given_up = Vec::new();
        self.waiting.retain(|_, waiting| {
            waiting.age += 1;
            let stays = waiting.age < MAX_AGE;
            if !stays {
                given_up.push(waiting.frame.full_hash.clone());
            }
            stays
        });
        given_up.iter().for_each(|hash| self.ban(hash));
        (self.evicted, self.evicted_dex) = (None, None);
    }

    /// Drops the transaction of an account, and refuses it for a while.
    pub(crate) fn drop_of(&mut self, source: &AccountId) {
        if let Some(dropped) = self.waiting.remove(source) {
            self.ban(&dropped.frame.full_hash);
        }
    }

    fn ban(&mut self, hash: &Hash) {
        if self.banned.is_empty() {
            self.banned.push_front(FxHashSet::default());
        }
        if let Some(newest) = self.banned.front_mut()
            && newest.len() < MAX_BANNED
        {
            newest.insert(hash.clone());
        }
    }
}

/// Whether `frame` may take the place of its account's waiting transaction.
fn check_replacement(current: &Frame, frame: &Frame) -> Result<(), Refused> {
    // With its very signatures: the same transaction signed otherwise is another one.
    let inside_of_current = current.fee_bump().is_some() && current.inner_full_hash() == frame.full_hash;
    if current.full_hash == frame.full_hash || inside_of_current {
        return Err(Refused::Duplicate);
    }
    if frame.sequence() < current.sequence() {
        return Err(Refused::OldSequence);
    }
    if frame.fee_bump().is_none() || frame.sequence() != current.sequence() {
        return Err(Refused::TryAgainLater);
    }
    let offered = i128::from(frame.fee_bid()) * i128::from(current.num_operations());
    let needed = REPLACE_FACTOR * i128::from(current.fee_bid()) * i128::from(frame.num_operations());
    if offered < needed {
        let operations = i128::from(current.num_operations().max(1));
        let wanted = i64::try_from((needed + operations - 1) / operations).unwrap_or(i64::MAX);
        return Err(Refused::FeeTooLow { wanted });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_remembered_up_to_a_limit() {
        let mut queue = Mempool::default();
        for i in 0..=u64::try_from(MAX_BANNED).unwrap() {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&i.to_be_bytes());
            queue.ban(&Hash(hash));
        }
        assert_eq!(queue.banned.iter().map(FxHashSet::len).sum::<usize>(), MAX_BANNED);
    }
}

//! Transactions that wait for a ledger (`TransactionQueue.cpp`): one a source account, replaced only by a fee bump of the
//! same sequence number at ten times the fee rate, aged out after four ledgers and then banned for ten.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashSet;
use stellar_xdr::{AccountId, Hash};

use super::frame::Frame;
use super::header::sha256;
use super::header::xdr_bytes;
use super::tx_set::{Priced, xored};

/// Ledgers that a transaction waits before it is given up.
const MAX_AGE: u32 = 4;

/// Ledgers for which a transaction that was given up is refused.
const BAN_DEPTH: usize = 10;

/// How much more a fee bump must bid than what it replaces.
const REPLACE_FACTOR: i128 = 10;

/// The queue holds so many ledgers' worth of operations.
const QUEUE_LEDGERS: i64 = 4;

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

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mempool {
    waiting: BTreeMap<AccountId, Waiting>,
    /// Full hashes that are refused, by ledger, newest first.
    banned: VecDeque<FxHashSet<Hash>>,
}

/// `a`'s fee per operation against `b`'s.
fn compare_rates(a: &Frame, b: &Frame) -> core::cmp::Ordering {
    let product = |x: i64, y: i64| i128::from(x) * i128::from(y);
    product(a.fee_bid(), b.num_operations()).cmp(&product(b.fee_bid(), a.num_operations()))
}

impl Mempool {
    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.waiting.values().map(|waiting| &waiting.frame)
    }

    /// Whether a transaction may enter, by what waits already. Its own validity is not judged here.
    pub(crate) fn check(&self, frame: &Frame, max_tx_set_size: u32) -> Result<(), Refused> {
        if self.banned.iter().any(|hashes| hashes.contains(&frame.full_hash)) {
            return Err(Refused::TryAgainLater);
        }
        let replaced = self.waiting.get(&frame.source());
        if let Some(Waiting { frame: current, .. }) = replaced {
            check_replacement(current, frame)?;
        }
        self.check_room(frame, replaced, max_tx_set_size)
    }

    /// The fees that an account would owe for what waits, without the transaction of `source`.
    pub(crate) fn fees_owed(&self, payer: &AccountId, source: &AccountId) -> i64 {
        let theirs = self
            .waiting
            .iter()
            .filter(|(waiting_source, waiting)| *waiting_source != source && waiting.frame.fee_source() == *payer);
        theirs.map(|(_, waiting)| waiting.frame.fee_bid()).fold(0, i64::saturating_add)
    }

    /// Lets a transaction in, in place of its account's other one, and of cheaper ones if the queue is full.
    pub(crate) fn add(&mut self, frame: Frame, max_tx_set_size: u32) {
        // A replacement keeps the age of what it replaces.
        let source = frame.source();
        let age = self.waiting.remove(&source).map_or(0, |waiting| waiting.age);
        let capacity = capacity(max_tx_set_size);
        while self.operations() + frame.num_operations() > capacity {
            let Some(cheapest) = self.cheapest().map(Frame::source) else { break };
            if let Some(evicted) = self.waiting.remove(&cheapest) {
                self.ban(&evicted.frame.full_hash);
            }
        }
        self.waiting.insert(source, Waiting { frame, age });
    }

    /// After a ledger: forgets what was applied, ages what was not, and gives up what is too old.
    pub(crate) fn ledger_closed<'a>(&mut self, applied: impl Iterator<Item = &'a Frame>) {
        self.banned.push_front(FxHashSet::default());
        self.banned.truncate(BAN_DEPTH);
        for frame in applied {
            let source = frame.source();
            if self.waiting.get(&source).is_some_and(|waiting| waiting.frame.sequence() <= frame.sequence()) {
                self.waiting.remove(&source);
            }
            self.ban(&frame.full_hash);
        }
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
    }

    /// Drops a transaction that became invalid, and refuses it for a while.
    pub(crate) fn drop_invalid(&mut self, source: &AccountId) {
        if let Some(dropped) = self.waiting.remove(source) {
            self.ban(&dropped.frame.full_hash);
        }
    }

    fn ban(&mut self, hash: &Hash) {
        if self.banned.is_empty() {
            self.banned.push_front(FxHashSet::default());
        }
        if let Some(newest) = self.banned.front_mut() {
            newest.insert(hash.clone());
        }
    }

    fn operations(&self) -> i64 {
        self.frames().map(Frame::num_operations).sum()
    }

    fn cheapest(&self) -> Option<&Frame> {
        self.frames().min_by(|a, b| compare_rates(a, b))
    }

    /// Whether there is room, or cheaper transactions make some.
    fn check_room(&self, frame: &Frame, replaced: Option<&Waiting>, max_tx_set_size: u32) -> Result<(), Refused> {
        let freed = replaced.map_or(0, |waiting| waiting.frame.num_operations());
        let capacity = capacity(max_tx_set_size);
        let mut excess = self.operations() - freed + frame.num_operations() - capacity;
        if excess <= 0 {
            return Ok(());
        }
        let mut others: Vec<&Frame> =
            self.frames().filter(|other| replaced.is_none_or(|r| r.frame.hash != other.hash)).collect();
        others.sort_by(|a, b| compare_rates(a, b));
        for other in others {
            if compare_rates(other, frame).is_ge() {
                return Err(Refused::FeeTooLow { wanted: fee_above(other, frame) });
            }
            excess -= other.num_operations();
            if excess <= 0 {
                return Ok(());
            }
        }
        Err(Refused::TryAgainLater)
    }
}

fn capacity(max_tx_set_size: u32) -> i64 {
    i64::from(max_tx_set_size) * QUEUE_LEDGERS
}

/// The least fee with which `frame` beats `other`'s rate.
fn fee_above(other: &Frame, frame: &Frame) -> i64 {
    let scaled = i128::from(other.fee_bid()) * i128::from(frame.num_operations());
    i64::try_from(scaled / i128::from(other.num_operations().max(1)) + 1).unwrap_or(i64::MAX)
}

/// Whether `frame` may take the place of its account's waiting transaction.
fn check_replacement(current: &Frame, frame: &Frame) -> Result<(), Refused> {
    let inside_of_current = current.fee_bump().is_some() && current.inner_hash == frame.hash;
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

/// The limits of a ledger's set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    /// Operations in all.
    pub(crate) operations: u32,
    /// Operations of transactions that trade, if they have a limit of their own.
    pub(crate) dex_operations: Option<u32>,
    /// The header's base fee.
    pub(crate) base_fee: u32,
}

/// Picks transactions for a ledger: the highest bids per operation first, each lane up to its limit. Where a lane is full,
/// everybody in it pays what the cheapest of its transactions bid (`SurgePricingUtils.cpp`).
pub(crate) fn pick(frames: Vec<Frame>, lanes: Lanes) -> Vec<Priced> {
    let tie_breaker = sha256(&frames.iter().flat_map(|frame| xdr_bytes(&frame.full_hash)).collect::<Vec<u8>>());
    let mut frames = frames;
    frames.sort_by(|a, b| {
        compare_rates(b, a).then_with(|| xored(&a.full_hash, &tie_breaker).cmp(&xored(&b.full_hash, &tie_breaker)))
    });
    let (mut left, mut dex_left) = (i64::from(lanes.operations), lanes.dex_operations.map(i64::from));
    let (mut full, mut dex_full) = (false, false);
    let mut picked: Vec<(Frame, bool)> = Vec::new();
    for frame in frames {
        let operations = frame.num_operations();
        let in_dex_lane = dex_left.is_some() && frame.is_dex();
        if operations > left {
            full = true;
            continue;
        }
        if in_dex_lane && dex_left.is_some_and(|left| operations > left) {
            dex_full = true;
            continue;
        }
        left -= operations;
        if in_dex_lane {
            dex_left = dex_left.map(|left| left - operations);
        }
        picked.push((frame, in_dex_lane));
    }
    let lowest = |of_dex: bool| {
        let rates = picked.iter().filter(|(_, in_dex)| !of_dex || *in_dex);
        rates.map(|(frame, _)| frame.fee_bid() / frame.num_operations().max(1)).min()
    };
    let header_fee = i64::from(lanes.base_fee);
    let base_fee = if full { lowest(false).unwrap_or(header_fee) } else { header_fee };
    let dex_fee = if dex_full { lowest(true).unwrap_or(header_fee).max(base_fee) } else { base_fee };
    picked
        .into_iter()
        .map(|(frame, in_dex)| Priced { frame, base_fee: Some(if in_dex { dex_fee } else { base_fee }) })
        .collect()
}

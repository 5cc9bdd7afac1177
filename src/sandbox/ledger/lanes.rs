//! Lanes of transactions and who gets a place in them (`SurgePricingUtils.cpp`): all share one limit of operations, those
//! that trade may have a tighter one beside it.

use core::cmp::Ordering;

use stellar_xdr::AccountId;

use super::frame::Frame;
use super::header::{sha256, xdr_bytes};
use super::tx_set::{Priced, xored};

/// What a transaction bids for its operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    fee: i64,
    operations: i64,
}

impl Rate {
    pub(crate) fn of(frame: &Frame) -> Self {
        Self { fee: frame.fee_bid(), operations: frame.num_operations().max(1) }
    }

    /// Compares bids per operation.
    fn cmp(self, other: Self) -> Ordering {
        let product = |x: i64, y: i64| i128::from(x) * i128::from(y);
        product(self.fee, other.operations).cmp(&product(other.fee, self.operations))
    }

    /// The least fee with which a transaction outbids this rate; `None` if it does already.
    pub(crate) fn to_outbid(self, frame: &Frame) -> Option<i64> {
        let theirs = Self::of(frame);
        let scaled = i128::from(self.fee) * i128::from(theirs.operations) / i128::from(self.operations);
        self.cmp(theirs).is_ge().then(|| i64::try_from(scaled + 1).unwrap_or(i64::MAX))
    }
}

/// A lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Everybody's, whose limit is that of all operations together.
    Generic,
    /// That of transactions which trade.
    Dex,
}

/// The limits of lanes, in operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    all: i64,
    /// None if those who trade have no lane of their own.
    dex: Option<i64>,
}

impl Lanes {
    pub(crate) fn new(all: u32, dex: Option<u32>) -> Self {
        Self { all: i64::from(all), dex: dex.map(|dex| i64::from(dex.min(all))) }
    }

    /// The limits of so many ledgers.
    pub(crate) fn times(self, ledgers: i64) -> Self {
        Self { all: self.all * ledgers, dex: self.dex.map(|dex| dex * ledgers) }
    }

    pub(crate) fn lane(&self, frame: &Frame) -> Lane {
        if self.dex.is_some() && frame.is_dex() { Lane::Dex } else { Lane::Generic }
    }

    fn limit(&self, lane: Lane) -> i64 {
        match (lane, self.dex) {
            (Lane::Dex, Some(dex)) => dex,
            _ => self.all,
        }
    }

    /// Whether a transaction has a place beside these.
    pub(crate) fn fit<'a>(&self, others: impl Iterator<Item = &'a Frame>, frame: &Frame) -> bool {
        let lane = self.lane(frame);
        let (mut all, mut own) = (frame.num_operations(), frame.num_operations());
        for other in others {
            all += other.num_operations();
            own += if self.lane(other) == lane { other.num_operations() } else { 0 };
        }
        all <= self.all && own <= self.limit(lane)
    }
}

/// A transaction that must go to make room.
#[derive(Clone, Debug)]
pub(crate) struct Eviction {
    pub(crate) source: AccountId,
    pub(crate) rate: Rate,
    /// Whose newcomers must outbid it until the ledger closes: only its own lane's if it was that lane that was full.
    pub(crate) guards: Lane,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// There will be none at any price.
    AtAnyPrice,
    /// This fee would make some.
    Below { wanted: i64 },
}

/// Who must go so that `frame` fits among those who wait, one of which (`replaced`) it replaces: the cheapest first, and only
/// who bids less (`canFitWithEviction`).
pub(crate) fn make_room<'a>(
    lanes: &Lanes,
    waiting: impl Iterator<Item = &'a Frame> + Clone,
    frame: &Frame,
    replaced: Option<&Frame>,
) -> Result<Vec<Eviction>, NoRoom> {
    let lane = lanes.lane(frame);
    let more = (frame.num_operations() - replaced.map_or(0, Frame::num_operations)).max(0);
    if more > lanes.limit(lane) {
        return Err(NoRoom::AtAnyPrice);
    }
    let (mut excess, mut lane_excess) = (more - lanes.all, more - lanes.limit(lane));
    for other in waiting.clone() {
        excess += other.num_operations();
        lane_excess += if lanes.lane(other) == lane { other.num_operations() } else { 0 };
    }
    if excess <= 0 && lane_excess <= 0 {
        return Ok(Vec::new());
    }
    let mut others: Vec<&Frame> = waiting.collect();
    others.sort_by(|a, b| Rate::of(a).cmp(Rate::of(b)));
    let mut evicted = Vec::new();
    // Whether the generic lane's are left alone from here on, since it is the newcomer's own lane that lacks most.
    let mut only_own_lane = false;
    let mut guards = Lane::Generic;
    for other in others {
        let is_own = lane == Lane::Generic || lane == lanes.lane(other);
        if !is_own && only_own_lane {
            continue;
        }
        if !is_own && excess.max(0) <= lane_excess.max(0) {
            (only_own_lane, guards) = (true, lane);
            continue;
        }
        if let Some(wanted) = Rate::of(other).to_outbid(frame) {
            return Err(NoRoom::Below { wanted });
        }
        if other.source() == frame.source() {
            return Err(NoRoom::AtAnyPrice);
        }
        evicted.push(Eviction { source: other.source(), rate: Rate::of(other), guards });
        guards = Lane::Generic;
        excess -= other.num_operations();
        lane_excess -= if is_own { other.num_operations() } else { 0 };
        if excess <= 0 && lane_excess <= 0 {
            break;
        }
    }
    Ok(evicted)
}

/// Picks transactions for a ledger: the highest bids per operation first, each lane up to its limit. Where a lane is full,
/// everybody in it pays what the cheapest of its transactions bid; where the ledger is, everybody at least what the cheapest
/// of all did (`getMostTopTxsWithinLimits`, `computeLaneBaseFee`).
pub(crate) fn pick(mut frames: Vec<Frame>, lanes: &Lanes, header_fee: u32) -> Vec<Priced> {
    let tie_breaker = sha256(&frames.iter().flat_map(|frame| xdr_bytes(&frame.full_hash)).collect::<Vec<u8>>());
    frames.sort_by(|a, b| {
        let by_rate = Rate::of(b).cmp(Rate::of(a));
        by_rate.then_with(|| xored(&a.full_hash, &tie_breaker).cmp(&xored(&b.full_hash, &tie_breaker)))
    });
    let (mut left, mut dex_left) = (lanes.all, lanes.limit(Lane::Dex));
    let (mut full, mut dex_full) = (false, false);
    let mut picked: Vec<(Frame, Lane)> = Vec::new();
    for frame in frames {
        let operations = frame.num_operations();
        let lane = lanes.lane(&frame);
        // Its own lane is asked first: who finds no place there says nothing about the others.
        if lane == Lane::Dex && operations > dex_left {
            dex_full = true;
            continue;
        }
        if operations > left {
            full = true;
            continue;
        }
        left -= operations;
        dex_left -= if lane == Lane::Dex { operations } else { 0 };
        picked.push((frame, lane));
    }
    let lowest = |of: Option<Lane>| {
        let rates = picked.iter().filter(|(_, lane)| of.is_none_or(|of| of == *lane));
        rates.map(|(frame, _)| frame.fee_bid() / frame.num_operations().max(1)).min()
    };
    let header_fee = i64::from(header_fee);
    let base_fee = if full { lowest(None).unwrap_or(header_fee) } else { header_fee };
    let dex_fee = if dex_full { lowest(Some(Lane::Dex)).unwrap_or(header_fee) } else { base_fee };
    let price = |lane| if lane == Lane::Dex { dex_fee } else { base_fee };
    picked.into_iter().map(|(frame, lane)| Priced { base_fee: Some(price(lane)), frame }).collect()
}

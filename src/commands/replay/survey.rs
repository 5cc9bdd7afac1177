//! The first pass: which markets there are.

use crate::stellar::{Asset, LedgerSeq, Market, MarketTable};
use crate::wire::ledger::{
    Change, ChangePhase, LedgerHeader, LedgerVisitor, RawAsset, RawClaim, RawVenue, SkimError, TransactionResult, skim,
};
use core::cmp::Reverse;
use core::ops::AddAssign;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The markets of some recordings, in the order in which they first occur.
///
/// Which of a pair's assets is the base is a convention: here it is the lesser one in the protocol's order, in which
/// XLM comes before every credit, short codes before long ones, and codes go by the alphabet.
#[derive(Debug, Default)]
pub(super) struct Survey {
    by_market: FxHashMap<Market, usize>,
    found: Vec<Found>,
}

/// What was found of a market.
#[derive(Clone, Copy, Debug)]
struct Found {
    market: Market,
    claims: Claims,
    /// Changes of its offers, hence a bound for how many stand at once.
    offer_changes: usize,
}

/// Claim atoms, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Against offers.
    pub book: u64,
    /// Against pools.
    pub pool: u64,
}

impl Claims {
    /// Of either kind.
    #[must_use]
    pub fn all(self) -> u64 {
        self.book + self.pool
    }

    fn count(&mut self, claim: &RawClaim<'_>) {
        match claim.venue {
            RawVenue::Offer { .. } => self.book += 1,
            RawVenue::Pool(_) => self.pool += 1,
        }
    }
}

impl AddAssign for Claims {
    fn add_assign(&mut self, more: Self) {
        self.book += more.book;
        self.pool += more.pool;
    }
}

/// What a look at a ledger tells that the feed does not pass on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) seq: LedgerSeq,
    hash: [u8; 32],
    previous_hash: [u8; 32],
    /// When it closed, seconds since 1970.
    pub(super) closed_at_s: u64,
    transactions: u32,
    trades: u32,
    /// Claim atoms of transactions that failed.
    pub(super) undone: Claims,
}

impl Glance {
    /// Looks at a `LedgerCloseMeta`, and checks it whole.
    pub(super) fn at(ledger: &[u8]) -> Result<Self, SkimError> {
        let mut glance = Self::default();
        skim(ledger, &mut glance)?;
        Ok(glance)
    }

    /// Whether it is the next ledger of the same chain.
    pub(super) fn follows(&self, before: &Self) -> bool {
        self.seq == before.seq.next() && self.previous_hash == before.hash
    }
}

impl core::fmt::Display for Glance {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { seq, closed_at_s, transactions, trades, .. } = self;
        write!(f, "ledger {seq:>10}  closed at {closed_at_s}  {transactions:>4} tx  {trades:>4} trades")
    }
}

impl LedgerVisitor for Glance {
    fn header(&mut self, header: &LedgerHeader<'_>) {
        self.seq = LedgerSeq(header.seq);
        (self.hash, self.previous_hash) = (*header.hash, *header.previous_hash);
        self.closed_at_s = header.close_time_s;
    }

    fn transaction(&mut self, _transaction: &TransactionResult<'_>) {
        self.transactions += 1;
    }

    fn claim(&mut self, _operation: u32, _claim: &RawClaim<'_>) {
        self.trades += 1;
    }

    fn undone_claim(&mut self, _operation: u32, claim: &RawClaim<'_>) {
        self.undone.count(claim);
    }
}

/// What a replay is set up for.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) markets: Arc<MarketTable>,
    /// Offers that may stand at once, in all.
    pub(super) offers: usize,
    /// Offers that may stand at once on the market that has most.
    pub(super) offers_per_market: usize,
    pub(super) left_out: LeftOut,
}

/// Markets beyond [`MarketTable::MAX_MARKETS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) markets: usize,
    pub(super) claims: Claims,
}

impl Survey {
    /// Those that traded most come first, so that a table with too little room leaves out what matters least.
    pub(super) fn plan(mut self) -> Plan {
        self.found.sort_by_key(|found| Reverse(found.claims.all()));
        let beyond = self.found.split_off(self.found.len().min(MarketTable::MAX_MARKETS));
        let markets: Vec<Market> = self.found.iter().map(|found| found.market).collect();
        let Ok(table) = MarketTable::new(&markets) else {
            unreachable!("each pair was found once, in one orientation, and there are not too many")
        };
        let mut claims = Claims::default();
        beyond.iter().for_each(|found| claims += found.claims);
        Plan {
            markets: Arc::new(table),
            offers: self.found.iter().map(|found| found.offer_changes).sum(),
            offers_per_market: self.found.iter().map(|found| found.offer_changes).max().unwrap_or(0),
            left_out: LeftOut { markets: beyond.len(), claims },
        }
    }

    /// `None` if both are the same asset, which no ledger trades.
    fn market(&mut self, one: RawAsset<'_>, other: RawAsset<'_>) -> Option<&mut Found> {
        let market = oriented(one.to_asset(), other.to_asset())?;
        let at = *self.by_market.entry(market).or_insert_with(|| {
            self.found.push(Found { market, claims: Claims::default(), offer_changes: 0 });
            self.found.len() - 1
        });
        self.found.get_mut(at)
    }
}

fn oriented(one: Asset, other: Asset) -> Option<Market> {
    (one != other).then(|| Market { base: one.min(other), quote: one.max(other) })
}

impl LedgerVisitor for Survey {
    fn claim(&mut self, _operation: u32, claim: &RawClaim<'_>) {
        if let Some(found) = self.market(claim.sold, claim.bought) {
            found.claims.count(claim);
        }
    }

    fn change(&mut self, _phase: ChangePhase, change: &Change<'_>) {
        match change {
            Change::Offer(offer) => {
                if let Some(found) = self.market(offer.selling, offer.buying) {
                    found.offer_changes += 1;
                }
            }
            Change::Pool(pool) => _ = self.market(pool.asset_a, pool.asset_b),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stellar::{AccountId, AssetCode};

    #[test]
    fn a_table_with_too_little_room_leaves_out_what_trades_least() {
        let most = MarketTable::MAX_MARKETS as u64;
        let found = (0..most + 2).map(|number| {
            let mut issuer = [0; 32];
            issuer[..8].copy_from_slice(&number.to_be_bytes());
            let quote = Asset::Credit { code: AssetCode::Four(*b"TEST"), issuer: AccountId(issuer) };
            let market = Market { base: Asset::Native, quote };
            Found { market, claims: Claims { book: number, pool: 1 }, offer_changes: 3 }
        });
        let plan = Survey { found: found.collect(), ..Survey::default() }.plan();
        assert_eq!(plan.markets.markets().len() as u64, most);
        assert_eq!(plan.left_out, LeftOut { markets: 2, claims: Claims { book: 1, pool: 2 } });
        assert_eq!((plan.offers as u64, plan.offers_per_market), (3 * most, 3));
    }
}

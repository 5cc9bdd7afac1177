//! Trades: what successful operations took from books and pools.
//!
//! Source: Horizon's `TradeProcessor` and `history_trades`.

use super::History;
use super::changes::{Change, changes};
use super::claims::{Claim, Maker};
use super::index::Index;
use super::record::{LedgerRecord, TransactionRecord, account_of};
use super::toid::Toid;
use std::collections::VecDeque;
use std::mem;
use stellar_xdr::{AccountId, Asset, LedgerEntryData, LiquidityPoolEntryBody, PoolId};

/// Marks the id of an offer that was filled at once, and so never was in the ledger: the operation's [`Toid`] under this
/// bit (Horizon's `EncodeOfferId`).
const SYNTHETIC: i64 = 1 << 62;

/// Who was on one side of a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// An account, by an offer; a taker whose offer did not come to rest has a synthetic one.
    Offer { account: AccountId, id: i64 },
    /// A liquidity pool, for this fee.
    Pool { id: PoolId, fee_bp: u32 },
}

/// One side of a trade: what was given, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) party: Party,
    pub(crate) asset: Asset,
    /// Stroops.
    pub(crate) amount: i64,
}

/// A trade. The base is the lesser of the two assets in the protocol's order, lumens first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    /// The taker's operation.
    pub(crate) operation: Toid,
    /// Its place among what the operation took, from 0.
    pub(crate) order: u32,
    /// Close time of its ledger, seconds since 1970.
    pub(crate) closed_at_s: u64,
    pub(crate) base: Side,
    pub(crate) counter: Side,
    /// Whether the base was sold by the maker: by the resting offer or the pool.
    pub(crate) base_is_seller: bool,
    /// Counter per base: the maker's price, for a pool what it was in effect. Not reduced.
    pub(crate) price: (i64, i64),
}

impl Trade {
    /// Where it stands among all trades: [`Trade::operation`] and [`Trade::order`].
    pub(crate) fn id(&self) -> (i64, i64) {
        (self.operation.0, i64::from(self.order))
    }

    /// Whether a pool was the maker.
    pub(crate) fn is_with_pool(&self) -> bool {
        self.pool().is_some()
    }

    /// The pool, and its fee in hundredths of a percent.
    pub(crate) fn pool(&self) -> Option<(&PoolId, u32)> {
        self.sides().into_iter().find_map(|side| match &side.party {
            Party::Pool { id, fee_bp } => Some((id, *fee_bp)),
            Party::Offer { .. } => None,
        })
    }

    /// The same with base and counter exchanged.
    pub(crate) fn flipped(&self) -> Self {
        Self {
            base: self.counter.clone(),
            counter: self.base.clone(),
            base_is_seller: !self.base_is_seller,
            price: (self.price.1, self.price.0),
            ..*self
        }
    }

    fn sides(&self) -> [&Side; 2] {
        [&self.base, &self.counter]
    }
}

/// The trades of an operation.
pub(super) fn trades_of(ledger: &LedgerRecord, tx: &TransactionRecord, index: usize) -> Vec<Trade> {
    let taken = tx.taken(index);
    if taken.claims.is_empty() {
        return Vec::new();
    }
    let operation = tx.operation_id(index);
    let taker = Party::Offer {
        account: account_of(&tx.operation_source(index)),
        id: taken.rests.unwrap_or(operation.0 | SYNTHETIC),
    };
    let changes = changes(tx.operation_changes(index));
    let claims = taken.claims.iter().zip(0..).filter_map(|(atom, order)| Some((Claim::of(atom)?, order)));
    claims.map(|(claim, order)| trade(ledger, operation, order, &taker, &claim, &changes)).collect()
}

fn trade(
    ledger: &LedgerRecord,
    operation: Toid,
    order: u32,
    taker: &Party,
    claim: &Claim<'_>,
    changes: &[Change<'_>],
) -> Trade {
    let (party, price) = maker(claim, changes);
    let mut trade = Trade {
        operation,
        order,
        closed_at_s: ledger.closed_at_s(),
        base: Side { party, asset: claim.sold.clone(), amount: claim.amount_sold },
        counter: Side { party: taker.clone(), asset: claim.bought.clone(), amount: claim.amount_bought },
        base_is_seller: true,
        price,
    };
    if trade.counter.asset < trade.base.asset {
        mem::swap(&mut trade.base, &mut trade.counter);
        trade.base_is_seller = false;
        trade.price = (price.1, price.0);
    }
    trade
}

/// The maker, and its price: what it bought per what it sold.
fn maker(claim: &Claim<'_>, changes: &[Change<'_>]) -> (Party, (i64, i64)) {
    let before = changes.iter().rev().filter_map(|change| change.before).map(|entry| &entry.data);
    match &claim.maker {
        Maker::Offer { account, id } => {
            let offer = before.into_iter().find_map(|entry| match entry {
                LedgerEntryData::Offer(offer) if offer.offer_id == *id => Some(offer),
                _ => None,
            });
            let Some(offer) = offer else { unreachable!("offer {id} was crossed and did not change") };
            let price = (i64::from(offer.price.n), i64::from(offer.price.d));
            (Party::Offer { account: account.clone(), id: *id }, price)
        }
        Maker::Pool(id) => {
            let pool = before.into_iter().find_map(|entry| match entry {
                LedgerEntryData::LiquidityPool(pool) if pool.liquidity_pool_id == *id => Some(&pool.body),
                _ => None,
            });
            let Some(LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool)) = pool else {
                unreachable!("a pool was traded with and did not change")
            };
            let fee_bp = u32::try_from(pool.params.fee).unwrap_or(0);
            (Party::Pool { id: id.clone(), fee_bp }, (claim.amount_bought, claim.amount_sold))
        }
    }
}

/// By what trades are found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(AccountId),
    Offer(i64),
    Pool(PoolId),
    /// The lesser asset first.
    Pair(Asset, Asset),
}

impl Key {
    fn of_pair(x: &Asset, y: &Asset) -> Self {
        Self::Pair(x.min(y).clone(), x.max(y).clone())
    }
}

fn keys(trade: &Trade) -> Vec<Key> {
    let mut keys = vec![Key::of_pair(&trade.base.asset, &trade.counter.asset)];
    for side in trade.sides() {
        match &side.party {
            Party::Offer { account, id } => keys.extend([Key::Account(account.clone()), Key::Offer(*id)]),
            Party::Pool { id, .. } => keys.push(Key::Pool(id.clone())),
        }
    }
    keys
}

/// Every trade of the ledgers that are kept, found by account, offer, pool and pair.
#[derive(Debug, Default)]
pub(super) struct Trades {
    kept: VecDeque<Trade>,
    /// How many came before those.
    forgotten: u64,
    /// Trades by their number since the beginning.
    index: Index<Key, u64>,
}

impl Trades {
    /// Adds those of the ledger that closed after the last one.
    pub(super) fn record(&mut self, ledger: &LedgerRecord) {
        let operations = ledger.transactions.iter().flat_map(|tx| (0..tx.operations().len()).map(move |at| (tx, at)));
        for trade in operations.flat_map(|(tx, at)| trades_of(ledger, tx, at)) {
            let place = self.forgotten + self.kept.len() as u64;
            keys(&trade).iter().for_each(|key| self.index.add(key, place));
            self.kept.push_back(trade);
        }
    }

    /// Takes away those up to this ledger.
    pub(super) fn forget_until(&mut self, ledger: u32) {
        while let Some(trade) = self.kept.pop_front_if(|trade| trade.operation.ledger() <= ledger) {
            keys(&trade).iter().for_each(|key| self.index.forget(key, self.forgotten));
            self.forgotten += 1;
        }
    }

    fn found(&self, key: &Key) -> impl DoubleEndedIterator<Item = &Trade> + use<'_> {
        self.index.of(key).filter_map(|place| self.kept.get(usize::try_from(place.checked_sub(self.forgotten)?).ok()?))
    }
}

impl History {
    /// Every trade that is kept, oldest first.
    pub(crate) fn trades(&self) -> impl DoubleEndedIterator<Item = &Trade> + ExactSizeIterator {
        self.trades.kept.iter()
    }

    /// Those of an account, on either side.
    pub(crate) fn trades_of_account(&self, account: &AccountId) -> impl DoubleEndedIterator<Item = &Trade> + use<'_> {
        self.trades.found(&Key::Account(account.clone()))
    }

    /// Those of an offer, as maker or as taker, by its own id or by a synthetic one.
    pub(crate) fn trades_of_offer(&self, id: i64) -> impl DoubleEndedIterator<Item = &Trade> + use<'_> {
        self.trades.found(&Key::Offer(id))
    }

    /// Those of a pool.
    pub(crate) fn trades_of_pool(&self, id: &PoolId) -> impl DoubleEndedIterator<Item = &Trade> + use<'_> {
        self.trades.found(&Key::Pool(id.clone()))
    }

    /// Those of two assets, in either order; the trades themselves stay as they are ([`Trade::flipped`]).
    pub(crate) fn trades_of_pair(&self, x: &Asset, y: &Asset) -> impl DoubleEndedIterator<Item = &Trade> + use<'_> {
        self.trades.found(&Key::of_pair(x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixture::Fixture;
    use crate::sandbox::history::HistoryBounds;
    use crate::sandbox::{EngineAccount, WorldConfig};
    use std::collections::HashSet;

    fn lively(max_ledgers: usize) -> Fixture {
        let engine = EngineAccount::without_trustlines(crate::stellar::AccountId([7; 32]));
        let bounds = HistoryBounds { max_ledgers, max_bytes: usize::MAX };
        let mut fixture = Fixture::of(&WorldConfig::new(1, engine), bounds);
        (0..40).for_each(|_| fixture.close());
        fixture
    }

    #[test]
    fn every_trade_is_found_by_whom_and_what_it_was_of_and_by_nothing_else() {
        for max_ledgers in [1000, 7] {
            let fixture = lively(max_ledgers);
            let history = &fixture.history;
            let all: Vec<&Trade> = history.trades().collect();
            assert!(!all.is_empty(), "nobody traded");
            assert!(all.is_sorted_by_key(|trade| trade.id()));
            let again: Vec<Trade> = history
                .ledgers()
                .flat_map(|ledger| ledger.transactions.iter().map(move |tx| (ledger, tx)))
                .flat_map(|(ledger, tx)| (0..tx.operations().len()).flat_map(move |at| trades_of(ledger, tx, at)))
                .collect();
            assert_eq!(all, again.iter().collect::<Vec<_>>(), "a plain scan");
            let every: HashSet<Key> = all.iter().flat_map(|trade| keys(trade)).collect();
            assert_eq!(history.trades.index.len(), every.len(), "what was forgotten is still indexed");
            for key in &every {
                let scan = all.iter().copied().filter(|trade| keys(trade).contains(key));
                assert!(history.trades.found(key).eq(scan), "{key:?}");
            }
        }
    }

    #[test]
    fn a_trade_is_the_same_seen_from_either_side() {
        let fixture = lively(1000);
        for trade in fixture.history.trades() {
            assert!(trade.base.asset < trade.counter.asset);
            let flipped = trade.flipped();
            assert_eq!(flipped.flipped(), *trade);
            assert_eq!((flipped.base.amount, flipped.price.0), (trade.counter.amount, trade.price.1));
            assert_ne!(flipped.base_is_seller, trade.base_is_seller);
            let seller = if trade.base_is_seller { &trade.base } else { &trade.counter };
            let buyer = if trade.base_is_seller { &trade.counter } else { &trade.base };
            assert_eq!(trade.is_with_pool(), matches!(seller.party, Party::Pool { .. }));
            let Party::Offer { id, .. } = &buyer.party else { panic!("a taker is never a pool") };
            assert!(*id < SYNTHETIC || *id == SYNTHETIC | trade.operation.0);
        }
    }

    #[test]
    fn amounts_keep_to_the_makers_price() {
        let fixture = lively(1000);
        for trade in fixture.history.trades().filter(|trade| !trade.is_with_pool()) {
            let (n, d) =
                (f64::from(i32::try_from(trade.price.0).unwrap()), f64::from(i32::try_from(trade.price.1).unwrap()));
            let paid = trade.counter.amount as f64 / trade.base.amount as f64;
            assert!((paid / (n / d) - 1.0).abs() < 0.01, "{trade:?}");
        }
    }
}

//! One market: its two sides, its pool, and what traded.

use super::levels::{Level, Levels, LevelsFull, Share};
use super::offers::{Offer, OfferTable};
use super::queue::{Queue, Turn};
use super::sorted::Pool;
use crate::events::views::{LevelView, MarketView, VIEW_DEPTH};
use crate::events::{PoolChange, Trade, TradeVenue};
use crate::stellar::depth::{PoolQuote, Swept, depth, sweep};
use crate::stellar::{LedgerSeq, Price, Side, Stroops};

/// What is known of a market, but for what stands in the common [`Pools`].
#[derive(Debug)]
pub(super) struct MarketState {
    bids: SideState,
    asks: SideState,
    pub(super) pool: Option<PoolChange>,
    traded: Traded,
    last_trade: Option<LastTrade>,
    pub(super) changed_in: LedgerSeq,
    /// Whether it is in the list of markets that the ledger changed.
    pub(super) changed: bool,
    pub(super) whole: bool,
    /// A check found a difference, and no later one has agreed yet.
    pub(super) suspect: bool,
    /// Whether it was last told to be whole.
    pub(super) told_whole: bool,
}

/// One side.
#[derive(Debug)]
pub(super) struct SideState {
    pub(super) levels: Levels,
    pub(super) queue: Queue,
}

/// Where the sides of all markets keep what they hold.
#[derive(Debug)]
pub(super) struct Pools {
    pub(super) levels: Pool<Level>,
    pub(super) turns: Pool<Turn>,
}

impl Pools {
    /// For so many offers on so many sides.
    pub(super) fn new(offers: usize, sides: usize) -> Self {
        Self { levels: Pool::new(offers, sides), turns: Pool::new(offers, sides) }
    }
}

/// A market's book, to look at.
#[derive(Clone, Copy, Debug)]
pub struct MarketBook<'b> {
    pub(super) state: &'b MarketState,
    pub(super) pools: &'b Pools,
    pub(super) table: &'b OfferTable,
}

/// The last trade in which both assets changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastTrade {
    /// The ledger.
    pub ledger: LedgerSeq,
    /// Base that changed hands, at least 1.
    pub base: Stroops,
    /// Quote that changed hands, at least 1.
    pub quote: Stroops,
}

/// What has traded since the book was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traded {
    /// Claims against offers, those of nothing for nothing included.
    pub book_claims: u64,
    /// Claims against the pool.
    pub pool_claims: u64,
    /// Base that changed hands, stroops.
    pub base: i128,
    /// Quote that changed hands, stroops.
    pub quote: i128,
}

impl SideState {
    fn new(levels: usize) -> Self {
        Self { levels: Levels::new(levels), queue: Queue::new() }
    }

    /// An offer comes.
    pub(super) fn add(&mut self, pools: &mut Pools, offer: &Offer) -> Result<(), LevelsFull> {
        self.levels.add(&mut pools.levels, offer.price, Share::of(offer))?;
        self.queue.add(&mut pools.turns, offer);
        Ok(())
    }

    /// An offer that was added goes.
    pub(super) fn remove(&mut self, pools: &mut Pools, offer: &Offer) {
        self.levels.remove(&mut pools.levels, offer.price, Share::of(offer));
        self.queue.remove(&mut pools.turns, offer);
    }

    fn add_up(&self, pools: &Pools) -> bool {
        self.levels.add_up(&pools.levels) && self.queue.len() == self.levels.offers() as usize
    }
}

impl MarketState {
    pub(super) fn new(levels_per_side: usize) -> Self {
        Self {
            bids: SideState::new(levels_per_side),
            asks: SideState::new(levels_per_side),
            pool: None,
            traded: Traded::default(),
            last_trade: None,
            changed_in: LedgerSeq(0),
            changed: false,
            whole: true,
            suspect: false,
            told_whole: true,
        }
    }

    fn side(&self, side: Side) -> &SideState {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    pub(super) fn side_mut(&mut self, side: Side) -> &mut SideState {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }

    pub(super) fn trade(&mut self, trade: &Trade, ledger: LedgerSeq) {
        match trade.venue {
            TradeVenue::Book { .. } => self.traded.book_claims += 1,
            TradeVenue::Pool => self.traded.pool_claims += 1,
        }
        self.traded.base += i128::from(trade.base.0);
        self.traded.quote += i128::from(trade.quote.0);
        if trade.base.0 > 0 && trade.quote.0 > 0 {
            self.last_trade = Some(LastTrade { ledger, base: trade.base, quote: trade.quote });
        }
    }
}

impl<'b> MarketBook<'b> {
    /// The levels of a side, best first; their prices are the offers' own.
    pub fn levels(self, side: Side) -> impl Iterator<Item = &'b Level> {
        self.state.side(side).levels.best_first(&self.pools.levels)
    }

    /// The offers of a side in the order in which the protocol takes them: by `double(n)/double(d)`, then by id.
    pub fn offers_in_order(self, side: Side) -> impl Iterator<Item = Offer> + use<'b> {
        let known = move |id| self.table.get(id);
        self.state.side(side).queue.ids(&self.pools.turns).filter_map(known)
    }

    /// The best price of a side in units of quote for one base.
    #[must_use]
    pub fn best(self, side: Side) -> Option<Price> {
        self.levels(side).next().map(|level| market_price(side, level.price))
    }

    /// How many offers a side has.
    #[must_use]
    pub fn offers(self, side: Side) -> u32 {
        self.state.side(side).levels.offers()
    }

    /// The liquidity pool, if the market has one.
    #[must_use]
    pub fn pool(self) -> Option<PoolChange> {
        self.state.pool
    }

    /// What the pool's reserves imply, if the market has one that is not empty.
    #[must_use]
    pub fn pool_quote(self) -> Option<PoolQuote> {
        self.pool().and_then(|pool| PoolQuote::of(pool.base_reserve.0, pool.quote_reserve.0, pool.fee_bp))
    }

    /// What taking up to `base` stroops of base out of a side's offers that are not ours gives; see [`sweep`].
    #[must_use]
    pub fn sweep(self, side: Side, base: i128) -> Swept {
        sweep(side, self.foreign(side), base)
    }

    /// What a side's offers that are not ours sell up to a price in units of quote for one base; see [`depth`].
    #[must_use]
    pub fn depth(self, side: Side, limit: Price) -> i128 {
        depth(side, self.foreign(side), limit)
    }

    /// The market's price of each level of a side, best first, and what offers that are not ours sell there.
    fn foreign(self, side: Side) -> impl Iterator<Item = (Price, i128)> {
        self.levels(side).map(move |level| (market_price(side, level.price), level.amount - level.own_amount))
    }

    /// What has traded.
    #[must_use]
    pub fn traded(self) -> Traded {
        self.state.traded
    }

    /// The last trade that has a price.
    #[must_use]
    pub fn last_trade(self) -> Option<LastTrade> {
        self.state.last_trade
    }

    /// The ledger that changed it last, zero if none has.
    #[must_use]
    pub fn changed_in(self) -> LedgerSeq {
        self.state.changed_in
    }

    /// Whether it is known to be what the ledger has: no ledger is missing, nothing had to be left out for want of room,
    /// and the last snapshot agreed.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.state.whole
    }

    /// Whether a check found a difference that no later one has taken back.
    pub(super) fn is_suspect(self) -> bool {
        self.state.suspect
    }

    /// What a reader sees of it.
    #[must_use]
    pub fn view(self) -> MarketView {
        let add_up = |side| self.state.side(side).add_up(self.pools);
        debug_assert!(add_up(Side::Bid) && add_up(Side::Ask), "levels and offers do not agree");
        let last = self.last_trade();
        let pool = self.pool();
        MarketView {
            changed_in: self.changed_in().0,
            whole: u32::from(self.is_whole()),
            reserved: 0,
            bid_offers: self.offers(Side::Bid),
            ask_offers: self.offers(Side::Ask),
            last_trade_ledger: last.map_or(0, |trade| trade.ledger.0),
            last_base: last.map_or(0, |trade| trade.base.0),
            last_quote: last.map_or(0, |trade| trade.quote.0),
            pool_base: pool.map_or(0, |pool| pool.base_reserve.0),
            pool_quote: pool.map_or(0, |pool| pool.quote_reserve.0),
            bids: self.top(Side::Bid),
            asks: self.top(Side::Ask),
        }
    }

    fn top(self, side: Side) -> [LevelView; VIEW_DEPTH] {
        let mut top = [LevelView::default(); VIEW_DEPTH];
        for (view, level) in top.iter_mut().zip(self.levels(side)) {
            let price = market_price(side, level.price);
            *view = LevelView {
                n: price.n(),
                d: price.d(),
                amount: saturated(level.amount),
                own_amount: saturated(level.own_amount),
            };
        }
        top
    }
}

/// An offer's own price as the market's: a bid's is upside down.
fn market_price(side: Side, own: Price) -> Price {
    match side {
        Side::Bid => own.inverse(),
        Side::Ask => own,
    }
}

fn saturated(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

//! One market: its two sides, its pool, and what traded.

use super::levels::{Level, Levels};
use crate::events::views::{LevelView, MarketView, VIEW_DEPTH};
use crate::events::{PoolChange, Trade, TradeVenue};
use crate::stellar::{LedgerSeq, Price, Side, Stroops};

/// What is known of a market.
#[derive(Debug)]
pub struct MarketBook {
    bids: Levels,
    asks: Levels,
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

impl MarketBook {
    pub(super) fn new(levels_per_side: usize) -> Self {
        Self {
            bids: Levels::new(levels_per_side),
            asks: Levels::new(levels_per_side),
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

    pub(super) fn side(&self, side: Side) -> &Levels {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    pub(super) fn side_mut(&mut self, side: Side) -> &mut Levels {
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

    /// The levels of a side, best first; their prices are the offers' own.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = &Level> {
        self.side(side).best_first()
    }

    /// The best price of a side in units of quote for one base.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Price> {
        self.levels(side).next().map(|level| market_price(side, level.price))
    }

    /// How many offers a side has.
    #[must_use]
    pub fn offers(&self, side: Side) -> u32 {
        self.side(side).offers()
    }

    /// The liquidity pool, if the market has one.
    #[must_use]
    pub fn pool(&self) -> Option<PoolChange> {
        self.pool
    }

    /// What has traded.
    #[must_use]
    pub fn traded(&self) -> Traded {
        self.traded
    }

    /// The last trade that has a price.
    #[must_use]
    pub fn last_trade(&self) -> Option<LastTrade> {
        self.last_trade
    }

    /// The ledger that changed it last, zero if none has.
    #[must_use]
    pub fn changed_in(&self) -> LedgerSeq {
        self.changed_in
    }

    /// Whether it is known to be what the ledger has: no ledger is missing, nothing had to be left out for want of room,
    /// and the last snapshot agreed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// What a reader sees of it.
    #[must_use]
    pub fn view(&self) -> MarketView {
        debug_assert!(self.bids.add_up() && self.asks.add_up(), "levels and offers do not agree");
        let last = self.last_trade;
        let pool = self.pool;
        MarketView {
            changed_in: self.changed_in.0,
            whole: u32::from(self.whole),
            reserved: 0,
            bid_offers: self.bids.offers(),
            ask_offers: self.asks.offers(),
            last_trade_ledger: last.map_or(0, |trade| trade.ledger.0),
            last_base: last.map_or(0, |trade| trade.base.0),
            last_quote: last.map_or(0, |trade| trade.quote.0),
            pool_base: pool.map_or(0, |pool| pool.base_reserve.0),
            pool_quote: pool.map_or(0, |pool| pool.quote_reserve.0),
            bids: self.top(Side::Bid),
            asks: self.top(Side::Ask),
        }
    }

    fn top(&self, side: Side) -> [LevelView; VIEW_DEPTH] {
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

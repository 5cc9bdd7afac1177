//! What one asset would turn into another for, now: what a path payment's hop does, offer by offer, to the last stroop.

use super::market::MarketBook;
use crate::stellar::exchange::{ExchangeLimits, ExchangeMode, exchange, pool_receive, pool_send};
use crate::stellar::{AccountIndex, Side};

/// The most offers that one operation may cross (`MAX_OFFERS_TO_CROSS`); a pool counts as one.
pub const MAX_CROSSINGS: u32 = 1_000;
/// From this protocol on, crossings of a book that lost to its pool count too.
const COUNTS_DISCARDED_FROM: u32 = 27;

/// Which end of a conversion has its amount given; the other end's is what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// What is sent (`PathPaymentStrictSend`); found is what arrives.
    Sent,
    /// What is received (`PathPaymentStrictReceive`); found is what it costs.
    Received,
}

/// Who converts, under which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// An account of ours, whose own offers may not be crossed.
    pub account: Option<AccountIndex>,
    /// The ledger's protocol version.
    pub protocol: u32,
}

/// What a conversion comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The amount at the end that was not given, stroops.
    pub amount: i64,
    /// Whether the pool does it, and not the book.
    pub by_pool: bool,
    /// What it takes of an operation's [`MAX_CROSSINGS`].
    pub crossings: u32,
}

/// Wheat is what the crossed offers sell, sheep what they want, as in the protocol.
#[derive(Clone, Copy, Debug)]
struct Trade {
    sheep_sent: i64,
    wheat_received: i64,
}

impl MarketBook<'_> {
    /// What `amount` stroops, all of them, are converted for by the offers of the side `crosses`, or by the pool if the
    /// book is not strictly better. Crossing asks pays quote and gets base; crossing bids the other way round.
    ///
    /// `None` if there are not enough offers, within `crossings_left`, before one of the taker's own. What the ledger
    /// asks of the taker (balance, trust, room for what arrives) is not looked at; nor is the vote that could switch
    /// pools off, which no network has cast. An offer's owner can deliver what it says, since the ledger reserves for it;
    /// but one whose trustline is filled to its limit may fall short by a stroop's worth, which no book can know.
    #[must_use]
    pub fn convert(
        self,
        crosses: Side,
        given: Given,
        amount: i64,
        taker: Taker,
        crossings_left: u32,
    ) -> Option<Converted> {
        let (trade, by_pool, crossings) = self.book_or_pool(crosses, given, amount, taker, crossings_left)?;
        let (exact, other) = match given {
            Given::Sent => (trade.sheep_sent, trade.wheat_received),
            Given::Received => (trade.wheat_received, trade.sheep_sent),
        };
        (exact == amount && other > 0).then_some(Converted { amount: other, by_pool, crossings })
    }

    fn book_or_pool(
        self,
        crosses: Side,
        given: Given,
        amount: i64,
        taker: Taker,
        crossings_left: u32,
    ) -> Option<(Trade, bool, u32)> {
        if amount <= 0 || crossings_left == 0 {
            return None;
        }
        let book = self.cross_book(crosses, given, amount, taker, crossings_left)?;
        let Some(pool) = self.ask_pool(crosses, given, amount) else {
            return book.is_done.then_some((book.trade, false, book.crossings));
        };
        if book.is_done && is_better(book.trade, pool) {
            return Some((book.trade, false, book.crossings));
        }
        let discarded = if taker.protocol >= COUNTS_DISCARDED_FROM { book.crossings } else { 0 };
        // One must be left for the pool itself.
        (discarded < crossings_left).then_some((pool, true, 1 + discarded))
    }

    /// What the pool does with all of it, if there is one that can.
    fn ask_pool(self, crosses: Side, given: Given, amount: i64) -> Option<Trade> {
        let pool = self.pool()?;
        let (base, quote) = (pool.base_reserve.0, pool.quote_reserve.0);
        if base <= 0 || quote <= 0 {
            return None;
        }
        let (sheep, wheat) = match crosses {
            Side::Ask => (quote, base),
            Side::Bid => (base, quote),
        };
        Some(match given {
            Given::Sent => Trade { sheep_sent: amount, wheat_received: pool_send(sheep, wheat, amount, pool.fee_bp)? },
            Given::Received => {
                Trade { sheep_sent: pool_receive(sheep, wheat, amount, pool.fee_bp)?, wheat_received: amount }
            }
        })
    }

    /// Crosses offers until all is converted. `None` where the payment would end with an internal error.
    fn cross_book(self, crosses: Side, given: Given, amount: i64, taker: Taker, most: u32) -> Option<FromBook> {
        let (mode, mut sheep_left, mut wheat_left) = match given {
            Given::Sent => (ExchangeMode::StrictSend, amount, i64::MAX),
            Given::Received => (ExchangeMode::StrictReceive, i64::MAX, amount),
        };
        let (sheep, wheat) = (sheep_left, wheat_left);
        let (mut crossings, mut is_done) = (0, false);
        for offer in self.offers_in_order(crosses) {
            let is_own = taker.account.is_some() && offer.owner == taker.account;
            if is_own || crossings >= most {
                break;
            }
            let limits = ExchangeLimits {
                wheat_send: offer.amount.0,
                wheat_receive: wheat_left,
                sheep_send: sheep_left,
                sheep_receive: i64::MAX,
            };
            let crossed = exchange(offer.price, limits, mode).ok()?;
            crossings += 1;
            sheep_left -= crossed.sheep_sent;
            wheat_left -= crossed.wheat_received;
            if crossed.wheat_stays || sheep_left == 0 || wheat_left == 0 {
                is_done = true;
                break;
            }
        }
        let trade = Trade { sheep_sent: sheep - sheep_left, wheat_received: wheat - wheat_left };
        Some(FromBook { trade, crossings, is_done })
    }
}

/// What the book would do.
#[derive(Clone, Copy, Debug)]
struct FromBook {
    trade: Trade,
    crossings: u32,
    /// Whether nothing stopped it early.
    is_done: bool,
}

/// The book wins only with a strictly better price.
fn is_better(book: Trade, pool: Trade) -> bool {
    let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
    product(pool.sheep_sent, book.wheat_received) > product(pool.wheat_received, book.sheep_sent)
}

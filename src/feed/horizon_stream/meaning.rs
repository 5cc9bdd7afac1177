//! What a stream's events mean to us.

use super::witness::Witness;
use crate::events::{FeedEvent, FeedFault, MonoNanos, ReferencePrice, Sink, Stamped, SymbolId};
use crate::feed::source::Tools;
use crate::wire::json::horizon_book::{BookLevel, HorizonBook, HorizonBookError, HorizonBookParser};
use crate::wire::json::horizon_record::{HorizonRecordError, HorizonRecordParser};

/// What is heard.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The book of the market with this place among the prices.
    OrderBook(usize, Box<HorizonBookParser>),
    /// Its trades.
    Trades(usize, HorizonRecordParser),
    /// An account of ours.
    Account(Witness, HorizonRecordParser),
}

/// The prices of the markets, each put together from two streams.
#[derive(Debug)]
pub(super) struct Prices(Vec<ReferencePrice>);

impl Prices {
    pub(super) fn new(symbols: impl Iterator<Item = SymbolId>) -> Self {
        Self(symbols.map(|symbol| ReferencePrice { symbol, ..ReferencePrice::default() }).collect())
    }
}

impl Meaning {
    pub(super) fn order_book(at: usize, levels: usize) -> Self {
        Self::OrderBook(at, Box::new(HorizonBookParser::new(levels)))
    }

    pub(super) fn trades(at: usize) -> Self {
        Self::Trades(at, HorizonRecordParser::default())
    }

    pub(super) fn account(witness: Witness) -> Self {
        Self::Account(witness, HorizonRecordParser::default())
    }

    /// Takes an event's data, and tells what follows on this leg. (The events of Horizon's own kinds are not for it.)
    ///
    /// # Errors
    /// If it is not what the stream should bring.
    pub(super) fn take(
        &mut self,
        data: &[u8],
        leg: usize,
        prices: &mut Prices,
        tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>,
    ) -> Result<(), FeedFault> {
        let now = tools.ports[leg].at;
        let price = match self {
            Self::OrderBook(at, parser) => {
                let price = &mut prices.0[*at];
                let book = parser.parse(data).map_err(fault_of_book)?;
                has_price(price, &book, now)?.then_some(price)
            }
            Self::Trades(at, parser) => {
                let price = &mut prices.0[*at];
                price.last = parser.trade_price(data).map_err(fault_of_record)?;
                // A trade makes the book no fresher than it was, and is no price without one.
                Some(price).filter(|price| price.bid > 0.0)
            }
            Self::Account(witness, parser) => {
                witness.told(parser.account(data).map_err(fault_of_record)?, now);
                None
            }
        };
        let port = &mut tools.ports[leg];
        port.counters.handed_down += 1;
        if let Some(price) = price {
            port.emit(FeedEvent::ReferencePrice(*price), tools.sink);
        }
        self.look(leg, tools);
        Ok(())
    }

    /// Looks whether the ledgers have shown what they should.
    pub(super) fn look(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let Self::Account(witness, _) = self else { return };
        let port = &mut tools.ports[leg];
        if witness.finds(tools.ledgers, port.at) {
            port.fault(FeedFault::UnseenChange, tools.sink);
            tools.horizon.check_wanted = true;
        }
    }

    /// When it is to look again.
    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        match self {
            Self::Account(witness, _) => witness.deadline(),
            Self::OrderBook(..) | Self::Trades(..) => None,
        }
    }
}

/// Brings a price up to its book; false if the book has but one side, or none. A book that did not change is as good a
/// price as before, and a fresh one.
fn has_price(price: &mut ReferencePrice, book: &HorizonBook<'_>, now: MonoNanos) -> Result<bool, FeedFault> {
    let (Some(bid), Some(ask)) = (book.bids.first(), book.asks.first()) else {
        (price.bid, price.ask) = (0.0, 0.0);
        return Ok(false);
    };
    if book.is_new || price.bid <= 0.0 {
        if bid.price.cmp_exact(ask.price).is_gt() {
            return Err(FeedFault::BadValue);
        }
        (price.bid, price.ask) = (bid.price.book_order(), ask.price.book_order());
        // Bids sell the quote asset.
        (price.bid_amount, price.ask_amount) = (units(bid) / price.bid, units(ask));
    }
    price.received = now;
    Ok(true)
}

/// A level's amount in whole units of what it sells.
#[expect(clippy::cast_precision_loss, reason = "an amount that shapes decisions")]
fn units(level: &BookLevel) -> f64 {
    level.amount.0 as f64 / 1e7
}

fn fault_of_book(error: HorizonBookError) -> FeedFault {
    match error {
        HorizonBookError::NotJson => FeedFault::Malformed,
        HorizonBookError::Bad(_) => FeedFault::BadValue,
    }
}

fn fault_of_record(error: HorizonRecordError) -> FeedFault {
    match error {
        HorizonRecordError::NotJson => FeedFault::Malformed,
        HorizonRecordError::Bad(_) => FeedFault::BadValue,
    }
}

//! Prices made of other prices: what is quoted around.
//!
//! An expression is kept in postfix order and worked out on a stack of fixed size. It has a value only while every input
//! has one that is fresh enough: what one stale input would make of it is never used, whichever of `max`, `min` or
//! `median` would have ignored it.

use super::views::MarketView;
use super::{MonoNanos, ReferencePrice, SymbolId};
use crate::stellar::depth::Swept;
use crate::stellar::{MarketId, Side, Stroops};

/// The most steps of an expression, and the room that working it out takes.
pub const MAX_STEPS: usize = 64;

/// Which of a venue's prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quoted {
    /// The middle of best bid and best ask.
    Mid,
    /// The best bid.
    Bid,
    /// The best ask.
    Ask,
    /// The last trade's.
    Last,
    /// Best bid and ask, each weighted by what stands on the other side: it leans to where there is less to take.
    Micro,
    /// The middle of what selling and what buying so much base averages; for a Stellar market only.
    Vwap(Stroops),
    /// The middle that the reserves of the pool imply; for a Stellar market only.
    Pool,
}

/// A step of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A number, finite and positive.
    Fixed(f64),
    /// A price of an exchange, not older than so many nanoseconds.
    Exchange(SymbolId, Quoted, u64),
    /// A price of a Stellar market's book without our own offers, as of a ledger that came at most so many nanoseconds
    /// ago.
    Sdex(MarketId, Quoted, u64),
    /// One over the value before.
    Invert,
    /// The product of so many values before, at least 1.
    Times(u8),
    /// The greatest of so many.
    Max(u8),
    /// The least of so many.
    Min(u8),
    /// The median of so many; of an even number the middle of the two in the middle.
    Median(u8),
}

/// A price made of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Box<[Step]>);

/// The steps are no expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the steps make no single value, or are more than {MAX_STEPS}")]
pub struct BadSteps;

/// What an expression is worked out of.
pub trait Inputs {
    /// The newest price of an exchange.
    fn exchange(&self, symbol: SymbolId) -> Option<ReferencePrice>;

    /// A Stellar market, while its book is whole, and when its ledger came.
    fn sdex(&self, market: MarketId) -> Option<(MarketView, MonoNanos)>;
}

/// An expression's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Finite and positive; units of quote for one base.
    pub price: f64,
    /// After this moment one of its inputs is stale, and it is not to be used.
    pub until: MonoNanos,
    /// When the oldest of its inputs came, if it has any.
    pub oldest: Option<MonoNanos>,
}

impl Expression {
    /// An expression of steps in postfix order.
    ///
    /// # Errors
    /// If they do not end in exactly one value, or are too many.
    pub fn new(steps: Vec<Step>) -> Result<Self, BadSteps> {
        let mut height = 0_usize;
        for step in &steps {
            let (takes, fixed) = match *step {
                Step::Fixed(price) => (0, is_price(price)),
                Step::Exchange(_, Quoted::Vwap(_) | Quoted::Pool, _) => (0, false),
                Step::Exchange(..) | Step::Sdex(..) => (0, true),
                Step::Invert => (1, true),
                Step::Times(count) | Step::Max(count) | Step::Min(count) | Step::Median(count) => {
                    (usize::from(count), count > 0)
                }
            };
            height = height.checked_sub(takes).filter(|_| fixed).ok_or(BadSteps)? + 1;
        }
        if height == 1 && steps.len() <= MAX_STEPS { Ok(Self(steps.into())) } else { Err(BadSteps) }
    }

    /// The middle of a symbol's best prices.
    #[must_use]
    pub fn mid_of(symbol: SymbolId, stale_ns: u64) -> Self {
        Self([Step::Exchange(symbol, Quoted::Mid, stale_ns)].into())
    }

    /// The symbols of exchanges that it is made of, maybe with repetitions.
    pub fn symbols(&self) -> impl Iterator<Item = SymbolId> {
        self.0.iter().filter_map(|step| match step {
            Step::Exchange(symbol, ..) => Some(*symbol),
            _ => None,
        })
    }

    /// Its value now; `None` while an input is missing, stale or without a price, or if the result is no price.
    #[must_use]
    pub fn value(&self, now: MonoNanos, inputs: &impl Inputs) -> Option<Value> {
        let (mut stack, mut height) = ([0.0; MAX_STEPS], 0);
        let (mut until, mut oldest) = (MonoNanos(u64::MAX), None::<MonoNanos>);
        let mut note = |received: MonoNanos, stale_ns| {
            until = until.min(MonoNanos(received.0.saturating_add(stale_ns)));
            oldest = Some(oldest.map_or(received, |oldest| oldest.min(received)));
        };
        for step in &self.0 {
            let start = height - step.takes();
            let operands = &mut stack[start..height];
            let value = match *step {
                Step::Fixed(price) => price,
                Step::Exchange(symbol, what, stale_ns) => {
                    let price = inputs.exchange(symbol)?;
                    note(price.received, stale_ns);
                    of_exchange(&price, what)?
                }
                Step::Sdex(market, what, stale_ns) => {
                    let (view, received) = inputs.sdex(market)?;
                    note(received, stale_ns);
                    of_market(&view, what)?
                }
                Step::Invert => 1.0 / operands[0],
                Step::Times(_) => operands.iter().product(),
                Step::Max(_) => operands.iter().copied().fold(f64::MIN, f64::max),
                Step::Min(_) => operands.iter().copied().fold(f64::MAX, f64::min),
                Step::Median(_) => median(operands),
            };
            if !is_price(value) {
                return None;
            }
            stack[start] = value;
            height = start + 1;
        }
        (now <= until).then_some(Value { price: stack[0], until, oldest })
    }
}

impl Step {
    fn takes(&self) -> usize {
        match *self {
            Self::Fixed(_) | Self::Exchange(..) | Self::Sdex(..) => 0,
            Self::Invert => 1,
            Self::Times(count) | Self::Max(count) | Self::Min(count) | Self::Median(count) => usize::from(count),
        }
    }
}

fn is_price(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn micro((bid, bid_amount): (f64, f64), (ask, ask_amount): (f64, f64)) -> Option<f64> {
    let both = bid_amount + ask_amount;
    (bid_amount > 0.0 && ask_amount > 0.0).then(|| bid * (ask_amount / both) + ask * (bid_amount / both))
}

fn of_exchange(price: &ReferencePrice, what: Quoted) -> Option<f64> {
    match what {
        Quoted::Mid => Some(f64::midpoint(price.bid, price.ask)),
        Quoted::Bid => Some(price.bid),
        Quoted::Ask => Some(price.ask),
        Quoted::Last => Some(price.last),
        Quoted::Micro => micro((price.bid, price.bid_amount), (price.ask, price.ask_amount)),
        Quoted::Vwap(_) | Quoted::Pool => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a price to decide by, good to 15 digits")]
fn of_market(view: &MarketView, what: Quoted) -> Option<f64> {
    let best = |side| view.best_foreign(side).map(|price| price.book_order());
    let filled = |swept: Swept| swept.filled.then(|| swept.vwap()).flatten();
    match what {
        Quoted::Mid => Some(f64::midpoint(best(Side::Bid)?, best(Side::Ask)?)),
        Quoted::Bid => best(Side::Bid),
        Quoted::Ask => best(Side::Ask),
        Quoted::Last => (view.last_base > 0).then(|| view.last_quote as f64 / view.last_base as f64),
        Quoted::Micro => {
            let top = |side| view.levels(side).find(|level| level.amount > level.own_amount);
            let (bid, ask) = (top(Side::Bid)?, top(Side::Ask)?);
            let (bid_price, ask_price) = (bid.price()?.book_order(), ask.price()?.book_order());
            // A bid sells quote: what base it buys is its amount at its price.
            let bid_amount = (bid.amount - bid.own_amount) as f64 / bid_price;
            micro((bid_price, bid_amount), (ask_price, (ask.amount - ask.own_amount) as f64))
        }
        Quoted::Vwap(amount) => {
            let side = |side| filled(view.sweep(side, amount.0.into()));
            Some(f64::midpoint(side(Side::Bid)?, side(Side::Ask)?))
        }
        Quoted::Pool => view.pool_quote().map(|pool| f64::midpoint(pool.bid, pool.ask)),
    }
}

#[cfg(test)]
mod tests;

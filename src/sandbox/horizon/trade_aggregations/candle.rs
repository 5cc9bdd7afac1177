//! One candle.

use crate::sandbox::history::Trade;
use crate::sandbox::horizon::{trades, words};
use serde_json::{Value, json};

/// Counter per base, as the maker has it: not reduced.
type Price = (i64, i64);

/// A price, and when it was: the trade's place among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    place: (i64, i64),
    price: Price,
}

/// What was traded in a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candle {
    /// Milliseconds since 1970.
    pub(super) begins_ms: i64,
    count: u64,
    /// Stroops.
    base_volume: u128,
    counter_volume: u128,
    open: At,
    close: At,
    high: At,
    low: At,
}

impl Candle {
    /// Of one trade.
    pub(super) fn new(begins_ms: i64, trade: &Trade) -> Self {
        let at = At { place: trade.id(), price: trade.price };
        let (base_volume, counter_volume) = volumes(trade);
        Self { begins_ms, count: 1, base_volume, counter_volume, open: at, close: at, high: at, low: at }
    }

    /// Adds another trade; before or after the others does not matter.
    pub(super) fn add(&mut self, trade: &Trade) {
        let at = At { place: trade.id(), price: trade.price };
        let (base_volume, counter_volume) = volumes(trade);
        self.count += 1;
        self.base_volume += base_volume;
        self.counter_volume += counter_volume;
        if at.place < self.open.place {
            self.open = at;
        }
        if at.place > self.close.place {
            self.close = at;
        }
        // Of two prices that are the same, as 1/2 and 2/4, the later one counts.
        let later = |than: At| at.place > than.place;
        match order(at.price, self.high.price) {
            order if order.is_gt() || (order.is_eq() && later(self.high)) => self.high = at,
            _ => {}
        }
        match order(at.price, self.low.price) {
            order if order.is_lt() || (order.is_eq() && later(self.low)) => self.low = at,
            _ => {}
        }
    }

    /// As Horizon shows it.
    pub(super) fn resource(&self) -> Value {
        let price = |at: At| words::price(at.price.0, at.price.1);
        json!({
            "timestamp": self.begins_ms.to_string(),
            "trade_count": self.count.to_string(),
            "base_volume": words::amount_of_sum(self.base_volume),
            "counter_volume": words::amount_of_sum(self.counter_volume),
            "avg": self.average(),
            "high": price(self.high),
            "high_r": trades::price(self.high.price),
            "low": price(self.low),
            "low_r": trades::price(self.low.price),
            "open": price(self.open),
            "open_r": trades::price(self.open.price),
            "close": price(self.close),
            "close_r": trades::price(self.close.price),
        })
    }

    /// Counter per base over all, seven decimals of the nearest double.
    fn average(&self) -> String {
        if self.base_volume == 0 {
            return words::price(0, 1);
        }
        format!("{:.7}", self.counter_volume as f64 / self.base_volume as f64)
    }
}

fn volumes(trade: &Trade) -> (u128, u128) {
    (u128::from(trade.base.amount.unsigned_abs()), u128::from(trade.counter.amount.unsigned_abs()))
}

/// Compares prices exactly.
fn order(x: Price, y: Price) -> std::cmp::Ordering {
    (i128::from(x.0) * i128::from(y.1)).cmp(&(i128::from(y.0) * i128::from(x.1)))
}

//! Pure market making: quotes at fixed distances from a reference price, on both sides.

use super::Strategy;
use crate::events::{Fill, Now, Quote, QuoteList};
use crate::stellar::{MarketId, Price, Rounding, Side, Stroops};

/// Parameters, in Hummingbot's words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PureMarketMakingConfig {
    /// The market to quote.
    pub market: MarketId,
    /// Distance of the first bid below the reference, in basis points; more than 0, less than 10,000.
    pub bid_spread_bp: f64,
    /// Distance of the first ask above the reference, in basis points; more than 0.
    pub ask_spread_bp: f64,
    /// Amount of base a quote; more than 0.
    pub order_amount: Stroops,
    /// Quotes a side, 1 to 16.
    pub order_levels: u8,
    /// How much further each level is than the one before, in basis points; at least 0.
    pub level_spread_bp: f64,
    /// How far the wanted price must have moved, in basis points, before quotes follow; at least 0.
    pub refresh_tolerance_bp: f64,
}

/// Why parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PureMarketMakingError {
    /// A spread or tolerance is out of its range.
    #[error("{name} = {value} is out of range: {range} is wanted")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// What it was.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
}

impl PureMarketMakingConfig {
    fn check(&self) -> Result<(), PureMarketMakingError> {
        let check = |name, value: f64, ok: bool, range| {
            if ok && value.is_finite() { Ok(()) } else { Err(PureMarketMakingError::OutOfRange { name, value, range }) }
        };
        let deepest_bp = self.bid_spread_bp + self.level_spread_bp * f64::from(self.order_levels.saturating_sub(1));
        check("bid_spread_bp", self.bid_spread_bp, self.bid_spread_bp > 0.0, "more than 0")?;
        check("ask_spread_bp", self.ask_spread_bp, self.ask_spread_bp > 0.0, "more than 0")?;
        check("level_spread_bp", self.level_spread_bp, self.level_spread_bp >= 0.0, "0 or more")?;
        check("bid_spread_bp of the last level", deepest_bp, deepest_bp < 10_000.0, "less than 10000")?;
        check("refresh_tolerance_bp", self.refresh_tolerance_bp, self.refresh_tolerance_bp >= 0.0, "0 or more")?;
        check("order_amount", self.order_amount.as_units_f64(), self.order_amount > Stroops::ZERO, "more than 0")?;
        let levels = self.order_levels;
        check("order_levels", f64::from(levels), (1..=16).contains(&levels), "1 to 16")
    }
}

/// Quotes at fixed distances from a reference price, on both sides.
#[derive(Clone, Debug)]
pub struct PureMarketMaking {
    config: PureMarketMakingConfig,
    quoted_mid: Option<f64>,
}

impl PureMarketMaking {
    /// A market maker with these parameters.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn new(config: PureMarketMakingConfig) -> Result<Self, PureMarketMakingError> {
        config.check()?;
        Ok(Self { config, quoted_mid: None })
    }

    /// Bids are rounded down and asks up, so that no quote is better than meant.
    fn level(&self, mid: f64, side: Side, level: u8) -> Option<Quote> {
        let further_bp = self.config.level_spread_bp * f64::from(level);
        let (factor, rounding) = match side {
            Side::Bid => (1.0 - (self.config.bid_spread_bp + further_bp) / 10_000.0, Rounding::Down),
            Side::Ask => (1.0 + (self.config.ask_spread_bp + further_bp) / 10_000.0, Rounding::Up),
        };
        let price = Price::approximate(mid * factor, rounding).ok()?;
        Some(Quote { side, price, amount: self.config.order_amount })
    }
}

impl Strategy for PureMarketMaking {
    fn market(&self) -> MarketId {
        self.config.market
    }

    fn on_fill(&mut self, _fill: &Fill) {}

    fn quote(&mut self, _now: Now, price: Option<f64>, quotes: &mut QuoteList) -> bool {
        let Some(mid) = price else { return false };
        let near = |quoted: f64| (mid - quoted).abs() * 10_000.0 <= self.config.refresh_tolerance_bp * quoted;
        if self.quoted_mid.is_some_and(near) {
            return false;
        }
        self.quoted_mid = Some(mid);
        for level in 0..self.config.order_levels {
            for side in [Side::Bid, Side::Ask] {
                // A price beyond 32-bit fractions cannot be quoted; the other levels can.
                if let Some(quote) = self.level(mid, side, level) {
                    let room = quotes.push(quote);
                    assert!(room, "16 levels a side fit the list");
                }
            }
        }
        true
    }

    fn forget(&mut self) {
        self.quoted_mid = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: PureMarketMakingConfig = PureMarketMakingConfig {
        market: MarketId(0),
        bid_spread_bp: 10.0,
        ask_spread_bp: 20.0,
        order_amount: Stroops(1_000),
        order_levels: 2,
        level_spread_bp: 5.0,
        refresh_tolerance_bp: 2.0,
    };

    #[test]
    fn quotes_stand_at_their_distance_and_never_nearer() {
        let mut strategy = PureMarketMaking::new(CONFIG).unwrap();
        let mut quotes = QuoteList::default();
        assert!(strategy.quote(Now::default(), Some(0.1), &mut quotes));
        let bids: Vec<f64> = quotes.side(Side::Bid).map(|quote| quote.price.book_order()).collect();
        let asks: Vec<f64> = quotes.side(Side::Ask).map(|quote| quote.price.book_order()).collect();
        for (got, wanted) in bids.iter().zip([0.0999, 0.09985]) {
            assert!(*got <= wanted && wanted - got < 1e-12, "{got} is not just below {wanted}");
        }
        for (got, wanted) in asks.iter().zip([0.1002, 0.10025]) {
            assert!(*got >= wanted - 1e-17 && got - wanted < 1e-12, "{got} is not just above {wanted}");
        }
    }

    #[test]
    fn quotes_follow_only_past_the_tolerance() {
        let mut strategy = PureMarketMaking::new(CONFIG).unwrap();
        let mut quotes = QuoteList::default();
        assert!(strategy.quote(Now::default(), Some(1.0), &mut quotes));
        assert!(!strategy.quote(Now::default(), Some(1.0001), &mut quotes));
        quotes.clear();
        assert!(strategy.quote(Now::default(), Some(1.0003), &mut quotes));
        assert_eq!(quotes.as_slice().len(), 4);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let bad = [
            PureMarketMakingConfig { bid_spread_bp: 0.0, ..CONFIG },
            PureMarketMakingConfig { bid_spread_bp: f64::NAN, ..CONFIG },
            PureMarketMakingConfig { ask_spread_bp: -1.0, ..CONFIG },
            PureMarketMakingConfig { order_amount: Stroops(0), ..CONFIG },
            PureMarketMakingConfig { order_levels: 0, ..CONFIG },
            PureMarketMakingConfig { order_levels: 17, ..CONFIG },
            PureMarketMakingConfig { level_spread_bp: 9_990.0, ..CONFIG },
            PureMarketMakingConfig { refresh_tolerance_bp: f64::INFINITY, ..CONFIG },
        ];
        for config in bad {
            let error = PureMarketMaking::new(config).unwrap_err().to_string();
            assert!(error.contains("out of range"), "{error}");
        }
    }
}

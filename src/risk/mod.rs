//! The gate between strategy and execution: what passes it may reach the ledger.
//!
//! A quote beyond a limit is left out of its set and counted; an empty set always passes, since taking quotes down is
//! never a risk.

use crate::events::{Decision, MonoNanos, Now, Sink, Stage, Stamped};
use crate::stellar::{MarketId, Price, Stroops};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Limits of one market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MarketLimits {
    /// The most base that one quote may offer.
    pub max_order_amount: Stroops,
    /// The most base that all quotes of one side may offer together.
    pub max_side_amount: Stroops,
    /// No quote below this price (quote asset for one base), if set.
    pub min_price: Option<Price>,
    /// No quote above this price, if set.
    pub max_price: Option<Price>,
}

/// Why a quote does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Refusal {
    /// Trading is disabled (`TRADING_ENABLED`).
    TradingDisabled,
    /// The amount is more than one quote may offer.
    OrderTooLarge,
    /// The side would offer more than it may.
    SideTooLarge,
    /// The price is outside of the band.
    PriceOutOfBand,
}

impl Refusal {
    /// All refusals, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::TradingDisabled, Self::OrderTooLarge, Self::SideTooLarge, Self::PriceOutOfBand];

    /// The refusal's name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TradingDisabled => "trading_disabled",
            Self::OrderTooLarge => "order_too_large",
            Self::SideTooLarge => "side_too_large",
            Self::PriceOutOfBand => "price_out_of_band",
        }
    }
}

/// How often each refusal occurred; written by the gate, read by anyone.
#[derive(Debug, Default)]
pub struct RefusalCounters([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounters {
    /// How often.
    #[must_use]
    pub fn count(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize].load(Ordering::Relaxed)
    }

    fn add(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// The gate. Limits are indexed by market.
#[derive(Debug)]
pub struct RiskGate {
    limits: Vec<MarketLimits>,
    trading_enabled: bool,
    counters: Arc<RefusalCounters>,
    /// The set that is passing: its market, and what its sides offer so far.
    passing: MarketId,
    offered: [i64; 2],
}

impl RiskGate {
    /// A gate with limits for each market, in the order of their ids.
    #[must_use]
    pub fn new(limits: Vec<MarketLimits>, trading_enabled: bool) -> Self {
        let counters = Arc::new(RefusalCounters::default());
        Self { limits, trading_enabled, counters, passing: MarketId(0), offered: [0; 2] }
    }

    /// The counters, for whoever shows them.
    #[must_use]
    pub fn counters(&self) -> Arc<RefusalCounters> {
        Arc::clone(&self.counters)
    }

    fn check(&mut self, quote: &crate::events::Quote) -> Result<(), Refusal> {
        let limits = &self.limits[usize::from(self.passing.0)];
        if !self.trading_enabled {
            return Err(Refusal::TradingDisabled);
        }
        if quote.amount > limits.max_order_amount {
            return Err(Refusal::OrderTooLarge);
        }
        let below = limits.min_price.is_some_and(|min| quote.price.cmp_exact(min).is_lt());
        let above = limits.max_price.is_some_and(|max| quote.price.cmp_exact(max).is_gt());
        if below || above {
            return Err(Refusal::PriceOutOfBand);
        }
        let offered = &mut self.offered[quote.side as usize];
        let total = offered.saturating_add(quote.amount.0);
        if total > limits.max_side_amount.0 {
            return Err(Refusal::SideTooLarge);
        }
        *offered = total;
        Ok(())
    }
}

impl Stage for RiskGate {
    type Input<'a> = Stamped<Decision>;
    type Output = Stamped<Decision>;

    fn on_event(&mut self, _now: Now, input: Stamped<Decision>, sink: &mut impl Sink<Self::Output>) {
        match &input.event {
            Decision::QuotesBegin(batch) => {
                self.passing = batch.market;
                self.offered = [0; 2];
            }
            Decision::Quote(quote) => {
                if let Err(refusal) = self.check(quote) {
                    self.counters.add(refusal);
                    return;
                }
            }
            _ => {}
        }
        sink.put(input);
    }

    fn on_time(&mut self, _now: Now, _sink: &mut impl Sink<Self::Output>) {}

    fn next_deadline(&self) -> Option<MonoNanos> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Quote, QuoteBatch};
    use crate::stellar::{LedgerSeq, Side};

    fn limits() -> MarketLimits {
        MarketLimits {
            max_order_amount: Stroops(100),
            max_side_amount: Stroops(150),
            min_price: Price::new(1, 10).ok(),
            max_price: Price::new(10, 1).ok(),
        }
    }

    fn passed(gate: &mut RiskGate, quotes: &[(Side, i32, i64)]) -> usize {
        let batch = QuoteBatch { market: MarketId(0), decided_on: LedgerSeq(1) };
        let mut out = Vec::new();
        let mut put = |event| gate.on_event(Now::default(), Stamped { wire: MonoNanos(0), event }, &mut out);
        put(Decision::QuotesBegin(batch));
        for &(side, n, amount) in quotes {
            let price = Price::new(n, 10).unwrap();
            put(Decision::Quote(Quote { side, price, amount: Stroops(amount) }));
        }
        put(Decision::QuotesEnd(batch));
        out.len() - 2
    }

    #[test]
    fn what_is_beyond_a_limit_is_left_out_and_counted() {
        let mut gate = RiskGate::new(vec![limits()], true);
        let counters = gate.counters();
        assert_eq!(passed(&mut gate, &[(Side::Bid, 10, 100), (Side::Ask, 11, 100)]), 2);
        assert_eq!(passed(&mut gate, &[(Side::Bid, 10, 101)]), 0);
        assert_eq!(passed(&mut gate, &[(Side::Bid, 10, 100), (Side::Bid, 9, 51), (Side::Bid, 8, 50)]), 2);
        assert_eq!(passed(&mut gate, &[(Side::Ask, 101, 1), (Side::Ask, 100, 1)]), 1);
        assert_eq!(counters.count(Refusal::OrderTooLarge), 1);
        assert_eq!(counters.count(Refusal::SideTooLarge), 1);
        assert_eq!(counters.count(Refusal::PriceOutOfBand), 1);
    }

    #[test]
    fn with_trading_disabled_only_empty_sets_pass() {
        let mut gate = RiskGate::new(vec![limits()], false);
        assert_eq!(passed(&mut gate, &[(Side::Bid, 10, 1), (Side::Ask, 11, 1)]), 0);
        assert_eq!(gate.counters().count(Refusal::TradingDisabled), 2);
    }
}

//! What price levels add up to: how much they take, and at what price.

use super::{Price, Side};

/// What a taker gets of some levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Base that changes hands, stroops.
    pub base: i128,
    /// Quote that changes hands, stroops; each level rounded against the taker.
    pub quote: i128,
    /// The worst price that was needed.
    pub worst: Option<Price>,
    /// Whether that was all that was wanted. If not, there is no more.
    pub filled: bool,
}

impl Swept {
    /// The volume-weighted average price, units of quote for one base, if anything changed hands.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a price to decide by, good to 15 digits")]
    pub fn vwap(&self) -> Option<f64> {
        (self.base > 0).then(|| self.quote as f64 / self.base as f64)
    }
}

/// Takes up to `base` stroops of base out of the levels of a side, best first.
///
/// A level is its price in units of quote for one base, and what its offers sell: base on the ask side, which the taker
/// buys, and quote on the bid side, for which the taker sells. This is what the levels say, to within a stroop a level;
/// what the ledger would do to the last stroop depends on each offer, and on the pool beside them.
pub fn sweep(side: Side, levels: impl IntoIterator<Item = (Price, i128)>, base: i128) -> Swept {
    let mut swept = Swept { filled: base <= 0, ..Swept::default() };
    for (price, amount) in levels {
        if swept.filled {
            break;
        }
        let (n, d) = (i128::from(price.n()), i128::from(price.d()));
        let room = match side {
            Side::Ask => amount,
            Side::Bid => amount.saturating_mul(d) / n,
        };
        let taken = room.min(base - swept.base);
        let value = taken.saturating_mul(n);
        swept.base += taken;
        swept.quote += match side {
            Side::Ask => value / d + i128::from(value % d > 0),
            Side::Bid => value / d,
        };
        swept.worst = Some(price);
        swept.filled = swept.base == base;
    }
    swept
}

/// What the levels of a side sell up to a price, that price included: base on the ask side, quote on the bid side.
pub fn depth(side: Side, levels: impl IntoIterator<Item = (Price, i128)>, limit: Price) -> i128 {
    let within = |price: Price| match side {
        Side::Ask => price.cmp_exact(limit).is_le(),
        Side::Bid => price.cmp_exact(limit).is_ge(),
    };
    levels.into_iter().take_while(|(price, _)| within(*price)).map(|(_, amount)| amount).sum()
}

/// What a pool's reserves imply for the next, infinitely small trade, its fee included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolQuote {
    /// What it pays, units of quote for one base.
    pub bid: f64,
    /// What it wants.
    pub ask: f64,
}

impl PoolQuote {
    /// The quote of a pool with these reserves in stroops; `None` if one of them is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a price to decide by, good to 15 digits")]
    pub fn of(base_reserve: i64, quote_reserve: i64, fee_bp: u32) -> Option<Self> {
        if base_reserve <= 0 || quote_reserve <= 0 {
            return None;
        }
        let middle = quote_reserve as f64 / base_reserve as f64;
        let kept = 1.0 - f64::from(fee_bp) / 10_000.0;
        Some(Self { bid: middle * kept, ask: middle / kept })
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::{POOL_FEE_BPS, pool_receive, pool_send};
    use super::*;
    use proptest::prelude::*;

    fn price(n: i32, d: i32) -> Price {
        Price::new(n, d).unwrap()
    }

    #[test]
    fn a_buyer_climbs_the_asks_and_a_seller_descends_the_bids() {
        let asks = [(price(1, 2), 100), (price(2, 3), 100)];
        let bought = sweep(Side::Ask, asks, 150);
        // 100 at 0.50, then 50 at 0.67, of which a third of a stroop is rounded up.
        assert_eq!(bought, Swept { base: 150, quote: 50 + 34, worst: Some(price(2, 3)), filled: true });
        // Bids offer quote: 50 for 100 of base at 0.50, then 50 for 125 at 0.40.
        let bids = [(price(1, 2), 50), (price(2, 5), 50)];
        let sold = sweep(Side::Bid, bids, 300);
        assert_eq!(sold, Swept { base: 225, quote: 100, worst: Some(price(2, 5)), filled: false });
        assert_eq!(sold.vwap(), Some(100.0 / 225.0));
        assert_eq!(sweep(Side::Ask, [], 1).vwap(), None);
    }

    #[test]
    fn depth_counts_what_is_at_least_as_good() {
        let levels = [(price(1, 2), 7), (price(2, 4), 5), (price(2, 3), 3)];
        assert_eq!(depth(Side::Ask, levels, price(1, 2)), 12);
        let bids = [(price(2, 3), 3), (price(1, 2), 7), (price(1, 3), 9)];
        assert_eq!(depth(Side::Bid, bids, price(1, 2)), 10);
    }

    proptest! {
        /// However much is wanted, a buyer never pays less than the levels ask, and never a stroop a level more.
        #[test]
        fn rounding_is_against_the_taker_by_less_than_a_stroop_a_level(
            levels in prop::collection::vec((1..1000_i32, 1..1000_i32, 1..1_000_000_000_i128), 0..20),
            base in 0..10_000_000_000_i128,
            buys: bool,
        ) {
            let side = if buys { Side::Ask } else { Side::Bid };
            let levels: Vec<_> = levels.into_iter().map(|(n, d, amount)| (price(n, d), amount)).collect();
            let swept = sweep(side, levels.iter().copied(), base);
            let (mut left, mut exact) = (swept.base, 0.0);
            for (price, amount) in &levels {
                let (n, d) = (i128::from(price.n()), i128::from(price.d()));
                let taken = left.min(if buys { *amount } else { amount * d / n });
                left -= taken;
                exact += taken as f64 * price.book_order();
            }
            prop_assert_eq!(left, 0);
            prop_assert_eq!(swept.filled, swept.base == base);
            let paid_more = if buys { swept.quote as f64 - exact } else { exact - swept.quote as f64 };
            prop_assert!((-0.01..=levels.len() as f64 + 0.01).contains(&paid_more), "{}", paid_more);
        }

        /// A small trade with a pool is worth what its quote says, and a larger one less.
        #[test]
        fn a_pools_quote_is_what_its_smallest_trades_are_worth(
            base in 1_000_000_000_000_i64..1_000_000_000_000_000, quote in 1_000_000_000_000_i64..1_000_000_000_000_000,
        ) {
            let implied = PoolQuote::of(base, quote, POOL_FEE_BPS).unwrap();
            let amount = base / 1_000_000;
            let paid = pool_send(base, quote, amount, POOL_FEE_BPS).unwrap() as f64 / amount as f64;
            prop_assert!(paid <= implied.bid && paid > implied.bid * 0.999_99);
            let wanted = pool_receive(quote, base, amount, POOL_FEE_BPS).unwrap() as f64 / amount as f64;
            prop_assert!(wanted >= implied.ask && wanted < implied.ask * 1.000_01);
        }
    }
}

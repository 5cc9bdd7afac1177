//! Arbitrageurs between a book and a pool: what one buys dear and the other sells cheap, they carry over, in one payment
//! to themselves that fails rather than lose.

use super::super::actor::{self, Actor};
use super::super::random::Random;
use super::view::View;
use super::{Trader, round_amount};
use crate::stellar::{Asset, Market, Side};
use stellar_xdr::OperationBody;

/// What a pool leaves of the amount that it is paid.
const AFTER_FEE: f64 = 0.997;
/// A round trip is worth its fee if it gains this much, basis points.
const GAIN_BP: f64 = 1.0;
/// The part that is carried of what would make the two prices the same: the book is not flat.
const CAUTION: f64 = 0.5;
/// The most that is carried at once, units of XLM; less than the least is not worth the fee.
const MOST_XLM: f64 = 3000.0;
const LEAST_XLM: f64 = 5.0;
/// The chance to be awake in a ledger.
const ALERTNESS: f64 = 0.8;

/// An arbitrageur between the books and the pools of its markets.
#[derive(Debug)]
pub(crate) struct PoolArbitrageur {
    actor: Actor,
    markets: Vec<usize>,
}

impl PoolArbitrageur {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets }
    }
}

/// What to sell to the pool, of whatever it holds `held` of, so that its price comes to `price`: units of the other for
/// one, after its fee.
fn until(price: f64, held: f64, other: f64) -> f64 {
    ((held * other * AFTER_FEE / price).sqrt() - held) / AFTER_FEE
}

impl Trader for PoolArbitrageur {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        if !random.chance(ALERTNESS) {
            return Vec::new();
        }
        let market = self.markets[random.below(self.markets.len())];
        let Market { base: base @ Asset::Native, quote } = &view.markets[market] else { return Vec::new() };
        let Some((held_base, held_quote)) = view.pool(market) else { return Vec::new() };
        // Sells base to the pool if that pays more than the book asks; quote, if it gives more base than the book bids for.
        let sold = view.best(market, Side::Ask).map_or(0.0, |ask| CAUTION * until(ask, held_base, held_quote));
        let spent = view.best(market, Side::Bid).map_or(0.0, |bid| CAUTION * until(1.0 / bid, held_quote, held_base));
        let mid = view.mid(market);
        let (asset, through, units) = if sold > LEAST_XLM {
            (base, quote, sold.min(MOST_XLM))
        } else if spent > LEAST_XLM * mid {
            (quote, base, spent.min(MOST_XLM * mid))
        } else {
            return Vec::new();
        };
        let amount = round_amount(units);
        let back = round_amount(units * (1.0 + GAIN_BP / 1e4));
        vec![actor::round_trip(self.actor.id(), asset, through, amount, back.max(amount))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sold_brings_the_pool_to_the_price() {
        let (base, quote, price) = (400_000.0, 41_000.0, 0.101);
        let sold = until(price, base, quote);
        let paid = sold * AFTER_FEE;
        // The next unit would be paid with the price: the derivative of what the pool gives.
        let next = AFTER_FEE * base * quote / ((base + paid) * (base + paid));
        assert!(sold > 0.0 && (next / price - 1.0).abs() < 1e-9, "{sold} {next}");
        assert!(until(0.1025, base, quote) < 0.0, "within the fee nothing is to be had");
    }
}

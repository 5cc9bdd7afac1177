//! The traders that keep the sandbox's markets alive.
//!
//! They know what anyone knows: the book as of the last ledger, and the reference price. What they decide becomes an
//! ordinary signed transaction, one a trader and ledger, so a market is alive because many accounts trade on it.
//!
//! On the first market a book of [`Maker`]s stands some twenty basis points away from the reference and farther, so
//! whoever quotes ten is first in line for the [`Taker`]s (they trade for reasons of their own, on either side alike)
//! and first to be hit by the [`Arbitrageur`]s when the reference has moved on and the quotes have not. [`Noise`]
//! traders come and go in between.

mod arbitrageur;
mod maker;
mod noise;
mod taker;
mod view;

use super::actor::Actor;
use super::random::Random;
use crate::stellar::{Price, Stroops};
use arbitrageur::Arbitrageur;
use maker::Maker;
use noise::Noise;
use stellar_xdr::OperationBody;
use taker::Taker;
pub(crate) use view::View;

/// How many markets beside the first one share a group of traders. Bounded by an account's thousand subentries: a
/// maker has a trustline and a ladder of offers on each.
const MARKETS_A_GROUP: usize = 20;
/// What an ordinary trade is worth, in lumens.
const TRADE_WORTH_XLM: f64 = 150.0;

/// How much goes on in the sandbox's markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nobody but the engine: every book is empty.
    None,
    /// A book of ten and more levels a side stands on every market, and nobody moves.
    Still,
    /// Makers follow the reference, takers take.
    Lively,
}

/// A trader: an account with a habit.
pub(crate) trait Trader: std::fmt::Debug + Send {
    /// Its account.
    fn actor(&self) -> &Actor;

    /// The markets on which it trades: it needs their assets.
    fn markets(&self) -> &[usize];

    /// What it does in this ledger: up to a hundred operations, mostly none.
    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody>;

    /// What it does before the markets open, a transaction each.
    fn open(&self, _view: &View<'_>) -> Vec<Vec<OperationBody>> {
        Vec::new()
    }
}

/// All traders for so many markets. The first market has a crowd of its own.
pub(crate) fn recruit(seed: u64, markets: usize, activity: Activity) -> Vec<Box<dyn Trader>> {
    let mut recruits = Recruits { seed, traders: Vec::new() };
    if activity == Activity::None {
        return recruits.traders;
    }
    let lively = |count: usize| if activity == Activity::Lively { count } else { 0 };
    let all: Vec<usize> = (0..markets).collect();
    let (first, others) = all.split_at(1);
    recruits.add(first, 3, Maker::new);
    recruits.add(first, lively(8), Noise::new);
    recruits.add(first, lively(6), Taker::new);
    recruits.add(first, lively(2), Arbitrageur::new);
    for group in others.chunks(MARKETS_A_GROUP) {
        recruits.add(group, 1, Maker::new);
        recruits.add(group, lively(2), Noise::new);
        recruits.add(group, lively(2), Taker::new);
    }
    recruits.traders
}

struct Recruits {
    seed: u64,
    traders: Vec<Box<dyn Trader>>,
}

impl Recruits {
    fn add<T: Trader + 'static>(&mut self, markets: &[usize], count: usize, new: fn(Actor, Vec<usize>) -> T) {
        for _ in 0..count {
            let actor = Actor::derive(self.seed, "trader", self.traders.len());
            self.traders.push(Box::new(new(actor, markets.to_vec())));
        }
    }
}

/// A price as people write it: seven decimals, or as many significant digits as fit. `None` if there is none near.
fn round_price(value: f64) -> Option<Price> {
    let mut denominator = 10_000_000_i32;
    while denominator > 1 && value * f64::from(denominator) > 2e9 {
        denominator /= 10;
    }
    let scaled = (value * f64::from(denominator)).round();
    if !(1.0..=2e9).contains(&scaled) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within 1..=2e9")]
    let numerator = scaled as i32;
    let divisor = greatest_common_divisor(numerator, denominator);
    Price::new(numerator / divisor, denominator / divisor).ok()
}

fn greatest_common_divisor(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Whole units of 0.01: people do not trade in stroops.
fn round_amount(units: f64) -> Stroops {
    #[expect(clippy::cast_possible_truncation, reason = "as saturates, and amounts here are small")]
    let hundredths = (units * 100.0).round() as i64;
    Stroops(hundredths.max(1).saturating_mul(100_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_round_and_near() {
        let price = |value| round_price(value).map(|price| (price.n(), price.d()));
        assert_eq!(price(0.1), Some((1, 10)));
        assert_eq!(price(0.100_123_4), Some((500_617, 5_000_000)));
        assert_eq!(price(1234.5), Some((2469, 2)));
        assert_eq!(price(2e9), Some((2_000_000_000, 1)));
        assert_eq!(price(1e-9), None);
        assert_eq!(price(f64::NAN), None);
    }

    #[test]
    fn every_market_has_a_maker_and_the_first_one_a_crowd() {
        let traders = recruit(1, 50, Activity::Still);
        for market in 0..50 {
            assert!(traders.iter().any(|trader| trader.markets().contains(&market)), "{market}");
        }
        assert!(recruit(1, 50, Activity::None).is_empty());
        assert!(recruit(1, 1, Activity::Lively).len() > recruit(1, 1, Activity::Still).len());
    }
}

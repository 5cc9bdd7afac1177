//! The traders that keep the sandbox's markets alive.
//!
//! They know what anyone knows: the book as of the last ledger, and the reference price. What they decide becomes an
//! ordinary signed transaction, one a trader and ledger, so a market is alive because many accounts trade on it.
//!
//! On the first market a book of [`Maker`]s stands some twenty basis points away from the reference and farther, so
//! whoever quotes ten is first in line for the [`Taker`]s (they trade for reasons of their own, on either side alike)
//! and first to be hit by the [`Arbitrageur`]s when the reference has moved on and the quotes have not. [`Noise`]
//! traders come and go in between.
//!
//! Whoever asks for more ([`Activity::Of`]) also gets a maker of another habit, which stands nearer and leans away from
//! what it holds too much of; and on the first market a liquidity pool: a [`Depositor`] founds it, and a
//! [`PoolArbitrageur`] takes what it and the book differ by.

mod arbitrageur;
mod depositor;
mod maker;
mod noise;
mod pool_arbitrageur;
mod taker;
#[cfg(test)]
mod tests;
mod view;

use super::actor::Actor;
use super::random::Random;
use crate::stellar::{Price, Stroops};
use arbitrageur::Arbitrageur;
use depositor::Depositor;
use maker::Maker;
use noise::Noise;
use pool_arbitrageur::PoolArbitrageur;
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
    /// Those who are asked for, and what they need.
    Of(Crowd),
}

impl Activity {
    /// Whether anybody acts after the founding.
    pub(crate) fn is_lively(self) -> bool {
        matches!(self, Self::Lively | Self::Of(_))
    }
}

/// Kinds of traders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each kind is there or is not")]
pub struct Crowd {
    /// Those who place an offer somewhere, think better of it, and cancel.
    pub noise: bool,
    /// Those who trade now, at the market.
    pub takers: bool,
    /// Makers: a deep book that follows the reference, and on the first market one who stands nearer and leans.
    pub makers: bool,
    /// Arbitrageurs on the first market: between book and reference, and between book and a liquidity pool, which is
    /// founded for them.
    pub arbitrage: bool,
}

impl Crowd {
    /// All of them.
    pub const ALL: Self = Self { noise: true, takers: true, makers: true, arbitrage: true };
}

/// A trader: an account with a habit.
pub(crate) trait Trader: std::fmt::Debug + Send {
    /// Its account.
    fn actor(&self) -> &Actor;

    /// The markets on which it trades: it needs their assets.
    fn markets(&self) -> &[usize];

    /// What it does in this ledger: up to a hundred operations, mostly none.
    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody>;

    /// Remembers what it was about, from what stands in the ledger: a world that was stopped goes on.
    fn resume(&mut self, _view: &View<'_>) {}

    /// What it does before the markets open, a transaction each.
    fn open(&self, _view: &View<'_>) -> Vec<Vec<OperationBody>> {
        Vec::new()
    }
}

/// All traders for so many markets. The first market has a crowd of its own.
pub(crate) fn recruit(seed: u64, markets: usize, activity: Activity) -> Vec<Box<dyn Trader>> {
    let mut recruits = Recruits { seed, traders: Vec::new() };
    let crowd = match activity {
        Activity::None => return recruits.traders,
        Activity::Still => Crowd { makers: true, ..Crowd::default() },
        Activity::Lively => Crowd::ALL,
        Activity::Of(crowd) => crowd,
    };
    let count = |wanted: bool, count: usize| if wanted { count } else { 0 };
    let all: Vec<usize> = (0..markets).collect();
    let (first, others) = all.split_at(1);
    recruits.add(first, count(crowd.makers, 3), Maker::new);
    recruits.add(first, count(crowd.noise, 8), Noise::new);
    recruits.add(first, count(crowd.takers, 6), Taker::new);
    recruits.add(first, count(crowd.arbitrage, 2), Arbitrageur::new);
    for group in others.chunks(MARKETS_A_GROUP) {
        recruits.add(group, count(crowd.makers, 1), Maker::new);
        recruits.add(group, count(crowd.noise, 2), Noise::new);
        recruits.add(group, count(crowd.takers, 2), Taker::new);
    }
    // Last, so that the keys of all others are those of a lively world.
    if let Activity::Of(crowd) = activity {
        recruits.add(first, count(crowd.makers, 1), Maker::leaning);
        recruits.add(first, count(crowd.arbitrage, 1), Depositor::new);
        recruits.add(first, count(crowd.arbitrage, 1), PoolArbitrageur::new);
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

/// The first of these markets on which a trader has an offer.
fn market_with_offers(actor: &Actor, markets: &[usize], view: &View<'_>) -> Option<usize> {
    markets.iter().copied().find(|&market| !view.own_offers(actor.id(), market).is_empty())
}

/// Whole units of 0.01: people do not trade in stroops.
fn round_amount(units: f64) -> Stroops {
    #[expect(clippy::cast_possible_truncation, reason = "as saturates, and amounts here are small")]
    let hundredths = (units * 100.0).round() as i64;
    Stroops(hundredths.max(1).saturating_mul(100_000))
}

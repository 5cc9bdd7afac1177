//! Depositors: they found a market's liquidity pool, and now and then put a little more into it.

use super::super::actor::{self, Actor};
use super::super::random::Random;
use super::view::View;
use super::{Trader, round_amount, round_price};
use crate::stellar::{Asset, Market};
use stellar_xdr::OperationBody;

/// What the pool is founded with, units of XLM; of the credit, as much as it is worth.
const FOUNDING_XLM: f64 = 400_000.0;
/// The chance to deposit in a ledger.
const THRIFT: f64 = 0.02;
/// What is deposited then, units of XLM at most.
const SAVINGS_XLM: f64 = 400.0;
/// How far from the reference the pool's price may be when something is deposited: far, as that is what arbitrage is for.
const WIDTH: f64 = 0.5;

/// A depositor in the pool of a market of XLM and a credit.
#[derive(Debug)]
pub(crate) struct Depositor {
    actor: Actor,
    markets: Vec<usize>,
}

impl Depositor {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets }
    }

    /// Puts so many lumens, and as much of the credit as fits the pool's price, into the pool.
    fn deposit(&self, market: usize, lumens: f64, price: f64, view: &View<'_>) -> Option<OperationBody> {
        let Market { base: Asset::Native, quote } = &view.markets[market] else { return None };
        let prices = [round_price(price * (1.0 - WIDTH))?, round_price(price * (1.0 + WIDTH))?];
        Some(actor::deposit(quote, round_amount(lumens), round_amount(lumens * price), prices))
    }
}

impl Trader for Depositor {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        if !random.chance(THRIFT) {
            return Vec::new();
        }
        let market = self.markets[random.below(self.markets.len())];
        let lumens = SAVINGS_XLM * random.between(0.1, 1.0);
        let price = view.pool(market).filter(|(base, _)| *base > 0.0).map(|(base, quote)| quote / base);
        price.and_then(|price| self.deposit(market, lumens, price, view)).into_iter().collect()
    }

    fn open(&self, view: &View<'_>) -> Vec<Vec<OperationBody>> {
        let found = |&market: &usize| {
            let Market { base, quote } = &view.markets[market];
            let deposit = self.deposit(market, FOUNDING_XLM, view.mid(market), view)?;
            Some(vec![actor::trust_pool(base, quote), deposit])
        };
        self.markets.iter().filter_map(found).collect()
    }
}

//! Noise traders: they place a limit offer somewhere near the reference, think better of it, and cancel.

use super::super::actor::Actor;
use super::super::random::Random;
use super::view::View;
use super::{TRADE_WORTH_XLM, Trader, market_with_offers, round_amount, round_price};
use crate::stellar::Side;
use stellar_xdr::OperationBody;

/// The chance to do something in a ledger.
const RESTLESSNESS: f64 = 0.15;
/// Where offers are placed, basis points from the reference.
const NEAREST_BP: f64 = 12.0;
const FARTHEST_BP: f64 = 60.0;

/// A noise trader with at most one offer.
#[derive(Debug)]
pub(crate) struct Noise {
    actor: Actor,
    markets: Vec<usize>,
    /// Where its offer stands, if it has one.
    at: Option<usize>,
}

impl Noise {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets, at: None }
    }
}

impl Trader for Noise {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn resume(&mut self, view: &View<'_>) {
        self.at = market_with_offers(&self.actor, &self.markets, view);
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        if !random.chance(RESTLESSNESS) {
            return Vec::new();
        }
        if let Some(market) = self.at.take() {
            let standing = view.own_offers(self.actor.id(), market);
            if !standing.is_empty() {
                return standing.iter().map(|offer| view.cancel(market, offer)).collect();
            }
        }
        let market = self.markets[random.below(self.markets.len())];
        let distance = random.between(NEAREST_BP, FARTHEST_BP) / 1e4;
        let side = if random.chance(0.5) { Side::Bid } else { Side::Ask };
        let price = match side {
            Side::Ask => view.mid(market) * (1.0 + distance),
            Side::Bid => view.mid(market) * (1.0 - distance),
        };
        let amount = round_amount(random.between(0.5, 4.0) * TRADE_WORTH_XLM / view.base_in_xlm(market));
        self.at = Some(market);
        round_price(price).map(|price| view.offer(market, side, amount, price, 0)).into_iter().collect()
    }
}

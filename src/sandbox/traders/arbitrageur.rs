//! Arbitrageurs: they take what the reference has left behind.

use super::super::actor::Actor;
use super::super::random::Random;
use super::view::View;
use super::{TRADE_WORTH_XLM, Trader, market_with_offers, round_amount, round_price};
use crate::stellar::Side;
use stellar_xdr::OperationBody;

/// An offer is worth taking if it is this much better than the reference, basis points.
const GAIN_BP: f64 = 4.0;
/// The chance to be awake in a ledger.
const ALERTNESS: f64 = 0.7;
/// The most that is taken at once, in ordinary trades.
const MOST_TRADES: f64 = 6.0;

/// An arbitrageur between the book and the reference.
#[derive(Debug)]
pub(crate) struct Arbitrageur {
    actor: Actor,
    markets: Vec<usize>,
    /// Where a rest may stand.
    traded_on: Option<usize>,
}

impl Arbitrageur {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets, traded_on: None }
    }
}

impl Trader for Arbitrageur {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn resume(&mut self, view: &View<'_>) {
        self.traded_on = market_with_offers(&self.actor, &self.markets, view);
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        let mut operations = Vec::new();
        if let Some(market) = self.traded_on.take() {
            let rests = view.own_offers(self.actor.id(), market);
            operations.extend(rests.iter().map(|offer| view.cancel(market, offer)));
        }
        if !random.chance(ALERTNESS) {
            return operations;
        }
        let market = self.markets[random.below(self.markets.len())];
        let mid = view.mid(market);
        let amount = round_amount(MOST_TRADES * TRADE_WORTH_XLM / view.base_in_xlm(market));
        let cheap = mid * (1.0 - GAIN_BP / 1e4);
        let dear = mid * (1.0 + GAIN_BP / 1e4);
        let chance = if view.best(market, Side::Ask).is_some_and(|price| price < cheap) {
            Some((Side::Bid, cheap))
        } else if view.best(market, Side::Bid).is_some_and(|price| price > dear) {
            Some((Side::Ask, dear))
        } else {
            None
        };
        if let Some((side, price)) = chance {
            operations.extend(round_price(price).map(|price| view.offer(market, side, amount, price, 0)));
            self.traded_on = Some(market);
        }
        operations
    }
}

//! Takers: they want to have, or be rid of, now, and give up a part of the price for it.

use super::super::actor::Actor;
use super::super::random::Random;
use super::view::View;
use super::{TRADE_WORTH_XLM, Trader, market_with_offers, round_amount, round_price};
use crate::stellar::Side;
use stellar_xdr::OperationBody;

/// The chance to trade in a ledger.
const URGE: f64 = 0.12;
/// How much worse than the reference they accept, basis points: into the makers' first levels, not through them.
const SLIPPAGE_BP: f64 = 27.0;

/// A taker. What its limit leaves over in the book it takes back in the next ledger.
#[derive(Debug)]
pub(crate) struct Taker {
    actor: Actor,
    markets: Vec<usize>,
    /// Where a rest may stand.
    traded_on: Option<usize>,
}

impl Taker {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets, traded_on: None }
    }
}

impl Trader for Taker {
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
        if random.chance(URGE) {
            let market = self.markets[random.below(self.markets.len())];
            let side = if random.chance(0.5) { Side::Bid } else { Side::Ask };
            let price = match side {
                Side::Bid => view.mid(market) * (1.0 + SLIPPAGE_BP / 1e4),
                Side::Ask => view.mid(market) * (1.0 - SLIPPAGE_BP / 1e4),
            };
            let worth = TRADE_WORTH_XLM * 2.0 * random.between(0.1, 1.0) * random.between(0.1, 1.0);
            let amount = round_amount(worth / view.base_in_xlm(market));
            operations.extend(round_price(price).map(|price| view.offer(market, side, amount, price, 0)));
            self.traded_on = Some(market);
        }
        operations
    }
}

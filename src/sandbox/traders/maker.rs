//! Makers: a ladder of offers on either side of the reference.

use super::super::actor::{Actor, MAX_OPERATIONS};
use super::super::random::Random;
use super::view::{OwnOffer, View};
use super::{TRADE_WORTH_XLM, Trader, round_amount, round_price};
use crate::stellar::Side;
use stellar_xdr::OperationBody;

/// How far the levels stand from the reference, basis points.
const LADDER_BP: [f64; 12] = [18.0, 24.0, 31.0, 40.0, 52.0, 66.0, 84.0, 106.0, 134.0, 170.0, 215.0, 270.0];
/// What stands on a level, in ordinary trades.
const LEVEL_TRADES: f64 = 12.0;
/// The chance to look at a market in a ledger.
const DILIGENCE: f64 = 0.5;
/// A ladder is moved when its centre is farther than this from the reference, basis points.
const PATIENCE_BP: f64 = 4.0;
/// A level is replenished when less than this part of it is left.
const REPLENISH_BELOW: f64 = 0.5;

/// A maker of one or more markets.
#[derive(Debug)]
pub(crate) struct Maker {
    actor: Actor,
    markets: Vec<usize>,
}

impl Maker {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets }
    }

    /// The operations that put one market's ladder where it belongs.
    fn set_ladder(&self, market: usize, view: &View<'_>) -> Vec<OperationBody> {
        let standing = view.own_offers(self.actor.id(), market);
        let mid = view.mid(market);
        // The side that moves away from the other goes first, so that the ladder never meets itself.
        let rising = centre(&standing).is_none_or(|centre| mid >= centre);
        let sides = if rising { [Side::Ask, Side::Bid] } else { [Side::Bid, Side::Ask] };
        sides.iter().flat_map(|&side| set_side(&standing, side, market, mid, view)).collect()
    }

    fn needs_setting(&self, market: usize, view: &View<'_>) -> bool {
        let standing = view.own_offers(self.actor.id(), market);
        let moved = centre(&standing).is_none_or(|centre| (view.mid(market) / centre - 1.0).abs() * 1e4 > PATIENCE_BP);
        let thin = level_amount(market, view) * REPLENISH_BELOW;
        moved || standing.len() != 2 * LADDER_BP.len() || standing.iter().any(|offer| offer.base_units < thin)
    }
}

/// What a ladder stands around, if it has both sides.
fn centre(standing: &[OwnOffer]) -> Option<f64> {
    let prices = |side| standing.iter().filter(move |offer| offer.side == side).map(|offer| offer.price);
    let ask = prices(Side::Ask).min_by(f64::total_cmp)?;
    let bid = prices(Side::Bid).max_by(f64::total_cmp)?;
    Some(f64::midpoint(ask, bid))
}

/// What a level holds, in units of base.
fn level_amount(market: usize, view: &View<'_>) -> f64 {
    LEVEL_TRADES * TRADE_WORTH_XLM / view.base_in_xlm(market)
}

/// Matches the standing offers of one side, nearest first, with the levels, nearest first.
fn set_side(standing: &[OwnOffer], side: Side, market: usize, mid: f64, view: &View<'_>) -> Vec<OperationBody> {
    let mut ids: Vec<&OwnOffer> = standing.iter().filter(|offer| offer.side == side).collect();
    ids.sort_by(|a, b| (a.price - mid).abs().total_cmp(&(b.price - mid).abs()));
    let amount = round_amount(level_amount(market, view));
    let levels = LADDER_BP.iter().enumerate().filter_map(|(level, bp)| {
        let price = match side {
            Side::Ask => mid * (1.0 + bp / 1e4),
            Side::Bid => mid * (1.0 - bp / 1e4),
        };
        let id = ids.get(level).map_or(0, |offer| offer.id);
        Some(view.offer(market, side, amount, round_price(price)?, id))
    });
    let surplus = ids.iter().skip(LADDER_BP.len()).map(|offer| view.cancel(market, offer));
    surplus.chain(levels).collect()
}

impl Trader for Maker {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        if !random.chance(DILIGENCE) {
            return Vec::new();
        }
        let market = self.markets[random.below(self.markets.len())];
        if self.needs_setting(market, view) { self.set_ladder(market, view) } else { Vec::new() }
    }

    fn open(&self, view: &View<'_>) -> Vec<Vec<OperationBody>> {
        let operations: Vec<_> = self.markets.iter().flat_map(|&market| self.set_ladder(market, view)).collect();
        operations.chunks(MAX_OPERATIONS).map(<[OperationBody]>::to_vec).collect()
    }
}

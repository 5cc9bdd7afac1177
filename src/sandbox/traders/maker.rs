//! Makers: a ladder of offers on either side of the reference.

use super::super::actor::{Actor, MAX_OPERATIONS};
use super::super::random::Random;
use super::view::{OwnOffer, View};
use super::{TRADE_WORTH_XLM, Trader, round_amount, round_price};
use crate::stellar::Side;
use stellar_xdr::OperationBody;

/// How a maker goes about it.
#[derive(Debug)]
struct Habit {
    /// How far the levels stand from the reference, basis points.
    ladder_bp: &'static [f64],
    /// What stands on a level, in ordinary trades.
    level_trades: f64,
    /// The chance to look at a market in a ledger.
    diligence: f64,
    /// A ladder is moved when its centre is farther than this from where it belongs, basis points.
    patience_bp: f64,
    /// How far the whole ladder stands below the reference when the maker holds too much, basis points; above when too
    /// little.
    lean_bp: f64,
}

/// A deep book that follows the reference.
const STEADY: Habit = Habit {
    ladder_bp: &[18.0, 24.0, 31.0, 40.0, 52.0, 66.0, 84.0, 106.0, 134.0, 170.0, 215.0, 270.0],
    level_trades: 12.0,
    diligence: 0.5,
    patience_bp: 4.0,
    lean_bp: 0.0,
};
/// A few near levels, moved often, and away from what was bought or sold.
const LEANING: Habit =
    Habit { ladder_bp: &[13.0, 17.0, 22.0, 29.0], level_trades: 2.0, diligence: 0.9, patience_bp: 2.0, lean_bp: 9.0 };
/// A maker leans by the whole amount when it has bought or sold so many ordinary trades more than the other.
const FULL_LEAN_TRADES: f64 = 20.0;
/// A level is replenished when less than this part of it is left.
const REPLENISH_BELOW: f64 = 0.5;

/// A maker of one or more markets.
#[derive(Debug)]
pub(crate) struct Maker {
    actor: Actor,
    markets: Vec<usize>,
    habit: Habit,
}

impl Maker {
    pub(crate) fn new(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets, habit: STEADY }
    }

    /// One who stands nearer, with less, and leans.
    pub(crate) fn leaning(actor: Actor, markets: Vec<usize>) -> Self {
        Self { actor, markets, habit: LEANING }
    }

    /// Around what a market's ladder is set.
    fn middle(&self, market: usize, view: &View<'_>) -> f64 {
        let mid = view.mid(market);
        if self.habit.lean_bp == 0.0 {
            return mid;
        }
        let bought = view.credit_sold(self.actor.id(), market) / mid;
        let full = FULL_LEAN_TRADES * TRADE_WORTH_XLM / view.base_in_xlm(market);
        mid * (1.0 - self.habit.lean_bp / 1e4 * (bought / full).clamp(-1.0, 1.0))
    }

    /// The operations that put one market's ladder where it belongs.
    fn set_ladder(&self, market: usize, view: &View<'_>) -> Vec<OperationBody> {
        let standing = view.own_offers(self.actor.id(), market);
        let mid = self.middle(market, view);
        // The side that moves away from the other goes first, so that the ladder never meets itself.
        let rising = centre(&standing).is_none_or(|centre| mid >= centre);
        let sides = if rising { [Side::Ask, Side::Bid] } else { [Side::Bid, Side::Ask] };
        sides.iter().flat_map(|&side| self.set_side(&standing, side, market, mid, view)).collect()
    }

    fn needs_setting(&self, market: usize, view: &View<'_>) -> bool {
        let standing = view.own_offers(self.actor.id(), market);
        let moved = centre(&standing)
            .is_none_or(|centre| (self.middle(market, view) / centre - 1.0).abs() * 1e4 > self.habit.patience_bp);
        let thin = self.level_amount(market, view) * REPLENISH_BELOW;
        moved
            || standing.len() != 2 * self.habit.ladder_bp.len()
            || standing.iter().any(|offer| offer.base_units < thin)
    }

    /// What a level holds, in units of base.
    fn level_amount(&self, market: usize, view: &View<'_>) -> f64 {
        self.habit.level_trades * TRADE_WORTH_XLM / view.base_in_xlm(market)
    }

    /// Matches the standing offers of one side, nearest first, with the levels, nearest first.
    fn set_side(
        &self,
        standing: &[OwnOffer],
        side: Side,
        market: usize,
        mid: f64,
        view: &View<'_>,
    ) -> Vec<OperationBody> {
        let mut ids: Vec<&OwnOffer> = standing.iter().filter(|offer| offer.side == side).collect();
        ids.sort_by(|a, b| (a.price - mid).abs().total_cmp(&(b.price - mid).abs()));
        let amount = round_amount(self.level_amount(market, view));
        let ladder = self.habit.ladder_bp;
        let levels = ladder.iter().enumerate().filter_map(|(level, bp)| {
            let price = match side {
                Side::Ask => mid * (1.0 + bp / 1e4),
                Side::Bid => mid * (1.0 - bp / 1e4),
            };
            let id = ids.get(level).map_or(0, |offer| offer.id);
            Some(view.offer(market, side, amount, round_price(price)?, id))
        });
        let surplus = ids.iter().skip(ladder.len()).map(|offer| view.cancel(market, offer));
        surplus.chain(levels).collect()
    }
}

/// What a ladder stands around, if it has both sides.
fn centre(standing: &[OwnOffer]) -> Option<f64> {
    let prices = |side| standing.iter().filter(move |offer| offer.side == side).map(|offer| offer.price);
    let ask = prices(Side::Ask).min_by(f64::total_cmp)?;
    let bid = prices(Side::Bid).max_by(f64::total_cmp)?;
    Some(f64::midpoint(ask, bid))
}

impl Trader for Maker {
    fn actor(&self) -> &Actor {
        &self.actor
    }

    fn markets(&self) -> &[usize] {
        &self.markets
    }

    fn act(&mut self, view: &View<'_>, random: &mut Random) -> Vec<OperationBody> {
        if !random.chance(self.habit.diligence) {
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

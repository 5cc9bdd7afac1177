//! The difference between the quotes that are wanted and the offers that stand, as the fewest operations.
//!
//! An update keeps the offer's id. The order of the operations keeps every intermediate state free of self-crossing:
//! deletions come first; then, moving up, asks before bids, and otherwise bids before asks. Within a side reductions
//! come before increases, so that what one offer frees is there for the other.

use super::funding::{Funds, Holding};
use crate::events::views::OwnOfferView;
use crate::events::{MAX_QUOTES, Quote, WithheldReason};
use crate::stellar::transaction::MAX_OPERATIONS;
use crate::stellar::{OfferId, Price, Side, Stroops};

/// The most operations that one difference has: as many as one transaction.
pub const MAX_CHANGES: usize = MAX_OPERATIONS;

/// One operation: what an offer is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which offer; zero for a new one.
    pub id: OfferId,
    /// Its side.
    pub side: Side,
    /// Units of quote for one base.
    pub price: Price,
    /// What it is to sell (base for an ask, quote for a bid); zero deletes it.
    pub amount: Stroops,
    /// What it sells more than it did, negative for a reduction.
    growth: i64,
}

impl Change {
    /// Whether it only deletes.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.amount == Stroops::ZERO
    }

    /// The offer's own price: units of what it buys for one of what it sells.
    #[must_use]
    pub fn own_price(&self) -> Price {
        match self.side {
            Side::Ask => self.price,
            Side::Bid => self.price.inverse(),
        }
    }
}

/// A quote and the standing offer that is to serve it.
#[derive(Clone, Copy, Debug)]
struct Assignment {
    quote: Quote,
    offer: Option<(OwnOfferView, Price)>,
}

/// Works out differences in memory of its own, allocating nothing once made.
#[derive(Debug)]
pub struct Difference {
    changes: Vec<Change>,
    /// Offers that stand on the side at hand and serve no quote yet.
    standing: Vec<(OwnOfferView, Price)>,
    assigned: Vec<Assignment>,
    withheld: Option<WithheldReason>,
    /// An amount that differs by less than this part of the wanted one, in basis points, is near enough.
    amount_tolerance_bp: i64,
}

/// What a quote sells, in its own asset.
fn selling_amount(quote: &Quote) -> i64 {
    match quote.side {
        Side::Ask => quote.amount.0,
        Side::Bid => quote_amount(quote.amount.0, quote.price),
    }
}

/// `⌊base · n/d⌋`, saturating.
fn quote_amount(base: i64, price: Price) -> i64 {
    let quote = i128::from(base) * i128::from(price.n()) / i128::from(price.d());
    i64::try_from(quote).unwrap_or(i64::MAX)
}

/// What an offer that sells `amount` may receive at most, rounded up.
fn buying_amount(side: Side, amount: i64, price: Price) -> i64 {
    let (n, d) = match side {
        Side::Ask => (price.n(), price.d()),
        Side::Bid => (price.d(), price.n()),
    };
    let product = i128::from(amount) * i128::from(n);
    i64::try_from((product + i128::from(d) - 1) / i128::from(d)).unwrap_or(i64::MAX)
}

impl Difference {
    /// With room for `offers` standing offers a side.
    #[must_use]
    pub fn new(offers: usize, amount_tolerance_bp: u32) -> Self {
        Self {
            changes: Vec::with_capacity(offers + 2 * MAX_QUOTES),
            standing: Vec::with_capacity(offers),
            assigned: Vec::with_capacity(MAX_QUOTES),
            withheld: None,
            amount_tolerance_bp: i64::from(amount_tolerance_bp),
        }
    }

    /// The operations that turn `standing` into `wanted` within `funds`, in the order in which they must apply.
    /// Without funds (no account, no trustline) everything that stands is deleted.
    pub fn work_out(
        &mut self,
        wanted: &[Quote],
        standing: &[OwnOfferView],
        funds: Result<Funds, WithheldReason>,
    ) -> &[Change] {
        self.changes.clear();
        self.withheld = if wanted.is_empty() { None } else { funds.err() };
        let wanted = if funds.is_ok() { wanted } else { &[] };
        let mut lumens = Lumens::before(wanted, standing, funds.ok().as_ref());
        for side in [Side::Bid, Side::Ask] {
            self.assign(side, wanted, standing);
            for at in 0..self.standing.len() {
                let (offer, price) = self.standing[at];
                let (id, amount) = (OfferId(offer.id), Stroops::ZERO);
                self.changes.push(Change { id, side, price, amount, growth: -offer.amount });
            }
            if let Ok(funds) = &funds {
                self.fund(side, funds, &mut lumens);
            }
        }
        self.order(standing);
        if self.changes.len() > MAX_CHANGES {
            self.withheld = Some(WithheldReason::TooManyOperations);
            self.changes.truncate(MAX_CHANGES);
        }
        &self.changes
    }

    /// Why something of the last set was withheld, if anything was.
    #[must_use]
    pub fn withheld(&self) -> Option<WithheldReason> {
        self.withheld
    }

    /// Pairs the side's quotes with its standing offers: first those at the same price, which need no change of it,
    /// then whatever is left. What no quote needs remains in `standing`.
    fn assign(&mut self, side: Side, wanted: &[Quote], standing: &[OwnOfferView]) {
        self.standing.clear();
        self.assigned.clear();
        let own = standing.iter().filter(|offer| offer.side() == side);
        self.standing.extend(own.filter_map(|offer| offer.market_price().map(|price| (*offer, price))));
        for quote in wanted.iter().filter(|quote| quote.side == side) {
            let same = self.standing.iter().position(|(_, price)| price.cmp_exact(quote.price).is_eq());
            let offer = same.map(|at| self.standing.remove(at));
            self.assigned.push(Assignment { quote: *quote, offer });
        }
        for assignment in self.assigned.iter_mut().filter(|assignment| assignment.offer.is_none()) {
            if self.standing.is_empty() {
                break;
            }
            assignment.offer = Some(self.standing.remove(0));
        }
    }

    /// Gives each assigned quote what funds allow, nearest first, and notes what has to change for it.
    fn fund(&mut self, side: Side, funds: &Funds, lumens: &mut Lumens) {
        let mut budget = self.budget(side, funds, lumens);
        for at in 0..self.assigned.len() {
            let Assignment { quote, offer } = self.assigned[at];
            let wanted = selling_amount(&quote);
            let room = most_sold_for(side, budget.receivable, quote.price);
            let amount = wanted.min(budget.sellable).min(room);
            if amount < wanted {
                let full = room < budget.sellable;
                self.withheld = Some(if full { WithheldReason::LineFull } else { WithheldReason::Underfunded });
            }
            if offer.is_none() && amount > 0 && !lumens.lock_one() {
                self.withheld = Some(WithheldReason::LowReserve);
                continue;
            }
            budget.sellable -= amount;
            budget.receivable = budget.receivable.saturating_sub(buying_amount(side, amount, quote.price)).max(0);
            self.change(&quote, offer, amount);
        }
    }

    fn change(&mut self, quote: &Quote, offer: Option<(OwnOfferView, Price)>, amount: i64) {
        let (side, price) = (quote.side, quote.price);
        let had = offer.map_or(0, |(offer, _)| offer.amount);
        let same_price = offer.is_some_and(|(_, standing)| standing.cmp_exact(price).is_eq());
        let tolerated = amount.saturating_mul(self.amount_tolerance_bp);
        let near = (had - amount).abs().saturating_mul(10_000) <= tolerated;
        let nothing_to_do = if offer.is_some() { same_price && near } else { amount == 0 };
        if !nothing_to_do {
            let id = offer.map_or(OfferId(0), |(offer, _)| OfferId(offer.id));
            self.changes.push(Change { id, side, price, amount: Stroops(amount), growth: amount - had });
        }
    }

    /// What the side can sell and receive once everything that stands on it is given back, less the lumens that new
    /// offers of either side will lock.
    fn budget(&self, side: Side, funds: &Funds, lumens: &Lumens) -> Holding {
        let (selling, buying) = match side {
            Side::Ask => (funds.base, funds.quote),
            Side::Bid => (funds.quote, funds.base),
        };
        let mut holding = Holding { sellable: selling.sellable, receivable: buying.receivable };
        let assigned = self.assigned.iter().filter_map(|assignment| assignment.offer.as_ref());
        for (offer, price) in self.standing.iter().chain(assigned) {
            holding.sellable = holding.sellable.saturating_add(offer.amount);
            holding.receivable = holding.receivable.saturating_add(buying_amount(side, offer.amount, *price));
        }
        if funds.sells_lumens == Some(side) {
            holding.sellable = (holding.sellable - lumens.to_lock).max(0);
        }
        holding
    }

    /// Puts the changes in an order in which they can apply.
    fn order(&mut self, standing: &[OwnOfferView]) {
        let bids = self.changes.iter().filter(|change| change.side == Side::Bid && !change.is_deletion());
        let highest_bid = bids.map(|change| change.price).max_by(|a, b| a.cmp_exact(*b));
        let in_the_way = |bid: Price| {
            let asks = standing.iter().filter(|offer| offer.side() == Side::Ask);
            asks.filter_map(OwnOfferView::market_price).any(|ask| ask.cmp_exact(bid).is_le())
        };
        let first = if highest_bid.is_some_and(in_the_way) { Side::Ask } else { Side::Bid };
        self.changes.sort_unstable_by_key(|change| {
            (!change.is_deletion(), change.side != first, change.growth, change.id.0, change.price.n())
        });
    }
}

/// The lumens that new offers lock, and deleted ones free.
#[derive(Debug)]
struct Lumens {
    spare: i64,
    base_reserve: i64,
    /// What all new offers will lock beyond what deletions free.
    to_lock: i64,
}

impl Lumens {
    fn before(wanted: &[Quote], standing: &[OwnOfferView], funds: Option<&Funds>) -> Self {
        let Some(funds) = funds else { return Self { spare: 0, base_reserve: 0, to_lock: 0 } };
        let count = |wants: usize| i64::try_from(wants).unwrap_or(i64::MAX);
        let (mut made, mut deleted) = (0, 0);
        for side in [Side::Bid, Side::Ask] {
            let wants = count(wanted.iter().filter(|quote| quote.side == side).count());
            let stands = count(standing.iter().filter(|offer| offer.side() == side).count());
            made += (wants - stands).max(0);
            deleted += (stands - wants).max(0);
        }
        Self {
            spare: funds.spare_lumens.saturating_add(deleted.saturating_mul(funds.base_reserve)),
            base_reserve: funds.base_reserve,
            to_lock: (made - deleted).max(0).saturating_mul(funds.base_reserve),
        }
    }

    fn lock_one(&mut self) -> bool {
        let enough = self.spare >= self.base_reserve;
        if enough {
            self.spare -= self.base_reserve;
        }
        enough
    }
}

/// The most that can be sold at `price` when only `receivable` may come in, rounded down.
fn most_sold_for(side: Side, receivable: i64, price: Price) -> i64 {
    let (n, d) = match side {
        Side::Ask => (price.d(), price.n()),
        Side::Bid => (price.n(), price.d()),
    };
    i64::try_from(i128::from(receivable) * i128::from(n) / i128::from(d)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stellar::MarketId;
    use proptest::prelude::*;

    const PLENTY: Funds = Funds {
        base: Holding { sellable: 1_000_000, receivable: 1_000_000_000 },
        quote: Holding { sellable: 1_000_000, receivable: 1_000_000_000 },
        spare_lumens: 1_000_000,
        base_reserve: 50,
        sells_lumens: Some(Side::Ask),
    };

    fn price(n: i32) -> Price {
        Price::new(n, 100).unwrap()
    }

    fn quote(side: Side, n: i32, amount: i64) -> Quote {
        Quote { side, price: price(n), amount: Stroops(amount) }
    }

    fn offer(id: i64, side: Side, n: i32, amount: i64) -> OwnOfferView {
        let own = if side == Side::Ask { price(n) } else { price(n).inverse() };
        OwnOfferView::new(OfferId(id), MarketId(0), side, own, Stroops(amount))
    }

    fn changes(wanted: &[Quote], standing: &[OwnOfferView], funds: Funds) -> Vec<(i64, Side, i32, i64)> {
        let mut difference = Difference::new(16, 100);
        let changes = difference.work_out(wanted, standing, Ok(funds)).to_vec();
        changes.iter().map(|c| (c.id.0, c.side, c.price.n(), c.amount.0)).collect()
    }

    #[test]
    fn nothing_is_done_where_quotes_stand_as_wanted() {
        let wanted = [quote(Side::Bid, 90, 1_000), quote(Side::Ask, 110, 1_000)];
        let standing = [offer(1, Side::Bid, 90, 900), offer(2, Side::Ask, 110, 991)];
        assert_eq!(changes(&wanted, &standing, PLENTY), []);
    }

    #[test]
    fn an_update_keeps_the_id_and_moving_up_the_ask_goes_first() {
        let up = [quote(Side::Bid, 115, 1_000), quote(Side::Ask, 130, 1_000)];
        let standing = [offer(1, Side::Bid, 90, 900), offer(2, Side::Ask, 110, 1_000)];
        let moved = changes(&up, &standing, PLENTY);
        assert_eq!(moved, [(2, Side::Ask, 130, 1_000), (1, Side::Bid, 115, 1_150)]);
        let down = [quote(Side::Bid, 70, 1_000), quote(Side::Ask, 85, 1_000)];
        let moved = changes(&down, &standing, PLENTY);
        assert_eq!(moved, [(1, Side::Bid, 70, 700), (2, Side::Ask, 85, 1_000)]);
    }

    #[test]
    fn what_is_not_wanted_is_deleted_first() {
        let standing = [offer(1, Side::Bid, 90, 900), offer(2, Side::Ask, 110, 1_000), offer(3, Side::Ask, 120, 5)];
        let wanted = [quote(Side::Ask, 110, 1_000), quote(Side::Bid, 91, 1_000)];
        let moved = changes(&wanted, &standing, PLENTY);
        assert_eq!(moved, [(3, Side::Ask, 120, 0), (1, Side::Bid, 91, 910)]);
        assert_eq!(changes(&[], &standing, PLENTY).len(), 3);
    }

    #[test]
    fn quotes_shrink_to_what_the_ledger_would_take() {
        let mut difference = Difference::new(16, 100);
        let poor = Funds { base: Holding { sellable: 300, receivable: 10_000 }, ..PLENTY };
        let made = difference.work_out(&[quote(Side::Ask, 110, 1_000)], &[], Ok(poor)).to_vec();
        assert_eq!(made[0].amount, Stroops(250), "the reserve of the new offer is kept");
        assert_eq!(difference.withheld(), Some(WithheldReason::Underfunded));
        let full = Funds { quote: Holding { sellable: 0, receivable: 110 }, ..PLENTY };
        let made = difference.work_out(&[quote(Side::Ask, 110, 1_000)], &[], Ok(full)).to_vec();
        assert_eq!(made[0].amount, Stroops(100));
        assert_eq!(difference.withheld(), Some(WithheldReason::LineFull));
        let low = Funds { spare_lumens: 49, ..PLENTY };
        assert!(difference.work_out(&[quote(Side::Bid, 90, 10)], &[], Ok(low)).is_empty());
        assert_eq!(difference.withheld(), Some(WithheldReason::LowReserve));
    }

    #[test]
    fn without_an_account_or_trustline_everything_is_taken_down() {
        let mut difference = Difference::new(16, 100);
        let standing = [offer(1, Side::Bid, 90, 900)];
        let made = difference.work_out(&[quote(Side::Bid, 90, 1_000)], &standing, Err(WithheldReason::NoTrust));
        assert!(made[0].is_deletion());
        assert_eq!(difference.withheld(), Some(WithheldReason::NoTrust));
    }

    proptest! {
        /// Whatever stands and whatever is wanted (as long as neither crosses itself): applied one by one, no
        /// intermediate state crosses itself, and the end is what was wanted.
        #[test]
        #[expect(clippy::cast_possible_truncation, reason = "prices of two digits")]
        fn every_intermediate_state_is_free_of_self_crossing(
            mid in 50..150_i32, target in 50..150_i32,
            bids in 0..4_i32, asks in 0..4_i32, want_bids in 0..4_i32, want_asks in 0..4_i32,
        ) {
            let standing: Vec<_> = (0..bids).map(|i| offer(1 + i64::from(i), Side::Bid, mid - 5 - i, 100))
                .chain((0..asks).map(|i| offer(11 + i64::from(i), Side::Ask, mid + 5 + i, 100))).collect();
            let wanted: Vec<_> = (0..want_bids).map(|i| quote(Side::Bid, target - 5 - i, 100))
                .chain((0..want_asks).map(|i| quote(Side::Ask, target + 5 + i, 100))).collect();
            let mut difference = Difference::new(16, 100);
            let changes = difference.work_out(&wanted, &standing, Ok(PLENTY)).to_vec();
            let mut state: Vec<(i64, Side, i32)> =
                standing.iter().map(|o| (o.id, o.side(), (o.market_price().unwrap().book_order() * 100.0).round() as i32)).collect();
            for (fresh, change) in (100..).zip(&changes) {
                state.retain(|(id, ..)| *id != change.id.0);
                if !change.is_deletion() {
                    let id = if change.id.0 == 0 { fresh } else { change.id.0 };
                    state.push((id, change.side, change.price.n()));
                }
                let best_bid = state.iter().filter(|s| s.1 == Side::Bid).map(|s| s.2).max();
                let best_ask = state.iter().filter(|s| s.1 == Side::Ask).map(|s| s.2).min();
                prop_assert!(best_bid.zip(best_ask).is_none_or(|(bid, ask)| bid < ask), "{state:?} after {change:?}");
            }
            let mut prices: Vec<_> = state.iter().map(|s| (s.1, s.2)).collect();
            let mut wanted: Vec<_> = wanted.iter().map(|q| (q.side, q.price.n())).collect();
            prices.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(prices, wanted);
        }
    }
}

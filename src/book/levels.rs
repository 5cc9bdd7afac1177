//! The price levels of one side of a market.

use super::offers::Offer;
use super::sorted::{At, Pool, Sorted};
use crate::stellar::Price;

/// Offers of one price together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The offers' own price (what they buy for one of what they sell) in lowest terms: offers at 1/2 and at 2/4 share
    /// a level.
    pub price: Price,
    /// How many offers.
    pub offers: u32,
    /// What they sell together, stroops. Wider than an amount, so that what is added can be taken away again.
    pub amount: i128,
    /// The part of it that is ours.
    pub own_amount: i128,
}

/// What one offer brings to its level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) amount: i128,
    pub(super) own: bool,
}

impl Share {
    pub(super) fn of(offer: &Offer) -> Self {
        Self { amount: i128::from(offer.amount.0), own: offer.owner.is_some() }
    }
}

/// The side has as many levels as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelsFull;

/// Levels in the protocol's order, best last, so that what changes near the top moves little.
///
/// Both sides are alike: the protocol orders the offers that sell one asset for another by their own price, lowest
/// first. It compares `double(n)/double(d)`; division rounds monotonically, so the exact order used here agrees with it
/// and only splits some of its ties.
///
/// The same pool must be given to each method.
#[derive(Debug)]
pub(super) struct Levels {
    levels: Sorted,
    limit: usize,
    offers: u32,
}

impl Levels {
    pub(super) fn new(limit: usize) -> Self {
        Self { levels: Sorted::new(), limit, offers: 0 }
    }

    /// How many offers stand on this side.
    pub(super) fn offers(&self) -> u32 {
        self.offers
    }

    pub(super) fn best_first<'p>(&'p self, pool: &'p Pool<Level>) -> impl Iterator<Item = &'p Level> + Clone {
        self.levels.iter_back(pool)
    }

    /// An offer comes.
    pub(super) fn add(&mut self, pool: &mut Pool<Level>, price: Price, share: Share) -> Result<(), LevelsFull> {
        match self.levels.find(pool, |level| price.cmp_exact(level.price)) {
            Ok(at) => {
                let level = self.levels.get_mut(pool, at);
                level.offers += 1;
                level.change(share, 1);
            }
            Err(_) if self.levels.len() == self.limit => return Err(LevelsFull),
            Err(at) => {
                let mut level = Level { price: lowest_terms(price), offers: 1, amount: 0, own_amount: 0 };
                level.change(share, 1);
                self.levels.insert(pool, at, level);
            }
        }
        self.offers += 1;
        Ok(())
    }

    /// An offer that was added goes.
    pub(super) fn remove(&mut self, pool: &mut Pool<Level>, price: Price, share: Share) {
        let at = self.find_known(pool, price);
        let level = self.levels.get_mut(pool, at);
        level.offers -= 1;
        level.change(share, -1);
        if level.offers == 0 {
            debug_assert_eq!((level.amount, level.own_amount), (0, 0), "a level without offers holds something");
            self.levels.remove(pool, at);
        }
        self.offers -= 1;
    }

    /// An offer that was added now sells `amount` more (or less).
    pub(super) fn adjust(&mut self, pool: &mut Pool<Level>, price: Price, more: Share) {
        let at = self.find_known(pool, price);
        self.levels.get_mut(pool, at).change(more, 1);
    }

    /// Whether the levels are in order, none is empty, and their offers are as many as were counted.
    pub(super) fn add_up(&self, pool: &Pool<Level>) -> bool {
        let counted: u32 = self.best_first(pool).map(|level| level.offers).sum();
        let better = self.best_first(pool).zip(self.best_first(pool).skip(1));
        let ordered = better.into_iter().all(|(best, next)| best.price.cmp_exact(next.price).is_lt());
        counted == self.offers && ordered && self.best_first(pool).all(|level| level.offers > 0)
    }

    fn find_known(&self, pool: &Pool<Level>, price: Price) -> At {
        match self.levels.find(pool, |level| price.cmp_exact(level.price)) {
            Ok(at) => at,
            Err(_) => unreachable!("an offer at {price:?} has no level"),
        }
    }
}

impl Level {
    fn change(&mut self, share: Share, sign: i128) {
        let amount = sign * share.amount;
        self.amount += amount;
        if share.own {
            self.own_amount += amount;
        }
    }
}

/// The same value with the smallest numerator and denominator.
fn lowest_terms(price: Price) -> Price {
    let divisor = greatest_common_divisor(price.n(), price.d());
    // Both stay positive.
    Price::new(price.n() / divisor, price.d() / divisor).unwrap_or(price)
}

/// Stein's algorithm: shifts and subtractions, no division. Both are positive.
fn greatest_common_divisor(n: i32, d: i32) -> i32 {
    let twos = (n | d).trailing_zeros();
    let (mut a, mut b) = (n >> n.trailing_zeros(), d >> d.trailing_zeros());
    while a != b {
        let (low, difference) = (a.min(b), (a - b).abs());
        a = difference >> difference.trailing_zeros();
        b = low;
    }
    a << twos
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(n: i32, d: i32) -> Price {
        Price::new(n, d).unwrap()
    }

    fn share(amount: i64) -> Share {
        Share { amount: i128::from(amount), own: false }
    }

    proptest! {
        #[test]
        fn lowest_terms_keep_the_value_and_cannot_be_shortened(n in 1..=i32::MAX, d in 1..=i32::MAX, by in 1_i32..1000) {
            for (n, d) in [(n, d), (n / by, d / by), (n / by * by, d / by * by)] {
                let Ok(given) = Price::new(n, d) else { continue };
                let short = lowest_terms(given);
                prop_assert!(short.cmp_exact(given).is_eq());
                let euclid = |mut a: i32, mut b: i32| { while b != 0 { (a, b) = (b, a % b); } a };
                prop_assert_eq!(euclid(short.n(), short.d()), 1);
            }
        }

        #[test]
        fn the_exact_order_never_contradicts_the_protocols(a in 1..=i32::MAX, b in 1..=i32::MAX, step in 0_i32..3) {
            let (left, right) = (price(a, b), price(a.saturating_add(step), b.saturating_add(step)));
            let by_double = left.book_order().total_cmp(&right.book_order());
            prop_assert!(by_double.is_eq() || by_double == left.cmp_exact(right));
        }
    }

    #[test]
    fn equal_values_share_a_level_however_they_are_written() {
        let (mut pool, mut levels) = (Pool::new(4, 1), Levels::new(4));
        levels.add(&mut pool, price(2, 4), share(5)).unwrap();
        levels.add(&mut pool, price(1, 2), share(7)).unwrap();
        assert_eq!(
            levels.best_first(&pool).copied().collect::<Vec<_>>(),
            [Level { price: price(1, 2), offers: 2, amount: 12, own_amount: 0 }]
        );
        levels.remove(&mut pool, price(2, 4), share(5));
        levels.remove(&mut pool, price(1, 2), share(7));
        assert_eq!(levels.best_first(&pool).count(), 0);
    }

    #[test]
    fn a_full_side_takes_offers_at_known_prices_and_no_new_level() {
        let (mut pool, mut levels) = (Pool::new(4, 1), Levels::new(2));
        levels.add(&mut pool, price(1, 2), share(1)).unwrap();
        levels.add(&mut pool, price(1, 3), share(1)).unwrap();
        assert_eq!(levels.add(&mut pool, price(1, 4), share(1)), Err(LevelsFull));
        levels.add(&mut pool, price(1, 3), share(1)).unwrap();
        assert_eq!(levels.offers(), 3);
        assert!(levels.add_up(&pool));
        let best_first: Vec<Price> = levels.best_first(&pool).map(|level| level.price).collect();
        assert_eq!(best_first, [price(1, 3), price(1, 2)]);
    }

    #[test]
    fn a_level_can_hold_more_than_one_amount_can() {
        let (mut pool, mut levels) = (Pool::new(4, 1), Levels::new(1));
        levels.add(&mut pool, price(1, 1), share(i64::MAX)).unwrap();
        levels.add(&mut pool, price(1, 1), share(i64::MAX)).unwrap();
        levels.remove(&mut pool, price(1, 1), share(i64::MAX));
        assert_eq!(levels.best_first(&pool).next().unwrap().amount, i128::from(i64::MAX));
    }

    #[test]
    #[should_panic(expected = "has no level")]
    fn what_was_never_added_cannot_be_removed() {
        Levels::new(1).remove(&mut Pool::new(1, 1), price(1, 1), share(1));
    }
}

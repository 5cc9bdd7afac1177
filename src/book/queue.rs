//! The offers of one side of a market in the order in which the protocol takes them.

use super::offers::Offer;
use super::sorted::{Pool, Sorted};
use crate::stellar::OfferId;
use core::cmp::Ordering;

/// An offer's place in the protocol's order: by `double(n)/double(d)`, then by id. One number, so that to compare is one
/// step: the bits of the double, which order positive numbers as the numbers are, above those of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u128);

impl Turn {
    fn of(offer: &Offer) -> Self {
        let price = u128::from(offer.price.book_order().to_bits());
        Self(price << 64 | u128::from(offer.id.0.cast_unsigned()))
    }

    fn id(self) -> OfferId {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the id")]
        let id = self.0 as u64;
        OfferId(id.cast_signed())
    }
}

/// The turns of one side, the first last. The same pool must be given to each method.
#[derive(Debug)]
pub(super) struct Queue(Sorted);

impl Queue {
    pub(super) fn new() -> Self {
        Self(Sorted::new())
    }

    pub(super) fn add(&mut self, pool: &mut Pool<Turn>, offer: &Offer) {
        let turn = Turn::of(offer);
        match self.0.find(pool, later(turn)) {
            Ok(_) => unreachable!("offer {:?} is queued twice", offer.id),
            Err(at) => self.0.insert(pool, at, turn),
        }
    }

    pub(super) fn remove(&mut self, pool: &mut Pool<Turn>, offer: &Offer) {
        match self.0.find(pool, later(Turn::of(offer))) {
            Ok(at) => _ = self.0.remove(pool, at),
            Err(_) => unreachable!("offer {:?} is not queued", offer.id),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids, first turn first.
    pub(super) fn ids<'p>(&'p self, pool: &'p Pool<Turn>) -> impl Iterator<Item = OfferId> {
        self.0.iter_back(pool).map(|turn| turn.id())
    }
}

/// How another turn stands to `turn` in a list whose first is last.
fn later(turn: Turn) -> impl Fn(&Turn) -> Ordering {
    move |other| turn.cmp(other)
}

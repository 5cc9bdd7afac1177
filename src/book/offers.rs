//! Offers by id, in one block of memory that never grows.

use crate::stellar::{AccountIndex, OfferId, Orientation, Price, Stroops};

/// An offer that stands in a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: OfferId,
    /// What it still sells: base for an ask, quote for a bid.
    pub amount: Stroops,
    /// Its own price: units of what it buys for one of what it sells.
    pub price: Price,
    /// Its market and side.
    pub place: Orientation,
    /// Whose it is, if it is ours.
    pub owner: Option<AccountIndex>,
}

// Two to a cache line; the empty slot hides in the side's unused values.
const _: () = assert!(size_of::<Option<Offer>>() == 32);

/// An open-addressed table: linear probing, at most half full, and removal moves what follows back into the hole. So,
/// unlike in a `HashMap`, removals leave no tombstones behind that some later insertion would have to pause for.
///
/// The ids are the network's running numbers, which a multiplication by the golden ratio spreads evenly.
#[derive(Debug)]
pub(super) struct OfferTable {
    slots: Box<[Option<Offer>]>,
    len: usize,
    capacity: usize,
    shift: u32,
}

/// Where an id is, or would go. Good until the table changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Taken(usize, Offer),
    Free(usize),
}

impl OfferTable {
    /// A table that holds at most `capacity` offers.
    pub(super) fn new(capacity: usize) -> Self {
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self { slots: vec![None; slots].into_boxed_slice(), len: 0, capacity, shift: 64 - slots.trailing_zeros() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = &Offer> {
        self.slots.iter().flatten()
    }

    /// An offer, if it is there.
    pub(super) fn get(&self, id: OfferId) -> Option<Offer> {
        match self.find(id) {
            Slot::Taken(_, offer) => Some(offer),
            Slot::Free(_) => None,
        }
    }

    /// Looks an id up.
    pub(super) fn find(&self, id: OfferId) -> Slot {
        let mut at = self.home(id);
        // Ends: at least half of the slots are empty.
        loop {
            match self.slots[at] {
                Some(offer) if offer.id == id => return Slot::Taken(at, offer),
                Some(_) => at = self.after(at),
                None => return Slot::Free(at),
            }
        }
    }

    /// Fills a slot that [`find`](Self::find) has just called free for this offer's id.
    pub(super) fn insert(&mut self, at: usize, offer: Offer) {
        assert!(self.len < self.capacity, "the offer table is full: its owner has to ask for room first");
        debug_assert!(self.slots[at].is_none());
        self.slots[at] = Some(offer);
        self.len += 1;
    }

    /// Overwrites the offer in a slot with a newer state of the same offer.
    pub(super) fn replace(&mut self, at: usize, offer: Offer) {
        debug_assert!(self.slots[at].is_some_and(|old| old.id == offer.id));
        self.slots[at] = Some(offer);
    }

    /// Empties a taken slot.
    pub(super) fn remove(&mut self, at: usize) {
        debug_assert!(self.slots[at].is_some());
        let mask = self.slots.len() - 1;
        let (mut hole, mut next) = (at, self.after(at));
        while let Some(offer) = self.slots[next] {
            // It may move into the hole unless its home lies behind the hole.
            let from_home = next.wrapping_sub(self.home(offer.id)) & mask;
            let from_hole = next.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                self.slots[hole] = Some(offer);
                hole = next;
            }
            next = self.after(next);
        }
        self.slots[hole] = None;
        self.len -= 1;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the shift leaves as many bits as there are slots")]
    fn home(&self, id: OfferId) -> usize {
        (id.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stellar::{MarketId, Side};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn offer(id: i64, amount: i64) -> Offer {
        let place = Orientation { market: MarketId(0), side: Side::Ask };
        let price = Price::new(1, 2).unwrap();
        Offer { id: OfferId(id), amount: Stroops(amount), price, place, owner: None }
    }

    proptest! {
        #[test]
        fn it_is_a_map_from_ids_to_offers(steps in prop::collection::vec((0_i64..40, any::<bool>(), 1_i64..100), 0..400)) {
            let mut table = OfferTable::new(16);
            let mut model = BTreeMap::new();
            for (id, put, amount) in steps {
                // Ids that are far apart and ids that are near, so that probe runs overlap and wrap around.
                let id = if id % 2 == 0 { id << 32 } else { id };
                match (table.find(OfferId(id)), put) {
                    (Slot::Taken(at, found), true) => {
                        prop_assert_eq!(Some(&found), model.get(&id));
                        table.replace(at, offer(id, amount));
                        model.insert(id, offer(id, amount));
                    }
                    (Slot::Free(at), true) if model.len() < 16 => {
                        prop_assert!(!model.contains_key(&id));
                        table.insert(at, offer(id, amount));
                        model.insert(id, offer(id, amount));
                    }
                    (Slot::Taken(at, found), false) => {
                        prop_assert_eq!(Some(found), model.remove(&id));
                        table.remove(at);
                    }
                    (Slot::Free(_), _) => {}
                }
                prop_assert_eq!(table.len(), model.len());
                let held: BTreeMap<i64, Offer> = table.iter().map(|offer| (offer.id.0, *offer)).collect();
                prop_assert_eq!(&held, &model);
                for id in model.keys() {
                    prop_assert!(matches!(table.find(OfferId(*id)), Slot::Taken(..)));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the offer table is full")]
    fn room_has_to_be_asked_for() {
        let mut table = OfferTable::new(1);
        for id in 1..=2 {
            let Slot::Free(at) = table.find(OfferId(id)) else { unreachable!() };
            table.insert(at, offer(id, 1));
        }
    }
}

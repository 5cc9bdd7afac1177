//! Where something happened, by who or what it happened to.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::hash::Hash;

/// The places of each key, in ascending order. Places come at the end and go from the front, as ledgers do.
#[derive(Debug)]
pub(super) struct Index<K, P> {
    places: FxHashMap<K, VecDeque<P>>,
}

impl<K, P> Default for Index<K, P> {
    fn default() -> Self {
        Self { places: FxHashMap::default() }
    }
}

impl<K: Eq + Hash + Clone, P: Copy + Ord> Index<K, P> {
    /// Adds a place that is not before the key's last one; the same place twice is one.
    pub(super) fn add(&mut self, key: &K, place: P) {
        let Some(places) = self.places.get_mut(key) else {
            self.places.insert(key.clone(), VecDeque::from([place]));
            return;
        };
        match places.back() {
            Some(last) if *last == place => {}
            last => {
                assert!(last.is_none_or(|last| *last < place), "an index grows at its end");
                places.push_back(place);
            }
        }
    }

    /// Takes away the key's first place if it is this one.
    pub(super) fn forget(&mut self, key: &K, place: P) {
        let Some(places) = self.places.get_mut(key) else { return };
        if places.front() == Some(&place) {
            places.pop_front();
        }
        if places.is_empty() {
            self.places.remove(key);
        }
    }

    /// Whether the key has any place.
    pub(super) fn knows(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// Every place of the key.
    pub(super) fn of<'i>(&'i self, key: &K) -> impl DoubleEndedIterator<Item = P> + use<'i, K, P> {
        self.places.get(key).into_iter().flatten().copied()
    }

    /// The key's places that are after the one and before the other.
    pub(super) fn between<'i>(
        &'i self,
        key: &K,
        after: P,
        before: P,
    ) -> impl DoubleEndedIterator<Item = P> + use<'i, K, P> {
        self.places.get(key).into_iter().flat_map(move |places| {
            let from = places.partition_point(|place| *place <= after);
            let to = places.partition_point(|place| *place < before);
            places.range(from..to.max(from)).copied()
        })
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_a_plain_scan_finds(
            steps in proptest::collection::vec((0_u8..4, 0_u64..3), 0..60),
            forgotten in 0_usize..60,
            after in 0_u64..90,
            before in 0_u64..90,
        ) {
            let mut place = 0;
            let mut plain = Vec::new();
            let mut index = Index::default();
            for (key, step) in steps {
                place += step;
                index.add(&key, place);
                plain.push((key, place));
            }
            plain.dedup();
            plain.sort_by_key(|(key, place)| (*place, *key));
            plain.dedup();
            let kept = plain.split_off(forgotten.min(plain.len()));
            plain.iter().for_each(|(key, place)| index.forget(key, *place));
            for key in 0..4 {
                let scan: Vec<u64> = kept.iter().filter(|(of, _)| *of == key).map(|(_, place)| *place).collect();
                prop_assert_eq!(index.of(&key).collect::<Vec<_>>(), scan.clone());
                prop_assert_eq!(index.knows(&key), !scan.is_empty());
                let within: Vec<u64> = scan.into_iter().filter(|place| after < *place && *place < before).collect();
                prop_assert_eq!(index.between(&key, after, before).collect::<Vec<_>>(), within);
            }
        }
    }
}

//! Sorted lists in blocks out of a common pool.
//!
//! Each side of each market is a list that may grow to hold every offer there is, and most hold a few. So room is not
//! taken for each list but for all of them together, in blocks of [`BLOCK`] items. To insert or remove moves at most a
//! block's items. Blocks are split in halves when full and joined when two neighbours hold half a block between them; so
//! two neighbours always hold more than that, and a list of n items has at most 4n/[`BLOCK`] + 1 blocks: a pool made for
//! so many items and lists cannot run out.

use core::cmp::Ordering;

/// Items that a block has room for.
const BLOCK: usize = 32;
/// A list's blocks that it can name without growing the list of their numbers, which doubles after that.
const FIRST_BLOCKS: usize = 16;

/// The blocks of all lists.
#[derive(Debug)]
pub(super) struct Pool<T> {
    blocks: Vec<Block<T>>,
    free: Vec<u32>,
    limit: usize,
}

#[derive(Debug)]
struct Block<T> {
    len: usize,
    items: [T; BLOCK],
}

/// A list. The same pool must be given to each of its methods.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The numbers of its blocks, none empty.
    order: Vec<u32>,
    len: usize,
}

/// A place in a list. Good until the list changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    block: usize,
    item: usize,
}

impl<T: Copy> Pool<T> {
    /// Room for `items` in at most `lists` lists. Memory is touched when it is first used.
    pub(super) fn new(items: usize, lists: usize) -> Self {
        let limit = items.div_ceil(BLOCK / 4) + lists;
        Self { blocks: Vec::with_capacity(limit), free: Vec::with_capacity(limit), limit }
    }

    #[expect(clippy::cast_possible_truncation, reason = "bounded by the offers of a network")]
    fn take(&mut self, first: T) -> u32 {
        if let Some(block) = self.free.pop() {
            return block;
        }
        assert!(self.blocks.len() < self.limit, "more items than the pool was made for");
        self.blocks.push(Block { len: 0, items: [first; BLOCK] });
        self.blocks.len() as u32 - 1
    }

    fn block(&self, number: u32) -> &[T] {
        let block = &self.blocks[number as usize];
        &block.items[..block.len]
    }

    fn block_mut(&mut self, number: u32) -> &mut Block<T> {
        &mut self.blocks[number as usize]
    }
}

impl<T: Copy> Block<T> {
    fn insert(&mut self, at: usize, item: T) {
        self.items.copy_within(at..self.len, at + 1);
        self.items[at] = item;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> T {
        let item = self.items[at];
        self.items.copy_within(at + 1..self.len, at);
        self.len -= 1;
        item
    }

    fn append(&mut self, items: &[T]) {
        self.items[self.len..][..items.len()].copy_from_slice(items);
        self.len += items.len();
    }
}

impl Sorted {
    pub(super) fn new() -> Self {
        Self { order: Vec::with_capacity(FIRST_BLOCKS), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where an item is to which `compare` says equal, or where it would have to be inserted. `compare` says how an item
    /// stands to the one that is looked for.
    pub(super) fn find<T: Copy>(&self, pool: &Pool<T>, compare: impl Fn(&T) -> Ordering) -> Result<At, At> {
        // What changes is mostly near the end, hence in the last block.
        let is_before = |number: &u32| pool.block(*number).last().is_some_and(|item| compare(item).is_lt());
        let last = self.order.len().saturating_sub(1);
        let block = match self.order[..last].last() {
            Some(before) if is_before(before) => last,
            _ => self.order[..last].partition_point(is_before),
        };
        let items = self.order.get(block).map_or(&[][..], |number| pool.block(*number));
        match items.binary_search_by(compare) {
            Ok(item) => Ok(At { block, item }),
            Err(item) => Err(At { block, item }),
        }
    }

    pub(super) fn get_mut<'p, T: Copy>(&self, pool: &'p mut Pool<T>, at: At) -> &'p mut T {
        &mut pool.block_mut(self.order[at.block]).items[at.item]
    }

    /// Inserts where [`find`](Self::find) has said.
    pub(super) fn insert<T: Copy>(&mut self, pool: &mut Pool<T>, at: At, item: T) {
        self.len += 1;
        let Some(number) = self.order.get(at.block).copied() else {
            let number = pool.take(item);
            pool.block_mut(number).append(&[item]);
            self.order.push(number);
            return;
        };
        if pool.block(number).len() < BLOCK {
            pool.block_mut(number).insert(at.item, item);
            return;
        }
        let upper = pool.take(item);
        let full = pool.block_mut(number);
        full.len = BLOCK / 2;
        let half: [T; BLOCK / 2] = core::array::from_fn(|item| full.items[BLOCK / 2 + item]);
        pool.block_mut(upper).append(&half);
        self.order.insert(at.block + 1, upper);
        match at.item.checked_sub(BLOCK / 2) {
            Some(item_at) if item_at > 0 => pool.block_mut(upper).insert(item_at, item),
            _ => pool.block_mut(number).insert(at.item, item),
        }
    }

    /// Removes what [`find`](Self::find) has found.
    pub(super) fn remove<T: Copy>(&mut self, pool: &mut Pool<T>, at: At) -> T {
        self.len -= 1;
        let block = pool.block_mut(self.order[at.block]);
        let removed = block.remove(at.item);
        if block.len >= BLOCK / 2 {
            return removed;
        }
        if !self.join(pool, at.block) && at.block > 0 {
            self.join(pool, at.block - 1);
        }
        removed
    }

    /// Joins a block with the one after it, if both hold half a block at the most, and says whether it did. A block that
    /// is empty goes, whatever is after it.
    fn join<T: Copy>(&mut self, pool: &mut Pool<T>, block: usize) -> bool {
        let number = self.order[block];
        let len = pool.block(number).len();
        let gone = match self.order.get(block + 1).copied() {
            Some(next) if len + pool.block(next).len() <= BLOCK / 2 => {
                let (items, count) = (pool.block_mut(next).items, pool.block(next).len());
                pool.block_mut(number).append(&items[..count]);
                self.order.remove(block + 1)
            }
            _ if len == 0 => self.order.remove(block),
            _ => return false,
        };
        pool.block_mut(gone).len = 0;
        pool.free.push(gone);
        true
    }

    /// All items, the last first.
    pub(super) fn iter_back<'p, T: Copy>(&'p self, pool: &'p Pool<T>) -> impl Iterator<Item = &'p T> + Clone {
        self.order.iter().rev().flat_map(|number| pool.block(*number).iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Two lists that share a pool made for exactly so many items are two sets, and the pool never runs out.
        #[test]
        fn lists_are_sets_and_their_pool_never_runs_out(
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u16..600), 0..3000),
        ) {
            const ITEMS: usize = 500;
            let mut pool = Pool::new(ITEMS, 2);
            let mut lists = [Sorted::new(), Sorted::new()];
            let mut models = [BTreeSet::new(), BTreeSet::new()];
            for (second, insert, item) in steps {
                let full = models[0].len() + models[1].len() == ITEMS;
                let (list, model) = (&mut lists[usize::from(second)], &mut models[usize::from(second)]);
                match list.find(&pool, |other: &u16| other.cmp(&item)) {
                    Ok(at) => {
                        prop_assert!(model.remove(&item));
                        prop_assert_eq!(*list.get_mut(&mut pool, at), item);
                        prop_assert_eq!(list.remove(&mut pool, at), item);
                    }
                    Err(at) if insert && !full => {
                        prop_assert!(model.insert(item));
                        list.insert(&mut pool, at, item);
                    }
                    Err(_) => prop_assert!(!model.contains(&item)),
                }
            }
            for (list, model) in lists.iter().zip(&models) {
                prop_assert_eq!(list.len(), model.len());
                prop_assert!(list.iter_back(&pool).eq(model.iter().rev()));
                prop_assert!(list.order.len() <= 4 * list.len() / BLOCK + 1);
            }
        }
    }

    #[test]
    fn growing_at_the_end_and_shrinking_from_it_gives_every_block_back() {
        let mut pool = Pool::new(10_000, 1);
        let mut list = Sorted::new();
        for item in 0..10_000 {
            let Err(at) = list.find(&pool, |other: &i32| other.cmp(&item)) else { unreachable!() };
            list.insert(&mut pool, at, item);
        }
        for item in (0..10_000).rev() {
            let Ok(at) = list.find(&pool, |other| other.cmp(&item)) else { unreachable!() };
            list.remove(&mut pool, at);
        }
        assert_eq!((list.len(), list.order.len(), pool.free.len()), (0, 0, pool.blocks.len()));
    }
}

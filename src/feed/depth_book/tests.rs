use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The exchange's own book: price in whole units to amount.
#[derive(Default)]
struct Model {
    bids: BTreeMap<u128, f64>,
    asks: BTreeMap<u128, f64>,
    update: u64,
}

fn level((key, amount): (&u128, &f64)) -> Level {
    Level { key: *key, amount: *amount }
}

impl Model {
    /// One update of one level: those who buy are below 100, those who sell above.
    fn step(&mut self, buys: bool, distance: u8, amount: u8) -> Level {
        let distance = u128::from(distance);
        let (side, key) = if buys { (&mut self.bids, 99 - distance) } else { (&mut self.asks, 101 + distance) };
        let amount = f64::from(amount);
        if amount > 0.0 {
            side.insert(key, amount)
        } else {
            side.remove(&key)
        };
        self.update += 1;
        Level { key, amount }
    }

    fn snapshot(&self, limit: usize) -> (u64, Vec<Level>, Vec<Level>) {
        let bids = self.bids.iter().rev().take(limit).map(level).collect();
        (self.update, bids, self.asks.iter().take(limit).map(level).collect())
    }

    fn agrees(&self, book: &DepthBook) -> bool {
        let bid = self.bids.last_key_value().map(level);
        let ask = self.asks.first_key_value().map(level);
        (book.bids.best(), book.asks.best()) == (bid, ask)
    }
}

proptest! {
    /// Changes, lost messages and snapshots however they interleave, a snapshot as old as the network makes it.
    #[test]
    fn a_book_is_right_or_not_usable(
        steps in prop::collection::vec((0..16_u8, any::<bool>(), 0..12_u8, 0..3_u8), 1..300),
    ) {
        const LIMIT: usize = 4;
        let mut model = Model::default();
        let mut book = DepthBook::new(SymbolId(0), 6);
        let mut answer = None;
        for (what, buys, distance, amount) in steps {
            match what {
                0 => answer = Some(model.snapshot(LIMIT)),
                1 | 2 => {
                    if let Some((last, bids, asks)) = answer.take().filter(|_| book.wants_snapshot()) {
                        book.snapshot(Depth { first: last, last, bids: &bids, asks: &asks }, LIMIT);
                    }
                }
                3 => drop(model.step(buys, distance, amount)),
                _ => {
                    let level = [model.step(buys, distance, amount)];
                    let (bids, asks) = if buys { (&level[..], &[][..]) } else { (&[][..], &level[..]) };
                    let (first, last) = (model.update, model.update);
                    if book.change(Depth { first, last, bids, asks }) == Change::Right
                        && let State::Whole { last, .. } = book.state {
                            prop_assert!(last != model.update || model.agrees(&book), "{book:?}");
                        }
                }
            }
        }
    }
}

#[test]
fn a_lost_message_breaks_the_book_until_a_snapshot_that_reaches_behind_it() {
    let mut book = DepthBook::new(SymbolId(0), 10);
    let (bids, asks) = ([Level { key: 9, amount: 1.0 }], [Level { key: 11, amount: 1.0 }]);
    let depth = |first, last| Depth { first, last, bids: &bids, asks: &asks };
    assert_eq!(book.change(depth(5, 6)), Change::Waits);
    assert!(book.wants_snapshot());
    assert!(!book.snapshot(depth(3, 3), 10), "a snapshot from before the first change");
    assert!(book.snapshot(depth(4, 4), 10));
    assert_eq!(book.change(depth(7, 9)), Change::Right);
    assert_eq!(book.change(depth(11, 12)), Change::Broken);
    assert_eq!(book.best(), None);
    assert!(!book.snapshot(depth(9, 9), 10));
    assert!(book.snapshot(depth(11, 11), 10));
    assert!(book.best().is_some());
}

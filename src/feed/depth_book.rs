//! A book of an exchange, kept from a snapshot and the changes that follow it: right, or not usable.

use crate::events::SymbolId;
use crate::wire::json::Tick;
use crate::wire::json::binance::{Depth, Level, price_of};

/// The most levels of a side that are kept; the worst beyond it are forgotten.
pub(super) const MAX_LEVELS: usize = 5_000;
/// The most changes of levels that wait for a snapshot. At more all of them are dropped, and a later snapshot is needed.
const MAX_WAITING: usize = 20_000;

/// A book.
#[derive(Debug)]
pub(super) struct DepthBook {
    pub(super) symbol: SymbolId,
    bids: Side,
    asks: Side,
    state: State,
    /// Changes that wait for a snapshot, each the next one of the one before.
    waiting: Vec<Waiting>,
    /// Their levels, bids before asks.
    levels: Vec<Level>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Changes are collected until a snapshot comes.
    Waiting,
    /// Right as of an update. Until the first change after a snapshot, that may begin before it.
    Whole { last: u64, joined: bool },
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    first: u64,
    last: u64,
    bids_end: usize,
    asks_end: usize,
}

/// What changes did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The book is right.
    Right,
    /// The book waits for a snapshot.
    Waits,
    /// The book was right, and is not any more.
    Broken,
}

impl DepthBook {
    pub(super) fn new(symbol: SymbolId, max_levels: usize) -> Self {
        Self {
            symbol,
            bids: Side::new(max_levels),
            asks: Side::new(max_levels),
            state: State::Waiting,
            waiting: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) {
        self.state = State::Waiting;
        self.forget_waiting();
    }

    /// Whether a snapshot would help: there are changes that it could be followed by.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.state == State::Waiting && !self.waiting.is_empty()
    }

    /// Takes changes.
    pub(super) fn change(&mut self, depth: Depth<'_>) -> Change {
        let State::Whole { last, joined } = self.state else {
            self.collect(depth);
            return Change::Waits;
        };
        let next = last.saturating_add(1);
        if !joined && depth.last <= last {
            return Change::Right;
        }
        let follows = if joined { depth.first == next } else { depth.first <= next };
        if follows {
            self.apply(depth.bids, depth.asks);
            self.state = State::Whole { last: depth.last, joined: true };
            if self.is_sound() {
                return Change::Right;
            }
            self.forget();
        } else {
            self.forget();
            self.collect(depth);
        }
        Change::Broken
    }

    /// Takes a snapshot, of at most `limit` levels a side; whether the book is right now.
    pub(super) fn snapshot(&mut self, depth: Depth<'_>, limit: usize) -> bool {
        if self.waiting.first().is_some_and(|first| first.first > depth.last.saturating_add(1)) {
            return false;
        }
        self.bids.begin(depth.bids, !0, limit);
        self.asks.begin(depth.asks, 0, limit);
        let (waiting, levels) = (core::mem::take(&mut self.waiting), core::mem::take(&mut self.levels));
        let (mut last, mut joined, mut start) = (depth.last, false, 0);
        for next in &waiting {
            if next.last > depth.last {
                self.apply(&levels[start..next.bids_end], &levels[next.bids_end..next.asks_end]);
                (last, joined) = (next.last, true);
            }
            start = next.asks_end;
        }
        (self.waiting, self.levels) = (waiting, levels);
        self.forget_waiting();
        self.state = State::Whole { last, joined };
        let sound = self.is_sound();
        if !sound {
            self.forget();
        }
        sound
    }

    /// The best of both sides, if the book is right.
    pub(super) fn best(&self) -> Option<Tick> {
        if self.state == State::Waiting {
            return None;
        }
        let (bid, ask) = (self.bids.best()?, self.asks.best()?);
        Some(Tick {
            symbol: 0,
            bid: price_of(bid.key),
            ask: price_of(ask.key),
            bid_amount: bid.amount,
            ask_amount: ask.amount,
            last: 0.0,
        })
    }

    /// Whether both sides know their best, and they do not cross. (A side that is whole may be empty.)
    fn is_sound(&self) -> bool {
        let crossed = self.bids.best().zip(self.asks.best()).is_some_and(|(bid, ask)| bid.key >= ask.key);
        self.bids.knows_best() && self.asks.knows_best() && !crossed
    }

    fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        bids.iter().for_each(|level| self.bids.set(*level));
        asks.iter().for_each(|level| self.asks.set(*level));
    }

    fn collect(&mut self, depth: Depth<'_>) {
        let follows = self.waiting.last().is_none_or(|before| before.last.checked_add(1) == Some(depth.first));
        if !follows || self.levels.len() + depth.bids.len() + depth.asks.len() > MAX_WAITING {
            self.forget_waiting();
        }
        self.levels.extend_from_slice(depth.bids);
        let bids_end = self.levels.len();
        self.levels.extend_from_slice(depth.asks);
        let asks_end = self.levels.len();
        self.waiting.push(Waiting { first: depth.first, last: depth.last, bids_end, asks_end });
        if self.waiting.len() > MAX_WAITING {
            self.forget_waiting();
        }
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.levels.clear();
    }
}

/// One side, the best at the end, where most of the changes are.
#[derive(Debug)]
struct Side {
    /// By rank: a key, turned around by `flip` so that the better is the greater.
    levels: Vec<(u128, f64)>,
    flip: u128,
    max_levels: usize,
    /// Below this rank there may be levels that are not known.
    known_from: u128,
}

impl Side {
    fn new(max_levels: usize) -> Self {
        Self { levels: Vec::new(), flip: 0, max_levels, known_from: 0 }
    }

    /// Begins anew with a snapshot. `bids` are better the higher.
    fn begin(&mut self, levels: &[Level], bids: u128, limit: usize) {
        self.flip = !bids;
        self.levels.clear();
        self.levels.reserve(self.max_levels.saturating_sub(self.levels.len()));
        self.known_from = 0;
        levels.iter().for_each(|level| self.set(*level));
        if levels.len() >= limit {
            let worst = self.levels.first().map_or(u128::MAX, |(rank, _)| *rank);
            self.known_from = self.known_from.max(worst);
        }
    }

    fn set(&mut self, Level { key, amount }: Level) {
        let rank = key ^ self.flip;
        let place = self.levels.partition_point(|(other, _)| *other < rank);
        let there = self.levels.get(place).is_some_and(|(other, _)| *other == rank);
        match (there, amount > 0.0) {
            (true, true) => self.levels[place].1 = amount,
            (true, false) => drop(self.levels.remove(place)),
            (false, false) => {}
            (false, true) if self.levels.len() < self.max_levels => self.levels.insert(place, (rank, amount)),
            // Full: the worst is forgotten, and with it what lies below it.
            (false, true) => {
                let forgotten = if place == 0 { rank } else { self.levels[0].0 };
                self.known_from = self.known_from.max(forgotten.saturating_add(1));
                if place > 0 {
                    self.levels[..place].rotate_left(1);
                    self.levels[place - 1] = (rank, amount);
                }
            }
        }
    }

    fn knows_best(&self) -> bool {
        self.levels.last().map_or(self.known_from == 0, |(rank, _)| *rank >= self.known_from)
    }

    fn best(&self) -> Option<Level> {
        self.levels.last().map(|&(rank, amount)| Level { key: rank ^ self.flip, amount })
    }
}

#[cfg(test)]
mod tests;

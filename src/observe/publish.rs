//! The newest [`Status`], handed from the one who makes it to those who serve it.

use super::status::Status;
use parking_lot::RwLock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The last so many of something, oldest first.
#[derive(Clone, Debug)]
pub struct Recent<T> {
    items: VecDeque<T>,
    capacity: usize,
}

impl<T> Recent<T> {
    /// Room for the last `capacity`, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a list of nothing shows nothing");
        Self { items: VecDeque::with_capacity(capacity), capacity }
    }

    /// Adds the newest; the oldest goes if there is no room.
    pub fn push(&mut self, item: T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
        }
        self.items.push_back(item);
    }

    /// Oldest first; reversible.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.iter()
    }

    /// Newest first, to change what became of one.
    pub fn iter_mut_newest_first(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut().rev()
    }
}

impl<T: Clone> Recent<T> {
    /// A copy, newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<T> {
        self.iter().rev().cloned().collect()
    }
}

#[derive(Debug)]
struct Published {
    status: Arc<Status>,
    at: Instant,
}

/// Where the observer thread puts the newest [`Status`], and everyone who serves finds it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct StatusHandle {
    newest: Arc<RwLock<Published>>,
}

/// The newest status, and how old it is.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The status.
    pub status: Arc<Status>,
    /// Since it was published: seconds mean that the engine's observer thread has stopped.
    pub age: Duration,
}

impl Default for StatusHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusHandle {
    /// With an empty status, until the first is published.
    #[must_use]
    pub fn new() -> Self {
        let empty = Published { status: Arc::default(), at: Instant::now() };
        Self { newest: Arc::new(RwLock::new(empty)) }
    }

    /// Replaces the status; lists are cut to their bounds. The lock is held for a pointer's exchange.
    pub fn publish(&self, mut status: Status) {
        status.cut_to_bounds();
        let published = Published { status: Arc::new(status), at: Instant::now() };
        let before = std::mem::replace(&mut *self.newest.write(), published);
        drop(before);
    }

    /// The newest.
    #[must_use]
    pub fn latest(&self) -> Latest {
        let newest = self.newest.read();
        Latest { status: Arc::clone(&newest.status), age: newest.at.elapsed() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Level, Market, Point, ProfitLoss};
    use super::*;
    use crate::stellar::{Price, Stroops};

    #[test]
    fn what_is_published_has_bounds() {
        let handle = StatusHandle::new();
        let market = Market { bids: vec![a_level(); 1000], ..Market::default() };
        let history = (0..1000).map(|ledger| Point { ledger, total: Stroops(0) }).collect();
        handle.publish(Status {
            markets: vec![market; 2000],
            profit_loss: vec![ProfitLoss { history, ..ProfitLoss::default() }],
            ..Status::default()
        });
        let status = handle.latest().status;
        assert_eq!(status.markets.len(), Status::MAX_MARKETS);
        assert_eq!(status.markets_configured, 2000);
        assert_eq!(status.markets[0].bids.len(), Status::MAX_LEVELS);
        let points = &status.profit_loss[0].history;
        assert_eq!((points.len(), points[0].ledger), (Status::MAX_POINTS, 400), "the newest points stay");
    }

    fn a_level() -> Level {
        Level { price: Price::new(1, 1).unwrap(), amount: Stroops(1), own_amount: Stroops(0) }
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut recent = Recent::new(2);
        for item in 1..=3 {
            recent.push(item);
        }
        assert_eq!(recent.newest_first(), [3, 2]);
    }

    #[test]
    fn a_reader_keeps_what_it_has_while_the_next_is_published() {
        let handle = StatusHandle::new();
        let before = handle.latest().status;
        handle.publish(Status { halted: Some("operator".into()), ..Status::default() });
        assert_eq!(before.halted, None);
        assert_eq!(handle.latest().status.halted.as_deref(), Some("operator"));
    }
}

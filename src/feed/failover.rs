//! Which of several servers is asked: the primary, and a backup while the primary fails.

use super::pace::Pauses;
use crate::events::MonoNanos;

/// Failures in a row after which the next server is asked.
const PATIENCE: u32 = 2;
/// A server to which there is no connection for so long has failed.
const UNREACHABLE_NS: u64 = 2_000_000_000;

/// The primary, then its backups; one is asked at a time.
#[derive(Debug)]
pub(super) struct Failover {
    servers: Vec<Pauses>,
    active: usize,
    /// Since when that one is asked.
    since: MonoNanos,
    /// Its failures in a row, and how many are borne.
    failures: u32,
    patience: u32,
    /// When it will have been out of reach for too long.
    unreachable_at: Option<MonoNanos>,
    return_after_ns: u64,
}

impl Failover {
    /// Of so many servers (at least one). A backup is asked for `return_after_ns` before the primary is tried again;
    /// pauses are jittered from a seed.
    pub(super) fn new(servers: usize, return_after_ns: u64, seed: u64) -> Self {
        Self {
            servers: (0..servers).zip(seed..).map(|(_, seed)| Pauses::new(seed)).collect(),
            active: 0,
            since: MonoNanos(0),
            failures: 0,
            patience: PATIENCE,
            unreachable_at: None,
            return_after_ns,
        }
    }

    /// Which server is asked.
    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// When the pause ends that it asked for, or that its failures call for.
    pub(super) fn pause_ends(&self) -> MonoNanos {
        self.servers[self.active].until()
    }

    /// It answered.
    pub(super) fn well(&mut self) {
        (self.failures, self.patience) = (0, PATIENCE);
        self.servers[self.active].all_is_well();
    }

    /// It gave no answer that can be used. Returns whether another is asked from now on.
    pub(super) fn failed(&mut self, now: MonoNanos) -> bool {
        self.servers[self.active].back_off(now);
        self.failures += 1;
        self.failures >= self.patience && self.turn_on(now)
    }

    /// It refuses what is asked, but has not failed: another try comes later. No other server would do better.
    pub(super) fn refused(&mut self, now: MonoNanos) {
        self.servers[self.active].back_off(now);
    }

    /// It asked for patience until then. Returns whether another is asked meanwhile, which is one that can be sooner.
    pub(super) fn asked_to_wait(&mut self, until: MonoNanos, now: MonoNanos) -> bool {
        self.servers[self.active].wait_until(until);
        let next = &self.servers[(self.active + 1) % self.servers.len()];
        next.until() < until && self.turn_on(now)
    }

    /// Looks whether there is a connection to it. Returns whether another is asked from now on, because there was none
    /// for too long.
    pub(super) fn look(&mut self, is_connected: bool, now: MonoNanos) -> bool {
        if is_connected || self.servers.len() == 1 {
            self.unreachable_at = None;
            return false;
        }
        let unreachable_at = *self.unreachable_at.get_or_insert(now.plus(UNREACHABLE_NS));
        unreachable_at <= now && self.turn_on(now)
    }

    /// Tries the primary again, if a backup was asked for long enough and there is a connection to the primary. The
    /// first failure leads back to the backup.
    pub(super) fn try_primary(&mut self, is_connected: bool, now: MonoNanos) -> bool {
        let is_due = self.active != 0 && now.since(self.since) >= self.return_after_ns;
        if is_due && is_connected && self.servers[0].until() <= now {
            self.turn_to(0, now);
            self.patience = 1;
            return true;
        }
        false
    }

    fn turn_on(&mut self, now: MonoNanos) -> bool {
        if self.servers.len() > 1 {
            self.turn_to((self.active + 1) % self.servers.len(), now);
        }
        self.servers.len() > 1
    }

    fn turn_to(&mut self, server: usize, now: MonoNanos) {
        (self.active, self.since, self.unreachable_at) = (server, now, None);
        (self.failures, self.patience) = (0, PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(second: u64) -> MonoNanos {
        MonoNanos(second * SECOND)
    }

    #[test]
    fn two_failures_lead_to_the_backup_and_time_leads_back_for_one_try() {
        let mut failover = Failover::new(2, 60 * SECOND, 1);
        assert!(!failover.failed(at(1)) && failover.pause_ends() > at(1));
        failover.well();
        assert!(!failover.failed(at(2)) && failover.failed(at(3)));
        assert_eq!((failover.active(), failover.pause_ends()), (1, at(0)));
        assert!(!failover.try_primary(true, at(62)) && !failover.try_primary(false, at(63)));
        assert!(failover.try_primary(true, at(63)));
        assert!(failover.failed(at(64)));
        assert_eq!(failover.active(), 1);
        assert!(failover.try_primary(true, at(130)));
        failover.well();
        assert!(!failover.failed(at(131)));
        assert_eq!(failover.active(), 0);
    }

    #[test]
    fn a_server_that_asks_for_patience_is_left_for_one_that_does_not() {
        let mut failover = Failover::new(2, 60 * SECOND, 1);
        assert!(failover.asked_to_wait(at(30), at(1)));
        assert_eq!(failover.active(), 1);
        assert!(!failover.asked_to_wait(at(20), at(2)), "the other one waits longer");
        assert_eq!((failover.active(), failover.pause_ends()), (1, at(20)));
    }

    #[test]
    fn a_server_out_of_reach_is_left_unless_it_is_the_only_one() {
        let mut failover = Failover::new(2, 60 * SECOND, 1);
        assert!(!failover.look(false, at(1)) && !failover.look(true, at(2)) && !failover.look(false, at(3)));
        assert!(!failover.look(false, at(4)) && failover.look(false, at(5)));
        assert_eq!(failover.active(), 1);
        let mut alone = Failover::new(1, 60 * SECOND, 1);
        assert!((0..100).all(|second| !alone.look(false, at(second)) && !alone.failed(at(second))));
    }
}

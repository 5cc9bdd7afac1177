//! Where time is asked for. A driver holds a [`Clock`] and hands its [`Now`] to the stages; nobody else asks.

pub use crate::events::Clock;
use crate::events::{MonoNanos, Now, UtcNanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The machine's clocks: `CLOCK_MONOTONIC`, which is the same for all processes of a machine, so that stamps of two
/// processes can be compared, and `CLOCK_REALTIME`. Neither is a system call where the kernel maps its time page.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

fn read_ns(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    // Neither clock is before its zero on a machine that runs this program; a battery-less board that says so is at
    // zero for us.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { mono: self.mono(), utc: UtcNanos(read_ns(rustix::time::ClockId::Realtime)) }
    }

    fn mono(&self) -> MonoNanos {
        MonoNanos(read_ns(rustix::time::ClockId::Monotonic))
    }
}

/// A clock that stands still until it is moved, for simulation, replay and tests. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    time: Arc<[AtomicU64; 2]>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Now) -> Self {
        let clock = Self::default();
        clock.set(now);
        clock
    }

    /// Sets both clocks.
    ///
    /// # Panics
    /// If monotonic time would run backwards.
    pub fn set(&self, now: Now) {
        assert!(now.mono >= self.now().mono, "monotonic time cannot be set back");
        self.time[0].store(now.mono.0, Ordering::Relaxed);
        self.time[1].store(now.utc.0, Ordering::Relaxed);
    }

    /// Moves both clocks forward.
    pub fn advance(&self, nanos: u64) {
        let now = self.now();
        self.set(Now { mono: now.mono.plus(nanos), utc: UtcNanos(now.utc.0.saturating_add(nanos)) });
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now {
            mono: MonoNanos(self.time[0].load(Ordering::Relaxed)),
            utc: UtcNanos(self.time[1].load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs_forward_and_knows_the_century() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second.mono >= first.mono);
        assert!(first.utc.seconds() > 1_700_000_000);
    }

    #[test]
    fn a_manual_clock_moves_only_when_it_is_moved_and_clones_move_with_it() {
        let clock = ManualClock::new(Now { mono: MonoNanos(5), utc: UtcNanos(1_000) });
        let copy = clock.clone();
        assert_eq!(copy.now(), clock.now());
        clock.advance(7);
        assert_eq!(copy.now(), Now { mono: MonoNanos(12), utc: UtcNanos(1_007) });
    }

    #[test]
    #[should_panic(expected = "cannot be set back")]
    fn monotonic_time_cannot_be_set_back() {
        let clock = ManualClock::new(Now { mono: MonoNanos(5), utc: UtcNanos(5) });
        clock.set(Now { mono: MonoNanos(4), utc: UtcNanos(6) });
    }
}

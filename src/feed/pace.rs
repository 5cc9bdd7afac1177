//! When the next request may be made: within the budget, after a server's word to wait, and after failures.

use crate::events::MonoNanos;

const FIRST_PAUSE_NS: u64 = 500_000_000;
const LONGEST_PAUSE_NS: u64 = 30_000_000_000;

/// A budget as a virtual schedule (GCRA): each request moves it on by its share of the hour.
#[derive(Debug)]
pub(super) struct Pace {
    interval_ns: u64,
    /// Requests that may be made at once when none were for a while.
    burst: u64,
    /// Where the schedule stands.
    scheduled: MonoNanos,
    /// Nothing is asked before.
    paused_until: MonoNanos,
    failures: u32,
    random: u64,
}

impl Pace {
    /// A request each interval, and `burst` (at least 1) at once after a pause; pauses are jittered from a seed.
    pub(super) fn new(interval_ns: u64, burst: u64, seed: u64) -> Self {
        Self { interval_ns, burst, scheduled: MonoNanos(0), paused_until: MonoNanos(0), failures: 0, random: seed | 1 }
    }

    /// Takes a request from the budget, or says when to try again.
    pub(super) fn may_ask(&mut self, now: MonoNanos) -> Result<(), MonoNanos> {
        let earliest = MonoNanos(self.scheduled.0.saturating_sub(self.interval_ns * (self.burst - 1)));
        let at = earliest.max(self.paused_until);
        if at > now {
            return Err(at);
        }
        self.scheduled = self.scheduled.max(now).plus(self.interval_ns);
        Ok(())
    }

    /// A server asked for patience.
    pub(super) fn wait_until(&mut self, at: MonoNanos) {
        self.paused_until = self.paused_until.max(at);
    }

    /// A server failed: a pause that doubles with each failure in a row, between half and all of its length.
    pub(super) fn back_off(&mut self, now: MonoNanos) {
        let pause_ns = (FIRST_PAUSE_NS << self.failures.min(16)).min(LONGEST_PAUSE_NS);
        self.failures += 1;
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.wait_until(now.plus(pause_ns / 2 + self.random % (pause_ns / 2)));
    }

    /// A server answered.
    pub(super) fn all_is_well(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BURST: u64 = 50;
    const HOUR_NS: u64 = 3_600_000_000_000;

    proptest! {
        #[test]
        fn no_hour_has_more_requests_than_the_budget_and_its_burst(
            budget in 60_u32..10_000, waits in prop::collection::vec(0_u64..20_000_000_000, 100..600),
        ) {
            let mut pace = Pace::new(HOUR_NS / u64::from(budget), BURST, 1);
            let (mut now, mut asked) = (MonoNanos(HOUR_NS), Vec::new());
            for wait_ns in waits {
                now = now.plus(wait_ns);
                while pace.may_ask(now).is_ok() {
                    asked.push(now.0);
                }
                prop_assert!(pace.may_ask(now).is_err_and(|at| at > now));
            }
            for (at, first) in asked.iter().enumerate() {
                let hour = asked[at..].iter().take_while(|ask| **ask < first + HOUR_NS).count() as u64;
                prop_assert!(hour <= u64::from(budget) + BURST, "{hour} in an hour");
            }
        }

        #[test]
        fn pauses_double_up_to_the_longest(seed: u64, failures in 1_u32..40) {
            let mut pace = Pace::new(1_000_000_000, BURST, seed);
            let mut now = MonoNanos(HOUR_NS);
            for failure in 0..failures {
                pace.back_off(now);
                let nominal = (FIRST_PAUSE_NS << failure.min(16)).min(LONGEST_PAUSE_NS);
                let at = pace.may_ask(now).unwrap_err();
                prop_assert!(at.since(now) >= nominal / 2 && at.since(now) <= nominal);
                now = at;
            }
        }
    }
}

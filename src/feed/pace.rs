//! When the next request may be made: within the budget, after a server's word to wait, and after failures.

use crate::events::MonoNanos;

const FIRST_PAUSE_NS: u64 = 500_000_000;
const LONGEST_PAUSE_NS: u64 = 30_000_000_000;

/// A budget as a virtual schedule (GCRA): each request moves it on by its share of the hour.
#[derive(Debug)]
pub(super) struct Budget {
    interval_ns: u64,
    /// Requests that may be made at once when none were for a while.
    burst: u64,
    /// Where the schedule stands.
    scheduled: MonoNanos,
}

impl Budget {
    /// A request each interval, and `burst` (at least 1) at once after a pause.
    pub(super) fn new(interval_ns: u64, burst: u64) -> Self {
        Self { interval_ns, burst, scheduled: MonoNanos(0) }
    }

    /// When a request may be made.
    fn earliest(&self) -> MonoNanos {
        MonoNanos(self.scheduled.0.saturating_sub(self.interval_ns * (self.burst - 1)))
    }

    /// Takes a request, or says when to try again.
    pub(super) fn take(&mut self, now: MonoNanos) -> Result<(), MonoNanos> {
        let at = self.earliest();
        if at > now {
            return Err(at);
        }
        self.scheduled = self.scheduled.max(now).plus(self.interval_ns);
        Ok(())
    }

    /// Takes what a server counts without having been asked. It is never refused; but however much it is, a request
    /// remains possible after one interval.
    pub(super) fn charge(&mut self, requests: u64, now: MonoNanos) {
        let charged = self.scheduled.max(now).plus(self.interval_ns.saturating_mul(requests));
        let most = now.plus(self.interval_ns.saturating_mul(self.burst));
        self.scheduled = charged.min(most).max(self.scheduled);
    }
}

/// The pauses that a server asked for, or that its failures call for.
#[derive(Debug)]
pub(super) struct Pauses {
    /// Nothing is asked before.
    until: MonoNanos,
    failures: u32,
    random: u64,
}

impl Pauses {
    /// Pauses are jittered from a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { until: MonoNanos(0), failures: 0, random: seed | 1 }
    }

    /// When the pause ends, or has ended.
    pub(super) fn until(&self) -> MonoNanos {
        self.until
    }

    /// A server asked for patience.
    pub(super) fn wait_until(&mut self, at: MonoNanos) {
        self.until = self.until.max(at);
    }

    /// A server failed: a pause that doubles with each failure in a row, between half and all of its length.
    pub(super) fn back_off(&mut self, now: MonoNanos) {
        let pause_ns = (FIRST_PAUSE_NS << self.failures.min(16)).min(LONGEST_PAUSE_NS);
        self.failures = self.failures.saturating_add(1);
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

/// A budget and the pauses of the one server that it is for.
#[derive(Debug)]
pub(super) struct Pace {
    budget: Budget,
    pauses: Pauses,
}

impl Pace {
    /// A request each interval, and `burst` (at least 1) at once after a pause; pauses are jittered from a seed.
    pub(super) fn new(interval_ns: u64, burst: u64, seed: u64) -> Self {
        Self { budget: Budget::new(interval_ns, burst), pauses: Pauses::new(seed) }
    }

    /// Takes a request from the budget, or says when to try again.
    pub(super) fn may_ask(&mut self, now: MonoNanos) -> Result<(), MonoNanos> {
        let until = self.pauses.until();
        if until > now { Err(until.max(self.budget.earliest())) } else { self.budget.take(now) }
    }

    /// A server asked for patience.
    pub(super) fn wait_until(&mut self, at: MonoNanos) {
        self.pauses.wait_until(at);
    }

    /// A server failed.
    pub(super) fn back_off(&mut self, now: MonoNanos) {
        self.pauses.back_off(now);
    }

    /// A server answered.
    pub(super) fn all_is_well(&mut self) {
        self.pauses.all_is_well();
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
        fn what_is_charged_comes_off_the_budget_and_never_stops_the_rest(
            charges in prop::collection::vec((0_u64..20, 0_u64..5_000_000_000), 1..100),
        ) {
            let mut budget = Budget::new(1_000_000_000, BURST);
            let (mut now, mut charged) = (MonoNanos(HOUR_NS), 0);
            for (requests, wait_ns) in charges {
                budget.charge(requests, now);
                charged += requests;
                if now == MonoNanos(HOUR_NS) {
                    let free = (0..BURST).take_while(|_| budget.take(now).is_ok()).count() as u64;
                    prop_assert_eq!(free, BURST.saturating_sub(charged));
                    charged = BURST;
                }
                let at = budget.take(now).err().unwrap_or(now);
                prop_assert!(at.since(now) <= 1_000_000_000, "{} ns to wait", at.since(now));
                now = now.plus(wait_ns + 1);
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

//! When the next ledger will be to be had, learned from when the last ones were.

use crate::events::MonoNanos;

/// What is assumed before anything was learned: the protocol's target.
const ASSUMED_NS: u64 = 5_000_000_000;

/// How long after a ledger the next one is asked for.
///
/// A ledger that is there at the first try may have been there for long: then the next is asked for sooner. One that was
/// not there at a try before came in between: that is how long ledgers take.
#[derive(Debug)]
pub(super) struct Cadence {
    last_seen: Option<MonoNanos>,
    /// From one ledger to the first try for the next.
    wait_ns: u64,
    /// Since the last ledger a try was in vain.
    tried: bool,
    least_ns: u64,
}

impl Cadence {
    /// Nothing is asked more often than every `least_ns`.
    pub(super) fn new(least_ns: u64) -> Self {
        Self { last_seen: None, wait_ns: ASSUMED_NS, tried: false, least_ns }
    }

    /// A try was in vain: the next ledger is not there.
    pub(super) fn missed(&mut self) {
        self.tried = true;
    }

    /// So many new ledgers were seen at this moment.
    pub(super) fn seen(&mut self, ledgers: u32, now: MonoNanos) {
        if let Some(last) = self.last_seen {
            if self.tried && ledgers == 1 {
                let took_ns = now.since(last);
                let target_ns = took_ns - took_ns / 16;
                let later_ns = self.wait_ns + target_ns.saturating_sub(self.wait_ns) / 4;
                self.wait_ns = target_ns.min(later_ns);
            } else {
                let sooner_ns = (self.wait_ns - self.wait_ns / 8) / u64::from(ledgers.clamp(1, 8));
                self.wait_ns = sooner_ns.max(self.least_ns);
            }
        }
        self.tried = false;
        self.last_seen = Some(now);
    }

    /// When to ask: a little before the next ledger is expected, since asking early costs one request and asking late the
    /// time; then again and again, in steps that grow with how late it is.
    pub(super) fn next_ask(&self, now: MonoNanos) -> MonoNanos {
        let expected = self.last_seen.map_or(now, |seen| seen.plus(self.wait_ns));
        let late_ns = now.since(expected);
        let retry_ns = (self.wait_ns / 40).max(late_ns / 8).max(self.least_ns);
        expected.max(now.plus(retry_ns.min(ASSUMED_NS).max(self.least_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// Asks a server whose ledgers come at these moments; returns for each of the last ones how late it was seen, and how
    /// many requests it took.
    fn follow(moments: &[u64], least_ns: u64) -> Vec<(u64, u32)> {
        let (mut cadence, mut now, mut seen) = (Cadence::new(least_ns), MonoNanos(moments[0]), Vec::new());
        let (mut at, mut asked) = (0, 0);
        while at < moments.len() {
            asked += 1;
            let there = moments[at..].iter().take_while(|moment| **moment <= now.0).count();
            if there > 0 {
                seen.push((now.0 - moments[at], asked));
                cadence.seen(u32::try_from(there).unwrap(), now);
                at += there;
                asked = 0;
            } else {
                cadence.missed();
            }
            let next = cadence.next_ask(now);
            assert!(next.since(now) >= least_ns);
            now = next;
        }
        seen
    }

    proptest! {
        #[test]
        fn a_steady_or_changed_cadence_is_learned(first_ms in 600_u64..6_000, then_ms in 600_u64..6_000, jitter_ms in 0_u64..20) {
            let jitter = |at: u64| (at * 7_919) % (jitter_ms + 1) * MS;
            let mut moments: Vec<u64> = (0..40).map(|at| (at * first_ms) * MS + jitter(at)).collect();
            let start = 39 * first_ms;
            moments.extend((1..60).map(|at| (start + at * then_ms) * MS + jitter(at)));
            let seen = follow(&moments, 20 * MS);
            for (late_ns, asked) in &seen[seen.len() - 10..] {
                prop_assert!(*late_ns <= then_ms * MS / 10 + 21 * MS, "{late_ns} ns late");
                prop_assert!(*asked <= 14, "{asked} requests for a ledger");
            }
        }
    }

    #[test]
    fn a_ledger_that_was_there_at_once_is_asked_for_sooner_the_next_time() {
        let mut cadence = Cadence::new(MS);
        cadence.seen(1, MonoNanos(0));
        let before = cadence.next_ask(MonoNanos(0));
        cadence.seen(3, before);
        assert!(cadence.next_ask(before).since(before) < before.0);
    }
}

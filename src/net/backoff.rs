//! When a connection is tried again.

use core::time::Duration;

/// How patient connections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The longest that an attempt may take: look-up, then for each address connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub first_backoff: Duration,
    /// The longest pause. A certificate that was refused waits this long at once.
    pub longest_backoff: Duration,
    /// A connection that stood this long was a good one: when it goes, it is opened again at once.
    pub settled: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(15),
            settled: Duration::from_secs(2),
        }
    }
}

/// The pauses of one connection: exponential, each between half and all of its nominal length, so that those who lost a
/// server together do not come back together. Deterministic in its seed.
#[derive(Debug)]
pub(super) struct Backoff {
    first_ns: u64,
    longest_ns: u64,
    failures: u32,
    random: u64,
}

/// A duration in nanoseconds; longer than 584 years is 584 years.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Backoff {
    pub(super) fn new(timing: &Timing, seed: u64) -> Self {
        // Spread the seed (splitmix64's finish), because neighbours get neighbouring seeds; xorshift must not start at 0.
        let mut random = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        random = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        random = (random ^ (random >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        random = (random ^ (random >> 31)).max(1);
        Self { first_ns: nanos(timing.first_backoff), longest_ns: nanos(timing.longest_backoff), failures: 0, random }
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure, nanoseconds.
    pub(super) fn next_pause_ns(&mut self) -> u64 {
        let doubled = self.first_ns.saturating_mul(1 << self.failures.min(32));
        self.failures = self.failures.saturating_add(1);
        self.jittered(doubled.min(self.longest_ns))
    }

    /// The longest pause, after which nothing shorter follows until [`reset`](Self::reset).
    pub(super) fn longest_pause_ns(&mut self) -> u64 {
        self.failures = 32;
        self.jittered(self.longest_ns)
    }

    fn jittered(&mut self, pause_ns: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let half = pause_ns / 2;
        half + self.random % (pause_ns - half + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_double_up_to_the_longest_within_their_jitter(seed: u64, failures in 1_u32..80) {
            let timing = Timing::default();
            let (first, longest) = (nanos(timing.first_backoff), nanos(timing.longest_backoff));
            let mut backoff = Backoff::new(&timing, seed);
            for failure in 0..failures {
                let nominal = first.saturating_mul(1 << failure.min(40)).min(longest);
                let pause = backoff.next_pause_ns();
                prop_assert!(pause >= nominal / 2 && pause <= nominal, "{} of {}", pause, nominal);
            }
            backoff.reset();
            prop_assert!(backoff.next_pause_ns() <= first);
        }
    }

    #[test]
    fn pauses_follow_from_the_seed_and_neighbours_differ() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(&Timing::default(), seed);
            (0..6).map(|_| backoff.next_pause_ns()).collect::<Vec<_>>()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
    }

    #[test]
    fn what_patience_alone_cannot_mend_waits_longest_at_once() {
        let timing = Timing::default();
        let mut backoff = Backoff::new(&timing, 1);
        assert!(backoff.longest_pause_ns() >= nanos(timing.longest_backoff) / 2);
        assert!(backoff.next_pause_ns() >= nanos(timing.longest_backoff) / 2);
    }
}

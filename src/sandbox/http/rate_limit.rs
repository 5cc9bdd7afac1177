//! How often an address may ask: the generic cell rate algorithm, as Horizon has it (its `throttled` package).
//!
//! Requests come in at a steady rate in theory; the *theoretical arrival time* of the next is kept for each address. A
//! request is too early if that time lies further ahead than the burst allows.

use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Addresses that are remembered at once, as many as Horizon's. Beyond that, those whose time has come are forgotten,
/// and if that frees none, all are.
const MAX_ADDRESSES: usize = 50_000;

/// Limits how often an address asks.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// Time between requests at the steady rate; zero if there is no limit.
    interval: Duration,
    /// Requests at once, one more than the burst.
    at_once: u32,
    arrivals: FxHashMap<IpAddr, Instant>,
}

/// What a request may do, and what the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) allowed: bool,
    /// Requests at once.
    pub(crate) limit: u32,
    /// Requests that are left now.
    pub(crate) remaining: u32,
    /// Seconds until as many are left as can be.
    pub(crate) reset_s: u64,
    /// Seconds until another is allowed, if this one is not.
    pub(crate) retry_after_s: Option<u64>,
}

impl RateLimiter {
    /// So many an hour, and so many more than the steady rate at once. None an hour means no limit.
    pub(crate) fn new(per_hour: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(3600).checked_div(per_hour).unwrap_or_default();
        Self { interval, at_once: burst.saturating_add(1), arrivals: FxHashMap::default() }
    }

    /// Counts a request.
    pub(crate) fn take(&mut self, address: IpAddr, now: Instant) -> Quota {
        if self.interval.is_zero() {
            let (limit, remaining) = (self.at_once, self.at_once.saturating_sub(1));
            return Quota { allowed: true, limit, remaining, reset_s: 1, retry_after_s: None };
        }
        let tolerance = self.interval.saturating_mul(self.at_once);
        let ahead = self.arrivals.get(&address).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let next = ahead + self.interval;
        let allowed = next <= tolerance;
        let ahead = if allowed { next } else { ahead };
        if allowed {
            self.make_room(now);
            self.arrivals.insert(address, now + next);
        }
        let remaining = tolerance.saturating_sub(ahead).as_nanos() / self.interval.as_nanos();
        Quota {
            allowed,
            limit: self.at_once,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset_s: whole_seconds(ahead),
            retry_after_s: (!allowed).then(|| whole_seconds(next - tolerance)),
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.arrivals.len() < MAX_ADDRESSES {
            return;
        }
        self.arrivals.retain(|_, at| *at > now);
        if self.arrivals.len() >= MAX_ADDRESSES {
            self.arrivals.clear();
        }
    }
}

/// Rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_burst_passes_and_then_one_a_second() {
        let (mut limiter, start) = (RateLimiter::new(3600, 100), Instant::now());
        let first = limiter.take(HERE, start);
        assert_eq!((first.limit, first.remaining, first.reset_s, first.retry_after_s), (101, 100, 1, None));
        assert!((0..100).all(|_| limiter.take(HERE, start).allowed));
        let refused = limiter.take(HERE, start);
        assert_eq!((refused.allowed, refused.remaining, refused.reset_s), (false, 0, 101));
        assert_eq!(refused.retry_after_s, Some(1));
        assert!(limiter.take(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), start).allowed);
        let later = start + Duration::from_secs(1);
        assert!(limiter.take(HERE, later).allowed);
        assert!(!limiter.take(HERE, later).allowed);
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let (mut limiter, now) = (RateLimiter::new(0, 100), Instant::now());
        assert!((0..10_000).all(|_| limiter.take(HERE, now).allowed && limiter.take(HERE, now).remaining == 100));
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let (mut limiter, now) = (RateLimiter::new(3600, 100), Instant::now());
        for number in 0..200_000_u32 {
            limiter.take(IpAddr::V4(Ipv4Addr::from_bits(number)), now);
            assert!(limiter.arrivals.len() <= MAX_ADDRESSES);
        }
    }
}

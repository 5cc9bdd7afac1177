//! How fast kept ledgers are given: all at once, or at the distances of their close times.

use core::str::FromStr;
use std::time::{Duration, Instant};

/// How fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    #[default]
    Full,
    /// So many times as fast as the ledgers closed; 1 is as they did.
    Times(f64),
}

/// The slowest and the fastest that makes sense.
const TIMES: core::ops::RangeInclusive<f64> = 0.001..=1e6;

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => return Ok(Self::Full),
            "recorded" => return Ok(Self::Times(1.0)),
            _ => {}
        }
        let times = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
        times.filter(|times| TIMES.contains(times)).map(Self::Times).ok_or_else(|| {
            format!("'{text}' is no speed: write full, recorded, or a multiple of it such as 10x or 0.5x")
        })
    }
}

/// Holds ledgers back until it is their time. The first one's time is when it comes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: Speed,
    began: Option<(Instant, u64)>,
}

impl Pace {
    /// A pace that begins with the first ledger.
    #[must_use]
    pub const fn new(speed: Speed) -> Self {
        Self { speed, began: None }
    }

    /// Whether ledgers are held back.
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.speed != Speed::Full
    }

    /// How long a ledger that closed at this second must yet wait. Distances are counted from the first one, so that
    /// what each is late does not add up. (One that closed before it waits for nothing.)
    pub fn wait(&mut self, now: Instant, closed_at_s: u64) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let (began, first_s) = *self.began.get_or_insert((now, closed_at_s));
        #[expect(clippy::cast_precision_loss, reason = "seconds of a recording are far fewer than 2^52")]
        let distance_s = closed_at_s.saturating_sub(first_s) as f64 / times;
        let due = Duration::try_from_secs_f64(distance_s).unwrap_or(Duration::MAX);
        due.saturating_sub(now.saturating_duration_since(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_words_or_multiples() {
        assert_eq!("full".parse(), Ok(Speed::Full));
        assert_eq!("recorded".parse(), Ok(Speed::Times(1.0)));
        assert_eq!("10x".parse(), Ok(Speed::Times(10.0)));
        assert_eq!("0.5x".parse(), Ok(Speed::Times(0.5)));
        for other in ["", "x", "10", "-1x", "0x", "NaNx", "infx", "1e9x", "fast"] {
            assert!(other.parse::<Speed>().unwrap_err().contains("no speed"), "{other}");
        }
    }

    #[test]
    fn distances_are_scaled_and_counted_from_the_first() {
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(Speed::Times(10.0));
        assert_eq!(pace.wait(start, 1_000), Duration::ZERO);
        assert_eq!(pace.wait(later(0), 1_005), Duration::from_millis(500));
        assert_eq!(pace.wait(later(650), 1_010), Duration::from_millis(350));
        assert_eq!(pace.wait(later(2_000), 1_015), Duration::ZERO);
        assert_eq!(pace.wait(later(2_000), 900), Duration::ZERO);
        assert_eq!(Pace::new(Speed::Full).wait(start, u64::MAX), Duration::ZERO);
    }
}

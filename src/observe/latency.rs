//! A stage's latency as percentiles for people and as buckets for Prometheus.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write as _;

/// Upper bounds of the exported buckets in nanoseconds: 250 ns to ten seconds, in steps of 1, 2.5 and 5.
pub(super) const BOUNDS_NS: [u64; 24] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Latency of a stage since the program's start, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageLatency {
    /// The stage.
    pub stage: String,
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 90 in 100 are at most this.
    pub p90_ns: u64,
    /// 99 in 100.
    pub p99_ns: u64,
    /// 999 in 1,000.
    pub p999_ns: u64,
    /// 9,999 in 10,000.
    pub p9999_ns: u64,
    /// The largest.
    pub max_ns: u64,
    /// The part of its time that the stage's thread works, 0 to 1, where that is measured.
    pub utilization: Option<f64>,
    /// All values together, for Prometheus' `_sum`.
    #[serde(skip)]
    pub(super) sum_ns: f64,
    /// How many values lie in or below each of [`BOUNDS_NS`].
    #[serde(skip)]
    pub(super) cumulative: [u64; BOUNDS_NS.len()],
}

impl StageLatency {
    /// Reads a histogram of nanoseconds. It must never have been reset: what is exported are counters.
    #[must_use]
    pub fn from_histogram(stage: &str, histogram: &Histogram<u64>) -> Self {
        let mut cumulative = [0; BOUNDS_NS.len()];
        let mut sum_ns = 0.0;
        for value in histogram.iter_recorded() {
            let count = value.count_at_value();
            // A value is known to its bucket's width only; its upper end is the one that does not flatter.
            let at_most_ns = histogram.highest_equivalent(value.value_iterated_to());
            sum_ns += as_f64(histogram.median_equivalent(value.value_iterated_to())) * as_f64(count);
            let first = BOUNDS_NS.partition_point(|&bound_ns| bound_ns < at_most_ns);
            cumulative[first..].iter_mut().for_each(|below| *below += count);
        }
        Self {
            stage: stage.into(),
            count: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.5),
            p90_ns: histogram.value_at_quantile(0.9),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            p9999_ns: histogram.value_at_quantile(0.9999),
            max_ns: histogram.max(),
            utilization: None,
            sum_ns,
            cumulative,
        }
    }

    /// The same, with the part of its time that the stage's thread works (0 to 1).
    #[must_use]
    pub fn with_utilization(self, ratio: f64) -> Self {
        Self { utilization: Some(ratio), ..self }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A table of percentiles in microseconds, one stage a line.
pub(super) fn table<'a>(stages: impl Iterator<Item = &'a StageLatency>) -> String {
    let mut text = format!(
        "{:<16}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n",
        "stage (µs)", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    );
    for stage in stages {
        let _ = write!(text, "{:<16}{:>12}", stage.stage, stage.count);
        for ns in [stage.p50_ns, stage.p90_ns, stage.p99_ns, stage.p999_ns, stage.p9999_ns, stage.max_ns] {
            let _ = write!(text, "{:>12}", format!("{}.{:02}", ns / 1000, ns % 1000 / 10));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        values.iter().for_each(|&value| histogram.record(value).unwrap());
        histogram
    }

    proptest! {
        #[test]
        fn buckets_count_what_was_recorded(values in proptest::collection::vec(1_u64..2_000_000_000, 0..200)) {
            let latency = StageLatency::from_histogram("feed", &histogram(&values));
            prop_assert_eq!(latency.count, values.len() as u64);
            for (bound_ns, &below) in BOUNDS_NS.iter().zip(&latency.cumulative) {
                // Three significant digits: only values within a thousandth of the bound may be counted above it.
                let surely = values.iter().filter(|&&value| value < bound_ns - bound_ns / 500).count() as u64;
                let at_most = values.iter().filter(|&&value| value <= *bound_ns).count() as u64;
                prop_assert!(surely <= below && below <= at_most, "{surely} <= {below} <= {at_most} at {bound_ns}");
            }
            let sum: u64 = values.iter().sum();
            prop_assert!((latency.sum_ns - sum as f64).abs() <= sum as f64 / 500.0 + 1.0);
        }
    }

    #[test]
    fn the_table_has_a_line_a_stage() {
        let feed = StageLatency::from_histogram("feed", &histogram(&[1_500, 2_000, 9_990]));
        let empty = StageLatency::from_histogram("book", &histogram(&[]));
        let text = table([&feed, &empty].into_iter());
        let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..3], ["feed", "3", "2.00"]);
        assert_eq!(lines[1], ["book", "0", "0.00", "0.00", "0.00", "0.00", "0.00", "0.00"]);
    }
}

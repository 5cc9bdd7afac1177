//! Latency histograms that a hot thread fills and another thread reads, without a lock or an allocation between them.
//!
//! The hot thread owns a histogram and records into it. On an idle turn it swaps it for an empty one that the reader has
//! laid ready, and hands the filled one over: two boxes going round through two small rings. The reader adds what
//! comes to its total.
//!
//! ```text
//!  StageLatency ── filled ──▶ LatencyReader ── adds to ──▶ total
//!      ▲                         │
//!      └───────── emptied ───────┘
//! ```

use hdrhistogram::Histogram;
use std::fmt::Write;

/// The longest latency told apart from a longer one, which is recorded as this one: 100 s.
pub const LONGEST_NS: u64 = 100_000_000_000;

/// Three digits: a value is right to 0.1 %.
const SIGNIFICANT_DIGITS: u8 = 3;

/// An empty histogram of the range that all latencies share, 1 ns to [`LONGEST_NS`]; it never grows.
#[must_use]
pub fn empty_histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "constants that the crate documents as valid")]
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are in order, 3 digits are few");
    histogram.auto(false);
    histogram
}

/// The recording end, owned by the hot thread.
#[derive(Debug)]
pub struct StageLatency {
    current: Box<Histogram<u64>>,
    emptied: rtrb::Consumer<Box<Histogram<u64>>>,
    filled: rtrb::Producer<Box<Histogram<u64>>>,
}

/// The reading end.
#[derive(Debug)]
pub struct LatencyReader {
    name: String,
    total: Histogram<u64>,
    emptied: rtrb::Producer<Box<Histogram<u64>>>,
    filled: rtrb::Consumer<Box<Histogram<u64>>>,
}

/// A recorder and its reader; `name` is what the reader calls it.
#[must_use]
pub fn stage_latency(name: impl Into<String>) -> (StageLatency, LatencyReader) {
    let (mut to_hot, emptied) = rtrb::RingBuffer::new(1);
    let (filled, from_hot) = rtrb::RingBuffer::new(1);
    let spare_fits = to_hot.push(Box::new(empty_histogram())).is_ok();
    assert!(spare_fits, "a new ring has room");
    let hot = StageLatency { current: Box::new(empty_histogram()), emptied, filled };
    let reader = LatencyReader { name: name.into(), total: empty_histogram(), emptied: to_hot, filled: from_hot };
    (hot, reader)
}

impl StageLatency {
    /// Records one latency. Zero counts as 1 ns, what is longer than [`LONGEST_NS`] as that.
    pub fn record(&mut self, latency_ns: u64) {
        self.current.saturating_record(latency_ns.max(1));
    }

    /// Hands over what was recorded, if the reader has an empty histogram ready. For idle turns; a few nanoseconds if
    /// there is nothing to do.
    pub fn exchange(&mut self) {
        if self.current.is_empty() {
            return;
        }
        if let Ok(empty) = self.emptied.pop() {
            let full = core::mem::replace(&mut self.current, empty);
            // Two histograms go round. One is `current`; so at most one was under way, and it has just arrived here.
            let delivered = self.filled.push(full).is_ok();
            assert!(delivered, "the ring of filled histograms has room whenever an empty one has come back");
        }
    }
}

impl LatencyReader {
    /// What it is the latency of.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds what the hot thread has handed over since the last call.
    pub fn collect(&mut self) {
        if let Ok(mut filled) = self.filled.pop() {
            let same_range = self.total.add(&*filled).is_ok();
            assert!(same_range, "all latency histograms have one range");
            filled.reset();
            // An abandoned ring still takes it; it is freed with the ring.
            let returned = self.emptied.push(filled).is_ok();
            assert!(returned, "the ring of empty histograms has room while one is here");
        }
    }

    /// All that was collected.
    #[must_use]
    pub fn total(&self) -> &Histogram<u64> {
        &self.total
    }

    /// Forgets what was collected: what was measured while warming up.
    pub fn clear(&mut self) {
        self.total.reset();
    }
}

/// The percentiles that are shown everywhere. Nanoseconds, right to 0.1 %; all zero if nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// Half were at most this long.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest.
    pub max: u64,
    /// How many were recorded.
    pub count: u64,
}

impl Percentiles {
    /// Reads them off a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
            count: histogram.len(),
        }
    }
}

/// Steps that the distribution takes to each halving of what is left to 100 %, as HdrHistogram's own tools do.
const TICKS_PER_HALVING: u32 = 5;

/// The percentile distribution in HdrHistogram's own text format, values in nanoseconds: what its plotter
/// (`plotFiles.html`) and every tool that reads `.hgrm` files takes.
#[must_use]
pub fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut add = |arguments: core::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        text.write_fmt(arguments).unwrap_or_default();
    };
    let mut total_count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALVING) {
        total_count += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to(), step.quantile_iterated_to());
        if quantile < 1.0 {
            add(format_args!("{value:>12}.000 {quantile:2.12} {total_count:>10} {:>14.2}\n", 1.0 / (1.0 - quantile)));
        } else {
            add(format_args!("{value:>12}.000 {quantile:2.12} {total_count:>10}\n"));
        }
    }
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    let (max, count) = (histogram.max(), histogram.len());
    add(format_args!("#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n"));
    add(format_args!("#[Max     = {max:>8}.000, Total count    = {count:>12}]\n"));
    let (buckets, sub_buckets) = bucket_layout();
    add(format_args!("#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]\n"));
    text
}

/// Buckets and sub-buckets of the shared range, by HdrHistogram's rule: as many sub-buckets as tell 10^digits values
/// apart twice over, and a bucket more for each doubling up to the longest value.
fn bucket_layout() -> (u32, u64) {
    let sub_buckets = (2 * 10_u64.pow(u32::from(SIGNIFICANT_DIGITS))).next_power_of_two();
    let mut buckets = 1;
    while (sub_buckets << (buckets - 1)) <= LONGEST_NS {
        buckets += 1;
    }
    (buckets, sub_buckets)
}

/// The nines that the plot shows.
const PLOTTED: [(&str, f64); 8] = [
    ("min", 0.0),
    ("50%", 0.5),
    ("75%", 0.75),
    ("90%", 0.9),
    ("99%", 0.99),
    ("99.9%", 0.999),
    ("99.99%", 0.9999),
    ("max", 1.0),
];

/// A plot for a terminal, one line a percentile, `width` columns for the longest bar; bars are logarithmic, and each
/// tenfold is marked.
#[must_use]
pub fn plot(title: &str, histogram: &Histogram<u64>, width: usize) -> String {
    let mut text = format!("{title} ({} recorded)\n", histogram.len());
    if histogram.is_empty() {
        return text;
    }
    let first_decade = histogram.min().max(1).ilog10();
    let decades = (histogram.max().max(1).ilog10() + 1 - first_decade).max(1);
    for (label, quantile) in PLOTTED {
        let value = histogram.value_at_quantile(quantile).max(1);
        let bar = bar(value, first_decade, decades, width);
        text.write_fmt(format_args!("{label:>7} {:>10} {bar}\n", readable(value))).unwrap_or_default();
    }
    text
}

fn bar(value_ns: u64, first_decade: u32, decades: u32, width: usize) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "columns of a picture"
    )]
    let columns = {
        let share = ((value_ns as f64).log10() - f64::from(first_decade)) / f64::from(decades);
        ((share * width as f64).round() as usize).clamp(1, width.max(1))
    };
    let decade_width = (width / decades as usize).max(1);
    (1..=columns).map(|column| if column % decade_width == 0 && column < columns { '|' } else { '=' }).collect()
}

/// A duration with a unit that suits it, to three digits or so.
#[must_use]
pub fn readable(nanos: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = nanos as f64;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.2} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::allocations::allocations_on_this_thread;

    #[test]
    fn what_a_thread_records_arrives_whole_at_the_reader() {
        const RECORDS: u64 = 50_000;
        let (mut hot, mut reader) = stage_latency("feed");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let before = allocations_on_this_thread();
                for value in 1..=RECORDS {
                    hot.record(value);
                    if value % 7 == 0 {
                        hot.exchange();
                    }
                }
                assert_eq!(allocations_on_this_thread(), before, "recording allocates nothing");
                while !hot.current.is_empty() {
                    hot.exchange();
                    std::thread::yield_now();
                }
            });
            while reader.total().len() < RECORDS {
                reader.collect();
                std::thread::yield_now();
            }
        });
        assert_eq!(reader.name(), "feed");
        assert_eq!(reader.total().len(), RECORDS);
        let percentiles = Percentiles::of(reader.total());
        assert!(percentiles.p50.abs_diff(RECORDS / 2) <= RECORDS / 1_000);
        assert!(percentiles.max.abs_diff(RECORDS) <= RECORDS / 1_000);
        reader.clear();
        assert_eq!(Percentiles::of(reader.total()), Percentiles::default());
    }

    #[test]
    fn a_reader_that_never_comes_costs_the_hot_thread_nothing() {
        let (mut hot, mut reader) = stage_latency("book");
        for _ in 0..100 {
            hot.record(5);
            hot.exchange();
        }
        reader.collect();
        hot.exchange();
        reader.collect();
        assert_eq!(reader.total().len(), 100);
    }

    #[test]
    fn what_is_out_of_range_is_recorded_at_the_end_of_it() {
        let (mut hot, mut reader) = stage_latency("x");
        hot.record(0);
        hot.record(u64::MAX);
        hot.exchange();
        reader.collect();
        assert_eq!(reader.total().min(), 1);
        assert!(reader.total().max() >= LONGEST_NS && reader.total().max() < LONGEST_NS + LONGEST_NS / 500);
    }

    #[test]
    fn a_percentile_distribution_is_what_hdrhistograms_plotter_reads() {
        let mut histogram = empty_histogram();
        (1..=1_000).for_each(|value| histogram.saturating_record(value));
        let text = hgrm(&histogram);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("       Value     Percentile TotalCount 1/(1-Percentile)"));
        assert_eq!(lines.next(), Some(""));
        let rows: Vec<Vec<f64>> = lines
            .clone()
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert_eq!(rows[0], [1.0, 0.0, 1.0, 1.0]);
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]));
        assert!(rows.iter().rev().skip(1).all(|row| row.len() == 4));
        assert_eq!(rows.last().unwrap(), &[1_000.0, 1.0, 1_000.0]);
        let footer: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(
            footer,
            [
                "#[Mean    =      500.500, StdDeviation   =      288.675]",
                "#[Max     =     1000.000, Total count    =         1000]",
                "#[Buckets =           27, SubBuckets     =         2048]",
            ]
        );
    }

    #[test]
    fn a_plot_has_a_bar_for_each_percentile_that_never_shrinks() {
        let mut histogram = empty_histogram();
        (1..=10_000_u64).for_each(|value| histogram.saturating_record(value * 37));
        let text = plot("tick to wire", &histogram, 40);
        let bars: Vec<usize> = text.lines().skip(1).map(|line| line.matches(['=', '|']).count()).collect();
        assert_eq!(bars.len(), PLOTTED.len());
        assert!(bars.is_sorted() && bars[0] >= 1 && bars[7] <= 40, "{text}");
        assert!(plot("nothing", &empty_histogram(), 40).contains("0 recorded"));
    }
}

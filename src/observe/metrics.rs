//! `/metrics`: the newest [`Status`] in Prometheus' words.
//!
//! A collector reads the status whenever it is scraped, so that there is nothing to keep in step: a feed or a market
//! that is gone leaves no stale series behind, and no stage ever touches a metric. Label values come from
//! configuration or from fixed sets; how many there can be is bounded by the status.

use super::latency::{BOUNDS_NS, StageLatency, as_f64};
use super::publish::{Latest, StatusHandle};
use super::status::{Status, Transactions};
use super::words::side_word;
use crate::stellar::Stroops;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Why metrics cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A name, a help text or a label of the table below is one that Prometheus does not take.
    #[error("metrics cannot be registered: {0}")]
    Register(#[source] prometheus::Error),
    /// The text cannot be written.
    #[error("metrics cannot be written: {0}")]
    Encode(#[source] prometheus::Error),
}

/// All metrics of the program.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

/// Shared by integrator and server.
pub type MetricsHandle = Arc<Metrics>;

impl Metrics {
    /// Metrics of what is published through `status`.
    ///
    /// # Errors
    /// If a metric's name or label is malformed, which a test excludes.
    pub fn new(status: StatusHandle) -> Result<MetricsHandle, MetricsError> {
        let registry = Registry::new();
        let collector = StatusCollector::new(status).map_err(MetricsError::Register)?;
        registry.register(Box::new(collector)).map_err(MetricsError::Register)?;
        Ok(Arc::new(Self { registry }))
    }

    /// Other metrics that are served beside these.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// If a metric that was registered from outside is malformed.
    pub fn render(&self) -> Result<String, MetricsError> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(MetricsError::Encode)
    }
}

/// A metric's name (without `stellar_`), kind, help and labels.
struct Family {
    name: &'static str,
    kind: MetricType,
    help: &'static str,
    labels: &'static [&'static str],
}

const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, kind: MetricType::GAUGE, help, labels }
}

const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, kind: MetricType::COUNTER, help, labels }
}

const fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, kind: MetricType::HISTOGRAM, help, labels }
}

const BUILD_INFO: Family = gauge("build_info", "Always 1; the labels say what runs.", &["version", "mode"]);
const UPTIME: Family = gauge("uptime_seconds", "Seconds since the program's start.", &[]);
const STATUS_AGE: Family =
    gauge("status_age_seconds", "Seconds since the engine last published what these metrics show.", &[]);
const HALTED: Family = gauge("trading_halted", "1 while trading is halted, 0 while it goes on.", &[]);
const LEDGER_SEQUENCE: Family = gauge("ledger_sequence", "Number of the newest complete ledger.", &[]);
const LEDGER_AGE: Family = gauge("ledger_age_seconds", "Seconds since the newest ledger arrived.", &[]);
const ORDERS: Family =
    counter("orders_placed_total", "Orders by pair, side (buy, sell) and status.", &["pair", "side", "status"]);
const VOLUME: Family =
    counter("trading_volume_total", "Amount traded by us, bought and sold, in units of the asset.", &["pair", "asset"]);
const FILLS: Family = counter("fills_total", "Trades of ours.", &["pair"]);
const SPREAD: Family = gauge(
    "order_book_spread_ratio",
    "Spread between best bid and best ask, as a ratio of their middle (0.001 = 10 basis points).",
    &["pair"],
);
const BOOK_WHOLE: Family = gauge("order_book_whole", "1 while the pair's book can be trusted, else 0.", &["pair"]);
const TRADABLE: Family = gauge(
    "market_tradable",
    "1 while the pair may be quoted on: its book can be trusted, and ledgers come in time.",
    &["pair"],
);
const DIFFERENCES: Family = counter(
    "order_book_differences_total",
    "Offers and pools about which a check against Horizon and the book differed.",
    &["pair"],
);
const BALANCE: Family = gauge("account_balance", "Balance in units of the asset.", &["account", "asset"]);
const PROFIT: Family = gauge(
    "profit_loss",
    "Profit (negative: loss) since start, realised and unrealised, in units of the quote asset.",
    &["pair", "strategy"],
);
const ACTIVE_OFFERS: Family = gauge("active_offers", "Offers of ours that stand in the book.", &["pair"]);
const FRESHNESS: Family = gauge("data_freshness_seconds", "Seconds since the feed's last message.", &["feed"]);
const ENDPOINT_UP: Family = gauge("endpoint_up", "1 while the endpoint answers, else 0.", &["endpoint"]);
const FEED_FAULTS: Family = counter("feed_faults_total", "Faults found in what a feed sent.", &["feed", "kind"]);
const STAGE_LATENCY: Family =
    histogram("stage_latency_seconds", "Time that a stage takes for one event, in seconds.", &["stage"]);
const TICK_TO_WIRE: Family = histogram(
    "tick_to_wire_seconds",
    "From the read that completed a message to the write that sent the transaction caused by it, in seconds.",
    &[],
);
const LATENESS: Family = histogram(
    "ledger_view_lateness_seconds",
    "How late the picture of a ledger is: from its first byte (first_byte_to_view), or from its close time, which is in whole seconds (close_to_view), to the published view, in seconds.",
    &["span"],
);
const UTILIZATION: Family = gauge(
    "pipeline_utilization_ratio",
    "Part of its time that a stage's thread works rather than waits, 0 to 1.",
    &["stage"],
);
const QUEUE_LENGTH: Family = gauge("queue_length", "Events that wait in a ring.", &["ring"]);
const QUEUE_CAPACITY: Family = gauge("queue_capacity", "Events that a ring has room for.", &["ring"]);
const DROPPED: Family =
    counter("dropped_events_total", "Events dropped or conflated because a ring was full.", &["ring"]);
const CONCURRENT: Family = gauge("concurrent_operations", "Transactions of ours whose fate is not known yet.", &[]);
const SUBMITTED: Family = counter("transactions_submitted_total", "Transactions sent, each counted once.", &[]);
const TRANSACTIONS: Family =
    counter("transactions_total", "Transactions whose fate is known: applied, failed or expired.", &["result"]);
const FEES: Family = counter("fees_paid_stroops_total", "Fees charged, in stroops (1e-7 XLM).", &[]);
const REFUSALS: Family = counter("refusals_total", "Quotes that the risk gate refused, by reason.", &["reason"]);

const SIGNATURES: Family = counter(
    "signatures_total",
    "Signatures with nonces made ahead (precomputed), those by the stock signer for want of one, and those of the first that \
     were verified off the line (checked).",
    &["kind"],
);

const ALL: [&Family; 32] = [
    &SIGNATURES,
    &BUILD_INFO,
    &UPTIME,
    &STATUS_AGE,
    &HALTED,
    &LEDGER_SEQUENCE,
    &LEDGER_AGE,
    &ORDERS,
    &VOLUME,
    &FILLS,
    &SPREAD,
    &BOOK_WHOLE,
    &TRADABLE,
    &DIFFERENCES,
    &BALANCE,
    &PROFIT,
    &ACTIVE_OFFERS,
    &FRESHNESS,
    &ENDPOINT_UP,
    &FEED_FAULTS,
    &STAGE_LATENCY,
    &TICK_TO_WIRE,
    &LATENESS,
    &UTILIZATION,
    &QUEUE_LENGTH,
    &QUEUE_CAPACITY,
    &DROPPED,
    &CONCURRENT,
    &SUBMITTED,
    &TRANSACTIONS,
    &FEES,
    &REFUSALS,
];

struct StatusCollector {
    status: StatusHandle,
    descriptions: Vec<Desc>,
}

impl StatusCollector {
    fn new(status: StatusHandle) -> Result<Self, prometheus::Error> {
        let descriptions = ALL.iter().map(|family| family.describe()).collect::<Result<_, _>>()?;
        Ok(Self { status, descriptions })
    }
}

impl Collector for StatusCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Latest { status, age } = self.status.latest();
        let mut families = program(&status);
        families.push(STATUS_AGE.only(age.as_secs_f64()));
        families.extend(markets(&status));
        families.extend(feeds(&status));
        families.extend(engine(&status));
        families.extend(transactions(&status.transactions));
        families
    }
}

fn program(status: &Status) -> Vec<MetricFamily> {
    let program = &status.program;
    let ledger_age = status.ledger.age_ms.map(|ms| (vec![], seconds_of_ms(ms)));
    vec![
        BUILD_INFO.of([(vec![program.version.as_str(), program.mode.as_str()], 1.0)]),
        UPTIME.only(seconds_of_ms(program.uptime_ms)),
        HALTED.only(one_if(status.halted.is_some())),
        LEDGER_SEQUENCE.only(f64::from(status.ledger.seq)),
        LEDGER_AGE.of(ledger_age),
        SIGNATURES.of(status.signatures.iter().map(|count| (vec![count.name], as_f64(count.count)))),
        REFUSALS.of(status.refusals.iter().map(|refusal| (vec![refusal.name], as_f64(refusal.count)))),
        BALANCE.of(status
            .balances
            .iter()
            .map(|balance| (vec![balance.account.as_str(), balance.asset.as_str()], balance.total.as_units_f64()))),
        PROFIT.of(status
            .profit_loss
            .iter()
            .map(|line| (vec![line.pair.as_str(), line.strategy.as_str()], line.total.as_units_f64()))),
    ]
}

fn markets(status: &Status) -> Vec<MetricFamily> {
    let markets = || status.markets.iter();
    vec![
        ORDERS.of(markets().flat_map(|market| {
            market
                .orders
                .iter()
                .map(|orders| (vec![market.name.as_str(), side_word(orders.side), orders.status], as_f64(orders.count)))
        })),
        VOLUME.of(markets().flat_map(|market| {
            let of = |asset, amount: Stroops| (vec![market.name.as_str(), asset], amount.as_units_f64());
            [of(market.base.as_str(), market.volume_base), of(market.quote.as_str(), market.volume_quote)]
        })),
        FILLS.of(markets().map(|market| (vec![market.name.as_str()], as_f64(market.fills)))),
        SPREAD.of(markets().filter_map(|market| Some((vec![market.name.as_str()], market.spread_bp? / 10_000.0)))),
        BOOK_WHOLE.of(markets().map(|market| (vec![market.name.as_str()], one_if(market.whole)))),
        TRADABLE.of(markets().map(|market| (vec![market.name.as_str()], one_if(market.tradable)))),
        DIFFERENCES.of(markets().map(|market| (vec![market.name.as_str()], as_f64(market.differences)))),
        ACTIVE_OFFERS.of(markets().map(|market| (vec![market.name.as_str()], as_f64(market.active_offers)))),
    ]
}

fn feeds(status: &Status) -> Vec<MetricFamily> {
    let feeds = || status.feeds.iter();
    vec![
        FRESHNESS
            .of(feeds().filter_map(|feed| Some((vec![feed.name.as_str()], seconds_of_ms(feed.last_message_age_ms?))))),
        ENDPOINT_UP.of(feeds().map(|feed| (vec![feed.name.as_str()], one_if(feed.up)))),
        FEED_FAULTS.of(feeds().flat_map(|feed| {
            feed.faults.iter().map(|fault| (vec![feed.name.as_str(), fault.name], as_f64(fault.count)))
        })),
    ]
}

fn engine(status: &Status) -> Vec<MetricFamily> {
    let (stages, queues) = (|| status.latency.iter(), || status.queues.iter());
    vec![
        STAGE_LATENCY.histograms(stages().map(|stage| (vec![stage.stage.as_str()], stage))),
        TICK_TO_WIRE.histograms(status.tick_to_wire.iter().map(|latency| (vec![], latency))),
        LATENESS.histograms(status.lateness.iter().map(|span| (vec![span.stage.as_str()], span))),
        UTILIZATION.of(stages().filter_map(|stage| Some((vec![stage.stage.as_str()], stage.utilization?)))),
        QUEUE_LENGTH.of(queues().map(|queue| (vec![queue.ring.as_str()], as_f64(queue.length)))),
        QUEUE_CAPACITY.of(queues().map(|queue| (vec![queue.ring.as_str()], as_f64(queue.capacity)))),
        DROPPED.of(queues().map(|queue| (vec![queue.ring.as_str()], as_f64(queue.dropped)))),
    ]
}

fn transactions(transactions: &Transactions) -> Vec<MetricFamily> {
    let known = [("applied", transactions.applied), ("failed", transactions.failed), ("expired", transactions.expired)];
    vec![
        CONCURRENT.only(as_f64(transactions.pending)),
        SUBMITTED.only(as_f64(transactions.submitted)),
        TRANSACTIONS.of(known.map(|(result, count)| (vec![result], as_f64(count)))),
        FEES.only(as_f64(transactions.fees_paid.0.max(0).unsigned_abs())),
    ]
}

fn one_if(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

fn seconds_of_ms(ms: u64) -> f64 {
    as_f64(ms) / 1e3
}

impl Family {
    fn full_name(&self) -> String {
        format!("stellar_{}", self.name)
    }

    fn describe(&self) -> Result<Desc, prometheus::Error> {
        let labels = self.labels.iter().map(|&label| label.to_owned()).collect();
        Desc::new(self.full_name(), self.help.to_owned(), labels, HashMap::new())
    }

    /// The family with one value and no labels.
    fn only(&self, value: f64) -> MetricFamily {
        self.of([(vec![], value)])
    }

    /// The family with a value for each set of label values.
    fn of<'a>(&self, samples: impl IntoIterator<Item = (Vec<&'a str>, f64)>) -> MetricFamily {
        self.metrics(samples.into_iter().map(|(labels, value)| {
            let mut metric = Metric::default();
            if self.kind == MetricType::COUNTER {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            (labels, metric)
        }))
    }

    /// The family with a histogram for each set of label values.
    fn histograms<'a>(&self, samples: impl Iterator<Item = (Vec<&'a str>, &'a StageLatency)>) -> MetricFamily {
        self.metrics(samples.map(|(labels, latency)| {
            let mut metric = Metric::default();
            metric.set_histogram(as_histogram(latency));
            (labels, metric)
        }))
    }

    /// Prometheus refuses a whole scrape in which a series occurs twice: of two with the same labels the first stays.
    fn metrics<'a>(&self, samples: impl Iterator<Item = (Vec<&'a str>, Metric)>) -> MetricFamily {
        let mut seen = BTreeSet::new();
        let mut metrics = Vec::new();
        for (values, mut metric) in samples {
            assert_eq!(values.len(), self.labels.len(), "{} has other labels", self.name);
            metric.set_label(self.labels.iter().zip(&values).map(|(name, value)| label(name, value)).collect());
            if seen.insert(values) {
                metrics.push(metric);
            }
        }
        let mut family = MetricFamily::default();
        family.set_name(self.full_name());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(metrics);
        family
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn as_histogram(latency: &StageLatency) -> Histogram {
    let bucket = |(&bound_ns, &below): (&u64, &u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(as_f64(bound_ns) / 1e9);
        bucket.set_cumulative_count(below);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(BOUNDS_NS.iter().zip(&latency.cumulative).map(bucket).collect());
    histogram.set_sample_count(latency.count);
    histogram.set_sample_sum(latency.sum_ns / 1e9);
    histogram
}

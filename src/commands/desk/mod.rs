//! What stands beside a running engine, whoever started it: hears what it tells, adds up, publishes the status page, and
//! takes the quotes down at the end.

mod parts;
mod prices;
mod record;
mod signing;
mod sources;
mod status;

pub use parts::engine_parts;
pub use record::{FlightConfig, RecordError};
pub use signing::start as start_signing;
pub use signing::{SignerFault, Signing, SigningError};

use super::engine::{Engine, EngineError, EngineParts};
use super::handover::{self, Handover};
use super::tally::{MarketTally, TransactionTally};
use crate::config::Config;
use crate::events::views::ViewsReader;
use crate::events::{
    BadSteps, BookEvent, ConnId, Control, ExecutionEvent, Expression, FeedFault, LedgerClosed, MonoNanos,
    ReferencePrice, SnapshotDifference,
};
use crate::feed::SourceConfig;
use crate::net::Endpoint;
use crate::observe::{
    self, Health, HealthHandle, Metrics, MetricsError, ObserveError, Observer, Part, StageDeadline, StatusHandle,
};
use crate::pipeline::clock::{Clock, SystemClock};
use crate::pipeline::flight::{self, FlightError, FlightRecorder, FlightSettings, FlightThread};
use crate::pipeline::latency::{LatencyReader, Percentiles};
use crate::pipeline::machine::Machine;
use crate::pipeline::placement::{HotThread, Plan, PlanError, StageName};
use crate::pipeline::run::Observation;
use crate::signer::precomputed::SignatureFault;
use crate::signer::{AccountSigner, Signer};
use crate::stellar::{
    AccountIndex, Asset, LedgerSeq, MarketId, MarketTable, MarketTableError, SequenceNumber, Stroops,
};
use crate::strategy::PureMarketMakingError;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the end waits for the quotes to be gone.
const CANCEL_WITHIN: Duration = Duration::from_secs(20);
/// How long the engine has to hear that it is to cancel, before what it shows is taken for the end.
const HEARD_WITHIN: Duration = Duration::from_millis(250);
/// Between two looks at what the engine tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two publications of the status.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Room for what a hot thread takes in while the disk is slow, bytes.
const FLIGHT_RING_BYTES: usize = 4 << 20;
/// How long a hot thread may take between two turns, nanoseconds.
const TURN_WITHIN_NS: u64 = 5_000_000_000;

/// Why a desk does not open, or closes badly.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The status page.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The markets.
    #[error(transparent)]
    Markets(#[from] MarketTableError),
    /// The strategy's parameters.
    #[error(transparent)]
    Strategy(#[from] PureMarketMakingError),
    /// A market's price.
    #[error("the price of a market: {0}; write it with fewer parts")]
    Price(#[from] BadSteps),
    /// The key for a price server.
    #[error("api_key_file: {0}")]
    ApiKey(String),
    /// The placement.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Signals cannot be caught.
    #[error("cannot catch SIGINT and SIGTERM: {0}")]
    Signal(std::io::Error),
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
    /// The flight recorder.
    #[error(transparent)]
    Flight(#[from] FlightError),
    /// The signer.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The signer is not to be trusted; the quotes were cancelled with the stock signer's signatures.
    #[error("{fault}; the quotes were cancelled by the stock signer, and {offers} still stand")]
    Signer {
        /// What is wrong with it.
        fault: SignerFault,
        /// Quotes that still stood.
        offers: usize,
    },
    /// A stage failed, and `cancel-all` took its quotes down.
    #[error("{0}; cancel-all has taken its quotes down")]
    BrokenAndCancelled(EngineError),
    /// A stage failed, and its quotes may stand.
    #[error("{engine}; cancel-all {what}: look at the account, its quotes may stand")]
    Broken {
        /// What the engine ended with.
        engine: EngineError,
        /// What became of the process that was to take them down.
        what: String,
    },
    /// The quotes did not go.
    #[error("{offers} quotes still stand {seconds} s after they were to be cancelled")]
    QuotesRemain {
        /// How many.
        offers: usize,
        /// After how long.
        seconds: u64,
    },
}

/// Who started the engine, and what as.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The command's name.
    pub mode: &'static str,
    /// Everything random follows from it.
    pub seed: u64,
    /// Whether the run can be repeated by it.
    pub repeatable: bool,
    /// Something that is made to go wrong, to show what happens then.
    pub fault: Option<Fault>,
}

/// Something that is made to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub part: FaultyPart,
    /// When, after the engine's start.
    pub after: Duration,
}

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyPart {
    /// A stage, which panics.
    Stage(StageName),
    /// The signer that makes nonces ahead: a signature of it is taken for wrong.
    Signer,
}

/// Panics if a stage's fault is due, `elapsed_ns` nanoseconds after the engine's start.
fn strike_when_due(stage: StageName, after: Duration, elapsed_ns: u64) {
    let due = u128::from(elapsed_ns) >= after.as_nanos();
    assert!(!due, "the stage {} was told to fail, to show what happens then", stage.name());
}

/// What whoever runs the desk may want to tell people.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A ledger closed.
    Ledger(LedgerClosed),
    /// We traded.
    Fill(&'a observe::Fill),
    /// The books can be trusted, or no longer.
    Whole(bool),
    /// A market's book can be trusted, or no longer.
    MarketWhole(&'a str, bool),
    /// A check against Horizon found a difference in a market's book.
    Difference(&'a str, SnapshotDifference),
    /// A source said something wrong.
    Fault(ConnId, FeedFault),
    /// The quotes are being cancelled.
    Cancelling,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ended {
    /// From the read that completed a message to the write that sent a transaction, nanoseconds.
    pub tick_to_wire_ns: Percentiles,
    /// Quotes that still stood.
    pub offers: usize,
}

impl Ended {
    /// Whether the quotes are gone, of which the ledger may know more than the engine did.
    ///
    /// # Errors
    /// If some stand.
    pub fn quotes_gone(&self, on_ledger: usize) -> Result<(), DeskError> {
        match self.offers.max(on_ledger) {
            0 => Ok(()),
            offers => Err(DeskError::QuotesRemain { offers, seconds: CANCEL_WITHIN.as_secs() }),
        }
    }
}

/// A market, as the desk keeps it.
#[derive(Debug)]
pub struct DeskMarket {
    /// Unique: `XLM/USDC`, with issuers where codes do not suffice.
    pub name: String,
    /// The base asset's name.
    pub base: String,
    /// The quote asset's name.
    pub quote: String,
    /// What it has come to.
    pub tally: MarketTally,
    price: Expression,
    /// Whether its own book is whole.
    whole: bool,
    /// Offers and pools about which a check and the book have differed.
    differences: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Desk {
    occasion: Occasion,
    /// Where the engine runs.
    pub plan: Plan,
    network: String,
    /// Ledgers are late after this.
    late_after: Duration,
    account: String,
    /// Of each connection of the feed, in order.
    feed_names: Vec<String>,
    /// How many of them, the first ones, bring ledgers.
    ledger_feeds: usize,
    table: MarketTable,
    asset_names: Vec<String>,
    status: StatusHandle,
    health: HealthHandle,
    observer: Observer,
    started: Instant,
    /// The markets, in the order of their ids.
    pub markets: Vec<DeskMarket>,
    /// The account's transactions.
    pub transactions: TransactionTally,
    /// Ledgers closed.
    pub ledgers: u64,
    quoted_ledgers: u64,
    /// Ledgers closed since the engine first quoted.
    quotable_ledgers: u64,
    fills: observe::Recent<observe::Fill>,
    recent: observe::Recent<observe::ClosedLedger>,
    last: Option<LedgerClosed>,
    last_seen: Option<Instant>,
    references: Vec<Option<ReferencePrice>>,
    /// What the engine publishes, once it runs.
    views: Option<ViewsReader>,
    faults: BTreeMap<(u8, &'static str), u64>,
    own_in_ledger: u32,
    whole: bool,
    cancelling: Option<Instant>,
    /// What a process must know that takes the quotes down if the engine cannot.
    handover: Handover,
    sequence: Option<SequenceNumber>,
    flight: Option<FlightThread>,
    /// What looks after the signer, if it needs that.
    signing: Option<Signing>,
}

/// Becomes true when the process is told to end, by SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
/// If they cannot be caught.
pub fn told_to_end() -> Result<Arc<AtomicBool>, DeskError> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&told)).map_err(DeskError::Signal)?;
    }
    Ok(told)
}

impl Desk {
    /// Opens a desk and starts its engine: from here on the status page is served, and ledgers are followed.
    ///
    /// # Errors
    /// If the placement does not fit this machine, the page's address cannot be had, or the engine does not start.
    pub fn open(config: Config, occasion: Occasion) -> Result<(Self, Engine), DeskError> {
        let plan = Plan::fit(&config.placement, &Machine::look())?;
        let mut desk = Self::for_engine(&config, plan.clone(), occasion)?;
        let recorders = desk.start_flight(&config)?;
        let kind = config.signer_kind;
        let parts = engine_parts(config, plan, occasion.seed)?;
        let (signer, signing) = signing::start(kind, parts.signer.duplicate())?;
        desk.signing = signing;
        let engine = desk.start_engine(parts.with_signer(signer), recorders)?;
        desk.views = Some(engine.views.clone());
        Ok((desk, engine))
    }

    fn for_engine(config: &Config, plan: Plan, occasion: Occasion) -> Result<Self, DeskError> {
        let table = parts::table(config)?;
        let symbols = prices::symbols(config);
        let names = prices::Names { config, symbols: &symbols };
        let sources = sources::Sources::of(config, &symbols, occasion.seed)?;
        let asset_names = asset_names(&table);
        let status = StatusHandle::new();
        let deadline = |thread| StageDeadline { stage: pulse_name(thread), deadline_ns: TURN_WITHIN_NS };
        let deadlines: Vec<_> = plan.threads.iter().map(deadline).collect();
        let health = Health::new(&deadlines, || SystemClock.mono(), status.clone());
        [Part::Configuration, Part::Keys, Part::State].into_iter().for_each(|part| health.loaded(part));
        let metrics = Metrics::new(status.clone())?;
        let observer = Observer::start(config.listen, status.clone(), health.clone(), metrics)?;
        let name =
            |asset: &Asset| table.asset(asset).map_or_else(String::new, |at| asset_names[usize::from(at.0)].clone());
        let market = |market: &crate::config::Market| {
            let (base, quote) = (name(&market.assets.base), name(&market.assets.quote));
            let name = format!("{base}/{quote}");
            Ok(DeskMarket {
                tally: MarketTally::new(&name),
                name,
                base,
                quote,
                price: names.expression(&market.reference)?,
                whole: true,
                differences: 0,
            })
        };
        let markets = config.markets.iter().map(market).collect::<Result<_, DeskError>>()?;
        Ok(Self {
            occasion,
            plan,
            late_after: config.core.late_after,
            network: config.network_passphrase.clone(),
            account: config.signer.public_key().to_string(),
            ledger_feeds: sources
                .sources
                .iter()
                .filter(|source| source.brings_ledgers())
                .map(SourceConfig::connections)
                .sum(),
            feed_names: sources.names,
            markets,
            table,
            asset_names,
            status,
            health,
            observer,
            started: Instant::now(),
            transactions: TransactionTally::default(),
            ledgers: 0,
            quoted_ledgers: 0,
            quotable_ledgers: 0,
            fills: observe::Recent::new(observe::Status::MAX_FILLS),
            recent: observe::Recent::new(20),
            last: None,
            last_seen: None,
            references: vec![None; symbols.len()],
            views: None,
            faults: BTreeMap::new(),
            own_in_ledger: 0,
            whole: false,
            cancelling: None,
            handover: handover(config),
            sequence: None,
            flight: None,
            signing: None,
        })
    }

    /// The recorders of the engine's threads, if inputs are to be kept.
    fn start_flight(&mut self, config: &Config) -> Result<Vec<FlightRecorder>, DeskError> {
        let Some(wanted) = &config.flight else { return Ok(Vec::new()) };
        let settings = FlightSettings {
            folder: wanted.folder.clone(),
            segment_bytes: wanted.segment_bytes,
            ring_bytes: FLIGHT_RING_BYTES,
            configuration: FlightConfig::of(config, self.occasion.seed).to_json(),
        };
        let (recorders, thread) = flight::start(&settings, self.plan.threads.len())?;
        self.flight = Some(thread);
        Ok(recorders)
    }

    /// Where the status page is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.observer.address()
    }

    /// The engine, whose hot threads tell the desk's probes that they turn.
    fn start_engine(
        &self,
        parts: EngineParts<AccountSigner>,
        recorders: Vec<FlightRecorder>,
    ) -> Result<Engine, EngineError> {
        let health = &self.health;
        Engine::start(parts, recorders, |thread| {
            let pulse = health.pulse(pulse_name(thread));
            let fault = self.occasion.fault.and_then(|fault| match fault.part {
                FaultyPart::Stage(stage) if thread.stages.contains(&stage) => Some((stage, fault.after)),
                _ => None,
            });
            let started = SystemClock.mono();
            Box::new(move |now| {
                if let Some(pulse) = &pulse {
                    pulse.beat(now);
                }
                if let Some((stage, after)) = fault {
                    strike_when_due(stage, after, now.since(started));
                }
            })
        })
    }

    /// Keeps the desk until `ends` says so, then has the quotes cancelled, and waits until the ledger shows them gone.
    /// `tell` is told what people may want to know.
    ///
    /// # Errors
    /// If the engine ended by itself, or `tell` failed: then the quotes may still stand.
    pub fn keep(
        &mut self,
        mut engine: Engine,
        ends: impl Fn() -> bool,
        mut tell: impl FnMut(&Self, &Engine, Told<'_>) -> std::io::Result<()>,
    ) -> Result<Ended, DeskError> {
        let mut published = Instant::now();
        let mut fault = None;
        loop {
            while let Some(observation) = engine.observations.pop() {
                self.hear(&observation, &engine, &mut tell)?;
            }
            if published.elapsed() >= PUBLISH_EVERY {
                published = Instant::now();
                self.publish(&mut engine);
            }
            match self.cancelling {
                None if ends() || fault.is_some() => {
                    self.cancelling = Some(Instant::now());
                    self.health.draining();
                    engine.tell(Control::CancelAll);
                    tell(self, &engine, Told::Cancelling)?;
                }
                Some(since) if since.elapsed() > HEARD_WITHIN && self.is_done(&engine) => break,
                Some(since) if since.elapsed() > CANCEL_WITHIN => break,
                _ => {}
            }
            if engine.has_ended() {
                break;
            }
            fault = fault.or_else(|| self.signer_fault());
            std::thread::sleep(LOOK_EVERY);
        }
        self.publish(&mut engine);
        if engine.has_ended() {
            return Err(self.clean_up_after(engine));
        }
        let tick_to_wire_ns = Percentiles::of(engine.latencies[4].total());
        let ended = Ended { tick_to_wire_ns, offers: own_offers(&engine) };
        engine.stop()?;
        fault.map_or(Ok(()), |fault| Err(DeskError::Signer { fault, offers: ended.offers }))?;
        Ok(ended)
    }

    /// What is wrong with the signer, or is to be taken for it.
    fn signer_fault(&self) -> Option<SignerFault> {
        let signing = self.signing.as_ref()?;
        let wanted = self.occasion.fault.filter(|fault| fault.part == FaultyPart::Signer);
        if wanted.is_some_and(|fault| self.started.elapsed() >= fault.after) {
            signing.watch().raise(SignatureFault::Invalid);
        }
        signing.fault()
    }

    /// The engine has ended by itself: trading has stopped, and a process of its own takes the quotes down.
    fn clean_up_after(&mut self, engine: Engine) -> DeskError {
        let views = engine.views.clone();
        let Err(engine) = engine.stop() else { return DeskError::Engine(EngineError::Panicked) };
        let seen = self.handover.take_views(&views, AccountIndex(0), &self.table);
        if let (false, Some(sequence)) = (seen, self.sequence) {
            self.handover.sequence = SequenceNumber(sequence.0 - 1);
        }
        match handover::spawn(&self.handover) {
            Ok(status) if status.success() => DeskError::BrokenAndCancelled(engine),
            Ok(status) => DeskError::Broken { engine, what: format!("has not managed it ({status})") },
            Err(error) => DeskError::Broken { engine, what: format!("could not be run ({error})") },
        }
    }

    /// Closes the desk: the status page is gone.
    pub fn close(self) {
        self.observer.stop();
    }

    fn is_done(&self, engine: &Engine) -> bool {
        own_offers(engine) == 0 && self.transactions.pending() == 0
    }

    fn hear(
        &mut self,
        observation: &Observation,
        engine: &Engine,
        tell: &mut impl FnMut(&Self, &Engine, Told<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let event = match observation {
            Observation::Book(stamped) => stamped.event,
            Observation::Execution(event) => {
                if let ExecutionEvent::Submitted(submission) = event {
                    self.sequence = Some(submission.sequence);
                }
                let markets = &self.markets;
                let name = |id: MarketId| markets[usize::from(id.0)].name.clone();
                self.transactions.on_execution(event, SystemClock.now().utc.0 / 1_000_000, name);
                return Ok(());
            }
        };
        match event {
            BookEvent::Fill(fill) => {
                let fill = self.markets[usize::from(fill.market.0)].tally.on_fill(&fill);
                self.fills.push(fill.clone());
                tell(self, engine, Told::Fill(&fill))
            }
            BookEvent::OwnTransaction(own) => {
                self.own_in_ledger += 1;
                let ledger = self.last.map_or(LedgerSeq(2), |last| last.seq.next());
                self.transactions.on_own_transaction(&own, ledger);
                Ok(())
            }
            BookEvent::ReferencePrice(price) => {
                self.references[usize::from(price.symbol.0)] = Some(price);
                Ok(())
            }
            BookEvent::Whole(whole) => {
                self.whole = whole;
                self.note_whole();
                tell(self, engine, Told::Whole(whole))
            }
            BookEvent::MarketsLost => {
                self.markets.iter_mut().for_each(|market| market.whole = false);
                Ok(())
            }
            BookEvent::MarketWhole(market, whole) => {
                let market = &mut self.markets[usize::from(market.0)];
                market.whole = whole;
                let name = market.name.clone();
                self.note_whole();
                tell(self, engine, Told::MarketWhole(&name, whole))
            }
            BookEvent::Difference(difference) => {
                let market = &mut self.markets[usize::from(difference.market.0)];
                market.differences += 1;
                let name = market.name.clone();
                tell(self, engine, Told::Difference(&name, difference))
            }
            BookEvent::LedgerClosed(closed) => {
                self.on_ledger(closed, engine);
                tell(self, engine, Told::Ledger(closed))
            }
            BookEvent::Fault(conn, fault) => {
                *self.faults.entry((conn.0, fault.name())).or_default() += 1;
                tell(self, engine, Told::Fault(conn, fault))
            }
            BookEvent::MarketChanged(_) | BookEvent::Feed(..) => Ok(()),
        }
    }

    /// Remembers that all books were whole once.
    fn note_whole(&self) {
        if self.whole && self.markets.iter().all(|market| market.whole) {
            self.health.books_whole();
        }
    }

    fn on_ledger(&mut self, closed: LedgerClosed, engine: &Engine) {
        self.ledgers += 1;
        self.last = Some(closed);
        self.last_seen = Some(Instant::now());
        self.recent.push(observe::ClosedLedger {
            seq: closed.seq.0,
            transactions: closed.transactions,
            failed: 0,
            own: core::mem::take(&mut self.own_in_ledger),
        });
        let quotes = own_offers(engine);
        if self.has_quoted() || quotes > 0 {
            let counts = self.cancelling.is_none();
            self.quotable_ledgers += u64::from(counts);
            self.quoted_ledgers += u64::from(counts && quotes > 0);
        }
        for at in 0..self.markets.len() {
            let total = self.profit(at);
            self.markets[at].tally.curve.push(observe::Point { ledger: closed.seq.0, total });
        }
    }

    /// Whether there ever was a quote.
    #[must_use]
    pub fn has_quoted(&self) -> bool {
        self.quotable_ledgers > 0
    }

    /// Of the ledgers since the first quote, how many showed one: 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn quoted_time_ratio(&self) -> f64 {
        self.quoted_ledgers as f64 / self.quotable_ledgers.max(1) as f64
    }

    /// What a market's price was last worth, however old that is by now.
    #[must_use]
    pub fn mid(&self, market: usize) -> Option<f64> {
        // At the beginning of time nothing is stale.
        self.markets[market].price.value(MonoNanos(0), &self.inputs()).map(|value| value.price)
    }

    fn inputs(&self) -> prices::Known<'_> {
        let ledger_seen = self.last.map(|closed| closed.first_byte);
        prices::Known { references: &self.references, views: self.views.as_ref(), ledger_seen }
    }

    /// A market's profit and loss, realised or not, in its quote asset.
    #[must_use]
    pub fn profit(&self, market: usize) -> Stroops {
        let (realised, unrealised) = self.markets[market].tally.profit(self.mid(market));
        Stroops(realised.0.saturating_add(unrealised.0))
    }

    fn publish(&self, engine: &mut Engine) {
        engine.latencies.iter_mut().for_each(LatencyReader::collect);
        self.status.publish(self.status_of(engine));
    }
}

/// What `cancel-all` must know, as far as it is known before anything has run.
fn handover(config: &Config) -> Handover {
    let http = &config.core.http;
    Handover {
        network: config.network_passphrase.clone(),
        signer: config.signer.duplicate(),
        core: Endpoint::Tcp { host: http.host.clone(), port: http.port },
        meta: config.core.meta_stream.clone(),
        sequence: SequenceNumber(0),
        last_ledger: LedgerSeq(1),
        base_fee: config.execution.fee_per_operation,
        offers: Vec::new(),
    }
}

/// How many offers of ours stand, as far as the engine knows.
fn own_offers(engine: &Engine) -> usize {
    engine.views.read(|views| views.own_offers(AccountIndex(0)).count()).unwrap_or(usize::MAX)
}

/// What a hot thread is called by probes.
fn pulse_name(thread: &HotThread) -> &'static str {
    match thread.stages.as_slice() {
        stages if stages.len() == StageName::ALL.len() => "line",
        [first, ..] => first.name(),
        [] => "idle",
    }
}

/// Codes, or codes with issuers where two assets share a code.
fn asset_names(table: &MarketTable) -> Vec<String> {
    let assets = table.assets();
    let is_alone = |code| assets.iter().filter(|asset| asset.code() == code).count() == 1;
    let name = |asset: &Asset| match asset.code() {
        code if is_alone(code) => code.to_string(),
        _ => asset.to_string(),
    };
    assets.iter().map(name).collect()
}

/// Whether the flag is up.
#[must_use]
pub fn is_up(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Relaxed)
}

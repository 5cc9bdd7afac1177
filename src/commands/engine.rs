//! Puts an engine together: stages on threads, sockets, rings.

use crate::book::{BookConfig, BookLimits, BookStage};
use crate::events::views::{ViewLimits, ViewsReader, views};
use crate::events::{Control, MonoNanos};
use crate::execution::{Execution, ExecutionConfig};
use crate::feed::{Feed, FeedConfig, FeedConfigError};
use crate::net::{ConnSettings, NetError, NetStats, Reactor, Timing};
use crate::pipeline::clock::{Clock, SystemClock};
use crate::pipeline::flight::FlightRecorder;
use crate::pipeline::latency::{LatencyReader, stage_latency};
use crate::pipeline::line::{Handed, Inlets, Line, LineLatencies, Outlet, Outlets, Seats};
use crate::pipeline::placement::{HotThread, Plan, StageName, pin_current};
use crate::pipeline::ring::{Consumer, Gauge, Lossless, SharedConsumer, SharedProducer, many_to_one, one_to_one};
use crate::pipeline::run::{AllocationMeter, Observation, RingObserver, Ties, run_line};
use crate::pipeline::wait::{Idle, Waker};
use crate::risk::{MarketLimits, RefusalCounters, RiskGate};
use crate::signer::{LocalSigner, Signer};
use crate::stellar::LedgerSeq;
use crate::strategy::{Quoter, StrategyStage, StrategyStageConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Places of a ring between two stages: as many as stay in a first-level cache (`benches/hop.rs`).
const RING_PLACES: usize = 128;
/// Own offers that an account may have: the ledger's own limit of subentries.
const OWN_OFFERS: usize = 1_000;
/// Places of the ring to the observers.
const OBSERVATIONS: usize = 1 << 16;

/// All that an engine is made from.
#[derive(Debug)]
pub struct EngineParts<S = LocalSigner> {
    /// Stage 1. Its first source is the ledger's.
    pub feed: FeedConfig,
    /// Offers of others that the book holds.
    pub offers: usize,
    /// See [`BookConfig::starts_whole_at`].
    pub starts_whole_at: Option<LedgerSeq>,
    /// Stage 3.
    pub strategy: StrategyStageConfig,
    /// What it runs.
    pub strategies: Vec<Quoter>,
    /// Reference symbols.
    pub symbols: usize,
    /// The gate's limits, a market each.
    pub limits: Vec<MarketLimits>,
    /// Whether quotes may reach the ledger.
    pub trading_enabled: bool,
    /// Stage 4.
    pub execution: ExecutionConfig,
    /// Its key.
    pub signer: S,
    /// The sockets: the feed's sources in order, then execution's connections.
    pub connections: Vec<ConnSettings>,
    /// Seed of the jitter of reconnects.
    pub seed: u64,
    /// Where it runs.
    pub plan: Plan,
}

/// Why an engine does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The feed's configuration.
    #[error(transparent)]
    Feed(#[from] FeedConfigError),
    /// The sockets.
    #[error(transparent)]
    Net(#[from] NetError),
    /// No thread.
    #[error("the system gives no thread for the engine: {0}; the limit of processes is reached")]
    Thread(std::io::Error),
    /// A stage failed an assertion.
    #[error("the engine has stopped: a stage found a state that must never be")]
    Panicked,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    /// What it publishes.
    pub views: ViewsReader,
    /// What it tells.
    pub observations: SharedConsumer<Observation>,
    /// How long its stages take: feed, book, strategy, execution; tick to wire; a ledger's first byte to its view, and its
    /// close to that.
    pub latencies: [LatencyReader; 7],
    /// What its gate refused.
    pub refusals: Arc<RefusalCounters>,
    /// Its connections: the feed's sources in order, then execution's.
    pub net: Vec<NetStats>,
    /// What its stages allocate, a meter a thread.
    pub allocations: Vec<AllocationMeter>,
    /// The rings between its threads, by name.
    pub rings: Vec<(&'static str, Gauge)>,
    control: SharedProducer<Control, Lossless>,
    control_waker: Waker,
    wakers: Vec<Waker>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), NetError>>>,
}

type Stages<S> = Seats<Feed, BookStage, StrategyStage, RiskGate, Execution<S>>;

/// The stages of an engine that sit on one thread.
pub type EngineLine<S, C> = Line<Feed, BookStage, StrategyStage, RiskGate, Execution<S>, C>;

/// The line that these parts make, fused and without sockets or threads: for replay and simulation.
///
/// # Errors
/// If the feed's configuration contradicts itself.
pub fn fused_line<S: Signer, C: Clock>(
    parts: EngineParts<S>,
    clock: C,
) -> Result<(EngineLine<S, C>, ViewsReader), EngineError> {
    let (stages, views, _) = stages(parts)?;
    let (recorders, _) = recorders();
    Ok((Line::seated(stages, Outlets::default(), clock, recorders), views))
}

/// What is called once a turn of a hot thread.
pub type Beat = Box<dyn FnMut(MonoNanos) + Send>;

/// What one hot thread is made of before it runs.
struct Berth {
    thread: HotThread,
    reactor: Option<Reactor<SystemClock>>,
    idle: Idle,
    inlets: Inlets,
    outlets: Outlets,
}

impl<S> EngineParts<S> {
    /// The same with another signer.
    pub fn with_signer<T>(self, signer: T) -> EngineParts<T> {
        let Self {
            feed,
            offers,
            starts_whole_at,
            strategy,
            strategies,
            symbols,
            limits,
            trading_enabled,
            execution,
            connections,
            seed,
            plan,
            ..
        } = self;
        EngineParts {
            feed,
            offers,
            starts_whole_at,
            strategy,
            strategies,
            symbols,
            limits,
            trading_enabled,
            execution,
            signer,
            connections,
            seed,
            plan,
        }
    }
}

impl Engine {
    /// Starts it. `beat_of` gives what is called once a turn of each hot thread, which must not be kept. Inputs are
    /// recorded by `flight`, one recorder a thread of the plan, if it is not empty.
    ///
    /// # Errors
    /// If the configuration, the sockets or the threads cannot be had.
    pub fn start<S: Signer + Send + 'static>(
        parts: EngineParts<S>,
        mut flight: Vec<FlightRecorder>,
        mut beat_of: impl FnMut(&HotThread) -> Beat,
    ) -> Result<Self, EngineError> {
        let (mut berths, rings) = berths(&parts)?;
        let net = berths.iter().filter_map(|berth| berth.reactor.as_ref().map(Reactor::stats)).collect();
        let strategist = parts.plan.thread_of(StageName::Strategy);
        let wakers: Vec<Waker> = berths.iter().map(|berth| berth.idle.waker()).collect();
        let (control, control_in) = many_to_one(16);
        let (observers, observations) = RingObserver::new(OBSERVATIONS, berths.len());
        let stop = Arc::new(AtomicBool::new(false));
        let plan = parts.plan.clone();
        let (mut stages, views, refusals) = stages(parts)?;
        let mut readers: Vec<[Option<LatencyReader>; 7]> = Vec::new();
        let mut control_in = Some(control_in);
        let mut threads = Vec::new();
        let allocations: Vec<_> = berths.iter().map(|_| AllocationMeter::default()).collect();
        for (index, (berth, mut observer)) in berths.drain(..).zip(observers).enumerate() {
            let (recorders, of_thread) = recorders();
            readers.push(of_thread);
            let seats = sit(&mut stages, &berth.thread);
            let mut line: EngineLine<S, SystemClock> = Line::seated(seats, berth.outlets, SystemClock, recorders);
            let control = if index == strategist { control_in.take() } else { None };
            let recorder = if flight.is_empty() { None } else { Some((berth.thread.stages[0], flight.remove(0))) };
            let (stopped, mut beat) = (Arc::clone(&stop), beat_of(&berth.thread));
            let core = berth.thread.core;
            let (reactor, idle, inlets) = (berth.reactor, berth.idle, berth.inlets);
            let meter = allocations[index].clone();
            let body = move || {
                if let Some(core) = core {
                    // The plan was fitted to this machine; a core taken away since costs speed, not correctness.
                    let _pinned = pin_current(core);
                }
                let mut ties =
                    Ties { reactor, inlets, idle, control, flight: recorder, allocations: meter, stop: &stopped };
                run_line(&mut line, &mut ties, &mut observer, &mut beat)
            };
            let name = berth.thread.name();
            threads.push(std::thread::Builder::new().name(name).spawn(body).map_err(EngineError::Thread)?);
        }
        let latencies = pick(readers, &plan);
        let control_waker = wakers[strategist].clone();
        Ok(Self {
            views,
            observations,
            latencies,
            refusals,
            net,
            allocations,
            rings,
            control,
            control_waker,
            wakers,
            stop,
            threads,
        })
    }

    /// Says something to it. Sixteen words may wait; beyond, the caller waits.
    pub fn tell(&self, control: Control) {
        while self.control.try_push(control).is_err() && !self.has_ended() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.control_waker.wake();
    }

    /// Whether one of its threads has ended: the line is broken then.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it had ended by itself, and why.
    pub fn stop(self) -> Result<(), EngineError> {
        self.stop.store(true, Ordering::Relaxed);
        self.wakers.iter().for_each(Waker::wake);
        let ended: Vec<_> = self.threads.into_iter().map(JoinHandle::join).collect();
        for result in ended {
            result.map_err(|_| EngineError::Panicked)??;
        }
        Ok(())
    }
}

/// Takes the stages of a thread out of all of them.
fn sit<S>(stages: &mut Stages<S>, thread: &HotThread) -> Stages<S> {
    let here = |stage| thread.stages.contains(&stage);
    Seats {
        feed: if here(StageName::Feed) { stages.feed.take() } else { None },
        book: if here(StageName::Book) { stages.book.take() } else { None },
        strategy: if here(StageName::Strategy) { stages.strategy.take() } else { None },
        execution: if here(StageName::Execution) { stages.execution.take() } else { None },
    }
}

/// Threads with their sockets, and the rings between those whose stages follow each other.
#[expect(clippy::type_complexity, reason = "a list of rings by name")]
fn berths<S>(parts: &EngineParts<S>) -> Result<(Vec<Berth>, Vec<(&'static str, Gauge)>), EngineError> {
    let sources = parts.feed.connections();
    let mut berths = Vec::new();
    for (thread, seed) in parts.plan.threads.iter().zip(parts.seed..) {
        let mut connections = Vec::new();
        if thread.stages.contains(&StageName::Feed) {
            connections.extend_from_slice(&parts.connections[..sources]);
        }
        if thread.stages.contains(&StageName::Execution) {
            connections.extend_from_slice(&parts.connections[sources..]);
        }
        let reactor = if connections.is_empty() {
            None
        } else {
            Some(Reactor::new(&connections, Timing::default(), seed, SystemClock)?)
        };
        let idle = match &reactor {
            Some(reactor) => Idle::on_poll(parts.plan.wait, reactor.waker()),
            None => Idle::new(parts.plan.wait),
        };
        let (inlets, outlets) = (Inlets::default(), Outlets::default());
        berths.push(Berth { thread: thread.clone(), reactor, idle, inlets, outlets });
    }
    let mut rings = Vec::new();
    let at = |stage| parts.plan.thread_of(stage);
    let (feed, book) = (at(StageName::Feed), at(StageName::Book));
    let (strategy, execution) = (at(StageName::Strategy), at(StageName::Execution));
    if feed != book {
        let (outlet, inlet, gauge) = ring(&berths[book].idle);
        berths[feed].outlets.to_book = Some(outlet);
        berths[book].inlets.from_feed = Some(inlet);
        rings.push(("feed-book", gauge));
    }
    if book != strategy {
        let (outlet, inlet, gauge) = ring(&berths[strategy].idle);
        berths[book].outlets.to_strategy = Some(outlet);
        berths[strategy].inlets.from_book = Some(inlet);
        rings.push(("book-strategy", gauge));
    }
    if strategy != execution {
        let (outlet, inlet, gauge) = ring(&berths[execution].idle);
        berths[strategy].outlets.to_execution = Some(outlet);
        berths[execution].inlets.from_risk = Some(inlet);
        rings.push(("strategy-execution", gauge));
        let (outlet, inlet, gauge) = ring(&berths[strategy].idle);
        berths[execution].outlets.reports = Some(outlet);
        berths[strategy].inlets.reports = Some(inlet);
        rings.push(("execution-strategy", gauge));
    }
    Ok((berths, rings))
}

/// A ring to the thread that waits like this.
fn ring<T: Copy>(reader: &Idle) -> (Outlet<T>, Consumer<Handed<T>>, Gauge) {
    let (producer, consumer) = one_to_one(RING_PLACES);
    let gauge = producer.gauge();
    (Outlet::new(producer, reader.waker()), consumer, gauge)
}

fn stages<S: Signer>(parts: EngineParts<S>) -> Result<(Stages<S>, ViewsReader, Arc<RefusalCounters>), EngineError> {
    let table = Arc::clone(&parts.feed.markets);
    let limits = ViewLimits {
        markets: table.markets().len(),
        accounts: parts.feed.accounts.len(),
        assets: table.assets().len(),
        offers_per_account: OWN_OFFERS,
    };
    let (writer, reader) = views(limits);
    let book = BookConfig {
        ledger_sources: u8::try_from(parts.feed.ledger_connections()).unwrap_or(u8::MAX),
        starts_whole_at: parts.starts_whole_at,
        limits: BookLimits { offers: parts.offers, levels_per_side: 1 << 14, own_offers: OWN_OFFERS },
        held_per_ledger: 1_024,
    };
    let risk = RiskGate::new(parts.limits, parts.trading_enabled);
    let refusals = risk.counters();
    let strategy = StrategyStage::new(parts.strategy, parts.strategies, parts.symbols, reader.clone());
    let stages = Seats {
        feed: Some(Feed::new(&parts.feed)?),
        book: Some(BookStage::new(book, writer)),
        strategy: Some((strategy, risk)),
        execution: Some(Execution::new(parts.execution, parts.signer, reader.clone())),
    };
    Ok((stages, reader, refusals))
}

fn recorders() -> (LineLatencies, [Option<LatencyReader>; 7]) {
    let (feed, feed_reader) = stage_latency("feed");
    let (book, book_reader) = stage_latency("book");
    let (strategy, strategy_reader) = stage_latency("strategy");
    let (execution, execution_reader) = stage_latency("execution");
    let (tick_to_wire, tick_reader) = stage_latency("tick_to_wire");
    let (first_byte_to_view, first_byte_reader) = stage_latency("first_byte_to_view");
    let (close_to_view, close_reader) = stage_latency("close_to_view");
    let recorders = LineLatencies { feed, book, strategy, execution, tick_to_wire, first_byte_to_view, close_to_view };
    let stages = [feed_reader, book_reader, strategy_reader, execution_reader];
    let [feed, book, strategy, execution] = stages.map(Some);
    (recorders, [feed, book, strategy, execution, Some(tick_reader), Some(first_byte_reader), Some(close_reader)])
}

/// Of each stage the reader of the thread on which it sits.
#[expect(clippy::expect_used, reason = "each thread has all readers, and each is taken once")]
fn pick(mut readers: Vec<[Option<LatencyReader>; 7]>, plan: &Plan) -> [LatencyReader; 7] {
    use StageName::{Book, Execution, Feed, Strategy};
    let stages = [Feed, Book, Strategy, Execution, Execution, Book, Book];
    let mut at = 0;
    stages.map(|stage| {
        at += 1;
        readers[plan.thread_of(stage)][at - 1].take().expect("taken once")
    })
}

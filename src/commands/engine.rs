//! Puts an engine together: stages, sockets, one fused thread.

use crate::book::{BookConfig, BookLimits, BookStage};
use crate::events::views::{ViewLimits, ViewsReader, views};
use crate::events::{ConnId, Control};
use crate::execution::{Execution, ExecutionConfig};
use crate::feed::{Feed, FeedConfig, FeedConfigError};
use crate::net::{ConnSettings, NetError, NetStats, Reactor, Timing};
use crate::pipeline::clock::SystemClock;
use crate::pipeline::latency::{LatencyReader, stage_latency};
use crate::pipeline::line::{Line, LineLatencies};
use crate::pipeline::placement::{Plan, pin_current};
use crate::pipeline::ring::{Conflating, Consumer, SharedProducer, many_to_one};
use crate::pipeline::run::{Observation, RingObserver, Ties, run_line};
use crate::pipeline::wait::{Idle, Waker};
use crate::risk::{MarketLimits, RefusalCounters, RiskGate};
use crate::signer::LocalSigner;
use crate::stellar::LedgerSeq;
use crate::strategy::{Strategy, StrategyStage, StrategyStageConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Own offers that an account may have: the ledger's own limit of subentries.
const OWN_OFFERS: usize = 1_000;
/// Places of the ring to the observers.
const OBSERVATIONS: usize = 1 << 16;

/// All that an engine is made from.
#[derive(Debug)]
pub struct EngineParts {
    /// Stage 1. Its first source is the ledger's.
    pub feed: FeedConfig,
    /// Offers of others that the book holds.
    pub offers: usize,
    /// See [`BookConfig::starts_whole_at`].
    pub starts_whole_at: Option<LedgerSeq>,
    /// Stage 3.
    pub strategy: StrategyStageConfig,
    /// What it runs.
    pub strategies: Vec<Box<dyn Strategy>>,
    /// Reference symbols.
    pub symbols: usize,
    /// The gate's limits, a market each.
    pub limits: Vec<MarketLimits>,
    /// Whether quotes may reach the ledger.
    pub trading_enabled: bool,
    /// Stage 4.
    pub execution: ExecutionConfig,
    /// Its key.
    pub signer: LocalSigner,
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
    #[error("the engine has stopped: a stage found a state that must never be; its quotes may still stand")]
    Panicked,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    /// What it publishes.
    pub views: ViewsReader,
    /// What it tells.
    pub observations: Consumer<Observation>,
    /// How long its stages take: feed, book, strategy, execution, tick to wire.
    pub latencies: [LatencyReader; 5],
    /// What its gate refused.
    pub refusals: Arc<RefusalCounters>,
    /// Its connections.
    pub net: NetStats,
    control: SharedProducer<Control, Conflating>,
    waker: Waker,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), NetError>>,
}

impl Engine {
    /// Starts it. `beat` is called once a turn of the hot thread, which must not be kept.
    ///
    /// # Errors
    /// If the configuration, the sockets or the thread cannot be had.
    pub fn start(
        parts: EngineParts,
        beat: impl FnMut(crate::events::MonoNanos) + Send + 'static,
    ) -> Result<Self, EngineError> {
        let table = Arc::clone(&parts.feed.markets);
        let limits = ViewLimits {
            markets: table.markets().len(),
            accounts: parts.feed.accounts.len(),
            assets: table.assets().len(),
            offers_per_account: OWN_OFFERS,
        };
        let (writer, reader) = views(limits);
        let book = BookStage::new(
            BookConfig {
                source: ConnId(0),
                starts_whole_at: parts.starts_whole_at,
                limits: BookLimits { offers: parts.offers, levels_per_side: 1 << 14, own_offers: OWN_OFFERS },
                held_per_ledger: 1_024,
            },
            writer,
        );
        let risk = RiskGate::new(parts.limits, parts.trading_enabled);
        let refusals = risk.counters();
        let stages = (
            Feed::new(&parts.feed)?,
            book,
            StrategyStage::new(parts.strategy, parts.strategies, parts.symbols),
            risk,
            Execution::new(parts.execution, parts.signer, reader.clone()),
        );
        let (recorders, latencies) = recorders();
        let mut line = Line::new(stages, SystemClock, recorders);
        let reactor = Reactor::new(&parts.connections, Timing::default(), parts.seed, SystemClock)?;
        let net = reactor.stats();
        let idle = Idle::on_poll(parts.plan.wait, reactor.waker());
        let waker = idle.waker();
        let (control, control_in) = many_to_one(16);
        let (mut observer, observations) = RingObserver::new(OBSERVATIONS);
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut beat) = (Arc::clone(&stop), beat);
        let core = parts.plan.threads.first().and_then(|thread| thread.core);
        let body = move || {
            if let Some(core) = core {
                // The plan was fitted to this machine; a core that was taken away since costs speed, not correctness.
                let _pinned = pin_current(core);
            }
            let mut ties = Ties { reactor, idle, control: control_in, stop: &stopped };
            run_line(&mut line, &mut ties, &mut observer, &mut beat)
        };
        let thread = std::thread::Builder::new().name("line-0".into()).spawn(body).map_err(EngineError::Thread)?;
        Ok(Self { views: reader, observations, latencies, refusals, net, control, waker, stop, thread })
    }

    /// Says something to it.
    pub fn tell(&self, control: Control) {
        self.control.push(control);
        self.waker.wake();
    }

    /// Whether its thread has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it had ended by itself, and why.
    pub fn stop(self) -> Result<(), EngineError> {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        Ok(self.thread.join().map_err(|_| EngineError::Panicked)??)
    }
}

fn recorders() -> (LineLatencies, [LatencyReader; 5]) {
    let (feed, feed_reader) = stage_latency("feed");
    let (book, book_reader) = stage_latency("book");
    let (strategy, strategy_reader) = stage_latency("strategy");
    let (execution, execution_reader) = stage_latency("execution");
    let (tick_to_wire, tick_reader) = stage_latency("tick_to_wire");
    let recorders = LineLatencies { feed, book, strategy, execution, tick_to_wire };
    (recorders, [feed_reader, book_reader, strategy_reader, execution_reader, tick_reader])
}

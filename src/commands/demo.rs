//! `demo`: a Stellar ledger in this process, people who trade on it, and the engine making a market among them.

use super::engine::{Engine, EngineError, EngineParts};
use super::tally::Tally;
use crate::events::views::MarketView;
use crate::events::{BookEvent, Control, ReferencePrice, SymbolId};
use crate::execution::ExecutionConfig;
use crate::feed::{FeedConfig, FeedLimits, KrakenConfig, SourceConfig};
use crate::net::{ConnSettings, ConnState, Endpoint};
use crate::observe::{
    self, Health, HealthHandle, Metrics, MetricsError, ObserveError, Observer, Part, StageDeadline, Status,
    StatusHandle,
};
use crate::pipeline::clock::{Clock, SystemClock};
use crate::pipeline::latency::{LatencyReader, Percentiles, readable};
use crate::pipeline::machine::Machine;
use crate::pipeline::placement::{Plan, PlanError, PlanRequest, Spread};
use crate::pipeline::run::Observation;
use crate::risk::{MarketLimits, Refusal};
use crate::sandbox::{CloseRule, EngineAccount, Sandbox, SandboxConfig, SandboxError, WorldConfig};
use crate::signer::{LocalSigner, Signer};
use crate::stellar::{
    AccountIndex, AssetIndex, LedgerSeq, MarketId, MarketTable, MarketTableError, NetworkId, Side, Stroops, TxHash,
};
use crate::strategy::{PureMarketMaking, PureMarketMakingConfig, PureMarketMakingError, StrategyStageConfig};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the end waits for the quotes to be gone.
const CANCEL_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at what the engine tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two publications of the status.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Connections kept warm to core, which answers each once.
const CORE_CONNECTIONS: u8 = 4;

/// Options of `demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Stop by itself after this time, such as 30s, 5m or 500ms; without it, run until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    pub json: bool,
    /// Where the status page, metrics and probes listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Everything random in the sandbox follows from it: keys, prices, what the traders do.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Time between two ledgers, such as 1s or 600ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub close_every: Duration,
}

/// Reads `90s`, `1500ms`, `5m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let wanted = || format!("'{text}' is no time: write it like 30s, 500ms or 5m, more than zero");
    let number: u64 = number.parse().map_err(|_| wanted())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|&ms| ms > 0).map(Duration::from_millis).ok_or_else(wanted)
}

/// Why the demo cannot run, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
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
    /// The placement.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Ctrl-C cannot be caught.
    #[error("cannot catch Ctrl-C: {0}")]
    Signal(std::io::Error),
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
    /// The quotes did not go.
    #[error("{offers} quotes still stand {seconds} s after they were to be cancelled")]
    QuotesRemain {
        /// How many.
        offers: usize,
        /// After how long.
        seconds: u64,
    },
}

/// The key that the demo trades with. It has value on the demo's own ledger only.
#[must_use]
pub fn demo_signer(seed: u64) -> LocalSigner {
    let digest = Sha256::digest([b"stellar-connector demo account ".as_slice(), &seed.to_be_bytes()].concat());
    LocalSigner::from_seed(&digest.into())
}

/// Runs the demo.
///
/// # Errors
/// If it cannot start, or its quotes cannot be taken down at the end.
pub fn run(args: &DemoArgs, out: &mut impl Write) -> Result<(), DemoError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(DemoError::Signal)?;
    }
    let account = demo_signer(args.seed).public_key();
    let seed = args.seed;
    let account = EngineAccount::with_trustlines(account, move |hash| demo_signer(seed).sign(&TxHash(*hash)));
    let mut config = SandboxConfig::new(WorldConfig::new(args.seed, account));
    config.close = CloseRule::Every(args.close_every);
    let sandbox = Sandbox::start(config)?;
    let status = StatusHandle::new();
    let deadlines = [StageDeadline { stage: "line", deadline_ns: 5_000_000_000 }];
    let health = Health::new(&deadlines, || SystemClock.mono(), status.clone());
    health.loaded(Part::Configuration);
    health.loaded(Part::Keys);
    health.loaded(Part::State);
    let observer = Observer::start(args.listen, status.clone(), health.clone(), Metrics::new(status.clone())?)?;
    let pulse = health.pulse("line");
    let request = PlanRequest { spread: Spread::Auto, wait: None };
    let parts = parts(args.seed, args.close_every, &request, &sandbox)?;
    let plan = parts.plan.to_string();
    let engine = Engine::start(parts, Vec::new(), move |_| {
        let pulse = pulse.clone();
        Box::new(move |now| {
            if let Some(pulse) = &pulse {
                pulse.beat(now);
            }
        })
    })?;
    let address = observer.address();
    writeln!(out, "status page   http://{address}/   (also /metrics, /latency, /health/ready)")?;
    writeln!(out, "ledger        a sandbox in this process: closes every {:?}, seed {}", args.close_every, args.seed)?;
    writeln!(out, "engine        {plan}; Ctrl-C cancels the quotes and ends")?;
    let mut show = Show::new(args, status, health, &sandbox);
    let result = show.until_stopped(engine, &interrupted, out);
    observer.stop();
    let ended = sandbox.stop();
    let summary = result?;
    summary.print(args, ended.offers.len(), out)
}

/// An engine that makes a market on the sandbox's first market.
///
/// # Errors
/// If the placement does not fit this machine.
pub fn parts(
    seed: u64,
    close_every: Duration,
    request: &PlanRequest,
    sandbox: &Sandbox,
) -> Result<EngineParts, DemoError> {
    let markets = Arc::new(MarketTable::new(sandbox.markets())?);
    let network = NetworkId::from_passphrase(sandbox.network_passphrase());
    let symbols: Vec<_> = sandbox.symbols().iter().cloned().zip((0..).map(SymbolId)).collect();
    let price = sandbox.price_address();
    let core = sandbox.core_address();
    let strategy = PureMarketMaking::new(PureMarketMakingConfig {
        market: MarketId(0),
        reference: SymbolId(0),
        bid_spread_bp: 10.0,
        ask_spread_bp: 10.0,
        order_amount: Stroops(200 * 10_000_000),
        order_levels: 2,
        level_spread_bp: 10.0,
        refresh_tolerance_bp: 2.0,
    })?;
    let limits = MarketLimits {
        max_order_amount: Stroops(1_000 * 10_000_000),
        max_side_amount: Stroops(5_000 * 10_000_000),
        min_price: None,
        max_price: None,
    };
    let tcp = |address: SocketAddr| Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
    let mut connections = vec![
        ConnSettings::lasting(Endpoint::Unix { path: sandbox.meta_path().to_owned() }),
        ConnSettings::lasting(tcp(price)),
    ];
    connections.extend((0..CORE_CONNECTIONS).map(|_| ConnSettings::answers_once(tcp(core))));
    Ok(EngineParts {
        feed: FeedConfig {
            network,
            markets: Arc::clone(&markets),
            accounts: vec![sandbox.engine_account()],
            sources: vec![
                SourceConfig::CoreMeta,
                SourceConfig::Kraken(KrakenConfig {
                    host: price.to_string(),
                    path: "/v2".to_owned(),
                    symbols: symbols.clone(),
                    max_message_bytes: 1 << 20,
                    silence_ns: 5_000_000_000,
                    nonce: Sha256::digest(seed.to_be_bytes())[..16].try_into().unwrap_or_default(),
                }),
            ],
            limits: FeedLimits::default(),
        },
        offers: 1 << 16,
        starts_whole_at: Some(LedgerSeq(2)),
        strategy: StrategyStageConfig {
            reference_stale_ns: 5_000_000_000,
            ledger_late_ns: u64::try_from(close_every.as_nanos()).unwrap_or(u64::MAX).saturating_mul(10),
        },
        strategies: vec![Box::new(strategy)],
        symbols: symbols.len(),
        limits: vec![limits],
        trading_enabled: true,
        execution: ExecutionConfig {
            network,
            markets,
            account: AccountIndex(0),
            connections: CORE_CONNECTIONS,
            host: core.to_string(),
            fee_per_operation: 100,
            validity_ledgers: 1,
            answer_timeout_ns: 2_000_000_000,
            retry_ns: 50_000_000,
            max_attempts: 10,
            amount_tolerance_bp: 100,
        },
        signer: demo_signer(seed),
        connections,
        seed,
        plan: Plan::fit(request, &Machine::look())?,
    })
}

/// What the demo shows, and what it adds up.
struct Show<'s> {
    sandbox: &'s Sandbox,
    status: StatusHandle,
    health: HealthHandle,
    duration: Option<Duration>,
    seed: u64,
    quiet: bool,
    started: Instant,
    market: String,
    tally: Tally,
    ledgers: u64,
    quoted_ledgers: u64,
    /// Ledgers closed since the engine first quoted.
    quotable_ledgers: u64,
    recent: observe::Recent<observe::ClosedLedger>,
    last: Option<crate::events::LedgerClosed>,
    last_seen: Option<Instant>,
    reference: Option<ReferencePrice>,
    own_in_ledger: u32,
    whole: bool,
}

struct Summary {
    value: serde_json::Value,
    text: String,
    orders_left: usize,
}

impl Summary {
    fn print(&self, args: &DemoArgs, on_ledger: usize, out: &mut impl Write) -> Result<(), DemoError> {
        writeln!(out, "{}", self.text)?;
        if args.json {
            writeln!(out, "{}", self.value)?;
        }
        let offers = self.orders_left.max(on_ledger);
        if offers > 0 {
            return Err(DemoError::QuotesRemain { offers, seconds: CANCEL_WITHIN.as_secs() });
        }
        Ok(())
    }
}

impl<'s> Show<'s> {
    fn new(args: &DemoArgs, status: StatusHandle, health: HealthHandle, sandbox: &'s Sandbox) -> Self {
        let name = |at: usize| {
            let market = &sandbox.markets()[at];
            format!("{}/{}", market.base.code(), market.quote.code())
        };
        Self {
            sandbox,
            status,
            health,
            duration: args.duration,
            seed: args.seed,
            quiet: false,
            started: Instant::now(),
            market: name(0),
            tally: Tally::new(&name(0)),
            ledgers: 0,
            quoted_ledgers: 0,
            quotable_ledgers: 0,
            recent: observe::Recent::new(20),
            last: None,
            last_seen: None,
            reference: None,
            own_in_ledger: 0,
            whole: false,
        }
    }

    fn until_stopped(
        &mut self,
        mut engine: Engine,
        interrupted: &AtomicBool,
        out: &mut impl Write,
    ) -> Result<Summary, DemoError> {
        let mut stopping: Option<Instant> = None;
        let mut published = Instant::now();
        loop {
            while let Some(observation) = engine.observations.pop() {
                self.take(&observation, &engine, out)?;
            }
            if published.elapsed() >= PUBLISH_EVERY {
                published = Instant::now();
                engine.latencies.iter_mut().for_each(LatencyReader::collect);
                self.publish(&engine, stopping.is_some());
            }
            let time_is_up = self.duration.is_some_and(|duration| self.started.elapsed() >= duration);
            match stopping {
                None if time_is_up || interrupted.load(Ordering::Relaxed) => {
                    stopping = Some(Instant::now());
                    self.health.draining();
                    self.quiet = true;
                    engine.tell(Control::CancelAll);
                    writeln!(out, "cancelling    the quotes, and waiting for the ledger to say so")?;
                }
                Some(_) if self.own_offers(&engine) == 0 && self.tally.pending() == 0 => break,
                Some(since) if since.elapsed() > CANCEL_WITHIN => break,
                _ => {}
            }
            if engine.has_ended() {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        engine.latencies.iter_mut().for_each(LatencyReader::collect);
        self.publish(&engine, true);
        let summary = self.summary(&engine);
        engine.stop()?;
        Ok(summary)
    }

    fn own_offers(&self, engine: &Engine) -> usize {
        engine.views.read(|views| views.own_offers(AccountIndex(0)).count()).unwrap_or(usize::MAX)
    }

    fn mid(&self) -> Option<f64> {
        self.reference.map(|reference| f64::midpoint(reference.bid, reference.ask))
    }

    fn take(&mut self, observation: &Observation, engine: &Engine, out: &mut impl Write) -> Result<(), DemoError> {
        match observation {
            Observation::Execution(event) => self.tally.on_execution(event, SystemClock.now().utc.0 / 1_000_000),
            Observation::Book(stamped) => match stamped.event {
                BookEvent::Fill(fill) => {
                    self.tally.on_fill(&fill, self.last.map_or(0, |last| last.close_time_s));
                }
                BookEvent::OwnTransaction(own) => {
                    self.own_in_ledger += 1;
                    let ledger = self.last.map_or(LedgerSeq(2), |last| last.seq.next());
                    // What the founding did with the account before the engine ran is no transaction of the engine's.
                    if self.tally.submitted > 0 {
                        self.tally.on_own_transaction(&own, ledger);
                    }
                }
                BookEvent::ReferencePrice(price) => self.reference = Some(price),
                BookEvent::Whole(whole) => {
                    self.whole = whole;
                    if whole {
                        self.health.books_whole();
                    }
                }
                BookEvent::LedgerClosed(closed) => self.on_ledger(closed, engine, out)?,
                BookEvent::MarketChanged(_) | BookEvent::Feed(..) | BookEvent::Fault(..) => {}
            },
        }
        Ok(())
    }

    fn on_ledger(
        &mut self,
        closed: crate::events::LedgerClosed,
        engine: &Engine,
        out: &mut impl Write,
    ) -> Result<(), DemoError> {
        self.ledgers += 1;
        self.last = Some(closed);
        self.last_seen = Some(Instant::now());
        self.recent.push(observe::ClosedLedger {
            seq: closed.seq.0,
            transactions: closed.transactions,
            failed: 0,
            own: core::mem::take(&mut self.own_in_ledger),
        });
        let quotes = self.own_offers(engine);
        if self.quotable_ledgers > 0 || quotes > 0 {
            self.quotable_ledgers += u64::from(!self.quiet);
            self.quoted_ledgers += u64::from(!self.quiet && quotes > 0);
        }
        let total = self.mid().map_or(0, |mid| self.tally.position.realised + self.tally.position.unrealised(mid));
        self.tally.curve.push(observe::Point { ledger: closed.seq.0, total: Stroops(total) });
        if self.quotable_ledgers == 0 {
            return Ok(());
        }
        let view = engine.views.read(|views| views.market(MarketId(0))).unwrap_or_default();
        let own = |side| own_best(&view, side).map_or_else(|| "-".to_owned(), |price| format!("{price:.6}"));
        writeln!(
            out,
            "ledger {:>5}  {:>3} tx  reference {:.6}  our bid {}  ask {}  fills {:>4}  position {:>10.2} {}  profit {:>9.4}",
            closed.seq,
            closed.transactions,
            self.mid().unwrap_or(0.0),
            own(Side::Bid),
            own(Side::Ask),
            self.tally.fills,
            Stroops(self.tally.position.base).as_units_f64(),
            self.market.split('/').next().unwrap_or("base"),
            Stroops(total).as_units_f64(),
        )?;
        Ok(())
    }

    fn summary(&self, engine: &Engine) -> Summary {
        let tick = Percentiles::of(engine.latencies[4].total());
        let mid = self.mid().unwrap_or(0.0);
        let profit = Stroops(self.tally.position.realised + self.tally.position.unrealised(mid));
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let quoted = self.quoted_ledgers as f64 / self.quotable_ledgers.max(1) as f64;
        let value = json!({
            "ledgers": self.ledgers,
            "transactions": {
                "submitted": self.tally.submitted, "applied": self.tally.applied, "failed": self.tally.failed,
            },
            "fills": self.tally.fills,
            "quoted_time_ratio": quoted,
            "profit_loss": profit.to_string(),
            "tick_to_wire_ns": { "p50": tick.p50, "p99": tick.p99, "max": tick.max, "count": tick.count },
            "seed": self.seed,
        });
        let text = format!(
            "summary       {} ledgers; {} transactions sent, {} applied, {} failed; {} fills; quoted {:.1} % of the time\n\
             \u{20}             profit and loss {profit} {}; tick to wire p50 {}, p99 {}, max {} ({} measured)",
            self.ledgers,
            self.tally.submitted,
            self.tally.applied,
            self.tally.failed,
            self.tally.fills,
            quoted * 100.0,
            self.market.split('/').nth(1).unwrap_or("quote"),
            readable(tick.p50),
            readable(tick.p99),
            readable(tick.max),
            tick.count,
        );
        Summary { value, text, orders_left: self.own_offers(engine) }
    }

    fn publish(&self, engine: &Engine, stopping: bool) {
        let latency = |at: usize| {
            let reader = &engine.latencies[at];
            observe::StageLatency::from_histogram(reader.name(), reader.total())
        };
        let gauge = engine.observations.gauge();
        let mut status = Status {
            program: observe::Program {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
                mode: "demo".to_owned(),
                network: self.sandbox.network_passphrase().to_owned(),
                seed: Some(self.seed),
                uptime_ms: millis(self.started.elapsed()),
            },
            feeds: self.feeds(engine),
            markets: vec![self.market_status(engine)],
            markets_configured: 1,
            fills: self.tally.recent_fills.newest_first(),
            balances: self.balances(engine),
            latency: (0..4).map(latency).collect(),
            tick_to_wire: Some(latency(4)),
            queues: vec![observe::Queue {
                ring: "line-observer".to_owned(),
                length: gauge.depth(),
                capacity: gauge.capacity() as u64,
                dropped: gauge.dropped(),
            }],
            refusals: Refusal::ALL
                .iter()
                .map(|&refusal| observe::Count { name: refusal.name(), count: engine.refusals.count(refusal) })
                .collect(),
            halted: stopping.then(|| "stopping: the quotes are being cancelled".to_owned()),
            ..Status::default()
        };
        if let Some(closed) = self.last {
            status.ledger = observe::Ledger {
                seq: closed.seq.0,
                protocol: engine.views.read(|views| views.header().protocol).unwrap_or(0),
                close_time_s: closed.close_time_s,
                age_ms: self.last_seen.map(|seen| millis(seen.elapsed())),
                transactions: closed.transactions,
                recent: self.recent.newest_first(),
            };
        }
        self.add_money(&mut status);
        self.status.publish(status);
    }

    fn add_money(&self, status: &mut Status) {
        let position = &self.tally.position;
        let unrealised = self.mid().map_or(0, |mid| position.unrealised(mid));
        status.profit_loss = vec![observe::ProfitLoss {
            pair: self.market.clone(),
            strategy: "pure_market_making".to_owned(),
            asset: self.market.split('/').nth(1).unwrap_or("quote").to_owned(),
            realised: Stroops(position.realised),
            unrealised: Stroops(unrealised),
            total: Stroops(position.realised + unrealised),
            history: self.tally.curve.iter().copied().collect(),
        }];
        status.transactions = observe::Transactions {
            submitted: self.tally.submitted,
            applied: self.tally.applied,
            failed: self.tally.failed,
            expired: self.tally.expired,
            pending: self.tally.pending(),
            fees_paid: self.tally.fees,
            recent: self.tally.recent_transactions.newest_first(),
        };
    }

    fn feeds(&self, engine: &Engine) -> Vec<observe::Feed> {
        let names = ["core metadata", "reference price"];
        let snapshots = engine.net.iter().flat_map(crate::net::NetStats::snapshots);
        let feed = |(name, snapshot): (&str, crate::net::ConnSnapshot)| observe::Feed {
            name: name.to_owned(),
            endpoint: snapshot.endpoint.to_string(),
            up: snapshot.state == ConnState::Open,
            last_message_age_ms: match name {
                "core metadata" => self.last_seen.map(|seen| millis(seen.elapsed())),
                _ => self.reference.map(|price| SystemClock.mono().since(price.received) / 1_000_000),
            },
            detail: snapshot.last_error,
            faults: Vec::new(),
        };
        names.into_iter().zip(snapshots).map(feed).collect()
    }

    fn market_status(&self, engine: &Engine) -> observe::Market {
        let read = engine
            .views
            .read(|views| (views.market(MarketId(0)), views.own_offers(AccountIndex(0)).collect::<Vec<_>>()));
        let (view, offers) = read.unwrap_or_default();
        let market = &self.sandbox.markets()[0];
        let levels = |side| {
            let level = |level: &crate::events::views::LevelView| {
                let price = level.price()?;
                let (amount, own) = (base_of(side, level.amount, price), base_of(side, level.own_amount, price));
                Some(observe::Level { price, amount: Stroops(amount), own_amount: Stroops(own) })
            };
            view.levels(side).filter_map(level).collect::<Vec<_>>()
        };
        let own = offers.iter().filter_map(|offer| {
            let price = offer.market_price()?;
            Some(observe::OwnOffer {
                id: crate::stellar::OfferId(offer.id),
                side: offer.side(),
                price,
                amount: Stroops(base_of(offer.side(), offer.amount, price)),
            })
        });
        let (best_bid, best_ask) = (view.best(Side::Bid), view.best(Side::Ask));
        let spread = best_bid.zip(best_ask).map(|(bid, ask)| {
            let (bid, ask) = (bid.book_order(), ask.book_order());
            (ask - bid) / f64::midpoint(ask, bid) * 10_000.0
        });
        observe::Market {
            name: self.market.clone(),
            base: market.base.code().to_string(),
            quote: market.quote.code().to_string(),
            whole: self.whole,
            best_bid,
            best_ask,
            spread_bp: spread,
            reference: self.reference.map(|price| observe::Reference {
                bid: price.bid,
                ask: price.ask,
                mid: f64::midpoint(price.bid, price.ask),
                age_ms: SystemClock.mono().since(price.received) / 1_000_000,
            }),
            bids: levels(Side::Bid),
            asks: levels(Side::Ask),
            active_offers: offers.len() as u64,
            own_offers: own.collect(),
            position: Stroops(self.tally.position.base),
            fills: self.tally.fills,
            volume_base: self.tally.volume_base,
            volume_quote: self.tally.volume_quote,
            orders: Vec::new(),
        }
    }

    fn balances(&self, engine: &Engine) -> Vec<observe::Balance> {
        let market = &self.sandbox.markets()[0];
        let read = engine.views.read(|views| {
            let account = views.account(AccountIndex(0));
            (account, views.line(AccountIndex(0), AssetIndex(1)), views.header().base_reserve)
        });
        let Some((account, line, base_reserve)) = read else { return Vec::new() };
        let spare = crate::execution::funding::spare_lumens(&account, i64::from(base_reserve));
        let balance = |asset: String, total: i64, available: i64| observe::Balance {
            account: "demo".to_owned(),
            asset,
            total: Stroops(total),
            available: Stroops(available),
        };
        vec![
            balance("XLM".to_owned(), account.balance, spare),
            balance(market.quote.code().to_string(), line.balance, line.balance - line.selling_liabilities),
        ]
    }
}

/// What an amount is in base: bids sell quote.
fn base_of(side: Side, amount: i64, price: crate::stellar::Price) -> i64 {
    match side {
        Side::Ask => amount,
        Side::Bid => {
            let base = i128::from(amount) * i128::from(price.d()) / i128::from(price.n());
            i64::try_from(base).unwrap_or(i64::MAX)
        }
    }
}

fn own_best(view: &MarketView, side: Side) -> Option<f64> {
    let own = view.levels(side).find(|level| level.own_amount > 0)?;
    own.price().map(crate::stellar::Price::book_order)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

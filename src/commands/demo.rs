//! `demo`: a Stellar ledger in this process, people who trade on it, and the engine making a market among them.
//!
//! The engine is run as `run` runs it, by a configuration: the one that leads to the sandbox.

use super::desk::{Desk, DeskError, Ended, Fault, FaultyPart, Occasion, Told, engine_parts, is_up, told_to_end};
use super::engine::{Engine, EngineError, EngineParts};
use crate::config::{
    Config, Core, Exchange, ExchangeKind, Execution, Flight, HttpAddress, Limits, Log, LogFormat, Market,
    PriceExpression, PureMarketMaking, REFERENCE, SignerKind, WebSocketUrl, parse_duration,
};
use crate::events::LedgerClosed;
use crate::events::views::MarketView;
use crate::net::{Endpoint, Roots};
use crate::pipeline::latency::readable;
use crate::pipeline::machine::Machine;
use crate::pipeline::placement::{Plan, PlanRequest, StageName};
use crate::sandbox::{CloseRule, EngineAccount, Sandbox, SandboxConfig, SandboxError, WorldConfig};
use crate::signer::{LocalSigner, Signer, precomputed};
use crate::stellar::{LedgerSeq, MarketId, Price, Side, Stroops, TxHash};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    /// Where the sandbox's Horizon, Stellar RPC, core and friendbot listen, all on one port; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub sandbox_listen: SocketAddr,
    /// Everything random in the sandbox follows from it: keys, prices, what the traders do.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Time between two ledgers, such as 1s or 600ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub close_every: Duration,
    /// Where the stages run: auto, fused, split, or feed=0,book=0,strategy=1,execution=1; then wait=spin, yield or park.
    #[arg(long, value_name = "PLAN", default_value = "auto")]
    pub placement: PlanRequest,
    /// Keep the engine's inputs in this folder; `stellar-connector replay --flight FOLDER` replays them.
    #[arg(long, value_name = "FOLDER")]
    pub flight: Option<PathBuf>,
    /// Make a stage panic, or the signer fail, to see the quotes taken down: strategy@5s, say.
    #[arg(long, hide = true, value_name = "PART@TIME", value_parser = parse_fault)]
    pub fault: Option<Fault>,
}

/// Reads `strategy@5s`.
fn parse_fault(text: &str) -> Result<Fault, String> {
    let wanted = || {
        format!("'{text}' is no fault: write it like strategy@5s, with one of feed, book, strategy, execution, signer")
    };
    let (part, after) = text.split_once('@').ok_or_else(wanted)?;
    let part = match StageName::ALL.into_iter().find(|stage| stage.name() == part) {
        Some(stage) => FaultyPart::Stage(stage),
        None if part == "signer" => FaultyPart::Signer,
        None => return Err(wanted()),
    };
    Ok(Fault { part, after: parse_duration(after)? })
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
    /// The desk.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
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
    let started = Instant::now();
    let interrupted = told_to_end()?;
    let account = demo_signer(args.seed).public_key();
    let seed = args.seed;
    let account = EngineAccount::with_trustlines(account, move |hash| demo_signer(seed).sign_hash(&TxHash(*hash)));
    let mut world = SandboxConfig::new(WorldConfig::new(args.seed, account));
    world.close = CloseRule::Every(args.close_every);
    (world.address, world.port) = (args.sandbox_listen.ip(), args.sandbox_listen.port());
    let sandbox = Sandbox::start(world)?;
    let occasion = Occasion { mode: "demo", seed, repeatable: true, fault: args.fault };
    let mut config = config(seed, args.close_every, &args.placement, args.listen, &sandbox);
    config.flight = args.flight.clone().map(|folder| Flight { folder, segment_bytes: 64 << 20 });
    let (mut desk, engine) = Desk::open(config, occasion)?;
    writeln!(out, "status page   http://{}/   (also /metrics, /latency, /health/ready)", desk.address())?;
    let sandbox_address = sandbox.address();
    writeln!(out, "sandbox       http://{sandbox_address}/   (Horizon; also /rpc, /friendbot, core's /tx and /info)")?;
    writeln!(out, "ledger        a sandbox in this process: closes every {:?}, seed {seed}", args.close_every)?;
    writeln!(out, "engine        {}; Ctrl-C cancels the quotes and ends", desk.plan)?;
    let ends = || is_up(&interrupted) || args.duration.is_some_and(|duration| started.elapsed() >= duration);
    let ended = desk.keep(engine, ends, |desk, engine, told| match told {
        Told::Ledger(closed) if desk.has_quoted() => ledger_line(out, desk, engine, closed),
        Told::Cancelling => writeln!(out, "cancelling    the quotes, and waiting for the ledger to say so"),
        _ => Ok(()),
    })?;
    summary(args, &desk, &ended, out)?;
    desk.close();
    ended.quotes_gone(sandbox.stop().offers.len())?;
    Ok(())
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
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let plan = Plan::fit(request, &Machine::look()).map_err(DeskError::from)?;
    Ok(engine_parts(config(seed, close_every, request, listen, sandbox), plan, seed)?)
}

/// The configuration that leads to the sandbox.
fn config(seed: u64, close_every: Duration, placement: &PlanRequest, listen: SocketAddr, sandbox: &Sandbox) -> Config {
    let (core, price) = (sandbox.core_address(), sandbox.price_address());
    Config {
        network_passphrase: sandbox.network_passphrase().to_owned(),
        trading_enabled: true,
        starts_whole_at: Some(LedgerSeq(2)),
        core: Core {
            meta_stream: Some(Endpoint::Unix { path: sandbox.meta_path().to_owned() }),
            http: HttpAddress { host: core.ip().to_string(), port: core.port() },
            connections: 4,
            late_after: close_every.saturating_mul(10),
        },
        rpc: None,
        horizon: None,
        exchanges: vec![Exchange {
            name: REFERENCE.to_owned(),
            kind: ExchangeKind::Kraken(WebSocketUrl {
                secure: false,
                host: price.ip().to_string(),
                port: price.port(),
                authority: price.to_string(),
                path: "/v2".to_owned(),
            }),
            roots: Roots::System,
            stale_after: Duration::from_secs(5),
            silent_after: Duration::from_secs(5),
        }],
        signer: demo_signer(seed),
        signer_kind: fast_if_possible(),
        max_offers: 1 << 16,
        execution: Execution {
            fee_per_operation: 100,
            validity_ledgers: 1,
            answer_timeout: Duration::from_secs(2),
            retry_after: Duration::from_millis(50),
            max_attempts: 10,
            amount_tolerance_bp: 100,
        },
        placement: *placement,
        listen,
        flight: None,
        log: Log { level: tracing::Level::INFO, format: LogFormat::Text },
        markets: vec![market(sandbox)],
    }
}

/// The fast signer, unless this system does not protect memory as it wants.
fn fast_if_possible() -> SignerKind {
    if precomputed::is_possible() { SignerKind::Precomputed } else { SignerKind::Stock }
}

/// The sandbox's first market, and what the demo does there.
fn market(sandbox: &Sandbox) -> Market {
    let Ok(reference) = PriceExpression::of_symbol(&sandbox.symbols()[0]) else {
        unreachable!("the sandbox names its symbols as an exchange does");
    };
    let units = |units: i64| Stroops(units * crate::stellar::STROOPS_PER_UNIT);
    Market {
        assets: sandbox.markets()[0],
        reference,
        strategy: PureMarketMaking {
            bid_spread_bp: 10.0,
            ask_spread_bp: 10.0,
            order_amount: units(200),
            order_levels: 2,
            level_spread_bp: 10.0,
            refresh_tolerance_bp: 2.0,
        },
        limits: Limits {
            max_order_amount: units(1_000),
            max_side_amount: units(5_000),
            min_price: None,
            max_price: None,
        },
    }
}

fn ledger_line(out: &mut impl Write, desk: &Desk, engine: &Engine, closed: LedgerClosed) -> std::io::Result<()> {
    let view = engine.views.read(|views| views.market(MarketId(0))).unwrap_or_default();
    let own = |side| own_best(&view, side).map_or_else(|| "-".to_owned(), |price| format!("{price:.6}"));
    let market = &desk.markets[0];
    writeln!(
        out,
        "ledger {:>5}  {:>3} tx  reference {:.6}  our bid {}  ask {}  fills {:>4}  position {:>10.2} {}  profit {:>9.4}",
        closed.seq,
        closed.transactions,
        desk.mid(0).unwrap_or(0.0),
        own(Side::Bid),
        own(Side::Ask),
        market.tally.fills,
        Stroops(market.tally.position.base).as_units_f64(),
        market.base,
        desk.profit(0).as_units_f64(),
    )
}

fn own_best(view: &MarketView, side: Side) -> Option<f64> {
    let own = view.levels(side).find(|level| level.own_amount > 0)?;
    own.price().map(Price::book_order)
}

fn summary(args: &DemoArgs, desk: &Desk, ended: &Ended, out: &mut impl Write) -> std::io::Result<()> {
    let (tick, market, transactions) = (ended.tick_to_wire_ns, &desk.markets[0], &desk.transactions);
    let (profit, quoted) = (desk.profit(0), desk.quoted_time_ratio());
    writeln!(
        out,
        "summary       {} ledgers; {} transactions sent, {} applied, {} failed; {} fills; quoted {:.1} % of the time\n\
         \u{20}             profit and loss {profit} {}; tick to wire p50 {}, p99 {}, max {} ({} measured)",
        desk.ledgers,
        transactions.submitted,
        transactions.applied,
        transactions.failed,
        market.tally.fills,
        quoted * 100.0,
        market.quote,
        readable(tick.p50),
        readable(tick.p99),
        readable(tick.max),
        tick.count,
    )?;
    if !args.json {
        return Ok(());
    }
    let value = json!({
        "ledgers": desk.ledgers,
        "transactions": {
            "submitted": transactions.submitted, "applied": transactions.applied, "failed": transactions.failed,
        },
        "fills": market.tally.fills,
        "quoted_time_ratio": quoted,
        "profit_loss": profit.to_string(),
        "tick_to_wire_ns": { "p50": tick.p50, "p99": tick.p99, "max": tick.max, "count": tick.count },
        "seed": args.seed,
    });
    writeln!(out, "{value}")
}

//! `latency`: measures tick-to-wire on this machine, fused and split, beside a stock signature of each library.

use super::demo::{DemoError, demo_signer, parts};
use super::desk::{DeskError, start_signing};
use super::engine::Engine;
use crate::config::SignerKind;
use crate::net::NetStats;
use crate::pipeline::allocations::allocations_on_this_thread;
use crate::pipeline::latency::{LatencyReader, Percentiles, empty_histogram, hgrm, plot, readable};
use crate::pipeline::placement::{PlanRequest, Spread, StageName};
use crate::pipeline::run::{AllocationMeter, Observation};
use crate::sandbox::{Activity, CloseRule, EngineAccount, Sandbox, SandboxConfig, Ticks, WorldConfig};
use crate::signer::Signer;
use crate::stellar::{MarketId, TxHash};
use crate::wire::websocket::{WebSocketClient, WebSocketEndpoint};
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{Signer as _, SigningKey};
use hdrhistogram::Histogram;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Seed of the measured world.
const SEED: u64 = 11;
/// Ticks before anything counts.
const WARM_UP: u32 = 200;
/// Signatures of each library.
const SIGNATURES: u32 = 2_000;
/// Tungstenite takes memory for some kilobytes of frames at a time: the engine's share may begin in the midst of one.
const FRAME_BLOCK_BYTES: u64 = 16 << 10;
/// How long the engine may take to quote, and the last transactions to apply.
const PATIENCE: Duration = Duration::from_secs(20);
/// The reference price swings by this much around its middle, far beyond what a quote tolerates.
const SWING: f64 = 0.002;
/// Its middle.
const MIDDLE: f64 = 0.1;

/// Options of `latency`.
#[derive(Clone, Debug, clap::Args)]
pub struct LatencyArgs {
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
    /// Write the fused tick-to-wire distribution in HdrHistogram's own text format, which its plotter reads.
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<PathBuf>,
    /// Price ticks that are measured on each placement.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub ticks: u32,
    /// Ticks a second. They keep to their schedule whatever the engine does.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// How transactions are signed: stock, or precomputed (with nonces made ahead).
    #[arg(long, value_name = "KIND", default_value = "precomputed", value_parser = clap::value_parser!(SignerKind))]
    pub signer: SignerKind,
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    /// Sandbox or engine.
    #[error(transparent)]
    Engine(#[from] DemoError),
    /// The engine does not quote.
    #[error("the engine has not quoted within {0:?}: is the machine overloaded?")]
    NotQuoting(Duration),
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
    /// The file cannot be written.
    #[error("cannot write {path}: {source}; choose another with --hgrm")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What one placement came to.
struct Measured {
    plan: String,
    stages: Vec<(String, Histogram<u64>)>,
    tick_to_wire: Histogram<u64>,
    /// Transactions that were held for the slot: the time from their tick is no latency.
    held: u64,
    /// Allocations in the stages over the measured ticks, those for WebSocket frames included.
    allocations: u64,
    /// Bytes of reference prices that came meanwhile.
    price_bytes: u64,
}

/// Measures, and prints.
///
/// # Errors
/// If the engine cannot run here, or the results cannot be written.
pub fn run(args: &LatencyArgs, out: &mut impl Write) -> Result<(), LatencyError> {
    let fused = measure(args, Spread::Fused)?;
    let signatures = stock_signatures();
    let split = measure(args, Spread::Split)?;
    let frames = frame_allocations(fused.price_bytes + FRAME_BLOCK_BYTES);
    if let Some(path) = &args.hgrm {
        std::fs::write(path, hgrm(&fused.tick_to_wire))
            .map_err(|source| LatencyError::File { path: path.clone(), source })?;
    }
    if args.json {
        let value = json!({
            "fused": fused.json(), "split": split.json(),
            "stock_signature_ns": { "ed25519_dalek": signatures[0].p50, "aws_lc_rs": signatures[1].p50 },
            "allocations": fused.allocations.saturating_sub(frames),
            "websocket_allocations": frames,
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    for (name, measured) in [("fused", &fused), ("split", &split)] {
        measured.print(name, out)?;
    }
    print_signatures(&fused, &signatures, out)?;
    let beyond = fused.allocations.saturating_sub(frames);
    writeln!(
        out,
        "allocations over {} ticks: {beyond} in the stages, {frames} in tungstenite for its frames",
        args.ticks
    )?;
    Ok(())
}

fn print_signatures(fused: &Measured, signatures: &[Percentiles; 2], out: &mut impl Write) -> Result<(), LatencyError> {
    let tick = fused.tick_to_wire.value_at_quantile(0.5);
    for (name, of) in ["ed25519-dalek", "aws-lc-rs"].into_iter().zip(signatures) {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let ratio = tick as f64 / of.p50.max(1) as f64;
        writeln!(
            out,
            "stock signature by {name:<14} p50 {:>9}   fused tick to wire is {ratio:.2} of it",
            readable(of.p50)
        )?;
    }
    Ok(())
}

impl Measured {
    fn json(&self) -> serde_json::Value {
        let set = |histogram: &Histogram<u64>| {
            let p = Percentiles::of(histogram);
            json!({ "p50": p.p50, "p90": p.p90, "p99": p.p99, "p999": p.p999, "max": p.max, "count": p.count })
        };
        let stages: serde_json::Map<_, _> = self.stages.iter().map(|(name, of)| (name.clone(), set(of))).collect();
        json!({ "plan": self.plan, "tick_to_wire_ns": set(&self.tick_to_wire), "stages_ns": stages, "held": self.held })
    }

    fn print(&self, name: &str, out: &mut impl Write) -> Result<(), LatencyError> {
        writeln!(out, "{name}: {}", self.plan)?;
        writeln!(out, "  {:<14}{:>11}{:>11}{:>11}{:>11}{:>9}", "stage", "p50", "p99", "p99.9", "max", "count")?;
        let all = self.stages.iter().map(|(name, of)| (name.as_str(), of));
        for (stage, of) in all.chain([("tick to wire", &self.tick_to_wire)]) {
            let p = Percentiles::of(of);
            writeln!(
                out,
                "  {stage:<14}{:>11}{:>11}{:>11}{:>11}{:>9}",
                readable(p.p50),
                readable(p.p99),
                readable(p.p999),
                readable(p.max),
                p.count
            )?;
        }
        writeln!(out, "  held for the slot on purpose, and not counted: {}", self.held)?;
        writeln!(out, "{}", plot(&format!("{name}, tick to wire"), &self.tick_to_wire, 60))?;
        Ok(())
    }
}

fn measure(args: &LatencyArgs, spread: Spread) -> Result<Measured, LatencyError> {
    let key = demo_signer(SEED).public_key();
    let account = EngineAccount::with_trustlines(key, |hash| demo_signer(SEED).sign_hash(&TxHash(*hash)));
    let mut world = WorldConfig::new(SEED, account);
    world.activity = Activity::Still;
    let mut config = SandboxConfig::new(world);
    config.close = CloseRule::OnSubmission { idle: Duration::from_millis(500) };
    config.ticks = Ticks::Pushed;
    let sandbox = Sandbox::start(config).map_err(DemoError::from)?;
    let request = PlanRequest { spread, wait: None };
    let parts = parts(SEED, Duration::from_secs(1), &request, &sandbox)?;
    let plan = parts.plan.to_string();
    let price = parts.connections[1].endpoint.to_string();
    let (signer, _signing) =
        start_signing(args.signer, parts.signer.duplicate()).map_err(DeskError::from).map_err(DemoError::from)?;
    let parts = parts.with_signer(signer);
    let mut engine = Engine::start(parts, Vec::new(), |_| Box::new(|_| {})).map_err(DemoError::from)?;
    let pace = Duration::from_secs(1) / args.rate;
    let mut held = 0;
    let quoting = drive(&sandbox, &mut engine, WARM_UP, pace, &mut held)?;
    if quoting == 0 {
        return Err(LatencyError::NotQuoting(PATIENCE));
    }
    gather(&mut engine);
    engine.latencies.iter_mut().for_each(LatencyReader::clear);
    held = 0;
    let allocated = |engine: &Engine| engine.allocations.iter().map(AllocationMeter::total).sum::<u64>();
    let price_bytes = |engine: &Engine| {
        let snapshots = engine.net.iter().flat_map(NetStats::snapshots);
        snapshots.filter(|conn| conn.endpoint == price).map(|conn| conn.bytes_in).sum::<u64>()
    };
    let before = (allocated(&engine), price_bytes(&engine));
    drive(&sandbox, &mut engine, args.ticks, pace, &mut held)?;
    let allocations = allocated(&engine).saturating_sub(before.0);
    let price_bytes = price_bytes(&engine).saturating_sub(before.1);
    gather(&mut engine);
    let stages = StageName::ALL.iter().zip(&engine.latencies);
    let stages = stages.map(|(stage, reader)| (stage.name().to_owned(), reader.total().clone())).collect();
    let tick_to_wire = engine.latencies[4].total().clone();
    engine.stop().map_err(DemoError::from)?;
    sandbox.stop();
    Ok(Measured { plan, stages, tick_to_wire, held, allocations, price_bytes })
}

/// Gets all that was recorded: a histogram that is asked for comes at the hot thread's next idle turn, and may have been
/// asked for before the last tick.
fn gather(engine: &mut Engine) {
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(150));
        engine.latencies.iter_mut().for_each(LatencyReader::collect);
    }
}

/// Pushes ticks on a schedule that waits for nobody; says how many transactions came of them.
fn drive(
    sandbox: &Sandbox,
    engine: &mut Engine,
    ticks: u32,
    pace: Duration,
    held: &mut u64,
) -> Result<u64, LatencyError> {
    use crate::events::ExecutionEvent;
    let mut sent = 0;
    let begin = Instant::now();
    while sandbox.price_subscribers(MarketId(0)) == 0 && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    let start = Instant::now();
    for tick in 0..ticks {
        let due = start + pace * tick;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left);
        }
        let mid = if tick.is_multiple_of(2) { MIDDLE } else { MIDDLE * (1.0 + SWING) };
        sandbox.push_reference(MarketId(0), mid).map_err(DemoError::from)?;
        while let Some(observation) = engine.observations.pop() {
            if let Observation::Execution(ExecutionEvent::Submitted(submission)) = observation {
                sent += 1;
                *held += u64::from(submission.held);
            }
        }
    }
    Ok(sent)
}

/// One signature of 32 bytes by each library, taken in turn.
fn stock_signatures() -> [Percentiles; 2] {
    let seed = [7; 32];
    let dalek = SigningKey::from_bytes(&seed);
    let mut both = [empty_histogram(), empty_histogram()];
    let Ok(aws) = Ed25519KeyPair::from_seed_unchecked(&seed) else { return both.each_ref().map(Percentiles::of) };
    for round in 0..SIGNATURES {
        let mut message = [0; 32];
        message[..4].copy_from_slice(&round.to_be_bytes());
        let start = Instant::now();
        std::hint::black_box(dalek.sign(std::hint::black_box(&message)));
        let dalek_took = start.elapsed();
        let start = Instant::now();
        std::hint::black_box(aws.sign(std::hint::black_box(&message)));
        let aws_took = start.elapsed();
        for (histogram, took) in both.iter_mut().zip([dalek_took, aws_took]) {
            histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
    both.each_ref().map(Percentiles::of)
}

/// What tungstenite allocates for so many bytes of text frames of a ticker's size, measured on this thread.
fn frame_allocations(bytes: u64) -> u64 {
    let Ok(endpoint) = WebSocketEndpoint::new("prices", "/v2", 1 << 16) else { return 0 };
    let mut client = WebSocketClient::new(endpoint);
    client.open([1; 16]);
    let request = String::from_utf8_lossy(client.output()).into_owned();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let accept = tungstenite::handshake::derive_accept_key(key.trim().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    let mut answer = answer.as_bytes();
    let frame = [&[0x81, 126, 0x01, 0x18][..], &[b' '; 280]].concat();
    if !matches!(client.next(&mut answer), Ok(Some(_))) {
        return 0;
    }
    let mut take = || client.next(&mut &frame[..]).is_ok();
    take();
    let before = allocations_on_this_thread();
    let all = (0..bytes / frame.len() as u64).all(|_| take());
    if all { allocations_on_this_thread().since(before).count } else { 0 }
}

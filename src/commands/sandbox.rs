//! `sandbox`: a Stellar ledger in this process, for clients of Horizon, Stellar RPC and stellar-core to try themselves on.

use super::desk::{DeskError, is_up, told_to_end};
use super::run::start_log;
use crate::config::{Log, LogFormat, parse_duration};
use crate::sandbox::{
    Activity, CloseRule, Crowd, EngineAccount, FaultError, FaultRules, MetaOutput, RateLimit, ReferenceConfig, Sandbox,
    SandboxConfig, SandboxError, StateConfig, WorldConfig,
};
use crate::signer::{LocalSigner, Signer};
use crate::stellar::{Asset, STANDALONE_PASSPHRASE, TxHash};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often it is looked whether to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The times between two ledgers that are possible.
const CLOSE_EVERY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// Options of `sandbox`.
#[derive(Clone, Debug, clap::Args)]
pub struct SandboxArgs {
    /// Where Horizon (with streams), Stellar RPC (POST to /, /rpc or /soroban/rpc), core's /tx and /info, /friendbot and
    /// /sandbox/faults are served, all on one port; port 0 takes any free one. Whoever reaches it is a client.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Where the reference price is served, over WebSocket, as Kraken sends it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub price_listen: SocketAddr,
    /// Where closed ledgers are streamed to, as stellar-core's METADATA_OUTPUT_STREAM does: `pipe` and `socket` are made in
    /// a private directory (the address is printed), `file` wants a path where nothing is yet.
    #[arg(long, value_names = ["KIND", "PATH"], num_args = 1..=2, default_value = "socket")]
    pub meta: Vec<String>,
    /// Time between two ledgers, from 100ms to 10s. Close times are whole seconds: below a second, ledgers share
    /// them.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_close_every)]
    pub close_every: Duration,
    /// Everything random follows from it: keys, prices, what the traders do.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many markets: XLM/USDC, then AST0001/XLM, AST0002/XLM and so on; 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub markets: usize,
    /// Who trades: all, none, or a list of noise (limit offers that come and go), takers (who trade now), maker (a deep book,
    /// and a second maker who stands nearer and leans), arbitrage (between book and reference, and between book and a
    /// liquidity pool, which is founded for it).
    #[arg(long, value_name = "KINDS", default_value = "all", value_parser = parse_traders)]
    pub traders: Activity,
    /// How reference prices move.
    #[arg(long, value_enum, default_value_t = Mood::Wander)]
    pub reference: Mood,
    /// The network's passphrase.
    #[arg(long, default_value = STANDALONE_PASSPHRASE)]
    pub passphrase: String,
    /// Requests an hour that an address may make of Horizon, as 3600 on the public one; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate_limit: u32,
    /// Something that goes wrong, as a JSON object such as '{"face": "core", "fault": "delay", "ms": 250}'; may be given
    /// several times. PUT to /sandbox/faults changes them later.
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<String>,
    /// Keep the world in this directory, and go on with the one that is kept there: the next ledger follows the last one
    /// that anyone can have seen, however the process ended.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Stop by itself after this time, such as 30s, 5m or 500ms; without it, run until Ctrl-C or SIGTERM.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Print one JSON object with all addresses as the first line, and one with the end as the last; nothing else.
    #[arg(long)]
    pub json: bool,
}

/// How reference prices move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mood {
    /// They tick, and stay where they are.
    Still,
    /// They wander around an anchor, with a jump now and then.
    Wander,
    /// They go one way for a minute or two, then the other.
    Trend,
    /// They leap several times a minute.
    Jump,
}

impl Mood {
    fn config(self) -> ReferenceConfig {
        match self {
            Self::Still => ReferenceConfig::still(),
            Self::Wander => ReferenceConfig::default(),
            Self::Trend => ReferenceConfig::trend(),
            Self::Jump => ReferenceConfig::jump(),
        }
    }
}

fn parse_close_every(text: &str) -> Result<Duration, String> {
    let [shortest, longest] = CLOSE_EVERY;
    let every = parse_duration(text)?;
    if (shortest..=longest).contains(&every) {
        Ok(every)
    } else {
        Err(format!("ledgers close every {shortest:?} to {longest:?}, not every {every:?}"))
    }
}

fn parse_traders(text: &str) -> Result<Activity, String> {
    match text {
        "all" => return Ok(Activity::Of(Crowd::ALL)),
        "none" => return Ok(Activity::None),
        _ => {}
    }
    let mut crowd = Crowd::default();
    for kind in text.split(',') {
        match kind.trim() {
            "noise" => crowd.noise = true,
            "takers" => crowd.takers = true,
            "maker" => crowd.makers = true,
            "arbitrage" => crowd.arbitrage = true,
            other => return Err(format!("'{other}' trades not: all, none, or some of noise,takers,maker,arbitrage")),
        }
    }
    Ok(Activity::Of(crowd))
}

fn parse_meta(words: &[String]) -> Result<MetaOutput, SandboxCommandError> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["pipe"] => Ok(MetaOutput::Pipe),
        ["socket"] => Ok(MetaOutput::UnixSocket),
        ["file", path] => Ok(MetaOutput::File(path.into())),
        _ => Err(SandboxCommandError::Meta(words.join(" "))),
    }
}

/// Why the sandbox does not run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxCommandError {
    /// The option is none.
    #[error("--meta {0}: write --meta pipe, --meta socket, or --meta file PATH")]
    Meta(String),
    /// A fault's rule.
    #[error("--fault: {0}")]
    Fault(#[from] FaultError),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The system gives no signals.
    #[error(transparent)]
    Signals(#[from] DeskError),
    /// A thread of the sandbox has ended.
    #[error("the sandbox is broken: no ledger closes any more, or its port is closed; what it wrote before says why")]
    Broken,
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Whoever knows the seed has this key: it is worth nothing outside of the sandbox.
fn user_key(seed: u64) -> [u8; 32] {
    Sha256::digest([b"stellar-connector sandbox account ".as_slice(), &seed.to_be_bytes()].concat()).into()
}

/// Runs a sandbox until it is told to end.
///
/// # Errors
/// If it cannot start, or cannot print.
pub fn run(args: &SandboxArgs, out: &mut impl Write) -> Result<(), SandboxCommandError> {
    let started = Instant::now();
    let told = told_to_end()?;
    start_log(Log { level: tracing::Level::WARN, format: LogFormat::Text });
    let sandbox = Sandbox::start(config(args)?)?;
    let addresses = addresses(args, &sandbox);
    if args.json {
        writeln!(out, "{addresses}")?
    } else {
        describe(args, &sandbox, &addresses, out)?
    }
    out.flush()?;
    let ends = || is_up(&told) || args.duration.is_some_and(|duration| started.elapsed() >= duration);
    while !ends() {
        if !sandbox.is_alive() {
            return Err(SandboxCommandError::Broken);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let refused = sandbox.refusals();
    let last = sandbox.stop();
    if args.json {
        let refused = json!({
            "connections": refused.connections, "slow_requests": refused.slow_requests,
            "oversized": refused.oversized, "slow_readers": refused.slow_readers,
            "over_memory": refused.over_memory, "price": refused.price, "slow_price": refused.slow_price,
            "meta": refused.meta,
        });
        writeln!(out, "{}", json!({"ledger": last.ledger.0, "close_time": last.close_time_s, "refused": refused}))?;
    } else {
        writeln!(out, "ended         after ledger {}", last.ledger.0)?;
    }
    Ok(())
}

fn config(args: &SandboxArgs) -> Result<SandboxConfig, SandboxCommandError> {
    let key = user_key(args.seed);
    let account = LocalSigner::from_seed(&key).public_key();
    let sign = move |hash: &[u8; 32]| LocalSigner::from_seed(&key).sign_hash(&TxHash(*hash));
    let mut world = WorldConfig::new(args.seed, EngineAccount::with_trustlines(account, sign));
    world.network_passphrase.clone_from(&args.passphrase);
    world.markets = args.markets;
    world.activity = args.traders;
    world.reference = args.reference.config();
    let mut config = SandboxConfig::new(world);
    config.close = CloseRule::Every(args.close_every);
    config.meta = parse_meta(&args.meta)?;
    (config.address, config.port) = (args.listen.ip(), args.listen.port());
    (config.price_address, config.price_port) = (args.price_listen.ip(), args.price_listen.port());
    if args.rate_limit > 0 {
        config.rate_limit = RateLimit { per_hour: args.rate_limit, ..RateLimit::HORIZON };
    }
    if !args.fault.is_empty() {
        let rules = format!(r#"{{"seed": {}, "rules": [{}]}}"#, args.seed, args.fault.join(", "));
        config.faults = FaultRules::parse(&rules)?;
    }
    config.state = args.state.clone().map(StateConfig::new);
    Ok(config)
}

/// Everything that a client needs.
fn addresses(args: &SandboxArgs, sandbox: &Sandbox) -> Value {
    let base = format!("http://{}", sandbox.address());
    let markets = sandbox.markets().iter().zip(sandbox.symbols()).map(|(market, symbol)| {
        json!({"base": asset_name(&market.base), "quote": asset_name(&market.quote), "reference": symbol})
    });
    json!({
        "horizon": format!("{base}/"),
        "rpc": format!("{base}/rpc"),
        "core": base,
        "friendbot": format!("{base}/friendbot"),
        "faults": format!("{base}/sandbox/faults"),
        "price": format!("ws://{}/v2", sandbox.price_address()),
        "meta": sandbox.meta_path(),
        "passphrase": sandbox.network_passphrase(),
        "account": sandbox.engine_account().to_string(),
        "secret": stellar_strkey::ed25519::PrivateKey(user_key(args.seed)).as_unredacted().to_string().as_str(),
        "markets": markets.collect::<Vec<_>>(),
        "ledger": sandbox.engine().ledger.0,
        "seed": args.seed,
        "resumed": sandbox.is_resumed(),
    })
}

fn asset_name(asset: &Asset) -> String {
    match asset {
        Asset::Native => "native".to_owned(),
        Asset::Credit { code, issuer } => format!("{code}:{issuer}"),
    }
}

fn describe(
    args: &SandboxArgs,
    sandbox: &Sandbox,
    addresses: &Value,
    out: &mut impl Write,
) -> Result<(), std::io::Error> {
    let text = |key: &str| addresses[key].as_str().unwrap_or_default().to_owned();
    writeln!(out, "Horizon       {}", text("horizon"))?;
    writeln!(out, "Stellar RPC   {}", text("rpc"))?;
    writeln!(out, "core          {}/tx and /info", text("core"))?;
    writeln!(out, "friendbot     {}?addr=G...", text("friendbot"))?;
    writeln!(out, "faults        {} (GET, PUT, DELETE)", text("faults"))?;
    writeln!(out, "price         {}", text("price"))?;
    writeln!(out, "ledgers       {}", sandbox.meta_path().display())?;
    writeln!(out, "network       \"{}\"", sandbox.network_passphrase())?;
    let markets = sandbox.markets();
    if let Some(market) = markets.first() {
        let (base, quote) = (asset_name(&market.base), asset_name(&market.quote));
        writeln!(
            out,
            "markets       {}: {base} for {quote}{}",
            markets.len(),
            if markets.len() > 1 { ", ..." } else { "" }
        )?;
    }
    writeln!(out, "account       {}, with 10,000 XLM and 1,000 of each credit", text("account"))?;
    writeln!(out, "              secret key {}", text("secret"))?;
    writeln!(
        out,
        "              (all keys here follow from the seed: they are worth nothing outside, use them nowhere else)"
    )?;
    let (ledger, every) = (&addresses["ledger"], args.close_every);
    let from = match (&args.state, sandbox.is_resumed()) {
        (None, _) => "kept nowhere".to_owned(),
        (Some(state), false) => format!("kept in {}", state.display()),
        (Some(state), true) => format!("going on with what {} kept", state.display()),
    };
    writeln!(out, "ledger        {ledger}, the next every {every:?}; seed {}, {from}; Ctrl-C ends", args.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SandboxArgs,
    }

    fn parsed(line: &str) -> Result<SandboxArgs, String> {
        let words = ["sandbox"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn traders_are_named_by_kind() {
        let traders = |line: &str| parsed(line).unwrap().traders;
        assert_eq!(traders(""), Activity::Of(Crowd::ALL));
        assert_eq!(traders("--traders none"), Activity::None);
        let some = Crowd { noise: true, arbitrage: true, ..Crowd::default() };
        assert_eq!(traders("--traders noise,arbitrage"), Activity::Of(some));
        assert!(parsed("--traders whales").unwrap_err().contains("'whales'"));
    }

    #[test]
    fn ledgers_close_within_reason() {
        let every = |text: &str| parsed(&format!("--close-every {text}")).map(|args| args.close_every);
        assert_eq!(every("600ms"), Ok(Duration::from_millis(600)));
        assert_eq!(every("6s"), Ok(Duration::from_secs(6)));
        for refused in ["0s", "0", "99ms", "61s", "soon"] {
            assert!(every(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn streams_and_faults_are_what_they_say_or_refused() {
        let meta = |line: &str| config(&parsed(line).unwrap()).map(|config| config.meta);
        assert_eq!(meta("").unwrap(), MetaOutput::UnixSocket);
        assert_eq!(meta("--meta pipe").unwrap(), MetaOutput::Pipe);
        assert_eq!(meta("--meta file a.xdr").unwrap(), MetaOutput::File("a.xdr".into()));
        for refused in ["--meta file", "--meta radio", "--meta pipe a.xdr"] {
            assert!(matches!(meta(refused), Err(SandboxCommandError::Meta(_))), "{refused}");
        }
        let mut args = parsed("").unwrap();
        args.fault = vec![r#"{"face": "core", "fault": "drop", "next": 1}"#.into(); 2];
        assert_ne!(config(&args).unwrap().faults, FaultRules::default());
        args.fault = vec!["drop everything".into()];
        assert!(matches!(config(&args), Err(SandboxCommandError::Fault(_))));
    }
}

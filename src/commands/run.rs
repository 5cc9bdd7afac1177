//! `run`: the engine on what a configuration names, until SIGTERM or Ctrl-C. `config`: the example of one.

use super::desk::{Desk, DeskError, Occasion, Told, is_up, told_to_end};
use crate::config::{Config, ConfigError, Environment, Log, LogFormat, example};
use crate::events::SnapshotDifference;
use crate::signer::Signer;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use tracing::{debug, info, warn};

/// Options of `run`.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration file; `stellar-connector config` prints an example with every key.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Options of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// Do not print the example, but say whether this file, with the environment and the secret as they are, would do.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// Why the engine does not run, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The desk.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    Random,
}

/// Runs the engine until the process is told to end; then cancels its quotes and waits for that to apply.
///
/// # Errors
/// If the configuration is refused, something does not start, or quotes still stand at the end.
pub fn run(args: &RunArgs) -> Result<(), RunError> {
    let told = told_to_end()?;
    let config = Config::load(&args.config, &Environment::of_process())?;
    start_log(config.log);
    let occasion = Occasion { mode: "run", seed: random()?, repeatable: false, fault: None };
    let (account, trading) = (config.signer.public_key(), config.trading_enabled);
    if config.starts_whole_at.is_none() && config.horizon.is_none() {
        warn!(
            "no [horizon] is configured to ask what came before the stream: the books stay incomplete, and nothing is quoted"
        );
    }
    if !trading {
        warn!("trading_enabled is false: everything runs, and nothing is quoted");
    }
    let markets = config.markets.len();
    let (mut desk, engine) = Desk::open(config, occasion)?;
    let plan = &desk.plan;
    info!(page = %format_args!("http://{}/", desk.address()), %account, markets, trading, %plan, "running");
    let ended = desk.keep(
        engine,
        || is_up(&told),
        |_, engine, event| {
            log(event, engine);
            Ok(())
        },
    )?;
    let transactions = &desk.transactions;
    info!(
        ledgers = desk.ledgers,
        submitted = transactions.submitted,
        applied = transactions.applied,
        failed = transactions.failed,
        offers = ended.offers,
        "ended"
    );
    desk.close();
    ended.quotes_gone(0)?;
    Ok(())
}

/// Prints the example, or checks a file.
///
/// # Errors
/// If the file is refused, or nothing can be printed.
pub fn config(args: &ConfigArgs, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    match &args.check {
        None => write!(out, "{}", example())?,
        Some(path) => {
            let config = Config::load(path, &Environment::of_process())?;
            let (account, markets) = (config.signer.public_key(), config.markets.len());
            writeln!(out, "{}: good; account {account}, {markets} markets", path.display())?;
        }
    }
    Ok(())
}

fn log(told: Told<'_>, engine: &super::engine::Engine) {
    match told {
        Told::Ledger(closed) => debug!(ledger = closed.seq.0, transactions = closed.transactions, "closed"),
        Told::Fill(fill) => {
            info!(market = fill.market, side = ?fill.side, base = %fill.base, quote = %fill.quote, price = fill.price, "filled");
        }
        Told::Whole(true) => info!(ledger = engine.views.read(|views| views.header().ledger), "the books are whole"),
        Told::Whole(false) => warn!("the books are not whole: nothing is quoted"),
        Told::MarketWhole(market, true) => info!(market, "the book is whole"),
        Told::MarketWhole(market, false) => warn!(market, "the book is not whole: nothing is quoted there"),
        Told::Difference(market, SnapshotDifference { offer, snapshot, book, ledger, .. }) => {
            warn!(market, offer = offer.0, ledger = ledger.0, ?snapshot, ?book, "Horizon and the book differ");
        }
        Told::Fault(source, fault) => warn!(source = source.0, fault = fault.name(), "a source said something wrong"),
        Told::Cancelling => info!("told to end: cancelling the quotes, and waiting for the ledger to say so"),
    }
}

/// Writes what happens to standard error.
pub(super) fn start_log(log: Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(log.level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn random() -> Result<u64, RunError> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RunError::Random)?;
    Ok(u64::from_ne_bytes(bytes))
}

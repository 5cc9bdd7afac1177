//! The command line.

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;
use stellar_connector::commands::{cancel_all, conformance, demo, latency, record, relay, replay, run, sandbox};
use stellar_connector::pipeline::allocations::CountingAllocator;

/// Counts what each thread allocates, so that `latency` can show that the hot ones do not.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Makes markets on Stellar's decentralised exchange.
#[derive(Debug, Parser)]
#[command(name = "stellar-connector", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a market on a Stellar ledger in this process, among simulated traders; with a status page.
    Demo(demo::DemoArgs),
    /// Run a Stellar ledger in this process, with Horizon, Stellar RPC, core and friendbot on one port, and traders on it.
    Sandbox(sandbox::SandboxArgs),
    /// Run the engine on what a configuration file names, until SIGTERM or Ctrl-C; with a status page.
    Run(run::RunArgs),
    /// Print a configuration file with every key and what it means, or check one.
    Config(run::ConfigArgs),
    /// Measure tick-to-wire on this machine, fused and split, beside stock Ed25519 signatures.
    Latency(latency::LatencyArgs),
    /// Keep the ledgers of a core's stream in rotating files, and fetch what was missed; or list what is kept.
    Record(record::RecordArgs),
    /// Own the pipe into which core writes its ledgers, and serve them to any number of engines.
    Relay(relay::RelayArgs),
    /// Run recorded ledgers through feed and book, and print what each market did.
    Replay(replay::Args),
    /// Replay a standalone network's recording on the ledger of this program, and compare every result and change.
    Conformance(conformance::ConformanceArgs),
    /// Take down an account's offers: for an engine that has died, which writes what is needed to standard input.
    CancelAll,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let done: Result<bool, Box<dyn std::error::Error>> = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Sandbox(args) => sandbox::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Run(args) => run::run(&args).map(|()| true).map_err(Into::into),
        Command::Config(args) => run::config(&args, &mut out).map(|()| true),
        Command::Latency(args) => latency::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Record(args) => record::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Relay(args) => relay::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Replay(args) => replay::run(&args, &mut out).map(|()| true).map_err(Into::into),
        Command::Conformance(args) => conformance::conformance(&args, &mut out).map_err(Into::into),
        Command::CancelAll => cancel_all::run(&mut std::io::stdin().lock(), &mut out).map_err(Into::into),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Standard error may be gone as well; the exit code still tells.
            let _written = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

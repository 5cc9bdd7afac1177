//! Replays what a flight recorder has kept: the same inputs through the same stages, and the same unsigned transactions
//! out.

use super::desk::{FlightConfig, RecordError};
use super::engine::{EngineError, EngineParts, fused_line};
use crate::events::{BookEvent, ConnId, ExecutionEvent, NetEvent, Now, Stamped, Submission};
use crate::pipeline::clock::ManualClock;
use crate::pipeline::flight::{FlightEntry, FlightError, FlightInput, FlightLog, Replayed, Run};
use crate::pipeline::line::Observe;
use crate::pipeline::placement::StageName;
use crate::signer::Signer;
use crate::stellar::{AccountId, TxHash};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Why a flight cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum FlightReplayError {
    /// Its files.
    #[error(transparent)]
    Files(#[from] FlightError),
    /// Its configuration.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The stages.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Standard output is gone.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Replays the last run of the recorder in `folder`, and prints the transactions that it sends, a line each, or as JSON.
///
/// # Errors
/// If there is no record, or it is of another version.
pub fn run(folder: &Path, as_json: bool, out: &mut impl Write) -> Result<(), FlightReplayError> {
    let log = FlightLog::open(folder, Run::Last)?;
    let (parts, account) = FlightConfig::parts(log.configuration())?;
    let flown = replay(&log, parts, account)?;
    let transactions = flown.submissions.iter();
    if as_json {
        let transactions: Vec<_> = transactions
            .map(|of| {
                json!({
                    "hash": of.hash.to_string(), "sequence": of.sequence.0, "market": of.market.0,
                    "operations": of.operations, "decided_on": of.decided_on.0, "max_ledger": of.max_ledger.0,
                })
            })
            .collect();
        let value = json!({
            "from_start": log.is_from_start(), "inputs": flown.inputs, "missing": flown.missing,
            "ledgers": flown.ledgers, "transactions": transactions,
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    for of in transactions {
        writeln!(
            out,
            "ledger {:>9}  market {:>3}  {:>3} operations  sequence {}  {}",
            of.decided_on, of.market.0, of.operations, of.sequence.0, of.hash
        )?;
    }
    if !log.is_from_start() {
        writeln!(out, "the record does not reach back to the start: what came of earlier inputs is not known")?;
    }
    writeln!(
        out,
        "{} inputs replayed, {} missing; {} ledgers, {} transactions",
        flown.inputs,
        flown.missing,
        flown.ledgers,
        flown.submissions.len()
    )?;
    Ok(())
}

/// Stands for the key in a replay: it has the account's public key, and makes no signature.
#[derive(Clone, Copy, Debug)]
pub struct NoSigner(pub AccountId);

impl Signer for NoSigner {
    fn public_key(&self) -> AccountId {
        self.0
    }

    fn sign(&mut self, _now: Now, _hash: &TxHash) -> [u8; 64] {
        [0; 64]
    }
}

/// What a replay came to.
#[derive(Clone, Debug, Default)]
pub struct Flown {
    /// The transactions that were sent, in order.
    pub submissions: Vec<Submission>,
    /// Ledgers that closed.
    pub ledgers: u64,
    /// Inputs replayed.
    pub inputs: u64,
    /// Inputs that the recorder had no room for, or that were lost at a file's end: what follows may differ.
    pub missing: u64,
}

impl Observe for Flown {
    fn book(&mut self, event: &Stamped<BookEvent>) {
        self.ledgers += u64::from(matches!(event.event, BookEvent::LedgerClosed(_)));
    }

    fn execution(&mut self, event: &ExecutionEvent) {
        if let ExecutionEvent::Submitted(submission) = event {
            self.submissions.push(*submission);
        }
    }
}

/// Takes a record through the line that `parts` make. A record of a line that was split is replayed fused, in the order
/// in which it was written.
///
/// # Errors
/// If the parts make no line.
pub fn replay(log: &FlightLog, parts: EngineParts, account: AccountId) -> Result<Flown, EngineError> {
    let feeds = u8::try_from(parts.feed.sources.len()).unwrap_or(u8::MAX);
    let clock = ManualClock::default();
    let (mut line, _views) = fused_line(parts.with_signer(NoSigner(account)), clock.clone())?;
    let mut flown = Flown::default();
    for replayed in log.records() {
        let FlightEntry { stage, now, input } = match replayed {
            Replayed::Entry(entry) => entry,
            Replayed::Gap { records, .. } => {
                flown.missing += records;
                continue;
            }
            Replayed::CutTail { .. } => {
                flown.missing += 1;
                continue;
            }
        };
        flown.inputs += 1;
        if now.mono >= clock_mono(&clock) {
            clock.set(now);
        }
        match input {
            FlightInput::Net(event) if stage == StageName::Execution => {
                line.on_net(now, shift(event, feeds), &mut flown)
            }
            FlightInput::Net(event) => line.on_net(now, event, &mut flown),
            FlightInput::Time => line.on_time(now, &mut flown),
            FlightInput::Control(control) => line.on_control(now, control, &mut flown),
        }
        for conn in (0..line.connections()).map(ConnId) {
            line.outbox(conn).clear();
            line.take_reset(conn);
        }
    }
    Ok(flown)
}

fn clock_mono(clock: &ManualClock) -> crate::events::MonoNanos {
    use crate::events::Clock as _;
    clock.mono()
}

/// Execution's own connections stand behind the feed's in a fused line.
fn shift(event: NetEvent<'_>, by: u8) -> NetEvent<'_> {
    let of = |conn: ConnId| ConnId(conn.0.saturating_add(by));
    match event {
        NetEvent::Opened(conn) => NetEvent::Opened(of(conn)),
        NetEvent::Bytes(conn, bytes) => NetEvent::Bytes(of(conn), bytes),
        NetEvent::Closed(conn) => NetEvent::Closed(of(conn)),
    }
}

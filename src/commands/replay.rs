//! `replay`: recorded ledgers through the real feed and the real book, and what was traded in them.
//!
//! Everything is read twice: the first pass finds the markets, the second runs feed and book over them. A ledger that
//! does not follow the one before it (another recording, a gap) begins a new run with empty books; what the runs traded
//! is added up. Recordings that `record` has made, and data lakes, have no gaps: what is missing there is an error.
//!
//! With a speed, the second pass goes at the distances of the ledgers' close times, and tells each as it comes.
//!
//! Claims are counted in the ledgers' results, hence with those of transactions that failed at a later operation and so
//! undid them; markets show only what was really traded.

mod input;
mod summary;
mod survey;

pub use input::{Input, InputArgs};
pub use summary::{MarketSummary, Summary};
pub use survey::Claims;

use super::flight::{self, FlightReplayError};
use crate::archive::{ArchiveError, Pace};
use crate::book::{BookConfig, BookLimits, BookStage, Level};
use crate::events::views::{ViewLimits, views};
use crate::events::{ConnId, FeedEvent, FeedFault, NetEvent, Now, Sink, Stage, Stamped};
use crate::feed::{Feed, FeedConfig, FeedLimits, SourceConfig};
use crate::stellar::{LedgerSeq, NetworkId, PUBLIC_PASSPHRASE};
use crate::wire::ledger::{SkimError, skim};
use crate::wire::record_mark::mark_of;
use crate::wire::recording::RecordingError;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use survey::{Glance, Plan, Survey};

/// Replay recorded ledgers and show what was traded in them.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Recordings, in the order of their ledgers: record-marked LedgerCloseMeta streams as stellar-core writes them, or
    /// LedgerCloseMetaBatch files of a data lake; plain or compressed by zstd.
    #[arg(required_unless_present_any = ["flight", "lake", "recordings"], value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Kept ledgers instead of files.
    #[command(flatten)]
    pub input: InputArgs,
    /// Instead of recordings: replay what a flight recorder has kept in this folder through the engine's stages, and print
    /// the transactions that they send.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["files", "lake", "recordings", "speed"])]
    pub flight: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be opened.
    #[error("{}: {error}", file.display())]
    Open {
        /// Which.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is damaged, or holds what this program does not know.
    #[error("{}: {place}: {cause}", file.display())]
    Recording {
        /// Which.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong there.
        cause: Cause,
    },
    /// Kept ledgers cannot be had, or do not follow each other.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A kept ledger holds what this program does not know.
    #[error("{place}: ledger {ledger}: {cause}")]
    Ledger {
        /// Where it came from.
        place: String,
        /// Its number.
        ledger: u32,
        /// What is wrong.
        cause: Cause,
    },
    /// A flight cannot be replayed.
    #[error(transparent)]
    Flight(#[from] FlightReplayError),
    /// The summary cannot be written.
    #[error("the summary cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// A place in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last ledger of the file that was good.
    pub after: Option<LedgerSeq>,
    /// Where the ledger after it begins, counted in the decompressed content.
    pub offset: u64,
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.after {
            Some(ledger) => write!(f, "ledger {} (after {ledger}, at byte {})", ledger.next(), self.offset),
            None => write!(f, "the first ledger (at byte {})", self.offset),
        }
    }
}

/// What is wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// It cannot be read on.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A ledger cannot be understood.
    #[error(transparent)]
    Skim(#[from] SkimError),
    /// The feed refused a ledger.
    #[error("the feed refused the ledger ({})", .0.name())]
    Feed(FeedFault),
    /// It cannot be told of.
    #[error("cannot print: {0}")]
    Output(io::Error),
}

/// Runs the command. The summary of what could be read is written in any case.
///
/// # Errors
/// If a recording cannot be read to its end, or the summary cannot be written.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), ReplayError> {
    if let Some(folder) = &args.flight {
        return Ok(flight::run(folder, args.json, out)?);
    }
    let input = args.input.input(&args.files);
    let mut pace = Pace::new(args.input.speed);
    let (summary, stopped) = replay_paced(&input, |glance| {
        if pace.is_paced() {
            std::thread::sleep(pace.wait(Instant::now(), glance.closed_at_s));
            if !args.json {
                writeln!(out, "{glance}")?;
                out.flush()?;
            }
        }
        Ok(())
    });
    if args.json {
        summary.write_json(out)?
    } else {
        summary.write_text(out)?
    }
    stopped
}

/// Replays recordings up to the first damage, if there is one.
pub fn replay(files: &[PathBuf]) -> (Summary, Result<(), ReplayError>) {
    replay_paced(&Input::Files(files.to_vec()), |_| Ok(()))
}

/// Replays ledgers up to the first damage. `before` is asked before each goes through feed and book, and may take its time.
fn replay_paced(
    input: &Input,
    mut before: impl FnMut(&Glance) -> io::Result<()>,
) -> (Summary, Result<(), ReplayError>) {
    let mut survey = Survey::default();
    // What stops the first pass stops the second in the same place.
    let _ = input.each_ledger(|bytes| look_at(bytes, &mut survey));
    let mut replay = Replay::new(survey.plan());
    let stopped = input.each_ledger(|bytes| {
        let glance = Glance::at(bytes)?;
        before(&glance).map_err(Cause::Output)?;
        replay.ledger(bytes, glance)
    });
    (replay.end(), stopped)
}

fn look_at(bytes: &[u8], survey: &mut Survey) -> Result<LedgerSeq, Cause> {
    // First, so that the survey hears nothing of a ledger that is damaged.
    let glance = Glance::at(bytes)?;
    skim(bytes, survey)?;
    Ok(glance.seq)
}

/// The second pass: feed, book, and the sum of the runs so far.
struct Replay {
    plan: Plan,
    run: Option<Run>,
    summary: Summary,
}

impl Replay {
    fn new(plan: Plan) -> Self {
        let summary = Summary::new(&plan.markets, plan.left_out);
        Self { plan, run: None, summary }
    }

    fn ledger(&mut self, bytes: &[u8], glance: Glance) -> Result<LedgerSeq, Cause> {
        let mut run = match self.run.take() {
            Some(run) if glance.follows(&run.last) => run,
            before => {
                before.iter().for_each(|run| self.summary.add(&run.stage));
                Run::new(&self.plan, glance)
            }
        };
        let taken = run.ledger(bytes, glance);
        self.run = Some(run);
        taken?;
        self.summary.see(&glance);
        Ok(glance.seq)
    }

    fn end(mut self) -> Summary {
        self.run.iter().for_each(|run| self.summary.add(&run.stage));
        self.summary.sort();
        self.summary
    }
}

/// Ledgers without a gap.
struct Run {
    feed: Feed,
    stage: BookStage,
    last: Glance,
}

const SOURCE: ConnId = ConnId(0);

/// The most offers that may stand at once. Those beyond are counted as left out.
const MOST_OFFERS: usize = 1 << 22;

/// What the books of one replay may take in memory, if every level there may be is used.
const LEVEL_BYTES: usize = 1 << 30;

impl Run {
    fn new(plan: &Plan, first: Glance) -> Self {
        let markets = plan.markets.markets().len();
        let room = ViewLimits { markets, accounts: 0, assets: plan.markets.assets().len(), offers_per_account: 0 };
        let most_levels = LEVEL_BYTES / size_of::<Level>() / 2 / markets.max(1);
        let config = BookConfig {
            ledger_sources: 1,
            starts_whole_at: None,
            limits: BookLimits {
                offers: plan.offers.min(MOST_OFFERS),
                levels_per_side: plan.offers_per_market.min(most_levels),
                own_offers: 0,
            },
            held_per_ledger: 1,
        };
        Self { feed: feed(plan), stage: BookStage::new(config, views(room).0), last: first }
    }

    fn ledger(&mut self, bytes: &[u8], glance: Glance) -> Result<(), Cause> {
        self.last = glance;
        let mut line = Line { stage: &mut self.stage, fault: None };
        let Some(mark) = mark_of(bytes.len()) else { unreachable!("a ledger of {} bytes was read", bytes.len()) };
        for part in [&mark[..], bytes] {
            self.feed.on_event(Now::default(), NetEvent::Bytes(SOURCE, part), &mut line);
        }
        line.fault.map_or(Ok(()), |fault| Err(Cause::Feed(fault)))
    }
}

/// A feed with one ledger source, and nobody's accounts.
fn feed(plan: &Plan) -> Feed {
    let config = FeedConfig {
        // It is in the hashes of our own transactions only, and there are none.
        network: NetworkId::from_passphrase(PUBLIC_PASSPHRASE),
        markets: Arc::clone(&plan.markets),
        accounts: Vec::new(),
        sources: vec![SourceConfig::CoreMeta],
        limits: FeedLimits::default(),
    };
    let Ok(mut feed) = Feed::new(&config) else { unreachable!("one source and no accounts contradict nothing") };
    feed.on_event(Now::default(), NetEvent::Opened(SOURCE), &mut Nobody);
    feed
}

/// From the feed straight into the book; nobody listens behind it.
struct Line<'r> {
    stage: &'r mut BookStage,
    fault: Option<FeedFault>,
}

impl Sink<Stamped<FeedEvent>> for Line<'_> {
    fn put(&mut self, item: Stamped<FeedEvent>) {
        if let FeedEvent::Fault(_, fault) = item.event {
            self.fault = Some(fault);
        }
        self.stage.on_event(Now::default(), item, &mut Nobody);
    }
}

struct Nobody;

impl<T> Sink<T> for Nobody {
    fn put(&mut self, _item: T) {}
}

//! `record`: the ledgers of a core's stream in rotating files, and what was missed from a lake, an RPC or other
//! recordings; `record --list`: what is kept.

mod list;

use super::desk::{DeskError, is_up, told_to_end};
use super::run::start_log;
use crate::archive::{Access, ArchiveError, Backfill, Keeping, Mended, News, Origin, Pen, Recorder, Rotation};
use crate::config::{Log, LogFormat, meta_stream, parse_duration};
use crate::events::NetEvent;
use crate::net::{ConnSettings, ConnState, Endpoint, NetError, Reactor, Timing};
use crate::pipeline::clock::SystemClock;
use crate::wire::record_mark::{DEFAULT_MAX_MESSAGE_BYTES, RecordSplitter};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How long it is waited for the stream before something else is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is said that the stream is not to be had.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);
/// A file's ledgers: some six hours of pubnet.
const FILE_LEDGERS: u32 = 4_096;

/// Options of `record`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecordArgs {
    /// Where stellar-core's stream of ledgers is read (its METADATA_OUTPUT_STREAM): pipe:/path, fd:N, unix:/path or
    /// tcp://host:port. It is opened again whenever it ends.
    #[arg(long, value_name = "ENDPOINT", value_parser = meta_stream, required_unless_present = "list")]
    pub from: Option<Endpoint>,
    /// The folder to record into. One process at a time.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Where ledgers are fetched that were missed: lake:URL or lake:DIR (a data lake, SEP-54), rpc:URL (Stellar RPC), or a
    /// folder of recordings.
    #[arg(long, value_name = "PLACE", conflicts_with = "list")]
    pub backfill: Option<Origin>,
    /// For https: addresses, trust the certificates of this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Delete the oldest files so that all together have at most so many bytes: 500M, 20G, 1T; at least 1M. Without it
    /// everything is kept.
    #[arg(long, value_name = "BYTES", value_parser = parse_keep_bytes)]
    pub keep_bytes: Option<u64>,
    /// Begin another file after so many ledgers.
    #[arg(long, value_name = "N", default_value_t = FILE_LEDGERS, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub file_ledgers: u32,
    /// Begin another file before one grows beyond so many bytes.
    #[arg(long, value_name = "BYTES", default_value = "256M", value_parser = parse_bytes)]
    pub file_bytes: u64,
    /// Stop by itself after this time, such as 30s, 5m or 500ms; without it, record until Ctrl-C or SIGTERM.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Do not record, but show which ledgers the folder holds, and which are missing.
    #[arg(long, conflicts_with_all = ["from", "duration"])]
    pub list: bool,
    /// With --list: also read every ledger, and check that each follows the one before it.
    #[arg(long, requires = "list")]
    pub check: bool,
    /// With --list: print one JSON object.
    #[arg(long, requires = "list")]
    pub json: bool,
}

/// Why a recording does not begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder, or the ledgers.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The stream brought ledgers that cannot be kept.
    #[error("the stream {0}: {1}")]
    Stream(String, ArchiveError),
    /// What was missed could not be fetched.
    #[error("ledgers are still missing, because --backfill was given up: {0}")]
    GivenUp(ArchiveError),
    /// Signals cannot be caught.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Nothing can be printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

/// Reads a number of bytes: `1000`, `500M`, `20G`; letters stand for powers of 1000.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let wanted = || format!("'{text}' is no number of bytes: write it like 1000000, 500M or 20G");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return Err(wanted()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wanted)
}

fn parse_keep_bytes(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if bytes < 1_000_000 { Err(format!("{text} keeps next to nothing: at least 1M")) } else { Ok(bytes) }
}

/// Runs the command.
///
/// # Errors
/// If the folder cannot be recorded into, ledgers of another chain come, or what was missed cannot be fetched.
pub fn run(args: &RecordArgs, out: &mut impl Write) -> Result<(), RecordError> {
    let Some(from) = args.from.clone().filter(|_| !args.list) else { return list::run(args, out) };
    let told = told_to_end()?;
    start_log(Log { level: tracing::Level::INFO, format: LogFormat::Text });
    let rotation = Rotation { ledgers: args.file_ledgers, bytes: args.file_bytes };
    let (recorder, mended) = Recorder::open(&args.dir, Keeping { rotation, keep_bytes: args.keep_bytes })?;
    mended.iter().for_each(log_mended);
    writeln!(out, "recording {from} into {}, which holds {}", args.dir.display(), list::words(&recorder.ranges()))?;
    out.flush()?;
    let access = Access { ca_file: args.ca_file.clone() };
    let origin = args.backfill.clone();
    let mut filling = Filling {
        backfill: origin.map(|origin| Backfill::start(&recorder, origin, access)).transpose()?,
        given_up: None,
    };
    let mut stream = Stream::open(from, &recorder)?;
    let until = args.duration.map(|duration| Instant::now() + duration);
    let mut recorded = Ok(());
    while recorded.is_ok() && !is_up(&told) && until.is_none_or(|until| Instant::now() < until) {
        recorded = stream.turn();
        filling.look();
    }
    filling.stop();
    // What was written is good, whatever came after it.
    stream.pen.finish()?;
    recorded?;
    let missing = recorder.gaps();
    writeln!(out, "recorded {} ledgers; the folder holds {}", stream.ledgers, list::words(&recorder.ranges()))?;
    match filling.given_up {
        Some(error) if !missing.is_empty() => Err(RecordError::GivenUp(error)),
        _ => Ok(()),
    }
}

/// What is fetched beside the stream.
struct Filling {
    backfill: Option<Backfill>,
    given_up: Option<ArchiveError>,
}

impl Filling {
    fn look(&mut self) {
        let news: Vec<News> = self.backfill.iter().flat_map(Backfill::news).collect();
        self.tell(news);
    }

    fn stop(&mut self) {
        let news = self.backfill.take().map(Backfill::stop).unwrap_or_default();
        self.tell(news);
    }

    fn tell(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Filled(from, to, count) => info!(from, to, count, "a gap is filled"),
                News::Trouble(why, pause) => warn!(%why, "a gap cannot be filled; tried again in {pause:?}"),
                News::GivenUp(why) => {
                    error!(%why, "gaps cannot be filled: the stream is recorded, what is missing stays missing");
                    self.given_up = Some(why);
                }
            }
        }
    }
}

/// The stream, and the file that it goes into.
struct Stream {
    endpoint: Endpoint,
    reactor: Reactor<SystemClock>,
    splitter: RecordSplitter,
    recorder: Recorder,
    pen: Pen,
    ledgers: u64,
    gaps: usize,
    complained: Instant,
}

impl Stream {
    fn open(endpoint: Endpoint, recorder: &Recorder) -> Result<Self, RecordError> {
        // One connection: nobody to come back together with, so that the jitter may be the same in every run.
        let settings = [ConnSettings::lasting(endpoint.clone())];
        let reactor = Reactor::new(&settings, Timing::default(), 0, SystemClock)?;
        let splitter = RecordSplitter::new(DEFAULT_MAX_MESSAGE_BYTES);
        let (pen, gaps) = (recorder.pen()?, recorder.gaps().len());
        Ok(Self {
            endpoint,
            reactor,
            splitter,
            recorder: recorder.clone(),
            pen,
            ledgers: 0,
            gaps,
            complained: Instant::now(),
        })
    }

    /// Waits a little for the stream, and keeps what it brings.
    fn turn(&mut self) -> Result<(), RecordError> {
        let (endpoint, splitter, pen) = (&self.endpoint, &mut self.splitter, &mut self.pen);
        let place = endpoint.to_string();
        let mut kept = Ok(0);
        let mut lost = false;
        let had_one = self.reactor.poll(LOOK_EVERY, |_, event| match event {
            NetEvent::Opened(_) => {
                info!(%endpoint, "the stream is open");
                splitter.reset();
            }
            NetEvent::Closed(_) => warn!(%endpoint, "the stream has ended; it is opened again"),
            NetEvent::Bytes(_, bytes) => {
                if let (false, Ok(count)) = (lost, &mut kept) {
                    match keep_all(splitter, pen, &place, bytes, count) {
                        Ok(is_stream) => lost = !is_stream,
                        Err(error) => kept = Err(error),
                    }
                }
            }
        })?;
        self.ledgers += kept.map_err(|error| RecordError::Stream(place, error))?;
        if lost {
            self.reactor.reset(crate::events::ConnId(0));
        }
        if !had_one {
            self.pen.sync()?;
            self.complain();
        }
        self.tell_of_gaps();
        Ok(())
    }

    /// Says now and then that the stream is not open, and why.
    fn complain(&mut self) {
        if self.complained.elapsed() < COMPLAIN_EVERY {
            return;
        }
        self.complained = Instant::now();
        let stats = self.reactor.stats();
        for stream in stats.snapshots().filter(|stream| stream.state != ConnState::Open) {
            warn!(endpoint = %self.endpoint, why = stream.last_error, "the stream is not open; it is tried again");
        }
    }

    fn tell_of_gaps(&mut self) {
        let gaps = self.recorder.gaps();
        if gaps.len() > self.gaps {
            warn!("ledgers are missing: {}", list::words(&gaps));
        }
        self.gaps = gaps.len();
    }
}

/// Keeps the ledgers that end in these bytes. False if they are no stream of ledgers, so that a fresh one is needed.
fn keep_all(
    splitter: &mut RecordSplitter,
    pen: &mut Pen,
    place: &str,
    mut bytes: &[u8],
    count: &mut u64,
) -> Result<bool, ArchiveError> {
    loop {
        match splitter.next(&mut bytes) {
            Ok(None) => return Ok(true),
            Ok(Some(ledger)) => {
                let kept = pen.keep(place, ledger)?;
                *count += u64::from(kept.new);
                for file in kept.deleted {
                    info!(file = %file.path.display(), "deleted, to stay below --keep-bytes");
                }
            }
            Err(error) => {
                warn!(stream = place, %error, "this is no stream of ledgers; it is opened again");
                return Ok(false);
            }
        }
    }
}

fn log_mended(mended: &Mended) {
    let file = mended.path.display();
    match (&mended.ledgers, &mended.cut) {
        (Some((first, last)), None) => info!(%file, first, last, "the last run's file is finished"),
        (Some((first, last)), Some((bytes, why))) => warn!(%file, first, last, bytes, why, "a torn end was cut off"),
        (None, _) => warn!(%file, "no whole ledger was in it: deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        assert_eq!(parse_bytes("1000"), Ok(1_000));
        assert_eq!(parse_bytes("20G"), Ok(20_000_000_000));
        for other in ["", "G", "1.5G", "-1", "1KB", "99999999999T"] {
            assert!(parse_bytes(other).is_err(), "{other}");
        }
        assert!(parse_keep_bytes("999K").is_err());
    }
}

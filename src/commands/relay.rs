//! `relay`: owns the pipe into which core writes its ledgers, and serves them to any number of engines.
//!
//! A broken pipe makes core fail inside its ledger close, and a full one makes it wait there. So the pipe is opened once
//! and never closed, and it is read before anything else is done; a reader that cannot keep up is dropped.

mod framing;

use super::desk::{DeskError, is_up, told_to_end};
use super::record::parse_bytes;
use super::run::start_log;
use crate::config::{Log, LogFormat, meta_stream, parse_duration};
use crate::net::Endpoint;
use crate::net::broadcast::{Broadcast, BroadcastLimits, Door, Gone, News};
use crate::net::inlet::{Arrived, Inlet};
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use framing::Framing;
use mio::{Events, Poll, Token};
use rustix::fs::{CWD, Mode};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tracing::{info, warn};

const PIPE: Token = Token(0);
const FIRST_READER: usize = 1;
/// The queue that is asked of the kernel for core's pipe: what an unprivileged process may have.
const PIPE_BYTES: usize = 1 << 20;
/// What is read of the pipe before the readers have their turn.
const TURN_BYTES: usize = 1 << 20;
/// How long it is waited for something to happen before the end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Options of `relay`.
#[derive(Clone, Debug, clap::Args)]
pub struct RelayArgs {
    /// Where core writes (its METADATA_OUTPUT_STREAM): pipe:/path, which is made if it is not there, or fd:N for a pipe
    /// that was inherited as this descriptor.
    #[arg(long, value_name = "PIPE", value_parser = core_pipe)]
    pub from: PathBuf,
    /// Where engines read: unix:/path (its owner alone may) or tcp://ADDRESS:PORT. May be given several times.
    #[arg(long, value_name = "ENDPOINT", required = true, value_parser = parse_place)]
    pub serve: Vec<Place>,
    /// Let tcp: be an address that other machines reach. Whoever reaches it reads the ledgers; there is nothing else to
    /// be had.
    #[arg(long)]
    pub expose: bool,
    /// How many of the last ledgers an engine gets when it comes: so long may it be away without a gap.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub keep_ledgers: u32,
    /// The most that is kept, for all readers together; a reader that is further behind is dropped.
    #[arg(long, value_name = "BYTES", default_value = "256M", value_parser = parse_bytes)]
    pub keep_bytes: u64,
    /// Readers at once; one more is turned away.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub readers: u16,
    /// Stop by itself after this time, such as 30s or 5m; without it, go on until Ctrl-C or SIGTERM.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
}

/// Where engines read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port.
    Tcp(SocketAddr),
}

/// Why a relay does not begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// Core's pipe.
    #[error("cannot use {path} as core's pipe: {source}", path = .path.display())]
    Pipe {
        /// The pipe.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A place to serve at.
    #[error("cannot serve at {place}: {source}")]
    Door {
        /// The place.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// Signals cannot be caught.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The event queue, or nothing can be printed.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

fn core_pipe(text: &str) -> Result<PathBuf, String> {
    match meta_stream(text) {
        Ok(Endpoint::Pipe { path }) => Ok(path),
        _ => Err(format!("'{text}' is no pipe: write pipe:/path or fd:N")),
    }
}

fn parse_place(text: &str) -> Result<Place, String> {
    if let Ok(Endpoint::Unix { path }) = meta_stream(text) {
        return Ok(Place::Unix(path));
    }
    let address = text.strip_prefix("tcp://").and_then(|address| address.parse().ok());
    address.map(Place::Tcp).ok_or_else(|| format!("'{text}' is no place: write unix:/path or tcp://127.0.0.1:PORT"))
}

/// Runs the command.
///
/// # Errors
/// If the pipe or a place cannot be had, or the system refuses what a loop needs.
pub fn run(args: &RelayArgs, out: &mut impl Write) -> Result<(), RelayError> {
    let told = told_to_end()?;
    start_log(Log { level: tracing::Level::INFO, format: LogFormat::Text });
    let mut relay = Relay::open(args)?;
    writeln!(out, "relaying {} at {}", args.from.display(), relay.places.join(" and "))?;
    out.flush()?;
    let until = args.duration.map(|duration| Instant::now() + duration);
    while !is_up(&told) && until.is_none_or(|until| Instant::now() < until) {
        relay.turn().map_err(|source| RelayError::Pipe { path: args.from.clone(), source })?;
    }
    let counts = relay.broadcast.counts();
    writeln!(
        out,
        "relayed {} ledgers, {} bytes, to {} readers; dropped {} of them for being too slow, turned {} away; \
         {} gaps, {} spoilt ledgers",
        counts.records,
        counts.bytes,
        counts.came,
        counts.dropped,
        counts.refused,
        relay.framing.gaps,
        relay.framing.spoilt,
    )?;
    Ok(())
}

struct Relay {
    poll: Poll,
    events: Events,
    pipe: Inlet,
    /// Whether the pipe may have something.
    readable: bool,
    framing: Framing,
    broadcast: Broadcast,
    places: Vec<String>,
    buffer: Box<[u8]>,
    /// Whether there is more to do at once.
    busy: bool,
}

impl Relay {
    fn open(args: &RelayArgs) -> Result<Self, RelayError> {
        let poll = Poll::new()?;
        // The places first: what is wrong with them shows before core gets a reader.
        let doors = args.serve.iter().map(|place| open_door(place, args.expose)).collect::<Result<Vec<_>, _>>()?;
        let places = doors.iter().map(Door::address).collect();
        let limits = BroadcastLimits {
            clients: usize::from(args.readers),
            keep_records: args.keep_ledgers as usize,
            max_bytes: usize::try_from(args.keep_bytes).unwrap_or(usize::MAX),
        };
        let broadcast = Broadcast::new(limits, doors, poll.registry(), FIRST_READER)?;
        let pipe =
            open_pipe(&args.from, &poll).map_err(|source| RelayError::Pipe { path: args.from.clone(), source })?;
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            pipe,
            readable: true,
            framing: Framing::new(DEFAULT_MAX_MESSAGE_BYTES),
            broadcast,
            places,
            buffer: vec![0; 64 << 10].into_boxed_slice(),
            busy: false,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let wait = if self.busy { Duration::ZERO } else { LOOK_EVERY };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        if self.events.is_empty() && !self.busy {
            self.broadcast.knock();
        }
        for event in &self.events {
            match event.token() {
                PIPE => self.readable = true,
                _ => self.broadcast.on_event(event),
            }
        }
        self.read()?;
        let broadcast = &mut self.broadcast;
        self.framing.on_time(Instant::now(), |ledger| broadcast.publish(ledger));
        self.busy = self.broadcast.write(self.poll.registry()) || self.readable;
        let last = self.framing.last();
        self.broadcast.take_news().for_each(|news| tell(&news, last));
        Ok(())
    }

    /// Takes what core has written, up to a turn's share.
    fn read(&mut self) -> io::Result<()> {
        let mut left = TURN_BYTES;
        while self.readable && left > 0 {
            match self.pipe.read(&mut self.buffer)? {
                Arrived::Dry => self.readable = false,
                Arrived::Ended => {
                    self.readable = false;
                    let broadcast = &mut self.broadcast;
                    self.framing.ended(|ledger| broadcast.publish(ledger));
                }
                Arrived::Bytes(count) => {
                    left = left.saturating_sub(count);
                    let broadcast = &mut self.broadcast;
                    self.framing.bytes(&self.buffer[..count], Instant::now(), |ledger| broadcast.publish(ledger));
                }
            }
        }
        Ok(())
    }
}

fn open_pipe(path: &Path, poll: &Poll) -> io::Result<Inlet> {
    match rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
        Ok(()) => info!(pipe = %path.display(), "the pipe is made"),
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let pipe = Inlet::open(path, poll.registry(), PIPE)?;
    pipe.widen(PIPE_BYTES);
    Ok(pipe)
}

fn open_door(place: &Place, expose: bool) -> Result<Door, RelayError> {
    let (door, name) = match place {
        Place::Unix(path) => (Door::unix(path), format!("unix:{}", path.display())),
        Place::Tcp(address) if !expose && !address.ip().is_loopback() => {
            let why = "other machines reach it, and whoever does reads the ledgers; if that is meant, say --expose";
            (Err(io::Error::new(ErrorKind::InvalidInput, why)), format!("tcp://{address}"))
        }
        Place::Tcp(address) => (Door::tcp(*address), format!("tcp://{address}")),
    };
    door.map_err(|source| RelayError::Door { place: name, source })
}

fn tell(news: &News, ledger: Option<u32>) {
    match news {
        News::Came { client } => info!(client, ledger, "a reader has come"),
        News::Gone { client, why: Gone::Left(None) } => info!(client, ledger, "a reader has left"),
        News::Gone { client, why: Gone::Left(Some(error)) } => warn!(client, ledger, %error, "a reader is lost"),
        News::Gone { client, why: Gone::TooSlow { records } } => {
            warn!(client, ledger, ledgers = records, "a reader is dropped: it is too slow");
        }
        News::Refused => warn!("a reader is turned away: there are as many as --readers allows"),
        News::Shut(error) => warn!(%error, "nobody can be let in; it is tried again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        assert_eq!(parse_place("unix:/run/meta"), Ok(Place::Unix("/run/meta".into())));
        assert_eq!(parse_place("tcp://127.0.0.1:0"), Ok(Place::Tcp(([127, 0, 0, 1], 0).into())));
        for other in ["", "unix:meta", "tcp://localhost:1", "tcp://127.0.0.1", "pipe:/run/meta", "127.0.0.1:1"] {
            assert!(parse_place(other).is_err(), "{other}");
        }
        assert_eq!(core_pipe("pipe:/run/meta"), Ok("/run/meta".into()));
        assert_eq!(core_pipe("fd:9"), Ok("/dev/fd/9".into()));
        for other in ["unix:/run/meta", "/run/meta", "fd:x"] {
            assert!(core_pipe(other).is_err(), "{other}");
        }
    }
}

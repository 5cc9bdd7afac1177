//! State that outlives the process (`--state DIR`).
//!
//! The promise: what was published is never contradicted. A ledger is on the disk, in the [log], before it goes to the
//! meta stream or is seen by any face; so after a restart, however the process died, the chain goes on from the last ledger
//! that anyone can have seen. Its state is a [snapshot], carried on by what the ledgers logged after it
//! [changed][changes]. Traders and prices go on where they were ([notes]).
//!
//! Transactions that wait for a ledger are not kept: nothing was promised them but to be tried, and their senders find
//! them in no ledger.
//!
//! On the disk: the log up to its bound (or as far as the older snapshot needs it: two segments), the segment that grows
//! (each ends at [`SEGMENT_BYTES`], and a ledger), two snapshots, and a third one while it is written. Files are their owner's alone, though they hold no keys: those follow
//! from the seed, which `identity.json` names.

mod changes;
mod error;
mod files;
mod log;
mod meta_file;
mod notes;
mod snapshot;
#[cfg(test)]
mod tests;

pub use error::StateError;
pub(crate) use meta_file::carry_file_on;
pub(crate) use notes::{Notes, ReferenceNotes};
pub(crate) use snapshot::content;

use super::ledger::Ledger;
use changes::{Entries, header_of};
use log::{Log, Logged};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use stellar_xdr::{Hash, LedgerCloseMeta, LedgerEntry, LedgerHeader, Limits, ReadXdr, WriteXdr};

/// A segment of the log ends, and a snapshot is taken, at so many bytes.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Snapshots that are kept: the older one for the case that the newer cannot be read.
const SNAPSHOTS: usize = 2;
/// The deepest nesting of a logged ledger.
const DEPTH: u32 = 1000;
const IDENTITY: &str = "identity.json";
const LOCK: &str = "lock";

/// Where and how state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The directory; made if it does not exist. What leads to it must.
    pub directory: PathBuf,
    /// Ledgers between two snapshots, at least one.
    pub snapshot_every: u32,
    /// Bytes of logged ledgers that are kept for Horizon and RPC to show after a restart.
    pub max_log_bytes: u64,
}

impl StateConfig {
    /// A snapshot every 256 ledgers, and 64 MiB of ledgers.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, snapshot_every: 256, max_log_bytes: 64 << 20 }
    }
}

/// What makes a world this one: each thing's name and value.
pub(crate) type Identity = BTreeMap<String, String>;

/// A state directory in use. Its lock goes with it.
#[derive(Debug)]
pub(crate) struct StateDir {
    config: StateConfig,
    log: Log,
    last_snapshot: u32,
    _lock: File,
}

/// A world as it was kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) header: LedgerHeader,
    pub(crate) entries: Vec<LedgerEntry>,
    pub(crate) notes: Option<Notes>,
    /// The logged ledgers in XDR, oldest first, up to the header's.
    pub(crate) ledgers: Vec<Vec<u8>>,
}

impl StateDir {
    /// Takes the directory, and reads the world in it, if there is one.
    pub(crate) fn open(config: StateConfig, identity: &Identity) -> Result<(Self, Option<Kept>), StateError> {
        let directory = config.directory.as_path();
        make_directory(directory)?;
        let lock = lock(directory)?;
        check_identity(directory, identity)?;
        let (mut log, logged) = Log::open(directory)?;
        let kept = match newest_snapshot(directory)? {
            Some(found) => {
                let kept = carry_on(directory, found, logged)?;
                if kept.ledgers.is_empty() {
                    // What ended before the snapshot would stand in front of what comes, with a hole between.
                    log.clear()?;
                }
                Some(kept)
            }
            // It died while it was founded: nobody has seen anything of it.
            None => {
                log.clear()?;
                None
            }
        };
        let last_snapshot = snapshot::list(directory)?.last().map_or(0, |(ledger, _)| *ledger);
        Ok((Self { config, log, last_snapshot, _lock: lock }, kept))
    }

    /// Keeps a ledger; when this returns, it may be published.
    pub(crate) fn keep(&mut self, ledger: u32, meta: &[u8], notes: &Notes) -> Result<(), StateError> {
        notes::write(&self.config.directory, notes)?;
        self.log.append(ledger, meta)
    }

    /// Keeps a ledger of the founding, after which there is a snapshot.
    pub(crate) fn keep_founding(&mut self, ledger: u32, meta: &[u8]) -> Result<(), StateError> {
        self.log.append(ledger, meta)
    }

    /// Whether it is time for a snapshot.
    pub(crate) fn wants_snapshot(&self, ledger: u32) -> bool {
        ledger >= self.last_snapshot.saturating_add(self.config.snapshot_every)
            || self.log.segment_bytes() >= SEGMENT_BYTES
    }

    /// Writes a snapshot, and removes what is not needed any more.
    pub(crate) fn snapshot(&mut self, ledger: &Ledger, notes: &Notes) -> Result<(), StateError> {
        self.write_snapshot(ledger.header().ledger_seq, &content(ledger, notes))
    }

    /// Writes a snapshot's [content].
    pub(crate) fn write_snapshot(&mut self, ledger: u32, content: &[u8]) -> Result<(), StateError> {
        if ledger == self.last_snapshot {
            return Ok(());
        }
        let directory = &self.config.directory;
        snapshot::write(directory, ledger, content)?;
        self.last_snapshot = ledger;
        self.log.end_segment();
        let all = snapshot::list(directory)?;
        let (old, kept) = all.split_at(all.len().saturating_sub(SNAPSHOTS));
        for (_, path) in old {
            std::fs::remove_file(path).map_err(StateError::io("remove", path))?;
        }
        let oldest = kept.first().map_or(ledger, |(oldest, _)| *oldest);
        self.log.prune(self.config.max_log_bytes, oldest)
    }
}

fn make_directory(directory: &Path) -> Result<(), StateError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StateError::io("make", directory)(error))
        }
        _ => Ok(()),
    }
}

/// The lock ends with the process, however that ends.
fn lock(directory: &Path) -> Result<File, StateError> {
    let path = directory.join(LOCK);
    let file = files::private().create(true).truncate(false).open(&path).map_err(StateError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(StateError::io("lock", &path)(error)),
    }
}

/// Compares what makes the world with what made the one that is kept; writes it down if nothing is.
fn check_identity(directory: &Path, identity: &Identity) -> Result<(), StateError> {
    let path = directory.join(IDENTITY);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let foreign = |name: &std::ffi::OsStr| name != LOCK && name != "identity.unfinished";
            let mut files = std::fs::read_dir(directory).map_err(StateError::io("list", directory))?;
            if files.any(|file| file.is_ok_and(|file| foreign(&file.file_name()))) {
                return Err(StateError::Foreign { directory: directory.to_owned(), missing: IDENTITY });
            }
            return files::replace(&path, &serde_json::to_vec_pretty(identity).unwrap_or_default());
        }
        Err(error) => return Err(StateError::io("read", &path)(error)),
    };
    let damaged = |error: serde_json::Error| StateError::Damaged { file: path, offset: 0, cause: error.to_string() };
    let kept: Identity = serde_json::from_slice(&text).map_err(damaged)?;
    let none = || "none".to_owned();
    for what in identity.keys().chain(kept.keys()) {
        let (asked, kept) = (identity.get(what), kept.get(what));
        if asked != kept {
            let (asked, kept) = (asked.cloned().unwrap_or_else(none), kept.cloned().unwrap_or_else(none));
            return Err(StateError::Differs { directory: directory.to_owned(), what: what.clone(), kept, asked });
        }
    }
    Ok(())
}

type Found = (PathBuf, snapshot::Snapshot);

/// The newest snapshot that can be read.
fn newest_snapshot(directory: &Path) -> Result<Option<Found>, StateError> {
    let mut failure = None;
    for (_, path) in snapshot::list(directory)?.into_iter().rev() {
        match snapshot::read(&path) {
            Ok(found) => return Ok(Some((path, found))),
            Err(error) => {
                tracing::warn!(%error, "a snapshot cannot be read; an older one is tried");
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(None), Err)
}

/// A snapshot, carried on by the ledgers that were logged after it; all of them must form one chain.
fn carry_on(directory: &Path, found: Found, logged: Vec<Logged>) -> Result<Kept, StateError> {
    let (path, snapshot::Snapshot { mut header, entries, notes }) = found;
    let start = header.ledger_seq;
    let mut entries = Entries::new(entries);
    let mut chain: Option<(u32, Hash)> = None;
    let mut ledgers = Vec::with_capacity(logged.len());
    for Logged { file, offset, meta } in logged {
        let limits = Limits { depth: DEPTH, len: meta.len() };
        let decoded = LedgerCloseMeta::from_xdr(&meta, limits).map_err(|error| StateError::Damaged {
            file: file.clone(),
            offset,
            cause: error.to_string(),
        })?;
        let of = header_of(&decoded);
        let ledger = of.header.ledger_seq;
        let unchained = |cause: &str| StateError::Unchained { file: file.clone(), ledger, cause: cause.to_owned() };
        if hash(&of.header) != of.hash {
            return Err(unchained("its hash is not its header's"));
        }
        if let Some((last, hash)) = &chain
            && (ledger != last + 1 || of.header.previous_ledger_hash != *hash)
        {
            return Err(unchained(&format!("ledger {last} has another hash, or some are missing between")));
        }
        if ledger == start && of.hash != hash(&header) {
            return Err(unchained(&format!("{} was taken of another one of this number", path.display())));
        }
        if ledger > start {
            if ledger != header.ledger_seq + 1 || of.header.previous_ledger_hash != hash(&header) {
                return Err(unchained(&format!(
                    "{} is of ledger {start}, from which it does not follow",
                    path.display()
                )));
            }
            entries.apply(&decoded);
            header = of.header.clone();
        }
        chain = Some((ledger, of.hash.clone()));
        ledgers.push(meta);
    }
    if chain.is_none_or(|(last, _)| last < header.ledger_seq) {
        tracing::warn!(
            ledger = header.ledger_seq,
            "the log ends before the snapshot: what happened before is not shown"
        );
        ledgers.clear();
    }
    let last = header.ledger_seq;
    let notes = notes::read(directory, last).or((last == start).then_some(notes));
    if notes.is_none() {
        tracing::warn!(ledger = last, "no notes of the last ledger: traders and prices begin anew");
    }
    Ok(Kept { header, entries: entries.into_values().collect(), notes, ledgers })
}

fn hash(header: &LedgerHeader) -> Hash {
    use sha2::Digest as _;
    Hash(sha2::Sha256::digest(header.to_xdr(Limits::none()).unwrap_or_default()).into())
}

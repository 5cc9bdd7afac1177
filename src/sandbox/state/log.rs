//! The log: every closed ledger, before anyone hears of it.
//!
//! It lies in segments, `ledgers-<first>.xdr`, of record-marked `LedgerCloseMeta`: what stellar-core streams, and
//! `stellar-connector replay` reads. Each ledger is on the disk before it is published.

use super::error::StateError;
use super::files::{numbered, private};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

const PREFIX: &str = "ledgers-";
/// The mark of a whole record, and its length.
pub(super) const LAST_FRAGMENT: u32 = 1 << 31;
const MARK_BYTES: usize = 4;

/// The segments on the disk, oldest first; the last one grows.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    segments: Vec<Segment>,
    /// The last segment, open for writing; none until something is appended.
    open: Option<File>,
}

#[derive(Clone, Debug)]
struct Segment {
    path: PathBuf,
    first: u32,
    bytes: u64,
}

/// A ledger as the log keeps it.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) file: PathBuf,
    pub(super) offset: u64,
    pub(super) meta: Vec<u8>,
}

impl Log {
    /// Reads what is there. A record at the very end that was cut off is removed: nobody has heard of its ledger.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Logged>), StateError> {
        let mut log = Self { directory: directory.to_owned(), segments: Vec::new(), open: None };
        let mut ledgers = Vec::new();
        let files = numbered(directory, PREFIX)?;
        let last = files.len().saturating_sub(1);
        for (index, (first, path)) in files.into_iter().enumerate() {
            let mut bytes = Vec::new();
            let mut file = File::open(&path).map_err(StateError::io("open", &path))?;
            file.read_to_end(&mut bytes).map_err(StateError::io("read", &path))?;
            let whole = split(&path, &bytes, &mut ledgers, index == last)?;
            if whole < bytes.len() {
                let file = File::options().write(true).open(&path).map_err(StateError::io("open", &path))?;
                let cut = file.set_len(whole as u64).and_then(|()| file.sync_all());
                cut.map_err(StateError::io("cut the torn end off", &path))?;
            }
            if whole == 0 {
                std::fs::remove_file(&path).map_err(StateError::io("remove", &path))?;
                continue;
            }
            log.segments.push(Segment { path, first, bytes: whole as u64 });
        }
        Ok((log, ledgers))
    }

    /// Adds a ledger, and waits until it is on the disk.
    pub(super) fn append(&mut self, ledger: u32, meta: &[u8]) -> Result<(), StateError> {
        let record = record(meta);
        let (directory, open) = (&self.directory, &mut self.open);
        let (file, segment) = match (open, self.segments.last_mut()) {
            (Some(file), Some(segment)) => (file, segment),
            (open, _) => {
                let path = directory.join(format!("{PREFIX}{ledger:010}.xdr"));
                let file = private().create_new(true).open(&path).map_err(StateError::io("make", &path))?;
                super::files::sync_directory(directory)?;
                self.segments.push(Segment { path, first: ledger, bytes: 0 });
                let Some(segment) = self.segments.last_mut() else { unreachable!("it was just pushed") };
                (open.insert(file), segment)
            }
        };
        if let Err(error) = file.write_all(&record).and_then(|()| file.sync_data()) {
            // What was written of it must not stand before the next try.
            let _ = file.set_len(segment.bytes).and_then(|()| file.seek(SeekFrom::Start(segment.bytes)));
            return Err(StateError::io("write a ledger to", &segment.path)(error));
        }
        segment.bytes += record.len() as u64;
        Ok(())
    }

    /// Ends the segment: the next ledger begins another.
    pub(super) fn end_segment(&mut self) {
        self.open = None;
    }

    /// Bytes of the segment that grows.
    pub(super) fn segment_bytes(&self) -> u64 {
        if self.open.is_some() { self.segments.last().map_or(0, |segment| segment.bytes) } else { 0 }
    }

    /// Removes the oldest segments while all together have more than `max_bytes`, but none with ledgers after
    /// `needed_after`.
    pub(super) fn prune(&mut self, max_bytes: u64, needed_after: u32) -> Result<(), StateError> {
        let total = |segments: &[Segment]| segments.iter().map(|segment| segment.bytes).sum::<u64>();
        while total(&self.segments) > max_bytes
            && let [oldest, next, ..] = self.segments.as_slice()
            && next.first <= needed_after.saturating_add(1)
        {
            std::fs::remove_file(&oldest.path).map_err(StateError::io("remove", &oldest.path))?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) -> Result<(), StateError> {
        self.open = None;
        for segment in self.segments.drain(..) {
            std::fs::remove_file(&segment.path).map_err(StateError::io("remove", &segment.path))?;
        }
        Ok(())
    }
}

pub(super) fn record(meta: &[u8]) -> Vec<u8> {
    let length = u32::try_from(meta.len()).unwrap_or(u32::MAX);
    assert!(length < LAST_FRAGMENT, "a ledger of {} bytes does not fit a record", meta.len());
    let mut record = Vec::with_capacity(MARK_BYTES + meta.len());
    record.extend_from_slice(&(length | LAST_FRAGMENT).to_be_bytes());
    record.extend_from_slice(meta);
    record
}

/// Cuts a segment into its ledgers and says how many of its bytes they are; only the last segment's end may be torn.
fn split(path: &Path, bytes: &[u8], into: &mut Vec<Logged>, may_be_torn: bool) -> Result<usize, StateError> {
    let mut offset = 0;
    while offset < bytes.len() {
        let damaged =
            |cause: &str| StateError::Damaged { file: path.to_owned(), offset: offset as u64, cause: cause.to_owned() };
        let rest = &bytes[offset..];
        let mark = rest.first_chunk::<MARK_BYTES>().map(|mark| u32::from_be_bytes(*mark));
        if mark.is_some_and(|mark| mark & LAST_FRAGMENT == 0) {
            return Err(damaged("there is no record mark"));
        }
        let length = mark.and_then(|mark| usize::try_from(mark & !LAST_FRAGMENT).ok());
        match length.and_then(|length| rest.get(MARK_BYTES..MARK_BYTES + length)) {
            Some(meta) => {
                into.push(Logged { file: path.to_owned(), offset: offset as u64, meta: meta.to_vec() });
                offset += MARK_BYTES + meta.len();
            }
            None if may_be_torn => break,
            None => return Err(damaged("a record ends too early")),
        }
    }
    Ok(offset)
}

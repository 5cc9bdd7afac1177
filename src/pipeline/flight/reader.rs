//! Reads what was recorded.

use super::FlightError;
use super::crc32::crc32;
use super::record::{FlightEntry, Record};
use super::writer::{MAGIC, SEGMENT_HEADER_BYTES, VERSION, segment_path};
use crate::pipeline::placement::StageName;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Which run's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The one that is running, or ran last.
    Last,
    /// The one before it.
    Previous,
}

/// A record of a run, in memory: both segments, each at most as long as it was allowed to become.
#[derive(Debug)]
pub struct FlightLog {
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    number: u64,
    bytes: Vec<u8>,
    configuration: core::ops::Range<usize>,
}

/// What a reader finds, in order. The records of one hot thread are in the order in which it made them; those of
/// different threads are in the order in which they were written, within milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed<'a> {
    /// An input.
    Entry(FlightEntry<'a>),
    /// So many records are missing here: the ring was full, or the disk.
    Gap {
        /// The stage whose record follows.
        stage: StageName,
        /// How many.
        records: u64,
    },
    /// A segment ends in so many bytes that are no whole record: the process, or the machine, died while writing. Or
    /// somebody has changed the file. What follows is the next segment.
    CutTail {
        /// The file.
        path: &'a Path,
        /// Where in it the last whole record ends.
        at: usize,
        /// Bytes that could not be used.
        bytes: usize,
    },
}

impl FlightLog {
    /// Opens a run's record in a recorder's folder.
    ///
    /// # Errors
    /// If there is none, or a file cannot be read or is none of ours. (A file that was begun and has no whole header
    /// yet is passed over if there is another.)
    pub fn open(folder: &Path, run: Run) -> Result<Self, FlightError> {
        let is_previous = run == Run::Previous;
        let mut segments = Vec::new();
        let mut begun = None;
        for index in 0..2 {
            let path = segment_path(folder, index, is_previous);
            match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(FlightError::Io { what: "read", path, source }),
                Ok(bytes) if bytes.len() < SEGMENT_HEADER_BYTES => begun = Some(path),
                Ok(bytes) => segments.push(Segment::parse(path, bytes)?),
            }
        }
        if let (true, Some(path)) = (segments.is_empty(), begun) {
            return Err(FlightError::Header { path, why: "it is shorter than a header" });
        }
        if segments.is_empty() {
            let run = if is_previous { "the previous" } else { "the last" };
            return Err(FlightError::Nothing { run, folder: folder.to_owned() });
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(Self { segments })
    }

    /// What the run's recorder was given to keep, such as its configuration.
    #[must_use]
    pub fn configuration(&self) -> &[u8] {
        let newest = self.segments.last();
        newest.map_or(&[], |segment| &segment.bytes[segment.configuration.clone()])
    }

    /// Whether the record goes back to the start of the run, or older parts of it were overwritten.
    #[must_use]
    pub fn is_from_start(&self) -> bool {
        self.segments.first().is_some_and(|segment| segment.number == 0)
    }

    /// All records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Replayed<'_>> {
        self.segments.iter().flat_map(Segment::records)
    }
}

impl Segment {
    fn parse(path: PathBuf, bytes: Vec<u8>) -> Result<Self, FlightError> {
        match parse_header(&bytes) {
            Ok((number, configuration)) => Ok(Self { path, number, bytes, configuration }),
            Err(why) => Err(FlightError::Header { path, why }),
        }
    }

    fn records(&self) -> impl Iterator<Item = Replayed<'_>> {
        // The checksum stands between configuration and records.
        let mut at = self.configuration.end + 4;
        core::iter::from_fn(move || {
            let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let Some((record, length)) = Record::decode(rest) else {
                let cut = Replayed::CutTail { path: &self.path, at, bytes: rest.len() };
                at = self.bytes.len();
                return Some(cut);
            };
            at += length;
            Some(match record {
                Record::Entry(entry) => Replayed::Entry(entry),
                Record::Gap { stage, records, .. } => Replayed::Gap { stage, records },
            })
        })
    }
}

/// A segment's number, and where its configuration lies.
fn parse_header(bytes: &[u8]) -> Result<(u64, core::ops::Range<usize>), &'static str> {
    const CUT: &str = "its header is cut";
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(CUT)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
    let (number, rest) = rest.split_first_chunk::<8>().ok_or(CUT)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
    if magic != MAGIC {
        return Err("it does not begin as one");
    }
    if u32::from_le_bytes(*version) != VERSION {
        return Err("it is of another version");
    }
    let length = u32::from_le_bytes(*length) as usize;
    let check = rest.get(length..).and_then(|rest| rest.first_chunk::<4>()).ok_or(CUT)?;
    let start = bytes.len() - rest.len();
    if crc32(&[&bytes[..start + length]]) != u32::from_le_bytes(*check) {
        return Err("its header is damaged");
    }
    Ok((u64::from_le_bytes(*number), start..start + length))
}

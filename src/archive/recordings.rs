//! Ledgers from a folder of recordings.

use super::failure::ArchiveError;
use super::frame::{Found, FrameReader};
use super::index::{FileEntry, Index};
use super::origin::Range;
use super::verified::Source;
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use std::io::ErrorKind;
use std::path::Path;

/// See the [module](self).
pub(super) struct Recordings {
    folder: String,
    index: Index,
    next: u32,
    to: u32,
    file: Option<(FileEntry, FrameReader)>,
}

impl Recordings {
    /// The ledgers of a range, which is all there is where it names no ends.
    pub(super) fn open(folder: &Path, range: Range) -> Result<Self, ArchiveError> {
        Self::of(folder, Index::read(folder)?, range)
    }

    /// The same, of a folder whose index was read.
    pub(super) fn of(folder: &Path, index: Index, range: Range) -> Result<Self, ArchiveError> {
        let place = folder.display().to_string();
        let (Some((first, _)), Some((_, last))) = (index.ranges().first().copied(), index.ranges().last().copied())
        else {
            return Err(ArchiveError::Asked(format!(
                "{place} holds no recording: files of `stellar-connector record` are called ledgers-*.xdr.zst (other \
                 recordings are replayed by naming the files)"
            )));
        };
        let (next, to) = (range.from.unwrap_or(first), range.to.unwrap_or(last));
        let gap = index.gaps().into_iter().find(|(start, end)| *start <= to && *end >= next);
        let missing = match gap {
            Some((start, end)) => Some((start.max(next), format!(": {start} to {end} are missing there"))),
            None if next < first || next > last => Some((next, format!(": it holds {first} to {last}"))),
            None => None,
        };
        if let Some((ledger, which)) = missing {
            let hint = format!("{which}; ask for a range without them, or let `record --backfill` bring them");
            return Err(ArchiveError::Missing { place, ledger, hint });
        }
        Ok(Self { folder: place, index, next, to: to.min(last), file: None })
    }

    /// Opens the file with the next ledger, before its first frame.
    fn open_next(&mut self, is_again: bool) -> Result<Option<(FileEntry, FrameReader)>, ArchiveError> {
        if self.next > self.to {
            return Ok(None);
        }
        let Some(entry) = self.index.file_with(self.next).cloned() else { return Ok(None) };
        let mut reader = match FrameReader::open(&entry.path, DEFAULT_MAX_MESSAGE_BYTES) {
            // A recorder that is at work has finished the file, and given it its name.
            Err(ArchiveError::Io { error, .. }) if error.kind() == ErrorKind::NotFound && !is_again => {
                self.index = Index::read(Path::new(&self.folder))?;
                return self.open_next(true);
            }
            opened => opened?,
        };
        let mut passed = Vec::new();
        for _ in entry.first..self.next {
            match reader.next(&mut passed)? {
                Found::Ledger => {}
                other => return Err(broken(&entry, &reader, other)),
            }
        }
        Ok(Some((entry, reader)))
    }
}

fn broken(entry: &FileEntry, reader: &FrameReader, found: Found) -> ArchiveError {
    let why = match found {
        Found::Damaged(why) => why,
        Found::Torn => "it was not written to its end".to_owned(),
        Found::End | Found::Ledger => {
            format!("the file ends, though its name says that ledger {} is its last", entry.last)
        }
    };
    ArchiveError::damaged(reader.place(), format!("{why}; {}", super::MOVE_AWAY))
}

impl Source for Recordings {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        if self.file.as_ref().is_none_or(|(entry, _)| self.next > entry.last) {
            self.file = self.open_next(false)?;
        }
        let Some((entry, reader)) = &mut self.file else { return Ok(false) };
        match reader.next(into)? {
            Found::Ledger => {
                self.next = self.next.saturating_add(1);
                Ok(true)
            }
            other => Err(broken(entry, reader, other)),
        }
    }

    fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| self.folder.clone(), |(_, reader)| reader.place())
    }
}

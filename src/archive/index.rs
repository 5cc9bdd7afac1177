//! Which ledgers a folder of recordings holds.
//!
//! A file that is finished is named for its ledgers, `ledgers-0000000002-0000000127.xdr.zst`; one that is being written,
//! or whose writer was stopped, for the first of them, `ledgers-0000000128.open.xdr.zst`. Other files are none of ours.

use super::failure::ArchiveError;
use super::frame::{Found, FrameReader};
use super::seal::Seal;
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const PREFIX: &str = "ledgers-";
const SUFFIX: &str = ".xdr.zst";
const OPEN: &str = ".open";

/// A file of a folder of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The file.
    pub path: PathBuf,
    /// Its first ledger.
    pub first: u32,
    /// Its last whole ledger.
    pub last: u32,
    /// Its size, bytes.
    pub bytes: u64,
    /// Whether it is being written, or its writer was stopped: its end may then be torn.
    pub open: bool,
}

/// The files of a folder of recordings, in the order of their first ledgers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The files.
    pub files: Vec<FileEntry>,
}

/// What a file's name says: its first ledger, and its last if it is finished.
fn read_name(name: &str) -> Option<(u32, Option<u32>)> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 10);
    let stem = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    if let Some(first) = stem.strip_suffix(OPEN) {
        return Some((number(first)?, None));
    }
    let (first, last) = stem.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, Some(last)))
}

pub(super) fn open_name(first: u32) -> String {
    format!("{PREFIX}{first:010}{OPEN}{SUFFIX}")
}

pub(super) fn finished_name(first: u32, last: u32) -> String {
    format!("{PREFIX}{first:010}-{last:010}{SUFFIX}")
}

/// What is good in a file, from its beginning.
#[derive(Debug)]
pub(super) struct Scan {
    /// The first and the last ledger.
    pub(super) ends: Option<(Seal, Seal)>,
    /// Where the last good frame ends.
    pub(super) good_bytes: u64,
    /// What follows there, if it is not the file's end.
    pub(super) broken: Option<String>,
}

/// Reads a file's ledgers as far as they are good and follow each other.
pub(super) fn scan(path: &Path) -> Result<Scan, ArchiveError> {
    let mut reader = FrameReader::open(path, DEFAULT_MAX_MESSAGE_BYTES)?;
    let (mut scan, mut ledger) = (Scan { ends: None, good_bytes: 0, broken: None }, Vec::new());
    loop {
        let broken = match reader.next(&mut ledger)? {
            Found::End => return Ok(scan),
            Found::Torn => "a frame that was not written to its end".to_owned(),
            Found::Damaged(why) => why,
            Found::Ledger => match next_seal(&ledger, scan.ends.as_ref().map(|(_, last)| last)) {
                Ok(seal) => {
                    scan.ends = Some((scan.ends.map_or(seal, |(first, _)| first), seal));
                    scan.good_bytes = reader.end();
                    continue;
                }
                Err(why) => why,
            },
        };
        scan.broken = Some(format!("{}: {broken}", reader.place()));
        return Ok(scan);
    }
}

fn next_seal(ledger: &[u8], before: Option<&Seal>) -> Result<Seal, String> {
    let seal = Seal::of(ledger).map_err(|error| error.to_string())?;
    before.map_or(Ok(()), |before| seal.follows(before)).map_err(|error| error.to_string())?;
    Ok(seal)
}

/// How often a folder is looked at again because a recorder has renamed or deleted a file meanwhile.
const LOOKS: u32 = 10;

impl Index {
    /// Looks at a folder. Finished files are taken at their names' word; one that is not finished is read.
    ///
    /// # Errors
    /// If the folder or such a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, ArchiveError> {
        let mut looks = 0;
        loop {
            looks += 1;
            match Self::of_names(folder)?.with_ends() {
                Err(ArchiveError::Io { error, .. }) if error.kind() == ErrorKind::NotFound && looks < LOOKS => {}
                read => return read,
            }
        }
    }

    /// Looks at names and sizes alone: a file that is not finished is listed with its first ledger.
    pub(super) fn of_names(folder: &Path) -> Result<Self, ArchiveError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(ArchiveError::io("read the folder", folder))? {
            let entry = entry.map_err(ArchiveError::io("read the folder", folder))?;
            let Some((first, last)) = entry.file_name().to_str().and_then(read_name) else { continue };
            let path = entry.path();
            match entry.metadata() {
                Ok(metadata) => {
                    let (bytes, open) = (metadata.len(), last.is_none());
                    files.push(FileEntry { path, first, last: last.unwrap_or(first), bytes, open });
                }
                // Deleted, or renamed: then its new name may have been listed, or not.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(ArchiveError::io("look at", &path)(error)),
            }
        }
        files.sort_by_key(|file| (file.first, file.last));
        Ok(Self { files })
    }

    /// Reads the files that are not finished; those without a whole ledger are left out.
    fn with_ends(mut self) -> Result<Self, ArchiveError> {
        for file in self.files.iter_mut().filter(|file| file.open) {
            match scan(&file.path)?.ends {
                Some((_, last)) => file.last = last.seq,
                None => file.bytes = 0,
            }
        }
        self.files.retain(|file| !(file.open && file.bytes == 0));
        Ok(self)
    }

    /// The ledgers that are held, as ranges that neither touch nor overlap.
    #[must_use]
    pub fn ranges(&self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for file in &self.files {
            match ranges.last_mut() {
                Some((_, last)) if file.first <= last.saturating_add(1) => *last = (*last).max(file.last),
                _ => ranges.push((file.first, file.last)),
            }
        }
        ranges
    }

    /// The ledgers that are missing between the first and the last.
    #[must_use]
    pub fn gaps(&self) -> Vec<(u32, u32)> {
        let ranges = self.ranges();
        ranges.windows(2).map(|pair| (pair[0].1 + 1, pair[1].0 - 1)).collect()
    }

    /// A file that holds this ledger: of several the one that goes on longest.
    #[must_use]
    pub fn file_with(&self, ledger: u32) -> Option<&FileEntry> {
        let holding = self.files.iter().filter(|file| (file.first..=file.last).contains(&ledger));
        holding.max_by_key(|file| file.last)
    }

    /// The size of all files, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_ledgers_and_other_files_are_none_of_ours() {
        assert_eq!(read_name(&finished_name(2, 127)), Some((2, Some(127))));
        assert_eq!(read_name(&open_name(4_294_967_295)), Some((u32::MAX, None)));
        for other in ["ledgers-2-127.xdr.zst", "ledgers-0000000003-0000000002.xdr.zst", "seed-01.xdr.zst", ".lock"] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }

    #[test]
    fn ranges_join_where_files_touch_and_gaps_lie_between() {
        let file = |first, last| FileEntry { path: PathBuf::new(), first, last, bytes: 10, open: false };
        let index = Index { files: vec![file(2, 9), file(5, 8), file(10, 12), file(20, 20), file(30, 31)] };
        assert_eq!(index.ranges(), [(2, 12), (20, 20), (30, 31)]);
        assert_eq!(index.gaps(), [(13, 19), (21, 29)]);
        assert_eq!(index.file_with(6).map(|file| file.last), Some(9));
        assert_eq!((index.file_with(13), index.bytes()), (None, 50));
    }
}

//! A recorder's folder: one recorder at a time, files mended that a crash has left, and the oldest deleted when there is
//! too much.

use super::failure::ArchiveError;
use super::frame::{Found, FrameReader};
use super::held::Held;
use super::index::{FileEntry, Index, scan};
use super::seal::Seal;
use super::writer::finish;
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";

/// What was done to a file that a crash had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The file as it is now called; as it was called, if nothing in it was good and it is gone.
    pub path: PathBuf,
    /// Its ledgers.
    pub ledgers: Option<(u32, u32)>,
    /// Bytes that were cut off, and why.
    pub cut: Option<(u64, String)>,
}

/// A folder that this process alone records into, until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, keeps others out, and mends what a crash has left.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Mended>), ArchiveError> {
        fs::create_dir_all(path).map_err(ArchiveError::io("make the folder", path))?;
        let lock_path = path.join(LOCK);
        let opened = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = opened.map_err(ArchiveError::io("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ArchiveError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(ArchiveError::io("lock", &lock_path)(error)),
        }
        let mended = mend(path)?;
        Ok((Self { path: path.to_owned(), _lock: lock }, mended))
    }

    /// What is there, with its ends. Of a range of files the first and the last are read; how those between follow each
    /// other is checked by whoever reads them.
    pub(super) fn held(&self) -> Result<Held, ArchiveError> {
        let index = Index::read(&self.path)?;
        let mut held = Held::default();
        for (first, last) in index.ranges() {
            let (Some(first_file), Some(last_file)) = (index.file_with(first), index.file_with(last)) else { continue };
            let ends = (first_seal(&first_file.path)?, last_seal(last_file)?);
            held.add(ends.0, ends.1).map_err(ArchiveError::chain(self.path.display().to_string()))?;
        }
        Ok(held)
    }

    /// Deletes the oldest finished files until the folder has room for `coming` more bytes below `keep`. The newest
    /// finished file stays in any case. Gives what was deleted, with the first ledger of what now comes first if that was
    /// the next.
    pub(super) fn prune(&self, keep: u64, coming: u64) -> Result<Vec<(FileEntry, Option<Seal>)>, ArchiveError> {
        let mut files = Index::of_names(&self.path)?.files;
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let mut deleted = Vec::new();
        while bytes.saturating_add(coming) > keep && files.iter().filter(|file| !file.open).count() > 1 {
            // A file before it that is still being written is a gap that is being filled: it will be finished, and go.
            let Some(oldest) = files.iter().position(|file| !file.open) else { break };
            let file = files.remove(oldest);
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(ArchiveError::io("delete", &file.path)(error));
                }
                _ => bytes = bytes.saturating_sub(file.bytes),
            }
            let next = files.iter().find(|next| Some(next.first) == file.last.checked_add(1));
            // One that is being written may have no whole ledger yet.
            let next = next.and_then(|next| first_seal(&next.path).ok());
            deleted.push((file, next));
        }
        Ok(deleted)
    }
}

/// Cuts what is broken off each file that was not finished, and finishes it.
fn mend(folder: &Path) -> Result<Vec<Mended>, ArchiveError> {
    let mut mended = Vec::new();
    for FileEntry { path, bytes: size, .. } in Index::of_names(folder)?.files.into_iter().filter(|file| file.open) {
        let scan = scan(&path)?;
        let cut = scan.broken.map(|why| (size - scan.good_bytes, why));
        let Some((first, last)) = scan.ends else {
            fs::remove_file(&path).map_err(ArchiveError::io("delete", &path))?;
            mended.push(Mended { path, ledgers: None, cut });
            continue;
        };
        let file = File::options().write(true).open(&path).map_err(ArchiveError::io("open", &path))?;
        file.set_len(scan.good_bytes).map_err(ArchiveError::io("cut", &path))?;
        file.sync_all().map_err(ArchiveError::io("synchronise", &path))?;
        let entry = FileEntry { path, first: first.seq, last: last.seq, bytes: scan.good_bytes, open: true };
        let entry = finish(entry)?;
        mended.push(Mended { path: entry.path, ledgers: Some((entry.first, entry.last)), cut });
    }
    Ok(mended)
}

fn first_seal(path: &Path) -> Result<Seal, ArchiveError> {
    let mut reader = FrameReader::open(path, DEFAULT_MAX_MESSAGE_BYTES)?;
    let mut ledger = Vec::new();
    let why = match reader.next(&mut ledger)? {
        Found::Ledger => return Seal::of(&ledger).map_err(ArchiveError::seal(reader.place())),
        Found::Damaged(why) => why,
        Found::End | Found::Torn => "no whole ledger stands there, though the file's name says so".to_owned(),
    };
    Err(ArchiveError::damaged(reader.place(), format!("{why}; {}", super::MOVE_AWAY)))
}

fn last_seal(file: &FileEntry) -> Result<Seal, ArchiveError> {
    let scan = scan(&file.path)?;
    match (scan.ends, scan.broken) {
        (Some((_, last)), None) if last.seq == file.last => Ok(last),
        (_, Some(why)) => Err(ArchiveError::damaged(why, super::MOVE_AWAY)),
        (ends, None) => {
            let until = ends.map_or(0, |(_, last)| last.seq);
            let why = format!("it ends with ledger {until}, though its name says {}; {}", file.last, super::MOVE_AWAY);
            Err(ArchiveError::damaged(file.path.display().to_string(), why))
        }
    }
}

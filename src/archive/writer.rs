//! Writes ledgers into rotating files.
//!
//! **What a crash can cost.** A ledger is one frame, and a frame is written by one `write`: a process that is killed
//! leaves at worst a torn frame at its file's end, before which everything can be read. When the machine stops, what was
//! not synchronised may be gone too: [`Writer::sync`] is called by whoever writes, once a second and whenever a source
//! has no more to give, and a file is synchronised before it gets its finished name.

use super::failure::ArchiveError;
use super::frame::FrameMaker;
use super::index::{FileEntry, finished_name, open_name};
use super::seal::Seal;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// When a file is finished and another begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The most ledgers of a file, at least 1.
    pub ledgers: u32,
    /// The most bytes of a file, except that one ledger always fits.
    pub bytes: u64,
}

/// Writes files of ledgers that follow each other.
pub(super) struct Writer {
    folder: PathBuf,
    rotation: Rotation,
    frames: FrameMaker,
    open: Option<Open>,
}

struct Open {
    file: File,
    entry: FileEntry,
    dirty: bool,
}

impl Writer {
    pub(super) fn new(folder: &Path, rotation: Rotation) -> Result<Self, ArchiveError> {
        let frames = FrameMaker::new().map_err(ArchiveError::io("set up zstd for", folder))?;
        Ok(Self { folder: folder.to_owned(), rotation, frames, open: None })
    }

    /// Writes a ledger; into another file if the one that is open is full, or ends elsewhere. Gives the file that was
    /// finished for that.
    pub(super) fn append(&mut self, seal: &Seal, ledger: &[u8]) -> Result<Option<FileEntry>, ArchiveError> {
        let frame = self.frames.frame(ledger).map_err(ArchiveError::io("compress a ledger for", &self.folder))?;
        let fits = |entry: &FileEntry| {
            entry.last.checked_add(1) == Some(seal.seq)
                && seal.seq - entry.first < self.rotation.ledgers
                && entry.bytes + frame.len() as u64 <= self.rotation.bytes
        };
        let finished = if self.open.as_ref().is_some_and(|open| fits(&open.entry)) { None } else { self.finish()? };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(seal.seq)?,
        };
        let written = open.append(seal.seq, &frame);
        self.open = Some(open);
        written.map(|()| finished)
    }

    fn begin(&self, first: u32) -> Result<Open, ArchiveError> {
        let path = self.folder.join(open_name(first));
        let file =
            File::options().append(true).create_new(true).open(&path).map_err(ArchiveError::io("create", &path))?;
        // Without its name on the disk, nothing of a file is there after a power cut.
        sync_folder(&self.folder)?;
        Ok(Open { file, entry: FileEntry { path, first, last: first, bytes: 0, open: true }, dirty: false })
    }

    /// Brings what was written to the disk.
    pub(super) fn sync(&mut self) -> Result<(), ArchiveError> {
        match &mut self.open {
            Some(open) if open.dirty => {
                open.file.sync_data().map_err(ArchiveError::io("synchronise", &open.entry.path))?;
                open.dirty = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Finishes the file that is open.
    pub(super) fn finish(&mut self) -> Result<Option<FileEntry>, ArchiveError> {
        self.sync()?;
        let Some(open) = self.open.take() else { return Ok(None) };
        finish(open.entry).map(Some)
    }
}

/// Gives a file that is written and synchronised the name of a finished one.
pub(super) fn finish(mut entry: FileEntry) -> Result<FileEntry, ArchiveError> {
    let finished = entry.path.with_file_name(finished_name(entry.first, entry.last));
    fs::rename(&entry.path, &finished).map_err(ArchiveError::io("rename", &entry.path))?;
    finished.parent().map_or(Ok(()), sync_folder)?;
    (entry.path, entry.open) = (finished, false);
    Ok(entry)
}

fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArchiveError::io("synchronise", folder))
}

impl Open {
    fn append(&mut self, seq: u32, frame: &[u8]) -> Result<(), ArchiveError> {
        if let Err(error) = self.file.write_all(frame) {
            // Half a frame in the middle would hide what follows it. If that fails too, the next start cuts it off.
            let _cut = self.file.set_len(self.entry.bytes);
            return Err(ArchiveError::io(
                "write (is the disk full? --keep-bytes bounds a recording)",
                &self.entry.path,
            )(error));
        }
        (self.dirty, self.entry.last) = (true, seq);
        self.entry.bytes += frame.len() as u64;
        Ok(())
    }
}

//! Keeps what a stream of ledgers brings, and what is brought from elsewhere to fill its gaps: each ledger once, and only
//! those that fit their neighbours.

use super::failure::ArchiveError;
use super::folder::{Folder, Mended};
use super::held::{Claim, Held};
use super::index::FileEntry;
use super::seal::Seal;
use super::writer::{Rotation, Writer};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long written ledgers may stay with the system before they are brought to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Files that may be open at once: the stream's, and the one of the gap that is being filled.
const OPEN_FILES: u64 = 2;
/// A file is at most this part of what is to be kept, so that deleting the oldest one leaves nearly all.
const PARTS_OF_KEPT: u64 = 8;

/// How ledgers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// When a file is finished.
    pub rotation: Rotation,
    /// The most bytes of all files; the oldest are deleted. `None` for no bound.
    pub keep_bytes: Option<u64>,
}

/// A folder that is recorded into.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: Folder,
    keeping: Keeping,
    held: Mutex<Held>,
}

/// One thread's way into the folder.
pub struct Pen {
    recorder: Recorder,
    writer: Writer,
    synced: Instant,
}

impl core::fmt::Debug for Pen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pen").finish_non_exhaustive()
    }
}

/// What became of a ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether it was written, and not there already (or older than everything that is).
    pub new: bool,
    /// Files that were deleted to make room.
    pub deleted: Vec<FileEntry>,
}

impl Recorder {
    /// Opens a folder, and makes it if need be. Says what a crash had left, and what was done about it.
    ///
    /// # Errors
    /// If another process records there, or something in it cannot be read.
    pub fn open(folder: &Path, mut keeping: Keeping) -> Result<(Self, Vec<Mended>), ArchiveError> {
        if let Some(keep) = keeping.keep_bytes {
            keeping.rotation.bytes = keeping.rotation.bytes.min(keep / PARTS_OF_KEPT);
        }
        let (folder, mended) = Folder::open(folder)?;
        let held = Mutex::new(folder.held()?);
        Ok((Self { shared: Arc::new(Shared { folder, keeping, held }) }, mended))
    }

    /// The ledgers that are held, as ranges.
    #[must_use]
    pub fn ranges(&self) -> Vec<(u32, u32)> {
        self.shared.held.lock().ranges()
    }

    /// The ledgers that are missing between the first and the last.
    #[must_use]
    pub fn gaps(&self) -> Vec<(u32, u32)> {
        self.shared.held.lock().gaps()
    }

    /// A way to write.
    ///
    /// # Errors
    /// If zstd cannot be set up.
    pub fn pen(&self) -> Result<Pen, ArchiveError> {
        let writer = Writer::new(&self.shared.folder.path, self.shared.keeping.rotation)?;
        Ok(Pen { recorder: self.clone(), writer, synced: Instant::now() })
    }

    fn prune(&self) -> Result<Vec<FileEntry>, ArchiveError> {
        let Some(keep) = self.shared.keeping.keep_bytes else { return Ok(Vec::new()) };
        let coming = self.shared.keeping.rotation.bytes.saturating_mul(OPEN_FILES);
        // Under the lock, so that one of two pens prunes at a time.
        let mut held = self.shared.held.lock();
        let mut deleted = Vec::new();
        for (file, next) in self.shared.folder.prune(keep, coming)? {
            held.forget(file.last, next);
            deleted.push(file);
        }
        Ok(deleted)
    }
}

impl Pen {
    /// Keeps a ledger that came from `place`, unless it is there.
    ///
    /// # Errors
    /// If the bytes are no ledger, or one of another chain than those that are held, or it cannot be written.
    pub fn keep(&mut self, place: &str, ledger: &[u8]) -> Result<Kept, ArchiveError> {
        let seal = Seal::of(ledger).map_err(ArchiveError::seal(place))?;
        self.keep_sealed(place, &seal, ledger)
    }

    /// As [`keep`](Self::keep), for a ledger whose seal is known.
    ///
    /// # Errors
    /// If it is of another chain than the ledgers that are held, or cannot be written.
    pub fn keep_sealed(&mut self, place: &str, seal: &Seal, ledger: &[u8]) -> Result<Kept, ArchiveError> {
        let claimed = self.recorder.shared.held.lock().claim(seal);
        if claimed.map_err(ArchiveError::chain(place))? != Claim::New {
            return Ok(Kept::default());
        }
        let finished = self.writer.append(seal, ledger)?;
        let deleted = if finished.is_some() { self.recorder.prune()? } else { Vec::new() };
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(Kept { new: true, deleted })
    }

    /// Brings what was written to the disk. To be called when nothing more is there to be kept for now.
    ///
    /// # Errors
    /// If the system cannot.
    pub fn sync(&mut self) -> Result<(), ArchiveError> {
        self.synced = Instant::now();
        self.writer.sync()
    }

    /// Finishes the file that is open.
    ///
    /// # Errors
    /// If it cannot be brought to the disk, or renamed.
    pub fn finish(&mut self) -> Result<(), ArchiveError> {
        self.writer.finish()?;
        self.recorder.prune().map(|_deleted| ())
    }
}

//! What the world remembers beside its ledger: how far its random streams are, and where reference prices stand.
//!
//! Written before each ledger is logged, to one of two files in turn: whatever moment the process dies in, the last logged
//! ledger's are whole.

use super::error::StateError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is noted of a world after a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// After which.
    pub(crate) ledger: u32,
    /// How far the traders' random stream is, 32-bit words, in decimal.
    pub(crate) traders: String,
    pub(crate) reference: ReferenceNotes,
}

/// What is noted of the reference prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReferenceNotes {
    /// How far their random stream is.
    pub(crate) random: String,
    /// Which symbol beside the first ticked last.
    pub(crate) other: usize,
    /// The middle of each symbol: the bits of a double.
    pub(crate) mids: Vec<u64>,
    /// The symbols whose trend leads down.
    pub(crate) falling: Vec<usize>,
}

fn path(directory: &Path, ledger: u32) -> PathBuf {
    directory.join(format!("notes-{}.json", ledger % 2))
}

/// Writes the notes of a ledger over those of the last but one.
pub(super) fn write(directory: &Path, notes: &Notes) -> Result<(), StateError> {
    let path = path(directory, notes.ledger);
    let mut file = super::files::private().create(true).truncate(true).open(&path);
    let written = file
        .as_mut()
        .map_err(|error| std::io::Error::from(error.kind()))
        .and_then(|file| std::io::Write::write_all(file, &serde_json::to_vec(notes).unwrap_or_default()));
    written.map_err(StateError::io("write", &path))
}

/// The notes of a ledger, if they are there and whole.
pub(super) fn read(directory: &Path, ledger: u32) -> Option<Notes> {
    let notes: Notes = serde_json::from_slice(&std::fs::read(path(directory, ledger)).ok()?).ok()?;
    (notes.ledger == ledger).then_some(notes)
}

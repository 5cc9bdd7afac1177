//! Snapshots: all of a ledger, in one file that is there as a whole or not at all.
//!
//! `snapshot-<ledger>.xdr` is a line of JSON ([`Manifest`]), the header and the entries in XDR one after the other, and
//! the SHA-256 of all that.

use super::error::StateError;
use super::files::{numbered, replace};
use super::notes::Notes;
use crate::sandbox::ledger::Ledger;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use stellar_xdr::{LedgerEntry, LedgerHeader, LedgerKey, Limited, Limits, ReadXdr, WriteXdr};

const PREFIX: &str = "snapshot-";
/// The version of this file's form.
const FORMAT: u32 = 1;
const HASH_BYTES: usize = 32;
/// The deepest nesting of an entry.
const DEPTH: u32 = 200;

/// A snapshot's first line.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    ledger: u32,
    entries: usize,
    notes: Notes,
}

/// A snapshot that was read.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) header: LedgerHeader,
    pub(super) entries: Vec<LedgerEntry>,
    pub(super) notes: Notes,
}

/// A ledger as a snapshot's content; entries by key, so that one state is one file.
pub(crate) fn content(ledger: &Ledger, notes: &Notes) -> Vec<u8> {
    let entries: BTreeMap<LedgerKey, LedgerEntry> = ledger.entries().map(|entry| (entry.to_key(), entry)).collect();
    let manifest =
        Manifest { format: FORMAT, ledger: ledger.header().ledger_seq, entries: entries.len(), notes: notes.clone() };
    let mut content = Limited::new(serde_json::to_vec(&manifest).unwrap_or_default(), Limits::none());
    content.inner.push(b'\n');
    let written = ledger.header().write_xdr(&mut content);
    let written = written.and_then(|()| entries.values().try_for_each(|entry| entry.write_xdr(&mut content)));
    assert!(written.is_ok(), "XDR is written to memory");
    let mut content = content.inner;
    let hash = Sha256::digest(&content);
    content.extend_from_slice(&hash);
    content
}

/// Puts a snapshot's content in its place.
pub(super) fn write(directory: &Path, ledger: u32, content: &[u8]) -> Result<(), StateError> {
    replace(&directory.join(format!("{PREFIX}{ledger:010}.xdr")), content)
}

/// The snapshots in a directory, oldest first.
pub(super) fn list(directory: &Path) -> Result<Vec<(u32, PathBuf)>, StateError> {
    numbered(directory, PREFIX)
}

/// Reads one.
pub(super) fn read(path: &Path) -> Result<Snapshot, StateError> {
    let content = std::fs::read(path).map_err(StateError::io("read", path))?;
    let damaged =
        |offset: usize, cause: String| StateError::Damaged { file: path.to_owned(), offset: offset as u64, cause };
    let Some((body, hash)) = content.split_last_chunk::<HASH_BYTES>() else {
        return Err(damaged(content.len(), "it is too short".into()));
    };
    if Sha256::digest(body).as_slice() != hash {
        return Err(damaged(body.len(), "its hash is another's".into()));
    }
    let line = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
    let manifest: Manifest =
        serde_json::from_slice(&body[..line]).map_err(|error| damaged(0, format!("its first line: {error}")))?;
    if manifest.format != FORMAT {
        let cause = format!("it is of format {}, this program writes and reads {FORMAT}", manifest.format);
        return Err(damaged(0, cause));
    }
    let xdr = body.get(line + 1..).unwrap_or_default();
    let mut xdr = Limited::new(Cursor::new(xdr), Limits { depth: DEPTH, len: xdr.len() });
    let mut parts = || {
        let header = LedgerHeader::read_xdr(&mut xdr)?;
        let entries: Result<Vec<_>, _> = (0..manifest.entries).map(|_| LedgerEntry::read_xdr(&mut xdr)).collect();
        Ok((header, entries?))
    };
    let read: Result<(LedgerHeader, Vec<LedgerEntry>), stellar_xdr::Error> = parts();
    let (header, entries) = read.map_err(|error| damaged(line + 1, error.to_string()))?;
    Ok(Snapshot { header, entries, notes: manifest.notes })
}

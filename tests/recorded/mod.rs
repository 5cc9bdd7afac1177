//! Where the recorded ledgers are. Those in `tests/recordings` are the project's own; the others are read in place, from
//! `STELLAR_VECTORS`, and a test that finds none says so.
#![allow(dead_code, reason = "each test uses its own part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use stellar_connector::stellar::{NetworkId, PUBLIC_PASSPHRASE};
use stellar_connector::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use stellar_connector::wire::recording::Recording;

/// The recordings of `tests/recordings`, in order.
pub(crate) fn committed() -> Vec<PathBuf> {
    let mut files = files_of(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings")));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "zst"));
    assert!(!files.is_empty(), "tests/recordings holds no recording");
    files
}

/// The recordings beside the project; empty, with a word on standard output, where there are none.
pub(crate) fn beside() -> Vec<PathBuf> {
    let folder = vectors();
    let mut files = Vec::new();
    for part in ["core-27/OfferTests", "core-27/PathPaymentTests"] {
        files.extend(files_of(&folder.join(part)));
    }
    files.extend(Some(folder.join("FCD285FF--53312000.xdr.zstd")).filter(|path| path.exists()));
    if files.is_empty() {
        println!("skipped: no recorded ledgers in {}; set STELLAR_VECTORS", folder.display());
    }
    files
}

fn vectors() -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    std::env::var_os("STELLAR_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from)
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Calls `see` with the ledgers of a recording, each with its place, and says how many they are.
pub(crate) fn ledgers_of(path: &Path, mut see: impl FnMut(&str, &[u8])) -> usize {
    let mut recording = Recording::open(File::open(path).unwrap(), DEFAULT_MAX_MESSAGE_BYTES).unwrap();
    let mut count = 0;
    while let Some(ledger) = recording.next_ledger().unwrap() {
        see(&format!("{}, ledger {count} of the file", path.display()), ledger);
        count += 1;
    }
    assert!(count > 0, "{} holds no ledger", path.display());
    count
}

/// Calls `see` with every recorded ledger that is to be had, and says how many they are.
pub(crate) fn each_ledger(mut see: impl FnMut(&str, &[u8])) -> usize {
    committed().iter().chain(&beside()).map(|path| ledgers_of(path, &mut see)).sum()
}

/// Pubnet ledger 53,312,000, if it is to be had.
pub(crate) fn pubnet_ledger() -> Option<Vec<u8>> {
    let path = beside().into_iter().find(|path| path.ends_with("FCD285FF--53312000.xdr.zstd"))?;
    let mut found = None;
    ledgers_of(&path, |_, bytes| found = Some(bytes.to_vec()));
    found
}

/// The largest ledger of the project's own recordings.
pub(crate) fn largest_committed() -> Vec<u8> {
    let mut largest = Vec::new();
    for path in committed() {
        ledgers_of(&path, |_, bytes| {
            if bytes.len() > largest.len() {
                largest = bytes.to_vec();
            }
        });
    }
    largest
}

/// The network that a recording was made on.
pub(crate) fn network_of(path: &Path) -> NetworkId {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap();
    if name.starts_with("FCD285FF") {
        return NetworkId::from_passphrase(PUBLIC_PASSPHRASE);
    }
    let Some(stem) = name.strip_suffix(".xdr.zst") else {
        return NetworkId::from_passphrase("(V) (;,,;) (V)");
    };
    let manifest = std::fs::read_to_string(path.with_file_name(format!("{stem}.manifest.json"))).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    NetworkId(hex::decode(manifest["network_id"].as_str().unwrap()).unwrap().try_into().unwrap())
}

/// The ledger with the record mark that stellar-core puts before it.
pub(crate) fn marked(ledger: &[u8]) -> Vec<u8> {
    let mark = 0x8000_0000 | u32::try_from(ledger.len()).unwrap();
    [&mark.to_be_bytes()[..], ledger].concat()
}

//! Our ledger against recordings of the real one: nothing may differ.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use stellar_connector::commands::conformance::{ConformanceArgs, conformance, replay_file};

fn recordings(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(extension));
    files.sort();
    files
}

/// Replays files on two threads and tells of every one that differs.
fn replay_all(files: Vec<PathBuf>) -> u64 {
    let files = Mutex::new(files);
    let failures = Mutex::new(Vec::new());
    let operations = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(path) = files.lock().unwrap().pop() else { break };
                    let report = replay_file(&path, None).unwrap();
                    *operations.lock().unwrap() += report.operations;
                    if let Some(first) = report.first {
                        let failure = format!("{}: {} mismatches\n{first}", path.display(), report.mismatches);
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    operations.into_inner().unwrap()
}

#[test]
fn every_committed_recording_replays_without_a_difference() {
    let files = recordings(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings"), ".xdr.zst");
    assert_eq!(files.len(), 17);
    assert_eq!(replay_all(files), 77_165);
}

#[test]
fn cores_own_tests_of_the_newest_protocols_replay_without_a_difference() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    let vectors = std::env::var("STELLAR_VECTORS").unwrap_or_else(|_| default.to_owned());
    let folders = ["core-27/OfferTests", "core-27/PathPaymentTests"];
    let files: Vec<PathBuf> =
        folders.iter().flat_map(|folder| recordings(&Path::new(&vectors).join(folder), ".xdr")).collect();
    if files.is_empty() {
        println!("skipped: no recordings in {vectors}, which STELLAR_VECTORS names");
        return;
    }
    assert!(replay_all(files) >= 343);
}

/// A small recording, unpacked.
fn small_recording() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/seed-05.xdr.zst");
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

fn run(name: &str, bytes: &[u8], json: bool) -> (bool, String) {
    let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let args = ConformanceArgs { files: vec![path.clone()], passphrase: Some("lcm corpus 05".into()), json };
    let mut out = Vec::new();
    let same = conformance(&args, &mut out).unwrap();
    std::fs::remove_file(path).unwrap();
    (same, String::from_utf8(out).unwrap())
}

#[test]
fn the_sums_are_printed_for_people_and_for_programs() {
    let bytes = small_recording();
    let (same, text) = run("plain.xdr", &bytes, false);
    assert!(same);
    assert_eq!(text, "65 ledgers, 1277 transactions, 4634 operations, 0 mismatches\n");
    let (same, text) = run("json.xdr", &bytes, true);
    assert!(same);
    let sums: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sums, serde_json::json!({"ledgers": 65, "transactions": 1277, "operations": 4634, "mismatches": 0}));
}

/// One stroop more or less in what was recorded must be noticed: a comparison that cannot fail shows nothing.
#[test]
fn a_single_changed_bit_is_a_mismatch_and_shown_in_full() {
    use stellar_xdr::{LedgerCloseMeta, Limits, ReadXdr, WriteXdr};
    let bytes = small_recording();
    let mut changed = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = (u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) & 0x7fff_ffff) as usize;
        let mut meta = LedgerCloseMeta::from_xdr(&bytes[at + 4..at + 4 + length], Limits::none()).unwrap();
        at += 4 + length;
        let LedgerCloseMeta::V0(v0) = &mut meta else { panic!("protocol 19 writes version 0") };
        if v0.ledger_header.header.ledger_seq == 60 {
            let mut processing = v0.tx_processing.to_vec();
            processing[0].result.result.fee_charged += 1;
            v0.tx_processing = processing.try_into().unwrap();
        }
        let body = meta.to_xdr(Limits::none()).unwrap();
        changed.extend((u32::try_from(body.len()).unwrap() | 0x8000_0000).to_be_bytes());
        changed.extend(body);
    }
    let (same, text) = run("changed.xdr", &changed, false);
    assert!(!same);
    assert!(text.contains("ledger 60: the result differs") && text.contains("fee_charged"), "{text}");
    assert!(text.ends_with("1 mismatches\n"), "{text}");
}

#[test]
fn what_is_no_recording_is_named() {
    let folder = std::env::temp_dir().join(format!("no-recording-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("broken.xdr");
    let whole = small_recording();
    for (bytes, wanted) in [
        (whole[..whole.len() - 3].to_vec(), "record 65 is cut short by 3 bytes"),
        ([&[0x80, 0, 0, 4], &[0xff; 4][..]].concat(), "record 1 is no LedgerCloseMeta"),
        (vec![0xff; 4], "longer than the limit"),
        (Vec::new(), "holds no ledger"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = replay_file(&path, Some("lcm corpus 05")).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    std::fs::write(&path, whole).unwrap();
    let error = replay_file(&path, Some("another network")).unwrap_err().to_string();
    assert!(error.contains("--passphrase"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

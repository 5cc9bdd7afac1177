//! `stellar-connector conformance`: does our ledger do what stellar-core did?

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::sandbox::ledger::replay::{Report, replay};
use crate::stellar::{PUBLIC_PASSPHRASE, STANDALONE_PASSPHRASE, TESTNET_PASSPHRASE};

/// The passphrase of stellar-core's own tests.
pub const CORE_TEST_PASSPHRASE: &str = "(V) (;,,;) (V)";

/// The passphrase of the network on which the next protocol is tried out.
const FUTURENET_PASSPHRASE: &str = "Test SDF Future Network ; October 2022";

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Replays recorded ledgers of a standalone network and compares results and changes.
#[derive(Clone, Debug, clap::Args)]
pub struct ConformanceArgs {
    /// Recordings from a network's second ledger on: record-marked `LedgerCloseMeta`, plain or zstd.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The network's passphrase, if it is none of the well-known ones. A file `NAME.manifest.json` beside `NAME.xdr.zst`
    /// may also give it.
    #[arg(long)]
    pub passphrase: Option<String>,
    /// Prints one JSON object: ledgers, transactions, operations, mismatches.
    #[arg(long)]
    pub json: bool,
}

/// Why the replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// A recording cannot be replayed.
    #[error("{path}: {source}", path = .path.display())]
    Replay {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: crate::sandbox::ledger::replay::ReplayError,
    },
    /// The answer cannot be printed.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Replays all files, prints the sums and the first mismatch; `true` if nothing differed.
///
/// # Errors
/// If a file cannot be replayed, or nothing can be printed.
pub fn conformance(args: &ConformanceArgs, out: &mut dyn Write) -> Result<bool, ConformanceError> {
    let mut sum = Report::default();
    for path in &args.files {
        let report = replay_file(path, args.passphrase.as_deref())?;
        sum.ledgers += report.ledgers;
        sum.transactions += report.transactions;
        sum.operations += report.operations;
        sum.mismatches += report.mismatches;
        if let (None, Some(first)) = (&sum.first, report.first) {
            if !args.json {
                writeln!(out, "{}: {first}", path.display())?;
            }
            sum.first = Some(first);
        }
    }
    let Report { ledgers, transactions, operations, mismatches, .. } = sum;
    if args.json {
        let sums = serde_json::json!({
            "ledgers": ledgers, "transactions": transactions, "operations": operations, "mismatches": mismatches,
        });
        writeln!(out, "{sums}")?;
    } else {
        writeln!(
            out,
            "{ledgers} ledgers, {transactions} transactions, {operations} operations, {mismatches} mismatches"
        )?;
    }
    Ok(mismatches == 0)
}

/// Replays one recording.
///
/// # Errors
/// If it cannot be read or is none of a standalone network.
pub fn replay_file(path: &Path, passphrase: Option<&str>) -> Result<Report, ConformanceError> {
    let failed = |source| ConformanceError::Replay { path: path.to_owned(), source };
    let in_manifest = passphrase_in_manifest(path);
    let known =
        [STANDALONE_PASSPHRASE, CORE_TEST_PASSPHRASE, TESTNET_PASSPHRASE, PUBLIC_PASSPHRASE, FUTURENET_PASSPHRASE];
    let candidates: Vec<&str> = match passphrase {
        Some(passphrase) => vec![passphrase],
        None => in_manifest.as_deref().into_iter().chain(known).collect(),
    };
    let mut reader = open(path).map_err(|error| failed(error.into()))?;
    replay(&mut reader, &candidates).map_err(failed)
}

/// Opens a recording, unpacking it if it is packed.
fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut magic)?;
    file.rewind()?;
    let reader = BufReader::with_capacity(1 << 20, file);
    Ok(if magic == ZSTD_MAGIC { Box::new(zstd::Decoder::with_buffer(reader)?) } else { Box::new(reader) })
}

/// The passphrase in the manifest beside a recording, if there is one.
fn passphrase_in_manifest(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let manifest = path.with_file_name(format!("{}.manifest.json", name.split('.').next()?));
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest).ok()?).ok()?;
    Some(manifest.get("passphrase")?.as_str()?.to_owned())
}

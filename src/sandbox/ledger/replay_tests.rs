//! Submissions that stellar-core refused while it was recorded.

use std::path::Path;

use stellar_xdr::TransactionResult;

use super::super::submission::judge;
use super::*;

/// A transaction that core refused, after which ledger, and how.
struct Refused {
    after_ledger: u32,
    tag: String,
    envelope: TransactionEnvelope,
    result: TransactionResult,
}

fn refused(path: &Path) -> Vec<Refused> {
    let Ok(lines) = std::fs::read_to_string(path) else { return Vec::new() };
    let entries = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let errors = entries.filter(|entry| entry["status"] == "ERROR");
    errors
        .map(|entry| Refused {
            after_ledger: u32::try_from(entry["after_ledger"].as_u64().unwrap()).unwrap(),
            tag: entry["tag"].as_str().unwrap().to_owned(),
            envelope: TransactionEnvelope::from_xdr_base64(entry["envelope"].as_str().unwrap(), Limits::none())
                .unwrap(),
            result: TransactionResult::from_xdr_base64(entry["result"].as_str().unwrap(), Limits::none()).unwrap(),
        })
        .collect()
}

/// That core let several transactions of an account wait, each with the next sequence number, and what a full queue
/// wants as a fee, is not in a recording.
fn depends_on_the_queue(ours: Option<&TransactionResult>, theirs: &TransactionResult) -> bool {
    use stellar_xdr::TransactionResultResult as R;
    let ours_by_sequence = ours.is_some_and(|ours| ours.result == R::TxBadSeq) && theirs.result != R::TxBadSeq;
    ours_by_sequence || (ours.is_none() && matches!(theirs.result, R::TxBadSeq | R::TxInsufficientFee))
}

#[test]
fn what_core_refused_when_it_was_handed_in_is_refused_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(stem) = path.to_str().unwrap().strip_suffix(".xdr.zst") else { continue };
        let refused = refused(Path::new(&format!("{stem}.rejected.jsonl")));
        let seed = &stem[stem.len() - 2..];
        let passphrase = format!("lcm corpus {seed}");
        let bytes = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
        let mut reader = &bytes[..];
        let mut replayer: Option<Replayer> = None;
        while let Some(record) = read_record(&mut reader).unwrap() {
            let recorded = Recorded::new(LedgerCloseMeta::from_xdr(&record, Limits::none()).unwrap());
            let replayer = replayer.get_or_insert_with(|| Replayer::new(&passphrase, &recorded).unwrap());
            replayer.ledger(&recorded, &mut Report::default()).unwrap();
            let seq = recorded.header.ledger_seq;
            for refused in refused.iter().filter(|refused| refused.after_ledger == seq) {
                let frame = Frame::new(refused.envelope.clone(), &replayer.network.0);
                replayer.store.header.ledger_seq += 1;
                let ours = judge(&replayer.store, &frame, 10);
                replayer.store.header.ledger_seq -= 1;
                if depends_on_the_queue(ours.as_ref().err(), &refused.result) {
                    continue;
                }
                assert_eq!(ours, Err(refused.result.clone()), "{seed} after {seq}: {}", refused.tag);
                judged += 1;
            }
        }
    }
    assert!(judged > 200, "{judged}");
}

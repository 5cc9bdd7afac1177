//! What recordings show beside results and changes: the order in which transactions applied, and the submissions that
//! stellar-core refused while it was recorded.

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
        while let Some(record) = read_record(&mut reader, 0).unwrap() {
            let recorded = Recorded::new(LedgerCloseMeta::from_xdr(&record, Limits::none()).unwrap());
            let replayer = replayer.get_or_insert_with(|| Replayer::new(&passphrase, &recorded));
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

#[test]
fn transactions_apply_in_the_order_in_which_core_applied_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut of_several = 0;
    for seed in ["01", "05", "12", "15"] {
        let path = folder.join(format!("seed-{seed}.xdr.zst"));
        let bytes = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
        let network = NetworkId::from_passphrase(&format!("lcm corpus {seed}"));
        let mut reader = &bytes[..];
        while let Some(record) = read_record(&mut reader, 0).unwrap() {
            let recorded = Recorded::new(LedgerCloseMeta::from_xdr(&record, Limits::none()).unwrap());
            let set = tx_set::unpack(&recorded.set, &network.0, 100, 100);
            let ours = tx_set::in_apply_order(set, &recorded.header.scp_value.tx_set_hash);
            let ours: Vec<Hash> = ours.into_iter().map(|priced| priced.frame.hash).collect();
            let theirs: Vec<Hash> =
                recorded.transactions.iter().map(|done| done.result.transaction_hash.clone()).collect();
            assert_eq!(ours, theirs, "{seed}, ledger {}", recorded.header.ledger_seq);
            of_several += u32::from(theirs.len() > 1);
        }
    }
    assert!(of_several > 100, "{of_several}");
}

/// Records as they lie in a file, of seed 05.
fn records() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/seed-05.xdr.zst");
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let mut reader = &bytes[..];
    let bodies = core::iter::from_fn(|| read_record(&mut reader, 0).unwrap());
    let mark = |body: &[u8]| (u32::try_from(body.len()).unwrap() | LAST_FRAGMENT).to_be_bytes();
    bodies.map(|body| [&mark(&body), &body[..]].concat()).collect()
}

#[test]
fn a_recording_that_lacks_its_beginning_or_a_ledger_is_refused_and_says_which() {
    let records = records();
    let replay = |records: &[&[Vec<u8>]]| {
        let bytes = records.concat().concat();
        replay(&mut &bytes[..], &["lcm corpus 05"]).map(|report| report.mismatches).map_err(|error| error.to_string())
    };
    assert_eq!(replay(&[&records[..20]]), Ok(0));
    let late = replay(&[&records[1..20]]).unwrap_err();
    assert!(late.contains("begins with ledger 3"), "{late}");
    let gap = replay(&[&records[..10], &records[12..20]]).unwrap_err();
    assert!(gap.contains("from ledger 11 on to ledger 14"), "{gap}");
    let twice = replay(&[&records[..10], &records[..10]]).unwrap_err();
    assert!(twice.contains("from ledger 11 on to ledger 2"), "{twice}");
}

#[test]
fn a_recording_of_a_protocol_that_is_not_known_is_refused_and_says_so() {
    let first = LedgerCloseMeta::from_xdr(&records()[0][4..], Limits::none()).unwrap();
    let replay_as = |protocol: u32| {
        let mut recorded = Recorded::new(first.clone());
        recorded.header.ledger_version = protocol;
        let error = Replayer::new("lcm corpus 05", &recorded).check(&recorded).unwrap_err();
        error.to_string()
    };
    assert!(replay_as(CURRENT_PROTOCOL + 1).contains("this program knows 17 to 27"));
}

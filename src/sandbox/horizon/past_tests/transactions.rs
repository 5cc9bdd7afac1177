//! Transactions, member by member (Horizon's `protocols/horizon.Transaction`).

use super::bodies::{UNIT, XLM, pay};
use super::story::{ALICE, BOB, CAROL, Story};
use super::tale::Tale;
use super::{assert_members, members};
use crate::sandbox::history::HistoryBounds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stellar_xdr::{
    Duration, LedgerBounds, LedgerEntryChanges, Limits, Memo, Preconditions, PreconditionsV2, ReadXdr, SequenceNumber,
    SignerKey, TimeBounds, TimePoint, Transaction, TransactionEnvelope, TransactionMeta, TransactionResult, Uint256,
};

const MEMBERS: &[&str] = &[
    "_links",
    "id",
    "paging_token",
    "successful",
    "hash",
    "ledger",
    "created_at",
    "source_account",
    "source_account_sequence",
    "fee_account",
    "fee_charged",
    "max_fee",
    "operation_count",
    "envelope_xdr",
    "result_xdr",
    "result_meta_xdr",
    "fee_meta_xdr",
    "memo_type",
    "signatures",
];

fn pair() -> Tale {
    Tale::of(&[ALICE, BOB], HistoryBounds::default())
}

/// Alice pays Bob in a transaction that is changed in some way, and the ledger closes.
fn payment(tale: &mut Tale, change: impl FnOnce(&mut Transaction)) -> (String, TransactionEnvelope) {
    let mut tx = tale.transaction(&ALICE.key(), vec![pay(&BOB.address(), &XLM, UNIT)]);
    change(&mut tx);
    let envelope = tale.signed(tx, &[ALICE.key()]);
    let hash = tale.submit(&envelope);
    tale.fixture.close();
    (hash, envelope)
}

fn of(tale: &Tale, hash: &str) -> Value {
    tale.object(&format!("/transactions/{hash}")).unwrap()
}

fn read<T: ReadXdr>(text: &Value) -> T {
    T::from_xdr_base64(text.as_str().unwrap(), Limits::none()).unwrap()
}

#[test]
fn a_plain_transaction_has_horizons_members_and_its_xdr_reads_back() {
    let mut tale = pair();
    let (hash, envelope) = payment(&mut tale, |_| {});
    let shown = of(&tale, &hash);
    assert_members(&shown, MEMBERS, "");
    let (ledger, tx) = tale.fixture.history.transaction(&super::tale::hash_of(&hash)).unwrap();
    assert_eq!(read::<TransactionEnvelope>(&shown["envelope_xdr"]), envelope);
    assert_eq!(read::<TransactionResult>(&shown["result_xdr"]), tx.result);
    assert_eq!(read::<TransactionMeta>(&shown["result_meta_xdr"]), tx.meta);
    assert_eq!(read::<LedgerEntryChanges>(&shown["fee_meta_xdr"]), tx.fee_changes);
    assert_eq!(shown["ledger"], ledger.seq());
    assert_eq!((&shown["fee_charged"], &shown["max_fee"]), (&json!("100"), &json!("100")));
    assert_eq!((&shown["id"], &shown["hash"]), (&json!(hash), &json!(hash)));
    assert_eq!((&shown["source_account"], &shown["fee_account"]), (&json!(ALICE.g()), &json!(ALICE.g())));
    let links = members(&shown["_links"]);
    assert_eq!(links, ["account", "effects", "ledger", "operations", "precedes", "self", "succeeds", "transaction"]);
    assert_eq!(shown["_links"]["self"]["href"], format!("http://sandbox:8000/transactions/{hash}"));
    assert_eq!(shown["_links"]["operations"]["templated"], true);
}

#[test]
fn memos_are_shown_by_their_type() {
    let mut tale = pair();
    let text = Memo::Text(b"caf\xe9".to_vec().try_into().unwrap());
    let hash = stellar_xdr::Hash([7; 32]);
    let encoded = STANDARD.encode([7; 32]);
    let memos = [
        (Memo::None, "none", Value::Null, Value::Null),
        (text, "text", json!("caf\u{fffd}"), json!(STANDARD.encode(b"caf\xe9"))),
        (Memo::Id(u64::MAX), "id", json!("18446744073709551615"), Value::Null),
        (Memo::Hash(hash.clone()), "hash", json!(encoded), Value::Null),
        (Memo::Return(hash), "return", json!(encoded), Value::Null),
    ];
    for (memo, kind, shown_memo, bytes) in memos {
        let (hash, _) = payment(&mut tale, |tx| tx.memo = memo);
        let shown = of(&tale, &hash);
        assert_eq!((&shown["memo_type"], &shown["memo"], &shown["memo_bytes"]), (&json!(kind), &shown_memo, &bytes));
    }
}

#[test]
fn preconditions_are_shown_as_far_as_there_are_any() {
    let mut tale = pair();
    let (hash, _) = payment(&mut tale, |tx| {
        tx.cond = Preconditions::Time(TimeBounds { min_time: TimePoint(0), max_time: TimePoint(0) });
    });
    assert_eq!(of(&tale, &hash)["preconditions"], json!({"timebounds": {"min_time": "0"}}));
    let all = PreconditionsV2 {
        time_bounds: Some(TimeBounds { min_time: TimePoint(5), max_time: TimePoint(4_000_000_000) }),
        ledger_bounds: Some(LedgerBounds { min_ledger: 1, max_ledger: 1_000_000 }),
        min_seq_num: Some(SequenceNumber(1)),
        min_seq_age: Duration(1),
        min_seq_ledger_gap: 1,
        extra_signers: vec![SignerKey::Ed25519(Uint256(ALICE.key().verifying_key().to_bytes()))].try_into().unwrap(),
    };
    tale.fixture.close();
    let (hash, _) = payment(&mut tale, |tx| tx.cond = Preconditions::V2(all));
    let wanted = json!({
        "timebounds": {"min_time": "5", "max_time": "4000000000"},
        "ledgerbounds": {"min_ledger": 1, "max_ledger": 1_000_000},
        "min_account_sequence": "1",
        "min_account_sequence_age": "1",
        "min_account_sequence_ledger_gap": 1,
        "extra_signers": [ALICE.g()],
    });
    assert_eq!(of(&tale, &hash)["preconditions"], wanted);
}

#[test]
fn multiplexed_sources_are_shown_beside_their_accounts() {
    let mut tale = pair();
    let (hash, _) = payment(&mut tale, |tx| tx.source_account = ALICE.muxed(9));
    let shown = of(&tale, &hash);
    assert_members(&shown, MEMBERS, "account_muxed account_muxed_id fee_account_muxed fee_account_muxed_id");
    assert_eq!((&shown["source_account"], &shown["account_muxed_id"]), (&json!(ALICE.g()), &json!("9")));
    assert_eq!(shown["account_muxed"], ALICE.muxed(9).to_string());
}

#[test]
fn a_fee_bump_is_found_by_either_hash() {
    let mut tale = pair();
    let tx = tale.transaction(&ALICE.key(), vec![pay(&BOB.address(), &XLM, UNIT)]);
    let inner = tale.signed(tx, &[ALICE.key()]);
    let network = tale.fixture.world.ledger().network().0;
    let inner_hash = hex::encode(inner.hash(network).unwrap());
    let bump = tale.bumped(inner, &BOB.muxed(3), BOB.key(), 1000);
    let outer_hash = tale.submit(&bump);
    tale.fixture.close();

    let outer = of(&tale, &outer_hash);
    assert_members(&outer, MEMBERS, "fee_account_muxed fee_account_muxed_id fee_bump_transaction inner_transaction");
    assert_eq!((&outer["fee_account"], &outer["fee_account_muxed_id"]), (&json!(BOB.g()), &json!("3")));
    assert_eq!((&outer["max_fee"], &outer["fee_charged"]), (&json!("1000"), &json!("200")));
    assert_eq!(outer["inner_transaction"]["hash"], inner_hash);
    assert_eq!(outer["inner_transaction"]["max_fee"], "100");
    assert_eq!(outer["fee_bump_transaction"]["hash"], outer_hash);
    assert_eq!(outer["signatures"], outer["fee_bump_transaction"]["signatures"]);

    let inner = of(&tale, &inner_hash);
    assert_eq!((&inner["id"], &inner["hash"]), (&json!(inner_hash), &json!(inner_hash)));
    assert_eq!(inner["signatures"], outer["inner_transaction"]["signatures"]);
    assert_ne!(inner["signatures"], outer["signatures"]);
    assert_eq!(inner["envelope_xdr"], outer["envelope_xdr"]);
    for person in [ALICE, BOB] {
        let last = tale.records(&format!("/accounts/{}/transactions?order=desc&limit=1", person.g()));
        assert_eq!(last, std::slice::from_ref(&outer), "of either account");
    }
}

#[test]
fn a_hash_that_is_none_is_refused_and_an_unknown_one_not_found() {
    let tale = pair();
    let upper = "AB".repeat(32);
    for hash in ["abc", "xyz", upper.as_str(), &"0".repeat(65)] {
        for path in [format!("/transactions/{hash}/operations"), format!("/transactions/{hash}/effects")] {
            let problem = tale.try_records(&path).unwrap_err();
            assert_eq!((problem.status, problem.kind), (400, "bad_request"), "{path}");
            assert_eq!(problem.extras["invalid_field"], "tx_id");
        }
        assert_eq!(tale.object(&format!("/transactions/{hash}")).unwrap_err().status, 400);
    }
    assert_eq!(tale.object(&format!("/transactions/{}", "0".repeat(64))).unwrap_err().status, 404);
}

#[test]
fn a_failed_transaction_is_listed_on_request_only() {
    let story = Story::told();
    let hash = story.hash("failed");
    let shown = of(&story.tale, hash);
    assert_eq!(shown["successful"], false);
    for whose in ["/transactions".to_owned(), format!("/accounts/{}/transactions", CAROL.g())] {
        let last = |query: &str| story.tale.records(&format!("{whose}?order=desc&limit=1{query}")).remove(0);
        assert_ne!(last("")["hash"], hash, "{whose}");
        assert_eq!(last("&include_failed=true"), shown, "{whose}");
    }
}

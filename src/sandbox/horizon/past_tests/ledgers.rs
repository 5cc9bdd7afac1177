//! Ledgers, fee statistics and the root, member by member.

use super::story::{ALICE, BOB, Story};
use super::tale::Tale;
use super::{assert_members, bodies, members};
use crate::sandbox::history::HistoryBounds;
use serde_json::json;
use stellar_xdr::{LedgerHeader, Limits, ReadXdr};

#[test]
fn a_ledger_counts_what_was_in_it() {
    let mut story = Story::told();
    let seq = story.tale.fixture.chain().latest();
    let shown = story.tale.object(&format!("/ledgers/{seq}")).unwrap();
    let wanted = "_links id paging_token hash prev_hash sequence successful_transaction_count failed_transaction_count \
                  operation_count tx_set_operation_count closed_at total_coins fee_pool base_fee_in_stroops \
                  base_reserve_in_stroops max_tx_set_size protocol_version header_xdr";
    assert_members(&shown, &[], wanted);
    assert_eq!(members(&shown["_links"]), ["effects", "operations", "payments", "self", "transactions"]);
    let counts = |of: &serde_json::Value| {
        ["successful_transaction_count", "failed_transaction_count", "operation_count", "tx_set_operation_count"]
            .map(|name| of[name].as_i64().unwrap())
    };
    assert_eq!(counts(&shown), [0, 1, 0, 1], "the last ledger has only a failure");
    let header = LedgerHeader::from_xdr_base64(shown["header_xdr"].as_str().unwrap(), Limits::none()).unwrap();
    assert_eq!(header, *story.tale.fixture.chain().ledger.header());
    assert_eq!(shown["hash"], hex::encode(story.tale.fixture.chain().ledger.hash().0));
    assert_eq!(shown["total_coins"], "100000000000.0000000");
    story.tale.fixture.close();
    let next = story.tale.object(&format!("/ledgers/{}", seq + 1)).unwrap();
    assert_eq!((counts(&next), &next["prev_hash"]), ([0; 4], &shown["hash"]));
}

#[test]
fn ledgers_of_before_are_gone_and_of_later_not_there() {
    let bounds = HistoryBounds { max_ledgers: 3, max_bytes: usize::MAX };
    let mut tale = Tale::of(&[ALICE], bounds);
    (0..3).for_each(|_| tale.fixture.close());
    let latest = tale.fixture.chain().latest();
    let listed: Vec<u64> = tale.records("/ledgers").iter().map(|one| one["sequence"].as_u64().unwrap()).collect();
    assert_eq!(listed, [latest - 2, latest - 1, latest].map(u64::from));
    let problem = |seq: &str| tale.object(&format!("/ledgers/{seq}")).unwrap_err();
    assert_eq!((problem("1").status, problem("1").kind), (410, "before_history"));
    assert_eq!(problem(&(latest + 1).to_string()).status, 404);
    for text in ["-1", "x", "99999999999"] {
        assert_eq!((problem(text).status, problem(text).kind), (400, "bad_request"), "{text}");
    }
}

#[test]
fn fees_are_counted_by_operation_over_five_ledgers() {
    let mut tale = Tale::of(&[ALICE, BOB], HistoryBounds::default());
    (0..5).for_each(|_| tale.fixture.close());
    let stats = tale.object("/fee_stats").unwrap();
    let distribution = "max min mode p10 p20 p30 p40 p50 p60 p70 p80 p90 p95 p99";
    assert_members(&stats, &[], "last_ledger last_ledger_base_fee ledger_capacity_usage fee_charged max_fee");
    for of in ["fee_charged", "max_fee"] {
        assert_members(&stats[of], &[], distribution);
        assert!(stats[of].as_object().unwrap().values().all(|fee| fee == "100"), "nobody paid: the base fee");
    }
    assert_eq!(stats["ledger_capacity_usage"], "0");
    let latest = tale.fixture.chain().latest();
    assert_eq!((&stats["last_ledger"], &stats["last_ledger_base_fee"]), (&json!(latest.to_string()), &json!("100")));

    let pay = bodies::pay(&BOB.address(), &bodies::XLM, 1);
    let mut tx = tale.transaction(&ALICE.key(), vec![pay.clone(); 100]);
    tx.fee = 50_000;
    let envelope = tale.signed(tx, &[ALICE.key()]);
    tale.submit(&envelope);
    tale.fixture.close();
    let stats = tale.object("/fee_stats").unwrap();
    assert_eq!((&stats["fee_charged"]["p50"], &stats["max_fee"]["p50"]), (&json!("100"), &json!("500")));
    assert_eq!(stats["ledger_capacity_usage"], "0.02", "a hundred operations of five thousand");
}

#[test]
fn the_root_says_what_network_this_is() {
    let tale = Tale::of(&[ALICE], HistoryBounds::default());
    let root = tale.object("/").unwrap();
    let wanted = "_links horizon_version core_version ingest_latest_ledger history_latest_ledger \
                  history_latest_ledger_closed_at history_elder_ledger core_latest_ledger network_passphrase \
                  current_protocol_version supported_protocol_version core_supported_protocol_version";
    assert_members(&root, &[], wanted);
    let chain = tale.fixture.chain();
    assert_eq!(root["history_latest_ledger"], chain.latest());
    assert_eq!(root["network_passphrase"], chain.ledger.passphrase());
    assert_eq!(root["history_elder_ledger"], chain.history.oldest().unwrap().seq());
    for (name, link) in root["_links"].as_object().unwrap() {
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with("http://sandbox:8000/"), "{name}: {href}");
        assert_eq!(link.get("templated").is_some(), href.contains('{'), "{name}: {href}");
    }
}

//! The methods over a lively world, as a client calls them.

use super::super::chain::Chain;
use super::super::faces::Host;
use super::super::fixture::Fixture;
use super::super::world::Submission;
use super::answer;
use crate::stellar::STANDALONE_PASSPHRASE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};
use stellar_xdr::{
    LedgerCloseMeta, LedgerEntryData, LedgerHeader, LedgerHeaderHistoryEntry, LedgerKey, LedgerKeyAccount, Limits,
    ReadXdr, TransactionEnvelope, TransactionMeta, TransactionResult, TransactionResultResult, WriteXdr,
};

struct Desk(Mutex<Fixture>);

impl Desk {
    fn lively(ledgers: usize) -> Self {
        Self(Mutex::new(Fixture::lively(ledgers)))
    }

    fn post(&self, body: &str) -> (u16, Value) {
        let response = answer(self, "http://127.0.0.1:8000", body.as_bytes());
        (response.status, serde_json::from_slice(&response.body).unwrap_or(Value::Null))
    }

    fn call(&self, method: &str, params: &Value) -> Value {
        let (status, body) =
            self.post(&json!({"jsonrpc": "2.0", "id": 8, "method": method, "params": params}).to_string());
        assert_eq!((status, &body["jsonrpc"], &body["id"]), (200, &json!("2.0"), &json!(8)));
        body
    }

    fn result(&self, method: &str, params: &Value) -> Value {
        let mut body = self.call(method, params);
        assert_eq!(body.get("error"), None, "{method} {params}");
        body["result"].take()
    }

    fn refusal(&self, method: &str, params: &Value) -> (i64, String) {
        let body = self.call(method, params);
        let error = &body["error"];
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    fn latest(&self) -> u32 {
        self.0.lock().chain().latest()
    }
}

impl Host for Desk {
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
        look(&self.0.lock().chain());
    }

    fn submit(&self, envelope: &[u8]) -> Submission {
        self.0.lock().submit(envelope)
    }

    fn passphrase(&self) -> &str {
        STANDALONE_PASSPHRASE
    }
}

fn decoded<T: ReadXdr>(text: &Value) -> T {
    T::from_xdr(BASE64.decode(text.as_str().unwrap()).unwrap(), Limits::none()).unwrap()
}

/// Everything that the root account, which all sandboxes have, sends itself.
fn payment_to_oneself(desk: &Desk, sequence_ahead: i64) -> TransactionEnvelope {
    use super::super::actor::{Actor, pay, transaction};
    let fixture = desk.0.lock();
    let root = Actor::new(fixture.world.ledger().root_key());
    let sequence = super::super::world::ledger_sequence(fixture.world.ledger(), root.id());
    let body = vec![pay(root.id(), &crate::stellar::Asset::Native, crate::stellar::Stroops(1))];
    let tx = transaction(root.id(), sequence + sequence_ahead, 100, body);
    root.sign(fixture.world.ledger().network(), tx).unwrap()
}

fn sent(envelope: &TransactionEnvelope) -> Value {
    json!({"transaction": envelope.to_xdr_base64(Limits::none()).unwrap()})
}

#[test]
fn the_network_and_its_health_are_told() {
    let desk = Desk::lively(3);
    let health = desk.result("getHealth", &Value::Null);
    assert_eq!((&health["status"], &health["latestLedger"]), (&json!("healthy"), &json!(desk.latest())));
    assert_eq!((&health["oldestLedger"], &health["ledgerRetentionWindow"]), (&json!(2), &json!(17_280)));
    let network = desk.result("getNetwork", &json!({}));
    let expected = json!({
        "passphrase": STANDALONE_PASSPHRASE, "protocolVersion": 27, "friendbotUrl": "http://127.0.0.1:8000/friendbot",
    });
    assert_eq!(network, expected);
    let version = desk.result("getVersionInfo", &Value::Null);
    for key in ["version", "commitHash", "buildTimestamp", "captiveCoreVersion"] {
        assert!(version[key].is_string(), "{key}");
    }
    assert_eq!(version["protocolVersion"], 27);
    let fees = desk.result("getFeeStats", &Value::Null);
    assert_eq!(
        (&fees["inclusionFee"]["p50"], &fees["inclusionFee"]["ledgerCount"]),
        (&json!("100"), &json!(desk.latest() - 1))
    );
    assert_eq!(fees["sorobanInclusionFee"]["max"], "0");
}

#[test]
fn a_ledger_that_closed_long_ago_is_no_health() {
    struct Late(Desk);
    impl Host for Late {
        fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
            self.0.chain(&mut |chain| look(&Chain { now_s: chain.now_s + 100, ..*chain }));
        }
        fn submit(&self, envelope: &[u8]) -> Submission {
            self.0.submit(envelope)
        }
        fn passphrase(&self) -> &str {
            self.0.passphrase()
        }
    }
    let late = Late(Desk::lively(1));
    let body = answer(&late, "", br#"{"jsonrpc":"2.0","id":1,"method":"getHealth"}"#).body;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["code"], -32603);
    assert_eq!(body["error"]["message"], "latency (101s) since last known ledger closed is too high (>30s)");
}

#[test]
fn pages_of_ledgers_follow_one_another_without_gap_or_overlap() {
    let desk = Desk::lively(20);
    let latest = desk.latest();
    let mut page = desk.result("getLedgers", &json!({"startLedger": 2, "pagination": {"limit": 7}}));
    let mut seen = Vec::new();
    loop {
        for ledger in page["ledgers"].as_array().unwrap() {
            let header: LedgerHeaderHistoryEntry = decoded(&ledger["headerXdr"]);
            let LedgerCloseMeta::V2(meta) = decoded(&ledger["metadataXdr"]) else { panic!() };
            assert_eq!(header, meta.ledger_header);
            assert_eq!(ledger["hash"], hex::encode(header.hash.0));
            assert_eq!(ledger["ledgerCloseTime"], header.header.scp_value.close_time.0.to_string());
            seen.push(u32::try_from(ledger["sequence"].as_u64().unwrap()).unwrap());
        }
        assert_eq!(page["cursor"], seen.last().unwrap().to_string());
        assert!(page["latestLedgerCloseTime"].is_u64() && page["oldestLedger"] == 2);
        if seen.last() == Some(&latest) {
            break;
        }
        page = desk.result("getLedgers", &json!({"pagination": {"cursor": page["cursor"], "limit": 7}}));
    }
    assert_eq!(seen, (2..=latest).collect::<Vec<_>>());
    let last = desk.result("getLatestLedger", &Value::Null);
    let header: LedgerHeader = decoded(&last["headerXdr"]);
    assert_eq!((header.ledger_seq, &last["sequence"]), (latest, &json!(latest)));
    assert_eq!(last["closeTime"], header.scp_value.close_time.0.to_string());
}

#[test]
fn pages_of_transactions_are_the_history_in_order() {
    let desk = Desk::lively(20);
    let expected: Vec<String> = {
        let fixture = desk.0.lock();
        let ledgers = fixture.history.ledgers();
        ledgers.flat_map(|ledger| ledger.transactions.iter().map(|tx| hex::encode(tx.hash.0))).collect()
    };
    let mut page = desk.result("getTransactions", &json!({"startLedger": 2, "pagination": {"limit": 9}}));
    let mut seen = Vec::new();
    while !page["transactions"].as_array().unwrap().is_empty() {
        for tx in page["transactions"].as_array().unwrap() {
            let meta: TransactionMeta = decoded(&tx["resultMetaXdr"]);
            let TransactionMeta::V4(meta) = meta else { panic!() };
            assert_eq!(tx["events"]["contractEventsXdr"].as_array().map_or(0, Vec::len), meta.operations.len());
            let result: TransactionResult = decoded(&tx["resultXdr"]);
            assert_eq!(tx["status"] == "SUCCESS", matches!(result.result, TransactionResultResult::TxSuccess(_)));
            assert!(tx["createdAt"].is_u64() && tx["feeBump"] == false);
            seen.push(tx["txHash"].as_str().unwrap().to_owned());
        }
        page = desk.result("getTransactions", &json!({"pagination": {"cursor": page["cursor"], "limit": 9}}));
    }
    assert_eq!(seen, expected);
    // At the end, the cursor waits for what comes next.
    let waiting = page["cursor"].clone();
    let next = sent(&payment_to_oneself(&desk, 1));
    assert_eq!(desk.result("sendTransaction", &next)["status"], "PENDING");
    desk.0.lock().close();
    let page = desk.result("getTransactions", &json!({"pagination": {"cursor": waiting}}));
    let new = page["transactions"].as_array().unwrap();
    assert!(!new.is_empty() && new.iter().all(|tx| tx["ledger"] == desk.latest()));
}

#[test]
fn a_transaction_is_sent_and_found_when_its_ledger_has_closed() {
    let desk = Desk::lively(2);
    let envelope = payment_to_oneself(&desk, 1);
    let answer = desk.result("sendTransaction", &sent(&envelope));
    assert_eq!((&answer["status"], answer.get("errorResultXdr")), (&json!("PENDING"), None));
    assert!(answer["latestLedgerCloseTime"].is_string() && answer["latestLedger"] == desk.latest());
    let asked = json!({"hash": answer["hash"]});
    let unknown = desk.result("getTransaction", &asked);
    assert_eq!((&unknown["status"], &unknown["createdAt"]), (&json!("NOT_FOUND"), &json!("0")));
    assert_eq!(desk.result("sendTransaction", &sent(&envelope))["status"], "DUPLICATE");
    let second = payment_to_oneself(&desk, 2);
    assert_eq!(desk.result("sendTransaction", &sent(&second))["status"], "TRY_AGAIN_LATER");
    desk.0.lock().close();
    let found = desk.result("getTransaction", &asked);
    assert_eq!((&found["status"], &found["ledger"]), (&json!("SUCCESS"), &json!(desk.latest())));
    assert_eq!(found["envelopeXdr"], envelope.to_xdr_base64(Limits::none()).unwrap());
    assert!(found["createdAt"].is_string() && found["applicationOrder"].as_u64() >= Some(1));
    let outside = json!({"hash": answer["hash"], "maxLedger": desk.latest() - 1});
    assert_eq!(desk.result("getTransaction", &outside)["status"], "NOT_FOUND");
    let stale = desk.result("sendTransaction", &sent(&payment_to_oneself(&desk, -3)));
    assert_eq!(stale["status"], "ERROR");
    let result: TransactionResult = decoded(&stale["errorResultXdr"]);
    assert_eq!(result.result, TransactionResultResult::TxBadSeq);
}

#[test]
fn entries_are_given_in_the_order_of_their_keys_and_what_is_not_there_is_left_out() {
    let desk = Desk::lively(2);
    let account = |bytes: [u8; 32]| {
        let account_id =
            stellar_xdr::AccountId(stellar_xdr::PublicKey::PublicKeyTypeEd25519(stellar_xdr::Uint256(bytes)));
        LedgerKey::Account(LedgerKeyAccount { account_id }).to_xdr_base64(Limits::none()).unwrap()
    };
    let root = desk.0.lock().world.ledger().root_key().verifying_key().to_bytes();
    let found = desk.result("getLedgerEntries", &json!({"keys": [account([9; 32]), account([7; 32]), account(root)]}));
    let entries = found["entries"].as_array().unwrap();
    assert_eq!(found["latestLedger"], desk.latest());
    assert_eq!(entries.iter().map(|entry| &entry["key"]).collect::<Vec<_>>(), [&account([7; 32]), &account(root)]);
    let LedgerEntryData::Account(entry) = decoded(&entries[0]["xdr"]) else { panic!() };
    assert_eq!(entry.balance, 100_000_000_000);
    assert!(entries[0]["lastModifiedLedgerSeq"].is_u64() && entries[0]["extXdr"].is_string());
    let many = json!({"keys": vec![account(root); 201]});
    let refusal = (-32602, "key count (201) exceeds maximum supported (200)".to_owned());
    assert_eq!(desk.refusal("getLedgerEntries", &many), refusal);
    let (code, message) = desk.refusal("getLedgerEntries", &json!({"keys": ["AAAA"]}));
    assert_eq!((code, message.as_str()), (-32602, "cannot unmarshal key value AAAA at index 0"));
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_code_of_its_kind() {
    let desk = Desk::lively(2);
    let latest = desk.latest();
    let cases = [
        ("getLedgers", json!({"startLedger": 1}), -32600),
        ("getLedgers", json!({"startLedger": latest + 1}), -32600),
        ("getLedgers", json!({}), -32600),
        ("getLedgers", json!({"startLedger": 2, "pagination": {"limit": 201}}), -32600),
        ("getLedgers", json!({"startLedger": 2, "pagination": {"cursor": "3"}}), -32600),
        ("getLedgers", json!({"pagination": {"cursor": "x"}}), -32602),
        ("getLedgers", json!({"pagination": {"cursor": latest.to_string()}}), -32602),
        ("getLedgers", json!({"pagination": {"cursor": "4294967295"}}), -32602),
        ("getLedgers", json!({"startLedger": "2"}), -32602),
        ("getLedgers", json!({"startLedger": 2, "xdrFormat": "json"}), -32600),
        ("getTransactions", json!({"startLedger": 1}), -32600),
        ("getTransactions", json!({"pagination": {"cursor": "-1"}}), -32602),
        ("getTransactions", json!({"pagination": {"cursor": "4096"}}), -32602),
        ("getTransactions", json!({"startLedger": 2, "pagination": {"limit": -1}}), -32602),
        ("getTransaction", json!({"hash": "00"}), -32602),
        ("getTransaction", json!({"hash": "z".repeat(64)}), -32602),
        ("getTransaction", json!({"hash": "0".repeat(65)}), -32602),
        ("getTransaction", json!(["00"]), -32602),
        ("getLedgerEntries", json!({"keys": "AAAA"}), -32602),
        ("getEvents", json!({"startLedger": latest + 1}), -32600),
        ("sendTransaction", json!({"transaction": "AAAA"}), -32602),
        ("sendTransaction", json!({"transaction": "%"}), -32602),
        ("sendTransaction", json!({}), -32602),
        ("simulateTransaction", json!({"transaction": "AAAA"}), -32601),
        ("getFoo", json!({}), -32601),
    ];
    for (method, params, code) in cases {
        let (given, message) = desk.refusal(method, &params);
        assert_eq!(given, code, "{method} {params}: {message}");
    }
    let events = desk.result("getEvents", &json!({"startLedger": 2, "filters": []}));
    assert_eq!(events["events"], json!([]));
    let again = json!({"pagination": {"cursor": events["cursor"]}});
    assert_eq!(desk.result("getEvents", &again)["cursor"], events["cursor"]);
}

#[test]
fn requests_and_batches_keep_to_json_rpc() {
    let desk = Desk::lively(1);
    let code = |body: &str| {
        let (status, body) = desk.post(body);
        assert_eq!((status, &body["id"]), (200, &Value::Null), "{body}");
        body["error"]["code"].as_i64().unwrap()
    };
    assert_eq!(code("no json"), -32700);
    assert_eq!(code(""), -32700);
    assert_eq!(code("7"), -32700);
    assert_eq!(code(&"[".repeat(100_000)), -32700);
    assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"getHealth"}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"1.0","method":"getHealth"}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0"}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0","method":"getHealth","params":7}"#), -32600);
    assert_eq!(code(r#"{"jsonrpc":"2.0","method":"getHealth","more":7}"#), -32600);
    assert_eq!(code(&format!("[{}]", ["{}"; 21].join(","))), -32600);
    // A notification wants no answer, whatever comes of it.
    let (status, _) = desk.post(r#"{"jsonrpc":"2.0","method":"getFoo"}"#);
    assert_eq!(status, 204);
    assert_eq!(desk.post("[]").0, 204);
    let health = r#"{"jsonrpc":"2.0","id":"a","method":"getHealth"}"#;
    let (_, batch) = desk.post(&format!(r#"[{health},{{"jsonrpc":"2.0","id":2,"method":"getFoo"}},3]"#));
    let ids: Vec<&Value> = batch.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!("a"), &json!(2), &Value::Null]);
    assert_eq!(batch[1]["error"], json!({"code": -32601, "message": "method not found", "data": "getFoo"}));
    assert_eq!(desk.post(&format!("[{health}]")).1["result"]["status"], "healthy");
}

proptest! {
    #[test]
    fn whatever_comes_is_answered(method in "get(Ledgers|Transactions|Transaction|LedgerEntries|Events)|sendTransaction",
                                  key in "startLedger|hash|keys|transaction|pagination|xdrFormat",
                                  value in prop_oneof![
                                      any::<i64>().prop_map(Value::from),
                                      "[ -~]{0,70}".prop_map(Value::from),
                                      any::<u64>().prop_map(|n| json!({"cursor": n.to_string(), "limit": n % 400})),
                                      Just(json!([])), Just(Value::Null),
                                  ]) {
        thread_local! { static DESK: Desk = Desk::lively(1); }
        let body = DESK.with(|desk| desk.call(&method, &json!({key: value})));
        prop_assert!(body.get("result").is_some() != body.get("error").is_some(), "{}", body);
    }
}

//! The sandbox's one port over real sockets: every face answers, bad input gets the protocol's own error, faults come to
//! order, ten thousand idle streams cost little, and through all of it ledgers close.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use stellar_connector::sandbox::ledger::root_key;
use stellar_connector::sandbox::{CloseRule, EngineAccount, RateLimit, Sandbox, SandboxConfig, WorldConfig};
use stellar_connector::stellar::{AccountId, NetworkId, PUBLIC_PASSPHRASE, STANDALONE_PASSPHRASE};
use stellar_xdr::{
    CreateAccountOp, DecoratedSignature, Limits, Memo, MuxedAccount, Operation, OperationBody, Preconditions,
    PublicKey, SequenceNumber, Signature, SignatureHint, Transaction, TransactionEnvelope, TransactionExt,
    TransactionV1Envelope, Uint256, WriteXdr,
};

/// How long anything may take before a test fails: machines are noisy.
const PATIENCE: Duration = Duration::from_secs(120);

fn start(change: impl FnOnce(&mut SandboxConfig)) -> Sandbox {
    let engine = EngineAccount::without_trustlines(AccountId([7; 32]));
    let mut config = SandboxConfig::new(WorldConfig::new(1, engine));
    config.close = CloseRule::Every(Duration::from_millis(100));
    change(&mut config);
    Sandbox::start(config).unwrap()
}

// A client.

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Everything that comes back until the connection ends.
fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut client = connect(address);
    // The server may answer and close before it has read everything.
    let _ = client.write_all(request);
    let mut bytes = Vec::new();
    let _ = client.read_to_end(&mut bytes);
    bytes
}

fn read_answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

fn ask(address: SocketAddr, method: &str, target: &str, content_type: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    read_answer(&exchange(address, request.as_bytes()))
}

fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, "", "")
}

fn post_tx(address: SocketAddr, path: &str, envelope: &[u8]) -> Answer {
    ask(address, "POST", path, "application/x-www-form-urlencoded", &format!("tx={}", escaped(envelope)))
}

fn escaped(envelope: &[u8]) -> String {
    BASE64.encode(envelope).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

fn latest(address: SocketAddr) -> u64 {
    get(address, "/info").json()["info"]["ledger"]["num"].as_u64().unwrap()
}

fn ledgers_go_on(address: SocketAddr) {
    let before = latest(address);
    let start = Instant::now();
    while latest(address) < before + 2 {
        assert!(start.elapsed() < PATIENCE, "no ledger closes any more");
        std::thread::sleep(Duration::from_millis(10));
    }
}

// Transactions of the root account, which no one else uses here.

fn root() -> SigningKey {
    root_key(NetworkId::from_passphrase(STANDALONE_PASSPHRASE))
}

fn address_of(key: &[u8; 32]) -> String {
    stellar_strkey::ed25519::PublicKey(*key).to_string().as_str().to_owned()
}

fn create(accounts: &[u8]) -> Vec<Operation> {
    accounts
        .iter()
        .map(|number| {
            let destination = stellar_xdr::AccountId(PublicKey::PublicKeyTypeEd25519(Uint256([*number; 32])));
            let create = CreateAccountOp { destination, starting_balance: 20_000_000 };
            Operation { source_account: None, body: OperationBody::CreateAccount(create) }
        })
        .collect()
}

fn signed(address: SocketAddr, passphrase: &str, operations: Vec<Operation>) -> Vec<u8> {
    let key = root();
    let source = key.verifying_key().to_bytes();
    let account = get(address, &format!("/accounts/{}", address_of(&source))).json();
    let sequence: i64 = account["sequence"].as_str().unwrap().parse().unwrap();
    let tx = Transaction {
        source_account: MuxedAccount::Ed25519(Uint256(source)),
        fee: 100_000,
        seq_num: SequenceNumber(sequence + 1),
        cond: Preconditions::None,
        memo: Memo::None,
        operations: operations.try_into().unwrap(),
        ext: TransactionExt::V0,
    };
    let hash = tx.hash(NetworkId::from_passphrase(passphrase).0).unwrap();
    let signature = Signature(key.sign(&hash).to_bytes().to_vec().try_into().unwrap());
    let hint = SignatureHint(source[28..].try_into().unwrap());
    let signatures = vec![DecoratedSignature { hint, signature }].try_into().unwrap();
    TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures }).to_xdr(Limits::none()).unwrap()
}

// The promises.

#[test]
fn every_face_answers_on_one_port() {
    let sandbox = start(|_| {});
    let address = sandbox.address();
    assert_eq!(sandbox.core_address(), address);
    let core = get(address, "/info");
    assert!(core.head.starts_with("HTTP/1.0 200 OK"), "{}", core.head);
    let root = get(address, "/");
    assert_eq!(root.json()["network_passphrase"], STANDALONE_PASSPHRASE);
    for header in ["\r\nLatest-Ledger: ", "\r\nX-RateLimit-Limit: 101", "\r\nDate: ", "application/hal+json"] {
        assert!(root.head.contains(header), "{header}: {}", root.head);
    }
    let newcomer = address_of(&[91; 32]);
    let gift = get(address, &format!("/friendbot?addr={newcomer}"));
    assert_eq!((gift.status, &gift.json()["successful"]), (200, &json!(true)));
    let account = get(address, &format!("/accounts/{newcomer}")).json();
    assert_eq!(account["balances"][0]["balance"], "10000.0000000");
    let path = format!("/transactions/{}", gift.json()["hash"].as_str().unwrap());
    assert_eq!(get(address, &path).status, 200);
    // Healthy once a ledger has closed in the time of day, which the gift shows.
    let call = r#"{"jsonrpc": "2.0", "id": 1, "method": "getHealth"}"#;
    for path in ["/", "/rpc", "/soroban/rpc"] {
        assert_eq!(ask(address, "POST", path, "application/json", call).json()["result"]["status"], "healthy");
    }
    assert_eq!(get(address, "/sandbox/faults").json(), json!({"seed": 0, "rules": []}));
    for (method, target, status) in [("HEAD", "/ledgers", 405), ("PATCH", "/", 405), ("GET", "/nowhere", 404)] {
        assert_eq!(ask(address, method, target, "", "").status, status, "{method} {target}");
    }
}

#[test]
fn a_stream_shows_each_ledger_and_a_transaction_is_answered_with_its_ledger() {
    let sandbox = start(|_| {});
    let address = sandbox.address();
    let mut stream = connect(address);
    write!(stream, "GET /ledgers?cursor=now HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "data: \"hello\""));
    let envelope = signed(address, STANDALONE_PASSPHRASE, create(&[92]));
    let answer = post_tx(address, "/transactions", &envelope);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ledger = answer.json()["ledger"].as_u64().unwrap();
    let mut sequences = lines
        .filter_map(|line| line.strip_prefix("data: ").map(|data| serde_json::from_str::<Value>(data).unwrap()))
        .map(|event| event["sequence"].as_u64().unwrap());
    let first = sequences.next().unwrap();
    let up_to: Vec<u64> = std::iter::once(first).chain(sequences.take_while(|sequence| *sequence < ledger)).collect();
    assert_eq!(up_to, (first..first + up_to.len() as u64).collect::<Vec<_>>());
}

#[test]
fn bad_input_gets_the_protocols_own_error_and_ledgers_go_on() {
    let sandbox = start(|_| {});
    let address = sandbox.address();
    // Broken XDR.
    let broken = post_tx(address, "/transactions", b"no envelope");
    assert_eq!((broken.status, &broken.json()["title"]), (400, &json!("Transaction Malformed")));
    assert!(get(address, "/tx?blob=AAAA").json()["exception"].is_string());
    // Too many operations: a hundred that were signed, and one more.
    let mut many = signed(address, STANDALONE_PASSPHRASE, create(&(0..100).map(|it| it + 100).collect::<Vec<_>>()));
    let count = many.windows(4).position(|window| window == [0, 0, 0, 100]).unwrap();
    many[count + 3] = 101;
    let at = count + 4;
    let one: Vec<u8> = create(&[1])[0].to_xdr(Limits::none()).unwrap();
    many.splice(at..at, one);
    assert_eq!(post_tx(address, "/transactions", &many).json()["title"], "Transaction Malformed");
    // Another network's signature.
    let foreign = post_tx(address, "/transactions", &signed(address, PUBLIC_PASSPHRASE, create(&[93])));
    assert_eq!(foreign.json()["extras"]["result_codes"], json!({"transaction": "tx_bad_auth"}));
    // A cursor from nowhere.
    let nowhere = get(address, "/transactions?cursor=nowhere");
    assert_eq!((nowhere.status, &nowhere.json()["extras"]["invalid_field"]), (400, &json!("cursor")));
    // A body of ten megabytes, whether it is sent or only announced.
    let announced = exchange(address, b"POST /transactions HTTP/1.1\r\nContent-Length: 10485760\r\n\r\n");
    assert_eq!(read_answer(&announced).status, 413);
    let sent = ask(address, "POST", "/", "application/json", &"x".repeat(10 << 20));
    assert_eq!((sent.status, sent.json()["status"].as_u64()), (413, Some(413)));
    // Heads without end.
    let long = exchange(address, format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    assert_eq!(read_answer(&long).status, 414);
    let fields = exchange(address, format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    assert_eq!(read_answer(&fields).status, 431);
    assert_eq!(read_answer(&exchange(address, b"nonsense\r\n\r\n")).status, 400);
    assert_eq!(sandbox.refusals().oversized, 4);
    ledgers_go_on(address);
}

#[test]
fn a_slow_client_holds_up_nobody_and_is_given_up() {
    let sandbox = start(|_| {});
    let address = sandbox.address();
    let begun = Instant::now();
    let mut slow = connect(address);
    slow.write_all(b"POST /transactions HTTP/1.1\r\nContent-Length: 100\r\n\r\nt").unwrap();
    ledgers_go_on(address);
    let mut end = Vec::new();
    slow.read_to_end(&mut end).unwrap();
    assert_eq!(read_answer(&end).status, 408);
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert_eq!(sandbox.refusals().slow_requests, 1);
    assert!(get(address, "/ledgers").status == 200);
}

#[test]
fn faults_come_when_they_are_ordered_and_go_when_they_are_not() {
    let sandbox = start(|_| {});
    let address = sandbox.address();
    let order = |rule: &str| {
        let answer = ask(address, "PUT", "/sandbox/faults", "application/json", &format!(r#"{{"rules": [{rule}]}}"#));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let raw =
        |target: &str| exchange(address, format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes());
    order(r#"{"face": "horizon", "fault": "drop", "next": 1}"#);
    assert!(raw("/ledgers").is_empty() && !raw("/ledgers").is_empty());
    order(r#"{"face": "horizon", "fault": "truncate", "next": 1}"#);
    let cut = read_answer(&raw("/ledgers"));
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
    assert!(get(address, "/ledgers").json().is_object());
    order(r#"{"face": "core", "fault": "duplicate", "next": 1}"#);
    assert_eq!(String::from_utf8(raw("/info")).unwrap().matches("HTTP/1.0 200 OK").count(), 2);
    order(r#"{"face": "horizon", "path": "/fee_stats", "fault": "delay", "ms": 300, "next": 1}"#);
    let begun = Instant::now();
    assert_eq!(get(address, "/fee_stats").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    for status in [429, 503, 504] {
        order(&format!(r#"{{"face": "horizon", "fault": "status", "status": {status}, "next": 1}}"#));
        assert_eq!(get(address, "/ledgers").json()["status"], status);
    }
    // A 504, and yet the transaction was accepted; no answer at all, and yet it was.
    order(r#"{"face": "horizon", "fault": "status_after_accept", "status": 504, "next": 1}"#);
    let envelope = signed(address, STANDALONE_PASSPHRASE, create(&[94]));
    assert_eq!(post_tx(address, "/transactions", &envelope).status, 504);
    assert_eq!(post_tx(address, "/transactions", &envelope).json()["successful"], true);
    order(r#"{"face": "core", "fault": "drop_after_accept", "next": 1}"#);
    let envelope = signed(address, STANDALONE_PASSPHRASE, create(&[95]));
    assert!(raw(&format!("/tx?blob={}", escaped(&envelope))).is_empty());
    assert_eq!(post_tx(address, "/transactions", &envelope).json()["successful"], true);
    let shown = get(address, "/sandbox/faults").json();
    assert_eq!((&shown["rules"][0]["done"], &shown["rules"][0]["fault"]), (&json!(1), &json!("drop_after_accept")));
    let refused = ask(address, "PUT", "/sandbox/faults", "", r#"{"rules": [{"fault": "drop", "sometimes": 1}]}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().contains("unknown field `sometimes`"));
    assert_eq!(ask(address, "DELETE", "/sandbox/faults", "", "").json()["rules"], json!([]));
}

fn read_record(stream: &mut UnixStream) -> Option<stellar_xdr::LedgerCloseMeta> {
    use stellar_xdr::ReadXdr as _;
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).ok()?;
    let mut record = vec![0; usize::try_from(u32::from_be_bytes(mark) & !(1 << 31)).unwrap()];
    stream.read_exact(&mut record).ok()?;
    Some(stellar_xdr::LedgerCloseMeta::from_xdr(&record, Limits::none()).unwrap())
}

fn sequence_of(meta: &stellar_xdr::LedgerCloseMeta) -> u32 {
    match meta {
        stellar_xdr::LedgerCloseMeta::V0(meta) => meta.ledger_header.header.ledger_seq,
        stellar_xdr::LedgerCloseMeta::V1(meta) => meta.ledger_header.header.ledger_seq,
        stellar_xdr::LedgerCloseMeta::V2(meta) => meta.ledger_header.header.ledger_seq,
    }
}

#[test]
fn the_meta_stream_leaves_out_a_ledger_or_ends_when_that_is_ordered() {
    let sandbox = start(|_| {});
    let order = |fault: &str| {
        let rules = format!(r#"{{"rules": [{{"face": "meta", "fault": "{fault}", "next": 1}}]}}"#);
        assert_eq!(ask(sandbox.address(), "PUT", "/sandbox/faults", "", &rules).status, 200);
    };
    let mut stream = UnixStream::connect(sandbox.meta_path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut last = sequence_of(&read_record(&mut stream).unwrap());
    order("skip");
    loop {
        let next = sequence_of(&read_record(&mut stream).unwrap());
        if next != last + 1 {
            assert_eq!(next, last + 2);
            break;
        }
        last = next;
    }
    order("end");
    while read_record(&mut stream).is_some() {}
    let mut again = UnixStream::connect(sandbox.meta_path()).unwrap();
    again.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(read_record(&mut again).is_some());
}

#[test]
fn who_asks_too_often_is_told_so_where_a_limit_is_set() {
    let sandbox = start(|config| config.rate_limit = RateLimit { per_hour: 60, burst: 3 });
    let address = sandbox.address();
    assert!((0..4).all(|_| get(address, "/ledgers").status == 200));
    let refused = get(address, "/ledgers");
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("\r\nX-RateLimit-Remaining: 0\r\n") && refused.head.contains("\r\nRetry-After: "));
    assert_eq!(RateLimit::HORIZON, RateLimit { per_hour: 3600, burst: 100 });
}

// Ten thousand idle streams. Their other ends live in a process of their own: one process may not open so many files.

const STREAMS: usize = 10_000;
const TO_CHILD: &str = "SANDBOX_FACES_HOLDS_STREAMS_OF";

#[test]
fn ten_thousand_idle_streams_cost_little_and_ledgers_go_on() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = STREAMS as u64 + 1000;
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        println!("SKIPPED: {STREAMS} streams need {wanted} files, the hard limit is {:?}", limit.maximum);
        return;
    }
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
    if let Ok(address) = std::env::var(TO_CHILD) {
        return hold_streams(address.parse().unwrap());
    }
    let sandbox = start(|config| config.close = CloseRule::Every(Duration::from_millis(500)));
    let address = sandbox.address();
    ledgers_go_on(address);
    let before = resident_bytes();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ten_thousand_idle_streams_cost_little_and_ledgers_go_on", "--nocapture", "--test-threads=1"])
        .env(TO_CHILD, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.ends_with("streams: open")), "the streams were not opened");
    assert!(sandbox.connections() >= STREAMS, "{}", sandbox.connections());
    ledgers_go_on(address);
    let each = resident_bytes().saturating_sub(before) / STREAMS as u64;
    println!("{STREAMS} idle streams: {each} bytes each, ledgers and their history included");
    assert!(each < 32 * 1024, "{each} bytes a stream");
    child.stdin.take().unwrap().write_all(b"look\n").unwrap();
    let still = said.find_map(|line| line.split_once("streams still open: ").map(|(_, count)| count.to_owned()));
    assert_eq!(still.unwrap().parse::<usize>().unwrap(), STREAMS);
    assert!(child.wait().unwrap().success());
    let begun = Instant::now();
    while sandbox.connections() > 0 {
        assert!(begun.elapsed() < PATIENCE, "{} connections remain", sandbox.connections());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(sandbox.refusals().connections, 0);
}

/// Opens the streams of an account to which nothing happens, waits for a word, and says how many still live.
fn hold_streams(address: SocketAddr) {
    let path = format!("/accounts/{}/transactions?cursor=now", address_of(&[7; 32]));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    let mut streams = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let mut stream = connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        streams.push(stream);
    }
    let mut bytes = [0; 4096];
    for stream in &mut streams {
        let mut head = Vec::new();
        while !head.windows(7).any(|window| window == b"\"hello\"") {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "a stream ended: {}", String::from_utf8_lossy(&head));
            head.extend_from_slice(&bytes[..count]);
        }
        stream.set_nonblocking(true).unwrap();
    }
    println!("\nstreams: open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let alive = |stream: &mut TcpStream| {
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    };
    println!("\nstreams still open: {}", streams.iter_mut().map(alive).filter(|alive| *alive).count());
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

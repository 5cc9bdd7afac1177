//! The process that takes a dead engine's offers down, as it is started by one: the real program, a handover on its
//! standard input, and a ledger behind real sockets.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use stellar_connector::commands::handover::{self, HandedOffer, Handover};
use stellar_connector::net::Endpoint;
use stellar_connector::sandbox::{CloseRule, EngineAccount, MetaOutput, Sandbox, SandboxConfig, WorldConfig};
use stellar_connector::signer::{LocalSigner, Signer as _};
use stellar_connector::stellar::transaction::{ManageSellOffer, TransactionHeader, TransactionWriter};
use stellar_connector::stellar::{
    Asset, LedgerSeq, MarketId, NetworkId, OfferId, Price, SequenceNumber, Side, Stroops, TxHash,
};
use stellar_connector::wire::core_tx::{TxAnswer, TxAnswerReader, TxRequestWriter};

/// Patience with a busy machine; nothing here waits that long if it works.
const PATIENCE: Duration = Duration::from_secs(60);
const PROGRAM: &str = env!("CARGO_BIN_EXE_stellar-connector");

fn signer() -> LocalSigner {
    LocalSigner::from_seed(&[7; 32])
}

fn start(close_every_ms: u64, meta: MetaOutput) -> Sandbox {
    let account =
        EngineAccount::with_trustlines(signer().public_key(), |hash: &[u8; 32]| signer().sign_hash(&TxHash(*hash)));
    let mut config = SandboxConfig::new(WorldConfig::new(1, account));
    config.close = CloseRule::Every(Duration::from_millis(close_every_ms));
    config.meta = meta;
    Sandbox::start(config).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Puts so many offers, half of them a side, into one transaction under this number, where no trader reaches them.
fn submit_offers(sandbox: &Sandbox, sequence: i64, count: usize) -> TxAnswer {
    let market = sandbox.markets()[0];
    let mut writer = TransactionWriter::new(NetworkId::from_passphrase(sandbox.network_passphrase()));
    let fee = 100 * u32::try_from(count).unwrap();
    let (source, max_ledger) = (signer().public_key(), LedgerSeq(u32::MAX));
    writer.begin(&TransactionHeader { source, fee, sequence: SequenceNumber(sequence), max_ledger });
    for number in 0..count {
        // An ask at fifty times the market's price and more, or a bid at a hundredth of it and less.
        let further = i32::try_from(number).unwrap();
        let (selling, buying, price) = match number % 2 {
            0 => (market.base, market.quote, Price::new(5 + further, 1)),
            _ => (market.quote, market.base, Price::new(1_000 + further, 1)),
        };
        let (price, amount, id) = (price.unwrap(), Stroops(10_000), OfferId(0));
        writer.manage_sell_offer(&ManageSellOffer { selling, buying, amount, price, id });
    }
    let unsigned = writer.finish();
    let signature = signer().sign_hash(&unsigned.hash());
    let mut request = TxRequestWriter::new("core");
    send(sandbox, request.write(unsigned.sign(&source, &signature)))
}

fn send(sandbox: &Sandbox, request: &[u8]) -> TxAnswer {
    use std::io::Read as _;
    let mut socket = std::net::TcpStream::connect(sandbox.core_address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    TxAnswerReader::default().push(&answer).unwrap().unwrap()
}

fn place(sandbox: &Sandbox, count: usize) {
    let before = sandbox.engine();
    assert_eq!(submit_offers(sandbox, before.sequence.0 + 1, count), TxAnswer::Pending);
    until("the offers stand", || sandbox.engine().offers.len() == before.offers.len() + count);
}

/// What an engine that dies now would hand over.
fn handed(sandbox: &Sandbox) -> Handover {
    let engine = sandbox.engine();
    let market = sandbox.markets()[0];
    let offers = engine.offers.iter().map(|offer| {
        assert_eq!(offer.market, MarketId(0));
        let (selling, buying, price) = match offer.side {
            Side::Ask => (market.base, market.quote, offer.price),
            Side::Bid => (market.quote, market.base, offer.price.inverse()),
        };
        HandedOffer { id: offer.id, selling, buying, price }
    });
    let core = sandbox.core_address();
    Handover {
        network: sandbox.network_passphrase().to_owned(),
        signer: signer(),
        core: Endpoint::Tcp { host: core.ip().to_string(), port: core.port() },
        meta: Some(Endpoint::Unix { path: sandbox.meta_path().to_owned() }),
        sequence: engine.sequence,
        last_ledger: engine.ledger,
        base_fee: 100,
        offers: offers.collect(),
    }
}

#[derive(Debug)]
struct Ended {
    success: bool,
    output: String,
}

fn run(input: &[u8]) -> Ended {
    let pipe = Stdio::piped;
    let mut child =
        Command::new(PROGRAM).arg("cancel-all").stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // A process that refuses what it has read so far does not read the rest.
    let _written = child.stdin.take().unwrap().write_all(input);
    let ended = child.wait_with_output().unwrap();
    let output = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(!output.contains(&*signer().expose_strkey()), "the secret is in the output: {output}");
    Ended { success: ended.status.success(), output }
}

fn run_handover(handover: &Handover) -> Ended {
    run(&handover.to_json().unwrap())
}

#[test]
fn offers_that_are_handed_over_are_taken_down() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    let ended = run_handover(&handed(&sandbox));
    assert!(ended.success, "{}", ended.output);
    let after = sandbox.engine();
    assert_eq!(after.offers, [], "{}", ended.output);
    assert_eq!(after.failed, 0, "{}", ended.output);
    assert!(ended.output.contains("3 deletions") && ended.output.contains("has applied"), "{}", ended.output);
}

#[test]
fn the_stream_may_be_a_pipe() {
    let sandbox = start(200, MetaOutput::Pipe);
    place(&sandbox, 2);
    let mut handover = handed(&sandbox);
    handover.meta = Some(Endpoint::Pipe { path: sandbox.meta_path().to_owned() });
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, []);
}

#[test]
fn the_program_is_started_with_the_handover_and_its_end_is_told() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    let status = handover::spawn_program(Path::new(PROGRAM), &handed(&sandbox)).unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(sandbox.engine().offers, []);
    let mut stranger = handed(&sandbox);
    stranger.network = "another network".to_owned();
    let status = handover::spawn_program(Path::new(PROGRAM), &stranger).unwrap();
    assert!(!status.success(), "{status}");
}

#[test]
fn an_offer_that_no_longer_exists_does_not_keep_the_others_standing() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    let mut handover = handed(&sandbox);
    let gone = HandedOffer { id: OfferId(1_000_000), ..handover.offers[0] };
    handover.offers.insert(1, gone);
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
    assert!(ended.output.contains("offer 1000000 was gone"), "{}", ended.output);
    assert_eq!(sandbox.engine().failed, 1, "one transaction was rebuilt without it: {}", ended.output);
}

/// Right after a ledger, so that what is submitted now waits a while for the next.
fn at_a_new_ledger(sandbox: &Sandbox) {
    let ledger = sandbox.engine().ledger;
    until("a ledger closes", || sandbox.engine().ledger > ledger);
}

#[test]
fn what_a_transaction_in_flight_still_makes_is_taken_down_too() {
    let sandbox = start(2_000, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    at_a_new_ledger(&sandbox);
    let handover = handed(&sandbox);
    assert_eq!(submit_offers(&sandbox, handover.sequence.0 + 1, 2), TxAnswer::Pending);
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
    assert_eq!(ended.output.matches("was made meanwhile").count(), 2, "{}", ended.output);
    assert!(ended.output.contains("has to wait"), "it was in the way: {}", ended.output);
}

#[test]
fn without_offers_it_waits_until_nothing_that_was_signed_can_make_one() {
    let sandbox = start(1_000, MetaOutput::UnixSocket);
    at_a_new_ledger(&sandbox);
    let handover = handed(&sandbox);
    assert_eq!(handover.offers, []);
    assert_eq!(submit_offers(&sandbox, handover.sequence.0 + 1, 1), TxAnswer::Pending);
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
    // Nothing in flight: the number is consumed, after which what was signed under it is worth nothing.
    let handover = handed(&sandbox);
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().sequence.0, handover.sequence.0 + 1, "{}", ended.output);
    assert_ne!(submit_offers(&sandbox, handover.sequence.0 + 1, 1), TxAnswer::Pending);
}

#[test]
fn more_offers_than_a_transaction_holds_go_in_several() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 100);
    place(&sandbox, 100);
    place(&sandbox, 30);
    let ended = run_handover(&handed(&sandbox));
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
    assert_eq!(ended.output.matches(" 100 deletions").count(), 2, "{}", ended.output);
    assert_eq!(ended.output.matches(" 30 deletions").count(), 1, "{}", ended.output);
}

#[test]
fn a_handover_that_is_behind_the_ledger_is_brought_up_to_it() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    let old = handed(&sandbox);
    place(&sandbox, 2);
    place(&sandbox, 2);
    let ended = run_handover(&old);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
    assert_eq!(sandbox.engine().failed, 0, "{}", ended.output);
}

#[test]
fn without_the_stream_the_deletions_are_sent_and_success_is_not_claimed() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    let mut handover = handed(&sandbox);
    // The sequence has moved on since, and one offer is none: neither is told by anybody.
    handover.sequence.0 -= 1;
    handover.offers.push(HandedOffer { id: OfferId(1_000_000), ..handover.offers[0] });
    for meta in [None, Some(Endpoint::Unix { path: "/nowhere/meta.sock".into() })] {
        handover.meta = meta;
        let ended = run_handover(&handover);
        assert!(!ended.success, "{}", ended.output);
        assert!(ended.output.contains("NOT DONE"), "{}", ended.output);
        assert_eq!(sandbox.engine().offers, [], "{}", ended.output);
        place(&sandbox, 3);
        handover.sequence = SequenceNumber(sandbox.engine().sequence.0 - 1);
        handover.offers = handed(&sandbox).offers;
    }
}

#[test]
fn bad_input_submits_nothing_and_says_what_is_wrong() {
    let core = TcpListener::bind("127.0.0.1:0").unwrap();
    core.set_nonblocking(true).unwrap();
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 1);
    let mut handover = handed(&sandbox);
    handover.core = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: core.local_addr().unwrap().port() };
    let json = handover.to_json().unwrap();
    let good: Value = serde_json::from_slice(&json).unwrap();
    let secret = good["secret"].as_str().unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string().into_bytes()
    };
    let offers = vec![good["offers"][0].clone(); 1_001];
    for (input, expected) in [
        (Vec::new(), "it ends too early"),
        (json[..json.len() - 1].to_vec(), "it ends too early"),
        (b"no JSON".to_vec(), "line 1"),
        (vec![b' '; (1 << 20) + 1], "longer than 1048576 bytes"),
        (with("secret", secret[1..].into()), "secret seed"),
        (with("sequence", secret.into()), "of the wrong kind"),
        (with("meta", secret.into()), "unix:PATH"),
        (with("core", secret.into()), "http://HOST:PORT"),
        (with(secret, 1.into()), "unknown"),
        (with("offers", offers.into()), "more than the 1000"),
    ] {
        let ended = run(&input);
        assert!(!ended.success && ended.output.contains(expected), "{expected}: {}", ended.output);
        assert!(!ended.output.contains(&secret[1..]), "a part of the secret is in the output: {}", ended.output);
    }
    assert_eq!(core.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "something was asked of core");
}

#[test]
fn nothing_is_signed_for_another_network_than_cores() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 1);
    let mut handover = handed(&sandbox);
    handover.network = "another network".to_owned();
    let ended = run_handover(&handover);
    assert!(!ended.success && ended.output.contains("not of the handover's network"), "{}", ended.output);
    assert_eq!((sandbox.engine().sequence, sandbox.engine().offers.len()), (handover.sequence, 1));
}

#[test]
fn a_line_that_nobody_reads_stops_nothing() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 2);
    let mut child =
        Command::new(PROGRAM).arg("cancel-all").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(&handed(&sandbox).to_json().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.engine().offers, []);
}

#[test]
fn an_offer_on_any_other_pair_is_found_in_the_stream() {
    let sandbox = start(1_000, MetaOutput::UnixSocket);
    at_a_new_ledger(&sandbox);
    let handover = handed(&sandbox);
    // Its own credit against lumens, which no market of the engine trades.
    let own = Asset::Credit { code: "OWNCREDIT".parse().unwrap(), issuer: signer().public_key() };
    let mut writer = TransactionWriter::new(NetworkId::from_passphrase(sandbox.network_passphrase()));
    let (source, max_ledger) = (signer().public_key(), LedgerSeq(u32::MAX));
    let sequence = SequenceNumber(handover.sequence.0 + 1);
    writer.begin(&TransactionHeader { source, fee: 100, sequence, max_ledger });
    let (amount, price, id) = (Stroops(1_000), Price::new(1, 1).unwrap(), OfferId(0));
    writer.manage_sell_offer(&ManageSellOffer { selling: own, buying: Asset::Native, amount, price, id });
    let unsigned = writer.finish();
    let signature = signer().sign_hash(&unsigned.hash());
    let mut request = TxRequestWriter::new("core");
    assert_eq!(send(&sandbox, request.write(unsigned.sign(&source, &signature))), TxAnswer::Pending);
    let ended = run_handover(&handover);
    assert!(ended.success, "{}", ended.output);
    assert_eq!(ended.output.matches("was made meanwhile").count(), 1, "{}", ended.output);
    assert_eq!(ended.output.matches("has applied").count(), 1, "{}", ended.output);
}

/// Passes on the sandbox's stream to one reader, from this ledger on: what came before it was missed.
fn stream_from(sandbox: &Sandbox, first: u32, folder: &Path) -> Endpoint {
    use std::io::Read as _;
    let path = folder.join("late.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut whole = UnixStream::connect(sandbox.meta_path()).unwrap();
    thread::spawn(move || {
        let (mut late, _) = listener.accept().unwrap();
        for ledger in 2.. {
            let mut mark = [0; 4];
            // The sandbox stops when the test is over, and the reader when it has seen enough.
            if whole.read_exact(&mut mark).is_err() {
                return;
            }
            let mut record = vec![0; usize::try_from(u32::from_be_bytes(mark) & !(1 << 31)).unwrap()];
            if whole.read_exact(&mut record).is_err() {
                return;
            }
            if ledger >= first && late.write_all(&[&mark[..], &record].concat()).is_err() {
                return;
            }
        }
    });
    Endpoint::Unix { path }
}

#[test]
fn where_ledgers_were_missed_the_known_offers_go_and_success_is_not_claimed() {
    let sandbox = start(200, MetaOutput::UnixSocket);
    place(&sandbox, 3);
    let mut handover = handed(&sandbox);
    // What this makes is in the ledgers that are missed.
    place(&sandbox, 1);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cancel-all-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    handover.meta = Some(stream_from(&sandbox, sandbox.engine().ledger.0 + 1, &folder));
    let ended = run_handover(&handover);
    assert!(!ended.success && ended.output.contains("were not seen may stand"), "{}", ended.output);
    let left: Vec<_> = sandbox.engine().offers.iter().map(|offer| offer.id).collect();
    assert_eq!(left.len(), 1, "{}", ended.output);
    assert!(handover.offers.iter().all(|offer| offer.id != left[0]), "{}", ended.output);
    std::fs::remove_dir_all(&folder).unwrap();
}

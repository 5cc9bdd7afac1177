//! The sandbox as a client sees it: over sockets, with nothing but the protocols. And the world inside it, which has to
//! be the same world for the same seed, and one in which a market maker is filled.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use base64::Engine as _;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use stellar_connector::events::UtcNanos;
use stellar_connector::sandbox::{
    Activity, CloseRule, EngineAccount, MetaOutput, Sandbox, SandboxConfig, SandboxError, Submission, Ticks, World,
    WorldConfig, WorldError,
};
use stellar_connector::stellar::{
    AccountId, Asset, AssetCode, MarketId, NetworkId, STANDALONE_PASSPHRASE, Side, Stroops,
};
use stellar_xdr::{
    AlphaNum4, AssetCode4, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp, DecoratedSignature, LedgerCloseMeta,
    LedgerEntryChange, LedgerEntryData, LedgerHeaderHistoryEntry, Limits, ManageBuyOfferOp, ManageSellOfferOp, Memo,
    MuxedAccount, Operation, OperationBody, Preconditions, Price, PublicKey, ReadXdr, SequenceNumber, Signature,
    SignatureHint, Transaction, TransactionEnvelope, TransactionExt, TransactionMeta, TransactionResult,
    TransactionResultResult, TransactionV1Envelope, Uint256, WriteXdr,
};
use tungstenite::Message;
use tungstenite::stream::MaybeTlsStream;

/// Patience with a busy machine; nothing here waits that long if it works.
const PATIENCE: Duration = Duration::from_secs(60);

// The engine's side: a key and the transactions that it signs.

struct Engine {
    key: SigningKey,
}

impl Engine {
    fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]) }
    }

    fn id(&self) -> AccountId {
        AccountId(self.key.verifying_key().to_bytes())
    }

    fn account(&self) -> EngineAccount {
        let key = self.key.clone();
        EngineAccount::with_trustlines(self.id(), move |hash| key.sign(hash).to_bytes())
    }

    fn sign(&self, sequence: i64, operations: Vec<OperationBody>) -> Vec<u8> {
        let count = u32::try_from(operations.len()).unwrap();
        let operations: Vec<_> = operations.into_iter().map(|body| Operation { source_account: None, body }).collect();
        let tx = Transaction {
            source_account: MuxedAccount::Ed25519(Uint256(self.id().0)),
            fee: 100 * count,
            seq_num: SequenceNumber(sequence),
            cond: Preconditions::None,
            memo: Memo::None,
            operations: operations.try_into().unwrap(),
            ext: TransactionExt::V0,
        };
        let hash = tx.hash(NetworkId::from_passphrase(STANDALONE_PASSPHRASE).0).unwrap();
        let signature = Signature(self.key.sign(&hash).to_bytes().to_vec().try_into().unwrap());
        let hint = SignatureHint(self.id().0[28..].try_into().unwrap());
        let signatures = vec![DecoratedSignature { hint, signature }].try_into().unwrap();
        TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures }).to_xdr(Limits::none()).unwrap()
    }
}

fn create_account(id: AccountId) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp { destination: xdr_account(id), starting_balance: 20_000_000 })
}

fn xdr_account(id: AccountId) -> stellar_xdr::AccountId {
    stellar_xdr::AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(id.0)))
}

fn xdr_asset(asset: &Asset) -> stellar_xdr::Asset {
    match asset {
        Asset::Native => stellar_xdr::Asset::Native,
        Asset::Credit { code: AssetCode::Four(code), issuer } => stellar_xdr::Asset::CreditAlphanum4(AlphaNum4 {
            asset_code: AssetCode4(*code),
            issuer: xdr_account(*issuer),
        }),
        Asset::Credit { .. } => panic!("only USDC is traded here"),
    }
}

// The peer's side: ledgers, commands, prices.

fn start(change: impl FnOnce(&mut SandboxConfig)) -> (Sandbox, Engine) {
    let engine = Engine::new(7);
    let mut config = SandboxConfig::new(WorldConfig::new(1, engine.account()));
    config.close = CloseRule::Every(Duration::from_millis(50));
    change(&mut config);
    (Sandbox::start(config).unwrap(), engine)
}

fn read_ledger(stream: &mut impl Read) -> LedgerCloseMeta {
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).unwrap();
    let mark = u32::from_be_bytes(mark);
    assert_eq!(mark >> 31, 1, "the record is not marked as whole");
    let mut record = vec![0; usize::try_from(mark & !(1 << 31)).unwrap()];
    stream.read_exact(&mut record).unwrap();
    LedgerCloseMeta::from_xdr(&record, Limits::none()).unwrap()
}

fn ledgers_of(sandbox: &Sandbox) -> UnixStream {
    let stream = UnixStream::connect(sandbox.meta_path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn header_of(meta: &LedgerCloseMeta) -> &LedgerHeaderHistoryEntry {
    match meta {
        LedgerCloseMeta::V0(meta) => &meta.ledger_header,
        LedgerCloseMeta::V1(meta) => &meta.ledger_header,
        LedgerCloseMeta::V2(meta) => &meta.ledger_header,
    }
}

/// Each transaction's hash, result and changes of its operations.
fn transactions_of(meta: &LedgerCloseMeta) -> Vec<([u8; 32], &TransactionResult, Vec<&LedgerEntryChange>)> {
    match meta {
        LedgerCloseMeta::V0(_) => panic!("no ledger of today has this form"),
        LedgerCloseMeta::V1(meta) => meta
            .tx_processing
            .iter()
            .map(|tx| (tx.result.transaction_hash.0, &tx.result.result, operation_changes(&tx.tx_apply_processing)))
            .collect(),
        LedgerCloseMeta::V2(meta) => meta
            .tx_processing
            .iter()
            .map(|tx| (tx.result.transaction_hash.0, &tx.result.result, operation_changes(&tx.tx_apply_processing)))
            .collect(),
    }
}

fn operation_changes(meta: &TransactionMeta) -> Vec<&LedgerEntryChange> {
    match meta {
        TransactionMeta::V3(meta) => meta.operations.iter().flat_map(|operation| operation.changes.iter()).collect(),
        TransactionMeta::V4(meta) => meta.operations.iter().flat_map(|operation| operation.changes.iter()).collect(),
        other => panic!("no transaction of today has this form: {other:?}"),
    }
}

/// What core's command port answers, and whether it then closed the connection.
fn command(address: SocketAddr, uri: &str) -> Value {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(format!("GET {uri} HTTP/1.1\r\nHost: core\r\n\r\n").as_bytes()).unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    let (head, content) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    serde_json::from_str(content).unwrap_or_else(|error| panic!("{error}: {content}"))
}

fn submit(address: SocketAddr, envelope: &[u8]) -> Value {
    let blob = base64::engine::general_purpose::STANDARD.encode(envelope);
    let escaped = blob.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    command(address, &format!("/tx?blob={escaped}"))
}

fn refusal_of(answer: &Value) -> TransactionResultResult {
    assert_eq!(answer["status"], "ERROR", "{answer}");
    TransactionResult::from_xdr_base64(answer["error"].as_str().unwrap(), Limits::none()).unwrap().result
}

#[test]
fn ledgers_decode_and_each_holds_the_hash_of_the_one_before() {
    let (sandbox, _) = start(|_| {});
    let mut stream = ledgers_of(&sandbox);
    let mut previous: Option<LedgerHeaderHistoryEntry> = None;
    for number in 2..40_u32 {
        let meta = read_ledger(&mut stream);
        let header = header_of(&meta);
        assert_eq!(header.header.ledger_seq, number);
        let hash: [u8; 32] = Sha256::digest(header.header.to_xdr(Limits::none()).unwrap()).into();
        assert_eq!(header.hash.0, hash);
        if let Some(previous) = previous {
            assert_eq!(header.header.previous_ledger_hash, previous.hash);
            assert!(header.header.scp_value.close_time >= previous.header.scp_value.close_time);
        }
        previous = Some(header.clone());
    }
}

#[test]
fn a_reader_that_comes_late_gets_the_same_ledgers_from_the_first() {
    let (sandbox, _) = start(|_| {});
    let mut early = ledgers_of(&sandbox);
    let seen: Vec<_> = (0..20).map(|_| read_ledger(&mut early)).collect();
    let mut late = ledgers_of(&sandbox);
    for ledger in &seen {
        assert!(read_ledger(&mut late) == *ledger);
    }
}

#[test]
fn a_named_pipe_carries_the_same_stream() {
    let (sandbox, _) = start(|config| config.meta = MetaOutput::Pipe);
    let mut pipe = std::fs::File::open(sandbox.meta_path()).unwrap();
    for number in 2..20 {
        assert_eq!(header_of(&read_ledger(&mut pipe)).header.ledger_seq, number);
    }
}

#[test]
fn a_submitted_transaction_comes_back_in_a_ledger() {
    let (sandbox, engine) = start(|config| config.close = CloseRule::OnSubmission { idle: PATIENCE });
    let mut stream = ledgers_of(&sandbox);
    let founded = sandbox.engine();
    while header_of(&read_ledger(&mut stream)).header.ledger_seq < founded.ledger.0 {}
    let newcomer = Engine::new(8).id();
    let envelope = engine.sign(founded.sequence.0 + 1, vec![create_account(newcomer)]);
    assert_eq!(submit(sandbox.core_address(), &envelope), serde_json::json!({"status": "PENDING"}));
    let meta = read_ledger(&mut stream);
    let transactions = transactions_of(&meta);
    let created = transactions.iter().flat_map(|(_, _, changes)| changes).any(|change| {
        matches!(change, LedgerEntryChange::Created(entry)
            if matches!(&entry.data, LedgerEntryData::Account(account)
                if account.account_id == xdr_account(newcomer) && account.balance == 20_000_000))
    });
    assert!(created, "{transactions:?}");
    let snapshot = sandbox.engine();
    assert_eq!((snapshot.applied, snapshot.failed), (1, 0));
    assert!(snapshot.lumens < founded.lumens);
    // The same again is known, and not wanted.
    assert_eq!(submit(sandbox.core_address(), &envelope)["status"], "TRY_AGAIN_LATER");
}

#[test]
fn what_cannot_be_applied_is_refused_with_the_reason() {
    let (sandbox, engine) = start(|config| config.close = CloseRule::Every(PATIENCE));
    let address = sandbox.core_address();
    for blob in ["", "AAAA", "****", "AAAAAgAAAAA%3D"] {
        let answer = command(address, &format!("/tx?blob={blob}"));
        assert!(answer["exception"].is_string(), "{blob}: {answer}");
    }
    assert!(command(address, "/tx").get("exception").is_some());
    let operations = || vec![create_account(Engine::new(8).id())];
    let stranger = Engine::new(9);
    assert!(matches!(
        refusal_of(&submit(address, &stranger.sign(1, operations()))),
        TransactionResultResult::TxNoAccount
    ));
    assert!(matches!(refusal_of(&submit(address, &engine.sign(1, operations()))), TransactionResultResult::TxBadSeq));
    let sequence = sandbox.engine().sequence.0;
    let mut forged = engine.sign(sequence + 1, operations());
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(refusal_of(&submit(address, &forged)), TransactionResultResult::TxBadAuth));
    let genuine = engine.sign(sequence + 1, operations());
    assert_eq!(submit(address, &genuine)["status"], "PENDING");
    assert_eq!(submit(address, &genuine)["status"], "DUPLICATE");
    let second = engine.sign(sequence + 2, operations());
    assert_eq!(submit(address, &second)["status"], "TRY_AGAIN_LATER");
}

#[test]
fn info_tells_what_core_tells() {
    let (sandbox, _) = start(|_| {});
    let info = &command(sandbox.core_address(), "/info")["info"];
    assert_eq!(info["network"], STANDALONE_PASSPHRASE);
    assert_eq!(info["state"], "Synced!");
    let ledger = &info["ledger"];
    assert!(ledger["num"].as_u64().unwrap() >= 2);
    assert_eq!(ledger["hash"].as_str().unwrap().len(), 64);
    for key in ["age", "baseFee", "baseReserve", "closeTime", "maxTxSetSize", "version"] {
        assert!(ledger[key].is_u64(), "{key}: {ledger}");
    }
    assert_eq!(info["protocol_version"], ledger["version"]);
}

type Prices = tungstenite::WebSocket<MaybeTlsStream<TcpStream>>;

fn subscribed(sandbox: &Sandbox, symbol: &str) -> Prices {
    let (mut prices, _) = tungstenite::connect(format!("ws://{}/v2", sandbox.price_address())).unwrap();
    let MaybeTlsStream::Plain(stream) = prices.get_ref() else { panic!("no TLS was asked for") };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = serde_json::json!({"method": "subscribe", "params": {"channel": "ticker", "symbol": [symbol]}});
    prices.send(Message::text(request.to_string())).unwrap();
    prices
}

fn next_of(prices: &mut Prices, channel: &str, kind: &str) -> Value {
    loop {
        if let Message::Text(text) = prices.read().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["channel"] == channel && message["type"] == kind {
                return message["data"][0].clone();
            }
        }
    }
}

#[test]
fn the_reference_price_ticks_as_kraken_does() {
    let (sandbox, _) = start(|_| {});
    let mut prices = subscribed(&sandbox, "XLM/USD");
    assert_eq!(next_of(&mut prices, "status", "update")["system"], "online");
    let snapshot = next_of(&mut prices, "ticker", "snapshot");
    for tick in [snapshot, next_of(&mut prices, "ticker", "update"), next_of(&mut prices, "ticker", "update")] {
        assert_eq!(tick["symbol"], "XLM/USD");
        let (bid, ask) = (tick["bid"].as_f64().unwrap(), tick["ask"].as_f64().unwrap());
        assert!(0.05 < bid && bid < ask && ask < 0.2, "{tick}");
    }
}

#[test]
fn a_load_generator_pushes_the_prices_itself() {
    let (sandbox, _) = start(|config| {
        config.ticks = Ticks::Pushed;
        config.world.markets = 3;
        config.world.activity = Activity::Still;
    });
    let symbol = sandbox.symbols()[2].clone();
    let mut prices = subscribed(&sandbox, &symbol);
    next_of(&mut prices, "ticker", "snapshot");
    assert_eq!(sandbox.price_subscribers(MarketId(2)), 1);
    for mid in [1.5, 1.25, 2.0] {
        sandbox.push_reference(MarketId(0), 0.1).unwrap();
        sandbox.push_reference(MarketId(2), mid).unwrap();
        let tick = next_of(&mut prices, "ticker", "update");
        assert_eq!(tick["symbol"], symbol);
        assert!(tick["bid"].as_f64().unwrap() < mid && mid < tick["ask"].as_f64().unwrap(), "{tick}");
    }
    for (market, mid) in [(MarketId(3), 1.0), (MarketId(0), 0.0), (MarketId(0), f64::NAN)] {
        assert!(matches!(sandbox.push_reference(market, mid), Err(SandboxError::NoReference { .. })));
    }
    let (automatic, _) = start(|_| {});
    assert!(matches!(automatic.push_reference(MarketId(0), 0.1), Err(SandboxError::TicksAreAutomatic)));
}

#[test]
fn everything_is_on_the_loopback_and_ends_when_the_sandbox_stops() {
    let (sandbox, _) = start(|_| {});
    let (core, price) = (sandbox.core_address(), sandbox.price_address());
    assert!([core, price].iter().all(|address| address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let directory = sandbox.meta_path().parent().unwrap().to_owned();
    let mut ledgers = ledgers_of(&sandbox);
    let mut prices = subscribed(&sandbox, "XLM/USD");
    let mut idle = TcpStream::connect(core).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    let (done, stopped) = mpsc::channel();
    thread::spawn(move || done.send(sandbox.stop()).unwrap());
    let last = stopped.recv_timeout(PATIENCE).expect("the sandbox did not stop");
    assert!(last.ledger.0 >= 2);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    let mut rest = Vec::new();
    let _ = ledgers.read_to_end(&mut rest);
    while prices.read().is_ok() {}
    assert!(TcpStream::connect(core).is_err() && TcpStream::connect(price).is_err());
    assert!(!directory.exists());
}

#[test]
fn what_cannot_start_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = |change: fn(&mut SandboxConfig, u16)| {
        let mut config = SandboxConfig::new(WorldConfig::new(1, Engine::new(7).account()));
        change(&mut config, port);
        Sandbox::start(config).unwrap_err()
    };
    assert!(matches!(config(|config, port| config.port = port), SandboxError::Listen { .. }));
    assert!(matches!(config(|config, port| config.price_port = port), SandboxError::Listen { .. }));
    assert!(matches!(config(|config, _| config.close = CloseRule::Every(Duration::ZERO)), SandboxError::ZeroInterval));
    let nowhere = |config: &mut SandboxConfig, _| config.meta = MetaOutput::File("/nonexistent/ledgers.xdr".into());
    assert!(matches!(config(nowhere), SandboxError::Meta { .. }));
    for markets in [0, 1001] {
        let mut config = SandboxConfig::new(WorldConfig::new(1, Engine::new(7).account()));
        config.world.markets = markets;
        let error = Sandbox::start(config).unwrap_err();
        assert!(matches!(error, SandboxError::World(WorldError::Markets(_))), "{error}");
    }
}

// The world inside, in virtual time.

const SECOND: u64 = 1_000_000_000;

/// A world whose ledgers close once a second and whose reference ticks in between.
struct Simulation {
    world: World,
    now: UtcNanos,
}

impl Simulation {
    fn new(change: impl FnOnce(&mut WorldConfig), seed: u64, engine: &Engine) -> Self {
        let mut config = WorldConfig::new(seed, engine.account());
        change(&mut config);
        let world = World::new(&config).unwrap();
        Self { world, now: UtcNanos((config.founded_at_s + 3600) * SECOND) }
    }

    fn next_ledger(&mut self) -> Vec<u8> {
        for _ in 0..4 {
            self.now.0 += SECOND / 4;
            while self.world.reference_tick(self.now).is_some() {}
        }
        self.world.close_ledger(self.now.seconds()).unwrap()
    }
}

#[test]
fn one_seed_is_one_world_to_the_last_byte_and_another_is_another() {
    let history = |seed| {
        let mut simulation = Simulation::new(|config| config.markets = 3, seed, &Engine::new(7));
        let mut ledgers = simulation.world.take_founding();
        ledgers.extend((0..60).map(|_| simulation.next_ledger()));
        ledgers
    };
    let first = history(1);
    assert!(first == history(1), "the same seed made another world");
    let other = history(2);
    assert!(first.iter().zip(&other).all(|(a, b)| a != b), "another seed made the same world");
}

#[test]
fn close_times_grow_a_second_each_but_never_run_far_ahead_of_the_clock_and_never_back() {
    let mut simulation = Simulation::new(|_| {}, 1, &Engine::new(7));
    let close_time = |meta: Vec<u8>| {
        let meta = LedgerCloseMeta::from_xdr(&meta, Limits::none()).unwrap();
        header_of(&meta).header.scp_value.close_time.0
    };
    let first = close_time(simulation.world.close_ledger(2_000_000_000).unwrap());
    assert_eq!(first, 2_000_000_000);
    assert_eq!(close_time(simulation.world.close_ledger(2_000_000_000).unwrap()), first + 1);
    assert_eq!(close_time(simulation.world.close_ledger(2_000_000_000).unwrap()), first + 1);
    assert_eq!(close_time(simulation.world.close_ledger(2_000_000_001).unwrap()), first + 2);
    assert_eq!(close_time(simulation.world.close_ledger(5).unwrap()), first + 2);
    assert_eq!(close_time(simulation.world.close_ledger(2_000_000_100).unwrap()), first + 100);
}

#[test]
fn an_engine_that_opens_its_own_trustline_is_paid_then() {
    let engine = Engine::new(7);
    let mut config = WorldConfig::new(1, EngineAccount::without_trustlines(engine.id()));
    config.activity = Activity::None;
    let mut world = World::new(&config).unwrap();
    world.close_ledger(0).unwrap();
    assert!(world.engine().credits.is_empty());
    let stellar_xdr::Asset::CreditAlphanum4(usdc) = xdr_asset(&world.markets()[0].quote) else { panic!() };
    let line = ChangeTrustAsset::CreditAlphanum4(usdc);
    let trust = OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX });
    let envelope = engine.sign(world.engine().sequence.0 + 1, vec![trust]);
    assert_eq!(world.submit(&envelope), Submission::Pending);
    world.close_ledger(0).unwrap();
    world.close_ledger(0).unwrap();
    assert_eq!(world.engine().credits, [(world.markets()[0].quote, config.engine_credit)]);
    world.close_ledger(0).unwrap();
    assert_eq!(world.engine().credits, [(world.markets()[0].quote, config.engine_credit)]);
}

#[test]
fn every_market_opens_with_ten_levels_a_side() {
    for activity in [Activity::Still, Activity::Lively] {
        let mut simulation = Simulation::new(
            |config| {
                config.markets = 45;
                config.activity = activity;
            },
            3,
            &Engine::new(7),
        );
        for _ in 0..3 {
            simulation.next_ledger();
        }
        let world = &simulation.world;
        assert_eq!(world.engine().credits.len(), 45);
        for market in world.markets() {
            let assets = [market.base, market.quote].map(|asset| match asset {
                Asset::Credit { code: AssetCode::Twelve(code), issuer } => {
                    stellar_xdr::Asset::CreditAlphanum12(stellar_xdr::AlphaNum12 {
                        asset_code: stellar_xdr::AssetCode12(code),
                        issuer: xdr_account(issuer),
                    })
                }
                other => xdr_asset(&other),
            });
            for (selling, buying) in [(&assets[0], &assets[1]), (&assets[1], &assets[0])] {
                let mut prices: Vec<_> =
                    world.ledger().offers(selling, buying).map(|offer| (offer.price.n, offer.price.d)).collect();
                prices.dedup();
                assert!(prices.len() >= 10, "{} levels on {market:?}", prices.len());
            }
        }
    }
}

/// Quotes ten basis points either side of the reference, and nothing else.
fn quote(world: &World, engine: &Engine) -> Vec<u8> {
    let market = world.markets()[0];
    let (base, quote) = (xdr_asset(&market.base), xdr_asset(&market.quote));
    let mid = world.reference_mid(MarketId(0));
    let offers = world.engine().offers;
    let id = |side| offers.iter().find(|offer| offer.side == side).map_or(0, |offer| offer.id.0);
    #[expect(clippy::cast_possible_truncation, reason = "a price near 0.1")]
    let price = |value: f64| Price { n: (value * 1e7).round() as i32, d: 10_000_000 };
    let amount = 500 * 10_000_000;
    let ask = OperationBody::ManageSellOffer(ManageSellOfferOp {
        selling: base.clone(),
        buying: quote.clone(),
        amount,
        price: price(mid * 1.001),
        offer_id: id(Side::Ask),
    });
    let bid = OperationBody::ManageBuyOffer(ManageBuyOfferOp {
        selling: quote,
        buying: base,
        buy_amount: amount,
        price: price(mid * 0.999),
        offer_id: id(Side::Bid),
    });
    // The one that moves away goes first.
    let rising = offers
        .iter()
        .find(|offer| offer.side == Side::Ask)
        .is_none_or(|ask| f64::from(ask.price.n()) / f64::from(ask.price.d()) < mid * 1.001);
    let operations = if rising { vec![ask, bid] } else { vec![bid, ask] };
    engine.sign(world.engine().sequence.0 + 1, operations)
}

#[test]
fn a_naive_quoter_is_filled_on_both_sides_every_few_ledgers() {
    const LEDGERS: usize = 300;
    let engine = Engine::new(7);
    let mut simulation = Simulation::new(|_| {}, 1, &engine);
    let (mut bought, mut sold) = (0, 0);
    let mut lumens = simulation.world.engine().lumens;
    for _ in 0..LEDGERS {
        let envelope = quote(&simulation.world, &engine);
        assert_eq!(simulation.world.submit(&envelope), Submission::Pending);
        simulation.next_ledger();
        let now = simulation.world.engine().lumens;
        // Fees are far less than the smallest trade.
        match now.0 - lumens.0 {
            gain if gain > 1_000_000 => bought += 1,
            loss if loss < -1_000_000 => sold += 1,
            _ => {}
        }
        lumens = now;
    }
    let snapshot = simulation.world.engine();
    println!("bought in {bought}, sold in {sold} of {LEDGERS} ledgers; {snapshot:?}");
    assert!(bought >= LEDGERS / 10 && sold >= LEDGERS / 10, "bought in {bought}, sold in {sold} ledgers");
    assert!(snapshot.failed <= snapshot.applied / 10, "{snapshot:?}");
    let Stroops(usdc) = snapshot.credits[0].1;
    assert!(usdc > 0 && snapshot.lumens.0 > 0);
}

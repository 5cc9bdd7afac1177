//! The whole line and a sandbox in one thread, with virtual time: the same seed sends the same unsigned transactions, and
//! once warm nothing between the bytes and the signed request allocates.

#![expect(clippy::unwrap_used, reason = "a test may")]

use base64::Engine as _;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use stellar_connector::book::{BookConfig, BookLimits, BookStage};
use stellar_connector::events::views::{ViewLimits, ViewsReader, views};
use stellar_connector::events::{
    BookEvent, ConnId, Control, ExecutionEvent, MonoNanos, NetEvent, Now, Stamped, SymbolId, TxOutcome, UtcNanos,
};
use stellar_connector::execution::{Execution, ExecutionConfig};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, KrakenConfig, SourceConfig};
use stellar_connector::pipeline::allocations::{CountingAllocator, allocations_on_this_thread};
use stellar_connector::pipeline::clock::ManualClock;
use stellar_connector::pipeline::latency::stage_latency;
use stellar_connector::pipeline::line::{Line, LineLatencies, Observe};
use stellar_connector::risk::{MarketLimits, RiskGate};
use stellar_connector::sandbox::{EngineAccount, Submission, World, WorldConfig};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::{
    AccountIndex, LedgerSeq, MarketId, MarketTable, NetworkId, STANDALONE_PASSPHRASE, Stroops, TxHash,
};
use stellar_connector::strategy::{PureMarketMaking, PureMarketMakingConfig, StrategyStage, StrategyStageConfig};
use tungstenite::handshake::derive_accept_key;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const SECOND_NS: u64 = 1_000_000_000;
const STEP_NS: u64 = SECOND_NS / 20;
const START_S: u64 = 1_700_100_000;
const META: ConnId = ConnId(0);
const PRICE: ConnId = ConnId(1);
const CORE: ConnId = ConnId(2);

type TheLine = Line<Feed, BookStage, StrategyStage, RiskGate, Execution<LocalSigner>, ManualClock>;

/// What a run did.
#[derive(Default)]
struct Heard {
    sent: Vec<TxHash>,
    fills: u64,
    applied: u64,
    failed: Vec<(i32, Option<(u8, i32)>)>,
}

impl Observe for Heard {
    fn book(&mut self, event: &Stamped<BookEvent>) {
        match event.event {
            BookEvent::Fill(_) => self.fills += 1,
            BookEvent::OwnTransaction(own) if self.sent.contains(&own.hash) => match own.outcome {
                TxOutcome::Success => self.applied += 1,
                TxOutcome::Failed { code, operation } => self.failed.push((code, operation)),
            },
            _ => {}
        }
    }

    fn execution(&mut self, event: &ExecutionEvent) {
        if let ExecutionEvent::Submitted(submission) = event {
            self.sent.push(submission.hash);
        }
    }
}

struct Simulation {
    world: World,
    line: TheLine,
    clock: ManualClock,
    views: ViewsReader,
    heard: Heard,
    shaken: bool,
    /// Allocations inside the line for the last ledger and the last tick.
    ledger_allocations: u64,
    tick_allocations: u64,
}

fn signer(seed: u64) -> LocalSigner {
    LocalSigner::from_seed(&Sha256::digest(seed.to_be_bytes()).into())
}

fn line(seed: u64, world: &World, clock: &ManualClock) -> (TheLine, ViewsReader) {
    let markets = Arc::new(MarketTable::new(world.markets()).unwrap());
    let network = NetworkId::from_passphrase(STANDALONE_PASSPHRASE);
    let limits = ViewLimits { markets: 1, accounts: 1, assets: 2, offers_per_account: 100 };
    let (writer, reader) = views(limits);
    let kraken = KrakenConfig {
        host: "prices".into(),
        path: "/v2".into(),
        symbols: vec![(world.symbols()[0].clone(), SymbolId(0))],
        max_message_bytes: 1 << 20,
        silence_ns: 5 * SECOND_NS,
        nonce: [7; 16],
    };
    let feed = FeedConfig {
        network,
        markets: Arc::clone(&markets),
        accounts: vec![world.engine_account()],
        sources: vec![SourceConfig::CoreMeta, SourceConfig::Kraken(kraken)],
        limits: FeedLimits::default(),
    };
    let book = BookConfig {
        source: META,
        starts_whole_at: Some(LedgerSeq(2)),
        limits: BookLimits { offers: 4096, levels_per_side: 1024, own_offers: 100 },
        held_per_ledger: 256,
    };
    let maker = PureMarketMaking::new(PureMarketMakingConfig {
        market: MarketId(0),
        reference: SymbolId(0),
        bid_spread_bp: 10.0,
        ask_spread_bp: 10.0,
        order_amount: Stroops(200 * 10_000_000),
        order_levels: 2,
        level_spread_bp: 10.0,
        refresh_tolerance_bp: 2.0,
    })
    .unwrap();
    let stage = StrategyStageConfig { reference_stale_ns: 5 * SECOND_NS, ledger_late_ns: 10 * SECOND_NS };
    let gate = MarketLimits {
        max_order_amount: Stroops(1_000 * 10_000_000),
        max_side_amount: Stroops(5_000 * 10_000_000),
        min_price: None,
        max_price: None,
    };
    let execution = ExecutionConfig {
        network,
        markets,
        account: AccountIndex(0),
        connections: 1,
        host: "core".into(),
        fee_per_operation: 100,
        validity_ledgers: 1,
        answer_timeout_ns: 2 * SECOND_NS,
        retry_ns: STEP_NS,
        max_attempts: 10,
        amount_tolerance_bp: 100,
    };
    let stages = (
        Feed::new(&feed).unwrap(),
        BookStage::new(book, writer),
        StrategyStage::new(stage, vec![Box::new(maker)], 1),
        RiskGate::new(vec![gate], true),
        Execution::new(execution, signer(seed), reader.clone()),
    );
    let recorder = || stage_latency("simulated").0;
    let latencies = LineLatencies {
        feed: recorder(),
        book: recorder(),
        strategy: recorder(),
        execution: recorder(),
        tick_to_wire: recorder(),
    };
    (Line::new(stages, clock.clone(), latencies), reader)
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let account = signer(seed).public_key();
        let account = EngineAccount::with_trustlines(account, move |hash| signer(seed).sign(&TxHash(*hash)));
        let mut config = WorldConfig::new(seed, account);
        config.founded_at_s = START_S - 3600;
        let mut world = World::new(&config).unwrap();
        let clock = ManualClock::new(Now { mono: MonoNanos(SECOND_NS), utc: UtcNanos(START_S * SECOND_NS) });
        let (line, views) = line(seed, &world, &clock);
        let founding = world.take_founding();
        let mut simulation = Self {
            world,
            line,
            clock,
            views,
            heard: Heard::default(),
            shaken: false,
            ledger_allocations: 0,
            tick_allocations: 0,
        };
        for conn in [META, PRICE, CORE] {
            simulation.net(NetEvent::Opened(conn));
        }
        founding.iter().for_each(|meta| simulation.ledger(meta));
        simulation
    }

    fn now(&self) -> Now {
        use stellar_connector::pipeline::clock::Clock as _;
        self.clock.now()
    }

    fn net(&mut self, event: NetEvent<'_>) -> u64 {
        let now = self.now();
        let before = allocations_on_this_thread();
        self.line.on_net(now, event, &mut self.heard);
        let allocated = allocations_on_this_thread().since(before).count;
        self.answer();
        allocated
    }

    fn ledger(&mut self, meta: &[u8]) {
        let mark = u32::try_from(meta.len()).unwrap() | 1 << 31;
        let framed = [&mark.to_be_bytes(), meta].concat();
        self.ledger_allocations = self.net(NetEvent::Bytes(META, &framed));
    }

    /// The other ends of the connections: the price server's handshake, and core's command port.
    fn answer(&mut self) {
        let asked = self.line.outbox(PRICE).waiting().to_vec();
        self.line.outbox(PRICE).clear();
        if !asked.is_empty() && !self.shaken {
            self.shaken = true;
            let text = String::from_utf8(asked).unwrap();
            let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap().trim();
            let accepted = derive_accept_key(key.as_bytes());
            let response = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accepted}\r\n\r\n"
            );
            self.net(NetEvent::Bytes(PRICE, response.as_bytes()));
        }
        let request = String::from_utf8(self.line.outbox(CORE).waiting().to_vec()).unwrap();
        self.line.outbox(CORE).clear();
        if let Some(rest) = request.strip_prefix("GET /tx?blob=") {
            let blob = rest.split(' ').next().unwrap();
            let blob = blob.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
            let envelope = base64::engine::general_purpose::STANDARD.decode(blob).unwrap();
            let body = match self.world.submit(&envelope) {
                Submission::Pending => r#"{"status": "PENDING"}"#,
                Submission::Duplicate => r#"{"status": "DUPLICATE"}"#,
                Submission::TryAgainLater => r#"{"status": "TRY_AGAIN_LATER"}"#,
                Submission::Error(result) => panic!("refused: {result:?}"),
                Submission::Malformed(why) => panic!("{why}"),
            };
            let response = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            self.net(NetEvent::Bytes(CORE, response.as_bytes()));
            self.net(NetEvent::Closed(CORE));
            self.net(NetEvent::Opened(CORE));
        }
    }

    /// A step of virtual time: due ticks, due deadlines, and once a second a ledger.
    fn step(&mut self) {
        self.clock.advance(STEP_NS);
        let now = self.now();
        if self.line.next_deadline().is_some_and(|at| at <= now.mono) {
            self.line.on_time(now, &mut self.heard);
            self.answer();
        }
        while let Some(tick) = self.world.reference_tick(now.utc) {
            let message = tick.message();
            let length = u16::try_from(message.len()).unwrap();
            let frame = [&[0x81, 126], &length.to_be_bytes()[..], message.as_bytes()].concat();
            self.tick_allocations = self.net(NetEvent::Bytes(PRICE, &frame));
        }
        if now.mono.0.is_multiple_of(SECOND_NS) {
            let meta = self.world.close_ledger(now.utc.seconds()).unwrap();
            self.ledger(&meta);
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * SECOND_NS / STEP_NS {
            self.step();
        }
    }
}

#[test]
fn the_same_seed_sends_the_same_unsigned_transactions() {
    let run = |seed| {
        let mut simulation = Simulation::new(seed);
        simulation.run(120);
        simulation.heard
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first.sent.len() > 60, "{} transactions in 120 ledgers", first.sent.len());
    assert!(first.fills > 0 && first.applied > 0);
    assert_eq!(first.sent, again.sent);
    assert_ne!(first.sent, other.sent);
}

/// An offer that another transaction of the same ledger took is not found any more: nobody can know before. Anything
/// else that fails is our fault.
#[test]
fn only_what_is_raced_fails() {
    const OFFER_NOT_FOUND: i32 = -11;
    for seed in 0..8 {
        let mut simulation = Simulation::new(seed);
        simulation.run(60);
        for (code, operation) in &simulation.heard.failed {
            assert!(
                *code == -1 && operation.is_some_and(|(_, code)| code == OFFER_NOT_FOUND),
                "seed {seed}: transaction failed with {code}, operation {operation:?}"
            );
        }
    }
}

#[test]
fn when_the_operator_stops_it_no_offer_is_left_on_the_ledger() {
    for seed in 0..8 {
        let mut simulation = Simulation::new(seed);
        simulation.run(30);
        assert!(!simulation.world.engine().offers.is_empty(), "seed {seed}: it quotes");
        let now = simulation.now();
        simulation.line.on_control(now, Control::CancelAll, &mut simulation.heard);
        simulation.answer();
        simulation.run(4);
        assert_eq!(simulation.world.engine().offers, [], "seed {seed}");
        let own = simulation.views.read(|views| views.own_offers(AccountIndex(0)).count());
        assert_eq!(own, Some(0), "seed {seed}: the view says so too");
    }
}

#[test]
fn once_warm_the_line_allocates_nothing_for_a_ledger_and_only_what_tungstenite_does_for_a_tick() {
    let mut simulation = Simulation::new(3);
    simulation.heard.sent.reserve(10_000);
    simulation.heard.failed.reserve(10_000);
    simulation.run(60);
    let (sent, mut most_for_a_tick) = (simulation.heard.sent.len(), 0);
    for _ in 0..60 * SECOND_NS / STEP_NS {
        simulation.step();
        assert_eq!(simulation.ledger_allocations, 0, "for a ledger");
        most_for_a_tick = most_for_a_tick.max(simulation.tick_allocations);
    }
    assert!(simulation.heard.sent.len() > sent, "requotes were among it");
    println!("a price tick, to the signed bytes: {most_for_a_tick} allocations at most, all of them tungstenite's");
    assert!(most_for_a_tick <= 2, "{most_for_a_tick} allocations for a tick");
}

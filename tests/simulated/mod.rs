//! The whole line and a sandbox in one thread, without sockets: the other ends of the line's connections are here.
#![allow(dead_code, reason = "each user takes its own part")]

use base64::Engine as _;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use stellar_connector::book::{BookConfig, BookLimits, BookStage};
use stellar_connector::events::views::{ViewLimits, ViewsReader, ViewsWriter, views};
use stellar_connector::events::{
    BookEvent, ConnId, ExecutionEvent, Expression, NetEvent, Now, Stamped, SymbolId, TxOutcome,
};
use stellar_connector::execution::{Execution, ExecutionConfig};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, PriceStreamConfig, SourceConfig};
use stellar_connector::pipeline::allocations::allocations_on_this_thread;
use stellar_connector::pipeline::clock::Clock;
use stellar_connector::pipeline::latency::{LatencyReader, stage_latency};
use stellar_connector::pipeline::line::{Line, LineLatencies, Observe};
use stellar_connector::risk::{MarketLimits, RiskGate};
use stellar_connector::sandbox::{Activity, EngineAccount, Submission, Tick, World, WorldConfig};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::{
    AccountIndex, LedgerSeq, MarketId, MarketTable, NetworkId, STANDALONE_PASSPHRASE, Stroops, TxHash,
};
use stellar_connector::strategy::{
    PureMarketMaking, PureMarketMakingConfig, Quoter, StrategyStage, StrategyStageConfig,
};
use tungstenite::handshake::derive_accept_key;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;
/// When time begins in a simulation, seconds since 1970; the world was founded before.
pub(crate) const START_S: u64 = 1_700_100_000;
const META: ConnId = ConnId(0);
/// The connection of reference prices.
pub(crate) const PRICE: ConnId = ConnId(1);
/// The connection to core's command port.
pub(crate) const CORE: ConnId = ConnId(2);

/// What differs from one simulation to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// Markets, each with a reference symbol and a strategy.
    pub(crate) markets: u16,
    pub(crate) activity: Activity,
    /// The first market's reference price at the beginning.
    pub(crate) anchor: f64,
    /// Lumens that the engine begins with.
    pub(crate) lumens: Stroops,
    /// Quotes a side.
    pub(crate) levels: u8,
    /// Base a quote.
    pub(crate) amount: Stroops,
    /// How long a reference price is used, and half of how long a ledger is waited for.
    pub(crate) stale_ns: u64,
}

/// What a run did.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) sent: Vec<TxHash>,
    /// How many of them had been held back.
    pub(crate) held: u64,
    /// Whether the fate of the last of them is open.
    pub(crate) unresolved: bool,
    pub(crate) fills: u64,
    pub(crate) applied: u64,
    pub(crate) failed: Vec<(i32, Option<(u8, i32)>)>,
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
        match event {
            ExecutionEvent::Submitted(submission) => {
                self.sent.push(submission.hash);
                self.held += u64::from(submission.held);
                self.unresolved = true;
            }
            ExecutionEvent::Resolved(_) => self.unresolved = false,
            ExecutionEvent::Answer(_) | ExecutionEvent::Withheld(..) => {}
        }
    }
}

type TheLine<C> = Line<Feed, BookStage, StrategyStage, RiskGate, Execution<LocalSigner>, C>;

/// A line, and the world that it trades in.
#[derive(Debug)]
pub(crate) struct Simulated<C> {
    pub(crate) world: World,
    pub(crate) line: TheLine<C>,
    pub(crate) clock: C,
    pub(crate) views: ViewsReader,
    pub(crate) heard: Heard,
    tick_to_wire: LatencyReader,
    shaken: bool,
}

fn signer(seed: u64) -> LocalSigner {
    LocalSigner::from_seed(&Sha256::digest(seed.to_be_bytes()).into())
}

fn world(setup: &Setup) -> World {
    let seed = setup.seed;
    let account =
        EngineAccount::with_trustlines(signer(seed).public_key(), move |hash| signer(seed).sign_hash(&TxHash(*hash)));
    let mut config = WorldConfig::new(seed, account);
    config.founded_at_s = START_S - 3600;
    config.markets = usize::from(setup.markets);
    config.activity = setup.activity;
    config.reference.anchor = setup.anchor;
    config.engine_lumens = setup.lumens;
    World::new(&config).unwrap()
}

fn feed(world: &World, markets: &Arc<MarketTable>, network: NetworkId) -> Feed {
    let kraken = PriceStreamConfig {
        host: "prices".into(),
        path: "/v2".into(),
        symbols: world.symbols().iter().cloned().zip((0..).map(SymbolId)).collect(),
        max_message_bytes: 1 << 20,
        silence_ns: 5 * SECOND_NS,
        nonce: [7; 16],
    };
    let config = FeedConfig {
        network,
        markets: Arc::clone(markets),
        accounts: vec![world.engine_account()],
        sources: vec![SourceConfig::CoreMeta, SourceConfig::Kraken(kraken)],
        limits: FeedLimits::default(),
    };
    Feed::new(&config).unwrap()
}

fn book(setup: &Setup, writer: ViewsWriter) -> BookStage {
    let markets = usize::from(setup.markets);
    let config = BookConfig {
        ledger_sources: 1,
        starts_whole_at: Some(LedgerSeq(2)),
        limits: BookLimits {
            offers: 4096 + 64 * markets,
            levels_per_side: 1024,
            own_offers: writer.limits().offers_per_account,
        },
        held_per_ledger: 256,
    };
    BookStage::new(config, writer)
}

fn strategies(setup: &Setup, views: ViewsReader) -> StrategyStage {
    let maker = |number: u16| {
        let config = PureMarketMakingConfig {
            market: MarketId(number),
            bid_spread_bp: 10.0,
            ask_spread_bp: 10.0,
            order_amount: setup.amount,
            order_levels: setup.levels,
            level_spread_bp: 10.0,
            refresh_tolerance_bp: 2.0,
        };
        let price = Expression::mid_of(SymbolId(number), setup.stale_ns);
        Quoter { strategy: Box::new(PureMarketMaking::new(config).unwrap()), price: Some(price) }
    };
    let config = StrategyStageConfig { ledger_late_ns: 2 * setup.stale_ns };
    StrategyStage::new(config, (0..setup.markets).map(maker).collect(), usize::from(setup.markets), views)
}

fn execution(
    setup: &Setup,
    markets: Arc<MarketTable>,
    network: NetworkId,
    views: ViewsReader,
) -> Execution<LocalSigner> {
    let config = ExecutionConfig {
        network,
        markets,
        account: AccountIndex(0),
        connections: 1,
        host: "core".into(),
        fee_per_operation: 100,
        validity_ledgers: 1,
        answer_timeout_ns: 2 * SECOND_NS,
        retry_ns: SECOND_NS / 20,
        max_attempts: 10,
        amount_tolerance_bp: 100,
    };
    Execution::new(config, signer(setup.seed), views)
}

fn line<C: Clock>(setup: &Setup, world: &World, clock: C) -> (TheLine<C>, ViewsReader, LatencyReader) {
    let markets = Arc::new(MarketTable::new(world.markets()).unwrap());
    let network = NetworkId::from_passphrase(STANDALONE_PASSPHRASE);
    let limits = ViewLimits {
        markets: usize::from(setup.markets),
        accounts: 1,
        assets: markets.assets().len(),
        offers_per_account: if setup.markets == 1 { 100 } else { 1000 },
    };
    let (writer, reader) = views(limits);
    let gate = MarketLimits {
        max_order_amount: Stroops(1_000 * 10_000_000),
        max_side_amount: Stroops(5_000 * 10_000_000),
        min_price: None,
        max_price: None,
    };
    let stages = (
        feed(world, &markets, network),
        book(setup, writer),
        strategies(setup, reader.clone()),
        RiskGate::new(vec![gate; usize::from(setup.markets)], true),
        execution(setup, markets, network, reader.clone()),
    );
    let recorder = || stage_latency("simulated").0;
    let (tick_to_wire, latency_reader) = stage_latency("tick to wire");
    let latencies = LineLatencies {
        feed: recorder(),
        book: recorder(),
        strategy: recorder(),
        execution: recorder(),
        tick_to_wire,
        first_byte_to_view: recorder(),
        close_to_view: recorder(),
    };
    (Line::new(stages, clock, latencies), reader, latency_reader)
}

impl<C: Clock + Clone> Simulated<C> {
    /// A line whose connections stand, and that has read the ledgers of the founding.
    pub(crate) fn new(setup: &Setup, clock: C) -> Self {
        let mut world = world(setup);
        let (line, views, tick_to_wire) = line(setup, &world, clock.clone());
        let founding = world.take_founding();
        let mut simulated = Self { world, line, clock, views, heard: Heard::default(), tick_to_wire, shaken: false };
        for conn in [META, PRICE, CORE] {
            simulated.net(NetEvent::Opened(conn));
        }
        founding.iter().for_each(|meta| _ = simulated.ledger(meta));
        simulated
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Lets the line take an event, and answers what it says. How often the line allocated, if that is counted.
    pub(crate) fn net(&mut self, event: NetEvent<'_>) -> u64 {
        let now = self.now();
        let before = allocations_on_this_thread();
        self.line.on_net(now, event, &mut self.heard);
        let allocated = allocations_on_this_thread().since(before).count;
        self.answer();
        allocated
    }

    fn ledger(&mut self, meta: &[u8]) -> u64 {
        let mark = u32::try_from(meta.len()).unwrap() | 1 << 31;
        let framed = [&mark.to_be_bytes(), meta].concat();
        self.net(NetEvent::Bytes(META, &framed))
    }

    /// Says that what waits has been written; how many latencies from tick to wire have been recorded in all.
    pub(crate) fn latencies(&mut self) -> u64 {
        let now = self.now();
        self.line.on_written(now.mono);
        self.line.exchange_latencies();
        self.tick_to_wire.collect();
        self.tick_to_wire.total().len()
    }

    /// Closes a ledger and lets the line read it.
    pub(crate) fn close_ledger(&mut self) -> u64 {
        let meta = self.world.close_ledger(self.now().utc.seconds()).unwrap();
        self.ledger(&meta)
    }

    /// The other ends of the connections: the price server's handshake, and core's command port.
    pub(crate) fn answer(&mut self) {
        let asked = self.line.outbox(PRICE).waiting().to_vec();
        self.line.outbox(PRICE).clear();
        if !asked.is_empty() && !self.shaken {
            self.shaken = true;
            let response = handshake(&asked);
            self.net(NetEvent::Bytes(PRICE, response.as_bytes()));
        }
        let request = String::from_utf8(self.line.outbox(CORE).waiting().to_vec()).unwrap();
        self.line.outbox(CORE).clear();
        if !request.is_empty() {
            let body = match self.world.submit(&envelope_of(&request)) {
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

    /// The frame in which Kraken tells a market's best bid and ask, a basis point around `mid`.
    pub(crate) fn price_frame(&self, market: MarketId, mid: f64) -> Vec<u8> {
        let symbol = &self.world.symbols()[usize::from(market.0)];
        let (bid, ask) = (mid * (1.0 - 0.5e-4), mid * (1.0 + 0.5e-4));
        let data = format!(
            concat!(
                r#"{{"symbol":"{}","bid":{:.6},"bid_qty":740.00000000,"ask":{:.6},"ask_qty":1361.44813783,"#,
                r#""last":{:.6},"volume":997038.98383185,"vwap":{:.6},"low":{:.6},"high":{:.6},"change":-0.000170,"#,
                r#""change_pct":-0.17,"trades":1234,"timestamp":"2026-10-01T12:34:56.123456Z"}}"#
            ),
            symbol, bid, ask, bid, mid, bid, ask,
        );
        frame(&Tick { symbol: usize::from(market.0), data })
    }

    /// Closes ledgers until everything that is wanted stands: one after which nothing is sent.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2 * self.world.markets().len() + 10 {
            self.close_ledger();
            if !self.heard.unresolved {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

/// The WebSocket frame of a tick.
pub(crate) fn frame(tick: &Tick) -> Vec<u8> {
    let message = tick.message();
    let length = u16::try_from(message.len()).unwrap();
    [&[0x81, 126], &length.to_be_bytes()[..], message.as_bytes()].concat()
}

fn handshake(request: &[u8]) -> String {
    let text = str::from_utf8(request).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap().trim();
    let accepted = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accepted}\r\n\r\n"
    )
}

fn envelope_of(request: &str) -> Vec<u8> {
    let rest = request.strip_prefix("GET /tx?blob=").unwrap();
    let blob = rest.split(' ').next().unwrap();
    let blob = blob.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    base64::engine::general_purpose::STANDARD.decode(blob).unwrap()
}

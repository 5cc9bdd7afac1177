//! Horizon over real sockets: the sandbox's streams heard by the feed, and servers that die and come back while it takes
//! its snapshots.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

#[path = "horizon_on_loopback/proxy.rs"]
mod proxy;

use proxy::{Mode, Proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stellar_connector::events::{
    Clock as _, ConnId, FeedEvent, FeedFault, NetPort, SnapshotEvent, Stage, Stamped, SymbolId,
};
use stellar_connector::feed::{
    Feed, FeedConfig, FeedLimits, HorizonStreamConfig, HorizonSweepConfig, HttpPlace, SourceConfig,
};
use stellar_connector::net::{ConnSettings, Endpoint, Reactor, Timing};
use stellar_connector::pipeline::clock::SystemClock;
use stellar_connector::sandbox::{CloseRule, EngineAccount, Sandbox, SandboxConfig, WorldConfig};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::{MarketId, MarketTable, NetworkId, TxHash};

/// Machines are slow at times; nothing here waits for so long on one that works.
const PATIENCE: Duration = Duration::from_secs(60);
const SECOND_NS: u64 = 1_000_000_000;

fn sandbox() -> Sandbox {
    let signer = || LocalSigner::from_seed(&[77; 32]);
    let account = EngineAccount::with_trustlines(signer().public_key(), move |hash| signer().sign_hash(&TxHash(*hash)));
    let mut config = SandboxConfig::new(WorldConfig::new(7, account));
    config.close = CloseRule::Every(Duration::from_millis(200));
    Sandbox::start(config).unwrap()
}

/// A feed with the sandbox's ledgers and these sources, whose HTTP servers are on these ports in the order of their
/// connections.
struct House {
    feed: Feed,
    reactor: Reactor<SystemClock>,
    told: Vec<FeedEvent>,
}

impl House {
    fn new(sandbox: &Sandbox, sources: Vec<SourceConfig>, ports: &[u16]) -> Self {
        let ledgers = ConnSettings::lasting(Endpoint::Unix { path: sandbox.meta_path().to_owned() });
        let tcp = |port: &u16| ConnSettings::lasting(Endpoint::Tcp { host: "127.0.0.1".into(), port: *port });
        let connections: Vec<_> = [ledgers].into_iter().chain(ports.iter().map(tcp)).collect();
        let config = FeedConfig {
            network: NetworkId::from_passphrase(sandbox.network_passphrase()),
            markets: Arc::new(MarketTable::new(sandbox.markets()).unwrap()),
            accounts: vec![sandbox.engine_account()],
            sources: [SourceConfig::CoreMeta].into_iter().chain(sources).collect(),
            limits: FeedLimits::default(),
        };
        let feed = Feed::new(&config).unwrap();
        let reactor = Reactor::new(&connections, Timing::default(), 1, SystemClock).unwrap();
        Self { feed, reactor, told: Vec::new() }
    }

    /// Runs until something holds of what was told since the last time.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&[FeedEvent]) -> bool) -> Vec<FeedEvent> {
        let started = Instant::now();
        while !holds(&self.told) {
            assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
            self.turn();
        }
        std::mem::take(&mut self.told)
    }

    fn turn(&mut self) {
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.reactor.wait(Duration::from_millis(5)).unwrap();
        while let Some((_, event)) = self.reactor.next_event() {
            self.feed.on_event(SystemClock.now(), event, &mut told);
        }
        let now = SystemClock.now();
        if self.feed.next_deadline().is_some_and(|deadline| deadline <= now.mono) {
            self.feed.on_time(now, &mut told);
        }
        for conn in (0..self.feed.connections()).map(ConnId) {
            if self.feed.take_reset(conn) {
                self.reactor.reset(conn);
            }
            self.reactor.flush(conn, self.feed.outbox(conn));
        }
        self.told.extend(told.into_iter().map(|stamped| stamped.event));
    }
}

fn place(port: u16) -> HttpPlace {
    HttpPlace { host: format!("127.0.0.1:{port}"), prefix: String::new() }
}

fn sweep(ports: &[u16]) -> SourceConfig {
    SourceConfig::HorizonSweep(HorizonSweepConfig {
        servers: ports.iter().copied().map(place).collect(),
        every_ns: SECOND_NS / 10,
        requests_per_hour: 1_000_000,
        seed: 1,
        answer_timeout_ns: SECOND_NS / 2,
        return_after_ns: SECOND_NS,
    })
}

fn streams(ports: &[u16]) -> HorizonStreamConfig {
    HorizonStreamConfig {
        servers: ports.iter().copied().map(place).collect(),
        order_books: vec![(MarketId(0), SymbolId(0))],
        trades: true,
        accounts: 1,
        requests_per_hour: 1_000_000,
        seed: 1,
        answer_timeout_ns: 5 * SECOND_NS,
        silence_ns: 65 * SECOND_NS,
        return_after_ns: SECOND_NS,
    }
}

fn is_fault(event: &FeedEvent) -> bool {
    matches!(event, FeedEvent::Fault(..))
}

fn prices(told: &[FeedEvent]) -> usize {
    told.iter().filter(|event| matches!(event, FeedEvent::ReferencePrice(_))).count()
}

#[test]
fn the_sandboxs_streams_are_heard_resumed_and_agree_with_its_ledgers() {
    let sandbox = sandbox();
    let port = sandbox.core_address().port();
    let config = streams(&[port]);
    let mut house = House::new(&sandbox, vec![sweep(&[port]), SourceConfig::HorizonStream(config)], &[port; 4]);
    // A stream of a book ends after ten events: so many are heard over several.
    let told = house.until("35 prices and a trade", |told| {
        let traded = |event: &FeedEvent| matches!(event, FeedEvent::ReferencePrice(price) if price.last > 0.0);
        prices(told) >= 35 && told.iter().any(traded)
    });
    for event in &told {
        if let FeedEvent::ReferencePrice(price) = event {
            assert!(price.bid > 0.0 && price.bid < price.ask && price.bid_amount > 0.0 && price.ask_amount > 0.0);
            // The sandbox's lumen costs a dime.
            assert!((0.05..0.2).contains(&price.bid) && price.ask < 0.2, "{price:?}");
        }
    }
    assert!(!told.iter().any(is_fault), "{:?}", told.iter().find(|event| is_fault(event)));
    for stream in 2..5 {
        assert!(told.contains(&FeedEvent::FeedUp(ConnId(stream))), "stream {stream}");
        assert!(!told.contains(&FeedEvent::FeedDown(ConnId(stream))), "stream {stream} broke off");
        // Trades are refused until there is one.
        assert!(stream == 3 || house.feed.counters(ConnId(stream)).resets == 0, "stream {stream} was given up");
    }
    assert!(house.feed.counters(ConnId(4)).handed_down >= 1, "the account was not told");
}

#[test]
fn a_broken_stream_goes_on_at_the_backup_and_its_trades_where_they_were() {
    let sandbox = sandbox();
    let target = sandbox.core_address();
    let (primary, backup) = (Proxy::start(target), Proxy::start(target));
    let ports = [primary.port(), backup.port()];
    let each: Vec<u16> = [ports; 3].concat();
    let mut house = House::new(&sandbox, vec![SourceConfig::HorizonStream(streams(&ports))], &each);
    house.until("prices come", |told| prices(told) >= 3);
    assert_eq!(backup.requests(), 0);
    primary.set(Mode::Status(503));
    let told = house.until("prices come from the backup", |told| backup.requests() >= 3 && prices(told) >= 10);
    assert!(!told.iter().any(|event| matches!(event, FeedEvent::Fault(_, FeedFault::UnseenChange))));
    let trades = backup.asked_for("/trades");
    assert!(trades.iter().any(|request| request.contains("Last-Event-ID: ")), "{trades:?}");
    primary.set(Mode::Serve);
    let before = primary.asked_for("/order_book").len();
    house.until("the primary is heard again", |told| {
        primary.asked_for("/order_book").len() > before && prices(told) >= 15
    });
}

/// Runs until both our account and the market were told whole, so many times.
fn until_told(house: &mut House, what: &str, mut also: impl FnMut() -> bool) {
    let count = |told: &[FeedEvent], is: fn(&SnapshotEvent) -> bool| {
        told.iter().filter(|event| matches!(event, FeedEvent::Snapshot(snapshot) if is(snapshot))).count()
    };
    house.until(what, |told| {
        count(told, |event| matches!(event, SnapshotEvent::AccountsEnd(_))) >= 2
            && count(told, |event| matches!(event, SnapshotEvent::MarketEnd(..))) >= 2
            && also()
    });
}

#[test]
fn however_the_primary_dies_the_backup_serves_until_it_is_back() {
    let sandbox = sandbox();
    let target = sandbox.core_address();
    let (primary, backup) = (Proxy::start(target), Proxy::start(target));
    let ports = [primary.port(), backup.port()];
    let mut house = House::new(&sandbox, vec![sweep(&ports)], &ports);
    until_told(&mut house, "snapshots come", || true);
    assert_eq!(backup.requests(), 0, "the backup is asked without need");
    for death in [Mode::Status(503), Mode::Status(429), Mode::Refuse, Mode::Hang, Mode::Cut] {
        primary.set(death);
        let before = backup.requests();
        until_told(&mut house, &format!("the backup serves after {death:?}"), || backup.requests() > before + 3);
        primary.set(Mode::Serve);
        let before = primary.served();
        until_told(&mut house, &format!("the primary serves again after {death:?}"), || primary.served() > before + 3);
        // And the backup is left alone.
        let before = backup.requests();
        until_told(&mut house, "more snapshots come", || true);
        assert!(backup.requests() <= before + 1, "the backup is still asked after {death:?}");
    }
}

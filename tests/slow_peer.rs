//! A peer that drips does not delay another: prices at full rate through a feed, with and without a ledger stream beside
//! them that brings a byte a second, on one thread.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;
use stellar_connector::events::{Clock, ConnId, FeedEvent, NetPort, Sink, Stage, Stamped, SymbolId};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, PriceStreamConfig, SourceConfig};
use stellar_connector::net::{ConnSettings, Endpoint, Reactor, Timing};
use stellar_connector::pipeline::clock::SystemClock;
use stellar_connector::stellar::{AccountId, Asset, AssetCode, Market, MarketTable, NetworkId};
use tungstenite::Message;

/// Blocks of each kind, in turn.
const BLOCKS: usize = 30;
/// Prices a block.
const PRICES: usize = 3_000;
/// The bound of the promise.
const MOST: f64 = 1.2;

/// A server of Kraken's ticker that sends a price whenever it is told to: its own clock, in nanoseconds, is the price.
fn price_server() -> (u16, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (wanted, wants) = channel();
    thread::spawn(move || {
        pin(1);
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut socket = tungstenite::accept(stream).unwrap();
        assert!(matches!(socket.read(), Ok(Message::Text(_))), "a subscription");
        for () in wants {
            let now = SystemClock.mono().0;
            let ticker = format!(
                r#"{{"channel":"ticker","type":"update","data":[{{"symbol":"XLM/USD","bid":{now},"ask":{now}}}]}}"#
            );
            if socket.send(Message::text(ticker)).is_err() {
                return;
            }
        }
    });
    (port, wanted)
}

/// Each thread on a core of its own, where there are two: which core the scheduler takes would decide otherwise.
fn pin(place: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.get(place % cores.len().max(1)) {
        core_affinity::set_for_current(*core);
    }
}

/// A ledger stream that announces much and brings a byte a second.
fn dripping_server(done: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&(0x8000_0000_u32 | (64 << 20)).to_be_bytes()).unwrap();
        while !done.load(Ordering::Relaxed) && stream.write_all(&[0]).is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    port
}

/// Remembers how long ago the last price was sent.
#[derive(Default)]
struct Late {
    last_ns: Option<u64>,
}

impl Sink<Stamped<FeedEvent>> for Late {
    fn put(&mut self, item: Stamped<FeedEvent>) {
        if let FeedEvent::ReferencePrice(price) = item.event {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds since the start")]
            let sent_ns = price.bid as u64;
            self.last_ns = Some(SystemClock.mono().0.saturating_sub(sent_ns));
        }
    }
}

/// A feed on its sockets.
struct Desk {
    feed: Feed,
    reactor: Reactor<SystemClock>,
    wanted: Sender<()>,
}

impl Desk {
    fn open(dripping: Option<u16>) -> Self {
        let (port, wanted) = price_server();
        let tcp = |port| ConnSettings::lasting(Endpoint::Tcp { host: "127.0.0.1".into(), port });
        let kraken = SourceConfig::Kraken(PriceStreamConfig {
            host: format!("127.0.0.1:{port}"),
            path: "/v2".into(),
            symbols: vec![("XLM/USD".into(), SymbolId(0))],
            max_message_bytes: 1 << 16,
            silence_ns: 60_000_000_000,
            nonce: [7; 16],
        });
        let (mut sources, mut connections) = (vec![kraken], vec![tcp(port)]);
        if let Some(port) = dripping {
            sources.insert(0, SourceConfig::CoreMeta);
            connections.insert(0, tcp(port));
        }
        let usd = Asset::Credit { code: AssetCode::Four(*b"USD\0"), issuer: AccountId([1; 32]) };
        let markets = MarketTable::new(&[Market { base: Asset::Native, quote: usd }]).unwrap();
        let feed = Feed::new(&FeedConfig {
            network: NetworkId::from_passphrase("slow peer"),
            markets: Arc::new(markets),
            accounts: Vec::new(),
            sources,
            limits: FeedLimits::default(),
        });
        let reactor = Reactor::new(&connections, Timing::default(), 1, SystemClock).unwrap();
        Self { feed: feed.unwrap(), reactor, wanted }
    }

    fn turn(&mut self, late: &mut Late) {
        self.reactor.wait(Duration::from_millis(20)).unwrap();
        while let Some((wire, event)) = self.reactor.next_event() {
            let now = stellar_connector::events::Now { mono: wire, ..SystemClock.now() };
            self.feed.on_event(now, event, late);
        }
        for conn in (0..self.feed.connections()).map(ConnId) {
            self.reactor.flush(conn, self.feed.outbox(conn));
        }
    }

    /// How long a price takes from the server to the event.
    fn price_ns(&mut self) -> u64 {
        self.wanted.send(()).unwrap();
        let mut late = Late::default();
        loop {
            self.turn(&mut late);
            if let Some(late_ns) = late.last_ns {
                return late_ns;
            }
        }
    }

    /// The median of a block.
    fn block_ns(&mut self) -> f64 {
        let mut all: Vec<u64> = (0..PRICES).map(|_| self.price_ns()).collect();
        all.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "a latency")]
        let median = all[all.len() / 2] as f64;
        median
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The 2.5 % and 97.5 % bounds of the ratios' median, by the bootstrap.
fn bounds(ratios: &[f64]) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut draw = || ratios[usize::try_from(random.next_u32()).unwrap() % ratios.len()];
    let mut medians: Vec<f64> =
        (0..4_000).map(|_| median(&mut ratios.iter().map(|_| draw()).collect::<Vec<_>>())).collect();
    medians.sort_unstable_by(f64::total_cmp);
    (medians[100], medians[3_899])
}

#[test]
fn a_peer_that_drips_a_byte_a_second_does_not_delay_another() {
    pin(0);
    let done = Arc::new(AtomicBool::new(false));
    let (mut alone, mut beside) = (Desk::open(None), Desk::open(Some(dripping_server(Arc::clone(&done)))));
    // The first block of each connects and warms up.
    let (_, _) = (alone.block_ns(), beside.block_ns());
    let mut ratios = Vec::new();
    for _ in 0..BLOCKS {
        let without = alone.block_ns();
        ratios.push(beside.block_ns() / without);
    }
    let dripped = *beside.feed.counters(ConnId(0));
    done.store(true, Ordering::Relaxed);
    let (low, high) = bounds(&ratios);
    println!("p50 beside a dripping peer over p50 alone: {:.3} ({low:.3} to {high:.3})", median(&mut ratios));
    assert!(dripped.bytes > 4, "the peer dripped: {dripped:?}");
    assert!(dripped.growths <= 2, "what a mark promises takes no memory: {dripped:?}");
    assert!(low < MOST, "a dripping peer delays another: {low:.3} to {high:.3} times the latency");
}

#[test]
fn the_bootstrap_would_tell_a_delay() {
    let delayed: Vec<f64> = (0_u8..30).map(|at| 1.3 + f64::from(at % 5) / 100.0).collect();
    let same: Vec<f64> = (0_u8..30).map(|at| 0.9 + f64::from(at % 5) / 20.0).collect();
    assert!(bounds(&delayed).0 > MOST);
    assert!(bounds(&same).0 < MOST);
}

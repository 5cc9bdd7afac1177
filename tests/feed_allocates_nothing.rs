//! Once warm, the feed allocates nothing: for a ledger at all, for a price beyond what `tungstenite` itself does.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;
#[path = "recorded/rpc.rs"]
mod rpc;

use recorded::{committed, ledgers_of, marked, network_of};
use std::sync::Arc;
use stellar_connector::events::{ConnId, FeedEvent, MonoNanos, NetEvent, NetPort, Now, Sink, Stage, Stamped, SymbolId};
use stellar_connector::feed::{
    Feed, FeedConfig, FeedLimits, HorizonStreamConfig, HttpPlace, PriceStreamConfig, RpcConfig, SourceConfig,
};
use stellar_connector::pipeline::allocations::{CountingAllocator, allocations_on_this_thread};
use stellar_connector::stellar::{AccountId, Asset, Market, MarketId, MarketTable};
use stellar_connector::wire::http1::{HttpLimits, ResponseParser};
use stellar_connector::wire::json::kraken::KrakenParser;
use stellar_connector::wire::ledger::{Envelope, LedgerVisitor, RawClaim, skim};
use stellar_connector::wire::websocket::{WebSocketClient, WebSocketEndpoint};
use tungstenite::handshake::derive_accept_key;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CONN: ConnId = ConnId(0);
const GOOD: &[u8] = br#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.25,"bid_qty":740.0,
"ask":0.5,"ask_qty":1361.448,"last":0.1,"volume":997038.9,"vwap":0.1,"low":0.1,"high":0.1,"change":-0.1}]}"#;

#[derive(Default)]
struct Counter(u64);

impl Sink<Stamped<FeedEvent>> for Counter {
    fn put(&mut self, _item: Stamped<FeedEvent>) {
        self.0 += 1;
    }
}

fn allocations(run: impl FnOnce()) -> u64 {
    let before = allocations_on_this_thread();
    run();
    allocations_on_this_thread().since(before).count
}

/// A market that trades, and accounts that submit.
#[derive(Default)]
struct Busy {
    markets: Vec<Market>,
    accounts: Vec<AccountId>,
}

impl LedgerVisitor for Busy {
    fn claim(&mut self, _operation: u32, claim: &RawClaim<'_>) {
        let (base, quote) = (claim.sold.to_asset(), claim.bought.to_asset());
        let (one, other) = (Market { base, quote }, Market { base: quote, quote: base });
        if base != quote && !self.markets.contains(&one) && !self.markets.contains(&other) {
            self.markets.push(one);
        }
    }
    fn envelope(&mut self, envelope: &Envelope<'_>) {
        if self.accounts.len() < 20 && !self.accounts.contains(&AccountId(*envelope.source)) {
            self.accounts.push(AccountId(*envelope.source));
        }
    }
}

fn ledger_feed() -> (Feed, Vec<Vec<u8>>) {
    let path = &committed()[0];
    let (mut frames, mut busy) = (Vec::new(), Busy::default());
    ledgers_of(path, |_, bytes| {
        frames.push(marked(bytes));
        skim(bytes, &mut busy).unwrap();
    });
    let feed = Feed::new(&FeedConfig {
        network: network_of(path),
        markets: Arc::new(MarketTable::new(&busy.markets).unwrap()),
        accounts: busy.accounts,
        sources: vec![SourceConfig::CoreMeta],
        limits: FeedLimits::default(),
    });
    (feed.unwrap(), frames)
}

#[test]
fn a_ledger_is_fed_without_an_allocation() {
    let (mut feed, frames) = ledger_feed();
    let mut counter = Counter::default();
    feed.on_event(Now::default(), NetEvent::Opened(CONN), &mut counter);
    let (warm, rest) = frames.split_at(frames.len() / 2);
    for frame in warm {
        feed.on_event(Now::default(), NetEvent::Bytes(CONN, frame), &mut counter);
    }
    let (before, growths) = (counter.0, feed.counters(CONN).growths);
    let count = allocations(|| {
        for frame in rest {
            feed.on_event(Now::default(), NetEvent::Bytes(CONN, frame), &mut counter);
        }
    });
    assert_eq!(feed.counters(CONN).handed_down, frames.len() as u64);
    assert!(counter.0 > before + 1_000, "{} events", counter.0 - before);
    assert_eq!((count, feed.counters(CONN).growths), (0, growths));
}

/// Asked for one after the other, as on a network; the requests, and tries in vain, are counted too.
#[test]
fn a_ledger_of_stellar_rpc_is_fed_without_an_allocation_packed_or_not() {
    let path = &committed()[0];
    let (mut ledgers, mut busy) = (Vec::new(), Busy::default());
    ledgers_of(path, |_, bytes| {
        ledgers.push(bytes.to_vec());
        skim(bytes, &mut busy).unwrap();
    });
    let ledgers = Arc::new(ledgers);
    for packs in [false, true] {
        let plain = rpc::Endpoint::new(&ledgers);
        let mut endpoint = if packs { plain.packing() } else { plain };
        let source = RpcConfig {
            endpoints: vec![HttpPlace { host: "rpc".into(), prefix: String::new() }],
            max_answer_bytes: 16 << 20,
            answer_timeout_ns: u64::MAX,
            least_interval_ns: 1_000_000,
            seed: 1,
        };
        let config = FeedConfig {
            network: network_of(path),
            markets: Arc::new(MarketTable::new(&busy.markets).unwrap()),
            accounts: busy.accounts.clone(),
            sources: vec![SourceConfig::Rpc(source)],
            limits: FeedLimits::default(),
        };
        let (mut feed, mut counter, mut time) = (Feed::new(&config).unwrap(), Counter::default(), 50_000_000_000);
        let now = |at: u64| Now { mono: MonoNanos(at), ..Now::default() };
        feed.on_event(now(time), NetEvent::Opened(CONN), &mut counter);
        // A ledger comes every five seconds. Buffers have grown when there was a longer answer before, or as long a one.
        let (mut longest, mut asked, mut warm, mut count) = (0, 0, 0, 0);
        while time < 950_000_000_000 {
            let request = feed.outbox(CONN).waiting().to_vec();
            feed.outbox(CONN).sent(request.len());
            if request.is_empty() {
                time = feed.next_deadline().unwrap().0.max(time + 1);
                let of_asking = allocations(|| feed.on_time(now(time), &mut counter));
                count += if asked > 50 { of_asking } else { 0 };
                continue;
            }
            let answer = endpoint.answer(&request, u32::try_from(time / 5_000_000_000).unwrap() + 1);
            let before = feed.counters(CONN).handed_down;
            let pieces = answer
                .chunks(16_384)
                .map(|piece| allocations(|| feed.on_event(now(time), NetEvent::Bytes(CONN, piece), &mut counter)));
            let of_answer: u64 = pieces.sum();
            asked += 1;
            if endpoint.body_bytes <= longest && asked > 50 {
                warm += feed.counters(CONN).handed_down - before;
                count += of_answer;
            }
            longest = longest.max(endpoint.body_bytes);
        }
        assert!(feed.counters(CONN).handed_down > 170);
        assert!(warm > 100 && asked > 2 * warm, "{warm} ledgers, {asked} requests");
        assert_eq!(count, 0, "in {asked} answers, packed: {packs}");
    }
}

/// Books that change and books that do not, and a stream that is opened again after every ten events.
#[test]
fn horizons_streams_are_heard_without_an_allocation() {
    let usdc: Asset = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN".parse().unwrap();
    let stream = HorizonStreamConfig {
        servers: vec![HttpPlace { host: "horizon".into(), prefix: String::new() }],
        order_books: vec![(MarketId(0), SymbolId(0))],
        trades: true,
        accounts: 1,
        requests_per_hour: 1_000_000,
        seed: 1,
        answer_timeout_ns: u64::MAX,
        silence_ns: u64::MAX,
        return_after_ns: 1,
    };
    let config = FeedConfig {
        network: network_of(&committed()[0]),
        markets: Arc::new(MarketTable::new(&[Market { base: Asset::Native, quote: usdc }]).unwrap()),
        accounts: vec![AccountId([7; 32])],
        sources: vec![SourceConfig::HorizonStream(stream)],
        limits: FeedLimits::default(),
    };
    let (mut feed, mut counter) = (Feed::new(&config).unwrap(), Counter::default());
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\nevent: open\ndata: \"hello\"\n\n";
    let level = |n: u32| format!(r#"[{{"price_r":{{"n":{n},"d":100}},"price":"0","amount":"1.0000000"}}]"#);
    let events = |conn: u32, at: u32| match conn {
        0 => format!("data: {{\"bids\":{},\"asks\":{}}}\n\n", level(10 + at / 2 % 5), level(20)),
        1 => format!("id: {at}-0\ndata: {{\"price\":{{\"n\":\"{}\",\"d\":\"7\"}}}}\n\n", at % 5 + 1),
        _ => format!("data: {{\"sequence\":\"{at}\",\"last_modified_ledger\":{at}}}\n\n"),
    };
    let mut time = 1_000_000_000;
    let mut run = |feed: &mut Feed, counter: &mut Counter, round: u32| {
        let mut count = 0;
        for conn in 0..3_u8 {
            time += 100_000_000;
            let (id, now) = (ConnId(conn), Now { mono: MonoNanos(time), ..Now::default() });
            count += allocations(|| feed.on_event(now, NetEvent::Opened(id), counter));
            count += allocations(|| feed.on_time(now, counter));
            let waiting = feed.outbox(id).waiting().len();
            assert!(waiting > 0, "connection {conn} was not asked");
            feed.outbox(id).sent(waiting);
            count += allocations(|| feed.on_event(now, NetEvent::Bytes(id, head.as_bytes()), counter));
            for at in 0..10 {
                let event = events(conn.into(), 1_000 + round * 10 + at);
                count += allocations(|| feed.on_event(now, NetEvent::Bytes(id, event.as_bytes()), counter));
            }
            let byebye = b"retry: 10\nevent: close\ndata: \"byebye\"\n\n";
            count += allocations(|| feed.on_event(now, NetEvent::Bytes(id, byebye), counter));
            assert!(feed.take_reset(id));
            count += allocations(|| feed.on_event(now, NetEvent::Closed(id), counter));
        }
        count
    };
    for round in 0..3 {
        run(&mut feed, &mut counter, round);
    }
    let before = counter.0;
    assert_eq!((3..30).map(|round| run(&mut feed, &mut counter, round)).sum::<u64>(), 0);
    assert_eq!(counter.0 - before, 27 * 20, "a price a book and a trade");
}

/// The same ledgers over and over: after the first time they are walked over, found to be repetitions, and dropped.
#[test]
fn a_ledger_in_pieces_is_put_together_without_an_allocation() {
    let (mut feed, frames) = ledger_feed();
    let stream = frames.concat();
    let mut counter = Counter::default();
    let mut run = |piece: usize| {
        let before = feed.counters(CONN).messages;
        feed.on_event(Now::default(), NetEvent::Opened(CONN), &mut counter);
        for piece in stream.chunks(piece) {
            feed.on_event(Now::default(), NetEvent::Bytes(CONN, piece), &mut counter);
        }
        feed.on_event(Now::default(), NetEvent::Closed(CONN), &mut counter);
        feed.counters(CONN).messages - before
    };
    run(65_536);
    for piece in [stream.len(), 65_536, 4_096, 61] {
        assert_eq!(allocations(|| assert_eq!(run(piece), frames.len() as u64)), 0, "in pieces of {piece}");
    }
}

#[test]
fn a_price_is_fed_with_no_more_than_the_frames_of_tungstenite_need() {
    let endpoint = WebSocketEndpoint::new("ws.kraken.com", "/v2", 4_096).unwrap();
    let mut client = WebSocketClient::new(endpoint);
    client.open([1; 16]);
    let handshake = answer(client.output());
    assert!(client.next(&mut &handshake[..]).unwrap().is_some());
    let mut feed = price_feed();
    let mut counter = Counter::default();
    let frame = frame();
    let alone = |client: &mut WebSocketClient| assert!(client.next(&mut &frame[..]).unwrap().is_some());
    let fed = |feed: &mut Feed, counter: &mut Counter| {
        feed.on_event(Now::default(), NetEvent::Bytes(CONN, &frame), counter);
    };
    for _ in 0..100 {
        alone(&mut client);
        fed(&mut feed, &mut counter);
    }
    let of_frames = allocations(|| (0..1_000).for_each(|_| alone(&mut client)));
    let of_feed = allocations(|| (0..1_000).for_each(|_| fed(&mut feed, &mut counter)));
    println!("{of_frames} allocations for 1000 messages by the frames alone, {of_feed} by the feed");
    assert_eq!(counter.0, 1 + 1_100, "a price a message, and that the feed is up");
    assert_eq!(of_feed, of_frames);
}

#[test]
fn a_price_is_parsed_without_an_allocation() {
    let mut parser = KrakenParser::new(["XLM/USD"]);
    for _ in 0..3 {
        parser.parse(GOOD).unwrap();
    }
    assert_eq!(allocations(|| (0..1_000).for_each(|_| assert!(parser.parse(GOOD).is_ok()))), 0);
    assert_eq!(allocations(|| (0..1_000).for_each(|_| assert!(parser.parse(b"{\"channel\":").is_err()))), 0);
}

#[test]
fn an_answer_is_read_without_an_allocation() {
    let mut parser = ResponseParser::new(HttpLimits::default());
    let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":\"PENDING\"}";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"a\":1\r\n1\r\n}\r\n0\r\n\r\n";
    let mut run = || {
        for response in [&plain[..], &chunked[..]] {
            parser.expect();
            for mut piece in response.chunks(7) {
                parser.next(&mut piece).unwrap();
            }
            assert!(!parser.is_waiting());
        }
    };
    run();
    assert_eq!(allocations(|| (0..100).for_each(|_| run())), 0);
}

fn price_feed() -> Feed {
    let source = PriceStreamConfig {
        host: "ws.kraken.com".into(),
        path: "/v2".into(),
        symbols: vec![("XLM/USD".into(), SymbolId(0))],
        max_message_bytes: 4_096,
        silence_ns: u64::MAX,
        nonce: [1; 16],
    };
    let mut feed = Feed::new(&FeedConfig {
        network: network_of(&committed()[0]),
        markets: Arc::new(MarketTable::default()),
        accounts: Vec::new(),
        sources: vec![SourceConfig::Kraken(source)],
        limits: FeedLimits::default(),
    })
    .unwrap();
    let mut counter = Counter::default();
    feed.on_event(Now::default(), NetEvent::Opened(CONN), &mut counter);
    let handshake = answer(feed.outbox(CONN).waiting());
    feed.on_event(Now::default(), NetEvent::Bytes(CONN, &handshake), &mut counter);
    feed
}

fn answer(request: &[u8]) -> Vec<u8> {
    let request = std::str::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}

fn frame() -> Vec<u8> {
    let length = u16::try_from(GOOD.len()).unwrap().to_be_bytes();
    [&[0x81, 126][..], &length, GOOD].concat()
}

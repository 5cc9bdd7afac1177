//! The source of prices.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::Arc;
use stellar_connector::events::{
    ConnId, FeedEvent, FeedFault, MonoNanos, NetEvent, NetPort, Now, ReferencePrice, Stage, Stamped, SymbolId,
};
use stellar_connector::feed::{Feed, FeedConfig, FeedConfigError, FeedLimits, PriceStreamConfig, SourceConfig};
use stellar_connector::stellar::{MarketTable, NetworkId};
use tungstenite::handshake::derive_accept_key;

const CONN: ConnId = ConnId(0);
const SECOND: u64 = 1_000_000_000;
const MAX_MESSAGE: usize = 4_096;
const GOOD: &str = r#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.25,"ask":"0.5"}]}"#;

fn config() -> PriceStreamConfig {
    PriceStreamConfig {
        host: "ws.kraken.com".into(),
        path: "/v2".into(),
        symbols: vec![("XLM/USD".into(), SymbolId(7)), ("BTC/USD".into(), SymbolId(3))],
        max_message_bytes: MAX_MESSAGE,
        silence_ns: 5 * SECOND,
        nonce: [1; 16],
    }
}

fn feed_of(source: PriceStreamConfig) -> Result<Feed, FeedConfigError> {
    Feed::new(&FeedConfig {
        network: NetworkId::from_passphrase(""),
        markets: Arc::new(MarketTable::default()),
        accounts: Vec::new(),
        sources: vec![SourceConfig::Kraken(source)],
        limits: FeedLimits::default(),
    })
}

fn events_at(feed: &mut Feed, at: u64, input: NetEvent<'_>) -> Vec<FeedEvent> {
    let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
    feed.on_event(Now { mono: MonoNanos(at), ..Now::default() }, input, &mut told);
    assert!(told.iter().all(|stamped| stamped.wire == MonoNanos(at)));
    told.into_iter().map(|stamped| stamped.event).collect()
}

fn on_time(feed: &mut Feed, at: u64) -> Vec<FeedEvent> {
    let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
    feed.on_time(Now { mono: MonoNanos(at), ..Now::default() }, &mut told);
    told.into_iter().map(|stamped| stamped.event).collect()
}

fn bytes(feed: &mut Feed, bytes: &[u8]) -> Vec<FeedEvent> {
    events_at(feed, 0, NetEvent::Bytes(CONN, bytes))
}

fn sent(feed: &mut Feed) -> Vec<u8> {
    let outbox = feed.outbox(CONN);
    let waiting = outbox.waiting().to_vec();
    outbox.sent(waiting.len());
    waiting
}

/// What a good server answers to the request that waits.
fn answer(feed: &mut Feed) -> Vec<u8> {
    let request = String::from_utf8(sent(feed)).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}

fn open(feed: &mut Feed) {
    assert_eq!(events_at(feed, 0, NetEvent::Opened(CONN)), []);
    let answer = answer(feed);
    assert_eq!(bytes(feed, &answer), []);
    assert!(!sent(feed).is_empty(), "no subscription was sent");
}

fn opened() -> Feed {
    let mut feed = feed_of(config()).unwrap();
    open(&mut feed);
    feed
}

fn text(message: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(message.len()).unwrap() {
        short @ 0..126 => frame.push(u8::try_from(short).unwrap()),
        long => {
            frame.push(126);
            frame.extend(long.to_be_bytes());
        }
    }
    frame.extend(message.as_bytes());
    frame
}

fn fault(kind: FeedFault) -> FeedEvent {
    FeedEvent::Fault(CONN, kind)
}

fn price(at: u64) -> FeedEvent {
    let received = MonoNanos(at);
    FeedEvent::ReferencePrice(ReferencePrice {
        symbol: SymbolId(7),
        bid: 0.25,
        ask: 0.5,
        received,
        ..ReferencePrice::default()
    })
}

#[test]
fn a_message_that_cannot_be_used_is_a_fault_and_the_next_one_is_used() {
    let cases = [
        ("{\"channel\":", FeedFault::Malformed),
        ("not JSON", FeedFault::Malformed),
        ("\u{0}", FeedFault::Malformed),
        ("[1,2]", FeedFault::Malformed),
        (r#"{"channel":"ticker"}"#, FeedFault::Malformed),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":0.25}]}"#, FeedFault::Malformed),
        (r#"{"error":"Currency pair not supported","method":"subscribe","success":false}"#, FeedFault::Malformed),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":0,"ask":0.5}]}"#, FeedFault::BadValue),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":"0.0","ask":0.5}]}"#, FeedFault::BadValue),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":-0.25,"ask":0.5}]}"#, FeedFault::BadValue),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":0.25,"ask":"NaN"}]}"#, FeedFault::BadValue),
        (r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":0.75,"ask":0.5}]}"#, FeedFault::BadValue),
        (
            r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":0.25,"ask":0.5},{"symbol":"BTC/USD","bid":0,"ask":1}]}"#,
            FeedFault::BadValue,
        ),
    ];
    let mut feed = opened();
    assert_eq!(bytes(&mut feed, &text(GOOD)), [FeedEvent::FeedUp(CONN), price(0)]);
    for (message, kind) in cases {
        let before = feed.counters(CONN).faults(kind);
        assert_eq!(bytes(&mut feed, &text(message)), [fault(kind)], "{message}");
        assert_eq!(feed.counters(CONN).faults(kind), before + 1);
        assert_eq!(bytes(&mut feed, &text(GOOD)), [price(0)]);
    }
    assert!(!feed.take_reset(CONN));
    let binary = [0x82, 1, b'x'];
    assert_eq!(bytes(&mut feed, &binary), [fault(FeedFault::Malformed)]);
}

#[test]
fn a_stream_cut_anywhere_gives_no_price_and_a_fresh_connection_goes_on() {
    let frame = text(GOOD);
    let mut feed = opened();
    for end in 0..frame.len() {
        assert_eq!(bytes(&mut feed, &frame[..end]), [], "{end} bytes");
        let truncated: Vec<_> = (end > 0).then_some(fault(FeedFault::Truncated)).into_iter().collect();
        assert_eq!(events_at(&mut feed, 0, NetEvent::Closed(CONN)), truncated, "{end} bytes");
        open(&mut feed);
    }
    assert_eq!(bytes(&mut feed, &frame), [FeedEvent::FeedUp(CONN), price(0)]);
}

#[test]
fn a_handshake_cut_anywhere_is_truncated() {
    let mut feed = feed_of(config()).unwrap();
    events_at(&mut feed, 0, NetEvent::Opened(CONN));
    let length = answer(&mut feed).len();
    for end in 1..length {
        assert_eq!(events_at(&mut feed, 0, NetEvent::Opened(CONN)), []);
        let answer = answer(&mut feed);
        assert_eq!(bytes(&mut feed, &answer[..end]), []);
        assert_eq!(events_at(&mut feed, 0, NetEvent::Closed(CONN)), [fault(FeedFault::Truncated)], "{end} bytes");
    }
    open(&mut feed);
}

#[test]
fn what_breaks_the_framing_loses_the_connection() {
    let cases: [(Vec<u8>, FeedFault); 6] = [
        (vec![0x81, 126, 0x10, 0x01], FeedFault::Oversized),
        (vec![0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], FeedFault::Oversized),
        (vec![0x83, 0], FeedFault::Malformed),
        (vec![0xf1, 0], FeedFault::Malformed),
        (vec![0x81, 0x81, 0, 0, 0, 0, b'x'], FeedFault::Malformed),
        (vec![0x81, 2, 0xff, 0xff], FeedFault::Malformed),
    ];
    let mut feed = opened();
    for (damaged, kind) in cases {
        assert_eq!(bytes(&mut feed, &text(GOOD)), [FeedEvent::FeedUp(CONN), price(0)]);
        let stream = [damaged.clone(), text(GOOD)].concat();
        assert_eq!(bytes(&mut feed, &stream), [fault(kind), FeedEvent::FeedDown(CONN)], "{damaged:x?}");
        assert!(feed.take_reset(CONN));
        assert_eq!(bytes(&mut feed, &text(GOOD)), [], "a connection that was given up still speaks");
        open(&mut feed);
    }
}

#[test]
fn a_server_that_refuses_is_a_fault() {
    let mut feed = feed_of(config()).unwrap();
    for answer in ["HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"] {
        events_at(&mut feed, 0, NetEvent::Opened(CONN));
        assert_eq!(bytes(&mut feed, answer.as_bytes()), [fault(FeedFault::Malformed)], "{answer}");
        assert!(feed.take_reset(CONN));
    }
}

#[test]
fn flipped_bits_never_make_a_price_that_cannot_be() {
    let stream = [text(GOOD), text(r#"{"channel":"heartbeat"}"#), text(GOOD)].concat();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_125);
    let (mut faults, mut prices) = (0, 0);
    let mut feed = opened();
    for round in 0..4_000 {
        let mut damaged = stream.clone();
        for _ in 0..=round % 3 {
            let at = random.next_u32() as usize % damaged.len();
            damaged[at] ^= 1 << (random.next_u32() % 8);
        }
        for event in bytes(&mut feed, &damaged) {
            match event {
                FeedEvent::ReferencePrice(price) => {
                    assert!(price.bid > 0.0 && price.bid <= price.ask && price.ask.is_finite(), "{price:?}");
                    prices += 1;
                }
                FeedEvent::Fault(..) => faults += 1,
                FeedEvent::FeedUp(_) | FeedEvent::FeedDown(_) => {}
                other => panic!("{other:?} from a source of prices"),
            }
        }
        events_at(&mut feed, 0, NetEvent::Closed(CONN));
        open(&mut feed);
    }
    println!("{faults} faults, {prices} prices");
    assert!(faults > 1_000 && prices > 1_000);
}

#[test]
fn a_silent_server_is_given_up_and_a_heartbeat_is_a_word() {
    let mut feed = opened();
    assert_eq!(feed.next_deadline(), Some(MonoNanos(5 * SECOND)));
    bytes(&mut feed, &text(GOOD));
    let heartbeat = text(r#"{"channel":"heartbeat"}"#);
    for second in 1..60 {
        assert_eq!(on_time(&mut feed, second * SECOND), []);
        assert_eq!(events_at(&mut feed, second * SECOND, NetEvent::Bytes(CONN, &heartbeat)), []);
    }
    // Noise is not a word.
    events_at(&mut feed, 62 * SECOND, NetEvent::Bytes(CONN, &text("noise")));
    assert_eq!(feed.next_deadline(), Some(MonoNanos(64 * SECOND)));
    assert_eq!(on_time(&mut feed, 64 * SECOND - 1), []);
    assert_eq!(on_time(&mut feed, 64 * SECOND), [FeedEvent::FeedDown(CONN)]);
    assert!(feed.take_reset(CONN));
    assert_eq!(feed.next_deadline(), None);
    assert_eq!(feed.counters(CONN).resets, 1);
    // A server that accepts and then says nothing is found out too.
    events_at(&mut feed, 70 * SECOND, NetEvent::Opened(CONN));
    assert_eq!(feed.next_deadline(), Some(MonoNanos(75 * SECOND)));
    assert_eq!(on_time(&mut feed, 75 * SECOND), []);
    assert!(feed.take_reset(CONN));
}

#[test]
fn a_server_that_says_goodbye_is_down_and_gets_its_answer() {
    let mut feed = opened();
    bytes(&mut feed, &text(GOOD));
    assert_eq!(bytes(&mut feed, &[0x88, 0]), [FeedEvent::FeedDown(CONN)]);
    let farewell = sent(&mut feed);
    assert_eq!((farewell[0], farewell.len()), (0x88, 6));
    assert_eq!(events_at(&mut feed, 0, NetEvent::Closed(CONN)), []);
    open(&mut feed);
    assert_eq!(bytes(&mut feed, &text(GOOD)), [FeedEvent::FeedUp(CONN), price(0)]);
}

#[test]
fn no_two_handshakes_have_one_key() {
    let mut feed = feed_of(config()).unwrap();
    let mut request = || {
        events_at(&mut feed, 0, NetEvent::Opened(CONN));
        sent(&mut feed)
    };
    assert_ne!(request(), request());
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let refused = |change: fn(&mut PriceStreamConfig)| {
        let mut config = config();
        change(&mut config);
        feed_of(config).unwrap_err().to_string()
    };
    assert!(refused(|config| config.symbols.clear()).contains("no symbols"));
    assert!(refused(|config| config.symbols[1].0 = "XLM/USD".into()).contains("XLM/USD twice"));
    assert!(refused(|config| config.host = "a b".into()).contains("'a b'"));
    assert!(
        refused(|config| config.symbols = (0..3_000).map(|i| (i.to_string(), SymbolId(0))).collect()).contains("3000")
    );
}

//! The price sources with rules of their own: numbers that must follow, books of snapshot and changes, prices that are
//! merely told again. Real frames and answers, in a feed without sockets.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::sync::Arc;
use stellar_connector::events::{
    ConnId, FeedEvent, FeedFault, MonoNanos, NetEvent, NetPort, Now, ReferencePrice, Stage, Stamped, SymbolId,
};
use stellar_connector::feed::{
    BinanceConfig, CoinGeckoConfig, Feed, FeedConfig, FeedLimits, HttpPlace, PriceStreamConfig, Secret, SourceConfig,
};
use stellar_connector::stellar::{MarketTable, NetworkId};
use tungstenite::handshake::derive_accept_key;

const STREAM: ConnId = ConnId(0);
const SNAPSHOTS: ConnId = ConnId(1);
const SECOND: u64 = 1_000_000_000;

fn stream(symbol: &str) -> PriceStreamConfig {
    PriceStreamConfig {
        host: "exchange".into(),
        path: "/".into(),
        symbols: vec![(symbol.into(), SymbolId(5))],
        max_message_bytes: 1 << 16,
        silence_ns: 5 * SECOND,
        nonce: [1; 16],
    }
}

/// A feed with one source, and the moment that it is.
struct Bench {
    feed: Feed,
    at: u64,
}

impl Bench {
    fn new(source: SourceConfig) -> Self {
        let config = FeedConfig {
            network: NetworkId::from_passphrase(""),
            markets: Arc::new(MarketTable::default()),
            accounts: Vec::new(),
            sources: vec![source],
            limits: FeedLimits::default(),
        };
        Self { feed: Feed::new(&config).unwrap(), at: 1 }
    }

    fn now(&self) -> Now {
        Now { mono: MonoNanos(self.at), ..Now::default() }
    }

    fn hear(&mut self, input: NetEvent<'_>) -> Vec<FeedEvent> {
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.feed.on_event(self.now(), input, &mut told);
        told.into_iter().map(|stamped| stamped.event).collect()
    }

    fn on_time(&mut self) -> Vec<FeedEvent> {
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.feed.on_time(self.now(), &mut told);
        told.into_iter().map(|stamped| stamped.event).collect()
    }

    /// What the feed wants to send.
    fn sent(&mut self, conn: ConnId) -> String {
        let outbox = self.feed.outbox(conn);
        let waiting = outbox.waiting().to_vec();
        outbox.sent(waiting.len());
        String::from_utf8_lossy(&waiting).into_owned()
    }

    fn opens_web_socket(&mut self) {
        assert_eq!(self.hear(NetEvent::Opened(STREAM)), []);
        let request = self.sent(STREAM);
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        let answer = format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n");
        assert_eq!(self.hear(NetEvent::Bytes(STREAM, answer.as_bytes())), []);
        assert!(!self.sent(STREAM).is_empty(), "nothing was subscribed to");
    }

    fn says(&mut self, message: &str) -> Vec<FeedEvent> {
        let mut frame = vec![0x81, 126];
        frame.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        if message.len() < 126 {
            frame = vec![0x81, u8::try_from(message.len()).unwrap()];
        }
        frame.extend(message.as_bytes());
        self.hear(NetEvent::Bytes(STREAM, &frame))
    }

    fn answers(&mut self, conn: ConnId, head: &str, body: &str) -> Vec<FeedEvent> {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.hear(NetEvent::Bytes(conn, answer.as_bytes()))
    }

    fn price(&self, bid: f64, ask: f64) -> ReferencePrice {
        ReferencePrice { symbol: SymbolId(5), bid, ask, received: MonoNanos(self.at), ..ReferencePrice::default() }
    }
}

fn prices(events: &[FeedEvent]) -> Vec<(f64, f64)> {
    let price = |event: &FeedEvent| match event {
        FeedEvent::ReferencePrice(price) => Some((price.bid, price.ask)),
        _ => None,
    };
    events.iter().filter_map(price).collect()
}

fn coinbase(sequence: u64, bid: &str, ask: &str) -> String {
    format!(
        r#"{{"channel":"ticker","sequence_num":{sequence},"events":[{{"type":"update","tickers":[{{"product_id":"XLM-USD",
        "price":"0.3","best_bid":"{bid}","best_ask":"{ask}","best_bid_quantity":"7","best_ask_quantity":"8"}}]}}]}}"#
    )
}

fn heartbeat(sequence: u64, counter: u64) -> String {
    format!(
        r#"{{"channel":"heartbeats","sequence_num":{sequence},"events":[{{"current_time":"now","heartbeat_counter":{counter}}}]}}"#
    )
}

#[test]
fn coinbase_a_message_that_was_lost_ends_the_connection() {
    let mut bench = Bench::new(SourceConfig::Coinbase(stream("XLM-USD")));
    bench.opens_web_socket();
    let expected = ReferencePrice { bid_amount: 7.0, ask_amount: 8.0, last: 0.3, ..bench.price(0.25, 0.5) };
    let told = bench.says(&coinbase(0, "0.25", "0.5"));
    assert_eq!(told, [FeedEvent::FeedUp(STREAM), FeedEvent::ReferencePrice(expected)]);
    assert_eq!(bench.says(&heartbeat(1, 40)), []);
    assert_eq!(prices(&bench.says(&coinbase(2, "0.26", "0.5"))), [(0.26, 0.5)]);
    let gap = [FeedEvent::Fault(STREAM, FeedFault::Gap), FeedEvent::FeedDown(STREAM)];
    assert_eq!(bench.says(&coinbase(4, "0.27", "0.5")), gap, "and the price of that message is not used");
    assert!(bench.feed.take_reset(STREAM));
    // A fresh connection counts from anywhere.
    bench.opens_web_socket();
    assert_eq!(prices(&bench.says(&coinbase(9, "0.28", "0.5"))), [(0.28, 0.5)]);
    assert_eq!(bench.says(&heartbeat(10, 7)), []);
    assert_eq!(bench.says(&heartbeat(11, 9)), gap, "a heartbeat was lost");
}

#[test]
fn coinbase_silence_ends_the_connection() {
    let mut bench = Bench::new(SourceConfig::Coinbase(stream("XLM-USD")));
    bench.opens_web_socket();
    bench.says(&coinbase(0, "0.25", "0.5"));
    bench.at += 4 * SECOND;
    assert_eq!(bench.says(&heartbeat(1, 1)), [], "a heartbeat is a sign of life");
    bench.at += 4 * SECOND;
    assert_eq!(bench.on_time(), []);
    bench.at += SECOND;
    assert_eq!(bench.on_time(), [FeedEvent::FeedDown(STREAM)]);
    assert!(bench.feed.take_reset(STREAM));
}

fn book_ticker(update: u64, bid: &str) -> String {
    format!(
        r#"{{"stream":"xlmusdt@bookTicker","data":{{"u":{update},"s":"XLMUSDT","b":"{bid}","B":"3","a":"0.5","A":"4"}}}}"#
    )
}

#[test]
fn binance_an_older_book_ticker_is_a_fault_and_not_a_price() {
    let mut bench = Bench::new(SourceConfig::Binance(BinanceConfig { stream: stream("XLMUSDT"), depth: None }));
    bench.opens_web_socket();
    assert_eq!(prices(&bench.says(&book_ticker(100, "0.25"))), [(0.25, 0.5)]);
    assert_eq!(bench.says(&book_ticker(99, "0.2")), [FeedEvent::Fault(STREAM, FeedFault::Gap)]);
    assert_eq!(prices(&bench.says(&book_ticker(101, "0.26"))), [(0.26, 0.5)]);
}

fn depth(first: u64, last: u64, bids: &str, asks: &str) -> String {
    format!(
        r#"{{"stream":"xlmusdt@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"XLMUSDT","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}"#
    )
}

#[test]
fn binance_a_book_is_a_snapshot_and_the_changes_that_follow_it_without_a_hole() {
    let place = HttpPlace { host: "rest".into(), prefix: String::new() };
    let config = BinanceConfig { stream: stream("XLMUSDT"), depth: Some(place) };
    let mut bench = Bench::new(SourceConfig::Binance(config));
    bench.opens_web_socket();
    assert_eq!(bench.hear(NetEvent::Opened(SNAPSHOTS)), []);
    assert_eq!(bench.sent(SNAPSHOTS), "", "nothing is asked for before there are changes to follow it");
    assert_eq!(bench.says(&depth(11, 12, r#"["0.20","5"]"#, "")), []);
    let request = bench.sent(SNAPSHOTS);
    assert!(request.starts_with("GET /api/v3/depth?symbol=XLMUSDT&limit=1000 HTTP/1.1\r\n"), "{request}");
    assert_eq!(bench.says(&depth(13, 14, r#"["0.26","5"]"#, r#"["0.5","0"],["0.6","2"]"#)), []);
    // The snapshot is of update 12: the first changes are in it, the second are not.
    let snapshot = r#"{"lastUpdateId":12,"bids":[["0.25","1"],["0.20","5"]],"asks":[["0.5","1"],["0.7","1"]]}"#;
    assert_eq!(prices(&bench.answers(SNAPSHOTS, "200 OK", snapshot)), [(0.26, 0.6)]);
    assert_eq!(prices(&bench.says(&depth(15, 15, r#"["0.26","0"]"#, ""))), [(0.25, 0.6)]);
    let told = bench.says(&depth(17, 17, r#"["0.27","1"]"#, ""));
    assert_eq!(told, [FeedEvent::Fault(STREAM, FeedFault::Gap), FeedEvent::FeedDown(STREAM)]);
    // The price comes back with another snapshot, which is asked for a second later.
    bench.at += 2 * SECOND;
    bench.on_time();
    assert!(bench.sent(SNAPSHOTS).starts_with("GET /api/v3/depth"));
    let snapshot = r#"{"lastUpdateId":18,"bids":[["0.3","1"]],"asks":[["0.5","1"]]}"#;
    assert_eq!(prices(&bench.answers(SNAPSHOTS, "200 OK", snapshot)), [(0.3, 0.5)]);
}

#[test]
fn coingecko_a_price_that_is_told_again_is_not_fresh() {
    let mut bench = Bench::new(SourceConfig::CoinGecko(CoinGeckoConfig {
        server: HttpPlace { host: "api.coingecko.com".into(), prefix: "/api/v3".into() },
        api_key: Some(Secret("CG-key".into())),
        pairs: vec![(("stellar".into(), "usd".into()), SymbolId(5))],
        every_ns: 60 * SECOND,
        answer_timeout_ns: 5 * SECOND,
        seed: 1,
    }));
    let answer = |price: f64, at: u64| format!(r#"{{"stellar":{{"usd":{price},"last_updated_at":{at}}}}}"#);
    bench.hear(NetEvent::Opened(STREAM));
    let request = bench.sent(STREAM);
    assert!(request.starts_with("GET /api/v3/simple/price?ids=stellar&vs_currencies=usd&"), "{request}");
    assert!(request.contains("\r\nx-cg-demo-api-key: CG-key\r\n"), "{request}");
    assert_eq!(prices(&bench.answers(STREAM, "200 OK", &answer(0.25, 1_000))), [(0.25, 0.25)]);
    bench.on_time();
    assert_eq!(bench.sent(STREAM), "", "once a minute");
    bench.at += 60 * SECOND;
    bench.on_time();
    assert!(!bench.sent(STREAM).is_empty());
    assert_eq!(prices(&bench.answers(STREAM, "200 OK", &answer(0.25, 1_000))), [], "it is as old as before");
    bench.at += 60 * SECOND;
    bench.on_time();
    bench.sent(STREAM);
    assert_eq!(prices(&bench.answers(STREAM, "200 OK", &answer(0.25, 1_060))), [(0.25, 0.25)]);
    // A server that wants to be left alone is left alone.
    bench.at += 60 * SECOND;
    bench.on_time();
    bench.sent(STREAM);
    assert_eq!(bench.answers(STREAM, "429 Too Many\r\nRetry-After: 600", ""), [FeedEvent::FeedDown(STREAM)]);
    bench.at += 599 * SECOND;
    bench.on_time();
    assert_eq!(bench.sent(STREAM), "");
    bench.at += SECOND;
    bench.on_time();
    assert!(!bench.sent(STREAM).is_empty());
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", Secret("CG-key".into())), "Secret(..)");
}

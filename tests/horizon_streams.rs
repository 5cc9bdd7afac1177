//! Horizon's streams through the feed, byte by byte and in virtual time: what they tell, how they are resumed, and what
//! becomes of servers that fail.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;

use proptest::prelude::*;
use recorded::{committed, ledgers_of, marked, network_of};
use std::sync::Arc;
use stellar_connector::events::{
    ConnId, FeedEvent, FeedFault, MonoNanos, NetEvent, NetPort, Now, OwnAccount, ReferencePrice, Stage, Stamped,
    SymbolId,
};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, HorizonStreamConfig, HttpPlace, SourceConfig};
use stellar_connector::stellar::{AccountId, Asset, Market, MarketId, MarketTable, NetworkId};
use stellar_connector::wire::ledger::{Envelope, LedgerVisitor, skim};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const SILENCE_NS: u64 = 65 * SECOND;
const ISSUER: &str = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n";
const HELLO: &str = "retry: 1000\nevent: open\ndata: \"hello\"\n\n";
const BYEBYE: &str = "retry: 10\nevent: close\ndata: \"byebye\"\n\n";

fn market() -> Market {
    Market { base: Asset::Native, quote: format!("USDC:{ISSUER}").parse().unwrap() }
}

/// Of one market its book and, if wanted, its trades; at one server or two.
fn config(servers: usize, trades: bool) -> HorizonStreamConfig {
    let place = |at| HttpPlace { host: format!("horizon-{at}"), prefix: "/h".into() };
    HorizonStreamConfig {
        servers: (0..servers).map(place).collect(),
        order_books: vec![(MarketId(0), SymbolId(3))],
        trades,
        accounts: 0,
        requests_per_hour: 3_600,
        seed: 1,
        answer_timeout_ns: 10 * SECOND,
        silence_ns: SILENCE_NS,
        return_after_ns: 300 * SECOND,
    }
}

struct House {
    feed: Feed,
    now: u64,
}

impl House {
    fn new(config: HorizonStreamConfig) -> Self {
        Self::with(&FeedConfig {
            network: NetworkId::from_passphrase("p"),
            markets: Arc::new(MarketTable::new(&[market()]).unwrap()),
            accounts: Vec::new(),
            sources: vec![SourceConfig::HorizonStream(config)],
            limits: FeedLimits::default(),
        })
    }

    fn with(config: &FeedConfig) -> Self {
        Self { feed: Feed::new(config).unwrap(), now: SECOND }
    }

    fn at(&self) -> Now {
        Now { mono: MonoNanos(self.now), ..Now::default() }
    }

    fn on(&mut self, event: NetEvent<'_>) -> Vec<FeedEvent> {
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.feed.on_event(self.at(), event, &mut told);
        told.into_iter().map(|stamped| stamped.event).collect()
    }

    fn opened(&mut self, conn: u8) -> String {
        assert_eq!(self.on(NetEvent::Opened(ConnId(conn))), []);
        self.asked(conn)
    }

    fn bytes(&mut self, conn: u8, bytes: impl AsRef<[u8]>) -> Vec<FeedEvent> {
        self.on(NetEvent::Bytes(ConnId(conn), bytes.as_ref()))
    }

    /// Takes what waits to be sent.
    fn asked(&mut self, conn: u8) -> String {
        let outbox = self.feed.outbox(ConnId(conn));
        let request = String::from_utf8(outbox.waiting().to_vec()).unwrap();
        outbox.sent(request.len());
        request
    }

    /// Lets time pass until the stage wants to be called, and calls it.
    fn passes(&mut self) -> Vec<FeedEvent> {
        self.now = self.feed.next_deadline().unwrap().0.max(self.now + 1);
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.feed.on_time(self.at(), &mut told);
        told.into_iter().map(|stamped| stamped.event).collect()
    }

    /// Lets time pass until something is asked of a server.
    fn until_asked(&mut self, conn: u8, within_ns: u64) -> String {
        let until = self.now + within_ns;
        loop {
            let asked = self.asked(conn);
            if !asked.is_empty() {
                return asked;
            }
            assert!(self.now < until, "{conn} was not asked");
            self.passes();
        }
    }

    /// The connection that was given up is gone, and stands anew.
    fn reopened(&mut self, conn: u8) -> String {
        assert!(self.feed.take_reset(ConnId(conn)), "it was not given up");
        assert_eq!(self.on(NetEvent::Closed(ConnId(conn))), []);
        self.opened(conn)
    }
}

fn book(bid: (i32, i32, &str), ask: (i32, i32, &str)) -> String {
    let level = |(n, d, amount): (i32, i32, &str)| {
        format!(r#"{{"price_r":{{"n":{n},"d":{d}}},"price":"0","amount":"{amount}"}}"#)
    };
    format!("data: {{\"bids\":[{}],\"asks\":[{}],\"base\":{{}},\"counter\":{{}}}}\n\n", level(bid), level(ask))
}

fn trade(id: &str, n: i32, d: i32) -> String {
    format!("id: {id}\ndata: {{\"paging_token\":\"{id}\",\"price\":{{\"n\":\"{n}\",\"d\":\"{d}\"}}}}\n\n")
}

/// A book of 1/4 for 2 base and 1/2 for 3 base.
fn a_book() -> String {
    book((1, 4, "0.5000000"), (1, 2, "3.0000000"))
}

fn price(received: u64, last: f64) -> FeedEvent {
    let (symbol, received) = (SymbolId(3), MonoNanos(received));
    FeedEvent::ReferencePrice(ReferencePrice {
        symbol,
        bid: 0.25,
        ask: 0.5,
        bid_amount: 2.0,
        ask_amount: 3.0,
        last,
        received,
    })
}

const UP: FeedEvent = FeedEvent::FeedUp(ConnId(0));
const DOWN: FeedEvent = FeedEvent::FeedDown(ConnId(0));

#[test]
fn a_book_is_a_price_and_a_stream_that_says_goodbye_is_opened_again_after_its_retry() {
    let mut house = House::new(config(1, false));
    let request = house.opened(0);
    let path = format!(
        "GET /h/order_book?limit=1&selling_asset_type=native&buying_asset_type=credit_alphanum4&buying_asset_code=USDC\
         &buying_asset_issuer={ISSUER} HTTP/1.1\r\nHost: horizon-0\r\n"
    );
    assert!(request.starts_with(&path), "{request}");
    assert!(request.contains("\r\nAccept: text/event-stream\r\n") && request.ends_with("\r\n\r\n"), "{request}");
    assert!(!request.contains("gzip") && !request.contains("Last-Event-ID"), "{request}");
    assert_eq!(house.bytes(0, HEAD.to_owned() + HELLO), [UP]);
    assert_eq!(house.bytes(0, a_book()), [price(SECOND, 0.0)]);
    // The same once more is as good a price, and a fresh one.
    house.now += SECOND;
    assert_eq!(house.bytes(0, a_book()), [price(2 * SECOND, 0.0)]);
    // One side is no price.
    assert_eq!(house.bytes(0, "data: {\"bids\":[],\"asks\":[]}\n\n"), []);
    assert_eq!(house.bytes(0, a_book()), [price(2 * SECOND, 0.0)]);

    assert_eq!(house.bytes(0, BYEBYE), []);
    assert_eq!(house.reopened(0), "", "it comes again before the server wants it to");
    let begun = house.now;
    let request = house.until_asked(0, SECOND);
    assert!(request.starts_with(&path) && house.now == begun + 10 * MS, "after {} ns", house.now - begun);
    assert_eq!(house.bytes(0, HEAD.to_owned() + HELLO + &a_book()), [price(house.now, 0.0)]);
    assert_eq!(house.feed.counters(ConnId(0)).resets, 0);
}

#[test]
fn trades_begin_now_and_go_on_after_the_last_one() {
    let mut house = House::new(config(1, true));
    house.opened(0);
    house.bytes(0, HEAD.to_owned() + HELLO + &a_book());
    let request = house.opened(1);
    assert!(
        request.contains("/h/trades?limit=200&base_asset_type=native&counter_asset_type=credit_alphanum4"),
        "{request}"
    );
    assert!(request.contains("&cursor=now HTTP/1.1\r\n") && !request.contains("Last-Event-ID"), "{request}");
    house.now += SECOND;
    let told = house.bytes(1, HEAD.to_owned() + HELLO + &trade("12-0", 1, 3) + &trade("13-0", 2, 5));
    // The book is no fresher for them.
    let up = FeedEvent::FeedUp(ConnId(1));
    assert_eq!(told, [up, price(SECOND, 1.0 / 3.0), price(SECOND, 0.4)]);
    assert_eq!(house.bytes(1, BYEBYE), []);
    house.reopened(1);
    let request = house.until_asked(1, SECOND);
    assert!(
        request.contains("&cursor=13-0 HTTP/1.1\r\n") && request.contains("\r\nLast-Event-ID: 13-0\r\n"),
        "{request}"
    );
    // An id that could spoil the request is not taken.
    house.bytes(1, HEAD.to_owned() + HELLO + &trade("14-0 HTTP/1.1", 1, 3) + &trade("15-0&x", 1, 3) + BYEBYE);
    house.reopened(1);
    assert!(house.until_asked(1, SECOND).contains("&cursor=13-0 HTTP/1.1\r\n"));
    // A server that has nothing left from there on is asked from now on.
    house.bytes(1, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    house.reopened(1);
    assert!(house.until_asked(1, 2 * SECOND).contains("&cursor=now HTTP/1.1\r\n"));
}

#[test]
fn a_record_that_cannot_be_is_a_fault_and_the_next_one_is_used() {
    let mut house = House::new(config(1, false));
    house.opened(0);
    house.bytes(0, HEAD.to_owned() + HELLO);
    for (bad, fault) in [
        ("data: {\n\n".to_owned(), FeedFault::Malformed),
        ("data: []\n\n".to_owned(), FeedFault::BadValue),
        (book((1, 2, "1.0000000"), (1, 4, "1.0000000")), FeedFault::BadValue),
        (book((1, 4, "0.0000000"), (1, 2, "1.0000000")), FeedFault::BadValue),
    ] {
        assert_eq!(house.bytes(0, &bad), [FeedEvent::Fault(ConnId(0), fault)], "{bad}");
        assert_eq!(house.bytes(0, a_book()), [price(SECOND, 0.0)]);
    }
    assert_eq!(house.bytes(0, "event: unheard-of\ndata: 1\n\n: nothing\n\n"), []);
    let endless = vec![b'x'; (1 << 20) + 1];
    let told = house.bytes(0, [b"data: ", &endless[..]].concat());
    assert_eq!(told, [FeedEvent::Fault(ConnId(0), FeedFault::Oversized), DOWN]);
    assert!(house.feed.take_reset(ConnId(0)));
}

#[test]
fn a_silent_stream_is_dead_and_one_that_does_not_begin_is_late() {
    let mut house = House::new(config(1, false));
    house.opened(0);
    let begun = house.now;
    assert_eq!(house.passes(), []);
    assert_eq!(house.now, begun + 10 * SECOND);
    let _ = house.reopened(0);
    house.until_asked(0, SECOND);
    house.bytes(0, HEAD.to_owned() + HELLO);
    for _ in 0..3 {
        house.now += SILENCE_NS - 1;
        assert_eq!(house.bytes(0, ":\n"), []);
    }
    let last = house.now;
    assert_eq!(house.passes(), [DOWN]);
    assert_eq!(house.now, last + SILENCE_NS);
    assert!(house.feed.take_reset(ConnId(0)));
}

#[test]
fn a_failing_server_is_left_for_its_backup_and_tried_again_later() {
    let answers = [
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
        HEAD.to_owned() + HELLO + "event: error\ndata: problem: server_over_capacity\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}".to_owned(),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
    ];
    for answer in answers {
        let mut house = House::new(config(2, false));
        house.opened(0);
        assert_eq!(house.opened(1), "", "both are asked");
        house.bytes(0, &answer);
        let _ = house.feed.take_reset(ConnId(0));
        house.on(NetEvent::Closed(ConnId(0)));
        let asked = house.opened(0);
        let asked = if asked.is_empty() { house.until_asked(0, 2 * SECOND) } else { asked };
        assert!(asked.contains("horizon-0"));
        house.bytes(0, &answer);
        let _ = house.feed.take_reset(ConnId(0));
        house.on(NetEvent::Closed(ConnId(0)));
        assert_eq!(house.opened(0), "", "it is asked a third time: {answer}");
        house.until_asked(1, 2 * SECOND);
        let begun = house.now;
        // Five minutes of streams that end as they should.
        while house.now < begun + 300 * SECOND {
            house.bytes(1, HEAD.to_owned() + HELLO + &a_book());
            house.now += 55 * SECOND;
            house.bytes(1, BYEBYE);
            assert_eq!(house.reopened(1), "");
            if house.now < begun + 300 * SECOND {
                house.until_asked(1, 2 * SECOND);
            }
        }
        assert!(house.until_asked(0, 2 * SECOND).contains("horizon-0"));
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it_unless_there_is_another() {
    let busy = "HTTP/1.1 429 Too Many\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n";
    let mut house = House::new(config(1, false));
    house.opened(0);
    let begun = house.now;
    house.bytes(0, busy);
    house.reopened(0);
    house.until_asked(0, 60 * SECOND);
    assert_eq!(house.now, begun + 30 * SECOND);

    let mut house = House::new(config(2, false));
    house.opened(0);
    house.opened(1);
    house.bytes(0, busy);
    assert!(house.asked(1).contains("horizon-1"));
    // And a connection that cannot be had is as bad.
    let mut house = House::new(config(2, false));
    assert_eq!(house.on(NetEvent::Opened(ConnId(1))), []);
    assert!(house.until_asked(1, 4 * SECOND).contains("horizon-1"));
}

#[test]
fn openings_come_off_the_budget() {
    // One a minute, after a burst of fifty.
    let mut house = House::new(HorizonStreamConfig { requests_per_hour: 60, ..config(1, false) });
    let mut opened = 0;
    let mut asked = house.opened(0);
    while house.now < 600 * SECOND {
        if asked.is_empty() {
            house.passes();
            asked = house.asked(0);
            continue;
        }
        opened += 1;
        house.bytes(0, HEAD.to_owned() + HELLO + &a_book() + BYEBYE);
        asked = house.reopened(0);
    }
    assert!((50..=61).contains(&opened), "{opened} in ten minutes");
}

#[derive(Default)]
struct Sources(std::collections::HashMap<[u8; 32], u32>);

impl LedgerVisitor for Sources {
    fn envelope(&mut self, envelope: &Envelope<'_>) {
        *self.0.entry(*envelope.source).or_default() += 1;
    }
}

#[test]
fn a_change_of_our_account_that_the_ledgers_do_not_show_is_told() {
    let path = &committed()[0];
    let (mut ledgers, mut sources) = (Vec::new(), Sources::default());
    ledgers_of(path, |_, bytes| {
        ledgers.push(marked(bytes));
        skim(bytes, &mut sources).unwrap();
    });
    let (busiest, _) = sources.0.iter().max_by_key(|(key, count)| (**count, **key)).unwrap();
    let stream = HorizonStreamConfig { order_books: vec![], accounts: 1, ..config(1, false) };
    let mut house = House::with(&FeedConfig {
        network: network_of(path),
        markets: Arc::new(MarketTable::new(&[market()]).unwrap()),
        accounts: vec![AccountId(*busiest)],
        sources: vec![SourceConfig::CoreMeta, SourceConfig::HorizonStream(stream)],
        limits: FeedLimits::default(),
    });
    house.on(NetEvent::Opened(ConnId(0)));
    assert!(house.opened(1).contains(&format!("GET /h/accounts/{} HTTP/1.1", AccountId(*busiest))));
    house.bytes(1, HEAD.to_owned() + HELLO);
    let said = |ledger: u32, sequence: i64| {
        format!("data: {{\"sequence\":\"{sequence}\",\"last_modified_ledger\":{ledger}}}\n\n")
    };
    let unseen = [FeedEvent::Fault(ConnId(1), FeedFault::UnseenChange)];
    let (mut ledger, mut state): (u32, Option<(u32, OwnAccount)>) = (0, None);
    for (at, bytes) in ledgers.iter().enumerate() {
        for event in house.bytes(0, bytes) {
            match event {
                FeedEvent::LedgerBegin(begin) => ledger = begin.seq.0,
                FeedEvent::Account(account) => state = Some((ledger, account)),
                _ => {}
            }
        }
        // What the ledgers have shown is no news, nor what was before them, nor what they may yet come to.
        let Some((changed_in, account)) = state else { continue };
        assert_eq!(house.bytes(1, said(changed_in, account.sequence.0)), [], "ledger {ledger}");
        assert_eq!(house.bytes(1, said(1, 1)), []);
        if at == ledgers.len() / 2 {
            assert_eq!(house.bytes(1, said(ledger, account.sequence.0 + 1)), unseen, "a sequence");
        }
    }
    // A network that is one ledger further than ours: for ten seconds.
    assert_eq!(house.bytes(1, said(ledger + 1, i64::MAX)), []);
    let begun = house.now;
    while house.passes() != unseen {
        assert!(house.now < begun + 10 * SECOND, "it is not found");
    }
    assert_eq!(house.now, begun + 10 * SECOND);
    assert_eq!(house.bytes(1, said(ledger + 1, i64::MAX)), [], "it is told once");
    // One that is four ledgers further.
    assert_eq!(house.bytes(1, said(ledger + 4, i64::MAX)), unseen);
}

proptest! {
    #[test]
    fn cuts_change_nothing(mut cuts in prop::collection::vec(0..900_usize, 0..12)) {
        let stream = [HEAD, HELLO, &a_book(), &a_book(), &book((1, 5, "1.0000000"), (1, 2, "3.0000000")), BYEBYE].concat();
        cuts.retain(|cut| *cut <= stream.len());
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let told = |cuts: &[usize]| {
            let mut house = House::new(config(1, false));
            house.opened(0);
            let told: Vec<_> = cuts.windows(2).flat_map(|cut| house.bytes(0, &stream[cut[0]..cut[1]])).collect();
            (told, house.feed.take_reset(ConnId(0)))
        };
        let whole = told(&[0, stream.len()]);
        prop_assert_eq!(whole.0.len(), 4);
        prop_assert_eq!(told(&cuts), whole);
    }

    #[test]
    fn whatever_a_server_sends_no_price_comes_of_it_that_cannot_be(
        damage in prop::collection::vec((0..900_usize, any::<u8>()), 1..6), piece in 1..200_usize,
    ) {
        let mut stream = [HEAD, HELLO, &a_book(), &a_book(), BYEBYE].concat().into_bytes();
        for (at, byte) in damage {
            let at = at % stream.len();
            stream[at] ^= byte;
        }
        let mut house = House::new(config(2, false));
        house.opened(0);
        for piece in stream.chunks(piece) {
            for event in house.bytes(0, piece) {
                if let FeedEvent::ReferencePrice(price) = event {
                    prop_assert!(price.bid > 0.0 && price.bid <= price.ask && price.ask.is_finite(), "{:?}", price);
                }
            }
        }
    }
}

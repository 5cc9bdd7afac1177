//! Ledgers from Stellar RPC in virtual time: endpoints race, and one that is of another chain harms nobody.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;
#[path = "recorded/rpc.rs"]
mod rpc;

use recorded::{committed, ledgers_of, marked, network_of};
use rpc::Endpoint;
use std::sync::Arc;
use stellar_connector::events::{ConnId, FeedEvent, FeedFault, MonoNanos, NetEvent, NetPort, Now, Stage, Stamped};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, HttpPlace, RpcConfig, SourceConfig};
use stellar_connector::stellar::MarketTable;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
/// The first ledger of a recording.
const FIRST: u32 = 2;

/// The ledgers of a recording.
fn chain(which: usize) -> Arc<Vec<Vec<u8>>> {
    let mut ledgers = Vec::new();
    ledgers_of(&committed()[which], |_, bytes| ledgers.push(bytes.to_vec()));
    Arc::new(ledgers)
}

/// A feed, and the endpoints that it asks; each connection that is given up stands anew at once.
struct House {
    feed: Feed,
    /// The connection of the first endpoint.
    first: u8,
    endpoints: Vec<Endpoint>,
    open: Vec<bool>,
    now: u64,
    told: Vec<FeedEvent>,
}

impl House {
    fn new(endpoints: Vec<Endpoint>, with_core: bool) -> Self {
        let rpc = SourceConfig::Rpc(RpcConfig {
            endpoints: endpoints.iter().map(|_| HttpPlace { host: "rpc".into(), prefix: "/rpc".into() }).collect(),
            max_answer_bytes: 16 << 20,
            answer_timeout_ns: 5 * SECOND,
            least_interval_ns: SECOND / 20,
            seed: 1,
        });
        let core = with_core.then_some(SourceConfig::CoreMeta);
        let config = FeedConfig {
            network: network_of(&committed()[0]),
            markets: Arc::new(MarketTable::default()),
            accounts: Vec::new(),
            sources: core.into_iter().chain([rpc]).collect(),
            limits: FeedLimits::default(),
        };
        let (feed, open) = (Feed::new(&config).unwrap(), vec![false; endpoints.len()]);
        Self { feed, first: u8::from(with_core), endpoints, open, now: 10 * SECOND, told: Vec::new() }
    }

    fn conn(&self, endpoint: usize) -> ConnId {
        ConnId(self.first + u8::try_from(endpoint).unwrap())
    }

    fn on(&mut self, event: NetEvent<'_>) {
        let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
        self.feed.on_event(Now { mono: MonoNanos(self.now), ..Now::default() }, event, &mut told);
        self.told.extend(told.into_iter().map(|stamped| stamped.event));
    }

    fn open(&mut self, endpoint: usize) {
        self.open[endpoint] = true;
        self.on(NetEvent::Opened(self.conn(endpoint)));
    }

    fn close(&mut self, endpoint: usize) {
        self.open[endpoint] = false;
        self.on(NetEvent::Closed(self.conn(endpoint)));
    }

    /// Lets so much time pass; a ledger closes each second. Returns what was told.
    fn pass(&mut self, nanos: u64) -> Vec<FeedEvent> {
        let until = self.now + nanos;
        while self.now < until {
            for at in 0..self.endpoints.len() {
                self.serve(at);
            }
            // A connection that was given up does not wait for a deadline.
            let until = until.min(self.now + SECOND / 20);
            self.now = self.feed.next_deadline().map_or(until, |deadline| deadline.0).clamp(self.now + 1, until);
            let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
            self.feed.on_time(Now { mono: MonoNanos(self.now), ..Now::default() }, &mut told);
            self.told.extend(told.into_iter().map(|stamped| stamped.event));
        }
        std::mem::take(&mut self.told)
    }

    fn serve(&mut self, at: usize) {
        let conn = self.conn(at);
        if self.feed.take_reset(conn) && self.open[at] {
            self.close(at);
            self.open(at);
        }
        let request = self.feed.outbox(conn).waiting().to_vec();
        if request.is_empty() || !self.open[at] {
            return;
        }
        self.feed.outbox(conn).sent(request.len());
        let newest = u32::try_from(self.now / SECOND).unwrap() + FIRST;
        let answer = self.endpoints[at].answer(&request, newest);
        // In pieces, as sockets bring them.
        for piece in answer.chunks(1_461) {
            self.on(NetEvent::Bytes(conn, piece));
        }
    }
}

fn numbers(told: &[FeedEvent]) -> Vec<u32> {
    let number = |event: &FeedEvent| if let FeedEvent::LedgerBegin(begin) = event { Some(begin.seq.0) } else { None };
    told.iter().filter_map(number).collect()
}

fn faults(told: &[FeedEvent]) -> Vec<(ConnId, FeedFault)> {
    let fault =
        |event: &FeedEvent| if let FeedEvent::Fault(conn, fault) = event { Some((*conn, *fault)) } else { None };
    told.iter().filter_map(fault).collect()
}

fn is_unbroken(numbers: &[u32]) -> bool {
    numbers.len() > 1 && numbers.windows(2).all(|two| two[0] + 1 == two[1])
}

#[test]
fn endpoints_race_and_every_ledger_comes_once_packed_or_not() {
    let ledgers = chain(0);
    let mut house = House::new(vec![Endpoint::new(&ledgers), Endpoint::new(&ledgers).packing()], false);
    house.open(0);
    house.open(1);
    let told = house.pass(MINUTE);
    let numbers = numbers(&told);
    assert!(is_unbroken(&numbers) && numbers.len() >= 58, "{numbers:?}");
    assert_eq!(faults(&told), []);
    for at in 0..2 {
        let counters = house.feed.counters(ConnId(at));
        assert!(counters.handed_down + counters.repeated > 10, "{counters:?}");
    }
    // One of them is gone: the other goes on.
    house.close(0);
    let more = house.pass(MINUTE);
    assert!(is_unbroken(&self::numbers(&more)) && faults(&more).is_empty());
}

#[test]
fn an_endpoint_of_another_chain_is_put_aside_and_the_chain_goes_on() {
    let (ours, other) = (chain(0), chain(1));
    let mut house = House::new(vec![Endpoint::new(&ours), Endpoint::new(&other)], false);
    house.open(0);
    let before = house.pass(5 * SECOND);
    house.open(1);
    let told = house.pass(MINUTE);
    let numbers = [numbers(&before), numbers(&told)].concat();
    assert!(is_unbroken(&numbers) && numbers.len() > 60, "{numbers:?}");
    assert_eq!(faults(&told), [(ConnId(1), FeedFault::OtherChain)]);
    assert_eq!(house.feed.counters(ConnId(1)).faults(FeedFault::OtherChain), 1);
    assert!(!told.contains(&FeedEvent::FeedDown(ConnId(0))));
    // It is left alone for five minutes, and asked again.
    let asked = house.endpoints[1].asked;
    assert_eq!(faults(&house.pass(3 * MINUTE)), []);
    assert_eq!(house.endpoints[1].asked, asked);
    house.pass(2 * MINUTE);
    assert!(house.endpoints[1].asked > asked);
}

#[test]
fn alone_an_endpoint_that_goes_over_to_another_chain_is_followed_there() {
    let mut house = House::new(vec![Endpoint::new(&chain(0))], false);
    house.open(0);
    house.pass(10 * SECOND);
    house.endpoints[0] = Endpoint::new(&chain(1));
    let told = house.pass(MINUTE);
    assert_eq!(faults(&told), [(ConnId(0), FeedFault::Gap)]);
    assert!(numbers(&told).len() > 50 && told.contains(&FeedEvent::FeedDown(ConnId(0))));
}

#[test]
fn when_those_that_vouch_for_a_chain_are_gone_another_is_followed() {
    let mut house = House::new(vec![Endpoint::new(&chain(0)), Endpoint::new(&chain(1))], false);
    house.open(0);
    house.pass(10 * SECOND);
    house.close(0);
    house.open(1);
    let told = house.pass(MINUTE);
    assert_eq!(faults(&told), [(ConnId(1), FeedFault::Gap)]);
    assert!(numbers(&told).len() > 50);
}

#[test]
fn an_endpoint_that_has_only_other_ledgers_makes_no_gap_while_another_brings_them() {
    let ledgers = chain(0);
    let mut house = House::new(vec![Endpoint::new(&ledgers), Endpoint::new(&ledgers).pruned_to(1)], false);
    house.open(0);
    house.open(1);
    let told = house.pass(MINUTE);
    assert!(is_unbroken(&numbers(&told)));
    assert_eq!(faults(&told), []);
    // Alone it is better than nothing, and says that something is missing.
    house.close(0);
    house.now += 10 * SECOND;
    let told = house.pass(MINUTE);
    assert!(faults(&told).iter().all(|fault| *fault == (ConnId(1), FeedFault::Gap)) && !faults(&told).is_empty());
}

#[test]
fn between_core_and_rpc_core_is_right() {
    let (ours, other) = (chain(0), chain(1));
    let mut house = House::new(vec![Endpoint::new(&other)], true);
    house.open(0);
    let before = house.pass(10 * SECOND);
    let next = usize::try_from(numbers(&before).last().unwrap() + 1 - FIRST).unwrap();
    house.on(NetEvent::Opened(ConnId(0)));
    let mut told = Vec::new();
    for ledger in &ours[next..next + 20] {
        house.on(NetEvent::Bytes(ConnId(0), &marked(ledger)));
        // Slower than the endpoint, so that there is something to choose between.
        told.extend(house.pass(2 * SECOND));
    }
    assert_eq!(faults(&told), [(ConnId(0), FeedFault::Gap), (ConnId(1), FeedFault::OtherChain)]);
    assert!(is_unbroken(&numbers(&told)) && numbers(&told).len() == 20, "{:?}", numbers(&told));
}

#[test]
fn a_chain_that_begins_anew_is_followed_whatever_others_once_brought() {
    let (ours, other) = (chain(0), chain(1));
    let mut house = House::new(vec![Endpoint::new(&ours)], true);
    house.open(0);
    let before = house.pass(10 * SECOND);
    let next = usize::try_from(numbers(&before).last().unwrap() + 1 - FIRST).unwrap();
    house.on(NetEvent::Opened(ConnId(0)));
    ours[next..next + 5].iter().for_each(|ledger| house.on(NetEvent::Bytes(ConnId(0), &marked(ledger))));
    // The endpoint still stands, and lags too far behind to vouch for anything.
    house.on(NetEvent::Bytes(ConnId(0), &marked(&other[next + 5])));
    house.on(NetEvent::Closed(ConnId(0)));
    house.on(NetEvent::Opened(ConnId(0)));
    house.told.clear();
    other[..5].iter().for_each(|ledger| house.on(NetEvent::Bytes(ConnId(0), &marked(ledger))));
    assert_eq!((numbers(&house.told), faults(&house.told)), ((FIRST..FIRST + 5).collect(), vec![]));
    // And so is another one, though it is far below what the endpoint brought.
    house.on(NetEvent::Bytes(ConnId(0), &marked(&ours[5])));
    assert_eq!(faults(&house.told), [(ConnId(0), FeedFault::Gap)]);
}

#[test]
fn what_is_no_answer_is_a_fault_and_the_endpoint_is_tried_again() {
    let ledgers = chain(0);
    for damage in [&b"{"[..], b"{}", br#"{"result":{"ledgers":[{"sequence":3,"metadataXdr":"!"}],"latestLedger":3}}"#] {
        let mut house = House::new(vec![Endpoint::new(&ledgers)], false);
        house.open(0);
        house.pass(10 * SECOND);
        house.endpoints[0].damage = Some(damage.to_vec());
        assert_eq!(faults(&house.pass(2 * SECOND))[0], (ConnId(0), FeedFault::Malformed));
        house.endpoints[0].damage = None;
        assert!(is_unbroken(&numbers(&house.pass(MINUTE))));
    }
}

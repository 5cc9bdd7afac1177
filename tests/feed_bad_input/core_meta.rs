//! The stream of ledgers.

use crate::recorded::{committed, ledgers_of, marked};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::Arc;
use stellar_connector::events::{ConnId, FeedEvent, FeedFault, LedgerEnd, NetEvent, NetPort, Now, Stage, Stamped};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, SourceConfig};
use stellar_connector::stellar::{Asset, Market, MarketTable, NetworkId};
use stellar_connector::wire::ledger::{Change, ChangePhase, LedgerVisitor, RawClaim, skim};
use stellar_xdr::{
    LedgerCloseMeta, LedgerEntryChange, LedgerEntryChanges, LedgerEntryData, Limits, ReadXdr, TransactionMeta, WriteXdr,
};

const CONN: ConnId = ConnId(0);

/// Three ledgers that follow each other, the second of which is short and changes an offer on the market.
struct Material {
    ledgers: [Vec<u8>; 3],
    market: Market,
}

fn material() -> Material {
    let mut ledgers = Vec::new();
    ledgers_of(&committed()[0], |_, bytes| ledgers.push(bytes.to_vec()));
    let market_of = |bytes: &[u8]| -> Option<Market> {
        #[derive(Default)]
        struct Seen(Option<Market>, bool);
        impl LedgerVisitor for Seen {
            fn claim(&mut self, _operation: u32, claim: &RawClaim<'_>) {
                let (base, quote): (Asset, Asset) = (claim.sold.to_asset(), claim.bought.to_asset());
                self.0 = Some(Market { base, quote });
            }
            fn change(&mut self, _phase: ChangePhase, change: &Change<'_>) {
                if let (Change::Offer(offer), Some(market)) = (change, self.0) {
                    self.1 |= offer.selling.to_asset() == market.base && offer.buying.to_asset() == market.quote;
                }
            }
        }
        let mut seen = Seen::default();
        skim(bytes, &mut seen).unwrap();
        seen.0.filter(|_| seen.1)
    };
    let candidates = ledgers.windows(3).filter_map(|three| market_of(&three[1]).map(|market| (three, market)));
    let (three, market) = candidates.min_by_key(|(three, _)| three[1].len()).unwrap();
    Material { ledgers: [three[0].clone(), three[1].clone(), three[2].clone()], market }
}

fn feed_with(material: &Material, limits: FeedLimits) -> Feed {
    let config = FeedConfig {
        network: NetworkId::from_passphrase("lcm corpus 01"),
        markets: Arc::new(MarketTable::new(&[material.market]).unwrap()),
        accounts: Vec::new(),
        sources: vec![SourceConfig::CoreMeta],
        limits,
    };
    let mut feed = Feed::new(&config).unwrap();
    assert_eq!(events(&mut feed, NetEvent::Opened(CONN)), []);
    feed
}

fn feed(material: &Material) -> Feed {
    feed_with(material, FeedLimits::default())
}

fn events(feed: &mut Feed, input: NetEvent<'_>) -> Vec<FeedEvent> {
    let mut told: Vec<Stamped<FeedEvent>> = Vec::new();
    feed.on_event(Now::default(), input, &mut told);
    told.into_iter().map(|stamped| stamped.event).collect()
}

fn bytes(feed: &mut Feed, bytes: &[u8]) -> Vec<FeedEvent> {
    events(feed, NetEvent::Bytes(CONN, bytes))
}

fn fault(kind: FeedFault) -> FeedEvent {
    FeedEvent::Fault(CONN, kind)
}

/// What a good ledger gives, which is more than a begin and an end.
fn told_of(material: &Material, which: usize) -> Vec<FeedEvent> {
    let mut feed = feed(material);
    let told = bytes(&mut feed, &marked(&material.ledgers[which]));
    assert_eq!(told[0], FeedEvent::FeedUp(CONN));
    assert!(matches!(told[1], FeedEvent::LedgerBegin(_)));
    assert!(matches!(told[told.len() - 1], FeedEvent::LedgerEnd(_)));
    if which == 1 {
        assert!(told.iter().any(|event| matches!(event, FeedEvent::Offer(_))), "{told:?}");
        assert!(told.iter().any(|event| matches!(event, FeedEvent::Trade(_))), "{told:?}");
    }
    told[1..].to_vec()
}

#[test]
fn a_stream_cut_anywhere_is_truncated_and_a_fresh_connection_goes_on() {
    let material = material();
    let stream = marked(&material.ledgers[1]);
    for end in 0..stream.len() {
        let mut feed = feed(&material);
        let first = bytes(&mut feed, &marked(&material.ledgers[0]));
        assert_eq!(first[1..], told_of(&material, 0));
        assert_eq!(bytes(&mut feed, &stream[..end]), [], "a part of a ledger, {end} bytes, was handed down");
        let truncated = (end > 0).then_some(fault(FeedFault::Truncated));
        let expected: Vec<_> = truncated.into_iter().chain([FeedEvent::FeedDown(CONN)]).collect();
        assert_eq!(events(&mut feed, NetEvent::Closed(CONN)), expected, "{end} bytes");
        assert_eq!(events(&mut feed, NetEvent::Opened(CONN)), []);
        let again = bytes(&mut feed, &stream);
        assert_eq!(again[0], FeedEvent::FeedUp(CONN));
        assert_eq!(again[1..], told_of(&material, 1));
        assert_eq!(feed.counters(CONN).faults(FeedFault::Truncated), u64::from(end > 0));
    }
}

#[test]
fn a_ledger_cut_short_in_a_whole_frame_is_malformed_and_the_stream_goes_on() {
    let material = material();
    let whole = &material.ledgers[1];
    let mut feed = feed(&material);
    bytes(&mut feed, &marked(&material.ledgers[0]));
    for end in 1..whole.len() {
        let told = bytes(&mut feed, &marked(&whole[..end]));
        assert_eq!(told, [fault(FeedFault::Malformed)], "{end} bytes");
    }
    assert_eq!(feed.counters(CONN).faults(FeedFault::Malformed), whole.len() as u64 - 1);
    assert!(!feed.take_reset(CONN));
    assert_eq!(bytes(&mut feed, &marked(whole)), told_of(&material, 1));
}

/// A flipped bit may go unnoticed, as one in a signature; but then all of the ledger is handed down.
#[test]
fn flipped_bits_give_a_whole_ledger_or_a_fault() {
    let material = material();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_124);
    let (mut faults, mut whole) = (0, 0);
    for round in 0..4_000 {
        let mut damaged = material.ledgers[1].clone();
        for _ in 0..=round % 3 {
            let at = random.next_u32() as usize % damaged.len();
            damaged[at] ^= 1 << (random.next_u32() % 8);
        }
        let mut feed = feed(&material);
        bytes(&mut feed, &marked(&material.ledgers[0]));
        let told = bytes(&mut feed, &marked(&damaged));
        let body: Vec<_> =
            told.iter().filter(|event| !matches!(event, FeedEvent::FeedUp(_) | FeedEvent::FeedDown(_))).collect();
        match body.as_slice() {
            // Its number has become one that came before.
            [] => assert_eq!(feed.counters(CONN).repeated, 1, "round {round}"),
            [FeedEvent::Fault(CONN, FeedFault::Gap), FeedEvent::LedgerBegin(_), .., FeedEvent::LedgerEnd(_)]
            | [FeedEvent::LedgerBegin(_), .., FeedEvent::LedgerEnd(_)] => whole += 1,
            [FeedEvent::Fault(CONN, _)] => faults += 1,
            other => panic!("round {round}: {other:?}"),
        }
    }
    println!("{faults} faults, {whole} handed down whole");
    assert!(faults > 500 && whole > 500);
}

#[test]
fn a_record_mark_that_lies_loses_the_connection_and_nothing_else() {
    let material = material();
    let length = u32::try_from(material.ledgers[1].len()).unwrap();
    let limits = FeedLimits { max_ledger_bytes: 1 << 20, ..FeedLimits::default() };
    for (mark, kind) in [
        (length, FeedFault::RecordMark),
        (0, FeedFault::RecordMark),
        (0x8000_0000, FeedFault::RecordMark),
        (0x8000_0000 | ((1 << 20) + 1), FeedFault::Oversized),
        (u32::MAX, FeedFault::Oversized),
        // "HTTP", from a server of another kind.
        (0x4854_5450, FeedFault::RecordMark),
    ] {
        let mut feed = feed_with(&material, limits);
        bytes(&mut feed, &marked(&material.ledgers[0]));
        let lying = [&mark.to_be_bytes()[..], &material.ledgers[1]].concat();
        let expected = [fault(kind), FeedEvent::FeedDown(CONN)];
        assert_eq!(bytes(&mut feed, &lying), expected, "{mark:#x}");
        // Until the network has opened another, what still comes is not looked at.
        assert_eq!(bytes(&mut feed, &marked(&material.ledgers[1])), []);
        assert!(feed.take_reset(CONN));
        assert!(!feed.take_reset(CONN), "a reset is asked for once");
        assert_eq!(events(&mut feed, NetEvent::Closed(CONN)), []);
        assert_eq!(events(&mut feed, NetEvent::Opened(CONN)), []);
        let again = bytes(&mut feed, &marked(&material.ledgers[1]));
        assert_eq!(again[1..], told_of(&material, 1));
        assert_eq!(feed.counters(CONN).faults(kind), 1);
        assert_eq!(feed.counters(CONN).resets, 1);
    }
}

#[test]
fn a_mark_that_promises_much_sets_nothing_aside() {
    let material = material();
    let mut feed = feed(&material);
    let before = feed.counters(CONN).growths;
    let told = bytes(&mut feed, &[&0x8fff_ffff_u32.to_be_bytes()[..], b"and a few bytes"].concat());
    assert_eq!(told, []);
    assert!(feed.counters(CONN).growths <= before + 1);
    assert_eq!(events(&mut feed, NetEvent::Closed(CONN)), [fault(FeedFault::Truncated)]);
}

#[test]
fn ledgers_that_do_not_follow_are_told() {
    let material = material();
    let mut feed = feed(&material);
    bytes(&mut feed, &marked(&material.ledgers[0]));
    // The one between is missing: what this one says is true all the same.
    let told = bytes(&mut feed, &marked(&material.ledgers[2]));
    assert_eq!(told[0], fault(FeedFault::Gap));
    assert_eq!(told[1..], told_of(&material, 2));
    // What came before, comes again.
    for which in 0..3 {
        assert_eq!(bytes(&mut feed, &marked(&material.ledgers[which])), []);
    }
    assert_eq!(feed.counters(CONN).repeated, 3);
    assert_eq!(feed.counters(CONN).faults(FeedFault::Gap), 1);
}

#[test]
fn a_ledger_of_another_chain_is_not_used() {
    let material = material();
    let mut feed = feed(&material);
    bytes(&mut feed, &marked(&material.ledgers[0]));
    let mut other = LedgerCloseMeta::from_xdr(&material.ledgers[1], Limits::none()).unwrap();
    header(&mut other).previous_ledger_hash.0[0] ^= 1;
    let other = other.to_xdr(Limits::none()).unwrap();
    assert_eq!(bytes(&mut feed, &marked(&other)), [fault(FeedFault::Gap), FeedEvent::FeedDown(CONN)]);
    assert!(feed.take_reset(CONN));
    events(&mut feed, NetEvent::Opened(CONN));
    let again = bytes(&mut feed, &marked(&material.ledgers[1]));
    assert_eq!(again[1..], told_of(&material, 1));
}

#[test]
fn what_is_newer_than_this_program_is_not_read() {
    let material = material();
    let mut newer = LedgerCloseMeta::from_xdr(&material.ledgers[1], Limits::none()).unwrap();
    header(&mut newer).ledger_version = 29;
    let newer = newer.to_xdr(Limits::none()).unwrap();
    let mut version_three = material.ledgers[1].clone();
    version_three[3] = 3;
    let mut feed = feed(&material);
    for ledger in [&newer, &version_three, &newer] {
        assert_eq!(bytes(&mut feed, &marked(ledger)), [fault(FeedFault::UnknownProtocol)]);
    }
    assert_eq!(feed.counters(CONN).faults(FeedFault::UnknownProtocol), 3);
}

#[test]
fn an_offer_with_a_price_of_zero_spoils_its_ledger() {
    let material = material();
    for damage in [|n: &mut i32, _: &mut i64| *n = 0, |_: &mut i32, amount: &mut i64| *amount = -1] {
        let mut meta = LedgerCloseMeta::from_xdr(&material.ledgers[1], Limits::none()).unwrap();
        for_each_offer(&mut meta, |offer| damage(&mut offer.price.n, &mut offer.amount));
        let mut feed = feed(&material);
        let told = bytes(&mut feed, &marked(&meta.to_xdr(Limits::none()).unwrap()));
        assert_eq!(told, [fault(FeedFault::BadValue)]);
    }
}

#[test]
fn a_ledger_with_more_events_than_may_be_kept_is_not_used() {
    let material = material();
    let count = told_of(&material, 1).len() - 2;
    let limits = |max_ledger_events| FeedLimits { ledger_events: 1, max_ledger_events, ..FeedLimits::default() };
    let mut feed = feed_with(&material, limits(count - 1));
    assert_eq!(bytes(&mut feed, &marked(&material.ledgers[1])), [fault(FeedFault::Oversized)]);
    let mut feed = feed_with(&material, limits(count));
    let told = bytes(&mut feed, &marked(&material.ledgers[1]));
    assert!(matches!(told.last(), Some(FeedEvent::LedgerEnd(LedgerEnd { .. }))));
    assert!(feed.counters(CONN).growths > 0, "the scratch space was to grow");
}

fn header(meta: &mut LedgerCloseMeta) -> &mut stellar_xdr::LedgerHeader {
    match meta {
        LedgerCloseMeta::V0(v) => &mut v.ledger_header.header,
        LedgerCloseMeta::V1(v) => &mut v.ledger_header.header,
        LedgerCloseMeta::V2(v) => &mut v.ledger_header.header,
    }
}

fn for_each_offer(meta: &mut LedgerCloseMeta, mut change: impl FnMut(&mut stellar_xdr::OfferEntry)) {
    let LedgerCloseMeta::V0(v) = meta else { panic!("the recording's ledgers have become newer") };
    let mut processed = v.tx_processing.to_vec();
    for transaction in &mut processed {
        let TransactionMeta::V2(applied) = &mut transaction.tx_apply_processing else { panic!("another meta") };
        let mut operations = applied.operations.to_vec();
        for operation in &mut operations {
            let mut changes = operation.changes.0.to_vec();
            for one in &mut changes {
                if let LedgerEntryChange::Created(entry) | LedgerEntryChange::Updated(entry) = one
                    && let LedgerEntryData::Offer(offer) = &mut entry.data
                {
                    change(offer);
                }
            }
            operation.changes = LedgerEntryChanges(changes.try_into().unwrap());
        }
        applied.operations = operations.try_into().unwrap();
    }
    v.tx_processing = processed.try_into().unwrap();
}

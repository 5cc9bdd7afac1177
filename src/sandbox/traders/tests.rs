//! The crowd at work, in virtual time.

use super::super::engine::EngineAccount;
use super::super::reference::ReferenceConfig;
use super::super::world::{World, WorldConfig, close_time_s};
use super::{Activity, Crowd, recruit, round_price};
use crate::events::UtcNanos;
use crate::stellar::{AccountId, MarketId, Side};
use std::collections::BTreeMap;
use stellar_xdr::{
    ClaimAtom, LedgerCloseMeta, OperationResult, OperationResultTr, PathPaymentStrictSendResult,
    TransactionResultResult,
};

const SECOND: u64 = 1_000_000_000;

fn world(crowd: Crowd, reference: ReferenceConfig) -> World {
    let mut config = WorldConfig::new(11, EngineAccount::without_trustlines(AccountId([7; 32])));
    config.activity = Activity::Of(crowd);
    config.reference = reference;
    World::new(&config).unwrap()
}

/// Lets five seconds pass and closes a ledger.
fn close(world: &mut World) -> LedgerCloseMeta {
    let from = close_time_s(world.ledger());
    for quarter in 1..=20 {
        let now = UtcNanos(from * SECOND + quarter * SECOND / 4);
        while world.reference_tick(now).is_some() {}
    }
    world.close(from + 5).unwrap().meta
}

/// What the round trips of a ledger crossed: pools sold to, and orders taken.
fn round_trips(meta: &LedgerCloseMeta) -> Vec<(bool, bool)> {
    let LedgerCloseMeta::V2(meta) = meta else { panic!() };
    let results = meta.tx_processing.iter().filter_map(|tx| match &tx.result.result.result {
        TransactionResultResult::TxSuccess(results) => Some(results),
        _ => None,
    });
    let trips = results.flat_map(|results| results.iter()).filter_map(|result| match result {
        OperationResult::OpInner(OperationResultTr::PathPaymentStrictSend(PathPaymentStrictSendResult::Success(
            success,
        ))) => Some(&success.offers),
        _ => None,
    });
    let is_pool = |atom: &ClaimAtom| matches!(atom, ClaimAtom::LiquidityPool(_));
    trips.map(|atoms| (is_pool(&atoms[0]), atoms.last().is_some_and(is_pool))).collect()
}

#[test]
fn one_seed_is_one_crowd_to_the_last_hash() {
    let hashes = |reference| {
        let mut world = world(Crowd::ALL, reference);
        let mut all = Vec::new();
        for _ in 0..300 {
            close(&mut world);
            all.push(world.ledger().hash());
        }
        all
    };
    assert_eq!(hashes(ReferenceConfig::jump()), hashes(ReferenceConfig::jump()));
}

#[test]
fn what_pool_and_book_differ_by_is_carried_over_in_both_directions_and_never_at_a_loss() {
    let mut world = world(Crowd::ALL, ReferenceConfig::trend());
    let mut trips = BTreeMap::new();
    for _ in 0..400 {
        for trip in round_trips(&close(&mut world)) {
            *trips.entry(trip).or_insert(0) += 1;
        }
    }
    // Into the pool and back over the book, or the other way round: which of the two depends on where the first asset is
    // dear.
    let crossed: usize = trips.iter().filter(|((first, last), _)| first != last).map(|(_, count)| count).sum();
    assert!(crossed >= 10, "{trips:?}");
    let view = super::View { ledger: world.ledger(), markets: world.markets(), reference: &world.reference };
    let (base, quote) = view.pool(0).unwrap();
    let off = (quote / base / world.reference_mid(MarketId(0)) - 1.0) * 1e4;
    assert!(off.abs() < 150.0, "the pool is {off} basis points from the reference");
}

#[test]
fn without_makers_there_is_no_ladder_and_without_anybody_no_offer() {
    let spread = |crowd| {
        let mut world = world(crowd, ReferenceConfig::still());
        (0..20).for_each(|_| drop(close(&mut world)));
        let view = super::View { ledger: world.ledger(), markets: world.markets(), reference: &world.reference };
        let best = |side| view.best(0, side);
        (best(Side::Bid).zip(best(Side::Ask)).map(|(bid, ask)| (ask / bid - 1.0) * 1e4), world.ledger().num_offers())
    };
    let (both, offers) = spread(Crowd { makers: true, ..Crowd::default() });
    // The leaning maker stands at thirteen basis points, the others behind it.
    assert!(both.is_some_and(|spread| (25.0..27.0).contains(&spread)), "{both:?}");
    assert_eq!(offers, 3 * 24 + 8);
    assert_eq!(spread(Crowd::default()), (None, 0));
}

#[test]
fn prices_are_round_and_near() {
    let price = |value| round_price(value).map(|price| (price.n(), price.d()));
    assert_eq!(price(0.1), Some((1, 10)));
    assert_eq!(price(0.100_123_4), Some((500_617, 5_000_000)));
    assert_eq!(price(1234.5), Some((2469, 2)));
    assert_eq!(price(2e9), Some((2_000_000_000, 1)));
    assert_eq!(price(1e-9), None);
    assert_eq!(price(f64::NAN), None);
}

#[test]
fn every_market_has_a_maker_and_the_first_one_a_crowd() {
    let traders = recruit(1, 50, Activity::Still);
    for market in 0..50 {
        assert!(traders.iter().any(|trader| trader.markets().contains(&market)), "{market}");
    }
    assert!(recruit(1, 50, Activity::None).is_empty());
    assert!(recruit(1, 1, Activity::Lively).len() > recruit(1, 1, Activity::Still).len());
}

#[test]
fn a_crowd_is_of_those_who_were_asked_for() {
    let count = |crowd| recruit(1, 3, Activity::Of(crowd)).len();
    assert_eq!(count(Crowd::default()), 0);
    assert_eq!(count(Crowd { noise: true, ..Crowd::default() }), 10);
    assert_eq!(count(Crowd { makers: true, ..Crowd::default() }), 5);
    assert_eq!(count(Crowd { arbitrage: true, ..Crowd::default() }), 4);
    assert_eq!(count(Crowd::ALL), recruit(1, 3, Activity::Lively).len() + 3);
}

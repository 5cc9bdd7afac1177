//! The skim finds, in every recorded ledger, exactly what a full decode by `stellar-xdr` finds; and on damaged bytes
//! the two agree about what is a ledger.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;
mod slow_reference;

use recorded::{each_ledger, pubnet_ledger};
use slow_reference::{Fact, SOME_NETWORK, decoded_facts, skimmed_facts};
use stellar_connector::wire::ledger::{Change, ChangePhase, LedgerVisitor, SkimError, pool_id, skim};
use stellar_xdr::{LedgerCloseMeta, Limits, ReadXdr};

struct Nobody;
impl LedgerVisitor for Nobody {}

#[test]
fn every_recorded_ledger_is_skimmed_as_it_is_decoded() {
    let (mut facts, mut moved, mut sponsored) = (0, 0, 0);
    let ledgers = each_ledger(|place, bytes| {
        let meta = LedgerCloseMeta::from_xdr(bytes, Limits::none()).unwrap_or_else(|e| panic!("{place}: {e}"));
        let (skimmed, decoded) = (skimmed_facts(bytes), decoded_facts(&meta, SOME_NETWORK));
        if let Some(at) = (0..skimmed.len().max(decoded.len())).find(|&i| skimmed.get(i) != decoded.get(i)) {
            panic!("{place}: fact {at} is {:?} by skim and {:?} by decode", skimmed.get(at), decoded.get(at));
        }
        facts += skimmed.len();
        moved += skimmed.windows(2).filter(|pair| is_move(pair)).count();
        sponsored +=
            skimmed.iter().filter(|fact| matches!(fact, Fact::Account { numbers, .. } if numbers[5] > 0)).count();
    });
    println!("{ledgers} ledgers, {facts} facts, {moved} offers moved, {sponsored} states of sponsored accounts");
    assert!(moved > 0 && sponsored > 0, "the recordings have become too tame");
    assert!(ledgers > 500, "only {ledgers} ledgers were found");
}

/// An update that takes an offer to another pair of assets.
fn is_move(pair: &[Fact]) -> bool {
    matches!(pair, [Fact::OfferGone { id: gone, .. }, Fact::Offer { id, .. }] if gone == id)
}

#[test]
fn the_pubnet_ledger_has_its_known_numbers() {
    let Some(bytes) = pubnet_ledger() else { return };
    let facts = skimmed_facts(&bytes);
    let count = |is: fn(&Fact) -> bool| facts.iter().filter(|fact| is(fact)).count();
    assert!(matches!(facts[0], Fact::Header { seq: 53_312_000, protocol: 21, .. }));
    assert_eq!(count(|fact| matches!(fact, Fact::Transaction { .. })), 163);
    assert_eq!(count(|fact| matches!(fact, Fact::Transaction { code, .. } if *code < 0)), 62);
    // One of the twelve is of an operation that succeeded in a transaction that failed: it is in the results, but no
    // trade.
    assert_eq!(count(|fact| matches!(fact, Fact::Claim { offer: Some(_), .. })), 12);
    assert_eq!(count(|fact| matches!(fact, Fact::Claim { offer: Some(_), undone: false, .. })), 11);
    assert_eq!(count(|fact| matches!(fact, Fact::Claim { offer: None, .. })), 18);
}

#[test]
fn pool_ids_are_the_hashes_of_their_parameters() {
    #[derive(Default)]
    struct Pools(u32);
    impl LedgerVisitor for Pools {
        fn change(&mut self, _phase: ChangePhase, change: &Change<'_>) {
            if let Change::Pool(pool) = change {
                let (a, b) = (pool.asset_a.to_asset(), pool.asset_b.to_asset());
                assert_eq!(*pool.id, pool_id(&a, &b), "pool of {a} and {b}");
                assert_eq!(*pool.id, pool_id(&b, &a), "pool of {b} and {a}");
                self.0 += 1;
            }
        }
    }
    let mut pools = Pools::default();
    each_ledger(|_, bytes| skim(bytes, &mut pools).unwrap());
    assert!(pools.0 > 100, "only {} states of pools were found", pools.0);
}

#[test]
fn a_ledger_cut_short_anywhere_is_malformed() {
    let mut smallest: Option<Vec<u8>> = None;
    each_ledger(|_, bytes| {
        if bytes.len() > 3_000 && smallest.as_ref().is_none_or(|found| bytes.len() < found.len()) {
            smallest = Some(bytes.to_vec());
        }
    });
    let bytes = smallest.unwrap();
    for end in 0..bytes.len() {
        let error = skim(&bytes[..end], &mut Nobody).unwrap_err();
        assert!(matches!(error, SkimError::Malformed { .. }), "{end} of {} bytes: {error}", bytes.len());
    }
    let longer = [&bytes[..], &[0; 4]].concat();
    let offset = bytes.len();
    assert_eq!(skim(&longer, &mut Nobody), Err(SkimError::Malformed { offset, expected: "the end of the ledger" }));
}

/// Flips every word's highest and lowest byte in turn: discriminants, lengths and padding all get their share.
#[test]
fn damaged_ledgers_are_refused_by_both_or_by_neither() {
    let (mut flips, mut refused) = (0, 0);
    let mut check = |place: &str, bytes: &[u8]| {
        let mut damaged = bytes.to_vec();
        for at in (0..bytes.len()).filter(|at| at % 4 == 0 || at % 4 == 3) {
            damaged[at] ^= 1 << (at / 4 % 8);
            // A count of thousands of millions makes the decoder reserve nothing, yet read on to the end: it is quick.
            let limits = Limits { depth: 2_000, len: bytes.len() * 2 };
            let decoded = LedgerCloseMeta::from_xdr(&damaged, limits);
            let skimmed = skim(&damaged, &mut Nobody);
            let newer = matches!(skimmed, Err(SkimError::UnknownProtocol { union: "protocol version", .. }));
            assert!(
                newer || decoded.is_ok() == skimmed.is_ok(),
                "{place}, byte {at}: decode {:?}, skim {skimmed:?}",
                decoded.map(|_| ())
            );
            flips += 1;
            refused += usize::from(skimmed.is_err());
            damaged[at] = bytes[at];
        }
    };
    let mut index = 0;
    each_ledger(|place, bytes| {
        index += 1;
        if index % 61 == 0 && bytes.len() < 60_000 {
            check(place, bytes);
        }
    });
    println!("{flips} flips, {refused} refused");
    assert!(flips > 10_000 && refused > flips / 20, "{flips} flips, {refused} refused");
}

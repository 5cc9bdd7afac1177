//! Paging through the past: both ways, by any cursor, of anything, also when its beginning is gone.

use super::story::{ALICE, BOB, CAROL, Story, hex_of, pool_id};
use super::tale::{Tale, records};
use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::{Between, HistoryBounds, Scope, Toid, account_of};
use crate::sandbox::{EngineAccount, WorldConfig};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use stellar_xdr::AccountId;

fn token(of: &Value) -> &str {
    of["paging_token"].as_str().unwrap()
}

/// Everything under a path, by pages of this size, in this order. After the oldest ledger comes a page that is gone.
fn walk(tale: &Tale, path: &str, order: &str, limit: usize) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let cursor = all.last().map(|last| format!("&cursor={}", token(last))).unwrap_or_default();
        let next = match tale.try_records(&format!("{path}?order={order}&limit={limit}{cursor}")) {
            Err(problem) if problem.kind == "before_history" && path == "/ledgers" => Vec::new(),
            next => next.unwrap(),
        };
        if next.is_empty() {
            return all;
        }
        assert!(next.len() <= limit);
        all.extend(next);
    }
}

#[test]
fn pages_of_any_size_in_either_order_show_the_same() {
    let story = Story::told();
    let tale = &story.tale;
    let mut paths = vec!["/ledgers".to_owned()];
    for what in ["transactions", "operations", "payments", "effects"] {
        paths.push(format!("/{what}"));
        paths.extend([ALICE, BOB, CAROL].map(|person| format!("/accounts/{}/{what}", person.g())));
    }
    for what in ["transactions", "operations", "effects"] {
        paths.push(format!("/liquidity_pools/{}/{what}", hex_of(&pool_id())));
    }
    for path in paths {
        let whole = walk(tale, &path, "asc", 200);
        assert!(!whole.is_empty(), "{path}");
        let distinct: BTreeSet<&str> = whole.iter().map(token).collect();
        assert_eq!(distinct.len(), whole.len(), "{path}");
        let mut backwards = walk(tale, &path, "desc", 7);
        backwards.reverse();
        assert_eq!(backwards, whole, "{path}");
        assert_eq!(walk(tale, &path, "asc", 3), whole, "{path}");
    }
}

#[test]
fn whoever_asks_from_before_history_is_told_so_or_begins_where_it_does() {
    let bounds = HistoryBounds { max_ledgers: 4, max_bytes: usize::MAX };
    let mut tale = Tale::of(&[ALICE, BOB], bounds);
    (0..4).for_each(|_| {
        tale.tell(vec![(ALICE, super::bodies::pay(&BOB.address(), &super::bodies::XLM, 1))]);
    });
    let account = format!("/accounts/{}", ALICE.g());
    for path in ["/transactions", "/operations", "/payments", "/effects", "/ledgers"] {
        let old = tale.try_records(&format!("{path}?order=desc&cursor=1")).unwrap_err();
        assert_eq!((old.status, old.kind), (410, "before_history"), "{path}");
        let ascending = tale.records(&format!("{path}?cursor=1&limit=200"));
        assert_eq!(ascending, tale.records(&format!("{path}?limit=200")), "{path}");
        assert!(!ascending.is_empty());
        let later = format!("{path}?cursor={}", i64::MAX);
        assert_eq!(tale.records(&later), Vec::<Value>::new());
        let problem = tale.try_records(&format!("{path}?cursor=nowhere")).unwrap_err();
        assert_eq!((problem.status, problem.extras["invalid_field"].as_str()), (400, Some("cursor")), "{path}");
    }
    assert_eq!(tale.records(&format!("{account}/operations")).len(), 4, "its creation is forgotten");
    let gone = Toid::new(2, 1, 1).0;
    assert_eq!(tale.object(&format!("/operations/{gone}")).unwrap_err().status, 410);
    assert_eq!(tale.records(&format!("/operations/{gone}/effects")), Vec::<Value>::new());
    let never = Toid::new(tale.fixture.chain().latest(), 900, 1).0;
    assert_eq!(tale.object(&format!("/operations/{never}")).unwrap_err().status, 404);
}

#[test]
fn strangers_are_not_found_and_nonsense_is_refused() {
    let tale = Tale::of(&[ALICE], HistoryBounds::default());
    for what in ["transactions", "operations", "payments", "effects"] {
        assert_eq!(tale.try_records(&format!("/accounts/{}/{what}", BOB.g())).unwrap_err().status, 404);
        let problem = tale.try_records(&format!("/accounts/GNOBODY/{what}")).unwrap_err();
        assert_eq!((problem.status, problem.extras["invalid_field"].as_str()), (400, Some("account_id")));
        assert_eq!(tale.try_records(&format!("/ledgers/4000000/{what}")).unwrap_err().status, 404);
        assert_eq!(tale.try_records(&format!("/ledgers/x/{what}")).unwrap_err().status, 400);
    }
    for what in ["transactions", "operations", "effects"] {
        let unknown = tale.try_records(&format!("/liquidity_pools/{}/{what}", "0".repeat(64)));
        // Horizon looks up the pool first, except for its effects.
        match what {
            "effects" => assert_eq!(unknown, Ok(Vec::new())),
            _ => assert_eq!(unknown.unwrap_err().status, 404),
        }
        let problem = tale.try_records(&format!("/liquidity_pools/pond/{what}")).unwrap_err();
        assert_eq!((problem.status, problem.extras["invalid_field"].as_str()), (400, Some("liquidity_pool_id")));
    }
}

/// Everybody who is in any way part of a world's past, by a plain scan of it.
fn everybody(fixture: &Fixture) -> BTreeSet<AccountId> {
    let transactions = fixture.history.ledgers().flat_map(|ledger| &ledger.transactions);
    transactions
        .flat_map(|tx| {
            let effects = (0..tx.operations().len()).flat_map(|index| tx.effects(index));
            tx.participants().into_iter().chain(effects.map(|effect| account_of(&effect.account)))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_is_indexed_is_what_a_plain_scan_finds(seed in 0_u64..1000, kept in 6_usize..12, from in 0_i64..40, to in 0_i64..40) {
        let engine = EngineAccount::without_trustlines(crate::stellar::AccountId([7; 32]));
        let bounds = HistoryBounds { max_ledgers: kept, max_bytes: usize::MAX };
        let mut fixture = Fixture::of(&WorldConfig::new(seed, engine), bounds);
        (0..12).for_each(|_| fixture.close());
        let history = &fixture.history;
        let between = Between { after: Toid(from << 32), before: Toid(to << 32) };
        let within = |place: Toid| between.after < place && place < between.before;
        let mut known = 0;
        for account in everybody(&fixture) {
            let (mut transactions, mut operations, mut effects) = (Vec::new(), Vec::new(), Vec::new());
            for tx in history.ledgers().flat_map(|ledger| &ledger.transactions) {
                if tx.participants().contains(&account) {
                    transactions.push(tx.id);
                }
                for index in 0..tx.operations().len() {
                    if tx.operation_participants(index).contains(&account) {
                        operations.push(tx.operation_id(index));
                    }
                    if tx.effects(index).iter().any(|effect| account_of(&effect.account) == account) {
                        effects.push(tx.operation_id(index));
                    }
                }
            }
            let scope = Scope::Account(account.clone());
            let found = |of: Box<dyn DoubleEndedIterator<Item = Toid> + '_>| of.collect::<Vec<_>>();
            let scan = |of: &[Toid]| of.iter().copied().filter(|place| within(*place)).collect::<Vec<_>>();
            prop_assert_eq!(found(history.transactions_of(&scope, Between::ALL)), transactions.clone());
            prop_assert_eq!(found(history.transactions_of(&scope, between)), scan(&transactions));
            prop_assert_eq!(found(history.operations_of(&scope, between)), scan(&operations));
            prop_assert_eq!(found(history.operations_with_effects_of(&scope, between)), scan(&effects));
            prop_assert!(history.knows_account(&account));
            known += 1;
        }
        prop_assert!(known > 0);
        let all: Vec<Toid> = history.ledgers().flat_map(|ledger| &ledger.transactions).map(|tx| tx.id).collect();
        let scan: Vec<Toid> = all.into_iter().filter(|place| within(*place)).collect();
        prop_assert_eq!(history.transactions_of(&Scope::All, between).collect::<Vec<_>>(), scan);
    }
}

#[test]
fn who_was_forgotten_with_their_last_ledger_is_not_known_any_more() {
    let bounds = HistoryBounds { max_ledgers: 2, max_bytes: usize::MAX };
    let mut tale = Tale::of(&[ALICE], bounds);
    assert!(tale.fixture.history.knows_account(&ALICE.id()));
    (0..2).for_each(|_| tale.fixture.close());
    assert!(!tale.fixture.history.knows_account(&ALICE.id()));
    assert_eq!(
        tale.records(&format!("/accounts/{}/transactions", ALICE.g())),
        Vec::<Value>::new(),
        "but the ledger knows"
    );
    assert_eq!(records(&tale.fixture, "/transactions").unwrap(), Vec::<Value>::new());
}

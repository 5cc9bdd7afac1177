//! Effects of every kind, member by member (Horizon's `protocols/horizon/effects`), and what must hold of all of them.

use super::story::{ALICE, BOB, CAROL, DAVE, ISSUER, Story, hex_of, pool_id};
use super::tale::records;
use super::{assert_members, stroops};
use crate::sandbox::fixture::Fixture;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const BASE: &[&str] = &["_links", "account", "created_at", "id", "paging_token", "type", "type_i"];
const ASSET: &str = "asset_type asset_code asset_issuer";

/// Transaction, the effect's place in it, type, its number, its own members.
fn kinds() -> Vec<(&'static str, usize, &'static str, i64, String)> {
    let of = |text: &str| text.to_owned();
    let trade = "seller offer_id sold_amount sold_asset_type bought_amount bought_asset_type";
    vec![
        ("child", 0, "account_created", 0, of("starting_balance")),
        ("child", 1, "account_debited", 3, of("amount asset_type")),
        ("child", 2, "signer_created", 10, of("key public_key weight")),
        ("child", 3, "account_sponsorship_created", 60, of("sponsor")),
        ("options", 0, "account_home_domain_updated", 5, of("home_domain")),
        ("options", 1, "account_thresholds_updated", 4, of("low_threshold med_threshold high_threshold")),
        ("options", 2, "account_flags_updated", 6, of("auth_required_flag")),
        ("options", 3, "account_inflation_destination_updated", 7, of("")),
        ("options", 4, "signer_created", 10, of("key public_key weight")),
        ("signers", 0, "signer_updated", 12, of("key public_key weight")),
        ("signers", 1, "signer_removed", 11, of("key public_key weight")),
        ("signers", 2, "account_flags_updated", 6, of("auth_required_flag")),
        ("lines", 0, "trustline_created", 20, format!("limit {ASSET}")),
        ("limit", 0, "trustline_updated", 22, format!("limit {ASSET}")),
        ("allow", 0, "trustline_authorized", 23, of("trustor asset_type asset_code")),
        ("allow", 1, "trustline_flags_updated", 26, format!("trustor authorized_flag {ASSET}")),
        ("maintain", 0, "trustline_authorized_to_maintain_liabilities", 25, of("trustor asset_type asset_code")),
        ("forbid", 0, "trustline_deauthorized", 24, of("trustor asset_type asset_code")),
        ("forbid", 1, "trustline_flags_updated", 26, format!("trustor authorized_flag {ASSET}")),
        ("flags", 0, "trustline_flags_updated", 26, format!("trustor authorized_flag {ASSET}")),
        ("pay", 2, "account_credited", 2, format!("account_muxed account_muxed_id amount {ASSET}")),
        ("pay", 3, "account_debited", 3, format!("amount {ASSET}")),
        ("buy", 0, "trade", 33, format!("{trade} bought_asset_code bought_asset_issuer")),
        ("buy", 1, "trade", 33, format!("{trade} sold_asset_code sold_asset_issuer")),
        ("data", 0, "data_created", 40, of("name value")),
        ("data", 1, "data_updated", 42, of("name value")),
        ("data", 2, "data_removed", 41, of("name")),
        ("bump", 0, "sequence_bumped", 43, of("new_seq")),
        ("balance", 0, "claimable_balance_created", 50, of("balance_id asset amount")),
        ("balance", 1, "claimable_balance_claimant_created", 51, of("balance_id asset amount predicate")),
        ("balance", 3, "account_debited", 3, format!("amount {ASSET}")),
        ("claim", 0, "claimable_balance_claimed", 52, of("balance_id asset amount")),
        ("claim", 1, "account_credited", 2, format!("amount {ASSET}")),
        ("claim", 2, "claimable_balance_sponsorship_removed", 71, of("balance_id former_sponsor")),
        ("claw_balance", 0, "claimable_balance_clawed_back", 80, of("balance_id")),
        ("claw_balance", 1, "account_credited", 2, format!("amount {ASSET}")),
        ("claw", 1, "account_debited", 3, format!("account_muxed account_muxed_id amount {ASSET}")),
        ("sponsor", 1, "trustline_sponsorship_created", 63, of("sponsor asset asset_type")),
        ("sponsor", 3, "data_sponsorship_created", 66, of("sponsor data_name")),
        ("sponsor", 5, "signer_sponsorship_created", 72, of("sponsor signer")),
        ("sponsor", 9, "claimable_balance_sponsorship_created", 69, of("sponsor balance_id")),
        ("hand_over", 0, "trustline_sponsorship_updated", 64, of("former_sponsor new_sponsor asset asset_type")),
        ("revoke", 0, "data_sponsorship_removed", 68, of("former_sponsor data_name")),
        ("revoke", 1, "signer_sponsorship_removed", 74, of("former_sponsor signer")),
        ("pool", 0, "trustline_created", 20, of("limit asset_type liquidity_pool_id")),
        ("pool", 1, "liquidity_pool_created", 93, of("liquidity_pool")),
        ("pool", 2, "liquidity_pool_deposited", 90, of("liquidity_pool reserves_deposited shares_received")),
        ("swap", 2, "liquidity_pool_trade", 92, of("liquidity_pool sold bought")),
        ("leave", 0, "liquidity_pool_withdrew", 91, of("liquidity_pool reserves_received shares_redeemed")),
        ("leave", 1, "trustline_removed", 21, of("limit asset_type liquidity_pool_id")),
        ("leave", 2, "liquidity_pool_removed", 94, of("liquidity_pool_id")),
        ("merge", 2, "account_debited", 3, of("amount asset_type")),
        ("merge", 3, "account_credited", 2, of("account_muxed account_muxed_id amount asset_type")),
        ("merge", 4, "account_removed", 1, of("")),
        ("merge", 5, "account_sponsorship_removed", 62, of("former_sponsor")),
    ]
}

#[test]
fn every_type_has_horizons_members_and_no_others() {
    let story = Story::told();
    for (name, place, kind, type_i, own) in kinds() {
        let effects = story.effects(name);
        let types: Vec<&Value> = effects.iter().map(|effect| &effect["type"]).collect();
        let effect = effects.get(place).unwrap_or_else(|| panic!("{name} has only {types:?}"));
        let shown = (effect["type"].as_str(), effect["type_i"].as_i64());
        assert_eq!(shown, (Some(kind), Some(type_i)), "{name}: {types:?}");
        assert_members(effect, BASE, &own);
    }
}

#[test]
fn pools_that_are_left_by_force_leave_claimable_balances() {
    let story = Story::told();
    let effects = story.effects("expel");
    let types: Vec<&str> = effects.iter().map(|effect| effect["type"].as_str().unwrap()).collect();
    let wanted = [
        "trustline_flags_updated",
        "claimable_balance_created",
        "claimable_balance_claimant_created",
        "claimable_balance_created",
        "claimable_balance_claimant_created",
        "liquidity_pool_revoked",
        "claimable_balance_sponsorship_created",
        "claimable_balance_sponsorship_created",
    ];
    assert_eq!(types, wanted);
    assert_members(&effects[5], BASE, "liquidity_pool reserves_revoked shares_revoked");
    let revoked = effects[5]["reserves_revoked"].as_array().unwrap();
    assert_eq!(revoked.len(), 2);
    for side in revoked {
        let created = [&effects[1], &effects[3]].into_iter().find(|one| one["asset"] == side["asset"]).unwrap();
        assert_eq!(side["claimable_balance_id"], created["balance_id"]);
        assert_eq!(side["amount"], created["amount"]);
    }
    assert_eq!((&effects[2]["account"], &effects[4]["account"]), (&json!(BOB.g()), &json!(BOB.g())));
}

#[test]
fn a_trade_is_seen_from_both_sides() {
    let story = Story::told();
    let effects = story.effects("buy");
    let (taker, maker) = (&effects[0], &effects[1]);
    assert_eq!((&taker["account"], &taker["seller"]), (&json!(BOB.g()), &json!(ALICE.g())));
    assert_eq!((&maker["account"], &maker["seller"]), (&json!(ALICE.g()), &json!(BOB.g())));
    assert_eq!((&taker["bought_amount"], &maker["sold_amount"]), (&json!("40.0000000"), &json!("40.0000000")));
    assert_eq!((&taker["sold_amount"], &maker["bought_amount"]), (&json!("80.0000000"), &json!("80.0000000")));
    assert_eq!(taker["offer_id"], maker["offer_id"]);
}

#[test]
fn ids_tokens_and_links_have_horizons_form() {
    let story = Story::told();
    let effect = story.effects("buy").remove(1);
    let operation = story.operations("buy")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(effect["paging_token"], format!("{operation}-2"));
    assert_eq!(effect["id"], format!("{operation:0>19}-0000000002"));
    let href = |name: &str| effect["_links"][name]["href"].as_str().unwrap().to_owned();
    assert_eq!(href("operation"), format!("http://sandbox:8000/operations/{operation}"));
    assert_eq!(href("succeeds"), format!("http://sandbox:8000/effects?order=desc&cursor={operation}-2"));
    assert_eq!(story.tale.records(&format!("/operations/{operation}/effects")), story.effects("buy"));
}

#[test]
fn an_account_sees_its_own_effects_and_a_pool_those_of_its_operations() {
    let story = Story::told();
    let all = all_effects(|path| story.tale.records(path));
    for person in [ISSUER, ALICE, BOB, CAROL, DAVE] {
        let wanted: Vec<&Value> = all.iter().filter(|effect| effect["account"] == person.g()).collect();
        let path = format!("/accounts/{}/effects?limit=200", person.g());
        assert_eq!(story.tale.records(&path).iter().collect::<Vec<_>>(), wanted);
    }
    let path = format!("/liquidity_pools/{}/effects?limit=200", hex_of(&pool_id()));
    let of_pool: Vec<String> = story.tale.records(&path).iter().map(operation_of).collect();
    let names = ["pool", "swap", "join", "expel", "leave"];
    let wanted: Vec<String> = names.iter().flat_map(|name| story.effects(name)).map(|one| operation_of(&one)).collect();
    assert_eq!(of_pool, wanted);
}

/// Every effect there is, page after page.
fn all_effects(page: impl Fn(&str) -> Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let cursor = all.last().map_or("0", |last| last["paging_token"].as_str().unwrap());
        let next = page(&format!("/effects?limit=200&cursor={cursor}"));
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

fn operation_of(effect: &Value) -> String {
    effect["paging_token"].as_str().unwrap().split_once('-').unwrap().0.to_owned()
}

fn asset_of(effect: &Value, prefix: &str) -> String {
    let member = |name: &str| effect[format!("{prefix}asset_{name}")].as_str().unwrap_or("").to_owned();
    format!("{}:{}", member("code"), member("issuer"))
}

/// By operation and asset: what accounts were credited less what they were debited, trades included.
fn sums(effects: &[Value]) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for effect in effects {
        let mut add = |asset: String, amount: i64| *sums.entry((operation_of(effect), asset)).or_insert(0) += amount;
        match effect["type"].as_str().unwrap() {
            "account_credited" => add(asset_of(effect, ""), stroops(&effect["amount"])),
            "account_debited" => add(asset_of(effect, ""), -stroops(&effect["amount"])),
            "trade" => {
                add(asset_of(effect, "bought_"), stroops(&effect["bought_amount"]));
                add(asset_of(effect, "sold_"), -stroops(&effect["sold_amount"]));
            }
            _ => {}
        }
    }
    sums
}

#[test]
fn what_one_account_gives_another_gets() {
    let fixture = Fixture::lively(30);
    let effects = all_effects(|path| records(&fixture, path).unwrap());
    let trades = effects.iter().filter(|effect| effect["type"] == "trade").count();
    assert!(trades > 0 && trades % 2 == 0, "{trades} sides of trades");
    // Path payments credit and debit beside their trades; those of a payment alone cancel out.
    let path_payments: BTreeSet<String> =
        effects.iter().filter(|effect| effect["type"] == "liquidity_pool_trade").map(operation_of).collect();
    let created: BTreeSet<String> =
        effects.iter().filter(|effect| effect["type"] == "account_created").map(operation_of).collect();
    let mut checked = 0;
    for ((operation, asset), sum) in sums(&effects) {
        if !path_payments.contains(&operation) && !created.contains(&operation) {
            assert_eq!(sum, 0, "operation {operation}, {asset}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn every_trade_is_an_effect_on_both_accounts_and_in_both_their_trades() {
    use crate::sandbox::history::Party;
    let fixture = Fixture::lively(30);
    let history = &fixture.history;
    let effects = all_effects(|path| records(&fixture, path).unwrap());
    let mut checked = 0;
    for trade in history.trades().filter(|trade| !trade.is_with_pool()) {
        let operation = trade.operation.0.to_string();
        for side in [&trade.base, &trade.counter] {
            let Party::Offer { account, .. } = &side.party else { panic!("a pool in a trade of two accounts") };
            let address = account.to_string();
            let sold = crate::sandbox::horizon::words::amount(side.amount);
            let seen = effects.iter().any(|effect| {
                effect["type"] == "trade"
                    && operation_of(effect) == operation
                    && effect["account"] == address
                    && effect["sold_amount"] == sold
            });
            assert!(seen, "{trade:?} is no effect on {address}");
            assert!(history.trades_of_account(account).any(|known| known == trade));
            checked += 1;
        }
    }
    assert!(checked > 0);
}

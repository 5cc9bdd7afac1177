//! Operations of every kind, member by member (Horizon's `protocols/horizon/operations`).

use super::story::{ALICE, BOB, CAROL, ISSUER, Story, hex_of, pool_id};
use super::{assert_members, stroops};
use serde_json::json;

const BASE: &[&str] = &[
    "_links",
    "created_at",
    "id",
    "paging_token",
    "source_account",
    "transaction_hash",
    "transaction_successful",
    "type",
    "type_i",
];
const ASSET: &str = "asset_type asset_code asset_issuer";
const OFFER: &str = "amount price price_r buying_asset_type selling_asset_type selling_asset_code selling_asset_issuer";

/// Transaction, index, type, its number, its own members.
fn kinds() -> Vec<(&'static str, usize, &'static str, i64, String)> {
    let of = |text: &str| text.to_owned();
    vec![
        ("child", 1, "create_account", 0, of("funder account starting_balance sponsor")),
        ("pay", 0, "payment", 1, format!("from to amount {ASSET}")),
        ("pay", 1, "payment", 1, format!("from to to_muxed to_muxed_id amount {ASSET}")),
        (
            "receive",
            0,
            "path_payment_strict_receive",
            2,
            format!("from to amount {ASSET} path source_amount source_max source_asset_type"),
        ),
        ("sell", 0, "manage_sell_offer", 3, format!("offer_id {OFFER}")),
        ("passive", 0, "create_passive_sell_offer", 4, of(OFFER)),
        (
            "options",
            0,
            "set_options",
            5,
            of(
                "inflation_dest set_flags set_flags_s low_threshold high_threshold home_domain signer_key signer_weight",
            ),
        ),
        ("signers", 2, "set_options", 5, of("clear_flags clear_flags_s")),
        ("lines", 0, "change_trust", 6, format!("limit trustee trustor {ASSET}")),
        ("pool", 0, "change_trust", 6, of("limit trustor asset_type liquidity_pool_id")),
        ("allow", 0, "allow_trust", 7, format!("trustee trustor authorize authorize_to_maintain_liabilities {ASSET}")),
        ("merge", 1, "account_merge", 8, of("account into into_muxed into_muxed_id")),
        ("data", 0, "manage_data", 10, of("name value")),
        ("bump", 0, "bump_sequence", 11, of("bump_to")),
        (
            "buy",
            0,
            "manage_buy_offer",
            12,
            of("offer_id amount price price_r selling_asset_type buying_asset_type buying_asset_code \
                buying_asset_issuer"),
        ),
        (
            "send",
            0,
            "path_payment_strict_send",
            13,
            format!("from to to_muxed to_muxed_id amount {ASSET} path source_amount destination_min source_asset_type"),
        ),
        ("balance", 0, "create_claimable_balance", 14, of("asset amount claimants sponsor")),
        ("claim", 0, "claim_claimable_balance", 15, of("balance_id claimant")),
        ("sponsor", 0, "begin_sponsoring_future_reserves", 16, of("sponsored_id")),
        ("sponsor", 5, "end_sponsoring_future_reserves", 17, of("begin_sponsor")),
        ("hand_over", 1, "revoke_sponsorship", 18, of("trustline_account_id trustline_asset")),
        ("revoke", 0, "revoke_sponsorship", 18, of("data_account_id data_name")),
        ("revoke", 1, "revoke_sponsorship", 18, of("signer_account_id signer_key")),
        ("claw", 0, "clawback", 19, format!("from from_muxed from_muxed_id amount {ASSET}")),
        ("claw_balance", 0, "clawback_claimable_balance", 20, of("balance_id")),
        ("flags", 0, "set_trust_line_flags", 21, format!("trustor set_flags set_flags_s {ASSET}")),
        ("expel", 0, "set_trust_line_flags", 21, format!("trustor clear_flags clear_flags_s sponsor {ASSET}")),
        (
            "pool",
            1,
            "liquidity_pool_deposit",
            22,
            of("liquidity_pool_id reserves_max min_price min_price_r max_price max_price_r reserves_deposited \
                shares_received"),
        ),
        ("leave", 0, "liquidity_pool_withdraw", 23, of("liquidity_pool_id reserves_min shares reserves_received")),
    ]
}

#[test]
fn every_type_has_horizons_members_and_no_others() {
    let story = Story::told();
    for (name, index, kind, type_i, own) in kinds() {
        let operation = &story.operations(name)[index];
        assert_eq!((operation["type"].as_str(), operation["type_i"].as_i64()), (Some(kind), Some(type_i)), "{name}");
        assert_members(operation, BASE, &own);
    }
}

#[test]
fn sponsored_operations_name_the_sponsor() {
    let story = Story::told();
    let operations = story.operations("sponsor");
    for operation in &operations[1..5] {
        assert_eq!(operation["sponsor"], ALICE.g(), "{}", operation["type"]);
    }
    assert_eq!(operations[0].get("sponsor"), None);
    assert_eq!(story.operations("balance")[0]["sponsor"], ALICE.g(), "whoever creates a balance sponsors it");
    assert_eq!(operations[5]["begin_sponsor"], ALICE.g());
}

#[test]
fn amounts_addresses_and_words_are_those_of_the_operation() {
    let story = Story::told();
    let muxed = &story.operations("pay")[1];
    assert_eq!((&muxed["from"], &muxed["to"]), (&json!(ISSUER.g()), &json!(BOB.g())));
    assert_eq!(muxed["to_muxed"], BOB.muxed(77).to_string());
    assert_eq!(muxed["to_muxed_id"], "77");
    assert_eq!(muxed["amount"], "1000.0000000");

    let receive = &story.operations("receive")[0];
    assert_eq!((&receive["amount"], &receive["source_amount"]), (&json!("5.0000000"), &json!("10.0000000")));
    assert_eq!(receive["path"], json!([]));
    let send = &story.operations("send")[0];
    assert_eq!((&send["amount"], &send["source_amount"]), (&json!("5.0000000"), &json!("10.0000000")));

    let sell = &story.operations("sell")[0];
    assert_eq!(sell["offer_id"], "0");
    assert_eq!((&sell["price"], &sell["price_r"]), (&json!("2.0000000"), &json!({"n": 2, "d": 1})));

    let options = &story.operations("options")[0];
    assert_eq!(options["set_flags"], json!([1, 2, 8]));
    assert_eq!(options["set_flags_s"], json!(["auth_required", "auth_revocable", "auth_clawback_enabled"]));
    let data = story.operations("data");
    assert_eq!((&data[0]["value"], &data[2]["value"]), (&json!("dg=="), &json!("")));

    let claimants = &story.operations("balance")[0]["claimants"];
    assert_eq!(claimants[0], json!({"destination": BOB.g(), "predicate": {"unconditional": true}}));
    assert_eq!(claimants[1], json!({"destination": CAROL.g(), "predicate": {"not": {"rel_before": "60"}}}));
}

#[test]
fn deposits_and_withdrawals_say_what_the_pool_got_and_gave() {
    let story = Story::told();
    let deposit = &story.operations("pool")[1];
    let gold = format!("GOLD:{}", ISSUER.g());
    let both = |amount: &str| json!([{"asset": "native", "amount": amount}, {"asset": gold, "amount": amount}]);
    assert_eq!(deposit["reserves_deposited"], both("300.0000000"));
    assert_eq!(deposit["shares_received"], "300.0000000");
    let withdrawal = &story.operations("leave")[0];
    assert_eq!(withdrawal["shares"], "300.0000000");
    let received = withdrawal["reserves_received"].as_array().unwrap();
    assert!(received.iter().all(|side| stroops(&side["amount"]) > 0), "{received:?}");
}

#[test]
fn failed_transactions_are_shown_to_those_who_ask() {
    let story = Story::told();
    let path = format!("/accounts/{}/operations?order=desc&limit=1", BOB.g());
    assert_eq!(story.tale.records(&path)[0]["transaction_successful"], true);
    let last = story.tale.records(&format!("{path}&include_failed=true")).remove(0);
    assert_eq!(last["transaction_successful"], false);
    assert_eq!(last["transaction_hash"], story.hash("failed"));
    assert_eq!(story.operations("failed").len(), 1, "who names a transaction wants to see it");
    let payments = format!("/accounts/{}/payments?order=desc&limit=1&include_failed=true", BOB.g());
    assert_eq!(story.tale.records(&payments), [last]);
    let problem = story.tale.try_records(&format!("{path}&include_failed=perhaps")).unwrap_err();
    assert_eq!((problem.status, problem.extras["invalid_field"].as_str()), (400, Some("include_failed")));
}

#[test]
fn payments_are_the_operations_that_pay() {
    let story = Story::told();
    let paying =
        ["create_account", "payment", "path_payment_strict_receive", "path_payment_strict_send", "account_merge"];
    let all = story.tale.records("/operations?limit=200");
    let wanted: Vec<_> = all.into_iter().filter(|one| paying.contains(&one["type"].as_str().unwrap())).collect();
    assert_eq!(story.tale.records("/payments?limit=200"), wanted);
    let of_merge = story.tale.records(&format!("/transactions/{}/payments", story.hash("merge")));
    assert_eq!(of_merge.len(), 2);
}

#[test]
fn transactions_are_joined_on_request() {
    let story = Story::told();
    let path = format!("/transactions/{}/operations", story.hash("buy"));
    let plain = story.tale.records(&path).remove(0);
    assert_eq!(plain.get("transaction"), None);
    let joined = story.tale.records(&format!("{path}?join=transactions")).remove(0);
    let transaction = story.tale.object(&format!("/transactions/{}", story.hash("buy"))).unwrap();
    assert_eq!(joined["transaction"], transaction);
    let id = plain["id"].as_str().unwrap();
    assert_eq!(story.tale.object(&format!("/operations/{id}")).unwrap(), plain);
    assert_eq!(story.tale.object(&format!("/operations/{id}?join=transactions")).unwrap(), joined);
    let problem = story.tale.object(&format!("/operations/{id}?join=everything")).unwrap_err();
    assert_eq!((problem.status, problem.extras["invalid_field"].as_str()), (400, Some("join")));
}

#[test]
fn a_pools_operations_are_those_that_changed_it() {
    let story = Story::told();
    let found = story.tale.records(&format!("/liquidity_pools/{}/operations?limit=200", hex_of(&pool_id())));
    let hashes: Vec<&str> = found.iter().map(|one| one["transaction_hash"].as_str().unwrap()).collect();
    let names = ["pool", "pool", "swap", "join", "join", "expel", "leave", "leave"];
    assert_eq!(hashes, names.map(|name| story.hash(name)));
}

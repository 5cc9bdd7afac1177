//! Trades as clients see them.

use crate::sandbox::actor::Actor;
use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::{HistoryBounds, Toid};
use crate::sandbox::horizon::scene::{
    BASE_URL, Scene, asset_query, deposit, get, pool_id, receive, records, refusal, trust_pool,
};
use crate::sandbox::horizon::words;
use crate::sandbox::{EngineAccount, WorldConfig};
use crate::stellar::{AccountId, Asset};
use serde_json::{Value, json};
use std::slice;

fn tokens(records: &[Value]) -> Vec<String> {
    records.iter().map(|trade| trade["paging_token"].as_str().unwrap().to_owned()).collect()
}

fn pair(base: &Asset, counter: &Asset) -> String {
    format!("{}&{}", asset_query("base_", base), asset_query("counter_", counter))
}

/// Alice sells USD at 3/2 lumens; bob takes two of four in one offer that asks for no more.
fn one_trade() -> (Scene, Actor, Actor, Asset) {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    scene.ask(&alice, &usd, &Asset::Native, 40_000_000, (3, 2));
    scene.ask(&bob, &Asset::Native, &usd, 30_000_000, (2, 3));
    (scene, alice, bob, usd)
}

#[test]
fn a_trade_has_the_members_that_horizon_gives_it() {
    let (scene, alice, bob, usd) = one_trade();
    let chain = scene.chain();
    let operation = Toid::new(chain.latest(), 1, 1).0;
    let offer = chain.ledger.offer_ids().next().unwrap();
    let issuer = usd.issuer().unwrap().to_string();
    let expected = json!({
        "_links": {
            "self": {"href": ""},
            "base": {"href": format!("{BASE_URL}/accounts/{}", bob.id())},
            "counter": {"href": format!("{BASE_URL}/accounts/{}", alice.id())},
            "operation": {"href": format!("{BASE_URL}/operations/{operation}")},
        },
        "id": format!("{operation}-0"),
        "paging_token": format!("{operation}-0"),
        "ledger_close_time": words::time(chain.history.newest().unwrap().closed_at_s()),
        "trade_type": "orderbook",
        "base_offer_id": (operation | 1 << 62).to_string(),
        "base_account": bob.id().to_string(),
        "base_amount": "3.0000000",
        "base_asset_type": "native",
        "counter_offer_id": offer.to_string(),
        "counter_account": alice.id().to_string(),
        "counter_amount": "2.0000000",
        "counter_asset_type": "credit_alphanum4",
        "counter_asset_code": "USD",
        "counter_asset_issuer": issuer,
        "base_is_seller": false,
        "price": {"n": "2", "d": "3"},
    });
    for path in [
        "/trades".to_owned(),
        format!("/trades?{}", pair(&Asset::Native, &usd)),
        format!("/accounts/{}/trades", alice.id()),
        format!("/accounts/{}/trades", bob.id()),
        format!("/offers/{offer}/trades"),
        format!("/trades?offer_id={offer}"),
        format!("/trades?trade_type=orderbook&account_id={}", bob.id()),
    ] {
        assert_eq!(records(&chain, &path), slice::from_ref(&expected), "{path}");
    }
    let turned = &records(&chain, &format!("/trades?{}", pair(&usd, &Asset::Native)))[0];
    assert_eq!(turned["id"], expected["id"]);
    assert_eq!(turned["base_asset_code"], json!("USD"));
    assert_eq!((&turned["base_amount"], &turned["counter_amount"]), (&json!("2.0000000"), &json!("3.0000000")));
    assert_eq!((&turned["base_is_seller"], &turned["price"]), (&json!(true), &json!({"n": "3", "d": "2"})));
    assert_eq!(turned["_links"]["base"], expected["_links"]["counter"]);
}

#[test]
fn a_trade_with_a_pool_names_the_pool() {
    let (mut scene, alice, bob, usd) = one_trade();
    let xlm = Asset::Native;
    let id = hex::encode(pool_id(&xlm, &usd).0.0);
    scene.act(&alice, vec![trust_pool(&xlm, &usd), deposit(&xlm, &usd, 1_000_000_000, 1_000_000_000)]);
    scene.act(&bob, vec![receive(&bob, &usd, &xlm, 10_000_000)]);
    let chain = scene.chain();
    let trade = &records(&chain, &format!("/liquidity_pools/{id}/trades"))[0];
    assert_eq!(trade["trade_type"], json!("liquidity_pool"));
    assert_eq!(trade["liquidity_pool_fee_bp"], json!(30));
    assert_eq!(trade["base_liquidity_pool_id"], json!(id));
    assert_eq!((&trade["base_account"], &trade["base_offer_id"]), (&Value::Null, &Value::Null));
    assert_eq!(trade["base_is_seller"], json!(true));
    assert_eq!(trade["_links"]["base"]["href"], json!(format!("{BASE_URL}/liquidity_pools/{id}")));
    assert_eq!(trade["price"], json!({"n": "10131405", "d": "10000000"}));
    assert_eq!(trade["counter_amount"], json!("1.0131405"));
    assert_eq!(records(&chain, "/trades?trade_type=liquidity_pool"), slice::from_ref(trade));
    assert_eq!(records(&chain, "/trades?trade_type=orderbook").len(), 1);
    assert_eq!(records(&chain, "/trades").len(), 2);
}

#[test]
fn filters_that_do_not_go_together_are_refused() {
    let (scene, alice, _, usd) = one_trade();
    let chain = scene.chain();
    let pair = pair(&Asset::Native, &usd);
    let pool = "0".repeat(64);
    let field = |query: &str| refusal(&chain, &format!("/trades?{query}")).1;
    assert_eq!(field("base_asset_type=native"), "base_asset_type,counter_asset_type");
    assert_eq!(field(&format!("{pair}&offer_id=1")), "base_asset_type,counter_asset_type,offer_id");
    assert_eq!(
        field(&format!("{pair}&liquidity_pool_id={pool}")),
        "base_asset_type,counter_asset_type,liquidity_pool_id"
    );
    assert_eq!(field(&format!("offer_id=1&account_id={}", alice.id())), "account_id,liquidity_pool_id,offer_id");
    assert_eq!(field("offer_id=1&trade_type=liquidity_pool"), "trade_type");
    assert_eq!(field(&format!("liquidity_pool_id={pool}&trade_type=orderbook")), "trade_type");
    assert_eq!(field("trade_type=barter"), "trade_type");
    assert_eq!(field("offer_id=first"), "offer_id");
    assert_eq!(field("cursor=first"), "cursor");
}

#[test]
fn what_has_no_history_is_not_found_and_an_offer_without_trades_has_none() {
    let (scene, .., usd) = one_trade();
    let chain = scene.chain();
    let nobody = Actor::derive(1, "nobody", 0).id();
    let eur = Asset::Credit { code: crate::stellar::AssetCode::Four(*b"EUR\0"), issuer: nobody };
    for request in [
        format!("/accounts/{nobody}/trades"),
        format!("/liquidity_pools/{}/trades", "0".repeat(64)),
        format!("/trades?{}", pair(&eur, &usd)),
    ] {
        assert_eq!(refusal(&chain, &request).0, "not_found", "{request}");
    }
    assert!(records(&chain, "/offers/7777/trades").is_empty());
}

#[test]
fn pages_of_trades_come_one_after_the_other_in_either_order() {
    let fixture = Fixture::lively(40);
    let chain = fixture.chain();
    let market = &fixture.world.markets()[0];
    let mut all: Vec<String> =
        chain.history.trades().map(|trade| format!("{}-{}", trade.operation.0, trade.order)).collect();
    assert!(all.len() > 20, "{}", all.len());
    for order in ["asc", "desc"] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let cursor = seen.last().map_or(String::new(), |last| format!("&cursor={last}"));
            let request = format!("/trades?{}&limit=7&order={order}{cursor}", pair(&market.quote, &market.base));
            let page = tokens(&records(&chain, &request));
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, all, "{order}");
        all.reverse();
    }
}

#[test]
fn a_cursor_without_an_order_stands_after_all_trades_of_its_operation() {
    let fixture = Fixture::lively(40);
    let chain = fixture.chain();
    let all: Vec<_> = chain.history.trades().map(|trade| trade.id()).collect();
    let (operation, _) = all[all.len() / 2];
    let asked =
        |order: &str| tokens(&records(&chain, &format!("/trades?limit=200&order={order}&cursor={operation}"))).len();
    let later = all.iter().filter(|(at, _)| *at > operation).count();
    assert_eq!(asked("asc"), later.min(200));
    assert_eq!(asked("desc"), (all.len() - later).min(200));
}

#[test]
fn a_cursor_from_before_what_is_kept_is_gone_backwards_and_no_matter_forwards() {
    let bounds = HistoryBounds { max_ledgers: 5, max_bytes: usize::MAX };
    let mut fixture = Fixture::of(&WorldConfig::new(1, EngineAccount::without_trustlines(AccountId([7; 32]))), bounds);
    (0..20).for_each(|_| fixture.close());
    let chain = fixture.chain();
    let gone = Toid::new(chain.history.oldest().unwrap().seq() - 1, 1, 1).0;
    assert_eq!(refusal(&chain, &format!("/trades?order=desc&cursor={gone}-0")).0, "before_history");
    let trades = records(&chain, &format!("/trades?cursor={gone}-0"));
    assert_eq!(tokens(&trades), tokens(&records(&chain, "/trades")));
    assert!(get(&chain, &format!("/trades?order=desc&cursor={}", i64::MAX)).is_ok());
}

#[test]
fn every_account_that_traded_finds_its_trades() {
    let fixture = Fixture::lively(20);
    let chain = fixture.chain();
    let all = records(&chain, "/trades?limit=200");
    let mut found = 0;
    for trader in fixture.world.ledger().entries_but_offers() {
        let stellar_xdr::LedgerEntryData::Account(account) = &trader.data else { continue };
        let address = words::account(&account.account_id);
        let own: Vec<Value> = all
            .iter()
            .filter(|trade| trade["base_account"] == json!(address) || trade["counter_account"] == json!(address))
            .cloned()
            .collect();
        assert_eq!(records(&chain, &format!("/accounts/{address}/trades?limit=200")), own);
        found += own.len();
    }
    assert_eq!(found, 2 * all.len(), "a trade without a pool has two sides");
}

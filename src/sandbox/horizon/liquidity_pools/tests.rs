//! Pools as clients see them.

use crate::sandbox::actor::Actor;
use crate::sandbox::horizon::scene::{BASE_URL, Scene, deposit, get, pool_id, records, refusal, trust_pool};
use crate::sandbox::horizon::words;
use crate::stellar::Asset;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Pools of XLM and USD, in which alice and bob are, and of XLM and EUR, in which alice is.
fn pools() -> (Scene, [Actor; 3], [Asset; 2]) {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    let eur = scene.credit(b"EUR\0", &issuer, &[&alice]);
    let xlm = Asset::Native;
    scene.act(&alice, vec![trust_pool(&xlm, &eur), deposit(&xlm, &eur, 40_000_000, 10_000_000)]);
    scene.act(&bob, vec![trust_pool(&xlm, &usd)]);
    scene.act(&alice, vec![trust_pool(&xlm, &usd), deposit(&xlm, &usd, 90_000_000, 10_000_000)]);
    (scene, [issuer, alice, bob], [usd, eur])
}

fn id(x: &Asset, y: &Asset) -> String {
    hex::encode(pool_id(x, y).0.0)
}

#[test]
fn a_pool_has_the_members_that_horizon_gives_it() {
    let (scene, _, [usd, _]) = pools();
    let chain = scene.chain();
    let id = id(&usd, &Asset::Native);
    let own = format!("{BASE_URL}/liquidity_pools/{id}");
    assert_eq!(
        get(&chain, &format!("/liquidity_pools/{id}")).unwrap(),
        json!({
            "_links": {
                "self": {"href": own},
                "transactions": {"href": format!("{own}/transactions{{?cursor,limit,order}}"), "templated": true},
                "operations": {"href": format!("{own}/operations{{?cursor,limit,order}}"), "templated": true},
            },
            "id": id,
            "paging_token": id,
            "fee_bp": 30,
            "type": "constant_product",
            "total_trustlines": "2",
            "total_shares": "3.0000000",
            "reserves": [
                {"asset": "native", "amount": "9.0000000"},
                {"asset": usd.to_string(), "amount": "1.0000000"},
            ],
            "last_modified_ledger": chain.latest(),
            "last_modified_time": words::time(chain.history.newest().unwrap().closed_at_s()),
        })
    );
    assert_eq!(refusal(&chain, &format!("/liquidity_pools/{}", "0".repeat(64))).0, "not_found");
    assert_eq!(refusal(&chain, "/liquidity_pools/first").1, "liquidity_pool_id");
}

#[test]
fn pools_are_found_by_reserves_and_by_account() {
    let (scene, [_, alice, bob], [usd, eur]) = pools();
    let chain = scene.chain();
    let xlm = Asset::Native;
    let found = |query: String| -> BTreeSet<String> {
        let ids = records(&chain, &format!("/liquidity_pools?{query}")).into_iter();
        ids.map(|pool| pool["id"].as_str().unwrap().to_owned()).collect()
    };
    let (with_usd, with_eur) = (id(&xlm, &usd), id(&xlm, &eur));
    let both = BTreeSet::from([with_usd.clone(), with_eur.clone()]);
    assert_eq!(found(String::new()), both);
    assert_eq!(found("reserves=native".into()), both);
    assert_eq!(found(format!("reserves=native,{usd}")), BTreeSet::from([with_usd.clone()]));
    assert_eq!(found(format!("reserves={usd},native")), BTreeSet::from([with_usd.clone()]));
    assert_eq!(found(format!("reserves={usd},{eur}")), BTreeSet::new());
    assert_eq!(found(format!("account={}", alice.id())), both);
    assert_eq!(found(format!("account={}", bob.id())), BTreeSet::from([with_usd]));
    assert_eq!(found("account=nobody".into()), BTreeSet::new());
    assert_eq!(refusal(&chain, "/liquidity_pools?reserves=USD").1, "reserves");
    assert_eq!(refusal(&chain, &format!("/liquidity_pools?reserves=native&account={}", bob.id())).0, "bad_request");
}

#[test]
fn pools_are_paged_by_id() {
    let (scene, ..) = pools();
    let chain = scene.chain();
    let page = |query: &str| -> Vec<Value> { records(&chain, &format!("/liquidity_pools?limit=1{query}")) };
    let first = page("")[0]["id"].as_str().unwrap().to_owned();
    let second = page(&format!("&cursor={first}"))[0]["id"].as_str().unwrap().to_owned();
    assert!(first < second);
    assert!(page(&format!("&cursor={second}")).is_empty());
    assert_eq!(page(&format!("&order=desc&cursor={second}"))[0]["id"], json!(first));
}

//! Offers as clients see them.

use crate::sandbox::actor;
use crate::sandbox::fixture::Fixture;
use crate::sandbox::horizon::scene::{BASE_URL, Scene, asset_query, get, records, refusal, sponsored};
use crate::sandbox::horizon::words;
use crate::stellar::{Asset, Price, Stroops};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn ids(records: &[Value]) -> Vec<i64> {
    records.iter().map(|offer| offer["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn an_offer_has_the_members_that_horizon_gives_it() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice]);
    let ask = actor::ask(&usd, &Asset::Native, Stroops(30_000_000), Price::new(2, 6).unwrap(), 0);
    scene.apply(&[&bob, &alice], sponsored(&bob, &alice, vec![ask]));
    let chain = scene.chain();
    let id = chain.ledger.offer_ids().next().unwrap();
    let shown = get(&chain, &format!("/offers/{id}")).unwrap();
    let closed_at_s = chain.history.newest().unwrap().closed_at_s();
    assert_eq!(
        shown,
        json!({
            "_links": {
                "self": {"href": format!("{BASE_URL}/offers/{id}")},
                "offer_maker": {"href": format!("{BASE_URL}/accounts/{}", alice.id())},
            },
            "id": id.to_string(),
            "paging_token": id.to_string(),
            "seller": alice.id().to_string(),
            "selling": {
                "asset_type": "credit_alphanum4", "asset_code": "USD", "asset_issuer": issuer.id().to_string(),
            },
            "buying": {"asset_type": "native"},
            "amount": "3.0000000",
            "price_r": {"n": 2, "d": 6},
            "price": "0.3333333",
            "last_modified_ledger": chain.latest(),
            "last_modified_time": words::time(closed_at_s),
            "sponsor": bob.id().to_string(),
        })
    );
    assert_eq!(ids(&records(&chain, &format!("/offers?sponsor={}", bob.id()))), [id]);
    assert_eq!(ids(&records(&chain, &format!("/offers?sponsor={}", alice.id()))), [0_i64; 0]);
}

#[test]
fn an_offer_that_is_not_there_and_a_word_that_is_no_id_differ() {
    let scene = Scene::new();
    let chain = scene.chain();
    for id in ["1", "9223372036854775807", "18446744073709551615"] {
        assert_eq!(refusal(&chain, &format!("/offers/{id}")).0, "not_found");
    }
    let (kind, field, reason) = refusal(&chain, "/offers/first");
    assert_eq!((kind, field.as_str()), ("bad_request", "offer_id"));
    assert_eq!(reason, "Offer ID must be an integer higher than 0");
    assert_eq!(refusal(&chain, "/accounts/GNOBODY/offers").1, "account_id");
    assert_eq!(refusal(&chain, "/offers?seller=GNOBODY").1, "seller");
    assert_eq!(refusal(&chain, "/offers?cursor=first").1, "cursor");
}

#[test]
fn filters_find_what_a_scan_over_all_offers_finds() {
    let fixture = Fixture::lively(20);
    let chain = fixture.chain();
    let market = &fixture.world.markets()[0];
    let all: Vec<_> = chain.ledger.offer_ids().filter_map(|id| chain.ledger.offer(id)).collect();
    let seller = all[0].seller_id.clone();
    let (base, quote) = (actor::asset_to_xdr(&market.base), actor::asset_to_xdr(&market.quote));
    let word = words::asset_word(&quote);
    let by_seller = format!("seller={}", words::account(&seller));
    let found = |query: &str| ids(&records(&chain, &format!("/offers?limit=200&{query}")));
    let scan = |admits: &dyn Fn(&stellar_xdr::OfferEntry) -> bool| -> Vec<i64> {
        let found: BTreeSet<i64> = all.iter().filter(|offer| admits(offer)).map(|offer| offer.offer_id).collect();
        found.into_iter().collect()
    };
    assert_eq!(found(""), scan(&|_| true));
    assert_eq!(found(&by_seller), scan(&|offer| offer.seller_id == seller));
    assert_eq!(found("selling=native"), scan(&|offer| offer.selling == base));
    assert_eq!(found(&format!("buying={word}")), scan(&|offer| offer.buying == quote));
    assert_eq!(found(&format!("selling=native&buying={word}")), scan(&|offer| offer.selling == base));
    let parts = asset_query("selling_", &market.quote);
    assert_eq!(found(&parts), scan(&|offer| offer.selling == quote));
    assert_eq!(
        found(&format!("{by_seller}&{parts}")),
        scan(&|offer| offer.seller_id == seller && offer.selling == quote)
    );
    let of_account = records(&chain, &format!("/accounts/{}/offers?limit=200", words::account(&seller)));
    assert_eq!(ids(&of_account), scan(&|offer| offer.seller_id == seller));
    assert!(all.len() > 20 && found("selling=native").len() < all.len(), "the scan says something");
}

#[test]
fn pages_of_offers_come_one_after_the_other_in_either_order() {
    let fixture = Fixture::lively(5);
    let chain = fixture.chain();
    let mut all: Vec<i64> = chain.ledger.offer_ids().collect();
    all.sort_unstable();
    for order in ["asc", "desc"] {
        let mut seen = Vec::new();
        loop {
            let cursor = seen.last().map_or(String::new(), |last: &i64| format!("&cursor={last}"));
            let page = ids(&records(&chain, &format!("/offers?limit=7&order={order}{cursor}")));
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 7);
            seen.extend(page);
        }
        assert_eq!(seen, all, "{order}");
        all.reverse();
    }
}

#[test]
fn offers_of_nobody_are_none() {
    let scene = Scene::new();
    let nobody = actor::Actor::derive(1, "nobody", 0).id();
    assert!(records(&scene.chain(), &format!("/accounts/{nobody}/offers")).is_empty());
}

//! The order book as clients see it.

use crate::sandbox::actor;
use crate::sandbox::fixture::Fixture;
use crate::sandbox::horizon::scene::{Scene, asset_query, get, refusal};
use crate::sandbox::horizon::words;
use crate::stellar::{Asset, Market};
use proptest::prelude::*;
use serde_json::{Value, json};
use stellar_xdr::OfferEntry;

fn request(base: &Asset, counter: &Asset, more: &str) -> String {
    format!("/order_book?{}&{}{more}", asset_query("selling_", base), asset_query("buying_", counter))
}

fn level(n: i32, d: i32, price: &str, amount: &str) -> Value {
    json!({"price_r": {"n": n, "d": d}, "price": price, "amount": amount})
}

#[test]
fn offers_of_one_price_are_one_level_and_bids_are_turned_round() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    let xlm = Asset::Native;
    scene.ask(&alice, &xlm, &usd, 10_000_000, (1, 2));
    scene.ask(&bob, &xlm, &usd, 25_000_000, (2, 4));
    scene.ask(&alice, &xlm, &usd, 70_000_000, (3, 5));
    scene.ask(&bob, &usd, &xlm, 30_000_000, (10, 4));
    scene.ask(&bob, &usd, &xlm, 50_000_000, (3, 1));
    let chain = scene.chain();
    let usd_object = json!({
        "asset_type": "credit_alphanum4", "asset_code": "USD", "asset_issuer": issuer.id().to_string(),
    });
    assert_eq!(
        get(&chain, &request(&xlm, &usd, "")).unwrap(),
        json!({
            "bids": [level(2, 5, "0.4000000", "3.0000000"), level(1, 3, "0.3333333", "5.0000000")],
            "asks": [level(1, 2, "0.5000000", "3.5000000"), level(3, 5, "0.6000000", "7.0000000")],
            "base": {"asset_type": "native"},
            "counter": usd_object,
        })
    );
    assert_eq!(
        get(&chain, &request(&usd, &xlm, "&limit=1")).unwrap(),
        json!({
            "bids": [level(2, 1, "2.0000000", "3.5000000")],
            "asks": [level(5, 2, "2.5000000", "3.0000000")],
            "base": usd_object,
            "counter": {"asset_type": "native"},
        })
    );
}

#[test]
fn a_level_may_hold_more_than_an_amount_can_say() {
    let mut scene = Scene::new();
    let (issuer, alice) = (scene.account(0), scene.account(1));
    let usd = Asset::Credit { code: crate::stellar::AssetCode::Four(*b"USD\0"), issuer: issuer.id() };
    scene.act(&alice, vec![actor::trust(&usd)]);
    // An issuer can sell its own asset without end; at 1/10^9 it buys few lumens with nearly all that an amount can be.
    for _ in 0..2 {
        scene.ask(&issuer, &usd, &Asset::Native, i64::MAX, (1, 1_000_000_000));
    }
    let book = get(&scene.chain(), &request(&usd, &Asset::Native, "")).unwrap();
    assert_eq!(book["asks"], json!([level(1, 1_000_000_000, "0.0000000", "1844674407200.0000000")]));
}

#[test]
fn a_book_without_offers_is_empty_and_one_without_a_pair_refused() {
    let scene = Scene::new();
    let chain = scene.chain();
    let book = get(&chain, &request(&Asset::Native, &Asset::Native, "")).unwrap();
    assert_eq!((&book["bids"], &book["asks"]), (&json!([]), &json!([])));
    let native = "selling_asset_type=native&buying_asset_type=native";
    for query in [
        "selling_asset_type=native",
        "selling_asset_type=native&buying_asset_type=gold",
        "selling_asset_type=native&buying_asset_type=credit_alphanum4&buying_asset_code=USD",
        &format!("{native}&limit=0"),
        &format!("{native}&limit=201"),
        &format!("{native}&limit=all"),
    ] {
        assert_eq!(refusal(&chain, &format!("/order_book?{query}")).0, "invalid_order_book", "{query}");
    }
    assert!(get(&chain, &format!("/order_book?{native}&limit=200")).is_ok());
}

/// Levels by a plain fold over offers: price of the first, sum of the amounts.
fn plain_levels(offers: impl Iterator<Item = OfferEntry>, turned: bool) -> Vec<(String, u128)> {
    let mut sorted: Vec<OfferEntry> = offers.collect();
    let value = |offer: &OfferEntry| f64::from(offer.price.n) / f64::from(offer.price.d);
    sorted.sort_by(|one, other| value(one).total_cmp(&value(other)).then(one.offer_id.cmp(&other.offer_id)));
    let mut levels: Vec<(f64, String, u128)> = Vec::new();
    for offer in sorted {
        let (n, d) = (i64::from(offer.price.n), i64::from(offer.price.d));
        let amount = u128::try_from(offer.amount).unwrap();
        match levels.last_mut().filter(|level| level.0.total_cmp(&value(&offer)).is_eq()) {
            Some(level) => level.2 += amount,
            None => {
                let price = if turned { words::price(d, n) } else { words::price(n, d) };
                levels.push((value(&offer), price, amount));
            }
        }
    }
    levels.into_iter().map(|(_, price, amount)| (price, amount)).collect()
}

fn shown_levels(side: &Value) -> Vec<(String, u128)> {
    let levels = side.as_array().unwrap().iter();
    let text = |level: &Value, name: &str| level[name].as_str().unwrap().to_owned();
    levels.map(|level| (text(level, "price"), text(level, "amount").replace('.', "").parse().unwrap())).collect()
}

#[test]
fn levels_are_what_a_fold_over_the_ledgers_offers_gives() {
    let fixture = Fixture::lively(30);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    let book = get(&chain, &request(base, quote, "&limit=200")).unwrap();
    let all: Vec<OfferEntry> = chain.ledger.offer_ids().filter_map(|id| chain.ledger.offer(id)).collect();
    let selling = |asset: &Asset| {
        let asset = actor::asset_to_xdr(asset);
        all.iter().filter(move |offer| offer.selling == asset).cloned()
    };
    let asks = plain_levels(selling(base), false);
    let bids = plain_levels(selling(quote), true);
    assert!(asks.len() > 5 && bids.len() > 5, "the fold says something");
    assert_eq!(shown_levels(&book["asks"]), asks);
    assert_eq!(shown_levels(&book["bids"]), bids);
    let few = get(&chain, &request(base, quote, "&limit=3")).unwrap();
    assert_eq!(shown_levels(&few["asks"]), asks[..3]);
    assert_eq!(shown_levels(&few["bids"]), bids[..3]);
}

proptest! {
    #[test]
    fn any_offers_make_the_levels_of_a_plain_fold(
        prices in proptest::collection::vec((1_i32..6, 1_i32..6, 1_i64..=i64::MAX), 0..40),
        limit in 1_usize..12,
    ) {
        let id = stellar_xdr::AccountId(stellar_xdr::PublicKey::PublicKeyTypeEd25519(stellar_xdr::Uint256([1; 32])));
        let mut offers: Vec<OfferEntry> = prices.into_iter().zip(1..).map(|((n, d, amount), offer_id)| OfferEntry {
            seller_id: id.clone(),
            offer_id,
            selling: stellar_xdr::Asset::Native,
            buying: stellar_xdr::Asset::Native,
            amount,
            price: stellar_xdr::Price { n, d },
            flags: 0,
            ext: stellar_xdr::OfferEntryExt::V0,
        }).collect();
        let mut plain = plain_levels(offers.iter().cloned(), true);
        plain.truncate(limit);
        offers.sort_by(|one, other| {
            (i64::from(one.price.n) * i64::from(other.price.d), one.offer_id)
                .cmp(&(i64::from(other.price.n) * i64::from(one.price.d), other.offer_id))
        });
        let levels = super::levels(offers.into_iter(), limit);
        let shown: Vec<Value> =
            levels.iter().map(|level| level.resource(level.price.d, level.price.n)).collect();
        prop_assert_eq!(shown_levels(&Value::Array(shown.clone())), plain);
        for level in &shown {
            let (n, d) = (level["price_r"]["n"].as_i64().unwrap(), level["price_r"]["d"].as_i64().unwrap());
            prop_assert!((2..=6).all(|divisor| n % divisor != 0 || d % divisor != 0), "{n}/{d} can be reduced");
        }
    }
}

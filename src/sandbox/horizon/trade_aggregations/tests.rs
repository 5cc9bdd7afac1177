//! Candles as clients see them.

use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::Trade;
use crate::sandbox::horizon::scene::{Scene, asset_query, deposit, get, receive, records, refusal, trust_pool};
use crate::sandbox::horizon::words;
use crate::stellar::{Asset, Market};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

fn request(base: &Asset, counter: &Asset, resolution_ms: i64, more: &str) -> String {
    let pair = format!("{}&{}", asset_query("base_", base), asset_query("counter_", counter));
    format!("/trade_aggregations?{pair}&resolution={resolution_ms}{more}")
}

/// Candles by a plain fold over trades, in their order, as the database's aggregates do it.
fn plain_candles<'t>(
    trades: impl Iterator<Item = &'t Trade>,
    base: &stellar_xdr::Asset,
    resolution_ms: i64,
    offset_ms: i64,
) -> Vec<Value> {
    let mut groups: BTreeMap<i64, Vec<Trade>> = BTreeMap::new();
    for trade in trades {
        let minute_ms = i64::try_from(trade.closed_at_s).unwrap() / 60 * 60_000;
        let begins_ms = (minute_ms - offset_ms) / resolution_ms * resolution_ms + offset_ms;
        let turned = if trade.base.asset == *base { trade.clone() } else { trade.flipped() };
        groups.entry(begins_ms).or_default().push(turned);
    }
    groups.into_iter().map(|(begins_ms, trades)| plain_candle(begins_ms, &trades)).collect()
}

fn plain_candle(begins_ms: i64, trades: &[Trade]) -> Value {
    let value = |price: (i64, i64)| i128::from(price.0) * 1_000_000_000_000_000 / i128::from(price.1);
    let prices: Vec<(i64, i64)> = trades.iter().map(|trade| trade.price).collect();
    let high = prices.iter().copied().reduce(|a, b| if value(a) > value(b) { a } else { b }).unwrap();
    let low = prices.iter().copied().reduce(|a, b| if value(a) < value(b) { a } else { b }).unwrap();
    let (open, close) = (prices[0], prices[prices.len() - 1]);
    let base: i64 = trades.iter().map(|trade| trade.base.amount).sum();
    let counter: i64 = trades.iter().map(|trade| trade.counter.amount).sum();
    let price_r = |price: (i64, i64)| json!({"n": price.0.to_string(), "d": price.1.to_string()});
    let price = |price: (i64, i64)| words::price(price.0, price.1);
    json!({
        "timestamp": begins_ms.to_string(),
        "trade_count": trades.len().to_string(),
        "base_volume": words::amount(base),
        "counter_volume": words::amount(counter),
        "avg": format!("{:.7}", counter as f64 / base as f64),
        "high": price(high), "high_r": price_r(high),
        "low": price(low), "low_r": price_r(low),
        "open": price(open), "open_r": price_r(open),
        "close": price(close), "close_r": price_r(close),
    })
}

#[test]
fn candles_are_what_a_fold_over_the_trades_gives_from_either_side() {
    let fixture = Fixture::lively(120);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    assert!(chain.history.trades().len() > 100);
    for (base, counter) in [(base, quote), (quote, base)] {
        for (resolution_ms, offset_ms) in [(60_000, 0), (300_000, 0), (HOUR_MS, 0), (24 * HOUR_MS, 7 * HOUR_MS)] {
            let asset = crate::sandbox::actor::asset_to_xdr(base);
            let mut plain = plain_candles(chain.history.trades(), &asset, resolution_ms, offset_ms);
            let more = format!("&limit=200&offset={offset_ms}");
            assert_eq!(records(&chain, &request(base, counter, resolution_ms, &more)), plain, "{resolution_ms}");
            plain.reverse();
            let more = format!("{more}&order=desc");
            assert_eq!(records(&chain, &request(base, counter, resolution_ms, &more)), plain, "{resolution_ms}");
        }
    }
}

#[test]
fn equal_prices_of_other_terms_are_high_and_low_by_the_later_one() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    for price in [(1, 2), (2, 4)] {
        scene.ask(&alice, &Asset::Native, &usd, 10_000_000, price);
        scene.ask(&bob, &usd, &Asset::Native, 5_000_000, (2, 1));
    }
    let candle = &records(&scene.chain(), &request(&Asset::Native, &usd, 24 * HOUR_MS, ""))[0];
    assert_eq!(candle["open_r"], json!({"n": "1", "d": "2"}));
    for name in ["close_r", "high_r", "low_r"] {
        assert_eq!(candle[name], json!({"n": "2", "d": "4"}), "{name}");
    }
    assert_eq!((&candle["avg"], &candle["trade_count"]), (&json!("0.5000000"), &json!("2")));
    assert_eq!((&candle["base_volume"], &candle["counter_volume"]), (&json!("2.0000000"), &json!("1.0000000")));
}

#[test]
fn a_span_holds_whole_candles_only() {
    let fixture = Fixture::lively(120);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    let all = records(&chain, &request(base, quote, 60_000, "&limit=200"));
    let begins_ms = |candle: &Value| -> i64 { candle["timestamp"].as_str().unwrap().parse().unwrap() };
    let (second, last) = (begins_ms(&all[1]), begins_ms(&all[all.len() - 1]));
    let span = |start: i64, end: i64| {
        records(&chain, &request(base, quote, 60_000, &format!("&limit=200&start_time={start}&end_time={end}")))
    };
    assert_eq!(span(second, last), all[1..all.len() - 1]);
    assert_eq!(span(second - 1, last + 59_999), all[1..all.len() - 1]);
    assert_eq!(span(second + 1, last + 60_000), all[2..]);
    assert_eq!(span(second, second), [Value::Null; 0]);
}

#[test]
fn the_next_page_begins_where_this_one_ends_in_either_order() {
    let fixture = Fixture::lively(120);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    let mut all = records(&chain, &request(base, quote, 60_000, "&limit=200"));
    assert!(all.len() > 5);
    for order in ["asc", "desc"] {
        let more = format!("&limit=3&order={order}&start_time=60000&end_time=4000000000000");
        let mut next = request(base, quote, 60_000, &more);
        let mut seen = Vec::new();
        loop {
            let page = get(&chain, &next).unwrap();
            assert_eq!(page["_links"]["prev"]["href"], json!(""));
            let records = page["_embedded"]["records"].as_array().unwrap().clone();
            if records.is_empty() {
                assert_eq!(page["_links"]["next"], page["_links"]["self"]);
                break;
            }
            seen.extend(records);
            let href = page["_links"]["next"]["href"].as_str().unwrap();
            next = href.strip_prefix(crate::sandbox::horizon::scene::BASE_URL).unwrap().to_owned();
        }
        assert_eq!(seen, all, "{order}");
        all.reverse();
    }
}

#[test]
fn without_an_end_the_next_page_begins_anew_as_horizons_does() {
    let fixture = Fixture::lively(120);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    let page = get(&chain, &request(base, quote, 60_000, "&limit=1")).unwrap();
    assert!(page["_links"]["next"]["href"].as_str().unwrap().ends_with("&start_time=0"), "{page}");
}

#[test]
fn requests_that_cannot_be_are_refused_in_horizons_words() {
    let fixture = Fixture::lively(60);
    let chain = fixture.chain();
    let Market { base, quote } = &fixture.world.markets()[0];
    let field = |resolution_ms: i64, more: &str| refusal(&chain, &request(base, quote, resolution_ms, more)).1;
    assert_eq!(field(60_001, ""), "resolution");
    assert_eq!(field(0, ""), "resolution");
    assert_eq!(field(HOUR_MS, "&offset=1"), "offset");
    assert_eq!(field(60_000, "&offset=3600000"), "offset");
    assert_eq!(field(7 * 24 * HOUR_MS, "&offset=86400000"), "offset");
    assert_eq!(field(60_000, "&start_time=120000&end_time=60000"), "end_time");
    assert_eq!(field(24 * HOUR_MS, "&offset=3600000&end_time=5"), "end_time");
    assert_eq!(field(60_000, &format!("&end_time={}", i64::MIN)), "end_time");
    assert_eq!(field(60_000, "&start_time=yesterday"), "start_time");
    assert_eq!(field(60_000, "&cursor=first"), "cursor");
    assert_eq!(field(60_000, "&limit=0"), "limit");
    let native = "/trade_aggregations?base_asset_type=native&resolution=60000";
    assert_eq!(refusal(&chain, native), ("bad_request", "counter_asset_type".into(), "Missing required field".into()));
    assert_eq!(refusal(&chain, "/trade_aggregations?resolution=60000").1, "base_asset_type");
    let gold = Asset::Credit { code: crate::stellar::AssetCode::Four(*b"GOLD"), issuer: quote.issuer().unwrap() };
    assert_eq!(
        refusal(&chain, &request(base, &gold, 60_000, "")),
        ("not_found", "counter_asset".into(), "not found".into())
    );
}

#[test]
fn a_stroop_for_next_to_nothing_makes_no_candle() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    let xlm = Asset::Native;
    scene.act(&alice, vec![trust_pool(&xlm, &usd), deposit(&xlm, &usd, 100_000_000_000, 1_000_000_000)]);
    scene.act(&bob, vec![receive(&bob, &usd, &xlm, 1)]);
    assert_eq!(records(&scene.chain(), "/trades").len(), 1);
    assert!(records(&scene.chain(), &request(&xlm, &usd, HOUR_MS, "")).is_empty());
    scene.act(&bob, vec![receive(&bob, &usd, &xlm, 10_000)]);
    let candles = records(&scene.chain(), &request(&xlm, &usd, HOUR_MS, ""));
    assert_eq!(candles.len(), 1);
    assert_eq!(candles[0]["trade_count"], json!("1"));
    assert_eq!(candles[0]["base_volume"], json!("0.0010000"));
}

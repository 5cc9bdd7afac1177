//! Tests: whatever is asked for, the market's resources answer or refuse in Horizon's form.

use super::scene::{BASE_URL, get};
use crate::sandbox::fixture::Fixture;
use crate::sandbox::horizon::page::encode;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Words that mean something somewhere, among them the corners of what numbers can be.
fn words(fixture: &Fixture) -> Vec<String> {
    let market = &fixture.world.markets()[0];
    let issuer = market.quote.issuer().unwrap();
    let fixed = [
        "native",
        "credit_alphanum4",
        "credit_alphanum12",
        "USDC",
        "orderbook",
        "liquidity_pool",
        "asc",
        "desc",
        "0",
        "1",
        "-1",
        "60000",
        "3600000",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "7-1",
        "",
        "%",
        "ä",
        ":",
        ",",
        "{",
        "\0",
    ];
    let made = [issuer.to_string(), market.quote.to_string(), "0".repeat(64), "9".repeat(200)];
    fixed.into_iter().map(str::to_owned).chain(made).collect()
}

const PATHS: [&str; 14] = [
    "/accounts",
    "/accounts/*",
    "/accounts/*/data/*",
    "/accounts/*/offers",
    "/accounts/*/trades",
    "/liquidity_pools",
    "/liquidity_pools/*",
    "/liquidity_pools/*/trades",
    "/offers",
    "/offers/*",
    "/offers/*/trades",
    "/order_book",
    "/trade_aggregations",
    "/trades",
];

const NAMES: [&str; 25] = [
    "cursor",
    "limit",
    "order",
    "signer",
    "sponsor",
    "asset",
    "liquidity_pool",
    "account",
    "reserves",
    "seller",
    "selling",
    "buying",
    "selling_asset_type",
    "selling_asset_code",
    "selling_asset_issuer",
    "buying_asset_type",
    "base_asset_type",
    "base_asset_code",
    "base_asset_issuer",
    "counter_asset_type",
    "resolution",
    "offset",
    "start_time",
    "end_time",
    "offer_id",
];

#[test]
fn no_request_is_answered_with_anything_but_an_object_or_a_problem() {
    let fixture = Fixture::lively(10);
    let word = prop_oneof![4 => prop::sample::select(words(&fixture)), 1 => ".{0,12}"];
    let path = (prop::sample::select(PATHS.to_vec()), prop::collection::vec("[^/?]{1,12}", 2));
    let query = prop::collection::vec((prop::sample::select(NAMES.to_vec()), word), 0..7);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2000));
    let tried = runner.run(&(path, query), |((path, in_path), query)| {
        let path = in_path.iter().fold(path.to_owned(), |path, part| path.replacen('*', part, 1));
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        match get(&fixture.chain(), &format!("{path}?{}", query.join("&"))) {
            Ok(body) => {
                let next = &body["_links"]["next"]["href"];
                prop_assert!(next.as_str().is_none_or(|href| href.starts_with(BASE_URL)), "{body}");
                prop_assert!(body.is_object(), "{body}");
            }
            Err(problem) => prop_assert!(matches!(problem.status, 400 | 404 | 410), "{problem:?}"),
        }
        Ok(())
    });
    tried.unwrap();
}

//! No message of Coinbase, Binance or CoinGecko makes a price that cannot be, and none spoils the parser for the next.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::json::Tick;
use stellar_connector::wire::json::binance::{BinanceMessage, BinanceParser, Level};
use stellar_connector::wire::json::coinbase::{CoinbaseKind, CoinbaseParser};
use stellar_connector::wire::json::coingecko::CoinGeckoParser;

fn check(tick: &Tick) {
    assert!(tick.symbol < 2, "{tick:?}");
    assert!(tick.bid > 0.0 && tick.bid <= tick.ask && tick.ask.is_finite(), "{tick:?}");
    let rest = [tick.bid_amount, tick.ask_amount, tick.last];
    assert!(rest.iter().all(|number| *number >= 0.0 && number.is_finite()), "{tick:?}");
}

fn check_levels(levels: &[Level]) {
    assert!(levels.iter().all(|level| level.key > 0 && level.amount >= 0.0 && level.amount.is_finite()));
}

fn coinbase(message: &[u8]) {
    const GOOD: &[u8] = br#"{"channel":"ticker","sequence_num":1,"events":[{"tickers":[{"product_id":"BTC-USD",
        "price":"1","best_bid":"1","best_ask":"2","best_bid_quantity":"1","best_ask_quantity":"1"}]}]}"#;
    let mut parser = CoinbaseParser::new(["XLM-USD", "BTC-USD"]);
    if let Ok(message) = parser.parse(message)
        && let CoinbaseKind::Ticker(ticks) = message.kind
    {
        ticks.iter().for_each(check);
    }
    let good = parser.parse(GOOD).map(|message| message.kind);
    assert!(matches!(good, Ok(CoinbaseKind::Ticker([tick])) if tick.symbol == 1), "{good:?}");
}

fn binance(message: &[u8]) {
    const GOOD: &[u8] =
        br#"{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}"#;
    let mut parser = BinanceParser::new(["XLMUSDT", "BTCUSDT"]);
    match parser.parse(message) {
        Ok(BinanceMessage::BookTicker { tick, .. }) => check(&tick),
        Ok(BinanceMessage::Depth(symbol, depth)) => {
            assert!(symbol < 2 && depth.first <= depth.last);
            check_levels(depth.bids);
            check_levels(depth.asks);
        }
        _ => {}
    }
    if let Ok(depth) = parser.parse_snapshot(message) {
        check_levels(depth.bids);
        check_levels(depth.asks);
    }
    let good = parser.parse(GOOD);
    assert!(matches!(good, Ok(BinanceMessage::BookTicker { update: 1, tick }) if tick.symbol == 1), "{good:?}");
}

fn coingecko(message: &[u8]) {
    let pair = |coin: &str| (coin.to_owned(), "usd".to_owned());
    let mut parser = CoinGeckoParser::new(vec![pair("stellar"), pair("bitcoin")]);
    if let Ok(prices) = parser.parse(message) {
        assert!(prices.iter().all(|found| found.pair < 2 && found.price > 0.0 && found.price.is_finite()));
    }
    let good = parser.parse(br#"{"bitcoin":{"usd":2,"last_updated_at":5}}"#);
    assert!(matches!(good, Ok([found]) if found.pair == 1), "{good:?}");
}

fuzz_target!(|message: &[u8]| {
    coinbase(message);
    binance(message);
    coingecko(message);
});

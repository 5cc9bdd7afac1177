//! No message makes a price that cannot be, and none spoils the parser for the next.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::json::kraken::{KrakenMessage, KrakenParser};

const GOOD: &[u8] = br#"{"channel":"ticker","data":[{"symbol":"BTC/USD","bid":1,"ask":"2"}]}"#;

fuzz_target!(|message: &[u8]| {
    let mut parser = KrakenParser::new(["XLM/USD", "BTC/USD"]);
    if let Ok(KrakenMessage::Ticker(ticks)) = parser.parse(message) {
        for tick in ticks {
            assert!(tick.symbol < 2, "{tick:?}");
            assert!(tick.bid > 0.0 && tick.bid <= tick.ask && tick.ask.is_finite(), "{tick:?}");
        }
    }
    let good = parser.parse(GOOD);
    assert!(matches!(good, Ok(KrakenMessage::Ticker([tick])) if tick.symbol == 1), "{good:?}");
});

//! Kraken's WebSocket API, version 2: the `ticker` channel (<https://docs.kraken.com/api/docs/websocket-v2/ticker>).

use rustc_hash::FxHashMap;
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};
use simd_json::{Buffers, Tape};

/// The deepest nesting that is looked into; a ticker has three.
const MAX_DEPTH: usize = 32;

/// Why a message is not used. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KrakenError {
    /// Not JSON, or not UTF-8, or nested too deep.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON, but not of the shape that the API has.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A price that is none: not a number, not finite, not positive, or a bid above the ask.
    #[error("the message's {0} cannot be")]
    BadPrice(&'static str),
    /// The server refused what was asked, such as a symbol that it does not know.
    #[error("the server refused the subscription: is every symbol one that it trades?")]
    Refused,
}

/// Best bid and ask of a symbol: finite, positive, the ask at least the bid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// The symbol's place in the configured list.
    pub symbol: u16,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KrakenMessage<'a> {
    /// Prices of configured symbols; those of others are left out.
    Ticker(&'a [Tick]),
    /// The server is alive, and has nothing to say.
    Heartbeat,
    /// What the server says about itself, or a channel that was not asked for.
    Status,
    /// A subscription was accepted.
    Acknowledged,
}

/// Reads messages. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct KrakenParser {
    symbols: FxHashMap<Box<[u8]>, u16>,
    /// The message, which parsing writes into.
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
    ticks: Vec<Tick>,
}

impl core::fmt::Debug for KrakenParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KrakenParser").field("symbols", &self.symbols.len()).finish_non_exhaustive()
    }
}

impl KrakenParser {
    /// A parser that knows these symbols, such as `XLM/USD`, by their places in the list (of at most 65,536).
    #[must_use]
    pub fn new<'s>(symbols: impl IntoIterator<Item = &'s str>) -> Self {
        let symbols: FxHashMap<_, _> = symbols.into_iter().map(|symbol| symbol.as_bytes().into()).zip(0..).collect();
        Self {
            ticks: Vec::with_capacity(symbols.len()),
            symbols,
            text: Vec::new(),
            buffers: Buffers::with_max_depth(4096, MAX_DEPTH),
            tape: Tape(Vec::new()),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If it is none, or has a price that cannot be.
    pub fn parse(&mut self, message: &[u8]) -> Result<KrakenMessage<'_>, KrakenError> {
        self.text.clear();
        self.text.extend_from_slice(message);
        self.ticks.clear();
        let mut tape = core::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = match simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape) {
            Ok(()) => read(tape.as_value(), &self.symbols, &mut self.ticks),
            Err(_) => Err(KrakenError::NotJson),
        };
        self.tape = tape.reset();
        Ok(match parsed? {
            Kind::Ticker => KrakenMessage::Ticker(&self.ticks),
            Kind::Heartbeat => KrakenMessage::Heartbeat,
            Kind::Status => KrakenMessage::Status,
            Kind::Acknowledged => KrakenMessage::Acknowledged,
        })
    }
}

/// The message that subscribes to the best bid and ask of these symbols, with each change of either.
#[must_use]
pub fn subscribe<'s>(symbols: impl IntoIterator<Item = &'s str>) -> String {
    let symbols: Vec<&str> = symbols.into_iter().collect();
    serde_json::json!({
        "method": "subscribe",
        "params": { "channel": "ticker", "symbol": symbols, "event_trigger": "bbo", "snapshot": true },
    })
    .to_string()
}

enum Kind {
    Ticker,
    Heartbeat,
    Status,
    Acknowledged,
}

fn read(
    message: Value<'_, '_>,
    symbols: &FxHashMap<Box<[u8]>, u16>,
    ticks: &mut Vec<Tick>,
) -> Result<Kind, KrakenError> {
    let object = message.as_object().ok_or(KrakenError::Missing("object"))?;
    let Some(channel) = object.get("channel") else { return answer(&object) };
    match channel.as_str() {
        Some("ticker") => {}
        Some("heartbeat") => return Ok(Kind::Heartbeat),
        Some(_) => return Ok(Kind::Status),
        None => return Err(KrakenError::Missing("channel name")),
    }
    let data = object.get("data").ok_or(KrakenError::Missing("data"))?;
    for ticker in &data.as_array().ok_or(KrakenError::Missing("data"))? {
        ticks.extend(tick(&ticker, symbols)?);
    }
    Ok(Kind::Ticker)
}

/// The answer to a request of ours.
fn answer(object: &Object<'_, '_>) -> Result<Kind, KrakenError> {
    let success = object.get("success").and_then(|success| success.as_bool());
    match (object.get("method").is_some(), success) {
        (true, Some(true)) => Ok(Kind::Acknowledged),
        (_, Some(false)) => Err(KrakenError::Refused),
        _ => Err(KrakenError::Missing("channel")),
    }
}

/// The tick of a configured symbol. That of another is checked no less.
fn tick(ticker: &Value<'_, '_>, symbols: &FxHashMap<Box<[u8]>, u16>) -> Result<Option<Tick>, KrakenError> {
    let object = ticker.as_object().ok_or(KrakenError::Missing("ticker"))?;
    let symbol = object.get("symbol").ok_or(KrakenError::Missing("symbol"))?;
    let symbol = symbol.as_str().ok_or(KrakenError::Missing("symbol"))?;
    let bid = price(&object, "bid")?;
    let ask = price(&object, "ask")?;
    if bid > ask {
        return Err(KrakenError::BadPrice("bid above its ask"));
    }
    Ok(symbols.get(symbol.as_bytes()).map(|symbol| Tick { symbol: *symbol, bid, ask }))
}

/// A price, which the API gives as a number. It once gave strings, and may again.
fn price(object: &Object<'_, '_>, name: &'static str) -> Result<f64, KrakenError> {
    let value = object.get(name).ok_or(KrakenError::Missing(name))?;
    let number = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.cast_f64(),
    };
    number.filter(|price| price.is_finite() && *price > 0.0).ok_or(KrakenError::BadPrice(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SYMBOLS: [&str; 2] = ["XLM/USD", "BTC/USD"];
    const TICKER: &str = r#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.10025,
        "bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,
        "low":0.09979,"high":0.10285,"change":-0.00017,"change_pct":-0.17}]}"#;

    fn parse(text: &str) -> Result<String, KrakenError> {
        KrakenParser::new(SYMBOLS).parse(text.as_bytes()).map(|message| format!("{message:?}"))
    }

    fn ticker(bid: &str, ask: &str) -> String {
        format!(r#"{{"channel":"ticker","data":[{{"symbol":"BTC/USD","bid":{bid},"ask":{ask}}}]}}"#)
    }

    #[test]
    fn the_messages_of_the_documentation_are_recognised() {
        let cases = [
            (TICKER, "Ticker([Tick { symbol: 0, bid: 0.10025, ask: 0.10036 }])"),
            (r#"{"channel":"heartbeat"}"#, "Heartbeat"),
            (r#"{"channel":"status","data":[{"system":"online"}],"type":"update"}"#, "Status"),
            (r#"{"method":"subscribe","result":{"channel":"ticker"},"success":true,"time_in":"x"}"#, "Acknowledged"),
            (r#"{"channel":"ticker","data":[{"symbol":"FOO/USD","bid":1,"ask":2}]}"#, "Ticker([])"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn prices_may_be_numbers_or_strings() {
        for (bid, ask) in [("97500", "97500.5"), ("\"97500\"", "\"97500.5\""), ("9.75e4", "\"9.75005e4\"")] {
            let expected = "Ticker([Tick { symbol: 1, bid: 97500.0, ask: 97500.5 }])";
            assert_eq!(parse(&ticker(bid, ask)).as_deref(), Ok(expected), "{bid} {ask}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            ("", KrakenError::NotJson),
            ("{\"channel\":", KrakenError::NotJson),
            ("hello", KrakenError::NotJson),
            ("[]", KrakenError::Missing("object")),
            ("{}", KrakenError::Missing("channel")),
            (r#"{"channel":5}"#, KrakenError::Missing("channel name")),
            (r#"{"channel":"ticker"}"#, KrakenError::Missing("data")),
            (r#"{"channel":"ticker","data":{}}"#, KrakenError::Missing("data")),
            (r#"{"channel":"ticker","data":[5]}"#, KrakenError::Missing("ticker")),
            (r#"{"channel":"ticker","data":[{"bid":1,"ask":1}]}"#, KrakenError::Missing("symbol")),
            (r#"{"channel":"ticker","data":[{"symbol":"BTC/USD","bid":1}]}"#, KrakenError::Missing("ask")),
            (r#"{"error":"Currency pair not supported","method":"subscribe","success":false}"#, KrakenError::Refused),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 2), "]".repeat(MAX_DEPTH + 2));
        assert_eq!(parse(&deep), Err(KrakenError::NotJson));
    }

    #[test]
    fn a_price_that_cannot_be_is_refused() {
        for bad in ["0", "0.0", "-1", "\"NaN\"", "\"inf\"", "\"\"", "\"x\"", "null", "true", "[]", "1e999", "\"1e999\""]
        {
            let found = parse(&ticker(bad, "1"));
            assert!(matches!(found, Err(KrakenError::BadPrice("bid") | KrakenError::NotJson)), "{bad}: {found:?}");
            let found = parse(&ticker("1", bad));
            assert!(matches!(found, Err(KrakenError::BadPrice("ask") | KrakenError::NotJson)), "{bad}: {found:?}");
        }
        assert_eq!(parse(&ticker("2", "1.999")), Err(KrakenError::BadPrice("bid above its ask")));
        assert!(parse(&ticker("2", "2")).is_ok());
    }

    #[test]
    fn one_bad_price_spoils_the_message() {
        let text = r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":1,"ask":2},{"symbol":"BTC/USD","bid":0,"ask":2}]}"#;
        let mut parser = KrakenParser::new(SYMBOLS);
        assert_eq!(parser.parse(text.as_bytes()), Err(KrakenError::BadPrice("bid")));
        assert!(matches!(parser.parse(TICKER.as_bytes()), Ok(KrakenMessage::Ticker([_]))));
    }

    #[test]
    fn symbols_are_quoted_in_the_subscription() {
        let text = subscribe(["XLM/USD", "A\"B"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["params"]["symbol"][1], "A\"B");
        assert_eq!(value["params"]["channel"], "ticker");
    }

    proptest! {
        #[test]
        fn every_positive_price_reads_back_exactly(bid in 1e-12_f64..1e12, more in 0.0_f64..1e6) {
            let mut parser = KrakenParser::new(SYMBOLS);
            for quote in ["", "\""] {
                let (ask, text) = (bid + more, |price: f64| format!("{quote}{price}{quote}"));
                let message = ticker(&text(bid), &text(ask));
                let ticks = [Tick { symbol: 1, bid, ask }];
                prop_assert_eq!(parser.parse(message.as_bytes()), Ok(KrakenMessage::Ticker(&ticks)));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(at in 0..TICKER.len(), byte in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut damaged = TICKER.as_bytes().to_vec();
            damaged[at] = byte;
            let mut parser = KrakenParser::new(SYMBOLS);
            let _ = parser.parse(&damaged);
            let _ = parser.parse(&noise);
            prop_assert!(matches!(parser.parse(TICKER.as_bytes()), Ok(KrakenMessage::Ticker([_]))));
        }
    }
}

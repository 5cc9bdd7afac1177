//! Kraken's WebSocket API, version 2: the `ticker` channel (<https://docs.kraken.com/api/docs/websocket-v2/ticker>).

use super::reader::{Reader, Symbols, amount, price, text};
use super::{PriceError, Tick};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KrakenMessage<'a> {
    /// Prices of configured symbols; those of others are left out.
    Ticker(&'a [Tick]),
    /// The server is alive, and has nothing to say.
    Heartbeat,
    /// What the server says about its engine: whether it trades as usual. In maintenance, or while it takes only
    /// cancellations or only limits, its prices are nobody's.
    Status {
        /// Whether it does.
        online: bool,
    },
    /// A channel that was not asked for.
    Other,
    /// A subscription was accepted.
    Acknowledged,
}

/// Reads messages. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct KrakenParser {
    symbols: Symbols,
    reader: Reader,
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
        let symbols = Symbols::new(symbols);
        Self { ticks: Vec::with_capacity(symbols.len()), symbols, reader: Reader::new() }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If it is none, or has a price that cannot be.
    pub fn parse(&mut self, message: &[u8]) -> Result<KrakenMessage<'_>, PriceError> {
        let Self { symbols, reader, ticks } = self;
        ticks.clear();
        Ok(match reader.read(message, |value| read(value, symbols, ticks))? {
            Kind::Ticker => KrakenMessage::Ticker(ticks),
            Kind::Heartbeat => KrakenMessage::Heartbeat,
            Kind::Status { online } => KrakenMessage::Status { online },
            Kind::Other => KrakenMessage::Other,
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
    Status { online: bool },
    Other,
    Acknowledged,
}

fn read(message: Value<'_, '_>, symbols: &Symbols, ticks: &mut Vec<Tick>) -> Result<Kind, PriceError> {
    let object = message.as_object().ok_or(PriceError::Missing("object"))?;
    let Some(channel) = object.get("channel") else { return answer(&object) };
    match channel.as_str() {
        Some("ticker") => {}
        Some("heartbeat") => return Ok(Kind::Heartbeat),
        Some("status") => return status(&object),
        Some(_) => return Ok(Kind::Other),
        None => return Err(PriceError::Missing("channel name")),
    }
    let data = object.get("data").ok_or(PriceError::Missing("data"))?;
    for ticker in &data.as_array().ok_or(PriceError::Missing("data"))? {
        ticks.extend(tick(&ticker, symbols)?);
    }
    Ok(Kind::Ticker)
}

/// What the server says about its engine.
fn status(object: &Object<'_, '_>) -> Result<Kind, PriceError> {
    let data = object.get("data").ok_or(PriceError::Missing("data"))?;
    let data = data.as_array().ok_or(PriceError::Missing("data"))?;
    let first = data.get(0).ok_or(PriceError::Missing("system"))?;
    let first = first.as_object().ok_or(PriceError::Missing("system"))?;
    Ok(Kind::Status { online: text(&first, "system")? == "online" })
}

/// The answer to a request of ours.
fn answer(object: &Object<'_, '_>) -> Result<Kind, PriceError> {
    let success = object.get("success").and_then(|success| success.as_bool());
    match (object.get("method").is_some(), success) {
        (true, Some(true)) => Ok(Kind::Acknowledged),
        (_, Some(false)) => Err(PriceError::Refused),
        _ => Err(PriceError::Missing("channel")),
    }
}

/// The tick of a configured symbol. That of another is checked no less.
fn tick(ticker: &Value<'_, '_>, symbols: &Symbols) -> Result<Option<Tick>, PriceError> {
    let object = ticker.as_object().ok_or(PriceError::Missing("ticker"))?;
    let symbol = text(&object, "symbol")?;
    let tick = Tick {
        symbol: 0,
        bid: price(&object, "bid")?,
        ask: price(&object, "ask")?,
        bid_amount: amount(&object, "bid_qty")?,
        ask_amount: amount(&object, "ask_qty")?,
        last: amount(&object, "last")?,
    };
    let tick = tick.checked()?;
    Ok(symbols.place(symbol).map(|symbol| Tick { symbol, ..tick }))
}

#[cfg(test)]
mod tests {
    use super::super::reader::MAX_DEPTH;
    use super::*;
    use proptest::prelude::*;

    const SYMBOLS: [&str; 2] = ["XLM/USD", "BTC/USD"];
    const TICKER: &str = r#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.10025,
        "bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,
        "low":0.09979,"high":0.10285,"change":-0.00017,"change_pct":-0.17}]}"#;

    fn parse(text: &str) -> Result<String, PriceError> {
        KrakenParser::new(SYMBOLS).parse(text.as_bytes()).map(|message| format!("{message:?}"))
    }

    fn ticker(bid: &str, ask: &str) -> String {
        format!(r#"{{"channel":"ticker","data":[{{"symbol":"BTC/USD","bid":{bid},"ask":{ask}}}]}}"#)
    }

    #[test]
    fn the_messages_of_the_documentation_are_recognised() {
        let cases = [
            (
                TICKER,
                "Ticker([Tick { symbol: 0, bid: 0.10025, ask: 0.10036, bid_amount: 740.0, ask_amount: 1361.44813783, last: 0.10035 }])",
            ),
            (r#"{"channel":"heartbeat"}"#, "Heartbeat"),
            (r#"{"channel":"status","data":[{"system":"online"}],"type":"update"}"#, "Status { online: true }"),
            (r#"{"channel":"status","data":[{"system":"cancel_only"}]}"#, "Status { online: false }"),
            (r#"{"channel":"book","data":[]}"#, "Other"),
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
            let expected =
                "Ticker([Tick { symbol: 1, bid: 97500.0, ask: 97500.5, bid_amount: 0.0, ask_amount: 0.0, last: 0.0 }])";
            assert_eq!(parse(&ticker(bid, ask)).as_deref(), Ok(expected), "{bid} {ask}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            ("", PriceError::NotJson),
            ("{\"channel\":", PriceError::NotJson),
            ("hello", PriceError::NotJson),
            ("[]", PriceError::Missing("object")),
            ("{}", PriceError::Missing("channel")),
            (r#"{"channel":5}"#, PriceError::Missing("channel name")),
            (r#"{"channel":"ticker"}"#, PriceError::Missing("data")),
            (r#"{"channel":"ticker","data":{}}"#, PriceError::Missing("data")),
            (r#"{"channel":"ticker","data":[5]}"#, PriceError::Missing("ticker")),
            (r#"{"channel":"ticker","data":[{"bid":1,"ask":1}]}"#, PriceError::Missing("symbol")),
            (r#"{"channel":"ticker","data":[{"symbol":"BTC/USD","bid":1}]}"#, PriceError::Missing("ask")),
            (r#"{"error":"Currency pair not supported","method":"subscribe","success":false}"#, PriceError::Refused),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH + 2), "]".repeat(MAX_DEPTH + 2));
        assert_eq!(parse(&deep), Err(PriceError::NotJson));
    }

    #[test]
    fn a_price_that_cannot_be_is_refused() {
        for bad in ["0", "0.0", "-1", "\"NaN\"", "\"inf\"", "\"\"", "\"x\"", "null", "true", "[]", "1e999", "\"1e999\""]
        {
            let found = parse(&ticker(bad, "1"));
            assert!(matches!(found, Err(PriceError::BadPrice("bid") | PriceError::NotJson)), "{bad}: {found:?}");
            let found = parse(&ticker("1", bad));
            assert!(matches!(found, Err(PriceError::BadPrice("ask") | PriceError::NotJson)), "{bad}: {found:?}");
        }
        assert_eq!(parse(&ticker("2", "1.999")), Err(PriceError::BadPrice("bid above its ask")));
        assert!(parse(&ticker("2", "2")).is_ok());
    }

    #[test]
    fn one_bad_price_spoils_the_message() {
        let text = r#"{"channel":"ticker","data":[{"symbol":"XLM/USD","bid":1,"ask":2},{"symbol":"BTC/USD","bid":0,"ask":2}]}"#;
        let mut parser = KrakenParser::new(SYMBOLS);
        assert_eq!(parser.parse(text.as_bytes()), Err(PriceError::BadPrice("bid")));
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
                let ticks = [Tick { symbol: 1, bid, ask, ..Tick::default() }];
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

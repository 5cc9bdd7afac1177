//! Coinbase Advanced Trade's WebSocket: the `ticker` and `heartbeats` channels
//! (<https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels>).

use super::reader::{Reader, Symbols, amount, count, price, text};
use super::{PriceError, Tick};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoinbaseMessage<'a> {
    /// Its number: one more than that of the message before, over all channels of a connection.
    pub sequence: u64,
    /// What it says.
    pub kind: CoinbaseKind<'a>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CoinbaseKind<'a> {
    /// Prices of configured symbols; those of others are left out.
    Ticker(&'a [Tick]),
    /// The server is alive, and has counted so many heartbeats.
    Heartbeat(u64),
    /// A subscription was accepted, or a channel that was not asked for.
    Other,
}

/// Reads messages. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct CoinbaseParser {
    symbols: Symbols,
    reader: Reader,
    ticks: Vec<Tick>,
}

impl core::fmt::Debug for CoinbaseParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CoinbaseParser").field("symbols", &self.symbols.len()).finish_non_exhaustive()
    }
}

impl CoinbaseParser {
    /// A parser that knows these products, such as `XLM-USD`, by their places in the list (of at most 65,536).
    #[must_use]
    pub fn new<'s>(products: impl IntoIterator<Item = &'s str>) -> Self {
        let symbols = Symbols::new(products);
        Self { ticks: Vec::with_capacity(symbols.len()), symbols, reader: Reader::new() }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If it is none, has a price that cannot be, or is the server's refusal.
    pub fn parse(&mut self, message: &[u8]) -> Result<CoinbaseMessage<'_>, PriceError> {
        let Self { symbols, reader, ticks } = self;
        ticks.clear();
        let (sequence, kind) = reader.read(message, |value| read(value, symbols, ticks))?;
        let kind = match kind {
            Kind::Ticker => CoinbaseKind::Ticker(ticks),
            Kind::Heartbeat(count) => CoinbaseKind::Heartbeat(count),
            Kind::Other => CoinbaseKind::Other,
        };
        Ok(CoinbaseMessage { sequence, kind })
    }
}

/// The messages that subscribe: one a channel, as the server wants it.
#[must_use]
pub fn subscribe<'s>(products: impl IntoIterator<Item = &'s str>) -> [String; 2] {
    let products: Vec<&str> = products.into_iter().collect();
    [
        serde_json::json!({ "type": "subscribe", "channel": "heartbeats" }).to_string(),
        serde_json::json!({ "type": "subscribe", "channel": "ticker", "product_ids": products }).to_string(),
    ]
}

enum Kind {
    Ticker,
    Heartbeat(u64),
    Other,
}

fn read(message: Value<'_, '_>, symbols: &Symbols, ticks: &mut Vec<Tick>) -> Result<(u64, Kind), PriceError> {
    let object = message.as_object().ok_or(PriceError::Missing("object"))?;
    if object.get("type").is_some_and(|kind| kind.as_str() == Some("error")) {
        return Err(PriceError::Refused);
    }
    let channel = text(&object, "channel")?;
    let sequence = count(&object, "sequence_num")?;
    let kind = match channel {
        "ticker" => {
            each_event(&object, |event| tickers(event, symbols, ticks))?;
            Kind::Ticker
        }
        "heartbeats" => {
            let mut counter = None;
            each_event(&object, |event| {
                counter = Some(count(event, "heartbeat_counter")?);
                Ok(())
            })?;
            Kind::Heartbeat(counter.ok_or(PriceError::Missing("heartbeat_counter"))?)
        }
        _ => Kind::Other,
    };
    Ok((sequence, kind))
}

fn each_event(
    object: &Object<'_, '_>,
    mut read: impl FnMut(&Object<'_, '_>) -> Result<(), PriceError>,
) -> Result<(), PriceError> {
    let events = object.get("events").ok_or(PriceError::Missing("events"))?;
    for event in &events.as_array().ok_or(PriceError::Missing("events"))? {
        read(&event.as_object().ok_or(PriceError::Missing("event"))?)?;
    }
    Ok(())
}

fn tickers(event: &Object<'_, '_>, symbols: &Symbols, ticks: &mut Vec<Tick>) -> Result<(), PriceError> {
    let tickers = event.get("tickers").ok_or(PriceError::Missing("tickers"))?;
    for ticker in &tickers.as_array().ok_or(PriceError::Missing("tickers"))? {
        ticks.extend(tick(&ticker, symbols)?);
    }
    Ok(())
}

/// The tick of a configured product. That of another is checked no less.
fn tick(ticker: &Value<'_, '_>, symbols: &Symbols) -> Result<Option<Tick>, PriceError> {
    let object = ticker.as_object().ok_or(PriceError::Missing("ticker"))?;
    let product = text(&object, "product_id")?;
    let tick = Tick {
        symbol: 0,
        bid: price(&object, "best_bid")?,
        ask: price(&object, "best_ask")?,
        bid_amount: amount(&object, "best_bid_quantity")?,
        ask_amount: amount(&object, "best_ask_quantity")?,
        last: price(&object, "price")?,
    };
    let tick = tick.checked()?;
    Ok(symbols.place(product).map(|symbol| Tick { symbol, ..tick }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICKER: &str = r#"{"channel":"ticker","client_id":"","timestamp":"2023-02-09T20:30:37.167359596Z",
        "sequence_num":7,"events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD",
        "price":"21932.98","volume_24_h":"16038.28770938","low_24_h":"21835.29","high_24_h":"23011.18",
        "best_bid":"21931.98","best_bid_quantity":"8000.21","best_ask":"21933.98","best_ask_quantity":"8038.07770938"}]}]}"#;

    fn parse(text: &str) -> Result<String, PriceError> {
        CoinbaseParser::new(["XLM-USD", "BTC-USD"]).parse(text.as_bytes()).map(|message| format!("{message:?}"))
    }

    #[test]
    fn the_messages_of_the_documentation_are_recognised() {
        let tick = "Tick { symbol: 1, bid: 21931.98, ask: 21933.98, bid_amount: 8000.21, ask_amount: 8038.07770938, last: 21932.98 }";
        let cases = [
            (TICKER.to_owned(), format!("CoinbaseMessage {{ sequence: 7, kind: Ticker([{tick}]) }}")),
            (
                r#"{"channel":"heartbeats","client_id":"","timestamp":"2023-06-23T20:31:26.122969572Z","sequence_num":0,
                "events":[{"current_time":"2023-06-23 20:31:56.121961769 +0000 UTC","heartbeat_counter":"3049"}]}"#
                    .into(),
                "CoinbaseMessage { sequence: 0, kind: Heartbeat(3049) }".into(),
            ),
            (
                r#"{"channel":"heartbeats","sequence_num":1,"events":[{"heartbeat_counter":42}]}"#.into(),
                "CoinbaseMessage { sequence: 1, kind: Heartbeat(42) }".into(),
            ),
            (
                r#"{"channel":"subscriptions","sequence_num":2,"events":[{"subscriptions":{"ticker":["BTC-USD"]}}]}"#
                    .into(),
                "CoinbaseMessage { sequence: 2, kind: Other }".into(),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            ("", PriceError::NotJson),
            ("[]", PriceError::Missing("object")),
            ("{}", PriceError::Missing("channel")),
            (r#"{"type":"error","message":"authentication failure"}"#, PriceError::Refused),
            (r#"{"channel":"ticker","events":[]}"#, PriceError::Missing("sequence_num")),
            (r#"{"channel":"ticker","sequence_num":-1,"events":[]}"#, PriceError::Missing("sequence_num")),
            (r#"{"channel":"ticker","sequence_num":1}"#, PriceError::Missing("events")),
            (r#"{"channel":"ticker","sequence_num":1,"events":[{}]}"#, PriceError::Missing("tickers")),
            (r#"{"channel":"heartbeats","sequence_num":1,"events":[]}"#, PriceError::Missing("heartbeat_counter")),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        for (good, bad, error) in [
            ("\"21931.98\"", "\"0\"", PriceError::BadPrice("best_bid")),
            ("\"21931.98\"", "\"\"", PriceError::BadPrice("best_bid")),
            ("\"21931.98\"", "\"NaN\"", PriceError::BadPrice("best_bid")),
            ("\"21931.98\"", "\"30000\"", PriceError::BadPrice("bid above its ask")),
            ("\"8000.21\"", "\"-1\"", PriceError::BadPrice("best_bid_quantity")),
            ("\"21932.98\"", "\"inf\"", PriceError::BadPrice("price")),
        ] {
            assert_eq!(parse(&TICKER.replace(good, bad)), Err(error), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..TICKER.len(), byte in any::<u8>()) {
            let mut damaged = TICKER.as_bytes().to_vec();
            damaged[at] = byte;
            let mut parser = CoinbaseParser::new(["BTC-USD"]);
            let _ = parser.parse(&damaged);
            let sound = parser.parse(TICKER.as_bytes()).map(|message| message.kind);
            prop_assert!(matches!(sound, Ok(CoinbaseKind::Ticker([_]))));
        }
    }
}

//! Binance's streams and snapshots
//! (<https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>).

use super::reader::{Reader, Symbols, amount, count, number, price, text};
use super::{PriceError, Tick};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};

/// A level of a book: its new amount, not a change of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Its price, exact: in units of 10^-18.
    pub key: u128,
    /// The amount that is there now, finite; 0 removes the level.
    pub amount: f64,
}

/// Changes of a book, or the whole of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth<'a> {
    /// The first update that it holds; of a snapshot the same as the last.
    pub first: u64,
    /// The last update that it holds.
    pub last: u64,
    /// Levels of those who buy.
    pub bids: &'a [Level],
    /// Levels of those who sell.
    pub asks: &'a [Level],
}

/// A message of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BinanceMessage<'a> {
    /// Best prices, with the number of the update that made them.
    BookTicker {
        /// The book's update.
        update: u64,
        /// The prices.
        tick: Tick,
    },
    /// Changes of the book of a configured symbol, by its place in the list.
    Depth(u16, Depth<'a>),
    /// A subscription was accepted, or something that was not asked for.
    Other,
}

/// Reads messages. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct BinanceParser {
    symbols: Symbols,
    reader: Reader,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl core::fmt::Debug for BinanceParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BinanceParser").field("symbols", &self.symbols.len()).finish_non_exhaustive()
    }
}

impl BinanceParser {
    /// A parser that knows these symbols, such as `XLMUSDT`, by their places in the list (of at most 65,536).
    #[must_use]
    pub fn new<'s>(symbols: impl IntoIterator<Item = &'s str>) -> Self {
        Self { symbols: Symbols::new(symbols), reader: Reader::new(), bids: Vec::new(), asks: Vec::new() }
    }

    /// Reads a message of a combined stream.
    ///
    /// # Errors
    /// If it is none, has a price that cannot be, or is the server's refusal.
    pub fn parse(&mut self, message: &[u8]) -> Result<BinanceMessage<'_>, PriceError> {
        let Self { symbols, reader, bids, asks } = self;
        Ok(match reader.read(message, |value| read(value, symbols, bids, asks))? {
            Kind::BookTicker { update, tick } => BinanceMessage::BookTicker { update, tick },
            Kind::Depth { symbol, first, last } => BinanceMessage::Depth(symbol, Depth { first, last, bids, asks }),
            Kind::Other => BinanceMessage::Other,
        })
    }

    /// Reads the answer to a request for a snapshot.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_snapshot(&mut self, body: &[u8]) -> Result<Depth<'_>, PriceError> {
        let Self { reader, bids, asks, .. } = self;
        let last = reader.read(body, |value| {
            let object = value.as_object().ok_or(PriceError::Missing("object"))?;
            levels(&object, "bids", bids)?;
            levels(&object, "asks", asks)?;
            count(&object, "lastUpdateId")
        })?;
        Ok(Depth { first: last, last, bids, asks })
    }
}

/// The message that subscribes to a stream (`bookTicker`, `depth@100ms`) of each symbol. One for all: the server takes
/// no more than five a second.
#[must_use]
pub fn subscribe<'s>(symbols: impl IntoIterator<Item = &'s str>, stream: &str) -> String {
    let streams: Vec<_> = symbols.into_iter().map(|symbol| format!("{}@{stream}", symbol.to_lowercase())).collect();
    serde_json::json!({ "method": "SUBSCRIBE", "params": streams, "id": 1 }).to_string()
}

/// The price that a key stands for.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a reference price is a floating point number")]
pub fn price_of(key: u128) -> f64 {
    key as f64 / 1e18
}

/// The key of a price as the server writes it: digits with at most 18 behind the point, positive.
fn key(text: &str) -> Option<u128> {
    const DECIMALS: usize = 18;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = !whole.is_empty() && whole.len() <= DECIMALS && fraction.len() <= DECIMALS;
    if !fits || !digits(whole) || !digits(fraction) {
        return None;
    }
    let value = whole.bytes().chain(fraction.bytes()).fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let missing = u32::try_from(DECIMALS - fraction.len()).ok()?;
    Some(value * 10_u128.pow(missing)).filter(|key| *key > 0)
}

enum Kind {
    BookTicker { update: u64, tick: Tick },
    Depth { symbol: u16, first: u64, last: u64 },
    Other,
}

fn read(
    message: Value<'_, '_>,
    symbols: &Symbols,
    bids: &mut Vec<Level>,
    asks: &mut Vec<Level>,
) -> Result<Kind, PriceError> {
    let object = message.as_object().ok_or(PriceError::Missing("object"))?;
    let Some(stream) = object.get("stream") else { return answer(&object) };
    let stream = stream.as_str().ok_or(PriceError::Missing("stream"))?;
    let data = object.get("data").ok_or(PriceError::Missing("data"))?;
    let data = data.as_object().ok_or(PriceError::Missing("data"))?;
    let kind = stream.split_once('@').map_or("", |(_, kind)| kind);
    match kind {
        "bookTicker" => book_ticker(&data, symbols),
        "depth" | "depth@100ms" => {
            let (first, last) = (count(&data, "U")?, count(&data, "u")?);
            if first > last {
                return Err(PriceError::Missing("update that is not before its first"));
            }
            levels(&data, "b", bids)?;
            levels(&data, "a", asks)?;
            let symbol = symbols.place(text(&data, "s")?);
            Ok(symbol.map_or(Kind::Other, |symbol| Kind::Depth { symbol, first, last }))
        }
        _ => Ok(Kind::Other),
    }
}

/// The answer to a request of ours, or a word of the server's about itself.
fn answer(object: &Object<'_, '_>) -> Result<Kind, PriceError> {
    if object.get("error").is_some() || object.get("code").is_some() {
        return Err(PriceError::Refused);
    }
    let known = object.get("result").is_some() || object.get("e").is_some();
    if known { Ok(Kind::Other) } else { Err(PriceError::Missing("stream")) }
}

fn book_ticker(data: &Object<'_, '_>, symbols: &Symbols) -> Result<Kind, PriceError> {
    let update = count(data, "u")?;
    let tick = Tick {
        symbol: 0,
        bid: price(data, "b")?,
        ask: price(data, "a")?,
        bid_amount: amount(data, "B")?,
        ask_amount: amount(data, "A")?,
        last: 0.0,
    };
    let tick = tick.checked()?;
    let symbol = symbols.place(text(data, "s")?);
    Ok(symbol.map_or(Kind::Other, |symbol| Kind::BookTicker { update, tick: Tick { symbol, ..tick } }))
}

/// Pairs of price and amount.
fn levels(object: &Object<'_, '_>, name: &'static str, levels: &mut Vec<Level>) -> Result<(), PriceError> {
    levels.clear();
    let pairs = object.get(name).ok_or(PriceError::Missing(name))?;
    for pair in &pairs.as_array().ok_or(PriceError::Missing(name))? {
        let pair = pair.as_array().ok_or(PriceError::Missing(name))?;
        let (Some(price), Some(amount)) = (pair.get(0), pair.get(1)) else { return Err(PriceError::Missing(name)) };
        let key = price.as_str().and_then(key).ok_or(PriceError::BadPrice(name))?;
        let amount = number(&amount).filter(|amount| *amount >= 0.0).ok_or(PriceError::BadPrice(name))?;
        levels.push(Level { key, amount });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICKER: &str = r#"{"stream":"bnbusdt@bookTicker","data":{"u":400900217,"s":"BNBUSDT","b":"25.35190000",
        "B":"31.21000000","a":"25.36520000","A":"40.66000000"}}"#;
    const DEPTH: &str = r#"{"stream":"bnbusdt@depth@100ms","data":{"e":"depthUpdate","E":1672515782136,"s":"BNBUSDT",
        "U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","0.00000000"]]}}"#;
    const SNAPSHOT: &str =
        r#"{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.0"]]}"#;

    fn parser() -> BinanceParser {
        BinanceParser::new(["XLMUSDT", "BNBUSDT"])
    }

    #[test]
    fn the_messages_of_the_documentation_are_recognised() {
        let tick = Tick { symbol: 1, bid: 25.3519, ask: 25.3652, bid_amount: 31.21, ask_amount: 40.66, last: 0.0 };
        let expected = BinanceMessage::BookTicker { update: 400_900_217, tick };
        assert_eq!(parser().parse(TICKER.as_bytes()), Ok(expected));
        let bids = [Level { key: 2_400_000_000_000_000, amount: 10.0 }];
        let asks = [Level { key: 2_600_000_000_000_000, amount: 0.0 }];
        let expected = BinanceMessage::Depth(1, Depth { first: 157, last: 160, bids: &bids, asks: &asks });
        assert_eq!(parser().parse(DEPTH.as_bytes()), Ok(expected));
        assert_eq!(parser().parse(br#"{"result":null,"id":1}"#), Ok(BinanceMessage::Other));
        let mut parser = parser();
        let snapshot = parser.parse_snapshot(SNAPSHOT.as_bytes()).unwrap();
        assert_eq!((snapshot.last, snapshot.bids[0].key), (1_027_024, 4_000_000_000_000_000_000));
        assert_eq!(snapshot.asks, [Level { key: 4_000_002_000_000_000_000, amount: 12.0 }]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused = br#"{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}"#;
        assert_eq!(parser().parse(refused), Err(PriceError::Refused));
        assert_eq!(parser().parse(b"{}"), Err(PriceError::Missing("stream")));
        for (good, bad, error) in [
            ("25.35190000", "26", PriceError::BadPrice("bid above its ask")),
            ("25.35190000", "0", PriceError::BadPrice("b")),
            ("25.36520000", "NaN", PriceError::BadPrice("a")),
        ] {
            assert_eq!(parser().parse(TICKER.replace(good, bad).as_bytes()), Err(error));
        }
        for bad in ["0", "-1", "1e5", "", ".", "1.0000000000000000000", "1234567890123456789"] {
            let found = parser().parse(DEPTH.replace("0.0024", bad).as_bytes()).map(|_| ());
            assert_eq!(found, Err(PriceError::BadPrice("b")), "{bad}");
        }
        assert!(parser().parse(DEPTH.replace("157", "161").as_bytes()).is_err());
    }

    #[test]
    fn every_symbol_is_in_one_subscription() {
        let text = subscribe(["XLMUSDT", "BNBUSDT"], "bookTicker");
        assert!(text.contains(r#"["xlmusdt@bookTicker","bnbusdt@bookTicker"]"#), "{text}");
    }

    proptest! {
        #[test]
        fn a_key_is_the_price_exactly(whole in 0_u64..1_000_000_000, fraction in 1_u64..100_000_000) {
            let expected = u128::from(whole) * 10_u128.pow(18) + u128::from(fraction) * 10_u128.pow(10);
            prop_assert_eq!(key(&format!("{whole}.{fraction:08}")), Some(expected));
        }

        #[test]
        fn no_bytes_make_it_panic(at in 0..DEPTH.len(), byte in any::<u8>()) {
            let mut damaged = DEPTH.as_bytes().to_vec();
            damaged[at] = byte;
            let mut parser = parser();
            let _ = parser.parse(&damaged);
            prop_assert!(matches!(parser.parse(DEPTH.as_bytes()), Ok(BinanceMessage::Depth(1, _))));
        }
    }
}

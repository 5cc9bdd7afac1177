//! CoinGecko's simple prices (<https://docs.coingecko.com/reference/simple-price>), with the time of each.

use super::PriceError;
use super::reader::{Reader, count, number};
use simd_json::prelude::ValueAsScalar;

/// A price, and when it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoinPrice {
    /// The pair's place in the configured list.
    pub pair: u16,
    /// Units of the currency for one coin, finite and positive.
    pub price: f64,
    /// Seconds since 1970.
    pub updated_s: u64,
}

/// Reads answers. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct CoinGeckoParser {
    /// Coin and currency of each pair.
    pairs: Vec<(String, String)>,
    reader: Reader,
    prices: Vec<CoinPrice>,
}

impl core::fmt::Debug for CoinGeckoParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CoinGeckoParser").field("pairs", &self.pairs).finish_non_exhaustive()
    }
}

impl CoinGeckoParser {
    /// A parser that knows these pairs of a coin's id and a currency, such as `stellar` and `usd`.
    #[must_use]
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { prices: Vec::with_capacity(pairs.len()), pairs, reader: Reader::new() }
    }

    /// Reads an answer: the prices of the configured pairs that it has. A coin that the server does not know is not in
    /// its answer.
    ///
    /// # Errors
    /// If it is none, or has a price that cannot be.
    pub fn parse(&mut self, body: &[u8]) -> Result<&[CoinPrice], PriceError> {
        let Self { pairs, reader, prices } = self;
        prices.clear();
        reader.read(body, |value| {
            let coins = value.as_object().ok_or(PriceError::Missing("object"))?;
            for ((coin, currency), pair) in pairs.iter().zip(0..) {
                let Some(found) = coins.get(coin) else { continue };
                let found = found.as_object().ok_or(PriceError::Missing("coin"))?;
                // A coin without a market has null.
                let Some(value) = found.get(currency) else { continue };
                if value.as_null().is_some() {
                    continue;
                }
                let updated_s = count(&found, "last_updated_at")?;
                let price = number(&value).filter(|price| *price > 0.0).ok_or(PriceError::BadPrice("price"))?;
                prices.push(CoinPrice { pair, price, updated_s });
            }
            Ok(())
        })?;
        Ok(prices)
    }
}

/// What is asked for: path and query after `/api/v3`.
#[must_use]
pub fn path<'p>(pairs: impl IntoIterator<Item = &'p (String, String)>) -> String {
    let (mut coins, mut currencies): (Vec<&str>, Vec<&str>) =
        pairs.into_iter().map(|(coin, currency)| (coin.as_str(), currency.as_str())).unzip();
    for names in [&mut coins, &mut currencies] {
        names.sort_unstable();
        names.dedup();
    }
    let (coins, currencies) = (coins.join(","), currencies.join(","));
    format!("/simple/price?ids={coins}&vs_currencies={currencies}&include_last_updated_at=true&precision=full")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = r#"{"stellar":{"usd":0.10043,"eur":0.0921,"last_updated_at":1711356300},
        "bitcoin":{"usd":67187.3358936566,"eur":null,"last_updated_at":1711356301},"other":{"usd":1}}"#;

    fn pairs() -> Vec<(String, String)> {
        let pair = |(coin, currency): (&str, &str)| (coin.to_owned(), currency.to_owned());
        [("bitcoin", "usd"), ("stellar", "usd"), ("stellar", "eur"), ("bitcoin", "eur"), ("nocoin", "usd")]
            .map(pair)
            .to_vec()
    }

    #[test]
    fn the_answer_of_the_documentation_is_understood() {
        let mut parser = CoinGeckoParser::new(pairs());
        let expected =
            [(0, 67_187.335_893_656_6, 1_711_356_301), (1, 0.10043, 1_711_356_300), (2, 0.0921, 1_711_356_300)];
        let expected = expected.map(|(pair, price, updated_s)| CoinPrice { pair, price, updated_s });
        assert_eq!(parser.parse(ANSWER.as_bytes()), Ok(&expected[..]));
        let path = path(&pairs());
        assert!(path.starts_with("/simple/price?ids=bitcoin,nocoin,stellar&vs_currencies=eur,usd&"), "{path}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let mut parser = CoinGeckoParser::new(pairs());
        for (text, error) in [
            ("<html>", PriceError::NotJson),
            ("[]", PriceError::Missing("object")),
            (r#"{"stellar":1}"#, PriceError::Missing("coin")),
            (r#"{"stellar":{"usd":0.1}}"#, PriceError::Missing("last_updated_at")),
        ] {
            assert_eq!(parser.parse(text.as_bytes()), Err(error), "{text}");
        }
        for bad in ["0", "-1", "\"NaN\""] {
            let text = format!(r#"{{"stellar":{{"usd":{bad},"last_updated_at":1}}}}"#);
            assert!(matches!(parser.parse(text.as_bytes()), Err(PriceError::BadPrice(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..ANSWER.len(), byte in any::<u8>()) {
            let mut damaged = ANSWER.as_bytes().to_vec();
            damaged[at] = byte;
            let mut parser = CoinGeckoParser::new(pairs());
            let _ = parser.parse(&damaged).map(<[_]>::len);
            prop_assert_eq!(parser.parse(ANSWER.as_bytes()).map(<[_]>::len), Ok(3));
        }
    }
}

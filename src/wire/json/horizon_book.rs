//! Horizon's order book, as `/order_book` and its stream tell it. Prices are read from `price_r`, exactly.

use super::tape::TapeReader;
use crate::stellar::{Price, Stroops};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};

/// Why a book is not used. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HorizonBookError {
    /// Not JSON, or not UTF-8, or nested too deep.
    #[error("the order book is not JSON")]
    NotJson,
    /// A field that is missing or cannot be.
    #[error("the order book's {0} is missing or cannot be")]
    Bad(&'static str),
}

/// A level: the price in counter for one of base, and an amount of what the side sells (bids: counter; asks: base).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookLevel {
    /// Counter for base.
    pub price: Price,
    /// Positive.
    pub amount: Stroops,
}

/// A book, as deep as it is looked at. Best levels first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HorizonBook<'p> {
    /// Who buys base.
    pub bids: &'p [BookLevel],
    /// Who sells base.
    pub asks: &'p [BookLevel],
    /// Whether anything of it differs from the book before.
    pub is_new: bool,
}

/// Reads one market's books, one after the other. Its buffers are kept, so that nothing is allocated once they have grown.
///
/// A server tells a book whenever a stream begins anew, and when something changes beyond the depth that we look at. A
/// message that is the last one to the byte is not parsed again; and levels that are those of the last are said to be so.
pub struct HorizonBookParser {
    depth: usize,
    reader: TapeReader,
    /// The last good message; empty if there is none.
    message: Vec<u8>,
    bids: Vec<BookLevel>,
    asks: Vec<BookLevel>,
    /// Where the next book's levels are put together.
    next: [Vec<BookLevel>; 2],
}

impl core::fmt::Debug for HorizonBookParser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HorizonBookParser").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl HorizonBookParser {
    /// A parser of the best `depth` levels of each side; those beyond are not looked at.
    #[must_use]
    pub fn new(depth: usize) -> Self {
        let (bids, asks, next) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        Self { depth, reader: TapeReader::new(), message: Vec::new(), bids, asks, next }
    }

    /// The book that a message is.
    ///
    /// # Errors
    /// If it is none; then the next one is new.
    pub fn parse(&mut self, message: &[u8]) -> Result<HorizonBook<'_>, HorizonBookError> {
        let mut is_new = false;
        if message != self.message || message.is_empty() {
            let (had, [bids, asks]) = (!self.message.is_empty(), &mut self.next);
            self.message.clear();
            let read = self.reader.read(message, |book| read(book, self.depth, bids, asks));
            read.ok_or(HorizonBookError::NotJson)??;
            self.message.extend_from_slice(message);
            is_new = !had || (&*bids, &*asks) != (&self.bids, &self.asks);
            core::mem::swap(&mut self.bids, bids);
            core::mem::swap(&mut self.asks, asks);
        }
        Ok(HorizonBook { bids: &self.bids, asks: &self.asks, is_new })
    }
}

fn read(
    book: Value<'_, '_>,
    depth: usize,
    bids: &mut Vec<BookLevel>,
    asks: &mut Vec<BookLevel>,
) -> Result<(), HorizonBookError> {
    let book = book.as_object().ok_or(HorizonBookError::Bad("object"))?;
    for (name, levels) in [("bids", bids), ("asks", asks)] {
        levels.clear();
        let side = book.get(name).ok_or(HorizonBookError::Bad(name))?;
        for at in &side.as_array().ok_or(HorizonBookError::Bad(name))? {
            if levels.len() == depth {
                break;
            }
            levels.push(level(&at.as_object().ok_or(HorizonBookError::Bad("level"))?)?);
        }
    }
    Ok(())
}

fn level(level: &Object<'_, '_>) -> Result<BookLevel, HorizonBookError> {
    let bad = HorizonBookError::Bad;
    let ratio = level.get("price_r").ok_or(bad("price_r"))?;
    let ratio = ratio.as_object().ok_or(bad("price_r"))?;
    let part = |name| ratio.get(name).and_then(|part| part.as_i32()).ok_or(bad("price_r"));
    let price = Price::new(part("n")?, part("d")?).map_err(|_| bad("price_r"))?;
    let amount = level.get("amount").ok_or(bad("amount"))?;
    let amount = amount.as_str().and_then(stroops).filter(|amount| *amount > 0).ok_or(bad("amount"))?;
    Ok(BookLevel { price, amount: Stroops(amount) })
}

/// An amount as Horizon writes it: units, a point, seven digits.
fn stroops(text: &str) -> Option<i64> {
    let (units, fraction) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    if !digits(units) || !digits(fraction) || fraction.len() != 7 {
        return None;
    }
    units.parse::<i64>().ok()?.checked_mul(10_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;
    use proptest::prelude::*;

    const LEVEL: &str = r#"{"price_r":{"n":1,"d":3},"price":"0.3333333","amount":"922337203685.4775807"}"#;

    fn book<'p>(
        bids: &'p [BookLevel],
        asks: &'p [BookLevel],
        is_new: bool,
    ) -> Result<HorizonBook<'p>, HorizonBookError> {
        Ok(HorizonBook { bids, asks, is_new })
    }

    #[test]
    fn prices_and_amounts_are_exact_and_levels_beyond_the_depth_are_left_out() {
        let text = format!(r#"{{"bids":[{LEVEL},{LEVEL},{LEVEL}],"asks":[{LEVEL}]}}"#);
        let mut parser = HorizonBookParser::new(2);
        let level = BookLevel { price: Price::new(1, 3).unwrap(), amount: Stroops(i64::MAX) };
        assert_eq!(parser.parse(text.as_bytes()), book(&[level; 2], &[level], true));
        assert_eq!(parser.parse(br#"{"bids":[],"asks":[]}"#), book(&[], &[], true));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut parser = HorizonBookParser::new(2);
        for (from, to) in
            [("\"n\":1", "\"n\":0"), ("5807", "5808"), ("922337203685.", "-1."), ("5807", "580"), ("_r", "")]
        {
            let text = format!(r#"{{"bids":[{}],"asks":[]}}"#, LEVEL.replace(from, to));
            assert!(matches!(parser.parse(text.as_bytes()), Err(HorizonBookError::Bad(_))), "{text}");
        }
        for text in ["{", ""] {
            assert_eq!(parser.parse(text.as_bytes()), Err(HorizonBookError::NotJson));
        }
    }

    /// A message, good unless it is cut: levels (price, amount) of each side.
    type Made = (Vec<(i32, u8)>, Vec<(i32, u8)>, bool);

    fn message((bids, asks, cut): &Made) -> Vec<u8> {
        let side = |levels: &[(i32, u8)]| {
            levels.iter().fold(String::new(), |mut text, (n, amount)| {
                let comma = if text.is_empty() { "" } else { "," };
                let _ = write!(text, r#"{comma}{{"price_r":{{"n":{n},"d":7}},"amount":"{amount}.0000001"}}"#);
                text
            })
        };
        let mut text = format!(r#"{{"bids":[{}],"asks":[{}]}}"#, side(bids), side(asks));
        if *cut {
            text.pop();
        }
        text.into_bytes()
    }

    fn side() -> impl Strategy<Value = Vec<(i32, u8)>> {
        prop::collection::vec((1..3_i32, 0..2_u8), 0..4)
    }

    proptest! {
        /// Few values, so that books repeat, whole or as deep as we look.
        #[test]
        fn what_is_skipped_is_what_did_not_change(
            made in prop::collection::vec((side(), side(), prop::bool::weighted(0.1)), 1..40),
            repeats in prop::collection::vec(1..3_usize, 40),
        ) {
            let mut parser = HorizonBookParser::new(2);
            let mut last: Option<(Vec<BookLevel>, Vec<BookLevel>)> = None;
            let stream = made.iter().zip(repeats).flat_map(|(made, times)| std::iter::repeat_n(message(made), times));
            for message in stream {
                let mut fresh = HorizonBookParser::new(2);
                match (parser.parse(&message), fresh.parse(&message)) {
                    (Ok(found), Ok(true_one)) => {
                        prop_assert_eq!((found.bids, found.asks), (true_one.bids, true_one.asks));
                        let levels = (found.bids.to_vec(), found.asks.to_vec());
                        prop_assert_eq!(found.is_new, last.as_ref() != Some(&levels));
                        last = Some(levels);
                    }
                    (found, true_one) => {
                        prop_assert!(true_one.is_err());
                        prop_assert_eq!(found.err(), true_one.err());
                        last = None;
                    }
                }
            }
        }
    }
}

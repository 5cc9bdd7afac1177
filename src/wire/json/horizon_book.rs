//! Horizon's order book, as `/order_book` and its stream tell it. Prices are read from `price_r`, exactly.

use crate::stellar::{Price, Stroops};
use simd_json::prelude::ValueAsScalar;
use simd_json::tape::{Object, Value};
use simd_json::{Buffers, Tape};

/// The deepest nesting that is looked into; a book has four.
const MAX_DEPTH: usize = 16;

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

/// Reads books. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct HorizonBookParser {
    depth: usize,
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
    bids: Vec<BookLevel>,
    asks: Vec<BookLevel>,
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
        let (buffers, tape) = (Buffers::with_max_depth(32 << 10, MAX_DEPTH), Tape(Vec::new()));
        Self { depth, text: Vec::new(), buffers, tape, bids: Vec::new(), asks: Vec::new() }
    }

    /// Bids and asks, best first.
    ///
    /// # Errors
    /// If the message is no book.
    pub fn parse(&mut self, message: &[u8]) -> Result<(&[BookLevel], &[BookLevel]), HorizonBookError> {
        self.text.clear();
        self.text.extend_from_slice(message);
        let mut tape = core::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let read = match simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape) {
            Ok(()) => read(tape.as_value(), self.depth, &mut self.bids, &mut self.asks),
            Err(_) => Err(HorizonBookError::NotJson),
        };
        self.tape = tape.reset();
        read.map(|()| (&self.bids[..], &self.asks[..]))
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

    const LEVEL: &str = r#"{"price_r":{"n":1,"d":3},"price":"0.3333333","amount":"922337203685.4775807"}"#;

    #[test]
    fn prices_and_amounts_are_exact_and_levels_beyond_the_depth_are_left_out() {
        let text = format!(r#"{{"bids":[{LEVEL},{LEVEL},{LEVEL}],"asks":[{LEVEL}]}}"#);
        let mut parser = HorizonBookParser::new(2);
        let level = BookLevel { price: Price::new(1, 3).unwrap(), amount: Stroops(i64::MAX) };
        assert_eq!(parser.parse(text.as_bytes()), Ok((&[level; 2][..], &[level][..])));
        assert_eq!(parser.parse(br#"{"bids":[],"asks":[]}"#), Ok((&[][..], &[][..])));
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
        assert_eq!(parser.parse(b"{"), Err(HorizonBookError::NotJson));
    }
}

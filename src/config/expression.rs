//! Prices as people write them: `max(kraken-like names, functions, numbers)`.
//!
//! ```text
//! 0.12   fixed(0.12)
//! XLM/USD                                        the middle of a symbol at the exchange of [reference]
//! exchange(binance, XLMUSDT, micro, stale=2s)    mid, bid, ask, last or micro; mid if it is not said
//! sdex(XLM, USDC:G…, vwap=5000, stale=20s)       those, pool, or vwap= an amount of base
//! invert(…)  times(…, …)  max(…, …)  min(…, …)  median(…, …)
//! ```

use super::HORIZON_REFERENCE;
use super::values::{amount, parse_duration};
use crate::events::Quoted;
use crate::stellar::{Asset, Market};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// How an expression calls the exchange of `[reference]`.
pub const REFERENCE: &str = "reference";
/// The longest expression, bytes.
const MAX_BYTES: usize = 2_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 8;

/// A price made of others, as it was written and as it is understood.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceExpression {
    text: String,
    /// What it says.
    pub term: Term,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A number, finite and positive.
    Fixed(f64),
    /// A price of an exchange.
    Exchange {
        /// The exchange's name.
        exchange: String,
        /// As the exchange writes it.
        symbol: String,
        /// Which price.
        what: Quoted,
        /// An older one is not used; the exchange's own limit if it is not said.
        stale_after: Option<Duration>,
    },
    /// A price of a configured Stellar market, as the market is written.
    Sdex {
        /// Its assets.
        assets: Market,
        /// Which price.
        what: Quoted,
        /// One of an older ledger is not used; core's `late_after` if it is not said.
        stale_after: Option<Duration>,
    },
    /// One over another price.
    Invert(Box<Term>),
    /// The product of others.
    Times(Vec<Term>),
    /// The greatest of others.
    Max(Vec<Term>),
    /// The least of others.
    Min(Vec<Term>),
    /// The median of others.
    Median(Vec<Term>),
}

impl PriceExpression {
    /// The middle of a symbol at the exchange of `[reference]`.
    ///
    /// # Errors
    /// If it is no symbol.
    pub fn of_symbol(symbol: &str) -> Result<Self, String> {
        let term = Term::of_symbol(symbol)?;
        Ok(Self { text: symbol.to_owned(), term })
    }
}

impl fmt::Display for PriceExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PriceExpression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("has {} bytes, at most {MAX_BYTES} are possible", text.len()));
        }
        let mut reader = Reader { rest: text.trim() };
        let term = reader.term(0)?;
        match reader.rest.trim() {
            "" => Ok(Self { text: text.to_owned(), term }),
            rest => Err(format!("goes on with '{rest}' where it should end")),
        }
    }
}

impl Term {
    fn of_symbol(symbol: &str) -> Result<Self, String> {
        let symbol = super::values::symbol(symbol)?;
        Ok(Self::Exchange { exchange: REFERENCE.to_owned(), symbol, what: Quoted::Mid, stale_after: None })
    }

    /// Calls `see` with this term and with every one inside it.
    pub fn visit<'t>(&'t self, see: &mut impl FnMut(&'t Self)) {
        see(self);
        match self {
            Self::Fixed(_) | Self::Exchange { .. } | Self::Sdex { .. } => {}
            Self::Invert(inner) => inner.visit(see),
            Self::Times(inner) | Self::Max(inner) | Self::Min(inner) | Self::Median(inner) => {
                inner.iter().for_each(|term| term.visit(see));
            }
        }
    }
}

/// Reads from the front of a text.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    /// A term: a word, or a function of terms.
    fn term(&mut self, depth: usize) -> Result<Term, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH}"));
        }
        let word = self.word()?;
        if !self.eat('(') {
            return match word.parse::<f64>() {
                Ok(_) => fixed(word),
                Err(_) => Term::of_symbol(word),
            };
        }
        match word {
            "fixed" => {
                let [number] = self.words(word, ["number"])?;
                self.end(word)?;
                fixed(number)
            }
            "exchange" => self.exchange(),
            "sdex" => self.sdex(),
            "invert" => match <[Term; 1]>::try_from(self.terms(depth)?) {
                Ok([inner]) => Ok(Term::Invert(Box::new(inner))),
                Err(_) => Err("'invert' takes one price".to_owned()),
            },
            "times" => self.terms(depth).map(Term::Times),
            "max" => self.terms(depth).map(Term::Max),
            "min" => self.terms(depth).map(Term::Min),
            "median" => self.terms(depth).map(Term::Median),
            _ => {
                Err(format!("'{word}' is no function: write fixed, exchange, sdex, invert, times, max, min or median"))
            }
        }
    }

    /// The rest of a list of terms, and its end.
    fn terms(&mut self, depth: usize) -> Result<Vec<Term>, String> {
        let mut terms = Vec::new();
        loop {
            terms.push(self.term(depth + 1)?);
            if self.eat(')') {
                return Ok(terms);
            }
            if !self.eat(',') {
                return Err(self.wants("a comma or a closing bracket"));
            }
        }
    }

    fn exchange(&mut self) -> Result<Term, String> {
        let [exchange, symbol] = self.words("exchange", ["name", "symbol"])?;
        let (what, stale_after) = self.options(false)?;
        let symbol = if exchange == HORIZON_REFERENCE { pair(symbol)? } else { super::values::symbol(symbol)? };
        Ok(Term::Exchange { exchange: exchange.to_owned(), symbol, what, stale_after })
    }

    fn sdex(&mut self) -> Result<Term, String> {
        let [base, quote] = self.words("sdex", ["base", "quote"])?;
        let asset = |text: &str| text.parse::<Asset>().map_err(|error| error.to_string());
        let assets = Market { base: asset(base)?, quote: asset(quote)? };
        let (what, stale_after) = self.options(true)?;
        Ok(Term::Sdex { assets, what, stale_after })
    }

    /// What may follow the names of a venue, and the end.
    fn options(&mut self, sdex: bool) -> Result<(Quoted, Option<Duration>), String> {
        let (mut what, mut stale_after) = (None, None);
        while self.eat(',') {
            let word = self.word()?;
            let value = if self.eat('=') { Some(self.word()?) } else { None };
            let again = match (word, value) {
                ("stale", Some(time)) => stale_after.replace(parse_duration(time)?).is_some(),
                (word, value) => what.replace(quoted(word, value, sdex)?).is_some(),
            };
            if again {
                return Err(format!("says with '{word}' what it has said before"));
            }
        }
        self.end(if sdex { "sdex" } else { "exchange" })?;
        Ok((what.unwrap_or(Quoted::Mid), stale_after))
    }

    fn words<const N: usize>(&mut self, function: &str, names: [&str; N]) -> Result<[&'t str; N], String> {
        let mut words = [""; N];
        for (at, name) in names.iter().enumerate() {
            if at > 0 && !self.eat(',') {
                return Err(format!("'{function}' lacks its {name}"));
            }
            words[at] = self.word()?;
        }
        Ok(words)
    }

    fn end(&mut self, function: &str) -> Result<(), String> {
        if self.eat(')') { Ok(()) } else { Err(self.wants(&format!("a bracket that closes '{function}'"))) }
    }

    fn word(&mut self) -> Result<&'t str, String> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| "(),=".contains(c) || c.is_whitespace()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(self.wants("a name or a number"));
        }
        self.rest = rest;
        Ok(word)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn wants(&self, what: &str) -> String {
        match self.rest.trim() {
            "" => format!("ends where {what} should be"),
            rest => format!("has '{rest}' where {what} should be"),
        }
    }
}

/// Two Stellar assets, as Horizon's streams are named.
fn pair(text: &str) -> Result<String, String> {
    let asset = |text: &str| text.parse::<Asset>().is_ok();
    let good = text.split_once('/').is_some_and(|(base, quote)| asset(base) && asset(quote));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is no pair of assets: write it like XLM/CODE:ISSUER"))
    }
}

fn fixed(text: &str) -> Result<Term, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.map(Term::Fixed).ok_or_else(|| format!("'{text}' is no price: a number greater than 0 is wanted"))
}

fn quoted(word: &str, value: Option<&str>, sdex: bool) -> Result<Quoted, String> {
    match (word, value) {
        ("mid", None) => Ok(Quoted::Mid),
        ("bid", None) => Ok(Quoted::Bid),
        ("ask", None) => Ok(Quoted::Ask),
        ("last", None) => Ok(Quoted::Last),
        ("micro", None) => Ok(Quoted::Micro),
        ("pool", None) if sdex => Ok(Quoted::Pool),
        ("vwap", Some(text)) if sdex => amount(text).map(Quoted::Vwap),
        _ => {
            let more = if sdex { ", pool, vwap=amount" } else { "" };
            Err(format!("'{word}' is no price of it: write mid, bid, ask, last, micro{more} or stale=time"))
        }
    }
}

#[cfg(test)]
mod tests;

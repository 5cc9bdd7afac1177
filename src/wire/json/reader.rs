//! What the messages of all exchanges have in common: memory that is kept, prices that can be, symbols that we know.

use rustc_hash::FxHashMap;
use simd_json::prelude::{ValueAsScalar, ValueIntoString};
use simd_json::tape::{Object, Value};
use simd_json::{Buffers, Tape};

/// The deepest nesting that is looked into; no exchange's message has more than six.
pub(super) const MAX_DEPTH: usize = 32;

/// Why a message is not used. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not JSON, or not UTF-8, or nested too deep.
    #[error("the message is not JSON")]
    NotJson,
    /// JSON, but not of the shape that the API has.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A price or an amount that is none: not a number, not finite, not positive, or a bid above the ask.
    #[error("the message's {0} cannot be")]
    BadPrice(&'static str),
    /// The server refused what was asked, such as a symbol that it does not know.
    #[error("the server refused the subscription: is every symbol one that it trades?")]
    Refused,
}

/// Best bid and ask of a symbol: finite, positive, the ask at least the bid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tick {
    /// The symbol's place in the configured list.
    pub symbol: u16,
    /// Best bid.
    pub bid: f64,
    /// Best ask.
    pub ask: f64,
    /// Base that the best bid buys, finite; 0 if the message does not say.
    pub bid_amount: f64,
    /// Base that the best ask sells, finite; 0 if the message does not say.
    pub ask_amount: f64,
    /// Price of the last trade, finite; 0 if the message does not say.
    pub last: f64,
}

impl Tick {
    /// Itself, if its bid is not above its ask.
    pub(super) fn checked(self) -> Result<Self, PriceError> {
        if self.bid > self.ask { Err(PriceError::BadPrice("bid above its ask")) } else { Ok(self) }
    }
}

/// Parses one message after the other in the same memory.
pub(super) struct Reader {
    /// The message, which parsing writes into.
    text: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { text: Vec::new(), buffers: Buffers::with_max_depth(4096, MAX_DEPTH), tape: Tape(Vec::new()) }
    }

    /// What `read` makes of the message.
    pub(super) fn read<T>(
        &mut self,
        message: &[u8],
        read: impl FnOnce(Value<'_, '_>) -> Result<T, PriceError>,
    ) -> Result<T, PriceError> {
        self.text.clear();
        self.text.extend_from_slice(message);
        let mut tape = core::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match simd_json::fill_tape(&mut self.text, &mut self.buffers, &mut tape) {
            Ok(()) => read(tape.as_value()),
            Err(_) => Err(PriceError::NotJson),
        };
        self.tape = tape.reset();
        result
    }
}

/// The symbols that are known, by their places in the configured list.
pub(super) struct Symbols(FxHashMap<Box<[u8]>, u16>);

impl Symbols {
    pub(super) fn new<'s>(names: impl IntoIterator<Item = &'s str>) -> Self {
        Self(names.into_iter().map(|name| name.as_bytes().into()).zip(0..).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn place(&self, name: &str) -> Option<u16> {
        self.0.get(name.as_bytes()).copied()
    }
}

/// A member that is a text.
pub(super) fn text<'t>(object: &Object<'_, 't>, name: &'static str) -> Result<&'t str, PriceError> {
    let value = object.get(name).ok_or(PriceError::Missing(name))?;
    value.into_string().ok_or(PriceError::Missing(name))
}

/// A member that is a whole number, which some servers write as a text.
pub(super) fn count(object: &Object<'_, '_>, name: &'static str) -> Result<u64, PriceError> {
    let value = object.get(name).ok_or(PriceError::Missing(name))?;
    let count = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_u64(),
    };
    count.ok_or(PriceError::Missing(name))
}

/// A price: a number or a text, finite and positive.
pub(super) fn price(object: &Object<'_, '_>, name: &'static str) -> Result<f64, PriceError> {
    let value = object.get(name).ok_or(PriceError::Missing(name))?;
    number(&value).filter(|price| *price > 0.0).ok_or(PriceError::BadPrice(name))
}

/// An amount, or a price that need not be there: finite, not negative; 0 if it is not there.
pub(super) fn amount(object: &Object<'_, '_>, name: &'static str) -> Result<f64, PriceError> {
    let Some(value) = object.get(name) else { return Ok(0.0) };
    number(&value).filter(|amount| *amount >= 0.0).ok_or(PriceError::BadPrice(name))
}

/// A finite number, written as one or as a text.
pub(super) fn number(value: &Value<'_, '_>) -> Option<f64> {
    let number: Option<f64> = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.cast_f64(),
    };
    number.filter(|number| number.is_finite())
}

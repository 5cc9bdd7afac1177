//! A bounded list of quotes.

use crate::events::Quote;
use crate::stellar::{Price, Side, Stroops};

/// The most quotes that one market shows, both sides together.
pub const MAX_QUOTES: usize = 32;

/// Quotes of one market: at most [`MAX_QUOTES`], the rest is refused.
#[derive(Clone, Debug)]
pub struct QuoteList {
    quotes: [Quote; MAX_QUOTES],
    len: usize,
}

const NOTHING: Quote = Quote {
    side: Side::Bid,
    price: match Price::new(1, 1) {
        Ok(price) => price,
        Err(_) => unreachable!(),
    },
    amount: Stroops::ZERO,
};

impl Default for QuoteList {
    fn default() -> Self {
        Self { quotes: [NOTHING; MAX_QUOTES], len: 0 }
    }
}

impl QuoteList {
    /// Adds a quote; false if there is no room.
    pub fn push(&mut self, quote: Quote) -> bool {
        let fits = self.len < MAX_QUOTES;
        if fits {
            self.quotes[self.len] = quote;
            self.len += 1;
        }
        fits
    }

    /// Empties the list.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The quotes, in the order they were added.
    #[must_use]
    pub fn as_slice(&self) -> &[Quote] {
        &self.quotes[..self.len]
    }

    /// The quotes of one side, in the order they were added.
    pub fn side(&self, side: Side) -> impl Iterator<Item = &Quote> {
        self.as_slice().iter().filter(move |quote| quote.side == side)
    }
}

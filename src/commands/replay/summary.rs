//! What a replay found, for people and for programs.

use super::survey::{Claims, Glance, LeftOut};
use crate::book::{BookStage, LastTrade, Traded};
use crate::stellar::{Asset, LedgerSeq, Market, MarketTable, Price, STROOPS_PER_UNIT, Side};
use serde::Serialize;
use std::io::{self, Write};

/// What recordings held.
#[derive(Debug, Default)]
pub struct Summary {
    /// First and last ledger.
    pub range: Option<(LedgerSeq, LedgerSeq)>,
    /// Ledgers.
    pub ledgers: u64,
    /// Transactions, failed ones included.
    pub transactions: u64,
    /// Transactions that failed.
    pub failed_transactions: u64,
    /// Offers that stand at the end, as far as the recordings show them (those of the last run of ledgers).
    pub offers: u64,
    /// Offers for which there was no room.
    pub offers_left_out: u64,
    /// Claim atoms of transactions that failed as a whole: they stand in the results, but nothing was traded.
    pub undone: Claims,
    /// Every market that traded, or that has or had offers or a pool; most trades first.
    pub markets: Vec<MarketSummary>,
    pub(super) left_out: LeftOut,
}

/// What recordings held of a market.
#[derive(Clone, Copy, Debug)]
pub struct MarketSummary {
    /// Which.
    pub market: Market,
    /// Claims and volumes.
    pub traded: Traded,
    /// The last trade that has a price.
    pub last_trade: Option<LastTrade>,
    /// Best bid among the offers that the recording shows.
    pub best_bid: Option<Price>,
    /// Best ask among the offers that the recording shows.
    pub best_ask: Option<Price>,
}

impl Summary {
    /// Nothing yet, of these markets.
    pub(super) fn new(markets: &MarketTable, left_out: LeftOut) -> Self {
        let nothing = |market: &Market| MarketSummary {
            market: *market,
            traded: Traded::default(),
            last_trade: None,
            best_bid: None,
            best_ask: None,
        };
        Self { markets: markets.markets().iter().map(nothing).collect(), left_out, ..Self::default() }
    }

    /// Adds what an uninterrupted run of ledgers has left. Of a market that two runs have touched, last price and best
    /// offers are the later run's.
    pub(super) fn add(&mut self, stage: &BookStage) {
        let (books, counters) = (stage.books(), stage.counters());
        self.ledgers += counters.ledgers;
        self.transactions += counters.transactions;
        self.failed_transactions += counters.failed_transactions;
        self.offers = books.len() as u64;
        for (summary, book) in self.markets.iter_mut().zip(books.markets()) {
            if book.changed_in() == LedgerSeq(0) {
                continue;
            }
            let traded = book.traded();
            summary.traded.book_claims += traded.book_claims;
            summary.traded.pool_claims += traded.pool_claims;
            summary.traded.base += traded.base;
            summary.traded.quote += traded.quote;
            summary.last_trade = book.last_trade().or(summary.last_trade);
            summary.best_bid = book.best(Side::Bid);
            summary.best_ask = book.best(Side::Ask);
        }
        let refused = books.refusals();
        self.offers_left_out += refused.offers + refused.levels;
    }

    /// One more ledger.
    pub(super) fn see(&mut self, ledger: &Glance) {
        let first = self.range.map_or(ledger.seq, |(first, _)| first);
        self.range = Some((first, ledger.seq));
        self.undone += ledger.undone;
    }

    /// Puts the markets in the order in which they are shown: most trades first.
    pub(super) fn sort(&mut self) {
        self.markets
            .sort_by_key(|market| (core::cmp::Reverse(market.trades()), market.market.base, market.market.quote));
    }

    /// The claim atoms in the ledgers' results: all trades, and what was [undone](Self::undone).
    #[must_use]
    pub fn claims(&self) -> Claims {
        let mut claims = self.undone;
        claims += self.left_out.claims;
        for MarketSummary { traded, .. } in &self.markets {
            claims += Claims { book: traded.book_claims, pool: traded.pool_claims };
        }
        claims
    }

    /// Writes it for a program: one JSON object on one line.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.json())?;
        writeln!(out)
    }

    fn json(&self) -> Json {
        let claims = self.claims();
        Json {
            ledgers: self.ledgers,
            transactions: self.transactions,
            failed_transactions: self.failed_transactions,
            book_claims: claims.book,
            pool_claims: claims.pool,
            markets: self.markets.iter().map(MarketSummary::json).collect(),
            first_ledger: self.range.map(|(first, _)| first.0),
            last_ledger: self.range.map(|(_, last)| last.0),
            undone_book_claims: self.undone.book,
            undone_pool_claims: self.undone.pool,
            offers: self.offers,
            markets_left_out: self.left_out.markets,
            offers_left_out: self.offers_left_out,
        }
    }

    /// Writes it for a person: a header, and a market a line.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let range = self.range.map(|(first, last)| format!(" ({first} to {last})")).unwrap_or_default();
        let claims = self.claims();
        writeln!(
            out,
            "{} ledgers{range}, {} transactions ({} failed), {} book claims, {} pool claims ({} undone with failed transactions)",
            self.ledgers,
            self.transactions,
            self.failed_transactions,
            claims.book,
            claims.pool,
            self.undone.all(),
        )?;
        writeln!(
            out,
            "{:<40} {:>8} {:>24} {:>24} {:>14} {:>14} {:>14}",
            "market", "trades", "base volume", "quote volume", "last price", "best bid", "best ask"
        )?;
        for market in &self.markets {
            market.write_line(out)?;
        }
        if self.left_out.markets > 0 {
            writeln!(out, "{} more markets are counted above and not shown", self.left_out.markets)?;
        }
        if self.offers_left_out > 0 {
            writeln!(out, "{} offers were left out for want of room", self.offers_left_out)?;
        }
        Ok(())
    }
}

impl MarketSummary {
    /// Claims, of either kind.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.traded.book_claims + self.traded.pool_claims
    }

    fn last_price(&self) -> Option<Fraction> {
        self.last_trade.map(|trade| Fraction::new(trade.quote.0, trade.base.0))
    }

    fn write_line(&self, out: &mut impl Write) -> io::Result<()> {
        let shown = |price: Option<Fraction>| price.map_or_else(|| "-".to_owned(), |price| price.decimal());
        writeln!(
            out,
            "{:<40} {:>8} {:>24} {:>24} {:>14} {:>14} {:>14}",
            format!("{}/{}", short(&self.market.base), short(&self.market.quote)),
            self.trades(),
            units(self.traded.base),
            units(self.traded.quote),
            shown(self.last_price()),
            shown(self.best_bid.map(Fraction::from)),
            shown(self.best_ask.map(Fraction::from)),
        )
    }

    fn json(&self) -> JsonMarket {
        let (last, bid, ask) =
            (self.last_price(), self.best_bid.map(Fraction::from), self.best_ask.map(Fraction::from));
        JsonMarket {
            base: self.market.base.to_string(),
            quote: self.market.quote.to_string(),
            trades: self.trades(),
            base_volume: units(self.traded.base),
            quote_volume: units(self.traded.quote),
            last_price: last.map(Fraction::exact),
            best_bid: bid.map(Fraction::exact),
            best_ask: ask.map(Fraction::exact),
            last_price_decimal: last.map(Fraction::decimal),
            best_bid_decimal: bid.map(Fraction::decimal),
            best_ask_decimal: ask.map(Fraction::decimal),
            book_claims: self.traded.book_claims,
            pool_claims: self.traded.pool_claims,
        }
    }
}

#[derive(Serialize)]
struct Json {
    ledgers: u64,
    transactions: u64,
    failed_transactions: u64,
    book_claims: u64,
    pool_claims: u64,
    markets: Vec<JsonMarket>,
    first_ledger: Option<u32>,
    last_ledger: Option<u32>,
    undone_book_claims: u64,
    undone_pool_claims: u64,
    offers: u64,
    markets_left_out: usize,
    offers_left_out: u64,
}

#[derive(Serialize)]
struct JsonMarket {
    base: String,
    quote: String,
    trades: u64,
    base_volume: String,
    quote_volume: String,
    last_price: Option<String>,
    best_bid: Option<String>,
    best_ask: Option<String>,
    last_price_decimal: Option<String>,
    best_bid_decimal: Option<String>,
    best_ask_decimal: Option<String>,
    book_claims: u64,
    pool_claims: u64,
}

/// A price in lowest terms, of two amounts or of a [`Price`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fraction {
    n: i64,
    d: i64,
}

impl Fraction {
    /// Both are at least 1.
    fn new(n: i64, d: i64) -> Self {
        let (mut divisor, mut rest) = (n, d);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        Self { n: n / divisor, d: d / divisor }
    }

    fn exact(self) -> String {
        format!("{}/{}", self.n, self.d)
    }

    /// Seven significant digits, or all digits before the point.
    fn decimal(self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "to be read by people; the exact fraction stands beside it")]
        let value = self.n as f64 / self.d as f64;
        #[expect(clippy::cast_possible_truncation, reason = "the logarithm of a 64-bit number is small")]
        let digits_before = value.log10().floor() as i32 + 1;
        let decimals = usize::try_from(7 - digits_before).unwrap_or(0);
        format!("{value:.decimals$}")
    }
}

impl From<Price> for Fraction {
    fn from(price: Price) -> Self {
        Self::new(i64::from(price.n()), i64::from(price.d()))
    }
}

/// A sum of amounts as a decimal.
fn units(stroops: i128) -> String {
    let (unit, magnitude) = (u128::from(STROOPS_PER_UNIT.unsigned_abs()), stroops.unsigned_abs());
    let sign = if stroops < 0 { "-" } else { "" };
    format!("{sign}{}.{:07}", magnitude / unit, magnitude % unit)
}

/// An asset with no more of its issuer than tells it from its namesakes at a glance.
fn short(asset: &Asset) -> String {
    let Some(issuer) = asset.issuer() else { return asset.to_string() };
    let issuer = issuer.to_string();
    format!("{}:{}..{}", asset.code(), &issuer[..4], &issuer[issuer.len() - 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_shown_exactly_and_readably() {
        for (n, d, exact, decimal) in [
            (1, 3, "1/3", "0.3333333"),
            (20, 10, "2/1", "2.000000"),
            (123_456_789, 1, "123456789/1", "123456789"),
            (1, 2_147_483_647, "1/2147483647", "0.0000000004656613"),
            (i64::MAX, i64::MAX, "1/1", "1.000000"),
        ] {
            let fraction = Fraction::new(n, d);
            assert_eq!((fraction.exact().as_str(), fraction.decimal().as_str()), (exact, decimal));
        }
    }

    #[test]
    fn volumes_beyond_an_amounts_range_are_shown_whole() {
        assert_eq!(units(0), "0.0000000");
        assert_eq!(units(12_345_678), "1.2345678");
        assert_eq!(units(i128::from(i64::MAX) * 10), "9223372036854.7758070");
    }
}

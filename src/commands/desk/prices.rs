//! From the markets' price expressions to what the strategies work out: symbols with numbers, markets with numbers,
//! limits of age.

use super::parts::nanos;
use crate::config::{Config, Exchange, HORIZON_REFERENCE, Market, PriceExpression, Term};
use crate::events::views::{MarketView, ViewsReader};
use crate::events::{BadSteps, Expression, Inputs, MonoNanos, ReferencePrice, Step, SymbolId};
use crate::stellar::MarketId;

/// Whose a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Venue {
    /// An exchange's, by its place in the configuration.
    Exchange(usize),
    /// Of Horizon's streams.
    Horizon,
}

/// A symbol, and how its venue writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Symbol {
    pub(super) venue: Venue,
    pub(super) name: String,
}

impl Symbol {
    /// That of a market's book, as Horizon streams it.
    pub(super) fn of_horizon(market: &Market) -> Self {
        Self { venue: Venue::Horizon, name: market.horizon_symbol() }
    }
}

/// The symbols that the markets' prices are made of, and those that Horizon streams, each once: their places are the
/// [`SymbolId`]s.
pub(super) fn symbols(config: &Config) -> Vec<Symbol> {
    let streamed = config.horizon.as_ref().is_some_and(|horizon| horizon.streams.order_book);
    let mut symbols: Vec<_> = config.markets.iter().filter(|_| streamed).map(Symbol::of_horizon).collect();
    for market in &config.markets {
        market.reference.term.visit(&mut |term| symbols.extend(symbol(term, &config.exchanges)));
    }
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

fn symbol(term: &Term, exchanges: &[Exchange]) -> Option<Symbol> {
    let Term::Exchange { exchange, symbol, .. } = term else { return None };
    let venue = match exchanges.iter().position(|known| known.name == *exchange) {
        Some(place) => Venue::Exchange(place),
        None if exchange == HORIZON_REFERENCE => Venue::Horizon,
        None => return None,
    };
    Some(Symbol { venue, name: symbol.clone() })
}

/// Where a symbol stands among [`symbols`].
pub(super) fn place_of(symbol: &Symbol, symbols: &[Symbol]) -> Option<SymbolId> {
    let place = symbols.binary_search(symbol).ok()?;
    u16::try_from(place).ok().map(SymbolId)
}

/// What is known when an expression is put into steps.
#[derive(Debug)]
pub(super) struct Names<'c> {
    pub(super) config: &'c Config,
    pub(super) symbols: &'c [Symbol],
}

impl Names<'_> {
    /// The steps of an expression.
    ///
    /// # Errors
    /// If they are too many; or if a name in it is not configured, which those of a [`Config`] that was read are.
    pub(super) fn expression(&self, price: &PriceExpression) -> Result<Expression, BadSteps> {
        let mut steps = Vec::new();
        self.put(&price.term, &mut steps)?;
        Expression::new(steps)
    }

    fn put(&self, term: &Term, steps: &mut Vec<Step>) -> Result<(), BadSteps> {
        let mut all = |terms: &[Term]| {
            terms.iter().try_for_each(|term| self.put(term, steps))?;
            u8::try_from(terms.len()).map_err(|_| BadSteps)
        };
        let step = match term {
            Term::Fixed(price) => Step::Fixed(*price),
            Term::Exchange { what, stale_after, .. } => {
                let symbol = symbol(term, &self.config.exchanges).ok_or(BadSteps)?;
                let limit = match (stale_after, symbol.venue) {
                    (Some(limit), _) => *limit,
                    (None, Venue::Exchange(place)) => self.config.exchanges[place].stale_after,
                    (None, Venue::Horizon) => {
                        self.config.horizon.as_ref().map(|horizon| horizon.stream_silence).ok_or(BadSteps)?
                    }
                };
                Step::Exchange(place_of(&symbol, self.symbols).ok_or(BadSteps)?, *what, nanos(limit))
            }
            Term::Sdex { assets, what, stale_after } => {
                let market = self.config.markets.iter().position(|market| market.assets == *assets).ok_or(BadSteps)?;
                let id = u16::try_from(market).map_err(|_| BadSteps)?;
                let limit = stale_after.unwrap_or(self.config.core.late_after);
                Step::Sdex(MarketId(id), *what, nanos(limit))
            }
            Term::Invert(inner) => {
                self.put(inner, steps)?;
                Step::Invert
            }
            Term::Times(terms) => Step::Times(all(terms)?),
            Term::Max(terms) => Step::Max(all(terms)?),
            Term::Min(terms) => Step::Min(all(terms)?),
            Term::Median(terms) => Step::Median(all(terms)?),
        };
        steps.push(step);
        Ok(())
    }
}

/// What prices are made of, as the desk hears it.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) references: &'a [Option<ReferencePrice>],
    pub(super) views: Option<&'a ViewsReader>,
    pub(super) ledger_seen: Option<MonoNanos>,
}

impl Inputs for Known<'_> {
    fn exchange(&self, symbol: SymbolId) -> Option<ReferencePrice> {
        self.references[usize::from(symbol.0)]
    }

    fn sdex(&self, market: MarketId) -> Option<(MarketView, MonoNanos)> {
        let seen = self.ledger_seen?;
        let view = self.views?.read(|views| views.market(market))?;
        Some((view, seen))
    }
}

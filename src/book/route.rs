//! The best way from one asset to another over the books and pools of all configured markets.

use super::convert::{Given, MAX_CROSSINGS, Taker};
use super::store::Books;
use crate::stellar::{AssetIndex, MarketId, MarketTable, Side};

/// The most hops of a path payment: five assets between its ends.
pub const MAX_HOPS: usize = 6;

/// One hop: through which market, and whose offers are crossed there. Crossing asks pays quote and gets base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The market.
    pub market: MarketId,
    /// The side whose offers are crossed.
    pub crosses: Side,
}

/// A way that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    hops: [Hop; MAX_HOPS],
    len: usize,
    /// The amount at the end that was not given, stroops: what arrives, or what it costs.
    pub amount: i64,
    /// What it takes of an operation's [`MAX_CROSSINGS`].
    pub crossings: u32,
}

impl Route {
    /// Its hops, from what is sent to what arrives.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops[..self.len]
    }
}

/// Finds routes. It holds what a search needs, so that searching allocates nothing.
///
/// The search goes in rounds, from the given end outwards. In each, every asset that was bettered in the round before is
/// converted into all its neighbours, and a neighbour keeps the best that it has got and how; a way never comes back to
/// an asset that it has passed. So of all ways of at most so many hops it finds the best (a search that tries every way
/// is what the tests compare with), unless a circle on the way gains by itself: then it finds a good one, exact still.
#[derive(Debug)]
pub struct Routes {
    /// What leads from each asset to another.
    edges: Vec<Vec<Edge>>,
    /// By round, then by asset: the best that the round brought.
    labels: Vec<Option<Label>>,
    /// By asset: the round that brought the best so far.
    best: Vec<Option<u8>>,
    assets: usize,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: AssetIndex,
    market: MarketId,
    /// The side that is crossed by who goes this way; who comes this way crosses the other.
    crosses: Side,
}

#[derive(Clone, Copy, Debug)]
struct Label {
    amount: i64,
    crossings: u32,
    /// How it was come by, except at the start.
    from: Option<From>,
}

#[derive(Clone, Copy, Debug)]
struct From {
    round: u8,
    asset: AssetIndex,
    hop: Hop,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What is sent.
    pub from: AssetIndex,
    /// What arrives.
    pub to: AssetIndex,
    /// Which of the two amounts is given.
    pub given: Given,
    /// That amount, stroops.
    pub amount: i64,
    /// Who converts.
    pub taker: Taker,
    /// The most hops, 1 to [`MAX_HOPS`].
    pub max_hops: usize,
}

impl Routes {
    /// For the markets of a table.
    #[must_use]
    pub fn new(table: &MarketTable) -> Self {
        let assets = table.assets().len();
        let mut edges = vec![Vec::new(); assets];
        for (market, id) in table.markets().iter().zip((0..).map(MarketId)) {
            let (Some(base), Some(quote)) = (table.asset(&market.base), table.asset(&market.quote)) else {
                unreachable!("a table knows the assets of its markets")
            };
            edges[usize::from(quote.0)].push(Edge { to: base, market: id, crosses: Side::Ask });
            edges[usize::from(base.0)].push(Edge { to: quote, market: id, crosses: Side::Bid });
        }
        Self { edges, labels: vec![None; assets * (MAX_HOPS + 1)], best: vec![None; assets], assets }
    }

    /// The best route now, if there is one.
    ///
    /// # Panics
    /// If the books are of other markets than the table, or the number of hops is out of range.
    pub fn find(&mut self, books: &Books, wish: &Wish) -> Option<Route> {
        assert!((1..=MAX_HOPS).contains(&wish.max_hops), "a path payment has 1 to {MAX_HOPS} hops");
        // Either way the search begins where the amount is known.
        let (start, end) = match wish.given {
            Given::Sent => (wish.from, wish.to),
            Given::Received => (wish.to, wish.from),
        };
        self.labels.fill(None);
        self.best.fill(None);
        *self.label_mut(0, start) = Some(Label { amount: wish.amount, crossings: 0, from: None });
        self.best[usize::from(start.0)] = Some(0);
        for round in 1..=wish.max_hops {
            if !self.advance(books, wish, round, end) {
                break;
            }
        }
        self.route(wish.given, start, end)
    }

    /// One round; whether anything got better. What has arrived goes no further.
    fn advance(&mut self, books: &Books, wish: &Wish, round: usize, end: AssetIndex) -> bool {
        let mut is_better = false;
        for asset in (0..self.assets).filter(|asset| *asset != usize::from(end.0)) {
            #[expect(clippy::cast_possible_truncation, reason = "assets are numbered by 16 bits")]
            let asset = AssetIndex(asset as u16);
            let Some(label) = self.label(round - 1, asset) else { continue };
            for at in 0..self.edges[usize::from(asset.0)].len() {
                let edge = self.edges[usize::from(asset.0)][at];
                if !self.passes(round - 1, asset, edge.to) {
                    is_better |= self.step(books, wish, round, asset, label, edge);
                }
            }
        }
        is_better
    }

    /// Goes along an edge; whether that gives more of what it leads to (or costs less) than was known.
    fn step(&mut self, books: &Books, wish: &Wish, round: usize, at: AssetIndex, label: Label, edge: Edge) -> bool {
        let crosses = match wish.given {
            Given::Sent => edge.crosses,
            // Backwards: who comes from there to here crosses the other side.
            Given::Received => edge.crosses.opposite(),
        };
        let left = MAX_CROSSINGS.saturating_sub(label.crossings);
        let market = books.market(edge.market);
        let Some(converted) = market.convert(crosses, wish.given, label.amount, wish.taker, left) else { return false };
        let known = self.best[usize::from(edge.to.0)].and_then(|best| self.label(usize::from(best), edge.to));
        let is_better = known.is_none_or(|known| match wish.given {
            Given::Sent => converted.amount > known.amount,
            Given::Received => converted.amount < known.amount,
        });
        if is_better {
            let [from_round, this_round] = [round - 1, round].map(|round| u8::try_from(round).unwrap_or(u8::MAX));
            let hop = Hop { market: edge.market, crosses };
            *self.label_mut(round, edge.to) = Some(Label {
                amount: converted.amount,
                crossings: label.crossings + converted.crossings,
                from: Some(From { round: from_round, asset: at, hop }),
            });
            self.best[usize::from(edge.to.0)] = Some(this_round);
        }
        is_better
    }

    /// Whether the way to a label passes an asset.
    fn passes(&self, round: usize, at: AssetIndex, asset: AssetIndex) -> bool {
        let (mut round, mut at) = (round, at);
        loop {
            if at == asset {
                return true;
            }
            match self.label(round, at).and_then(|label| label.from) {
                Some(from) => (round, at) = (usize::from(from.round), from.asset),
                None => return false,
            }
        }
    }

    /// The way to the end, from what is sent to what arrives.
    fn route(&self, given: Given, start: AssetIndex, end: AssetIndex) -> Option<Route> {
        if start == end {
            return None;
        }
        let (mut round, mut at) = (usize::from(self.best[usize::from(end.0)]?), end);
        let Label { amount, crossings, .. } = self.label(round, at)?;
        let filler = Hop { market: MarketId(0), crosses: Side::Ask };
        let mut route = Route { hops: [filler; MAX_HOPS], len: 0, amount, crossings };
        while let Some(from) = self.label(round, at).and_then(|label| label.from) {
            route.hops[route.len] = from.hop;
            route.len += 1;
            (round, at) = (usize::from(from.round), from.asset);
        }
        // It was walked from its end to its start, which for what is received is the right order already.
        if given == Given::Sent {
            route.hops[..route.len].reverse();
        }
        Some(route)
    }

    fn label(&self, round: usize, asset: AssetIndex) -> Option<Label> {
        self.labels[round * self.assets + usize::from(asset.0)]
    }

    fn label_mut(&mut self, round: usize, asset: AssetIndex) -> &mut Option<Label> {
        &mut self.labels[round * self.assets + usize::from(asset.0)]
    }
}

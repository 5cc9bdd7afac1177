//! The search for paths: from one asset outwards, hop by hop, over every pair that has offers or a pool.
//!
//! In each of three rounds, every asset whose best amount was bettered in the round before is converted into all its
//! neighbours, and a neighbour keeps the best that it ever got, and how. That is Horizon's own search, and like it does not
//! try every path: it finds the best way by what each hop gives on its own. What it finds is then quoted as a whole, on the
//! ledger, as the payment would be: an amount that is shown is the one that the payment moves.
//!
//! It is bounded by work, not by time: see [`MAX_CROSSINGS`].

use crate::sandbox::ledger::Ledger;
use crate::stellar::exchange::ExchangeMode;
use stellar_xdr::{AccountId, Asset, LedgerEntryData, LiquidityPoolEntryBody};

/// Hops of a path at most: Horizon's `MAX_PATH_LENGTH`, hence two assets between the ends.
pub(super) const MAX_HOPS: usize = 3;
/// Paths that are shown of each asset at the open end (Horizon's `maxAssetsPerPath`).
pub(super) const MAX_PATHS_AN_ASSET: usize = 5;
/// A search that has crossed this many offers, each conversion counted as one more, goes no further and shows the best
/// that it has; shorter paths are found first. As each pair is converted once a round, a thousand markets with fifteen
/// offers a side stay below it whatever they connect. To confirm what is shown comes on top: at most
/// [`MAX_PATHS_AN_ASSET`] quotes for each asset that the open end may have.
pub(super) const MAX_CROSSINGS: usize = 100_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// From the source's known amount to what arrives, or from the destination's back to what it costs.
    pub(super) mode: ExchangeMode,
    /// The asset at the known end, and how much of it.
    pub(super) asset: Asset,
    pub(super) amount: i64,
    /// The assets that the other end may have, each with the most that may be of it.
    pub(super) ends: Vec<(Asset, i64)>,
    /// Who pays, if known: no path may meet their own offers.
    pub(super) payer: Option<AccountId>,
}

/// A path, as a payment would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// From the source's asset to the destination's; one asset alone if both are the same.
    pub(super) assets: Vec<Asset>,
    pub(super) source_amount: i64,
    pub(super) destination_amount: i64,
}

/// Finds paths, the best first of each asset at the open end; `rank` orders these assets.
pub(super) fn find(ledger: &Ledger, wish: &Wish, max_crossings: usize, rank: impl Fn(&Asset) -> String) -> Vec<Path> {
    let graph = Graph::of(ledger, wish);
    let mut search = Search::new(ledger, wish, &graph, max_crossings);
    search.run();
    let mut by_end: Vec<(String, Vec<Found>)> = Vec::new();
    for found in search.found {
        let end = rank(&graph.assets[found.end()]);
        match by_end.iter_mut().find(|(known, _)| *known == end) {
            Some((_, paths)) => paths.push(found),
            None => by_end.push((end, vec![found])),
        }
    }
    by_end.sort_by(|(a, _), (b, _)| a.cmp(b));
    by_end.into_iter().flat_map(|(_, found)| best(ledger, wish, &graph, found)).collect()
}

/// The best of the paths to one asset, as a payment would take them.
fn best(ledger: &Ledger, wish: &Wish, graph: &Graph, mut found: Vec<Found>) -> Vec<Path> {
    found.sort_by_key(|found| found.demerit(wish.mode));
    found.truncate(MAX_PATHS_AN_ASSET);
    found.retain_mut(|found| found.confirm(ledger, wish, graph));
    found.sort_by_key(|found| found.demerit(wish.mode));
    found.into_iter().map(|found| found.into_path(wish, graph)).collect()
}

/// The assets that can be exchanged, and what each leads to in the direction of the search.
struct Graph {
    /// In the protocol's order, which numbers them.
    assets: Vec<Asset>,
    /// Ascending, each once.
    next: Vec<Vec<usize>>,
}

impl Graph {
    fn of(ledger: &Ledger, wish: &Wish) -> Self {
        let mut hops: Vec<(Asset, Asset)> = match wish.mode {
            ExchangeMode::StrictSend => ledger.pairs().map(|(sold, bought)| (bought.clone(), sold.clone())).collect(),
            _ => ledger.pairs().map(|(sold, bought)| (sold.clone(), bought.clone())).collect(),
        };
        for entry in ledger.entries_but_offers() {
            if let LedgerEntryData::LiquidityPool(pool) = &entry.data {
                let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool) = &pool.body;
                let (a, b) = (pool.params.asset_a.clone(), pool.params.asset_b.clone());
                hops.extend([(a.clone(), b.clone()), (b, a)]);
            }
        }
        hops.sort_unstable();
        hops.dedup();
        let ends = hops.iter().flat_map(|(from, to)| [from, to]).chain([&wish.asset]);
        let mut assets: Vec<Asset> = ends.cloned().collect();
        assets.sort_unstable();
        assets.dedup();
        let mut graph = Self { next: vec![Vec::new(); assets.len()], assets };
        for (from, to) in &hops {
            let (from, to) = (graph.number(from), graph.number(to));
            graph.next[from].push(to);
        }
        graph
    }

    fn number(&self, asset: &Asset) -> usize {
        match self.assets.binary_search(asset) {
            Ok(number) => number,
            Err(_) => unreachable!("an asset that is in no pair"),
        }
    }
}

/// A way from the known end, and how much is at its end.
#[derive(Clone, Debug)]
struct Found {
    /// Asset numbers, from the known end outwards.
    way: Vec<usize>,
    amount: i64,
}

impl Found {
    fn end(&self) -> usize {
        match self.way.last() {
            Some(end) => *end,
            None => unreachable!("a way has at least the asset that it begins with"),
        }
    }

    /// Less is better: by what arrives or what it costs, then by the number of hops.
    fn demerit(&self, mode: ExchangeMode) -> (i64, usize) {
        (if mode == ExchangeMode::StrictSend { -self.amount } else { self.amount }, self.way.len())
    }

    /// Quotes the whole path, as the payment would be; `false` if that cannot be made.
    fn confirm(&mut self, ledger: &Ledger, wish: &Wish, graph: &Graph) -> bool {
        let quote = ledger.quote(wish.mode, self.in_order(wish, graph), wish.amount, wish.payer.as_ref());
        let most = most_at_end(wish, &graph.assets[self.end()]);
        self.amount = quote.amount.unwrap_or(self.amount);
        quote.amount.is_some_and(|amount| most.is_some_and(|most| amount <= most))
    }

    /// The path's assets, from source to destination.
    fn in_order<'g>(&self, wish: &Wish, graph: &'g Graph) -> std::vec::IntoIter<&'g Asset> {
        let mut assets: Vec<&Asset> = self.way.iter().map(|number| &graph.assets[*number]).collect();
        if wish.mode != ExchangeMode::StrictSend {
            assets.reverse();
        }
        assets.into_iter()
    }

    fn into_path(self, wish: &Wish, graph: &Graph) -> Path {
        let (source_amount, destination_amount) = match wish.mode {
            ExchangeMode::StrictSend => (wish.amount, self.amount),
            _ => (self.amount, wish.amount),
        };
        Path { assets: self.in_order(wish, graph).cloned().collect(), source_amount, destination_amount }
    }
}

/// How much of an asset there may be at the open end; `None` if it may not be there at all.
fn most_at_end(wish: &Wish, asset: &Asset) -> Option<i64> {
    wish.ends.iter().filter(|(end, _)| end == asset).map(|(_, most)| *most).max()
}

struct Search<'s> {
    ledger: &'s Ledger,
    wish: &'s Wish,
    graph: &'s Graph,
    /// By asset: the most that may be of it at the open end.
    most: Vec<Option<i64>>,
    /// By asset: the best way there so far.
    best: Vec<Option<Found>>,
    found: Vec<Found>,
    crossings_left: usize,
}

impl<'s> Search<'s> {
    fn new(ledger: &'s Ledger, wish: &'s Wish, graph: &'s Graph, max_crossings: usize) -> Self {
        let most = graph.assets.iter().map(|asset| most_at_end(wish, asset)).collect();
        let best = vec![None; graph.assets.len()];
        Self { ledger, wish, graph, most, best, found: Vec::new(), crossings_left: max_crossings }
    }

    fn run(&mut self) {
        let start = self.graph.number(&self.wish.asset);
        self.reach(Found { way: vec![start], amount: self.wish.amount });
        let mut frontier = vec![start];
        for hop in 1..=MAX_HOPS {
            // A round builds on what the one before it found, not on its own.
            let from: Vec<Found> = frontier.iter().filter_map(|asset| self.best[*asset].clone()).collect();
            frontier.clear();
            for here in &from {
                for next in &self.graph.next[here.end()] {
                    let useless = here.way.contains(next) || (hop == MAX_HOPS && self.most[*next].is_none());
                    if !useless && self.crossings_left > 0 && self.step(here, *next) {
                        frontier.push(*next);
                    }
                }
            }
            frontier.sort_unstable();
            frontier.dedup();
        }
    }

    /// Converts what is here into the next asset; whether that is the best way to get it so far.
    fn step(&mut self, here: &Found, next: usize) -> bool {
        let (at, to) = (&self.graph.assets[here.end()], &self.graph.assets[next]);
        let pair = if self.wish.mode == ExchangeMode::StrictSend { [at, to] } else { [to, at] };
        let quote = self.ledger.quote(self.wish.mode, pair.into_iter(), here.amount, self.wish.payer.as_ref());
        self.crossings_left = self.crossings_left.saturating_sub(1 + quote.crossed);
        let Some(amount) = quote.amount else { return false };
        let way = here.way.iter().copied().chain([next]).collect();
        self.reach(Found { way, amount })
    }

    fn reach(&mut self, found: Found) -> bool {
        let end = found.end();
        let known = self.best[end].as_ref().map(|best| best.amount);
        let better = known.is_none_or(|known| match self.wish.mode {
            ExchangeMode::StrictSend => found.amount > known,
            _ => found.amount < known,
        });
        if !better {
            return false;
        }
        if self.most[end].is_some_and(|most| found.amount <= most) {
            self.found.push(found.clone());
        }
        self.best[end] = Some(found);
        true
    }
}

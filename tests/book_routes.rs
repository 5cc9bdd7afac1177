//! Routes over the books and pools that recorded ledgers leave behind: what a path payment along them would do is what
//! the exact ledger says, to the stroop, and no other way of as many hops is better.
//!
//! A maker whose trustline is filled to its limit may deliver a little less than its offer says (the ledger reserves room
//! rounded down). A book cannot know that, so the comparison is with the ledger in which all limits are raised; how often
//! the ledger as it is differs is counted. (The recordings were made to have such makers; a network hardly has.)

#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod recorded;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use recorded::{committed, ledgers_of, marked, network_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stellar_connector::book::{BookConfig, BookLimits, BookStage, Given, Hop, MAX_HOPS, Route, Routes, Taker, Wish};
use stellar_connector::events::views::{ViewLimits, views};
use stellar_connector::events::{ConnId, NetEvent, Now, Stage};
use stellar_connector::feed::{Feed, FeedConfig, FeedLimits, SourceConfig};
use stellar_connector::sandbox::ledger::{GenesisConfig, Ledger};
use stellar_connector::stellar::{
    AccountId, AccountIndex, Asset, AssetCode, AssetIndex, LedgerSeq, Market, MarketTable, Side,
};
use stellar_xdr as xdr;
use stellar_xdr::{
    LedgerCloseMeta, LedgerEntry, LedgerEntryChange, LedgerEntryData, LedgerHeader, LedgerKey, Limits, ReadXdr,
};

/// Ledgers between two looks.
const EVERY: usize = 60;
/// Questions a look.
const QUESTIONS: u64 = 60;
/// A search that tries every way goes no further than this.
const EXHAUSTIVE_HOPS: usize = 3;

/// What the ledger holds, by a plain reading of every change.
#[derive(Default)]
struct State {
    entries: BTreeMap<LedgerKey, LedgerEntry>,
    header: Option<LedgerHeader>,
}

impl State {
    fn ledger(&mut self, meta: &LedgerCloseMeta) {
        let LedgerCloseMeta::V0(meta) = meta else { unreachable!("core 19 writes version 0") };
        self.header = Some(meta.ledger_header.header.clone());
        // All fees are charged before anything is applied.
        meta.tx_processing.iter().for_each(|tx| self.changes(&tx.fee_processing));
        for tx in meta.tx_processing.iter() {
            let xdr::TransactionMeta::V2(applied) = &tx.tx_apply_processing else { unreachable!() };
            self.changes(&applied.tx_changes_before);
            applied.operations.iter().for_each(|operation| self.changes(&operation.changes));
            self.changes(&applied.tx_changes_after);
        }
        meta.upgrades_processing.iter().for_each(|upgrade| self.changes(&upgrade.changes));
    }

    fn changes(&mut self, changes: &xdr::LedgerEntryChanges) {
        for change in changes.iter() {
            match change {
                LedgerEntryChange::Created(entry) | LedgerEntryChange::Updated(entry) => {
                    self.entries.insert(entry.to_key(), entry.clone());
                }
                LedgerEntryChange::Removed(key) => _ = self.entries.remove(key),
                _ => {}
            }
        }
    }

    /// The ledger as it is; and with every trustline's limit raised.
    fn exact(&self) -> [Ledger; 2] {
        let entries: Vec<LedgerEntry> = self.entries.values().cloned().collect();
        let mut raised = entries.clone();
        for entry in &mut raised {
            if let LedgerEntryData::Trustline(line) = &mut entry.data {
                line.limit = i64::MAX;
            }
        }
        [entries, raised]
            .map(|entries| Ledger::restore(GenesisConfig::default(), self.header.clone().unwrap(), entries).unwrap())
    }
}

/// What a recording is about: every pair that it ever had offers or a pool for, and its busiest maker.
struct Subject {
    table: MarketTable,
    maker: xdr::AccountId,
}

fn subject(ledgers: &[LedgerCloseMeta]) -> Subject {
    let (mut pairs, mut makers) = (BTreeSet::new(), BTreeMap::<xdr::AccountId, usize>::new());
    let mut state = State::default();
    for meta in ledgers {
        state.ledger(meta);
        for entry in state.entries.values() {
            let (a, b) = match &entry.data {
                LedgerEntryData::Offer(offer) => {
                    *makers.entry(offer.seller_id.clone()).or_default() += 1;
                    (&offer.selling, &offer.buying)
                }
                LedgerEntryData::LiquidityPool(pool) => {
                    let xdr::LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool) = &pool.body;
                    (&pool.params.asset_a, &pool.params.asset_b)
                }
                _ => continue,
            };
            pairs.insert((a.min(b).clone(), a.max(b).clone()));
        }
    }
    let markets: Vec<Market> = pairs.iter().map(|(a, b)| Market { base: asset(b), quote: asset(a) }).collect();
    let maker = makers.into_iter().max_by_key(|(_, offers)| *offers).unwrap().0;
    Subject { table: MarketTable::new(&markets).unwrap(), maker }
}

fn asset(asset: &xdr::Asset) -> Asset {
    let issuer = |xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(key)): &xdr::AccountId| AccountId(key.0);
    match asset {
        xdr::Asset::Native => Asset::Native,
        xdr::Asset::CreditAlphanum4(a) => {
            Asset::Credit { code: AssetCode::Four(a.asset_code.0), issuer: issuer(&a.issuer) }
        }
        xdr::Asset::CreditAlphanum12(a) => {
            Asset::Credit { code: AssetCode::Twelve(a.asset_code.0), issuer: issuer(&a.issuer) }
        }
    }
}

fn to_xdr(asset: &Asset) -> xdr::Asset {
    let issuer = |id: &AccountId| xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(id.0)));
    match asset {
        Asset::Native => xdr::Asset::Native,
        Asset::Credit { code: AssetCode::Four(code), issuer: id } => {
            xdr::Asset::CreditAlphanum4(xdr::AlphaNum4 { asset_code: xdr::AssetCode4(*code), issuer: issuer(id) })
        }
        Asset::Credit { code: AssetCode::Twelve(code), issuer: id } => {
            xdr::Asset::CreditAlphanum12(xdr::AlphaNum12 { asset_code: xdr::AssetCode12(*code), issuer: issuer(id) })
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    found: u32,
    nothing: u32,
    by_hops: [u32; MAX_HOPS + 1],
    best: u32,
    beaten: u32,
    stopped_at_own: u32,
    maker_at_limit: u32,
}

#[test]
fn a_route_does_what_the_payment_would_and_no_way_of_as_many_hops_does_better() {
    let mut seen = Seen::default();
    for path in committed() {
        let mut bytes = Vec::new();
        ledgers_of(&path, |_, ledger| bytes.push(ledger.to_vec()));
        let decoded: Vec<_> =
            bytes.iter().map(|ledger| LedgerCloseMeta::from_xdr(ledger, Limits::none()).unwrap()).collect();
        let subject = subject(&decoded);
        let markets = subject.table.markets().len();
        let table = Arc::new(subject.table.clone());
        let xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(maker)) = &subject.maker;
        let mut feed = Feed::new(&FeedConfig {
            network: network_of(&path),
            markets: Arc::clone(&table),
            accounts: vec![AccountId(maker.0)],
            sources: vec![SourceConfig::CoreMeta],
            limits: FeedLimits::default(),
        })
        .unwrap();
        let limits = BookLimits { offers: 4_096, levels_per_side: 1_024, own_offers: 1_000 };
        let (writer, _reader) = views(ViewLimits {
            markets,
            accounts: 1,
            assets: table.assets().len(),
            offers_per_account: limits.own_offers,
        });
        let starts_whole_at = Some(LedgerSeq(2));
        let mut book =
            BookStage::new(BookConfig { ledger_sources: 1, starts_whole_at, limits, held_per_ledger: 64 }, writer);
        let mut routes = Routes::new(&table);
        let (mut state, mut told, mut news) = (State::default(), Vec::new(), Vec::new());
        feed.on_event(Now::default(), NetEvent::Opened(ConnId(0)), &mut told);
        for (at, (bytes, meta)) in bytes.iter().zip(&decoded).enumerate() {
            feed.on_event(Now::default(), NetEvent::Bytes(ConnId(0), &marked(bytes)), &mut told);
            told.drain(..).for_each(|event| book.on_event(Now::default(), event, &mut news));
            news.clear();
            state.ledger(meta);
            if at % EVERY == EVERY - 1 || at + 1 == decoded.len() {
                assert_eq!(book.books().refusals(), Default::default());
                Look { table: &table, maker: &subject.maker, ledgers: &state.exact(), book: &book }.ask(
                    &mut routes,
                    at as u64,
                    &mut seen,
                );
            }
        }
    }
    println!("{seen:?}");
    assert!(seen.found > 1_000 && seen.nothing > 10 && seen.stopped_at_own > 10, "{seen:?}");
    assert!(seen.by_hops[1..=4].iter().all(|count| *count > 10), "ways of all lengths: {seen:?}");
    assert!(seen.maker_at_limit * 50 < seen.found, "{seen:?}");
    // These markets were made by chance, and circles that gain abound in them.
    assert!(seen.beaten * 50 <= seen.best, "{seen:?}");
}

struct Look<'l> {
    table: &'l MarketTable,
    maker: &'l xdr::AccountId,
    /// As it is, and with all limits raised.
    ledgers: &'l [Ledger; 2],
    book: &'l BookStage,
}

impl Look<'_> {
    fn ask(&self, routes: &mut Routes, seed: u64, seen: &mut Seen) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let assets = self.table.assets().len() as u64;
        let protocol = self.ledgers[0].header().ledger_version;
        for _ in 0..QUESTIONS {
            let mut any = |below: u64| random.next_u64() % below;
            let index = |number: u64| AssetIndex(u16::try_from(number).unwrap());
            let (from, to) = (index(any(assets)), index(any(assets)));
            if from == to {
                continue;
            }
            let given = if any(2) == 0 { Given::Sent } else { Given::Received };
            let account = (any(3) == 0).then_some(AccountIndex(0));
            let digits = u32::try_from(any(14)).unwrap();
            let amount = 1 + i64::try_from(any(10_u64.pow(digits))).unwrap();
            let max_hops = usize::try_from(1 + any(MAX_HOPS as u64)).unwrap();
            let wish = Wish { from, to, given, amount, taker: Taker { account, protocol }, max_hops };
            let found = routes.find(self.book.books(), &wish);
            match &found {
                Some(route) => {
                    seen.found += 1;
                    seen.by_hops[route.hops().len()] += 1;
                    assert!(route.hops().len() <= max_hops);
                    let path = self.assets(from, route);
                    let [is, raised] = [0, 1].map(|which| self.quote(which, &path, &wish));
                    assert_eq!(raised, Some(route.amount), "{wish:?}, {route:?}");
                    seen.maker_at_limit += u32::from(is != raised);
                }
                None => seen.nothing += 1,
            }
            self.compare(&wish, found.as_ref(), seen);
            if account.is_some() {
                let anyone = Wish { taker: Taker { account: None, protocol }, ..wish };
                seen.stopped_at_own += u32::from(routes.find(self.book.books(), &anyone) != found);
            }
        }
    }

    /// Tries every way of a few hops that passes no asset twice.
    fn compare(&self, wish: &Wish, found: Option<&Route>, seen: &mut Seen) {
        if wish.max_hops > EXHAUSTIVE_HOPS {
            return;
        }
        let mut best = None;
        self.every_way(&mut vec![wish.from], wish, &mut best);
        let gained = |amount: i64| if wish.given == Given::Sent { amount } else { -amount };
        let (ours, best) = (found.map(|route| gained(route.amount)), best.map(gained));
        assert!(ours <= best.max(ours), "found none where there is one: {wish:?}");
        if ours >= best { seen.best += 1 } else { seen.beaten += 1 }
    }

    fn every_way(&self, way: &mut Vec<AssetIndex>, wish: &Wish, best: &mut Option<i64>) {
        let here = *way.last().unwrap();
        if here == wish.to {
            let assets: Vec<_> = way.iter().map(|at| to_xdr(&self.table.assets()[usize::from(at.0)])).collect();
            if let Some(amount) = self.quote(1, &assets, wish) {
                let better = match (wish.given, *best) {
                    (_, None) => true,
                    (Given::Sent, Some(best)) => amount > best,
                    (Given::Received, Some(best)) => amount < best,
                };
                *best = if better { Some(amount) } else { *best };
            }
            return;
        }
        if way.len() > wish.max_hops {
            return;
        }
        for next in (0..u16::try_from(self.table.assets().len()).unwrap()).map(AssetIndex) {
            if self.table.orientation(here, next).is_some() && !way.contains(&next) {
                way.push(next);
                self.every_way(way, wish, best);
                way.pop();
            }
        }
    }

    fn assets(&self, from: AssetIndex, route: &Route) -> Vec<xdr::Asset> {
        let mut at = from;
        let mut assets = vec![to_xdr(&self.table.assets()[usize::from(at.0)])];
        for Hop { market, crosses } in route.hops() {
            let market = self.table.market(*market);
            let [base, quote] = [market.base, market.quote].map(|asset| self.table.asset(&asset).unwrap());
            let (pays, gets) = if *crosses == Side::Ask { (quote, base) } else { (base, quote) };
            assert_eq!(pays, at, "each hop begins where the one before it ended");
            at = gets;
            assets.push(to_xdr(&self.table.assets()[usize::from(at.0)]));
        }
        assets
    }

    /// What the exact ledger says of a path.
    fn quote(&self, which: usize, path: &[xdr::Asset], wish: &Wish) -> Option<i64> {
        let taker = wish.taker.account.map(|_| self.maker);
        match wish.given {
            Given::Sent => self.ledgers[which].quote_path_send(path, wish.amount, taker),
            Given::Received => self.ledgers[which].quote_path_receive(path, wish.amount, taker),
        }
    }
}

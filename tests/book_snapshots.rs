//! However ledgers, snapshots with pages of different ledgers, gaps and resnapshots are interleaved, a book that says it is
//! whole is what a rebuild from scratch would be; and once it can be, it is whole.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use stellar_connector::book::{BookConfig, BookLimits, BookStage, Offer};
use stellar_connector::events::views::{ViewLimits, ViewsReader, views};
use stellar_connector::events::{
    BookEvent, ConnId, FeedEvent, FeedFault, LedgerBegin, LedgerEnd, MonoNanos, Now, OfferChange, OwnAccount,
    PoolChange, SnapshotEvent, SnapshotOffer, Stage, Stamped,
};
use stellar_connector::stellar::{
    AccountIndex, LedgerSeq, MarketId, OfferId, Orientation, Price, SequenceNumber, Side, Stroops,
};

const MARKETS: u16 = 2;
const IDS: i64 = 12;
/// The number of the ledger before the first of a history.
const BEFORE: u32 = 99;
const LIMITS: ViewLimits = ViewLimits { markets: 2, accounts: 1, assets: 3, offers_per_account: 16 };
const CONFIG: BookConfig = BookConfig {
    ledger_sources: 1,
    starts_whole_at: None,
    limits: BookLimits { offers: 64, levels_per_side: 64, own_offers: 16 },
    held_per_ledger: 8,
};

/// What a ledger changes: an offer (`None`: it goes), a pool's reserve, our account's balance.
#[derive(Clone, Debug)]
enum Change {
    Offer(i64, Option<(u16, bool, i32, i64)>),
    Pool(u16, Option<i64>),
    Account(i64),
}

/// What the ledger is.
#[derive(Clone, Debug, Default)]
struct State {
    /// With the ledger that last changed each.
    offers: BTreeMap<i64, (OfferChange, LedgerSeq)>,
    pools: BTreeMap<u16, (PoolChange, LedgerSeq)>,
    account: Option<(OwnAccount, LedgerSeq)>,
}

fn offer(id: i64, (market, is_ask, n, amount): (u16, bool, i32, i64)) -> OfferChange {
    let side = if is_ask { Side::Ask } else { Side::Bid };
    let owner = (id % 4 == 0).then_some(AccountIndex(0));
    let place = Orientation { market: MarketId(market), side };
    OfferChange { id: OfferId(id), place, price: Price::new(n, 10).unwrap(), amount: Stroops(amount), owner }
}

fn pool(market: u16, base: i64) -> PoolChange {
    let market = MarketId(market);
    PoolChange { market, base_reserve: Stroops(base), quote_reserve: Stroops(base * 2), fee_bp: 30 }
}

fn account(balance: i64) -> OwnAccount {
    OwnAccount {
        account: AccountIndex(0),
        balance: Stroops(balance),
        sequence: SequenceNumber(balance),
        subentries: 0,
        sponsoring: 0,
        sponsored: 0,
        buying_liabilities: Stroops(0),
        selling_liabilities: Stroops(0),
    }
}

impl State {
    fn apply(&mut self, changes: &[Change], ledger: LedgerSeq) {
        for change in changes {
            match change {
                Change::Offer(id, Some(put)) => drop(self.offers.insert(*id, (offer(*id, *put), ledger))),
                Change::Offer(id, None) => drop(self.offers.remove(id)),
                Change::Pool(market, Some(base)) => drop(self.pools.insert(*market, (pool(*market, *base), ledger))),
                Change::Pool(market, None) => drop(self.pools.remove(market)),
                Change::Account(balance) => self.account = Some((account(*balance), ledger)),
            }
        }
    }

    fn of(&self, market: u16) -> Vec<OfferChange> {
        let offers = self.offers.values().map(|(offer, _)| *offer);
        offers.filter(|offer| offer.place.market.0 == market).collect()
    }
}

/// All that happens on the ledger, known beforehand: a server may be ahead of the stream.
struct History {
    ledgers: Vec<Vec<Change>>,
    /// After so many ledgers.
    states: Vec<State>,
}

impl History {
    fn new(ledgers: Vec<Vec<Change>>) -> Self {
        let mut states = vec![State::default()];
        for (changes, seq) in ledgers.iter().zip(BEFORE + 1..) {
            let mut state = states.last().unwrap().clone();
            state.apply(changes, LedgerSeq(seq));
            states.push(state);
        }
        Self { ledgers, states }
    }
}

fn seq(count: usize) -> LedgerSeq {
    LedgerSeq(BEFORE + u32::try_from(count).unwrap())
}

struct House {
    history: History,
    stage: BookStage,
    reader: ViewsReader,
    told: Vec<Stamped<BookEvent>>,
    /// Ledgers that were delivered, or skipped.
    delivered: usize,
    whole: Whole,
}

/// What was told of who is whole.
struct Whole {
    markets: [bool; MARKETS as usize],
    house: bool,
}

impl House {
    fn new(ledgers: Vec<Vec<Change>>) -> Self {
        let (writer, reader) = views(LIMITS);
        let whole = Whole { markets: [true; MARKETS as usize], house: false };
        let stage = BookStage::new(CONFIG, writer);
        Self { history: History::new(ledgers), stage, reader, told: Vec::new(), delivered: 0, whole }
    }

    fn take(&mut self, event: FeedEvent) {
        self.stage.on_event(Now::default(), Stamped { wire: MonoNanos(0), event }, &mut self.told);
        for told in self.told.drain(..) {
            match told.event {
                BookEvent::MarketsLost => self.whole.markets = [false; MARKETS as usize],
                BookEvent::MarketWhole(market, whole) => self.whole.markets[usize::from(market.0)] = whole,
                BookEvent::Whole(whole) => self.whole.house = whole,
                _ => {}
            }
        }
    }

    fn say(&mut self, event: SnapshotEvent) {
        self.take(FeedEvent::Snapshot(event));
    }

    fn deliver(&mut self) {
        let Some(changes) = self.history.ledgers.get(self.delivered).cloned() else { return };
        let ledger = seq(self.delivered + 1);
        self.take(FeedEvent::FeedUp(ConnId(0)));
        self.take(FeedEvent::LedgerBegin(LedgerBegin {
            seq: ledger,
            close_time_s: 0,
            protocol: 23,
            base_fee: 100,
            base_reserve: 1,
            first_byte: MonoNanos(0),
        }));
        for change in changes {
            self.take(match change {
                Change::Offer(id, Some(put)) => FeedEvent::Offer(offer(id, put)),
                Change::Offer(id, None) => FeedEvent::OfferGone(OfferId(id)),
                Change::Pool(market, Some(base)) => FeedEvent::Pool(pool(market, base)),
                Change::Pool(market, None) => FeedEvent::PoolGone(MarketId(market)),
                Change::Account(balance) => FeedEvent::Account(account(balance)),
            });
        }
        self.take(FeedEvent::LedgerEnd(LedgerEnd { seq: ledger, transactions: 1, failed: 0 }));
        self.delivered += 1;
    }

    /// Rows of a market as the server has them after so many ledgers, of the ids of one page.
    fn page(&mut self, market: u16, side: Side, ids: core::ops::Range<i64>, server: usize) {
        let rows: Vec<_> = self.history.states[server].offers.range(ids).map(|(_, row)| *row).collect();
        for (offer, modified_in) in rows {
            if offer.place == (Orientation { market: MarketId(market), side }) {
                self.say(SnapshotEvent::Offer(SnapshotOffer { offer, modified_in }));
            }
        }
    }

    fn pool_page(&mut self, market: u16, server: usize) {
        if let Some((pool, modified_in)) = self.history.states[server].pools.get(&market).copied() {
            self.say(SnapshotEvent::Pool(pool, modified_in));
        }
    }

    /// A whole snapshot by a server that has all there is.
    fn whole_snapshot(&mut self, market: u16) {
        let server = self.history.ledgers.len();
        self.say(SnapshotEvent::MarketBegin(MarketId(market)));
        for side in [Side::Ask, Side::Bid] {
            self.page(market, side, 0..IDS + 1, server);
        }
        self.pool_page(market, server);
        self.say(SnapshotEvent::MarketEnd(MarketId(market), seq(server)));
    }

    fn accounts_snapshot(&mut self, server: usize) {
        self.say(SnapshotEvent::AccountsBegin);
        if let Some((state, modified_in)) = self.history.states[server].account {
            self.say(SnapshotEvent::Account(state, modified_in));
        }
        self.say(SnapshotEvent::AccountsEnd(seq(server)));
    }

    fn book(&self, market: u16) -> Vec<OfferChange> {
        let book = self.stage.books().market(MarketId(market));
        let both = book.offers_in_order(Side::Bid).chain(book.offers_in_order(Side::Ask));
        let as_change =
            |Offer { id, amount, price, place, owner }: Offer| OfferChange { id, place, price, amount, owner };
        let mut offers: Vec<_> = both.map(as_change).collect();
        offers.sort_by_key(|offer| offer.id);
        offers
    }

    /// What says that it is whole is.
    fn check(&self) -> Result<(), TestCaseError> {
        let truth = &self.history.states[self.delivered];
        let header = self.reader.read(|views| views.header()).unwrap();
        prop_assert_eq!(self.whole.house, header.whole == 1);
        for market in 0..MARKETS {
            let view = self.reader.read(|views| views.market(MarketId(market))).unwrap();
            let is_whole = self.whole.markets[usize::from(market)] && self.delivered > 0;
            prop_assert_eq!(view.whole == 1 && self.whole.house, is_whole && self.whole.house);
            if self.delivered > 0 {
                prop_assert_eq!(self.stage.books().market(MarketId(market)).is_whole(), is_whole);
            }
            if is_whole {
                prop_assert_eq!(self.book(market), truth.of(market));
                let reserves = truth.pools.get(&market).map_or(0, |(pool, _)| pool.base_reserve.0);
                prop_assert_eq!(view.pool_base, reserves);
                prop_assert_eq!(view.pool_quote, reserves * 2);
            }
        }
        if self.whole.house {
            let balance = self.reader.read(|views| views.account(AccountIndex(0)).balance).unwrap();
            prop_assert_eq!(balance, truth.account.map_or(0, |(state, _)| state.balance.0));
        }
        Ok(())
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Deliver,
    /// A ledger that never comes.
    Skip,
    /// A snapshot of a market begins; pages follow, then its pool and its end.
    Begin(u16),
    /// The next page, by a server that is so many ledgers ahead of the snapshot's begin.
    Page(usize),
    Abandon,
    Accounts(usize),
}

/// Pages of a snapshot: sides and ids.
const PAGES: [(Side, i64, i64); 4] = [(Side::Ask, 0, 6), (Side::Ask, 6, 13), (Side::Bid, 0, 6), (Side::Bid, 6, 13)];

/// The snapshot that is under way in a test.
struct Under {
    market: u16,
    since: usize,
    pages: usize,
    newest: usize,
}

fn run(house: &mut House, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut under: Option<Under> = None;
    for step in steps {
        match step {
            Step::Deliver => house.deliver(),
            Step::Skip if house.delivered + 1 < house.history.ledgers.len() => {
                house.delivered += 1;
                house.take(FeedEvent::Fault(ConnId(0), FeedFault::Gap));
                house.say(SnapshotEvent::Abandoned);
                under = None;
                house.deliver();
            }
            Step::Begin(market) if house.delivered > 0 => {
                house.say(SnapshotEvent::MarketBegin(MarketId(*market)));
                let since = house.delivered;
                under = Some(Under { market: *market, since, pages: 0, newest: since });
            }
            Step::Page(ahead) => {
                let Some(Under { market, since, pages, newest }) = &mut under else { continue };
                let server = (*since + ahead).min(house.history.ledgers.len());
                *newest = server.max(*newest);
                if let Some((side, from, to)) = PAGES.get(*pages) {
                    house.page(*market, *side, *from..*to, server);
                    *pages += 1;
                } else {
                    house.pool_page(*market, server);
                    house.say(SnapshotEvent::MarketEnd(MarketId(*market), seq(*newest)));
                    under = None;
                }
            }
            Step::Abandon => {
                house.say(SnapshotEvent::Abandoned);
                under = None;
            }
            Step::Accounts(ahead) if house.delivered > 0 => {
                under = None;
                house.accounts_snapshot((house.delivered + ahead).min(house.history.ledgers.len()));
            }
            Step::Skip | Step::Begin(_) | Step::Accounts(_) => {}
        }
        house.check()?;
    }
    Ok(())
}

fn change() -> impl Strategy<Value = Change> {
    let put = (0..MARKETS, any::<bool>(), 8_i32..12, 1_i64..50);
    prop_oneof![
        6 => (1..=IDS, put).prop_map(|(id, put)| Change::Offer(id, Some(put))),
        3 => (1..=IDS).prop_map(|id| Change::Offer(id, None)),
        1 => (0..MARKETS, proptest::option::of(1_i64..50)).prop_map(|(market, base)| Change::Pool(market, base)),
        1 => (1_i64..50).prop_map(Change::Account),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Deliver),
        1 => Just(Step::Skip),
        3 => (0..MARKETS).prop_map(Step::Begin),
        12 => (0_usize..4).prop_map(Step::Page),
        1 => Just(Step::Abandon),
        2 => (0_usize..3).prop_map(Step::Accounts),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_book_that_says_it_is_whole_is_what_a_rebuild_would_be(
        ledgers in prop::collection::vec(prop::collection::vec(change(), 0..6), 4..16),
        steps in prop::collection::vec(step(), 20..120),
    ) {
        let mut house = House::new(ledgers);
        run(&mut house, &steps)?;
        while house.delivered < house.history.ledgers.len() {
            house.deliver();
            house.check()?;
        }
        house.accounts_snapshot(house.delivered);
        for market in 0..MARKETS {
            house.whole_snapshot(market);
        }
        house.check()?;
        prop_assert!(house.whole.house && house.whole.markets == [true; 2], "whole in the end");
        prop_assert_eq!(house.stage.counters().differences, 0, "an honest server never differs");
    }

    #[test]
    fn a_check_catches_any_single_difference_and_a_later_one_that_finds_none_heals_it(
        ledgers in prop::collection::vec(prop::collection::vec(change(), 1..8), 4..10),
        which in any::<prop::sample::Index>(), how in 0_u8..4,
    ) {
        let mut house = House::new(ledgers);
        house.deliver();
        house.accounts_snapshot(1);
        house.whole_snapshot(0);
        while house.delivered < house.history.ledgers.len() {
            house.deliver();
        }
        house.check()?;
        prop_assert!(house.whole.markets[0]);
        let honest = house.history.states.last().unwrap().clone();
        let of_market: Vec<i64> = honest.of(0).iter().map(|offer| offer.id.0).collect();
        let lie = house.history.states.last_mut().unwrap();
        let id = if of_market.is_empty() { 0 } else { of_market[which.index(of_market.len())] };
        match lie.offers.get_mut(&id) {
            Some(_) if how == 0 => drop(lie.offers.remove(&id)),
            Some((offer, _)) if how == 1 => offer.amount.0 += 1,
            Some((offer, _)) if how == 2 => offer.price = Price::new(offer.price.n() + 1, offer.price.d()).unwrap(),
            _ => drop(lie.offers.insert(IDS, (offer(IDS, (0, true, 77, 99)), seq(1)))),
        }
        house.whole_snapshot(0);
        *house.history.states.last_mut().unwrap() = honest;
        prop_assert!(!house.whole.markets[0], "the difference stops the market");
        prop_assert!(house.stage.counters().differences > 0);
        house.whole_snapshot(0);
        house.whole_snapshot(0);
        house.check()?;
        prop_assert!(house.whole.markets[0], "and it heals");
    }
}

#[test]
fn more_changes_than_are_kept_end_a_snapshot_and_the_next_one_does_it() {
    let many: Vec<Change> = (1..=100).map(|id| Change::Offer(1000 + id, None)).collect();
    let mut house = House::new(vec![vec![], many, vec![]]);
    house.deliver();
    house.say(SnapshotEvent::MarketBegin(MarketId(0)));
    house.deliver();
    house.say(SnapshotEvent::MarketEnd(MarketId(0), seq(2)));
    assert_eq!(house.stage.counters().snapshots_too_large, 1);
    assert!(!house.whole.markets[0]);
    house.deliver();
    house.whole_snapshot(0);
    assert!(house.whole.markets[0]);
}

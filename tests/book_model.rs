//! Whatever sequence of offers a ledger brings, the book is what one would work out from the offers alone.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use stellar_connector::book::{BookConfig, BookLimits, BookStage, Offer};
use stellar_connector::events::views::{
    LevelView, MarketView, OwnOfferView, VIEW_DEPTH, ViewLimits, ViewsReader, views,
};
use stellar_connector::events::{
    BookEvent, FeedEvent, LedgerBegin, LedgerEnd, MonoNanos, Now, OfferChange, Stage, Stamped,
};
use stellar_connector::stellar::{AccountIndex, LedgerSeq, MarketId, OfferId, Orientation, Price, Side, Stroops};

const MARKETS: u16 = 3;
const ACCOUNTS: u16 = 2;
const IDS: i64 = 200;
const LIMITS: ViewLimits = ViewLimits { markets: 3, accounts: 2, assets: 4, offers_per_account: 64 };
const CONFIG: BookConfig = BookConfig {
    ledger_sources: 1,
    starts_whole_at: Some(LedgerSeq(1)),
    limits: BookLimits { offers: 256, levels_per_side: 256, own_offers: 64 },
    held_per_ledger: 8,
};

/// The simplest book there is: the offers, by id.
type Model = BTreeMap<i64, OfferChange>;

#[derive(Clone, Debug)]
enum Step {
    Put(OfferChange),
    Remove(OfferId),
    Close,
}

fn price() -> impl Strategy<Value = Price> {
    let near = (1_i32..6, 1_i32..6);
    // Different fractions of one value, and different values of one double.
    let scaled = (1_i32..4, 1_i32..4, 1_i32..100).prop_map(|(n, d, by)| (n * by, d * by));
    let tied = (0_i32..3).prop_map(|less| (i32::MAX - less, i32::MAX - 1 - less));
    let any = (1..=i32::MAX, 1..=i32::MAX);
    prop_oneof![4 => near, 2 => scaled, 2 => tied, 1 => any].prop_map(|(n, d)| Price::new(n, d).unwrap())
}

/// An offer's owner is part of what it is, and never changes: every third is ours.
fn owner(id: i64) -> Option<AccountIndex> {
    (id % 3 == 0).then(|| AccountIndex(u16::from(id % 2 == 0)))
}

fn put() -> impl Strategy<Value = Step> {
    // One market gets more offers than a view shows levels.
    let market = prop_oneof![3 => Just(0), 1 => 0..MARKETS];
    let amount = prop_oneof![4 => 1_i64..1000, 1 => (i64::MAX - 5)..=i64::MAX];
    (1..IDS, market, any::<bool>(), price(), amount).prop_map(|(id, market, is_ask, price, amount)| {
        let side = if is_ask { Side::Ask } else { Side::Bid };
        let place = Orientation { market: MarketId(market), side };
        Step::Put(OfferChange { id: OfferId(id), place, price, amount: Stroops(amount), owner: owner(id) })
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let remove = (1..IDS).prop_map(|id| Step::Remove(OfferId(id)));
    prop::collection::vec(prop_oneof![6 => put(), 3 => remove, 1 => Just(Step::Close)], 0..500)
}

fn in_side(model: &Model, place: Orientation) -> Vec<OfferChange> {
    model.values().filter(|offer| offer.place == place).copied().collect()
}

/// The levels of a side, best first, from its offers alone.
fn levels(model: &Model, place: Orientation) -> Vec<(Price, Vec<OfferChange>)> {
    let mut offers = in_side(model, place);
    offers.sort_by(|a, b| a.price.cmp_exact(b.price));
    let mut levels: Vec<(Price, Vec<OfferChange>)> = Vec::new();
    for offer in offers {
        match levels.last_mut() {
            Some((price, group)) if price.cmp_exact(offer.price).is_eq() => group.push(offer),
            _ => levels.push((offer.price, vec![offer])),
        }
    }
    levels
}

fn sum<'a>(offers: impl Iterator<Item = &'a OfferChange>) -> i64 {
    i64::try_from(offers.map(|offer| i128::from(offer.amount.0)).sum::<i128>()).unwrap_or(i64::MAX)
}

fn euclid(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { euclid(b, a % b) }
}

fn level_views(model: &Model, place: Orientation) -> [LevelView; VIEW_DEPTH] {
    let mut shown = [LevelView::default(); VIEW_DEPTH];
    for (view, (price, offers)) in shown.iter_mut().zip(levels(model, place)) {
        let market_price = if place.side == Side::Ask { price } else { price.inverse() };
        let divisor = euclid(market_price.n(), market_price.d());
        *view = LevelView {
            n: market_price.n() / divisor,
            d: market_price.d() / divisor,
            amount: sum(offers.iter()),
            own_amount: sum(offers.iter().filter(|offer| offer.owner.is_some())),
        };
    }
    shown
}

fn market_view(model: &Model, market: MarketId, changed_in: u32) -> MarketView {
    let place = |side| Orientation { market, side };
    let count = |side| u32::try_from(in_side(model, place(side)).len()).unwrap();
    MarketView {
        changed_in,
        whole: 1,
        bid_offers: count(Side::Bid),
        ask_offers: count(Side::Ask),
        bids: level_views(model, place(Side::Bid)),
        asks: level_views(model, place(Side::Ask)),
        ..MarketView::default()
    }
}

fn own_offers(model: &Model, account: AccountIndex) -> Vec<OwnOfferView> {
    let own = model.values().filter(|offer| offer.owner == Some(account));
    own.map(|o| OwnOfferView::new(o.id, o.place.market, o.place.side, o.price, o.amount)).collect()
}

struct Desk {
    stage: BookStage,
    reader: ViewsReader,
    model: Model,
    ledger: u32,
    changed_in: [u32; MARKETS as usize],
    told: Vec<Stamped<BookEvent>>,
}

impl Desk {
    fn new() -> Self {
        let (writer, reader) = views(LIMITS);
        let stage = BookStage::new(CONFIG, writer);
        let (model, told) = (Model::new(), Vec::new());
        let mut desk = Self { stage, reader, model, ledger: 1, changed_in: [0; MARKETS as usize], told };
        desk.begin();
        desk
    }

    fn take(&mut self, event: FeedEvent) {
        self.stage.on_event(Now::default(), Stamped { wire: MonoNanos(0), event }, &mut self.told);
    }

    fn begin(&mut self) {
        let seq = LedgerSeq(self.ledger);
        self.take(FeedEvent::LedgerBegin(LedgerBegin {
            seq,
            close_time_s: 0,
            protocol: 23,
            base_fee: 100,
            base_reserve: 1,
            first_byte: MonoNanos(0),
        }));
    }

    fn apply(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Put(offer) => {
                let old = self.model.insert(offer.id.0, *offer);
                self.touch(old.map(|offer| offer.place.market));
                self.touch(Some(offer.place.market));
                self.take(FeedEvent::Offer(*offer));
            }
            Step::Remove(id) => {
                let old = self.model.remove(&id.0);
                self.touch(old.map(|offer| offer.place.market));
                self.take(FeedEvent::OfferGone(*id));
            }
            Step::Close => {
                let seq = LedgerSeq(self.ledger);
                self.take(FeedEvent::LedgerEnd(LedgerEnd { seq, transactions: 0, failed: 0 }));
                self.check()?;
                self.ledger += 1;
                self.begin();
            }
        }
        Ok(())
    }

    fn touch(&mut self, market: Option<MarketId>) {
        if let Some(market) = market {
            self.changed_in[usize::from(market.0)] = self.ledger;
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for market in (0..MARKETS).map(MarketId) {
            let seen = self.reader.read(|views| views.market(market)).unwrap();
            let changed_in = self.changed_in[usize::from(market.0)];
            prop_assert_eq!(seen, market_view(&self.model, market, changed_in));
            prop_assert_eq!(changed_in == self.ledger, self.told_of(market));
            self.check_sides(market)?;
        }
        for account in (0..ACCOUNTS).map(AccountIndex) {
            let mut seen: Vec<OwnOfferView> = self.reader.read(|views| views.own_offers(account).collect()).unwrap();
            seen.sort_by_key(|offer| offer.id);
            prop_assert_eq!(seen, own_offers(&self.model, account));
        }
        prop_assert_eq!(self.stage.books().len(), self.model.len());
        let header = self.reader.read(|views| views.header()).unwrap();
        prop_assert_eq!((header.ledger, header.whole), (self.ledger, 1));
        self.told.clear();
        Ok(())
    }

    fn told_of(&self, market: MarketId) -> bool {
        self.told.iter().any(|told| told.event == BookEvent::MarketChanged(market))
    }

    /// Every level, also those that no view shows, and the order of the offers within the side.
    fn check_sides(&self, market: MarketId) -> Result<(), TestCaseError> {
        for side in [Side::Bid, Side::Ask] {
            let place = Orientation { market, side };
            let book = self.stage.books().market(market);
            let wanted = levels(&self.model, place);
            prop_assert_eq!(book.levels(side).count(), wanted.len());
            for (level, (price, offers)) in book.levels(side).zip(&wanted) {
                prop_assert!(level.price.cmp_exact(*price).is_eq());
                prop_assert_eq!(level.offers as usize, offers.len());
                let amount = |own: bool| {
                    offers.iter().filter(move |o| !own || o.owner.is_some()).map(|o| i128::from(o.amount.0))
                };
                prop_assert_eq!((level.amount, level.own_amount), (amount(false).sum(), amount(true).sum()));
            }
            let mut offers = in_side(&self.model, place);
            offers.sort_by(|a, b| a.price.book_order().total_cmp(&b.price.book_order()).then(a.id.cmp(&b.id)));
            let as_known =
                |o: OfferChange| Offer { id: o.id, amount: o.amount, price: o.price, place: o.place, owner: o.owner };
            let offers: Vec<Offer> = offers.into_iter().map(as_known).collect();
            prop_assert!(book.offers_in_order(side).eq(offers));
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_sequence_of_offers_gives_the_book_that_the_offers_alone_would(steps in steps()) {
        let mut desk = Desk::new();
        for step in &steps {
            desk.apply(step)?;
        }
        desk.apply(&Step::Close)?;
    }
}

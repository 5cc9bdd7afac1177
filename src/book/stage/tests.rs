use super::*;
use crate::book::Bound;
use crate::events::views::{ViewLimits, ViewsReader, views};
use crate::events::{OwnAccount, PoolChange, ReferencePrice, SymbolId, TxOutcome};
use crate::stellar::{AssetIndex, MarketId, Orientation, Price, SequenceNumber, Stroops, TxHash};

const SOURCE: ConnId = ConnId(0);
const OTHER: ConnId = ConnId(4);
const US: AccountIndex = AccountIndex(0);
const MARKET: MarketId = MarketId(1);
const CONFIG: BookConfig = BookConfig {
    ledger_sources: 1,
    starts_whole_at: Some(LedgerSeq(2)),
    limits: BookLimits { offers: 4, levels_per_side: 3, own_offers: 2 },
    held_per_ledger: 2,
};

struct Desk {
    stage: BookStage,
    reader: ViewsReader,
    told: Vec<Stamped<BookEvent>>,
    clock: u64,
}

impl Desk {
    fn new(config: BookConfig) -> Self {
        let limits = ViewLimits { markets: 2, accounts: 2, assets: 3, offers_per_account: config.limits.own_offers };
        let (writer, reader) = views(limits);
        Self { stage: BookStage::new(config, writer), reader, told: Vec::new(), clock: 0 }
    }

    fn take(&mut self, event: FeedEvent) {
        self.clock += 1;
        let input = Stamped { wire: MonoNanos(self.clock), event };
        self.stage.on_event(Now::default(), input, &mut self.told);
    }

    /// One ledger with these changes; returns what was told of it.
    fn ledger(&mut self, seq: u32, changes: &[FeedEvent]) -> Vec<BookEvent> {
        self.told.clear();
        self.take(begin(seq));
        changes.iter().for_each(|change| self.take(*change));
        self.take(end(seq));
        self.told()
    }

    fn told(&mut self) -> Vec<BookEvent> {
        self.told.drain(..).map(|told| told.event).collect()
    }

    fn market_whole(&self) -> bool {
        self.reader.read(|views| views.market(MARKET).whole).unwrap() == 1
    }

    fn whole(&self) -> bool {
        self.reader.read(|views| views.header().whole).unwrap() == 1
    }
}

fn begin(seq: u32) -> FeedEvent {
    FeedEvent::LedgerBegin(LedgerBegin {
        seq: LedgerSeq(seq),
        close_time_s: u64::from(seq) * 5,
        protocol: 23,
        base_fee: 100,
        base_reserve: 5_000_000,
        first_byte: MonoNanos(0),
    })
}

fn end(seq: u32) -> FeedEvent {
    FeedEvent::LedgerEnd(LedgerEnd { seq: LedgerSeq(seq), transactions: 9, failed: 4 })
}

fn closed(seq: u32) -> BookEvent {
    BookEvent::LedgerClosed(LedgerClosed {
        seq: LedgerSeq(seq),
        close_time_s: u64::from(seq) * 5,
        base_fee: 100,
        base_reserve: 5_000_000,
        transactions: 9,
        first_byte: MonoNanos(0),
    })
}

fn change(id: i64, n: i32, owner: Option<AccountIndex>) -> OfferChange {
    let place = Orientation { market: MARKET, side: Side::Ask };
    OfferChange { id: OfferId(id), place, price: Price::new(n, 100).unwrap(), amount: Stroops(10), owner }
}

fn offer(id: i64, n: i32) -> FeedEvent {
    FeedEvent::Offer(change(id, n, None))
}

fn own_offer(id: i64, n: i32) -> FeedEvent {
    FeedEvent::Offer(change(id, n, Some(US)))
}

fn trade(base: i64, venue: TradeVenue, taker: Option<AccountIndex>) -> FeedEvent {
    let (base, quote) = (Stroops(base), Stroops(base * 2));
    FeedEvent::Trade(Trade { market: MARKET, maker_side: Side::Ask, base, quote, venue, taker })
}

fn fill(ledger: u32, account: AccountIndex, side: Side, base: i64, offer: Option<OfferId>) -> BookEvent {
    let (base, quote) = (Stroops(base), Stroops(base * 2));
    let close_time_s = u64::from(ledger) * 5;
    BookEvent::Fill(Fill { ledger: LedgerSeq(ledger), close_time_s, market: MARKET, account, side, base, quote, offer })
}

fn book(offer: i64, maker: Option<AccountIndex>) -> TradeVenue {
    TradeVenue::Book { offer: OfferId(offer), maker }
}

fn own_transaction(hash: u8) -> OwnTransaction {
    OwnTransaction { hash: TxHash([hash; 32]), outcome: TxOutcome::Success, fee_charged: Stroops(100) }
}

#[test]
fn a_ledger_is_told_in_one_order_however_it_came() {
    let mut desk = Desk::new(CONFIG);
    let told = desk.ledger(
        2,
        &[
            FeedEvent::OwnTransaction(own_transaction(1)),
            offer(7, 100),
            trade(5, book(7, Some(US)), None),
            FeedEvent::Pool(PoolChange {
                market: MarketId(0),
                base_reserve: Stroops(8),
                quote_reserve: Stroops(9),
                fee_bp: 30,
            }),
        ],
    );
    let expected = [
        fill(2, US, Side::Ask, 5, Some(OfferId(7))),
        BookEvent::OwnTransaction(own_transaction(1)),
        BookEvent::MarketChanged(MARKET),
        BookEvent::MarketChanged(MarketId(0)),
        BookEvent::Whole(true),
        closed(2),
    ];
    assert_eq!(told, expected);
}

#[test]
fn every_event_carries_the_time_of_the_bytes_that_caused_it() {
    let mut desk = Desk::new(CONFIG);
    desk.take(begin(2)); // 1
    desk.take(trade(5, book(7, Some(US)), None)); // 2
    desk.take(end(2)); // 3
    let stamps: Vec<u64> = desk.told.iter().map(|told| told.wire.0).collect();
    assert_eq!(stamps, [2, 3, 3, 3]);
}

#[test]
fn nothing_of_a_ledger_is_told_or_shown_before_its_end() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[offer(1, 100)]);
    let version = desk.reader.version();
    for event in [begin(3), offer(2, 90), trade(1, book(1, Some(US)), None)] {
        desk.take(event);
    }
    assert_eq!(desk.told(), []);
    assert_eq!(desk.reader.version(), version);
    desk.take(end(3));
    assert_eq!(desk.reader.version(), version + 2, "one publication a ledger");
}

#[test]
fn a_strategy_sees_book_and_account_of_one_ledger() {
    let mut desk = Desk::new(CONFIG);
    let reader = desk.reader.clone();
    let account = |balance| {
        FeedEvent::Account(OwnAccount {
            account: US,
            balance: Stroops(balance),
            sequence: SequenceNumber(balance),
            subentries: 1,
            sponsoring: 0,
            sponsored: 0,
            buying_liabilities: Stroops(0),
            selling_liabilities: Stroops(0),
        })
    };
    let see = || {
        reader.read(|views| {
            let market = views.market(MARKET);
            let own: Vec<i64> = views.own_offers(US).map(|offer| offer.amount).collect();
            (views.header().ledger, market.changed_in, market.asks[0].own_amount, views.account(US).balance, own)
        })
    };
    desk.ledger(2, &[account(70), own_offer(1, 100)]);
    assert_eq!(see().unwrap(), (2, 2, 10, 70, vec![10]));
    let grown = OfferChange { amount: Stroops(11), ..change(1, 100, Some(US)) };
    desk.take(begin(3));
    desk.take(account(69));
    desk.take(FeedEvent::Offer(grown));
    assert_eq!(see().unwrap(), (2, 2, 10, 70, vec![10]));
    desk.take(end(3));
    assert_eq!(see().unwrap(), (3, 3, 11, 69, vec![11]));
    desk.ledger(4, &[FeedEvent::OfferGone(OfferId(1))]);
    assert_eq!(see().unwrap(), (4, 4, 0, 69, vec![]));
}

#[test]
fn making_and_taking_are_fills_on_opposite_sides() {
    let mut desk = Desk::new(CONFIG);
    let made = desk.ledger(2, &[trade(5, book(7, Some(US)), None)]);
    assert_eq!(made[0], fill(2, US, Side::Ask, 5, Some(OfferId(7))));
    let taken = desk.ledger(3, &[trade(5, book(7, None), Some(US))]);
    assert_eq!(taken[0], fill(3, US, Side::Bid, 5, None));
    let from_pool = desk.ledger(4, &[trade(5, TradeVenue::Pool, Some(US))]);
    assert_eq!(from_pool[0], fill(4, US, Side::Bid, 5, None));
    let with_ourselves = desk.ledger(5, &[trade(5, book(7, Some(US)), Some(AccountIndex(1)))]);
    assert_eq!(with_ourselves[0], fill(5, US, Side::Ask, 5, Some(OfferId(7))));
    assert_eq!(with_ourselves[1], fill(5, AccountIndex(1), Side::Bid, 5, None));
    let of_others = desk.ledger(6, &[trade(5, book(7, None), None)]);
    assert_eq!(of_others[0], BookEvent::MarketChanged(MARKET));
    let for_nothing = desk.ledger(7, &[trade(0, book(7, Some(US)), None)]);
    assert_eq!(for_nothing[0], BookEvent::MarketChanged(MARKET));
}

#[test]
fn fills_beyond_the_room_for_them_come_early_and_none_is_lost() {
    let mut desk = Desk::new(CONFIG);
    let trades: Vec<FeedEvent> = (1..=5).map(|base| trade(base, book(7, Some(US)), None)).collect();
    let told = desk.ledger(2, &trades);
    let fills: Vec<BookEvent> = (1..=5).map(|base| fill(2, US, Side::Ask, base, Some(OfferId(7)))).collect();
    assert_eq!(told[..5], fills);
    assert_eq!(desk.stage.counters().early, 4);
    let transactions: Vec<OwnTransaction> = (1..=3).map(own_transaction).collect();
    let events: Vec<FeedEvent> = transactions.iter().map(|own| FeedEvent::OwnTransaction(*own)).collect();
    let told = desk.ledger(3, &events);
    let expected: Vec<BookEvent> = transactions.iter().map(|own| BookEvent::OwnTransaction(*own)).collect();
    assert_eq!(told[..3], expected);
}

#[test]
fn the_last_trade_is_one_that_has_a_price() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[trade(5, book(7, None), None)]);
    desk.ledger(3, &[trade(0, book(7, None), None)]);
    let market = desk.reader.read(|views| views.market(MARKET)).unwrap();
    assert_eq!((market.changed_in, market.last_trade_ledger, market.last_base, market.last_quote), (3, 2, 5, 10));
    let traded = desk.stage.books().market(MARKET).traded();
    assert_eq!((traded.book_claims, traded.pool_claims, traded.base, traded.quote), (2, 0, 5, 10));
}

#[test]
fn pools_are_seen_until_they_are_gone() {
    let mut desk = Desk::new(CONFIG);
    let pool = PoolChange { market: MARKET, base_reserve: Stroops(8), quote_reserve: Stroops(9), fee_bp: 30 };
    desk.ledger(2, &[FeedEvent::Pool(pool)]);
    let reserves = |desk: &Desk| {
        let market = desk.reader.read(|views| views.market(MARKET)).unwrap();
        (market.pool_base, market.pool_quote)
    };
    assert_eq!(reserves(&desk), (8, 9));
    desk.ledger(3, &[FeedEvent::PoolGone(MARKET)]);
    assert_eq!(reserves(&desk), (0, 0));
}

#[test]
fn a_stream_from_the_networks_beginning_is_whole_and_a_later_one_is_not() {
    let mut from_the_start = Desk::new(CONFIG);
    assert!(!from_the_start.whole());
    from_the_start.ledger(2, &[]);
    assert!(from_the_start.whole());
    let mut late = Desk::new(CONFIG);
    assert_eq!(late.ledger(3, &[]), [BookEvent::MarketsLost, closed(3)]);
    assert!(!late.whole());
    let mut old_network = Desk::new(BookConfig { starts_whole_at: None, ..CONFIG });
    old_network.ledger(1, &[]);
    assert!(!old_network.whole());
}

#[test]
fn a_gap_is_never_forgiven() {
    let mut told_by_the_feed = Desk::new(CONFIG);
    told_by_the_feed.ledger(2, &[]);
    told_by_the_feed.told();
    let gap = FeedEvent::Fault(SOURCE, FeedFault::Gap);
    told_by_the_feed.take(gap);
    assert!(!told_by_the_feed.whole());
    told_by_the_feed.take(gap);
    let fault = BookEvent::Fault(SOURCE, FeedFault::Gap);
    assert_eq!(told_by_the_feed.told(), [BookEvent::Whole(false), BookEvent::MarketsLost, fault, fault]);
    assert_eq!(told_by_the_feed.ledger(3, &[]), [closed(3)]);

    let mut seen_by_itself = Desk::new(CONFIG);
    seen_by_itself.ledger(2, &[]);
    assert_eq!(seen_by_itself.ledger(4, &[]), [BookEvent::Whole(false), BookEvent::MarketsLost, closed(4)]);
    seen_by_itself.ledger(5, &[]);
    assert!(!seen_by_itself.whole());
    assert_eq!(seen_by_itself.stage.counters().broken, 1);
}

#[test]
fn a_ledger_that_does_not_end_is_a_gap() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[]);
    desk.take(begin(3));
    desk.take(offer(1, 100));
    assert_eq!(desk.ledger(3, &[])[0], BookEvent::Whole(false));
    assert!(!desk.whole());
}

#[test]
fn a_doubt_about_the_source_ends_with_the_next_ledger_that_follows() {
    for doubt in [FeedEvent::FeedDown(SOURCE), FeedEvent::Fault(SOURCE, FeedFault::Malformed)] {
        let mut desk = Desk::new(CONFIG);
        desk.ledger(2, &[offer(1, 100)]);
        desk.told();
        desk.take(doubt);
        assert_eq!(desk.told()[0], BookEvent::Whole(false));
        let header = desk.reader.read(|views| views.header()).unwrap();
        assert_eq!((header.ledger, header.whole), (2, 0), "published at once");
        desk.take(FeedEvent::FeedUp(SOURCE));
        assert_eq!(desk.told(), [BookEvent::Feed(SOURCE, true)]);
        assert_eq!(desk.ledger(3, &[]), [BookEvent::Whole(true), closed(3)]);
    }
}

#[test]
fn other_sources_say_nothing_about_the_book() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[]);
    desk.told();
    let price =
        ReferencePrice { symbol: SymbolId(0), bid: 1.0, ask: 2.0, received: MonoNanos(5), ..ReferencePrice::default() };
    for event in [
        FeedEvent::FeedDown(OTHER),
        FeedEvent::FeedUp(OTHER),
        FeedEvent::Fault(OTHER, FeedFault::BadValue),
        FeedEvent::ReferencePrice(price),
    ] {
        desk.take(event);
    }
    let passed_on = [
        BookEvent::Feed(OTHER, false),
        BookEvent::Feed(OTHER, true),
        BookEvent::Fault(OTHER, FeedFault::BadValue),
        BookEvent::ReferencePrice(price),
    ];
    assert_eq!(desk.told(), passed_on);
    assert!(desk.whole());
}

#[test]
fn offers_beyond_the_limit_are_left_out_and_the_book_is_not_whole() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[offer(1, 100), offer(2, 100), offer(3, 100), offer(4, 100)]);
    assert!(desk.whole());
    // Room that is not there for others is there for us, and what goes makes room.
    desk.ledger(3, &[own_offer(5, 100), FeedEvent::OfferGone(OfferId(4)), offer(8, 100)]);
    assert!(desk.whole());
    assert_eq!(
        desk.ledger(4, &[offer(6, 100)]),
        [BookEvent::MarketChanged(MARKET), BookEvent::MarketWhole(MARKET, false), closed(4)]
    );
    assert_eq!(desk.stage.books().len(), 5);
    assert_eq!(desk.stage.books().refusals().offers, 1);
    assert!(!desk.stage.books().market(MARKET).is_whole());
    assert!(desk.stage.books().market(MarketId(0)).is_whole());
    // What was left out stays unknown, so the market stays marked though there is room again.
    desk.ledger(5, &[FeedEvent::OfferGone(OfferId(1)), FeedEvent::OfferGone(OfferId(6))]);
    assert!(!desk.market_whole());
}

#[test]
fn levels_beyond_the_limit_are_left_out_and_the_book_is_not_whole() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[offer(1, 101), offer(2, 102), offer(3, 103), own_offer(9, 103)]);
    assert!(desk.whole());
    // To another price where its own level goes with it: there is room.
    desk.ledger(3, &[offer(2, 104)]);
    assert!(desk.whole());
    // To another price while its level stays: there is none, and its old state is not kept either.
    desk.ledger(4, &[own_offer(9, 105)]);
    assert!(!desk.market_whole());
    assert_eq!(desk.stage.books().refusals().levels, 1);
    assert_eq!(desk.stage.books().find(OfferId(9)), None);
    let (account, own) = desk.reader.read(|views| (views.account(US), views.own_offers(US).count())).unwrap();
    assert_eq!((account.offers, account.offers_truncated, own), (0, 1, 0));
    let market = desk.reader.read(|views| views.market(MARKET)).unwrap();
    let prices: Vec<i32> = market.levels(Side::Ask).map(|level| level.n * (100 / level.d)).collect();
    assert_eq!(prices, [101, 103, 104]);
}

#[test]
fn own_offers_beyond_the_limit_are_left_out_and_the_account_is_truncated() {
    let mut desk = Desk::new(CONFIG);
    let other_account = FeedEvent::Offer(change(4, 100, Some(AccountIndex(1))));
    desk.ledger(2, &[own_offer(1, 100), own_offer(2, 100), other_account]);
    assert!(desk.whole());
    desk.ledger(3, &[own_offer(3, 100)]);
    assert!(!desk.market_whole());
    assert_eq!(desk.stage.books().refusals().own_offers, 1);
    let (account, other) = desk.reader.read(|views| (views.account(US), views.account(AccountIndex(1)))).unwrap();
    assert_eq!((account.offers, account.offers_truncated), (2, 1));
    assert_eq!((other.offers, other.offers_truncated), (1, 0));
}

#[test]
fn a_refusal_says_which_bound_it_was() {
    let mut books = Books::new(2, 1, CONFIG.limits);
    for id in 1..=3 {
        let price = 100 + i32::try_from(id).unwrap();
        assert_eq!(books.offer(&change(id, price, None)), Ok(()));
    }
    assert_eq!(books.offer(&change(4, 104, None)), Err(Bound::Levels));
    assert_eq!(books.offer(&change(4, 103, None)), Ok(()));
    assert_eq!(books.offer(&change(5, 103, None)), Err(Bound::Offers));
    assert_eq!(books.offer(&change(6, 103, Some(US))), Ok(()));
    assert_eq!(books.offer(&change(7, 103, Some(US))), Ok(()));
    assert_eq!(books.offer(&change(8, 103, Some(US))), Err(Bound::OwnOffers));
}

#[test]
fn trustlines_come_and_go_with_their_ledger() {
    let mut desk = Desk::new(CONFIG);
    let line = crate::events::OwnTrustLine {
        account: US,
        asset: AssetIndex(2),
        balance: Stroops(5),
        limit: Stroops(6),
        buying_liabilities: Stroops(1),
        selling_liabilities: Stroops(2),
        authorized: true,
    };
    let exists = |desk: &Desk| desk.reader.read(|views| views.line(US, AssetIndex(2)).exists).unwrap();
    desk.ledger(2, &[FeedEvent::TrustLine(line)]);
    assert_eq!(exists(&desk), 1);
    desk.ledger(3, &[FeedEvent::TrustLineGone(US, AssetIndex(2)), FeedEvent::AccountGone(US)]);
    assert_eq!(exists(&desk), 0);
}

#[test]
fn what_the_feed_counted_is_summed() {
    let mut desk = Desk::new(CONFIG);
    desk.ledger(2, &[]);
    desk.ledger(3, &[]);
    let counters = desk.stage.counters();
    assert_eq!((counters.ledgers, counters.transactions, counters.failed_transactions), (2, 18, 8));
}

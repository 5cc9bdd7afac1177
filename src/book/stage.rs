//! The stage: ledger changes in, published views and news for strategies out.

use super::market::MarketBook;
use super::snapshot::Snapshot;
use super::store::{BookLimits, Books};
use crate::account::Accounts;
use crate::events::views::{ViewsHeader, ViewsWriter};
use crate::events::{
    BookEvent, ConnId, FeedEvent, FeedFault, Fill, LedgerBegin, LedgerClosed, LedgerEnd, MonoNanos, Now, OfferChange,
    OwnTransaction, Sink, Stage, Stamped, Trade, TradeVenue,
};
use crate::stellar::{AccountIndex, LedgerSeq, MarketId, OfferId, Side};

/// How a [`BookStage`] is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookConfig {
    /// How many connections, the first ones, bring ledgers: 1 to 64. They race; the books are good while one is up.
    pub ledger_sources: u8,
    /// A stream whose first ledger has this number or a lower one tells everything that the network ever had, so that
    /// the book is whole without a snapshot (2 on a network of our own; `None` for one that is older than the stream).
    pub starts_whole_at: Option<LedgerSeq>,
    /// How much is held.
    pub limits: BookLimits,
    /// How many fills, and how many transactions of ours, are held back until their ledger is complete (at least 1).
    /// When one more comes, those before it are handed on early, before the views show them: none is ever dropped.
    pub held_per_ledger: usize,
}

/// What a [`BookStage`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BookCounters {
    /// Ledgers completed.
    pub ledgers: u64,
    /// Transactions applied in them.
    pub transactions: u64,
    /// Transactions among these that failed.
    pub failed_transactions: u64,
    /// Times that the book ceased to be whole.
    pub broken: u64,
    /// Fills and own transactions that were handed on before their ledger was complete, for want of room.
    pub early: u64,
    /// Snapshots that were looked at beside the books.
    pub snapshots: u64,
    /// Offers and pools about which one of them and a book that was whole differed.
    pub differences: u64,
    /// Accounts and trustlines of ours about which one of them and what was known differed.
    pub account_differences: u64,
    /// Snapshots given up: more rows, or changes meanwhile, than are kept.
    pub snapshots_too_large: u64,
}

/// Stage 2: applies ledgers to [`Books`] and [`Accounts`], and says so.
///
/// At a ledger's end everything that it changed is published under one lock, and then told, in this order: fills, own
/// transactions, changed markets, [`Whole`](BookEvent::Whole) if that changed, [`LedgerClosed`](BookEvent::LedgerClosed).
///
/// A market's book is whole while it is known to be what the ledger has: the stream began at the network's beginning, or
/// a snapshot that began after the last gap was applied; nothing had to be left out for want of room; and the last
/// snapshot agreed. What all stand on (`header.whole`) is the chain of ledgers, up to date from a source that is up, and
/// our accounts, known in the same way. Any doubt is published at once. A doubt about the source ends with the next
/// complete ledger that follows the last one; a gap ends by snapshots that begin after it.
///
/// A [snapshot](crate::events::SnapshotEvent) of a market that is not whole makes it so. One of a market that is whole is
/// a check: a difference is told, stops the market, and is mended at once; but only a later snapshot that finds none
/// makes it whole again.
#[derive(Debug)]
pub struct BookStage {
    config: BookConfig,
    books: Books,
    accounts: Accounts,
    views: ViewsWriter,
    header: ViewsHeader,
    /// The ledger that is being applied.
    open: Option<LedgerBegin>,
    last: Option<LedgerSeq>,
    /// The ledgers since the last gap follow each other, and our accounts are known since then.
    accounts_whole: bool,
    /// Since the last complete ledger the source has given cause for doubt.
    doubted: bool,
    /// Which of the sources of ledgers are up, a bit each.
    up: u64,
    snapshot: Snapshot,
    /// The views of all markets are to be published: what they say of being whole has changed.
    all_changed: bool,
    fills: Vec<Stamped<BookEvent>>,
    transactions: Vec<Stamped<BookEvent>>,
    counters: BookCounters,
}

impl BookStage {
    /// A stage that knows nothing yet, for the markets, accounts and assets that `views` has room for.
    ///
    /// # Panics
    /// If the views have not as many own-offer slots an account as the limits say, or no event can be held.
    #[must_use]
    pub fn new(config: BookConfig, views: ViewsWriter) -> Self {
        let room = views.limits();
        assert!((1..=64).contains(&config.ledger_sources), "between 1 and 64 connections bring ledgers");
        assert!(config.held_per_ledger > 0, "no fill could be held until its ledger is complete");
        assert_eq!(
            room.offers_per_account, config.limits.own_offers,
            "own offers and the views' slots for them differ"
        );
        Self {
            books: Books::new(room.markets, room.accounts, config.limits),
            accounts: Accounts::new(room),
            header: ViewsHeader::default(),
            open: None,
            last: None,
            accounts_whole: true,
            doubted: false,
            up: 0,
            all_changed: true,
            snapshot: Snapshot::new(config.limits.offers.max(1)),
            fills: Vec::with_capacity(config.held_per_ledger),
            transactions: Vec::with_capacity(config.held_per_ledger),
            counters: BookCounters::default(),
            config,
            views,
        }
    }

    /// The books, in the midst of a ledger if one is open. Strategies read the views instead.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// What has been counted.
    #[must_use]
    pub fn counters(&self) -> BookCounters {
        self.counters
    }

    fn begin(&mut self, begin: LedgerBegin, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let follows = match self.last {
            Some(last) => begin.seq == last.next() && self.open.is_none(),
            None => self.config.starts_whole_at.is_some_and(|first| begin.seq <= first),
        };
        if !follows {
            self.lose_all(wire, sink);
        }
        self.open = Some(begin);
        self.books.begin(begin.seq);
    }

    fn end(&mut self, end: LedgerEnd, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let Some(begin) = self.open.take() else { unreachable!("ledger {} ends and never began", end.seq) };
        assert_eq!(begin.seq, end.seq, "another ledger ends than began");
        self.last = Some(end.seq);
        self.counters.ledgers += 1;
        self.counters.transactions += u64::from(end.transactions);
        self.counters.failed_transactions += u64::from(end.failed);
        let was_whole = self.header.whole;
        self.doubted = false;
        self.header = ViewsHeader {
            ledger: begin.seq.0,
            protocol: begin.protocol,
            close_time_s: begin.close_time_s,
            base_fee: begin.base_fee,
            base_reserve: begin.base_reserve,
            whole: u32::from(self.accounts_whole),
            reserved: 0,
        };
        self.use_snapshot(wire, sink);
        self.publish();
        for held in self.fills.drain(..).chain(self.transactions.drain(..)) {
            sink.put(held);
        }
        self.tell_changes(was_whole, wire, sink);
        let mut tell = |event| sink.put(Stamped { wire, event });
        tell(BookEvent::LedgerClosed(LedgerClosed {
            seq: begin.seq,
            close_time_s: begin.close_time_s,
            base_fee: begin.base_fee,
            base_reserve: begin.base_reserve,
            transactions: end.transactions,
            first_byte: begin.first_byte,
        }));
    }

    /// Tells which markets have changed, and which have ceased or begun to be whole.
    fn tell_changes(&mut self, was_whole: u32, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let mut tell = |event| sink.put(Stamped { wire, event });
        for at in 0..self.books.changed().len() {
            let market = self.books.changed()[at];
            tell(BookEvent::MarketChanged(market));
            if let Some(whole) = self.books.news_of_whole(market) {
                tell(BookEvent::MarketWhole(market, whole));
            }
        }
        self.books.clear_changed();
        if self.header.whole != was_whole {
            self.counters.broken += u64::from(was_whole);
            tell(BookEvent::Whole(self.header.whole == 1));
        }
    }

    fn publish(&mut self) {
        let Self { views, books, accounts, header, .. } = self;
        let all = core::mem::take(&mut self.all_changed);
        views.publish(|publication| {
            publication.header(header);
            if all {
                for (market, id) in books.markets().zip((0..).map(MarketId)) {
                    publication.market(id, &market.view());
                }
            }
            for market in books.changed() {
                publication.market(*market, &books.market(*market).view());
            }
            accounts.publish(publication);
        });
    }

    /// Ledgers are missing: nothing is known any more.
    fn lose_all(&mut self, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        self.doubt(wire, sink);
        self.snapshot.abandon();
        if self.accounts_whole || self.books.markets().any(MarketBook::is_whole) {
            self.accounts_whole = false;
            self.books.lose_all();
            self.all_changed = true;
            sink.put(Stamped { wire, event: BookEvent::MarketsLost });
        }
    }

    /// The book may no longer be what the ledger is.
    fn doubt(&mut self, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        self.doubted = true;
        if self.header.whole == 1 {
            self.header.whole = 0;
            self.counters.broken += 1;
            let header = self.header;
            self.views.publish(|publication| publication.header(&header));
            sink.put(Stamped { wire, event: BookEvent::Whole(false) });
        }
    }

    /// A source's bit among those that bring ledgers; zero if it does not.
    fn bit(&self, conn: ConnId) -> u64 {
        if conn.0 < self.config.ledger_sources { 1 << conn.0 } else { 0 }
    }

    fn fault(&mut self, conn: ConnId, fault: FeedFault, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let bit = self.bit(conn);
        if bit != 0 && fault == FeedFault::Gap {
            self.lose_all(wire, sink);
        } else if bit != 0 && self.up & !bit == 0 {
            self.doubt(wire, sink);
        }
        sink.put(Stamped { wire, event: BookEvent::Fault(conn, fault) });
    }

    fn feed(&mut self, conn: ConnId, is_up: bool, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let bit = self.bit(conn);
        self.up = if is_up { self.up | bit } else { self.up & !bit };
        if bit != 0 && self.up == 0 {
            self.doubt(wire, sink);
        }
        sink.put(Stamped { wire, event: BookEvent::Feed(conn, is_up) });
    }

    fn offer(&mut self, change: &OfferChange) {
        match (self.books.offer(change), change.owner) {
            (Ok(()), Some(owner)) => self.accounts.offer(owner, change),
            (Err(_), Some(owner)) => self.accounts.offer_refused(owner, change.id),
            (_, None) => {}
        }
    }

    fn offer_gone(&mut self, id: OfferId) {
        let owned = self.books.offer_gone(id).and_then(|offer| offer.owner);
        if let Some(owner) = owned {
            self.accounts.offer_gone(owner, id);
        }
    }

    fn trade(&mut self, trade: &Trade, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        self.books.trade(trade);
        if (trade.base.0, trade.quote.0) == (0, 0) {
            return; // A claim, but nothing that anyone's position would show.
        }
        if let TradeVenue::Book { offer, maker: Some(account) } = trade.venue {
            self.fill(trade, account, trade.maker_side, Some(offer), wire, sink);
        }
        if let Some(account) = trade.taker {
            self.fill(trade, account, trade.maker_side.opposite(), None, wire, sink);
        }
    }

    fn fill(
        &mut self,
        trade: &Trade,
        account: AccountIndex,
        side: Side,
        offer: Option<OfferId>,
        wire: MonoNanos,
        sink: &mut impl Sink<Stamped<BookEvent>>,
    ) {
        let Some(LedgerBegin { seq: ledger, close_time_s, .. }) = self.open else {
            unreachable!("a trade outside of a ledger")
        };
        let (market, base, quote) = (trade.market, trade.base, trade.quote);
        let fill = BookEvent::Fill(Fill { ledger, close_time_s, market, account, side, base, quote, offer });
        hold(&mut self.fills, Stamped { wire, event: fill }, &mut self.counters.early, sink);
    }

    fn transaction(&mut self, own: OwnTransaction, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let event = BookEvent::OwnTransaction(own);
        hold(&mut self.transactions, Stamped { wire, event }, &mut self.counters.early, sink);
    }
}

/// Keeps an event until the ledger's end; if there is no room, those before it go on early.
fn hold(
    held: &mut Vec<Stamped<BookEvent>>,
    event: Stamped<BookEvent>,
    early: &mut u64,
    sink: &mut impl Sink<Stamped<BookEvent>>,
) {
    if held.len() == held.capacity() {
        *early += held.len() as u64;
        held.drain(..).for_each(|event| sink.put(event));
    }
    held.push(event);
}

impl Stage for BookStage {
    type Input<'a> = Stamped<FeedEvent>;
    type Output = Stamped<BookEvent>;

    fn on_event(&mut self, _now: Now, input: Stamped<FeedEvent>, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let wire = input.wire;
        match input.event {
            FeedEvent::LedgerBegin(begin) => self.begin(begin, wire, sink),
            FeedEvent::Offer(change) => {
                self.touch(change.id);
                self.offer(&change);
            }
            FeedEvent::OfferGone(id) => {
                self.touch(id);
                self.offer_gone(id);
            }
            FeedEvent::Account(state) => self.accounts.account(&state),
            FeedEvent::AccountGone(account) => self.accounts.account_gone(account),
            FeedEvent::TrustLine(line) => self.accounts.line(&line),
            FeedEvent::TrustLineGone(account, asset) => self.accounts.line_gone(account, asset),
            FeedEvent::Pool(pool) => {
                self.touch_pool(pool.market);
                self.books.pool(&pool);
            }
            FeedEvent::PoolGone(market) => {
                self.touch_pool(market);
                self.books.pool_gone(market);
            }
            FeedEvent::Trade(trade) => self.trade(&trade, wire, sink),
            FeedEvent::OwnTransaction(own) => self.transaction(own, wire, sink),
            FeedEvent::LedgerEnd(end) => self.end(end, wire, sink),
            FeedEvent::Snapshot(event) => self.on_snapshot(event, wire, sink),
            FeedEvent::ReferencePrice(price) => sink.put(Stamped { wire, event: BookEvent::ReferencePrice(price) }),
            FeedEvent::FeedUp(conn) => self.feed(conn, true, wire, sink),
            FeedEvent::FeedDown(conn) => self.feed(conn, false, wire, sink),
            FeedEvent::Fault(conn, fault) => self.fault(conn, fault, wire, sink),
        }
    }

    fn on_time(&mut self, _now: Now, _sink: &mut impl Sink<Stamped<BookEvent>>) {}

    fn next_deadline(&self) -> Option<MonoNanos> {
        None
    }
}

mod snapshots;

#[cfg(test)]
mod tests;

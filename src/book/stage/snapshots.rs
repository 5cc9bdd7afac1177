//! What the stage does with snapshots.

use super::BookStage;
use crate::book::snapshot::{Ready, TooLarge};
use crate::events::{BookEvent, MonoNanos, Sink, SnapshotEvent, Stamped};
use crate::stellar::{LedgerSeq, MarketId, OfferId};

/// Differences of one snapshot that are told; all are counted.
const TOLD_DIFFERENCES: u64 = 32;

impl BookStage {
    pub(super) fn on_snapshot(
        &mut self,
        event: SnapshotEvent,
        wire: MonoNanos,
        sink: &mut impl Sink<Stamped<BookEvent>>,
    ) {
        match event {
            SnapshotEvent::MarketBegin(market) => self.snapshot.begin_market(market),
            SnapshotEvent::Offer(row) => {
                let kept = self.snapshot.row(&row);
                self.unless_too_large(kept);
            }
            SnapshotEvent::Pool(pool, modified_in) => self.snapshot.pool(&pool, modified_in),
            SnapshotEvent::MarketEnd(market, at) => self.snapshot.end_market(market, at),
            SnapshotEvent::AccountsBegin => {
                self.snapshot.begin_accounts();
                self.accounts.note_changes();
            }
            SnapshotEvent::Account(state, modified_in) => self.snapshot.accounts.push((state, modified_in)),
            SnapshotEvent::TrustLine(line, modified_in) => self.snapshot.lines.push((line, modified_in)),
            SnapshotEvent::AccountsEnd(at) => self.snapshot.end_accounts(at),
            SnapshotEvent::Abandoned => self.snapshot.abandon(),
        }
        if self.open.is_none() && self.snapshot.ready(self.last).is_some() {
            let was_whole = self.header.whole;
            self.use_snapshot(wire, sink);
            self.publish();
            self.tell_changes(was_whole, wire, sink);
        }
    }

    /// A ledger changes an offer.
    pub(super) fn touch(&mut self, id: OfferId) {
        if self.snapshot.is_open() {
            let kept = self.snapshot.touch(id, self.ledger());
            self.unless_too_large(kept);
        }
    }

    /// A ledger changes a pool.
    pub(super) fn touch_pool(&mut self, market: MarketId) {
        let ledger = self.ledger();
        self.snapshot.touch_pool(market, ledger);
    }

    /// The ledger that is being applied.
    fn ledger(&self) -> LedgerSeq {
        match self.open {
            Some(begin) => begin.seq,
            None => unreachable!("a ledger's change outside of a ledger"),
        }
    }

    fn unless_too_large(&mut self, kept: Result<(), TooLarge>) {
        if kept.is_err() {
            self.counters.snapshots_too_large += 1;
            self.snapshot.abandon();
        }
    }

    /// Looks at the snapshot beside the books, if it is complete and the books have come as far.
    pub(super) fn use_snapshot(&mut self, wire: MonoNanos, sink: &mut impl Sink<Stamped<BookEvent>>) {
        let ledger = self.header.seq();
        match self.snapshot.ready(Some(ledger)) {
            Some(Ready::Market(market)) => self.use_market(market, ledger, wire, sink),
            Some(Ready::Accounts) => self.use_accounts(),
            None => return,
        }
        self.counters.snapshots += 1;
        self.snapshot.abandon();
    }

    fn use_market(
        &mut self,
        market: MarketId,
        ledger: LedgerSeq,
        wire: MonoNanos,
        sink: &mut impl Sink<Stamped<BookEvent>>,
    ) {
        self.snapshot.drop_overtaken();
        let mut differences = 0;
        let is_check = self.books.market(market).is_whole();
        self.snapshot.differences(market, &self.books, ledger, |difference| {
            differences += 1;
            if is_check && differences <= TOLD_DIFFERENCES {
                sink.put(Stamped { wire, event: BookEvent::Difference(difference) });
            }
        });
        if differences == 0 {
            self.books.market_mut(market).suspect = false;
            if !is_check {
                self.books.set_whole(market, true);
            }
            return;
        }
        if is_check {
            self.counters.differences += differences;
            self.books.market_mut(market).suspect = true;
        }
        self.apply_rows(market);
    }

    /// Makes the book what the snapshot says.
    fn apply_rows(&mut self, market: MarketId) {
        // Putting an offer that does not fit says that the market is not whole, whatever it was.
        let is_suspect = self.books.market(market).is_suspect();
        self.books.set_whole(market, !is_suspect);
        for at in 0..self.snapshot.rows().len() {
            let row = self.snapshot.rows()[at].offer;
            self.offer(&row);
        }
        for id in self.snapshot.ghost_ids(market, &self.books) {
            self.offer_gone(id);
        }
        match self.snapshot.pool_difference(market, &self.books) {
            Some((Some(pool), _)) => self.books.pool(&pool),
            Some((None, _)) => self.books.pool_gone(market),
            None => {}
        }
    }

    fn use_accounts(&mut self) {
        let differences = self.accounts.apply(&self.snapshot.accounts, &self.snapshot.lines);
        if self.accounts_whole {
            self.counters.account_differences += differences;
        }
        self.accounts_whole = true;
        self.header.whole = u32::from(!self.doubted);
    }
}

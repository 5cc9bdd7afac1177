//! A snapshot that is under way, and what ledgers change meanwhile.
//!
//! Its pages are of different ledgers, none older than the begin. Every change since then is noted; so once the book has
//! come to the newest page's ledger, each row is either what the book must have, or overtaken by a change that is newer
//! than the row. An offer of the book that was not touched since the begin and has no row is a ghost.

use super::store::Books;
use crate::events::{OwnAccount, OwnTrustLine, PoolChange, SnapshotDifference, SnapshotOffer, SnapshotState};
use crate::stellar::{LedgerSeq, MarketId, OfferId, Side};
use rustc_hash::FxHashMap;

/// What is being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Market(MarketId),
    Accounts,
}

/// A change of an offer since the snapshot began.
#[derive(Clone, Copy, Debug)]
struct Touched {
    ledger: LedgerSeq,
    /// A row is as new as the change.
    has_row: bool,
}

/// The snapshot that is open, if one is. Its memory grows up to its bound and is kept for the next.
#[derive(Debug)]
pub(super) struct Snapshot {
    open: Open,
    /// All pages are in; the newest was of this ledger.
    ends_at: Option<LedgerSeq>,
    rows: Vec<SnapshotOffer>,
    pool: Option<(PoolChange, LedgerSeq)>,
    pool_touched: Option<LedgerSeq>,
    touched: FxHashMap<OfferId, Touched>,
    pub(super) accounts: Vec<(OwnAccount, LedgerSeq)>,
    pub(super) lines: Vec<(OwnTrustLine, LedgerSeq)>,
    /// Rows, and changes, that are kept at most.
    max_rows: usize,
}

/// What there is to do now that a snapshot is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Market(MarketId),
    Accounts,
}

/// There are more rows, or more changes meanwhile, than are kept: the snapshot is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Snapshot {
    pub(super) fn new(max_rows: usize) -> Self {
        Self {
            open: Open::Nothing,
            ends_at: None,
            rows: Vec::new(),
            pool: None,
            pool_touched: None,
            touched: FxHashMap::default(),
            accounts: Vec::new(),
            lines: Vec::new(),
            max_rows,
        }
    }

    fn begin(&mut self, open: Open) {
        self.abandon();
        self.open = open;
    }

    pub(super) fn begin_market(&mut self, market: MarketId) {
        self.begin(Open::Market(market));
    }

    pub(super) fn begin_accounts(&mut self) {
        self.begin(Open::Accounts);
    }

    /// What was open does not count.
    pub(super) fn abandon(&mut self) {
        (self.open, self.ends_at, self.pool, self.pool_touched) = (Open::Nothing, None, None, None);
        self.rows.clear();
        self.touched.clear();
        self.accounts.clear();
        self.lines.clear();
    }

    pub(super) fn is_open(&self) -> bool {
        self.open != Open::Nothing
    }

    pub(super) fn row(&mut self, row: &SnapshotOffer) -> Result<(), TooLarge> {
        if self.open != Open::Market(row.offer.place.market) {
            return Ok(()); // Of a snapshot that was abandoned.
        }
        if self.rows.len() == self.max_rows {
            return Err(TooLarge);
        }
        self.rows.push(*row);
        Ok(())
    }

    pub(super) fn pool(&mut self, pool: &PoolChange, modified_in: LedgerSeq) {
        if self.open == Open::Market(pool.market) {
            self.pool = Some((*pool, modified_in));
        }
    }

    /// A ledger changes or removes an offer. Of which market it was, a removal does not say: all are noted.
    pub(super) fn touch(&mut self, id: OfferId, ledger: LedgerSeq) -> Result<(), TooLarge> {
        if !matches!(self.open, Open::Market(_)) {
            return Ok(());
        }
        if self.touched.len() >= self.max_rows && !self.touched.contains_key(&id) {
            return Err(TooLarge);
        }
        self.touched.insert(id, Touched { ledger, has_row: false });
        Ok(())
    }

    pub(super) fn touch_pool(&mut self, market: MarketId, ledger: LedgerSeq) {
        if self.open == Open::Market(market) {
            self.pool_touched = Some(ledger);
        }
    }

    pub(super) fn end_market(&mut self, market: MarketId, at: LedgerSeq) {
        if self.open == Open::Market(market) {
            self.ends_at = Some(at);
        }
    }

    pub(super) fn end_accounts(&mut self, at: LedgerSeq) {
        if self.open == Open::Accounts {
            self.ends_at = Some(at);
        }
    }

    /// Whether the book, which has come to `ledger`, can be looked at beside the snapshot.
    pub(super) fn ready(&self, ledger: Option<LedgerSeq>) -> Option<Ready> {
        let (ends_at, ledger) = (self.ends_at?, ledger?);
        match self.open {
            Open::Market(market) if ledger >= ends_at => Some(Ready::Market(market)),
            Open::Accounts if ledger >= ends_at => Some(Ready::Accounts),
            _ => None,
        }
    }

    /// Leaves the rows that no change has overtaken.
    pub(super) fn drop_overtaken(&mut self) {
        let touched = &mut self.touched;
        self.rows.retain(|row| match touched.get_mut(&row.offer.id) {
            None => true,
            Some(change) => {
                change.has_row = change.ledger <= row.modified_in;
                change.has_row
            }
        });
        if let (Some(touched), Some((_, modified_in))) = (self.pool_touched, &self.pool)
            && touched > *modified_in
        {
            self.pool = None;
        }
    }

    pub(super) fn rows(&self) -> &[SnapshotOffer] {
        &self.rows
    }

    /// Tells each difference between the rows that are left and the book: first those of rows, then ghosts, then the
    /// pool's.
    pub(super) fn differences(
        &self,
        market: MarketId,
        books: &Books,
        ledger: LedgerSeq,
        mut tell: impl FnMut(SnapshotDifference),
    ) {
        let mut tell = |offer, snapshot, book| tell(SnapshotDifference { market, offer, snapshot, book, ledger });
        let mut agreed = 0;
        for SnapshotOffer { offer: row, .. } in &self.rows {
            let found = books.find(row.id);
            let is_same =
                |offer: &super::Offer| (offer.place, offer.price, offer.amount) == (row.place, row.price, row.amount);
            if found.as_ref().is_some_and(is_same) {
                agreed += 1;
            } else {
                tell(row.id, Some(SnapshotState::of_offer(row.amount, row.price)), found.as_ref().map(state_of));
            }
        }
        self.ghosts(market, books, agreed, |ghost| tell(ghost.id, None, Some(state_of(ghost))));
        if let Some((snapshot, book)) = self.pool_difference(market, books) {
            tell(OfferId(0), snapshot.as_ref().map(SnapshotState::of_pool), book.as_ref().map(SnapshotState::of_pool));
        }
    }

    /// Tells the market's offers that the snapshot must have had and had not. `agreed` rows are as the book has them;
    /// where they are all that there is, nobody needs to look.
    fn ghosts(&self, market: MarketId, books: &Books, agreed: usize, mut tell: impl FnMut(&super::Offer)) {
        let is_here = |id: &OfferId| books.find(*id).is_some_and(|offer| offer.place.market == market);
        let newer = self.touched.iter().filter(|(id, change)| !change.has_row && is_here(id)).count();
        let all = books.market(market);
        if (all.offers(Side::Bid) + all.offers(Side::Ask)) as usize == agreed + newer {
            return;
        }
        let rows: rustc_hash::FxHashSet<OfferId> = self.rows.iter().map(|row| row.offer.id).collect();
        let known = |id: &OfferId| rows.contains(id) || self.touched.contains_key(id);
        let offers = all.offers_in_order(Side::Bid).chain(all.offers_in_order(Side::Ask));
        offers.filter(|offer| !known(&offer.id)).for_each(|ghost| tell(&ghost));
    }

    /// The ids of offers that the book has and the ledger has not, once the rows are applied.
    pub(super) fn ghost_ids(&self, market: MarketId, books: &Books) -> Vec<OfferId> {
        let mut ids = Vec::new();
        let agreed = self.rows.iter().filter(|row| books.find(row.offer.id).is_some()).count();
        self.ghosts(market, books, agreed, |ghost| ids.push(ghost.id));
        ids
    }

    /// The pool as the snapshot and as the book have it, if they differ and no change has overtaken the snapshot's.
    pub(super) fn pool_difference(
        &self,
        market: MarketId,
        books: &Books,
    ) -> Option<(Option<PoolChange>, Option<PoolChange>)> {
        let told = self.pool.map(|(pool, _)| pool);
        let book = books.market(market).pool();
        // Without a row that is newer, a change since the begin is the truth.
        let is_overtaken = told.is_none() && self.pool_touched.is_some();
        let reserves = |pool: PoolChange| (pool.base_reserve, pool.quote_reserve);
        (!is_overtaken && told.map(reserves) != book.map(reserves)).then_some((told, book))
    }
}

fn state_of(offer: &super::Offer) -> SnapshotState {
    SnapshotState::of_offer(offer.amount, offer.price)
}

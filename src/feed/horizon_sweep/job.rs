//! One snapshot under way: which page comes next, and what an answer says.

use super::Subject;
use crate::events::{
    FeedFault, MonoNanos, OfferChange, OwnAccount, OwnTrustLine, PoolChange, SnapshotEvent, SnapshotOffer,
};
use crate::feed::http::number;
use crate::stellar::{AccountIndex, LedgerSeq, Market, MarketId, OfferId, Orientation, Side};
use crate::wire::http1::Response;
use crate::wire::json::horizon::{self, HorizonError, OfferRow};
use crate::wire::ledger::pool_id;

/// Rows of a full page: one with fewer is the last.
const FULL_PAGE: usize = 200;
/// Pages of a market and side that are asked for at most: 100,000 offers.
const MAX_PAGES: u32 = 500;

/// A snapshot under way.
#[derive(Debug)]
pub(super) struct Job {
    what: What,
    /// The last ledger when it began.
    since: LedgerSeq,
    /// The newest page's.
    newest: LedgerSeq,
    /// Not before.
    pub(super) ask_at: MonoNanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// So many accounts are in.
    Accounts(usize),
    Offers {
        market: MarketId,
        side: Side,
        after: OfferId,
        pages: u32,
    },
    Pool(MarketId),
}

/// What came of an answer.
#[derive(Clone, Debug)]
pub(super) enum Page {
    /// It was taken.
    Good(Step),
    /// The server is behind the ledgers.
    Behind,
    /// The server asks for patience, seconds.
    Wait(u64),
    /// The server cannot.
    Failed,
    /// It is not what it should be.
    Wrong(FeedFault),
}

/// What follows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    More,
    Done(SnapshotEvent),
}

impl Job {
    /// The snapshot at a place of the round, 0 for the accounts, begun after ledger `last`.
    pub(super) fn new(place: usize, last: u32) -> Self {
        let what = match place.checked_sub(1).map(u16::try_from) {
            None => What::Accounts(0),
            Some(market) => {
                let market = MarketId(market.unwrap_or(u16::MAX));
                What::Offers { market, side: Side::Ask, after: OfferId(0), pages: 0 }
            }
        };
        Self { what, since: LedgerSeq(last), newest: LedgerSeq(last), ask_at: MonoNanos(0) }
    }

    /// The ledger of the newest page.
    pub(super) fn newest(&self) -> u32 {
        self.newest.0
    }

    pub(super) fn begins(&self) -> SnapshotEvent {
        match self.what {
            What::Accounts(_) => SnapshotEvent::AccountsBegin,
            What::Offers { market, .. } | What::Pool(market) => SnapshotEvent::MarketBegin(market),
        }
    }

    /// What is to be asked for.
    pub(super) fn path(&self, subject: &Subject) -> String {
        match self.what {
            What::Accounts(at) => match subject.accounts.get(at) {
                Some(account) => format!("/accounts/{account}"),
                // Without accounts of ours, the root tells the ledger.
                None => "/".to_owned(),
            },
            What::Offers { market, side, after, .. } => {
                let (selling, buying) = pair(subject.markets.market(market), side);
                horizon::offers_path(&selling, &buying, after)
            }
            What::Pool(market) => {
                let Market { base, quote } = subject.markets.market(market);
                format!("/liquidity_pools/{}", hex::encode(pool_id(base, quote)))
            }
        }
    }

    /// Reads the answer to the request, and tells its rows.
    pub(super) fn read(
        &mut self,
        response: &Response<'_>,
        subject: &Subject,
        mut tell: impl FnMut(SnapshotEvent),
    ) -> Page {
        let is_there = response.status == 200;
        let latest = number(response, "Latest-Ledger").and_then(|latest| u32::try_from(latest).ok()).map(LedgerSeq);
        let Some(latest) = latest else { return Page::Wrong(FeedFault::Malformed) };
        if latest < self.since {
            return Page::Behind;
        }
        self.newest = self.newest.max(latest);
        let read = match self.what {
            What::Accounts(at) => self.account(at, is_there.then_some(response.body), subject, &mut tell),
            What::Pool(market) => self.pool(market, is_there.then_some(response.body), subject, &mut tell),
            What::Offers { .. } if !is_there => return Page::Failed,
            What::Offers { market, side, after, pages } => {
                self.offers((market, side, after, pages), response.body, subject, &mut tell)
            }
        };
        match read {
            Ok(step) => Page::Good(step),
            Err(HorizonError::Shape(_)) => Page::Wrong(FeedFault::Malformed),
            Err(HorizonError::BadValue(_)) => Page::Wrong(FeedFault::BadValue),
        }
    }

    fn account(
        &mut self,
        at: usize,
        body: Option<&[u8]>,
        subject: &Subject,
        tell: &mut impl FnMut(SnapshotEvent),
    ) -> Result<Step, HorizonError> {
        let account = AccountIndex(u16::try_from(at).unwrap_or(u16::MAX));
        if let Some(body) = body.filter(|_| at < subject.accounts.len()) {
            let row = horizon::account(body)?;
            let state = OwnAccount {
                account,
                balance: row.native.balance,
                sequence: row.sequence,
                subentries: row.subentries,
                sponsoring: row.sponsoring,
                sponsored: row.sponsored,
                buying_liabilities: row.native.buying_liabilities,
                selling_liabilities: row.native.selling_liabilities,
            };
            tell(SnapshotEvent::Account(state, row.modified_in));
            for line in &row.lines {
                let Some(asset) = subject.markets.asset(&line.asset) else { continue };
                let state = OwnTrustLine {
                    account,
                    asset,
                    balance: line.holding.balance,
                    limit: line.limit,
                    buying_liabilities: line.holding.buying_liabilities,
                    selling_liabilities: line.holding.selling_liabilities,
                    authorized: line.authorized,
                };
                tell(SnapshotEvent::TrustLine(state, line.modified_in));
            }
        }
        if at + 1 >= subject.accounts.len() {
            return Ok(Step::Done(SnapshotEvent::AccountsEnd(self.newest)));
        }
        self.what = What::Accounts(at + 1);
        Ok(Step::More)
    }

    fn offers(
        &mut self,
        (market, side, after, pages): (MarketId, Side, OfferId, u32),
        body: &[u8],
        subject: &Subject,
        tell: &mut impl FnMut(SnapshotEvent),
    ) -> Result<Step, HorizonError> {
        let rows = horizon::offers(body)?;
        let wanted = pair(subject.markets.market(market), side);
        let mut last = after;
        for row in &rows {
            if (row.selling, row.buying) != wanted {
                return Err(HorizonError::BadValue("pair"));
            }
            if row.id <= last {
                return Err(HorizonError::BadValue("order"));
            }
            last = row.id;
        }
        if pages >= MAX_PAGES {
            return Err(HorizonError::BadValue("number of pages"));
        }
        let place = Orientation { market, side };
        rows.iter().for_each(|row| tell(SnapshotEvent::Offer(snapshot_offer(row, place, subject))));
        self.what = match side {
            _ if rows.len() >= FULL_PAGE => What::Offers { market, side, after: last, pages: pages + 1 },
            Side::Ask => What::Offers { market, side: Side::Bid, after: OfferId(0), pages: 0 },
            Side::Bid => What::Pool(market),
        };
        Ok(Step::More)
    }

    fn pool(
        &self,
        market: MarketId,
        body: Option<&[u8]>,
        subject: &Subject,
        tell: &mut impl FnMut(SnapshotEvent),
    ) -> Result<Step, HorizonError> {
        if let Some(body) = body {
            let row = horizon::pool(body)?;
            let Market { base, quote } = *subject.markets.market(market);
            let [(first, first_reserve), (second, second_reserve)] = row.reserves;
            let (base_reserve, quote_reserve) = if (first, second) == (base, quote) {
                (first_reserve, second_reserve)
            } else if (second, first) == (base, quote) {
                (second_reserve, first_reserve)
            } else {
                return Err(HorizonError::BadValue("pair"));
            };
            let fee_bp = row.fee_bp;
            tell(SnapshotEvent::Pool(PoolChange { market, base_reserve, quote_reserve, fee_bp }, row.modified_in));
        }
        Ok(Step::Done(SnapshotEvent::MarketEnd(market, self.newest)))
    }
}

/// What an offer on this side sells and wants.
fn pair(market: &Market, side: Side) -> (crate::stellar::Asset, crate::stellar::Asset) {
    match side {
        Side::Ask => (market.base, market.quote),
        Side::Bid => (market.quote, market.base),
    }
}

fn snapshot_offer(row: &OfferRow, place: Orientation, subject: &Subject) -> SnapshotOffer {
    let owner = subject.own.find(&row.seller.0);
    let offer = OfferChange { id: row.id, place, price: row.price, amount: row.amount, owner };
    SnapshotOffer { offer, modified_in: row.modified_in }
}

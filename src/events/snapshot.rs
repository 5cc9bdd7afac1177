//! Snapshots: what a server (Horizon) says the ledger is, page by page, while ledgers go on closing.
//!
//! A snapshot is never of one ledger: each page is of whichever was the server's last when it was asked. What makes it
//! one nevertheless: from its begin on the book notes what ledgers change; a row is overtaken by a change that is newer
//! than the row; and the whole is looked at only when the book has come to the newest page's ledger.

use super::{OfferChange, OwnAccount, OwnTrustLine, PoolChange};
use crate::stellar::{LedgerSeq, MarketId, OfferId, Price, Stroops};

/// A piece of a snapshot. One market at a time, or the accounts: begin, rows, end.
///
/// Who tells them has seen to it that every page is of the ledger at which it began, or of a later one; a page that is
/// older (the server is behind) is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEvent {
    /// A market's snapshot begins: before its first page is asked for. Another that was open is abandoned.
    MarketBegin(MarketId),
    /// An offer of the market that is open.
    Offer(SnapshotOffer),
    /// The pool of the market that is open. None in between begin and end: there is no pool.
    Pool(PoolChange, LedgerSeq),
    /// All pages of the market are in; the newest of them was of this ledger.
    MarketEnd(MarketId, LedgerSeq),
    /// A snapshot of all our accounts begins.
    AccountsBegin,
    /// One of our accounts, and the ledger that last changed it. One that is not told is not on the ledger.
    Account(OwnAccount, LedgerSeq),
    /// A trustline of ours in a configured asset, and the ledger that last changed it. One that is not told is not there.
    TrustLine(OwnTrustLine, LedgerSeq),
    /// All accounts are in; the newest page was of this ledger.
    AccountsEnd(LedgerSeq),
    /// What was open is given up: nothing of it counts.
    Abandoned,
}

/// An offer, as a page had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOffer {
    /// The offer.
    pub offer: OfferChange,
    /// The ledger that last changed it.
    pub modified_in: LedgerSeq,
}

/// An offer about which a snapshot and the book differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotDifference {
    /// The market.
    pub market: MarketId,
    /// The offer; of a pool, `OfferId(0)`.
    pub offer: OfferId,
    /// As the snapshot has it; `None`: not there.
    pub snapshot: Option<SnapshotState>,
    /// As the book has it; `None`: not there.
    pub book: Option<SnapshotState>,
    /// The ledger at which they were compared.
    pub ledger: LedgerSeq,
}

/// What can differ of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotState {
    /// What it still sells; of a pool, its reserve of base.
    pub amount: i64,
    /// Numerator of its own price; of a pool, zero.
    pub n: i32,
    /// Denominator.
    pub d: i32,
    /// Of a pool its reserve of quote, else zero.
    pub other: i64,
}

impl SnapshotState {
    /// Of an offer.
    #[must_use]
    pub const fn of_offer(amount: Stroops, price: Price) -> Self {
        Self { amount: amount.0, n: price.n(), d: price.d(), other: 0 }
    }

    /// Of a pool.
    #[must_use]
    pub const fn of_pool(pool: &PoolChange) -> Self {
        Self { amount: pool.base_reserve.0, n: 0, d: 0, other: pool.quote_reserve.0 }
    }
}

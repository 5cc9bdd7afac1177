//! Book to strategy.

use super::{ConnId, FeedFault, MonoNanos, OwnTransaction, ReferencePrice, SnapshotDifference};
use crate::stellar::{AccountIndex, LedgerSeq, MarketId, OfferId, Side, Stroops};

/// What the book tells the strategies. The state itself is not in the event: it stands in the
/// [`views`](super::views), of book and account at the same ledger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BookEvent {
    /// A ledger is complete and the views show it. Comes after the ledger's other events.
    LedgerClosed(LedgerClosed),
    /// This market's view changed in the ledger that is about to be announced.
    MarketChanged(MarketId),
    /// An offer or order of ours traded. Never dropped.
    Fill(Fill),
    /// A transaction of ours was applied, or failed. Never dropped.
    OwnTransaction(OwnTransaction),
    /// The reference price moved.
    ReferencePrice(ReferencePrice),
    /// What all markets stand on (the chain of ledgers, our accounts) can no longer be trusted, or can be again: quoting
    /// must stop until it is whole.
    Whole(bool),
    /// No market's book is whole any more: ledgers are missing. Each is told again when it is. (At the start each counts
    /// as whole, so that on a network that is followed from its beginning nothing needs to be told.)
    MarketsLost,
    /// One market's book can no longer be trusted, or can be again.
    MarketWhole(MarketId, bool),
    /// A snapshot and the book differ. Comes before the [`MarketWhole`](Self::MarketWhole) that follows from it.
    Difference(SnapshotDifference),
    /// A source went up or down.
    Feed(ConnId, bool),
    /// A source said something wrong.
    Fault(ConnId, FeedFault),
}

/// A closed ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerClosed {
    /// Its number.
    pub seq: LedgerSeq,
    /// Close time, seconds since 1970.
    pub close_time_s: u64,
    /// Base fee an operation, stroops.
    pub base_fee: u32,
    /// Base reserve, stroops.
    pub base_reserve: u32,
    /// Transactions applied, failed ones included.
    pub transactions: u32,
    /// When the first of its bytes came off the wire.
    pub first_byte: MonoNanos,
}

/// A trade of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The ledger.
    pub ledger: LedgerSeq,
    /// Its close time, seconds since 1970.
    pub close_time_s: u64,
    /// The market.
    pub market: MarketId,
    /// Our account.
    pub account: AccountIndex,
    /// Our side: `Bid` if we bought base.
    pub side: Side,
    /// Base that changed hands.
    pub base: Stroops,
    /// Quote that changed hands.
    pub quote: Stroops,
    /// Our resting offer, if we were the maker on the book.
    pub offer: Option<OfferId>,
}

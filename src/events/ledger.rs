//! Feed to book: what a ledger changed, and what the world outside the ledger says a price is.

use super::{ConnId, MonoNanos, SnapshotEvent};
use crate::stellar::{
    AccountIndex, AssetIndex, LedgerSeq, MarketId, OfferId, Orientation, Price, SequenceNumber, Side, Stroops, TxHash,
};

/// What the feed tells the book, in order. A ledger comes as one `LedgerBegin`, its changes, one `LedgerEnd`; nothing
/// of a ledger may be acted upon before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeedEvent {
    /// A ledger's header.
    LedgerBegin(LedgerBegin),
    /// An offer on a configured market (or an own offer anywhere among the configured assets) was created or changed.
    Offer(OfferChange),
    /// An offer is gone. Ids that the book never saw are passed too.
    OfferGone(OfferId),
    /// One of our accounts was created or changed.
    Account(OwnAccount),
    /// One of our accounts was merged away.
    AccountGone(AccountIndex),
    /// One of our trustlines in a configured asset was created or changed.
    TrustLine(OwnTrustLine),
    /// One of our trustlines in a configured asset is gone.
    TrustLineGone(AccountIndex, AssetIndex),
    /// A liquidity pool on a configured market was created or changed.
    Pool(PoolChange),
    /// A liquidity pool on a configured market is gone.
    PoolGone(MarketId),
    /// Two parties traded on a configured market (a claim atom of a successful transaction).
    Trade(Trade),
    /// A transaction whose source, fee source or operation source is an account of ours has been applied.
    OwnTransaction(OwnTransaction),
    /// The ledger is complete.
    LedgerEnd(LedgerEnd),
    /// What a server says the ledger is, as a whole: for a book that has not seen it grow, and to check one that has.
    Snapshot(SnapshotEvent),
    /// The reference price of a symbol moved.
    ReferencePrice(ReferencePrice),
    /// A source stands and delivers.
    FeedUp(ConnId),
    /// A source is gone; what it told is growing stale.
    FeedDown(ConnId),
    /// A source said something that cannot be right; nothing of that message was used.
    Fault(ConnId, FeedFault),
}

/// The kinds of fault that a feed can find, each with a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FeedFault {
    /// A record mark that cannot be one: no last-fragment bit, or a length of zero.
    RecordMark,
    /// A message longer than the configured bound.
    Oversized,
    /// Bytes that are no `LedgerCloseMeta` (or JSON, or HTTP, or WebSocket frame).
    Malformed,
    /// A ledger that does not follow the one before: a gap, or another previous hash.
    Gap,
    /// A protocol version, or an XDR arm, that this program does not know.
    UnknownProtocol,
    /// A price or a quantity that is not positive, or not a number.
    BadValue,
    /// The stream ended inside a message.
    Truncated,
    /// A change of our account that the ledgers have not shown.
    UnseenChange,
    /// A ledger of another chain than that which other sources bring.
    OtherChain,
}

impl FeedFault {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 9] = [
        Self::RecordMark,
        Self::Oversized,
        Self::Malformed,
        Self::Gap,
        Self::UnknownProtocol,
        Self::BadValue,
        Self::Truncated,
        Self::UnseenChange,
        Self::OtherChain,
    ];

    /// The kind's name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RecordMark => "record_mark",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Gap => "gap",
            Self::UnknownProtocol => "unknown_protocol",
            Self::BadValue => "bad_value",
            Self::Truncated => "truncated",
            Self::UnseenChange => "unseen_change",
            Self::OtherChain => "other_chain",
        }
    }
}

/// A ledger's header, as far as trading needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerBegin {
    /// Its number.
    pub seq: LedgerSeq,
    /// Close time, seconds since 1970.
    pub close_time_s: u64,
    /// Protocol version.
    pub protocol: u32,
    /// Base fee an operation, stroops.
    pub base_fee: u32,
    /// Base reserve, stroops.
    pub base_reserve: u32,
    /// When the first of its bytes came off the wire.
    pub first_byte: MonoNanos,
}

/// A ledger's end, with what the feed counted in it (over all transactions, ours or not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEnd {
    /// Its number, as in its begin.
    pub seq: LedgerSeq,
    /// Transactions applied, failed ones included.
    pub transactions: u32,
    /// Transactions that failed.
    pub failed: u32,
}

/// An offer as it is after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferChange {
    /// Its id.
    pub id: OfferId,
    /// Its market and side.
    pub place: Orientation,
    /// The offer's own price: units of what it buys for one of what it sells. (For a bid the inverse of the market's.)
    pub price: Price,
    /// What it still sells.
    pub amount: Stroops,
    /// Whether it is ours.
    pub owner: Option<AccountIndex>,
}

/// The state of an own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAccount {
    /// Which.
    pub account: AccountIndex,
    /// Lumens.
    pub balance: Stroops,
    /// Sequence number last consumed.
    pub sequence: SequenceNumber,
    /// Subentries: offers, trustlines, signers, data.
    pub subentries: u32,
    /// Reserves that it pays for others.
    pub sponsoring: u32,
    /// Reserves that others pay for it.
    pub sponsored: u32,
    /// Lumens promised to its buy offers' other side: what it may yet receive.
    pub buying_liabilities: Stroops,
    /// Lumens promised by its sell offers.
    pub selling_liabilities: Stroops,
}

/// The state of an own trustline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTrustLine {
    /// Whose.
    pub account: AccountIndex,
    /// Of which asset.
    pub asset: AssetIndex,
    /// Balance.
    pub balance: Stroops,
    /// The most that it may hold.
    pub limit: Stroops,
    /// What it may yet receive by its offers.
    pub buying_liabilities: Stroops,
    /// What its offers have promised.
    pub selling_liabilities: Stroops,
    /// Whether the issuer lets it trade (`AUTHORIZED_FLAG`).
    pub authorized: bool,
}

/// A constant-product pool on a configured market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolChange {
    /// The market.
    pub market: MarketId,
    /// Reserve of the market's base asset.
    pub base_reserve: Stroops,
    /// Reserve of the market's quote asset.
    pub quote_reserve: Stroops,
    /// Fee in basis points (30).
    pub fee_bp: u32,
}

/// Where a trade happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeVenue {
    /// Against this resting offer, of this account if it is ours.
    Book {
        /// The resting offer.
        offer: OfferId,
        /// Its owner.
        maker: Option<AccountIndex>,
    },
    /// Against the pool.
    Pool,
}

/// A trade, that is a claim atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The market.
    pub market: MarketId,
    /// The resting side: what the maker (or the pool) did.
    pub maker_side: Side,
    /// Base that changed hands (zero occurs).
    pub base: Stroops,
    /// Quote that changed hands (zero occurs).
    pub quote: Stroops,
    /// Book or pool.
    pub venue: TradeVenue,
    /// The account of ours that took, if one did.
    pub taker: Option<AccountIndex>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxOutcome {
    /// Applied.
    Success,
    /// Failed: the transaction result code of the protocol (`TransactionResultCode`, negative), and the first failed
    /// operation's place with its own code, where the protocol gives one (`opINNER`'s inner code included).
    Failed {
        /// Transaction result code.
        code: i32,
        /// First failed operation: index and code (the inner code of the operation's own result, or the outer
        /// `OperationResultCode` shifted by −1000 if it did not get that far).
        operation: Option<(u8, i32)>,
    },
}

/// A transaction of ours in a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTransaction {
    /// Its hash (of the inner transaction, if it came in a fee bump).
    pub hash: TxHash,
    /// How it ended.
    pub outcome: TxOutcome,
    /// Fee charged, stroops.
    pub fee_charged: Stroops,
}

/// A symbol of a reference source: an index into the configured list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SymbolId(pub u16);

/// A reference price. Floating point: it shapes decisions, and never reaches the wire as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReferencePrice {
    /// Which.
    pub symbol: SymbolId,
    /// Best bid, finite and positive.
    pub bid: f64,
    /// Best ask, finite, at least the bid.
    pub ask: f64,
    /// Base that the best bid buys, finite; 0 if the source does not say.
    pub bid_amount: f64,
    /// Base that the best ask sells, finite; 0 if the source does not say.
    pub ask_amount: f64,
    /// Price of the last trade, finite; 0 if the source does not say.
    pub last: f64,
    /// When its message came off the wire.
    pub received: MonoNanos,
}

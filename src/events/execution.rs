//! What execution tells: the strategy hears an endpoint's answers, observers hear all of it.

use super::{MonoNanos, TxOutcome};
use crate::stellar::{LedgerSeq, MarketId, SequenceNumber, TxHash};

/// What execution did, or learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionEvent {
    /// A transaction was signed and handed to a connection.
    Submitted(Submission),
    /// An endpoint answered (or did not).
    Answer(SubmitReport),
    /// A transaction's fate is known.
    Resolved(Resolution),
    /// A quote will not be sent as wanted, because the ledger would refuse it.
    Withheld(MarketId, WithheldReason),
}

/// A transaction on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its hash: two runs with the same hashes sent the same unsigned transactions.
    pub hash: TxHash,
    /// The sequence number that it consumes.
    pub sequence: SequenceNumber,
    /// The market whose quotes it changes.
    pub market: MarketId,
    /// Operations.
    pub operations: u8,
    /// Operations that only delete an offer.
    pub deletions: u8,
    /// The newest ledger that the decision knew.
    pub decided_on: LedgerSeq,
    /// First ledger in which it can no longer apply.
    pub max_ledger: LedgerSeq,
    /// When the bytes that caused it came off the wire.
    pub wire: MonoNanos,
    /// Whether it was held back for the slot, in which case the time from `wire` is no latency.
    pub held: bool,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The transaction.
    pub hash: TxHash,
    /// How it ended.
    pub fate: Fate,
}

/// How a transaction can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in a ledger, applied or failed.
    Included(TxOutcome),
    /// The endpoint refused it before it could spread: protocol's transaction result code.
    Refused(i32),
    /// It was in no ledger in which it could have applied, and can apply no more.
    Expired,
}

/// Why a quote is withheld, or made smaller than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum WithheldReason {
    /// The account is not on the ledger.
    NoAccount,
    /// There is no trustline for the asset, or the issuer does not let it trade.
    NoTrust,
    /// The balance, less liabilities and reserve, does not cover it.
    Underfunded,
    /// The trustline's limit leaves no room for what it would buy.
    LineFull,
    /// The reserve for one more offer is not there.
    LowReserve,
    /// More operations than a transaction holds.
    TooManyOperations,
    /// No connection to submit over stands.
    NoConnection,
}

impl WithheldReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::NoAccount,
        Self::NoTrust,
        Self::Underfunded,
        Self::LineFull,
        Self::LowReserve,
        Self::TooManyOperations,
        Self::NoConnection,
    ];

    /// The reason's name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAccount => "no_account",
            Self::NoTrust => "no_trust",
            Self::Underfunded => "underfunded",
            Self::LineFull => "line_full",
            Self::LowReserve => "low_reserve",
            Self::TooManyOperations => "too_many_operations",
            Self::NoConnection => "no_connection",
        }
    }

    /// The reason in words, for people.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::NoAccount => "the trading account is not on the ledger: fund it",
            Self::NoTrust => "no trustline for the asset, or its issuer has not authorised it: add one",
            Self::Underfunded => {
                "the balance, less what offers have promised and the reserve, does not cover the quote"
            }
            Self::LineFull => "the trustline's limit leaves no room for what the quote would buy: raise it",
            Self::LowReserve => "the lumen reserve for one more offer is not there: add lumens",
            Self::TooManyOperations => "more changes are wanted than one transaction can hold; the rest follows",
            Self::NoConnection => "no connection to submit over stands; the newest quotes wait for one",
        }
    }
}

/// An endpoint's immediate answer to a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubmitReport {
    /// The transaction.
    pub hash: TxHash,
    /// The answer.
    pub answer: SubmitAnswer,
}

/// What an endpoint can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// Taken into the endpoint's queue; inclusion is not promised.
    Pending,
    /// The endpoint has it already.
    Duplicate,
    /// Not now: another transaction of the source is pending, the queue is full, or the account is banned.
    TryAgainLater,
    /// Refused, with the protocol's transaction result code.
    Error(i32),
    /// No answer (the connection went, or time ran out): the transaction's fate is unknown.
    Unknown,
}

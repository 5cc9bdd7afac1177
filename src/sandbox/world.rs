//! The world: a ledger, the people who trade on it, and a reference price.
use stellar_xdr::TransactionResult;
/// What became of a submitted envelope, in the words of core's `/tx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It waits for the next ledger.
    Pending,
    /// It waits already.
    Duplicate,
    /// Its account has another one waiting.
    TryAgainLater,
    /// It cannot be applied; the result says why.
    Error(TransactionResult),
    /// It is no transaction envelope.
    Malformed(String),
}

//! Who listens while a ledger is walked over.

use super::raw::{
    Envelope, LedgerHeader, RawAccount, RawAsset, RawClaim, RawOffer, RawPool, RawTrustLine, TransactionResult,
};

/// What a walk over a ledger tells, in the order of the bytes: the header; each envelope, in the order of the
/// transaction set; then for each transaction, in the order of application, its result, its claims and its changes;
/// then the upgrades' changes.
///
/// Every method does nothing unless it is overridden.
pub trait LedgerVisitor {
    /// The header.
    fn header(&mut self, header: &LedgerHeader<'_>) {
        let _ = header;
    }

    /// An operation of the envelope that comes next names a source of its own.
    fn operation_source(&mut self, operation: u32, source: &[u8; 32]) {
        let _ = (operation, source);
    }

    /// An envelope, after its operations' sources.
    fn envelope(&mut self, envelope: &Envelope<'_>) {
        let _ = envelope;
    }

    /// A transaction's result begins; what follows, up to the next, is of this transaction.
    fn transaction(&mut self, transaction: &TransactionResult<'_>) {
        let _ = transaction;
    }

    /// The first operation that failed, in a transaction whose (inner) code is `txFAILED`.
    fn failed_operation(&mut self, failed: FailedOperation) {
        let _ = failed;
    }

    /// A trade: a claim atom of an operation of a transaction that was applied.
    fn claim(&mut self, operation: u32, claim: &RawClaim<'_>) {
        let _ = (operation, claim);
    }

    /// No trade: a claim atom of an operation that succeeded in a transaction that failed as a whole, so that it was
    /// undone. (Who counts claim atoms in results, whatever became of them, counts these too.)
    fn undone_claim(&mut self, operation: u32, claim: &RawClaim<'_>) {
        let _ = (operation, claim);
    }

    /// A ledger entry as it is after a change, or gone.
    fn change(&mut self, phase: ChangePhase, change: &Change<'_>) {
        let _ = (phase, change);
    }
}

/// When in a ledger a change happened. All fees are charged before anything is applied, though each transaction's two
/// stand together in the bytes; so of two states of one entry the one in the later phase is the newer, and within a
/// phase the one that comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangePhase {
    /// Fees are charged.
    Fees,
    /// Transactions are applied.
    Apply,
    /// What was charged too much is given back (protocol 23 and later).
    Refunds,
    /// The ledger's upgrades.
    Upgrades,
}

/// The first operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedOperation {
    /// Its place in the transaction.
    pub operation: u32,
    /// `OperationResultCode`: 0 (`opINNER`) if it got as far as having a result of its own.
    pub outer: i32,
    /// The code of its own result, if it got as far.
    pub inner: Option<i32>,
}

/// A change, of the entries that trading looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// An offer was created or changed.
    Offer(RawOffer<'a>),
    /// An offer is gone; or it moved to another pair of assets (an update may), and comes again as the next change.
    OfferGone {
        /// Whose it was.
        seller: &'a [u8; 32],
        /// Its id.
        id: i64,
        /// What it sold and what it wanted, if its state before was told (stellar-core always tells it).
        pair: Option<(RawAsset<'a>, RawAsset<'a>)>,
    },
    /// An account was created or changed.
    Account(RawAccount<'a>),
    /// An account is gone.
    AccountGone(&'a [u8; 32]),
    /// A trustline was created or changed.
    TrustLine(RawTrustLine<'a>),
    /// A trustline is gone.
    TrustLineGone {
        /// Whose it was.
        account: &'a [u8; 32],
        /// Of which asset; `None` if of a pool's shares.
        asset: Option<RawAsset<'a>>,
    },
    /// A pool was created or changed.
    Pool(RawPool<'a>),
    /// A pool is gone.
    PoolGone(&'a [u8; 32]),
}

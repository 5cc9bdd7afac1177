//! Applying one transaction: its fee, its sequence number and signatures, its operations (`TransactionFrame::apply`).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use stellar_xdr::{
    AccountId, InnerTransactionResult, InnerTransactionResultExt, InnerTransactionResultPair,
    InnerTransactionResultResult, LedgerEntryChange, LedgerEntryChanges, OperationResult, SequenceNumber, SignerKey,
    TransactionResult, TransactionResultExt, TransactionResultPair, TransactionResultResult, Uint256,
};

use super::entries::note_sequence_change;
use super::frame::Frame;
use super::header::{entry_changes, vec_m};
use super::operations::{self, Context};
use super::outcome::Internal;
use super::signatures::SignatureChecker;
use super::sponsorship::{Sponsorships, remove_signer};
use super::store::Store;
use super::validity::{self, Checking, Progress};

/// What was charged for a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    pub(crate) fee: i64,
    /// What the result of the transaction inside of a fee bump says it cost: its own share until protocol 25, then nothing.
    pub(crate) inner_fee: i64,
}

/// What all transactions of a ledger share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The highest sequence number that each source has in this ledger: an account that is needed is not merged away.
    pub(crate) max_sequences: FxHashMap<AccountId, i64>,
}

/// What applying a transaction gave.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) result: TransactionResultPair,
    pub(crate) changes_before: LedgerEntryChanges,
    /// Changes of each operation; empty if the transaction failed.
    pub(crate) operations: Vec<LedgerEntryChanges>,
}

/// What a transaction pays at this base fee; all that it bid if there is none.
pub(crate) fn fee_of(bid: i64, num_operations: i64, base_fee: Option<i64>) -> i64 {
    base_fee.map_or(bid, |base_fee| bid.min(base_fee.saturating_mul(num_operations.max(1))))
}

/// Takes the fee, as much of it as the account has.
pub(crate) fn charge(store: &mut Store, frame: &Frame, base_fee: Option<i64>) -> (Charged, LedgerEntryChanges) {
    let wanted = fee_of(frame.fee_bid(), frame.num_operations(), base_fee);
    store.begin();
    let mut fee = 0;
    // A source that does not exist cannot be in a set of transactions; a set that was made elsewhere is not trusted so far.
    if let Some(account) = store.account_mut(&frame.fee_source()) {
        fee = wanted.min(account.balance).max(0);
        account.balance -= fee;
    }
    store.header.fee_pool += fee;
    let changes = store.commit_with_changes();
    let inner_fee = if frame.fee_bump().is_some() && store.protocol() < 25 {
        fee_of(frame.inner_fee_bid(), frame.num_inner_operations(), base_fee)
    } else {
        0
    };
    (Charged { fee, inner_fee }, changes)
}

/// Applies a transaction whose fee was taken.
pub(crate) fn apply(store: &mut Store, environment: &Environment, frame: &Frame, charged: Charged) -> Outcome {
    let mut before = Vec::new();
    if frame.fee_bump().is_some() {
        store.begin();
        remove_pre_auth_of_fee_source(store, frame);
        before = store.commit_with_changes().0.into_vec();
    }
    let mut results: Vec<OperationResult> =
        frame.operations().iter().map(|operation| operations::untouched_result(&operation.body)).collect();
    let refusal = prepare(store, frame, &mut results, &mut before);
    let (result, operations) = match refusal {
        Some(TransactionResultResult::TxFailed(_)) => (TransactionResultResult::TxFailed(vec_m(results)), Vec::new()),
        Some(refusal) => (refusal, Vec::new()),
        None => apply_operations(store, environment, frame, results),
    };
    Outcome { result: result_pair(frame, charged, result), changes_before: entry_changes(before), operations }
}

/// Judges the transaction, consumes its sequence number and its one-time signers. `None` if operations may apply;
/// `TxFailed` if an operation is not signed for, which is then in `results`.
fn prepare(
    store: &mut Store,
    frame: &Frame,
    results: &mut [OperationResult],
    before: &mut Vec<LedgerEntryChange>,
) -> Option<TransactionResultResult> {
    let checking = Checking { applying: true, pays: frame.fee_bump().is_none(), close_time_slack_s: 0 };
    let mut checker = SignatureChecker::new(&frame.inner_hash, frame.inner_signatures(), &frame.inner_verified);
    store.begin();
    let (progress, mut refusal) = validity::common(store, frame, &mut checker, checking);
    if progress >= Progress::Sequence
        && let Some((account, header)) = store.account_mut_with_header(&frame.source())
    {
        account.seq_num = SequenceNumber(frame.sequence());
        note_sequence_change(header, account);
    }
    if progress == Progress::Valid {
        let signed = validity::operations_signed(store, frame, &mut checker, results);
        if !signed {
            refusal = Some(TransactionResultResult::TxFailed(vec_m(Vec::new())));
        } else if !checker.all_used() {
            refusal = Some(TransactionResultResult::TxBadAuthExtra);
        }
    }
    remove_pre_auth_of_sources(store, frame);
    before.extend(store.commit_with_changes().0.into_vec());
    refusal
}

fn apply_operations(
    store: &mut Store,
    environment: &Environment,
    frame: &Frame,
    mut results: Vec<OperationResult>,
) -> (TransactionResultResult, Vec<LedgerEntryChanges>) {
    store.begin();
    let mut sponsorships = BTreeMap::new();
    let mut changes = Vec::with_capacity(results.len());
    let mut success = true;
    for (index, result) in results.iter_mut().enumerate() {
        match apply_operation(store, environment, frame, &mut sponsorships, index) {
            Ok((applied, its_changes)) => {
                success &= its_changes.is_some();
                if success {
                    changes.extend(its_changes);
                }
                *result = applied;
            }
            Err(Internal(_)) => {
                store.rollback();
                return (TransactionResultResult::TxInternalError, Vec::new());
            }
        }
    }
    if success && sponsorships.is_empty() {
        store.commit();
        return (TransactionResultResult::TxSuccess(vec_m(results)), changes);
    }
    store.rollback();
    if success {
        (TransactionResultResult::TxBadSponsorship, Vec::new())
    } else {
        (TransactionResultResult::TxFailed(vec_m(results)), Vec::new())
    }
}

/// Applies one operation in a level of its own. Gives its changes if it succeeded; otherwise nothing of it remains.
fn apply_operation(
    store: &mut Store,
    environment: &Environment,
    frame: &Frame,
    sponsorships: &mut Sponsorships,
    index: usize,
) -> Result<(OperationResult, Option<LedgerEntryChanges>), Internal> {
    let operation = &frame.operations()[index];
    store.begin();
    let mut context = Context {
        store,
        sponsorships,
        environment,
        frame,
        source: frame.operation_source(operation),
        index: u32::try_from(index).unwrap_or(u32::MAX),
    };
    let applied = operations::apply(&mut context, operation);
    match &applied {
        Ok(result) if operations::is_success(result) => {
            let changes = store.commit_with_changes();
            return applied.map(|result| (result, Some(changes)));
        }
        Ok(_) => {}
        Err(Internal(what)) => tracing::debug!(what, "an operation ended where stellar-core throws"),
    }
    store.rollback();
    applied.map(|result| (result, None))
}

/// Removes the signer that stands for this fee bump's hash, which core loads the account for in any case.
fn remove_pre_auth_of_fee_source(store: &mut Store, frame: &Frame) {
    let source = frame.fee_source();
    if store.account_mut(&source).is_some() {
        remove_pre_auth(store, &source, &frame.hash.0);
    }
}

/// Removes signers that stand for this transaction's hash from all accounts that it acts for.
fn remove_pre_auth_of_sources(store: &mut Store, frame: &Frame) {
    remove_pre_auth(store, &frame.source(), &frame.inner_hash.0);
    for operation in frame.operations() {
        if operation.source_account.is_some() {
            remove_pre_auth(store, &frame.operation_source(operation), &frame.inner_hash.0);
        }
    }
}

fn remove_pre_auth(store: &mut Store, account: &AccountId, hash: &[u8; 32]) {
    let key = SignerKey::PreAuthTx(Uint256(*hash));
    let signers = store.account(account).map(|account| &account.signers);
    let Some(index) = signers.and_then(|signers| signers.iter().position(|signer| signer.key == key)) else { return };
    if remove_signer(store, account, index).is_err() {
        unreachable!("a signer's reserve can always be given back");
    }
}

/// The result as the protocol wraps it, inside of a fee bump's if there is one.
fn result_pair(frame: &Frame, charged: Charged, result: TransactionResultResult) -> TransactionResultPair {
    let result = if frame.fee_bump().is_some() {
        let success = matches!(result, TransactionResultResult::TxSuccess(_));
        let inner = InnerTransactionResultPair {
            transaction_hash: frame.inner_hash.clone(),
            result: InnerTransactionResult {
                fee_charged: charged.inner_fee,
                result: inner_result(result),
                ext: InnerTransactionResultExt::V0,
            },
        };
        if success {
            TransactionResultResult::TxFeeBumpInnerSuccess(inner)
        } else {
            TransactionResultResult::TxFeeBumpInnerFailed(inner)
        }
    } else {
        result
    };
    TransactionResultPair {
        transaction_hash: frame.hash.clone(),
        result: TransactionResult { fee_charged: charged.fee, result, ext: TransactionResultExt::V0 },
    }
}

/// A transaction's result as one inside of a fee bump.
pub(crate) fn inner_result(result: TransactionResultResult) -> InnerTransactionResultResult {
    use InnerTransactionResultResult as I;
    use TransactionResultResult as R;
    match result {
        R::TxSuccess(results) => I::TxSuccess(results),
        R::TxFailed(results) => I::TxFailed(results),
        R::TxTooEarly => I::TxTooEarly,
        R::TxTooLate => I::TxTooLate,
        R::TxMissingOperation => I::TxMissingOperation,
        R::TxBadSeq => I::TxBadSeq,
        R::TxBadAuth => I::TxBadAuth,
        R::TxInsufficientBalance => I::TxInsufficientBalance,
        R::TxNoAccount => I::TxNoAccount,
        R::TxInsufficientFee => I::TxInsufficientFee,
        R::TxBadAuthExtra => I::TxBadAuthExtra,
        R::TxInternalError => I::TxInternalError,
        R::TxNotSupported => I::TxNotSupported,
        R::TxBadSponsorship => I::TxBadSponsorship,
        R::TxBadMinSeqAgeOrGap => I::TxBadMinSeqAgeOrGap,
        R::TxMalformed => I::TxMalformed,
        R::TxSorobanInvalid => I::TxSorobanInvalid,
        R::TxFrozenKeyAccessed => I::TxFrozenKeyAccessed,
        R::TxFeeBumpInnerSuccess(_) | R::TxFeeBumpInnerFailed(_) => unreachable!("fee bumps do not nest"),
    }
}

//! Whether a transaction may apply: what is checked of it at submission and again when it applies
//! (`TransactionFrame::commonValid`).

use stellar_xdr::{
    AccountEntry, OperationResult, PreconditionsV2, SequenceNumber, SignerKey, TransactionExt, TransactionResultResult,
};

use super::entries::{account_available, sequence_age};
use super::frame::Frame;
use super::operations::{self, Threshold};
use super::signatures::SignatureChecker;
use super::store::Store;

/// The first protocol with contracts.
const CONTRACTS_FROM: u32 = 20;

/// How far a transaction came before it was refused, which decides whether its sequence number is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// Not even its sequence number is right.
    Nothing,
    /// The sequence number is right and consumed.
    Sequence,
    /// It is signed for.
    Authorised,
    /// Nothing stands against it.
    Valid,
}

/// What is being decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checking {
    /// Whether it applies now: its fee was taken already.
    pub(crate) applying: bool,
    /// Whether it pays its own fee: the transaction inside of a fee bump does not.
    pub(crate) pays: bool,
    /// By how much the next close time may exceed the header's, in seconds.
    pub(crate) close_time_slack_s: u64,
}

/// A refusal and how far the transaction came, or its being valid.
pub(crate) type Judged = (Progress, Option<TransactionResultResult>);

/// Checks everything but operations.
pub(crate) fn common(store: &Store, frame: &Frame, checker: &mut SignatureChecker<'_>, checking: Checking) -> Judged {
    use TransactionResultResult as R;
    if let Some(refusal) = before_sequence(store, frame, checking) {
        return (Progress::Nothing, Some(refusal));
    }
    let Some(account) = store.account(&frame.source()) else { return (Progress::Nothing, Some(R::TxNoAccount)) };
    if is_bad_sequence(store, frame, account) {
        return (Progress::Nothing, Some(R::TxBadSeq));
    }
    if is_too_early_for_account(store, frame, account) {
        return (Progress::Sequence, Some(R::TxBadMinSeqAgeOrGap));
    }
    let signed = checker.check_account(account, account.thresholds.0[1])
        && (store.protocol() < 19 || checker.check_extra_signers(extra_signers(frame)));
    if !signed {
        return (Progress::Sequence, Some(R::TxBadAuth));
    }
    let to_pay = if checking.applying { 0 } else { frame.inner_fee_bid() };
    if checking.pays && account_available(&store.header, account) < to_pay {
        return (Progress::Authorised, Some(R::TxInsufficientBalance));
    }
    (Progress::Valid, None)
}

fn before_sequence(store: &Store, frame: &Frame, checking: Checking) -> Option<TransactionResultResult> {
    use TransactionResultResult as R;
    let protocol = store.protocol();
    if frame.was_v0 || (protocol < 19 && frame.preconditions().is_some()) {
        return Some(R::TxNotSupported);
    }
    let signers = extra_signers(frame);
    let empty_payload =
        |key: &SignerKey| matches!(key, SignerKey::Ed25519SignedPayload(signer) if signer.payload.is_empty());
    if (signers.len() == 2 && signers[0] == signers[1]) || signers.iter().any(empty_payload) {
        return Some(R::TxMalformed);
    }
    if frame.operations().is_empty() {
        return Some(R::TxMissingOperation);
    }
    if frame.mixes_contracts() || (protocol < CONTRACTS_FROM && frame.is_of_contracts()) {
        return Some(R::TxMalformed);
    }
    // What is attached for contracts makes no difference to a contract's operation, which is not supported anyway.
    if protocol >= 21 && frame.tx().ext != TransactionExt::V0 && !frame.is_of_contracts() {
        return Some(R::TxMalformed);
    }
    if is_too_early(store, frame) {
        return Some(R::TxTooEarly);
    }
    if is_too_late(store, frame, checking.close_time_slack_s) {
        return Some(R::TxTooLate);
    }
    let min_fee = i64::from(store.header.base_fee) * frame.num_inner_operations().max(1);
    (checking.pays && frame.inner_fee_bid() < min_fee).then_some(R::TxInsufficientFee)
}

fn is_too_early(store: &Store, frame: &Frame) -> bool {
    let (min_time, _) = frame.time_bounds();
    let by_ledger = || {
        let bounds = frame.preconditions().and_then(|v2| v2.ledger_bounds.as_ref());
        bounds.is_some_and(|bounds| bounds.min_ledger > store.header.ledger_seq)
    };
    min_time > store.header.scp_value.close_time.0 || (store.protocol() >= 19 && by_ledger())
}

fn is_too_late(store: &Store, frame: &Frame, slack_s: u64) -> bool {
    let (_, max_time) = frame.time_bounds();
    let by_ledger = || {
        let bounds = frame.preconditions().and_then(|v2| v2.ledger_bounds.as_ref());
        bounds.is_some_and(|bounds| bounds.max_ledger != 0 && bounds.max_ledger <= store.header.ledger_seq)
    };
    let close_time = store.header.scp_value.close_time.0.saturating_add(slack_s);
    (max_time != 0 && max_time < close_time) || (store.protocol() >= 19 && by_ledger())
}

fn is_bad_sequence(store: &Store, frame: &Frame, account: &AccountEntry) -> bool {
    let SequenceNumber(current) = account.seq_num;
    let wanted = frame.sequence();
    if frame.is_first_of(store.header.ledger_seq) {
        return true;
    }
    if store.protocol() >= 19
        && let Some(PreconditionsV2 { min_seq_num: Some(SequenceNumber(min)), .. }) = frame.preconditions()
    {
        return current < *min || current >= wanted;
    }
    current == i64::MAX || current + 1 != wanted
}

fn is_too_early_for_account(store: &Store, frame: &Frame, account: &AccountEntry) -> bool {
    if store.protocol() < 19 {
        return false;
    }
    let (min_age_s, min_gap) =
        frame.preconditions().map_or((0, 0), |conditions| (conditions.min_seq_age.0, conditions.min_seq_ledger_gap));
    let (last_ledger, last_time) = sequence_age(account);
    let close_time = store.header.scp_value.close_time.0;
    let seq = store.header.ledger_seq;
    min_age_s > close_time || close_time - min_age_s < last_time || min_gap > seq || seq - min_gap < last_ledger
}

fn extra_signers(frame: &Frame) -> &[SignerKey] {
    frame.preconditions().map_or(&[], |conditions| conditions.extra_signers.as_slice())
}

/// Checks each operation's signatures. Writes what is wrong into `results`; `true` if nothing is.
pub(crate) fn operations_signed(
    store: &Store,
    frame: &Frame,
    checker: &mut SignatureChecker<'_>,
    results: &mut [OperationResult],
) -> bool {
    let mut all = true;
    for (operation, result) in frame.operations().iter().zip(results) {
        if let Err(refusal) = operation_signed(store, frame, checker, operation) {
            *result = *refusal;
            all = false;
        }
    }
    all
}

/// Checks one operation's signatures. A source that does not exist (yet) must sign with its own key.
pub(crate) fn operation_signed(
    store: &Store,
    frame: &Frame,
    checker: &mut SignatureChecker<'_>,
    operation: &stellar_xdr::Operation,
) -> Result<(), Box<OperationResult>> {
    let source = frame.operation_source(operation);
    let signed = match store.account(&source) {
        Some(account) => {
            let needed = match operations::threshold(&operation.body) {
                Threshold::Low => account.thresholds.0[1],
                Threshold::Medium => account.thresholds.0[2],
                Threshold::High => account.thresholds.0[3],
            };
            checker.check_account(account, needed)
        }
        None if operation.source_account.is_none() => return Err(Box::new(OperationResult::OpNoAccount)),
        None => checker.check_missing_account(&source),
    };
    if signed { Ok(()) } else { Err(Box::new(OperationResult::OpBadAuth)) }
}

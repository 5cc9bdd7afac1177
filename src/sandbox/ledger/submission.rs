//! What happens to a transaction that is handed in: the checks of stellar-core's `/tx`.

use rustc_hash::FxHashMap;
use stellar_xdr::{
    AccountId, Hash, InnerTransactionResult, InnerTransactionResultExt, InnerTransactionResultPair, OperationResult,
    TransactionExt, TransactionResult, TransactionResultExt, TransactionResultResult,
};

use super::apply::inner_result;
use super::entries::account_available;
use super::frame::Frame;
use super::header::vec_m;
use super::lanes::Lanes;
use super::mempool::{Mempool, Refused};
use super::operations;
use super::signatures::SignatureChecker;
use super::store::Store;
use super::validity::{self, Checking};

/// The most that may be set aside for a contract's resources (`MAX_RESOURCE_FEE`).
const MAX_RESOURCE_FEE: i64 = 1 << 50;

/// The answer to a transaction that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// It waits for the next ledger.
    Pending {
        /// The transaction's hash.
        hash: Hash,
    },
    /// It waits already.
    Duplicate {
        /// The transaction's hash.
        hash: Hash,
    },
    /// Another transaction of its account waits, the queue is full, or it was given up or applied lately.
    TryAgainLater {
        /// The transaction's hash.
        hash: Hash,
    },
    /// It can not apply now.
    Error {
        /// The transaction's hash.
        hash: Hash,
        /// Why.
        result: TransactionResult,
    },
}

/// Judges a transaction against the last closed ledger and what waits. Checks are those of the ledger that comes next.
pub(crate) fn submit(
    store: &mut Store,
    mempool: &mut Mempool,
    frame: Frame,
    lanes: Lanes,
    close_time_slack_s: u64,
) -> SubmitOutcome {
    use TransactionResultResult as R;
    let hash = frame.hash.clone();
    let error = |result, fee| SubmitOutcome::Error { hash: hash.clone(), result: transaction_result(result, fee) };
    if is_malformed(&frame) {
        return error(R::TxMalformed, 0);
    }
    let room = match mempool.check(&frame, lanes) {
        Ok(room) => room,
        Err(Refused::Duplicate) => return SubmitOutcome::Duplicate { hash },
        Err(Refused::TryAgainLater) => return SubmitOutcome::TryAgainLater { hash },
        Err(Refused::OldSequence) => return error(R::TxBadSeq, 0),
        Err(Refused::FeeTooLow { wanted }) => return error(R::TxInsufficientFee, wanted),
    };
    store.header.ledger_seq += 1;
    let judged = judge(store, &frame, close_time_slack_s);
    store.header.ledger_seq -= 1;
    if let Err(result) = judged {
        return SubmitOutcome::Error { hash, result };
    }
    let payer = frame.fee_source();
    let owed = mempool.fees_owed(&payer, &frame.source());
    let available = store.account(&payer).map_or(0, |account| account_available(&store.header, account));
    if available.saturating_sub(frame.fee_bid()) < owed {
        return error(R::TxInsufficientBalance, min_fee(store, &frame));
    }
    mempool.add(frame, room);
    SubmitOutcome::Pending { hash }
}

/// What core's queue looks at before all else (`TransactionQueue::tryAdd`): what is attached for contracts must be there for
/// those alone, and no fee may be negative.
fn is_malformed(frame: &Frame) -> bool {
    let resource_fee = match &frame.tx().ext {
        TransactionExt::V0 => None,
        TransactionExt::V1(data) => Some(data.resource_fee),
    };
    let bad_resource_fee =
        resource_fee.is_some_and(|fee| !(0..=MAX_RESOURCE_FEE).contains(&fee) || fee > frame.fee_bid());
    frame.fee_bid() < 0 || resource_fee.is_some() != frame.is_of_contracts() || bad_resource_fee
}

/// Of these transactions, the sources of those that cannot be in the next ledger: they are not valid (any more), or their
/// payer cannot pay for all that waits on them (`TxSetUtils::getInvalidTxList`).
pub(crate) fn invalid<'a>(
    store: &Store,
    frames: impl Iterator<Item = &'a Frame>,
    close_time_slack_s: u64,
) -> Vec<AccountId> {
    let (valid, invalid): (Vec<&Frame>, Vec<&Frame>) =
        frames.partition(|frame| judge(store, frame, close_time_slack_s).is_ok());
    let mut owed: FxHashMap<AccountId, i64> = FxHashMap::default();
    for frame in &valid {
        let owed = owed.entry(frame.fee_source()).or_default();
        *owed = owed.saturating_add(frame.fee_bid());
    }
    let cannot_pay = |frame: &Frame| {
        let payer = frame.fee_source();
        let available = store.account(&payer).map_or(0, |account| account_available(&store.header, account));
        owed.get(&payer).is_some_and(|owed| available < *owed)
    };
    let poor = valid.into_iter().filter(|frame| cannot_pay(frame));
    invalid.into_iter().chain(poor).map(Frame::source).collect()
}

/// The fee that results of refusals speak of.
fn min_fee(store: &Store, frame: &Frame) -> i64 {
    i64::from(store.header.base_fee) * frame.num_operations().max(1)
}

/// Whether a transaction could apply to this state (`checkValid`).
///
/// # Errors
/// The result that says why not.
pub(crate) fn judge(store: &Store, frame: &Frame, close_time_slack_s: u64) -> Result<(), TransactionResult> {
    let fee = min_fee(store, frame);
    if frame.fee_bid() < 0 {
        return Err(transaction_result(TransactionResultResult::TxMalformed, 0));
    }
    if frame.fee_bump().is_none() {
        return judge_inner(store, frame, close_time_slack_s, true).map_err(|refusal| transaction_result(refusal, fee));
    }
    judge_fee_bump(store, frame).map_err(|(refusal, wanted)| transaction_result(refusal, wanted.unwrap_or(fee)))?;
    judge_inner(store, frame, close_time_slack_s, false).map_err(|refusal| {
        let inner = InnerTransactionResultPair {
            transaction_hash: frame.inner_hash.clone(),
            result: InnerTransactionResult {
                fee_charged: 0,
                result: inner_result(refusal),
                ext: InnerTransactionResultExt::V0,
            },
        };
        transaction_result(TransactionResultResult::TxFeeBumpInnerFailed(inner), fee)
    })
}

/// The outer half of a fee bump: it must outbid what it bumps, and its payer must sign and have the means.
fn judge_fee_bump(store: &Store, frame: &Frame) -> Result<(), (TransactionResultResult, Option<i64>)> {
    use TransactionResultResult as R;
    let base_fee = i64::from(store.header.base_fee);
    let outer_min = base_fee * frame.num_operations();
    let inner_min = base_fee * frame.num_inner_operations().max(1);
    if frame.fee_bid() < outer_min {
        return Err((R::TxInsufficientFee, None));
    }
    let offered = i128::from(frame.fee_bid()) * i128::from(inner_min);
    let needed = i128::from(frame.inner_fee_bid()) * i128::from(outer_min);
    if offered < needed {
        let wanted = (needed + i128::from(inner_min) - 1) / i128::from(inner_min);
        return Err((R::TxInsufficientFee, Some(i64::try_from(wanted).unwrap_or(i64::MAX))));
    }
    let Some(payer) = store.account(&frame.fee_source()) else { return Err((R::TxNoAccount, None)) };
    let mut checker = SignatureChecker::new(&frame.hash, frame.signatures(), &frame.verified);
    if !checker.check_account(payer, payer.thresholds.0[1]) {
        return Err((R::TxBadAuth, None));
    }
    if account_available(&store.header, payer) < frame.fee_bid() {
        return Err((R::TxInsufficientBalance, None));
    }
    if !checker.all_used() {
        return Err((R::TxBadAuthExtra, None));
    }
    Ok(())
}

fn judge_inner(
    store: &Store,
    frame: &Frame,
    close_time_slack_s: u64,
    pays: bool,
) -> Result<(), TransactionResultResult> {
    let checking = Checking { applying: false, pays, close_time_slack_s };
    let mut checker = SignatureChecker::new(&frame.inner_hash, frame.inner_signatures(), &frame.inner_verified);
    if let (_, Some(refusal)) = validity::common(store, frame, &mut checker, checking) {
        return Err(refusal);
    }
    for (index, operation) in frame.operations().iter().enumerate() {
        // As in core: what the protocol does not know comes first, then signatures, then the form.
        let source = frame.operation_source(operation);
        let judged = operations::check_supported(store, operation)
            .and_then(|()| validity::operation_signed(store, frame, &mut checker, operation))
            .and_then(|()| operations::check_form(store, &source, operation));
        if let Err(refusal) = judged {
            let mut results: Vec<OperationResult> =
                frame.operations().iter().map(|operation| operations::untouched_result(&operation.body)).collect();
            results[index] = *refusal;
            return Err(TransactionResultResult::TxFailed(vec_m(results)));
        }
    }
    if checker.all_used() { Ok(()) } else { Err(TransactionResultResult::TxBadAuthExtra) }
}

fn transaction_result(result: TransactionResultResult, fee_charged: i64) -> TransactionResult {
    TransactionResult { fee_charged, result, ext: TransactionResultExt::V0 }
}

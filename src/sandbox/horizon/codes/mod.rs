//! Horizon's words for result codes (its `codes` package), its slips included: clients compare them.

mod operations;

use serde_json::{Map, Value, json};
use stellar_xdr::{Hash, InnerTransactionResultResult, OperationResult, TransactionResult, TransactionResultResult};

/// `result_codes` of a result, as whoever handed in the transaction of this hash sees it: for the transaction inside of
/// a fee bump, its own result is the transaction's.
pub(crate) fn result_codes(result: &TransactionResult, hash: &Hash) -> Value {
    use TransactionResultResult as R;
    let mut codes = Map::new();
    let operations: &[OperationResult] = match &result.result {
        R::TxFeeBumpInnerSuccess(pair) | R::TxFeeBumpInnerFailed(pair) => {
            let inner = of_inner(&pair.result.result);
            if pair.transaction_hash == *hash {
                codes.insert("transaction".into(), json!(inner));
            } else {
                codes.insert("transaction".into(), json!(of_transaction(&result.result)));
                codes.insert("inner_transaction".into(), json!(inner));
            }
            match &pair.result.result {
                InnerTransactionResultResult::TxSuccess(of) | InnerTransactionResultResult::TxFailed(of) => of,
                _ => &[],
            }
        }
        other => {
            codes.insert("transaction".into(), json!(of_transaction(other)));
            match other {
                R::TxSuccess(of) | R::TxFailed(of) => of,
                _ => &[],
            }
        }
    };
    if !operations.is_empty() {
        codes.insert("operations".into(), operations.iter().map(of_operation).collect());
    }
    Value::Object(codes)
}

/// The word for a transaction's result.
pub(crate) fn of_transaction(result: &TransactionResultResult) -> &'static str {
    use TransactionResultResult as R;
    match result {
        R::TxFeeBumpInnerSuccess(_) => "tx_fee_bump_inner_success",
        R::TxFeeBumpInnerFailed(_) => "tx_fee_bump_inner_failed",
        R::TxSuccess(_) => "tx_success",
        R::TxFailed(_) => "tx_failed",
        R::TxTooEarly => "tx_too_early",
        R::TxTooLate => "tx_too_late",
        R::TxMissingOperation => "tx_missing_operation",
        R::TxBadSeq => "tx_bad_seq",
        R::TxBadAuth => "tx_bad_auth",
        R::TxInsufficientBalance => "tx_insufficient_balance",
        R::TxNoAccount => "tx_no_source_account",
        R::TxInsufficientFee => "tx_insufficient_fee",
        R::TxBadAuthExtra => "tx_bad_auth_extra",
        R::TxInternalError => "tx_internal_error",
        R::TxNotSupported => "tx_not_supported",
        R::TxBadSponsorship => "tx_bad_sponsorship",
        R::TxBadMinSeqAgeOrGap => "tx_bad_minseq_age_or_gap",
        R::TxMalformed => "tx_malformed",
        R::TxSorobanInvalid => "tx_soroban_invalid",
        R::TxFrozenKeyAccessed => "tx_frozen_key_accessed",
    }
}

/// The word for the result of a transaction inside of a fee bump.
fn of_inner(result: &InnerTransactionResultResult) -> &'static str {
    use InnerTransactionResultResult as I;
    match result {
        I::TxSuccess(_) => "tx_success",
        I::TxFailed(_) => "tx_failed",
        I::TxTooEarly => "tx_too_early",
        I::TxTooLate => "tx_too_late",
        I::TxMissingOperation => "tx_missing_operation",
        I::TxBadSeq => "tx_bad_seq",
        I::TxBadAuth => "tx_bad_auth",
        I::TxInsufficientBalance => "tx_insufficient_balance",
        I::TxNoAccount => "tx_no_source_account",
        I::TxInsufficientFee => "tx_insufficient_fee",
        I::TxBadAuthExtra => "tx_bad_auth_extra",
        I::TxInternalError => "tx_internal_error",
        I::TxNotSupported => "tx_not_supported",
        I::TxBadSponsorship => "tx_bad_sponsorship",
        I::TxBadMinSeqAgeOrGap => "tx_bad_minseq_age_or_gap",
        I::TxMalformed => "tx_malformed",
        I::TxSorobanInvalid => "tx_soroban_invalid",
        I::TxFrozenKeyAccessed => "tx_frozen_key_accessed",
    }
}

/// The word for an operation's result.
pub(crate) fn of_operation(result: &OperationResult) -> &'static str {
    match result {
        OperationResult::OpInner(inner) => operations::of_inner_result(inner),
        OperationResult::OpBadAuth => "op_bad_auth",
        OperationResult::OpNoAccount => "op_no_source_account",
        OperationResult::OpNotSupported => "op_not_supported",
        OperationResult::OpTooManySubentries => "op_too_many_subentries",
        OperationResult::OpExceededWorkLimit => "op_exceeded_work_limit",
        OperationResult::OpTooManySponsoring => "op_too_many_sponsoring",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::{
        InnerTransactionResult, InnerTransactionResultExt, InnerTransactionResultPair, OperationResultTr,
        PaymentResult, TransactionResultExt,
    };

    fn result(result: TransactionResultResult) -> TransactionResult {
        TransactionResult { fee_charged: 100, result, ext: TransactionResultExt::V0 }
    }

    fn payments() -> stellar_xdr::VecM<OperationResult> {
        let payment = |result| OperationResult::OpInner(OperationResultTr::Payment(result));
        vec![payment(PaymentResult::Success), payment(PaymentResult::Underfunded)].try_into().unwrap()
    }

    #[test]
    fn a_failure_says_which_operation_failed_and_how() {
        let failed = result(TransactionResultResult::TxFailed(payments()));
        let wanted = json!({"transaction": "tx_failed", "operations": ["op_success", "op_underfunded"]});
        assert_eq!(result_codes(&failed, &Hash([1; 32])), wanted);
        let early = result(TransactionResultResult::TxBadSeq);
        assert_eq!(result_codes(&early, &Hash([1; 32])), json!({"transaction": "tx_bad_seq"}));
    }

    #[test]
    fn of_a_fee_bump_the_inner_transactions_sender_sees_its_own_result() {
        let inner = InnerTransactionResult {
            fee_charged: 0,
            result: InnerTransactionResultResult::TxFailed(payments()),
            ext: InnerTransactionResultExt::V0,
        };
        let pair = InnerTransactionResultPair { transaction_hash: Hash([2; 32]), result: inner };
        let failed = result(TransactionResultResult::TxFeeBumpInnerFailed(pair));
        let operations = json!(["op_success", "op_underfunded"]);
        let outer = json!({"transaction": "tx_fee_bump_inner_failed", "inner_transaction": "tx_failed",
            "operations": operations});
        assert_eq!(result_codes(&failed, &Hash([1; 32])), outer);
        let inner = json!({"transaction": "tx_failed", "operations": operations});
        assert_eq!(result_codes(&failed, &Hash([2; 32])), inner);
    }
}

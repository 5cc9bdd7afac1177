//! What became of a transaction and its operations.

use super::cursor::Cursor;
use super::entries::{claimable_balance_id, offer};
use super::raw::{RawClaim, RawVenue, TransactionResult, TransactionResultCode};
use super::visitor::FailedOperation;
use super::{LedgerVisitor, SkimError};

const MALFORMED_CODE: &str = "TransactionResultCode";

/// `TransactionResultPair`.
pub(super) fn transaction_result(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let hash = cursor.hash()?;
    let fee_charged = cursor.i64()?;
    let code = transaction_result_code(cursor)?;
    let is_fee_bump =
        matches!(code, TransactionResultCode::FEE_BUMP_INNER_SUCCESS | TransactionResultCode::FEE_BUMP_INNER_FAILED);
    if is_fee_bump {
        let inner_hash = cursor.hash()?;
        cursor.skip(8, "the inner transaction's fee")?;
        let inner_code = transaction_result_code(cursor)?;
        if matches!(
            inner_code,
            TransactionResultCode::FEE_BUMP_INNER_SUCCESS | TransactionResultCode::FEE_BUMP_INNER_FAILED
        ) {
            return Err(cursor.unknown(MALFORMED_CODE, inner_code.0));
        }
        visitor.transaction(&TransactionResult { hash, fee_charged, code, inner: Some((inner_hash, inner_code)) });
        operation_results(cursor, inner_code, visitor)?;
        cursor.zero("InnerTransactionResultExt")?;
    } else {
        visitor.transaction(&TransactionResult { hash, fee_charged, code, inner: None });
        operation_results(cursor, code, visitor)?;
    }
    cursor.zero("TransactionResultExt")
}

fn transaction_result_code(cursor: &mut Cursor<'_>) -> Result<TransactionResultCode, SkimError> {
    match cursor.i32()? {
        known @ -18..=1 => Ok(TransactionResultCode(known)),
        other => Err(cursor.unknown(MALFORMED_CODE, other)),
    }
}

/// The operations' results, which only transactions that came to their operations have.
fn operation_results(
    cursor: &mut Cursor<'_>,
    code: TransactionResultCode,
    visitor: &mut impl LedgerVisitor,
) -> Result<(), SkimError> {
    let applied = code == TransactionResultCode::SUCCESS;
    if !applied && code != TransactionResultCode::FAILED {
        return Ok(());
    }
    let mut failed = None;
    for operation in 0..cursor.count(u32::MAX, 4)? {
        let (outer, inner) = operation_result(cursor, operation, applied, visitor)?;
        if failed.is_none() && (outer != 0 || inner.is_some_and(|code| code != 0)) {
            failed = Some(FailedOperation { operation, outer, inner });
        }
    }
    if let (false, Some(failed)) = (applied, failed) {
        visitor.failed_operation(failed);
    }
    Ok(())
}

/// The lowest result code of each operation, by `OperationType`; the highest is 0, success.
const LOWEST_CODE: [i32; 27] =
    [-4, -9, -12, -12, -12, -10, -8, -6, -7, -1, -4, -1, -12, -12, -5, -6, -3, -1, -5, -4, -3, -5, -8, -6, -5, -3, -3];

/// `OperationResult`: its code and, if that is `opINNER`, its own result's.
#[inline]
fn operation_result(
    cursor: &mut Cursor<'_>,
    operation: u32,
    applied: bool,
    visitor: &mut impl LedgerVisitor,
) -> Result<(i32, Option<i32>), SkimError> {
    match cursor.i32()? {
        0 => {}
        outer @ -6..=-1 => return Ok((outer, None)),
        other => return Err(cursor.unknown("OperationResultCode", other)),
    }
    let kind = cursor.i32()?;
    let Some(lowest) = usize::try_from(kind).ok().and_then(|kind| LOWEST_CODE.get(kind)) else {
        return Err(cursor.unknown("OperationType", kind));
    };
    let code = cursor.i32()?;
    if !(*lowest..=0).contains(&code) {
        return Err(cursor.unknown("operation result code", code));
    }
    let mut claim = |claim: &RawClaim<'_>| {
        if applied {
            visitor.claim(operation, claim);
        } else {
            visitor.undone_claim(operation, claim);
        }
    };
    match (kind, code) {
        // Path payments.
        (2 | 13, 0) => {
            claims(cursor, &mut claim)?;
            cursor.account_id()?;
            cursor.asset()?;
            cursor.skip(8, "an amount")?;
        }
        (2 | 13, -9) => cursor.asset().map(|_| ())?,
        // Offers.
        (3 | 4 | 12, 0) => {
            claims(cursor, &mut claim)?;
            if cursor.arm("ManageOfferEffect", 2)? < 2 {
                offer(cursor)?;
            }
        }
        // AccountMerge: the balance that moved.
        (8, 0) => cursor.skip(8, "an amount")?,
        (9, 0) => inflation_payouts(cursor)?,
        // CreateClaimableBalance.
        (14, 0) => claimable_balance_id(cursor)?,
        // InvokeHostFunction.
        (24, 0) => cursor.hash().map(|_| ())?,
        _ => {}
    }
    Ok((0, Some(code)))
}

fn inflation_payouts(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 44)? {
        cursor.account_id()?;
        cursor.skip(8, "an amount")?;
    }
    Ok(())
}

fn claims(cursor: &mut Cursor<'_>, tell: &mut impl FnMut(&RawClaim<'_>)) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        let venue = match cursor.arm("ClaimAtomType", 2)? {
            0 => RawVenue::Offer { seller: cursor.hash()?, id: cursor.i64()? },
            1 => RawVenue::Offer { seller: cursor.account_id()?, id: cursor.i64()? },
            _ => RawVenue::Pool(cursor.hash()?),
        };
        tell(&RawClaim {
            venue,
            sold: cursor.asset()?,
            amount_sold: cursor.i64()?,
            bought: cursor.asset()?,
            amount_bought: cursor.i64()?,
        });
    }
    Ok(())
}

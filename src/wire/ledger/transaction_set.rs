//! Which transactions a ledger took, before any was applied.

use super::cursor::Cursor;
use super::envelopes::envelope;
use super::{LedgerVisitor, SkimError};

/// `TransactionSet`, of ledgers before protocol 20.
pub(super) fn transaction_set(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    cursor.hash()?;
    envelopes(cursor, visitor)
}

/// `GeneralizedTransactionSet`: phases of classic transactions, and of Soroban's, sequential or parallel.
pub(super) fn generalized_transaction_set(
    cursor: &mut Cursor<'_>,
    visitor: &mut impl LedgerVisitor,
) -> Result<(), SkimError> {
    match cursor.i32()? {
        1 => {}
        other => return Err(cursor.unknown("GeneralizedTransactionSet", other)),
    }
    cursor.hash()?;
    for _ in 0..cursor.count(u32::MAX, 4)? {
        match cursor.arm("TransactionPhase", 1)? {
            0 => {
                for _ in 0..cursor.count(u32::MAX, 4)? {
                    cursor.zero("TxSetComponentType")?;
                    cursor.optional(8)?;
                    envelopes(cursor, visitor)?;
                }
            }
            _ => parallel_phase(cursor, visitor)?,
        }
    }
    Ok(())
}

/// `ParallelTxsComponent`: stages, each of clusters, each of transactions.
fn parallel_phase(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    cursor.optional(8)?;
    for _ in 0..cursor.count(u32::MAX, 4)? {
        for _ in 0..cursor.count(u32::MAX, 4)? {
            envelopes(cursor, visitor)?;
        }
    }
    Ok(())
}

fn envelopes(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        envelope(cursor, visitor)?;
    }
    Ok(())
}

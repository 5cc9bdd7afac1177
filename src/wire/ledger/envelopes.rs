//! `TransactionEnvelope` and the transactions in it (`Stellar-transaction.x`).

use super::cursor::Cursor;
use super::entries::signer_key;
use super::operations::operation;
use super::soroban::soroban_transaction_data;
use super::{Envelope, FeeBump, LedgerVisitor, SkimError};

const MAX_SIGNATURES: u32 = 20;
const MAX_OPERATIONS: u32 = 100;
const ENVELOPE_TYPE: &str = "EnvelopeType";
const TX_V0: i32 = 0;
const TX: i32 = 2;
const TX_FEE_BUMP: i32 = 5;

/// `TransactionEnvelope`.
pub(super) fn envelope(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let envelope = match cursor.i32()? {
        TX => transaction_v1_envelope(cursor, visitor)?,
        TX_FEE_BUMP => fee_bump_envelope(cursor, visitor)?,
        TX_V0 => transaction_v0_envelope(cursor, visitor)?,
        other => return Err(cursor.unknown(ENVELOPE_TYPE, other)),
    };
    visitor.envelope(&envelope);
    Ok(())
}

fn fee_bump_envelope<'a>(cursor: &mut Cursor<'a>, visitor: &mut impl LedgerVisitor) -> Result<Envelope<'a>, SkimError> {
    let start = cursor.mark();
    let fee_source = muxed_account(cursor)?;
    cursor.skip(8, "a fee")?;
    match cursor.i32()? {
        TX => {}
        other => return Err(cursor.unknown(ENVELOPE_TYPE, other)),
    }
    let inner = transaction_v1_envelope(cursor, visitor)?;
    cursor.zero("FeeBumpTransactionExt")?;
    let fee_bump = Some(FeeBump { fee_source, transaction: cursor.since(start) });
    signatures(cursor)?;
    Ok(Envelope { fee_bump, ..inner })
}

fn transaction_v1_envelope<'a>(
    cursor: &mut Cursor<'a>,
    visitor: &mut impl LedgerVisitor,
) -> Result<Envelope<'a>, SkimError> {
    let start = cursor.mark();
    let source = muxed_account(cursor)?;
    cursor.skip(4 + 8, "fee and sequence number")?;
    preconditions(cursor)?;
    memo(cursor)?;
    operations(cursor, visitor)?;
    if cursor.arm("TransactionExt", 1)? == 1 {
        soroban_transaction_data(cursor)?;
    }
    let transaction = cursor.since(start);
    signatures(cursor)?;
    Ok(Envelope { source, transaction, is_v0: false, fee_bump: None })
}

fn transaction_v0_envelope<'a>(
    cursor: &mut Cursor<'a>,
    visitor: &mut impl LedgerVisitor,
) -> Result<Envelope<'a>, SkimError> {
    let start = cursor.mark();
    let source = cursor.hash()?;
    cursor.skip(4 + 8, "fee and sequence number")?;
    cursor.optional(16)?;
    memo(cursor)?;
    operations(cursor, visitor)?;
    cursor.zero("TransactionV0Ext")?;
    let transaction = cursor.since(start);
    signatures(cursor)?;
    Ok(Envelope { source, transaction, is_v0: true, fee_bump: None })
}

fn operations(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    for index in 0..cursor.count(MAX_OPERATIONS, 8)? {
        if cursor.present()? {
            visitor.operation_source(index, muxed_account(cursor)?);
        }
        operation(cursor)?;
    }
    Ok(())
}

fn signatures(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(MAX_SIGNATURES, 8)? {
        cursor.skip(4, "a signature hint")?;
        cursor.opaque(64)?;
    }
    Ok(())
}

/// The key of the account, without the id that may multiplex it.
#[inline]
pub(super) fn muxed_account<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8; 32], SkimError> {
    match cursor.i32()? {
        0 => cursor.hash(),
        0x100 => {
            cursor.skip(8, "a multiplexed account's id")?;
            cursor.hash()
        }
        other => Err(cursor.unknown("CryptoKeyType", other)),
    }
}

fn preconditions(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("PreconditionType", 2)? {
        0 => Ok(()),
        1 => cursor.skip(16, "time bounds"),
        _ => {
            // Time bounds, ledger bounds, least sequence number.
            cursor.optional(16)?;
            cursor.optional(8)?;
            cursor.optional(8)?;
            cursor.skip(8 + 4, "least sequence age and ledger gap")?;
            for _ in 0..cursor.count(2, 4)? {
                signer_key(cursor)?;
            }
            Ok(())
        }
    }
}

fn memo(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("MemoType", 4)? {
        0 => Ok(()),
        1 => cursor.opaque(28),
        2 => cursor.skip(8, "a memo"),
        _ => cursor.skip(32, "a memo"),
    }
}

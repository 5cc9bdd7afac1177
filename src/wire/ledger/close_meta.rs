//! `LedgerCloseMeta` and the header in it.

use super::cursor::Cursor;
use super::entries::{ledger_entry, ledger_key};
use super::meta::{changes, transaction_meta};
use super::results::transaction_result;
use super::scp::scp_history_entry;
use super::transaction_set::{generalized_transaction_set, transaction_set};
use super::visitor::ChangePhase;
use super::{LedgerHeader, LedgerVisitor, SkimError};

/// The newest protocol version whose ledgers this program reads: that of the XDR definitions it was written from.
pub const KNOWN_PROTOCOL: u32 = 28;

/// Walks over the one `LedgerCloseMeta` that `bytes` are.
///
/// # Errors
/// If they are none, or one that this program does not know. The visitor has by then heard of what came before.
pub fn skim(bytes: &[u8], visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let mut cursor = Cursor::new(bytes);
    ledger_close_meta(&mut cursor, visitor)?;
    if cursor.remaining() > 0 {
        return Err(cursor.malformed("the end of the ledger"));
    }
    Ok(())
}

pub(super) fn ledger_close_meta(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let version = cursor.arm("LedgerCloseMeta", 2)?;
    if version > 0 {
        ext(cursor)?;
    }
    ledger_header_history_entry(cursor, visitor)?;
    if version == 0 {
        transaction_set(cursor, visitor)?;
    } else {
        generalized_transaction_set(cursor, visitor)?;
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        transaction_result_meta(cursor, version, visitor)?;
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        ledger_upgrade(cursor)?;
        changes(cursor, ChangePhase::Upgrades, visitor)?;
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        scp_history_entry(cursor)?;
    }
    if version > 0 {
        cursor.skip(8, "the size of the live Soroban state")?;
        for _ in 0..cursor.count(u32::MAX, 4)? {
            ledger_key(cursor)?;
        }
    }
    if version == 1 {
        for _ in 0..cursor.count(u32::MAX, 4)? {
            ledger_entry(cursor)?;
        }
    }
    Ok(())
}

fn ext(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.arm("LedgerCloseMetaExt", 1)? == 1 {
        cursor.zero("ExtensionPoint")?;
        cursor.skip(8, "a fee")?;
    }
    Ok(())
}

/// `TransactionResultMeta`, or `TransactionResultMetaV1` in version 2.
fn transaction_result_meta(
    cursor: &mut Cursor<'_>,
    version: i32,
    visitor: &mut impl LedgerVisitor,
) -> Result<(), SkimError> {
    if version == 2 {
        cursor.zero("ExtensionPoint")?;
    }
    transaction_result(cursor, visitor)?;
    changes(cursor, ChangePhase::Fees, visitor)?;
    transaction_meta(cursor, visitor)?;
    if version == 2 {
        changes(cursor, ChangePhase::Refunds, visitor)?;
    }
    Ok(())
}

fn ledger_upgrade(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.i32()? {
        1..=5 | 7 => cursor.skip(4, "an upgrade"),
        6 => cursor.skip(64, "an upgrade"),
        other => Err(cursor.unknown("LedgerUpgradeType", other)),
    }
}

fn ledger_header_history_entry(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let hash = cursor.hash()?;
    let protocol = cursor.u32()?;
    if protocol > KNOWN_PROTOCOL {
        return Err(cursor.unknown("protocol version", protocol.cast_signed()));
    }
    let previous_hash = cursor.hash()?;
    let close_time_s = stellar_value(cursor)?;
    cursor.skip(2 * 32, "two hashes")?;
    let seq = cursor.u32()?;
    // Total coins, fee pool, inflation sequence, id pool.
    cursor.skip(8 + 8 + 4 + 8, "a header")?;
    let base_fee = cursor.u32()?;
    let base_reserve = cursor.u32()?;
    // The transaction set's greatest size, the skip list.
    cursor.skip(4 + 4 * 32, "a header")?;
    if cursor.arm("LedgerHeaderExt", 1)? == 1 {
        cursor.skip(4, "header flags")?;
        cursor.zero("LedgerHeaderExtensionV1Ext")?;
    }
    cursor.zero("LedgerHeaderHistoryEntryExt")?;
    visitor.header(&LedgerHeader { seq, hash, previous_hash, protocol, close_time_s, base_fee, base_reserve });
    Ok(())
}

/// Passes over a `StellarValue` and says its close time.
fn stellar_value(cursor: &mut Cursor<'_>) -> Result<u64, SkimError> {
    cursor.hash()?;
    let close_time_s = cursor.u64()?;
    for _ in 0..cursor.count(6, 4)? {
        cursor.opaque(128)?;
    }
    match cursor.arm("StellarValueType", 2)? {
        0 => return Ok(close_time_s),
        1 => {}
        // Set hash, previous ledger's hash and version.
        _ => cursor.skip(32 + 32 + 4, "a proposed value")?,
    }
    cursor.account_id()?;
    cursor.opaque(64)?;
    Ok(close_time_s)
}

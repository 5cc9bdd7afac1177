//! What applying a transaction changed (`TransactionMeta`, versions 0 to 4).

use super::cursor::{Cursor, Depth};
use super::entries::{ledger_entry, ledger_key};
use super::events::{contract_events, diagnostic_events, transaction_events};
use super::raw::RawOffer;
use super::scval::sc_val;
use super::visitor::{Change, ChangePhase};
use super::{LedgerVisitor, SkimError};

/// `TransactionMeta`.
pub(super) fn transaction_meta(cursor: &mut Cursor<'_>, visitor: &mut impl LedgerVisitor) -> Result<(), SkimError> {
    let version = cursor.arm("TransactionMeta", 4)?;
    if version >= 3 {
        cursor.zero("ExtensionPoint")?;
    }
    if version >= 1 {
        changes(cursor, ChangePhase::Apply, visitor)?;
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        if version == 4 {
            cursor.zero("ExtensionPoint")?;
        }
        changes(cursor, ChangePhase::Apply, visitor)?;
        if version == 4 {
            contract_events(cursor)?;
        }
    }
    if version >= 2 {
        changes(cursor, ChangePhase::Apply, visitor)?;
    }
    match version {
        3 => soroban_meta(cursor),
        4 => soroban_meta_v2(cursor),
        _ => Ok(()),
    }
}

/// `SorobanTransactionMeta*`.
fn soroban_meta(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if !cursor.present()? {
        return Ok(());
    }
    soroban_meta_ext(cursor)?;
    contract_events(cursor)?;
    sc_val(cursor, Depth::top())?;
    diagnostic_events(cursor)
}

/// `SorobanTransactionMetaV2*`, and the events of the whole transaction.
fn soroban_meta_v2(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.present()? {
        soroban_meta_ext(cursor)?;
        if cursor.present()? {
            sc_val(cursor, Depth::top())?;
        }
    }
    transaction_events(cursor)?;
    diagnostic_events(cursor)
}

fn soroban_meta_ext(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.arm("SorobanTransactionMetaExt", 1)? == 1 {
        cursor.zero("ExtensionPoint")?;
        cursor.skip(3 * 8, "fees")?;
    }
    Ok(())
}

/// `LedgerEntryChanges`.
pub(super) fn changes(
    cursor: &mut Cursor<'_>,
    phase: ChangePhase,
    visitor: &mut impl LedgerVisitor,
) -> Result<(), SkimError> {
    // The offer whose state before the next change was told.
    let mut before = None;
    for _ in 0..cursor.count(u32::MAX, 4)? {
        let change = match cursor.i32()? {
            // Created, updated, restored.
            0 | 1 | 4 => ledger_entry(cursor)?,
            // Removed.
            2 => ledger_key(cursor)?,
            // The state before the change that comes next.
            3 => {
                before = match ledger_entry(cursor)? {
                    Some(Change::Offer(offer)) => Some(offer),
                    _ => None,
                };
                continue;
            }
            other => return Err(cursor.unknown("LedgerEntryChangeType", other)),
        };
        if let Some(change) = change {
            tell(phase, change, before.take(), visitor);
        }
    }
    Ok(())
}

#[inline]
fn tell(phase: ChangePhase, change: Change<'_>, before: Option<RawOffer<'_>>, visitor: &mut impl LedgerVisitor) {
    match (change, before) {
        (Change::OfferGone { seller, id, .. }, Some(old)) if old.id == id => {
            let pair = Some((old.selling, old.buying));
            visitor.change(phase, &Change::OfferGone { seller, id, pair });
        }
        (Change::Offer(new), Some(old))
            if old.id == new.id && (old.selling, old.buying) != (new.selling, new.buying) =>
        {
            let pair = Some((old.selling, old.buying));
            visitor.change(phase, &Change::OfferGone { seller: old.seller, id: old.id, pair });
            visitor.change(phase, &change);
        }
        _ => visitor.change(phase, &change),
    }
}

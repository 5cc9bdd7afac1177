//! Contracts' events.

use super::SkimError;
use super::cursor::{Cursor, Depth};
use super::scval::{sc_val, sc_vals};

/// `ContractEvent<>`.
pub(super) fn contract_events(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        contract_event(cursor)?;
    }
    Ok(())
}

/// `DiagnosticEvent<>`.
pub(super) fn diagnostic_events(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 8)? {
        cursor.skip(4, "whether the call succeeded")?;
        contract_event(cursor)?;
    }
    Ok(())
}

/// `TransactionEvent<>`.
pub(super) fn transaction_events(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 8)? {
        cursor.arm("TransactionEventStage", 2)?;
        contract_event(cursor)?;
    }
    Ok(())
}

fn contract_event(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.zero("ExtensionPoint")?;
    cursor.optional(32)?;
    cursor.arm("ContractEventType", 2)?;
    cursor.zero("ContractEventBody")?;
    sc_vals(cursor, Depth::top())?;
    sc_val(cursor, Depth::top())
}

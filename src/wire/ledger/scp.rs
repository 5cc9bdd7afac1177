//! How the validators agreed (`Stellar-SCP.x`).

use super::SkimError;
use super::cursor::{Cursor, Depth};

/// `SCPHistoryEntry`.
pub(super) fn scp_history_entry(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.zero("SCPHistoryEntry")?;
    for _ in 0..cursor.count(u32::MAX, 4)? {
        quorum_set(cursor, Depth::top())?;
    }
    cursor.skip(4, "a ledger number")?;
    for _ in 0..cursor.count(u32::MAX, 4)? {
        cursor.account_id()?;
        cursor.skip(8, "a slot")?;
        pledges(cursor)?;
        cursor.opaque(64)?;
    }
    Ok(())
}

fn quorum_set(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    cursor.skip(4, "a threshold")?;
    for _ in 0..cursor.count(u32::MAX, 36)? {
        cursor.account_id()?;
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        let deeper = depth.deeper(cursor)?;
        quorum_set(cursor, deeper)?;
    }
    Ok(())
}

fn pledges(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("SCPStatementType", 3)? {
        0 => prepare(cursor),
        // Confirm.
        1 => {
            ballot(cursor)?;
            cursor.skip(3 * 4 + 32, "a confirmation")
        }
        // Externalize.
        2 => {
            ballot(cursor)?;
            cursor.skip(4 + 32, "an externalisation")
        }
        _ => nominate(cursor),
    }
}

fn prepare(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.hash()?;
    ballot(cursor)?;
    for _prepared_then_second_best in 0..2 {
        if cursor.present()? {
            ballot(cursor)?;
        }
    }
    cursor.skip(2 * 4, "ballot counters")
}

fn nominate(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.hash()?;
    for _votes_then_accepted in 0..2 {
        for _ in 0..cursor.count(u32::MAX, 4)? {
            cursor.opaque(u32::MAX)?;
        }
    }
    Ok(())
}

fn ballot(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.skip(4, "a ballot counter")?;
    cursor.opaque(u32::MAX)
}

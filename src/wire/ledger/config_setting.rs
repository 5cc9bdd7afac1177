//! The network's Soroban settings (`Stellar-contract-config-setting.x`).

use super::SkimError;
use super::cursor::Cursor;

/// `ConfigSettingID`.
pub(super) fn id(cursor: &mut Cursor<'_>) -> Result<i32, SkimError> {
    cursor.arm("ConfigSettingID", 20)
}

/// `ConfigSettingEntry`.
pub(super) fn entry(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    const EXPECTED: &str = "a network setting";
    match id(cursor)? {
        // Sizes of contracts, data keys and entries; transactions a ledger; parallel clusters.
        0 | 8 | 9 | 11 | 14 => cursor.skip(4, EXPECTED),
        // Computation.
        1 => cursor.skip(28, EXPECTED),
        // Ledger access.
        2 => cursor.skip(84, EXPECTED),
        // Historical data.
        3 => cursor.skip(8, EXPECTED),
        // Events.
        4 => cursor.skip(12, EXPECTED),
        // Bandwidth.
        5 => cursor.skip(16, EXPECTED),
        6 | 7 => cost_parameters(cursor),
        // Archival.
        10 => cursor.skip(48, EXPECTED),
        // Sizes of the state, sampled.
        12 => cursor.array(u32::MAX, 8),
        // Where eviction stands.
        13 => cursor.skip(16, EXPECTED),
        // Ledger access, extended.
        15 => cursor.skip(12, EXPECTED),
        // Consensus timing.
        16 => cursor.skip(20, EXPECTED),
        // Frozen keys, and which to freeze and thaw.
        17 => opaques(cursor),
        18 => {
            opaques(cursor)?;
            opaques(cursor)
        }
        // Transactions exempt from it, and which to add and remove.
        19 => cursor.array(u32::MAX, 32),
        _ => {
            cursor.array(u32::MAX, 32)?;
            cursor.array(u32::MAX, 32)
        }
    }
}

fn cost_parameters(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(1024, 20)? {
        cursor.zero("ExtensionPoint")?;
        cursor.skip(16, "cost parameters")?;
    }
    Ok(())
}

fn opaques(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        cursor.opaque(u32::MAX)?;
    }
    Ok(())
}

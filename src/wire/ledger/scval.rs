//! Contracts' values (`Stellar-contract.x`).

use super::SkimError;
use super::cursor::{Cursor, Depth};

/// `SCVal`.
pub(super) fn sc_val(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    match cursor.i32()? {
        // Bool, u32, i32.
        0 | 3 | 4 => cursor.skip(4, "a contract's value"),
        // Void, the key of a contract's instance.
        1 | 20 => Ok(()),
        2 => sc_error(cursor),
        // u64, i64, time point, duration, nonce.
        5..=8 | 21 => cursor.skip(8, "a contract's value"),
        // u128, i128.
        9 | 10 => cursor.skip(16, "a contract's value"),
        // u256, i256.
        11 | 12 => cursor.skip(32, "a contract's value"),
        // Bytes, string, executable tag.
        13 | 14 | 22 => cursor.opaque(u32::MAX),
        15 => sc_symbol(cursor),
        16 => {
            if cursor.present()? {
                let deeper = depth.deeper(cursor)?;
                sc_vals(cursor, deeper)?;
            }
            Ok(())
        }
        17 => optional_sc_map(cursor, depth),
        18 => sc_address(cursor),
        // A contract's instance.
        19 => {
            contract_executable(cursor)?;
            optional_sc_map(cursor, depth)
        }
        other => Err(cursor.unknown("SCValType", other)),
    }
}

/// `SCVal<>`.
pub(super) fn sc_vals(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        sc_val(cursor, depth)?;
    }
    Ok(())
}

fn optional_sc_map(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    if cursor.present()? {
        let deeper = depth.deeper(cursor)?;
        for _ in 0..cursor.count(u32::MAX, 8)? {
            sc_val(cursor, deeper)?;
            sc_val(cursor, deeper)?;
        }
    }
    Ok(())
}

pub(super) fn sc_symbol(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.opaque(32)
}

fn sc_error(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("SCErrorType", 9)? {
        0 => cursor.skip(4, "an error code"),
        _ => cursor.arm("SCErrorCode", 9).map(|_| ()),
    }
}

pub(super) fn sc_address(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("SCAddressType", 4)? {
        0 => cursor.account_id().map(|_| ()),
        // A contract, a pool.
        1 | 4 => cursor.hash().map(|_| ()),
        2 => cursor.skip(8 + 32, "a multiplexed account"),
        _ => super::entries::claimable_balance_id(cursor),
    }
}

pub(super) fn contract_executable(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("ContractExecutableType", 2)? {
        0 => cursor.hash().map(|_| ()),
        1 => Ok(()),
        _ => {
            sc_address(cursor)?;
            cursor.opaque(u32::MAX)
        }
    }
}

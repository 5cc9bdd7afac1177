//! What Soroban transactions carry: resources, host functions, authorisations.

use super::SkimError;
use super::cursor::{Cursor, Depth};
use super::entries::ledger_key;
use super::scval::{contract_executable, sc_address, sc_symbol, sc_val, sc_vals};

/// `SorobanTransactionData`: footprint, limits and fee.
pub(super) fn soroban_transaction_data(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.arm("SorobanTransactionDataExt", 1)? == 1 {
        cursor.array(u32::MAX, 4)?;
    }
    for _read_only_then_read_write in 0..2 {
        for _ in 0..cursor.count(u32::MAX, 4)? {
            ledger_key(cursor)?;
        }
    }
    // Instructions, bytes read, bytes written, resource fee.
    cursor.skip(3 * 4 + 8, "Soroban resources")
}

/// `InvokeHostFunctionOp`.
pub(super) fn invoke_host_function(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    let top = Depth::top();
    match cursor.arm("HostFunctionType", 3)? {
        0 => invoke_contract_args(cursor, top)?,
        1 => create_contract_args(cursor)?,
        2 => cursor.opaque(u32::MAX)?,
        _ => create_contract_args_v2(cursor, top)?,
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        credentials(cursor, top)?;
        authorized_invocation(cursor, top)?;
    }
    Ok(())
}

fn invoke_contract_args(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    sc_address(cursor)?;
    sc_symbol(cursor)?;
    sc_vals(cursor, depth)
}

fn create_contract_args(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.arm("ContractIDPreimageType", 1)? {
        0 => {
            sc_address(cursor)?;
            cursor.hash()?;
        }
        _ => {
            cursor.asset()?;
        }
    }
    contract_executable(cursor)
}

fn create_contract_args_v2(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    create_contract_args(cursor)?;
    sc_vals(cursor, depth)
}

fn credentials(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    let kind = cursor.arm("SorobanCredentialsType", 3)?;
    if kind == 0 {
        return Ok(());
    }
    sc_address(cursor)?;
    cursor.skip(8 + 4, "nonce and expiration")?;
    sc_val(cursor, depth)?;
    if kind == 3 { delegates(cursor, depth) } else { Ok(()) }
}

fn delegates(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    for _ in 0..cursor.count(u32::MAX, 4)? {
        let deeper = depth.deeper(cursor)?;
        sc_address(cursor)?;
        sc_val(cursor, deeper)?;
        delegates(cursor, deeper)?;
    }
    Ok(())
}

fn authorized_invocation(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    match cursor.arm("SorobanAuthorizedFunctionType", 2)? {
        0 => invoke_contract_args(cursor, depth)?,
        1 => create_contract_args(cursor)?,
        _ => create_contract_args_v2(cursor, depth)?,
    }
    for _ in 0..cursor.count(u32::MAX, 4)? {
        let deeper = depth.deeper(cursor)?;
        authorized_invocation(cursor, deeper)?;
    }
    Ok(())
}

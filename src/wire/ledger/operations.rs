//! The bodies of operations.

use super::SkimError;
use super::cursor::Cursor;
use super::entries::{claimable_balance_id, claimants, ledger_key, signer, signer_key};
use super::envelopes::muxed_account;
use super::soroban::invoke_host_function;

const MAX_PATH: u32 = 5;

/// `OperationBody`: what an operation is and wants.
pub(super) fn operation(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    match cursor.i32()? {
        // CreateAccount.
        0 => account_and(cursor, 8),
        // Payment.
        1 => {
            muxed_account(cursor)?;
            cursor.asset()?;
            cursor.skip(8, "an amount")
        }
        // PathPaymentStrictReceive, PathPaymentStrictSend.
        2 | 13 => path_payment(cursor),
        // ManageSellOffer, ManageBuyOffer: amount, price, offer id.
        3 | 12 => pair_and(cursor, 8 + 8 + 8),
        // CreatePassiveSellOffer: amount, price.
        4 => pair_and(cursor, 8 + 8),
        5 => set_options(cursor),
        // ChangeTrust.
        6 => {
            cursor.change_trust_asset()?;
            cursor.skip(8, "a limit")
        }
        // AllowTrust.
        7 => {
            cursor.account_id()?;
            cursor.asset_code()?;
            cursor.skip(4, "an authorisation")
        }
        // AccountMerge.
        8 => muxed_account(cursor).map(|_| ()),
        // Inflation, EndSponsoringFutureReserves.
        9 | 17 => Ok(()),
        // ManageData.
        10 => {
            cursor.opaque(64)?;
            if cursor.present()? { cursor.opaque(64) } else { Ok(()) }
        }
        // BumpSequence.
        11 => cursor.skip(8, "a sequence number"),
        // CreateClaimableBalance.
        14 => {
            cursor.asset()?;
            cursor.skip(8, "an amount")?;
            claimants(cursor)
        }
        // ClaimClaimableBalance, ClawbackClaimableBalance.
        15 | 20 => claimable_balance_id(cursor),
        // BeginSponsoringFutureReserves.
        16 => account_and(cursor, 0),
        18 => revoke_sponsorship(cursor),
        // Clawback.
        19 => {
            cursor.asset()?;
            muxed_account(cursor)?;
            cursor.skip(8, "an amount")
        }
        // SetTrustLineFlags.
        21 => {
            cursor.account_id()?;
            cursor.asset()?;
            cursor.skip(4 + 4, "flags")
        }
        // LiquidityPoolDeposit: pool, two amounts, two prices.
        22 => cursor.skip(32 + 2 * 8 + 2 * 8, "a deposit"),
        // LiquidityPoolWithdraw: pool, three amounts.
        23 => cursor.skip(32 + 3 * 8, "a withdrawal"),
        24 => invoke_host_function(cursor),
        // ExtendFootprintTtl.
        25 => {
            cursor.zero("ExtensionPoint")?;
            cursor.skip(4, "a ledger number")
        }
        // RestoreFootprint.
        26 => cursor.zero("ExtensionPoint"),
        other => Err(cursor.unknown("OperationType", other)),
    }
}

fn account_and(cursor: &mut Cursor<'_>, bytes: usize) -> Result<(), SkimError> {
    cursor.account_id()?;
    cursor.skip(bytes, "an amount")
}

fn pair_and(cursor: &mut Cursor<'_>, bytes: usize) -> Result<(), SkimError> {
    cursor.asset()?;
    cursor.asset()?;
    cursor.skip(bytes, "an offer")
}

fn path_payment(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.asset()?;
    cursor.skip(8, "an amount")?;
    muxed_account(cursor)?;
    cursor.asset()?;
    cursor.skip(8, "an amount")?;
    for _ in 0..cursor.count(MAX_PATH, 4)? {
        cursor.asset()?;
    }
    Ok(())
}

fn set_options(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.optional_account_id()?;
    // Flags to clear and to set, master weight, three thresholds.
    for _ in 0..6 {
        cursor.optional(4)?;
    }
    if cursor.present()? {
        cursor.opaque(32)?;
    }
    if cursor.present()? { signer(cursor) } else { Ok(()) }
}

fn revoke_sponsorship(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.arm("RevokeSponsorshipType", 1)? == 0 {
        return ledger_key(cursor).map(|_| ());
    }
    cursor.account_id()?;
    signer_key(cursor)
}

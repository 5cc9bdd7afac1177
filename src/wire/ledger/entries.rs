//! Ledger entries and their keys (`Stellar-ledger-entries.x`).
//!
//! The entries that trading looks at are read by functions that are always inlined into the walk over changes: there
//! the compiler sees which fields nobody asks for (those of the states before changes, half of all) and leaves them
//! out. It makes the skim of a pubnet ledger half as fast again.

use super::cursor::{Cursor, Depth};
use super::raw::{RawAccount, RawOffer, RawPool, RawTrustLine};
use super::scval::{sc_address, sc_val};
use super::visitor::Change;
use super::{SkimError, config_setting};

const MAX_SIGNERS: u32 = 20;
const ENTRY_TYPE: &str = "LedgerEntryType";
const ACCOUNT: &str = "an account";
const TRUST_LINE: &str = "a trustline";

/// `LedgerEntry`: the change that its new state is, if trading looks at such.
#[inline(always)]
pub(super) fn ledger_entry<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Change<'a>>, SkimError> {
    cursor.skip(4, "the ledger of the last change")?;
    let change = match cursor.i32()? {
        0 => Some(Change::Account(account(cursor)?)),
        1 => Some(Change::TrustLine(trust_line(cursor)?)),
        2 => Some(Change::Offer(offer(cursor)?)),
        5 => Some(Change::Pool(pool(cursor)?)),
        other => {
            other_entry(cursor, other)?;
            None
        }
    };
    if cursor.arm("LedgerEntryExt", 1)? == 1 {
        cursor.optional_account_id()?;
        cursor.zero("LedgerEntryExtensionV1Ext")?;
    }
    Ok(change)
}

#[inline(never)]
fn other_entry(cursor: &mut Cursor<'_>, kind: i32) -> Result<(), SkimError> {
    match kind {
        3 => data(cursor),
        4 => claimable_balance(cursor),
        6 => contract_data(cursor),
        7 => contract_code(cursor),
        8 => config_setting::entry(cursor),
        // TTL: key hash, last ledger.
        9 => cursor.skip(32 + 4, "a time to live"),
        other => Err(cursor.unknown(ENTRY_TYPE, other)),
    }
}

/// `LedgerKey`: the change that the entry's removal is, if trading looks at such.
#[inline]
pub(super) fn ledger_key<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Change<'a>>, SkimError> {
    match cursor.i32()? {
        0 => return Ok(Some(Change::AccountGone(cursor.account_id()?))),
        1 => {
            let account = cursor.account_id()?;
            let asset = cursor.trust_line_asset()?;
            return Ok(Some(Change::TrustLineGone { account, asset }));
        }
        2 => {
            let (seller, id) = (cursor.account_id()?, cursor.i64()?);
            return Ok(Some(Change::OfferGone { seller, id, pair: None }));
        }
        // Data: account and name.
        3 => {
            cursor.account_id()?;
            cursor.opaque(64)?;
        }
        4 => claimable_balance_id(cursor)?,
        5 => return Ok(Some(Change::PoolGone(cursor.hash()?))),
        // Contract data: contract, key, durability.
        6 => {
            sc_address(cursor)?;
            sc_val(cursor, Depth::top())?;
            cursor.arm("ContractDataDurability", 1)?;
        }
        // Contract code, TTL.
        7 | 9 => {
            cursor.hash()?;
        }
        8 => config_setting::id(cursor).map(|_| ())?,
        other => return Err(cursor.unknown(ENTRY_TYPE, other)),
    }
    Ok(None)
}

#[inline(always)]
fn account<'a>(cursor: &mut Cursor<'a>) -> Result<RawAccount<'a>, SkimError> {
    cursor.ensure(36 + 8 + 8 + 4 + 4, ACCOUNT)?;
    let mut entry = RawAccount {
        account: cursor.account_id()?,
        balance: cursor.i64()?,
        sequence: cursor.i64()?,
        subentries: cursor.u32()?,
        buying_liabilities: 0,
        selling_liabilities: 0,
        sponsored: 0,
        sponsoring: 0,
    };
    cursor.optional_account_id()?;
    cursor.ensure(4 + 4, ACCOUNT)?;
    cursor.skip(4, "account flags")?;
    cursor.opaque(32)?;
    cursor.ensure(4 + 4 + 4, ACCOUNT)?;
    cursor.skip(4, "thresholds")?;
    for _ in 0..cursor.count(MAX_SIGNERS, 4)? {
        signer(cursor)?;
    }
    // Each extension holds the next: version 1, then 2, then 3.
    if cursor.arm("AccountEntryExt", 1)? == 0 {
        return Ok(entry);
    }
    cursor.ensure(8 + 8 + 4, ACCOUNT)?;
    entry.buying_liabilities = cursor.i64()?;
    entry.selling_liabilities = cursor.i64()?;
    if !extended(cursor, "AccountEntryExtensionV1Ext", 2)? {
        return Ok(entry);
    }
    cursor.ensure(4 + 4 + 4 + 4, ACCOUNT)?;
    entry.sponsored = cursor.u32()?;
    entry.sponsoring = cursor.u32()?;
    for _ in 0..cursor.count(MAX_SIGNERS, 4)? {
        cursor.optional_account_id()?;
    }
    if extended(cursor, "AccountEntryExtensionV2Ext", 3)? {
        cursor.zero("ExtensionPoint")?;
        cursor.skip(4 + 8, "ledger and time of the last sequence number")?;
    }
    Ok(entry)
}

/// Whether the extension numbered `version` follows; nothing (0) may stand in its place.
#[inline]
fn extended(cursor: &mut Cursor<'_>, union: &'static str, version: i32) -> Result<bool, SkimError> {
    match cursor.i32()? {
        0 => Ok(false),
        found if found == version => Ok(true),
        found => Err(cursor.unknown(union, found)),
    }
}

#[inline(always)]
fn trust_line<'a>(cursor: &mut Cursor<'a>) -> Result<RawTrustLine<'a>, SkimError> {
    cursor.ensure(36 + 4 + 8 + 8 + 4 + 4, TRUST_LINE)?;
    let mut entry = RawTrustLine {
        account: cursor.account_id()?,
        asset: cursor.trust_line_asset()?,
        balance: cursor.i64()?,
        limit: cursor.i64()?,
        flags: cursor.u32()?,
        buying_liabilities: 0,
        selling_liabilities: 0,
    };
    if cursor.arm("TrustLineEntryExt", 1)? == 1 {
        cursor.ensure(8 + 8 + 4, TRUST_LINE)?;
        entry.buying_liabilities = cursor.i64()?;
        entry.selling_liabilities = cursor.i64()?;
        if extended(cursor, "TrustLineEntryV1Ext", 2)? {
            cursor.skip(4, "a pool use count")?;
            cursor.zero("TrustLineEntryExtensionV2Ext")?;
        }
    }
    Ok(entry)
}

#[inline(always)]
pub(super) fn offer<'a>(cursor: &mut Cursor<'a>) -> Result<RawOffer<'a>, SkimError> {
    cursor.ensure(36 + 8 + 4 + 4 + 8 + 4 + 4 + 4 + 4, "an offer")?;
    let entry = RawOffer {
        seller: cursor.account_id()?,
        id: cursor.i64()?,
        selling: cursor.asset()?,
        buying: cursor.asset()?,
        amount: cursor.i64()?,
        price_n: cursor.i32()?,
        price_d: cursor.i32()?,
        flags: cursor.u32()?,
    };
    cursor.zero("OfferEntryExt")?;
    Ok(entry)
}

#[inline(always)]
fn pool<'a>(cursor: &mut Cursor<'a>) -> Result<RawPool<'a>, SkimError> {
    let id = cursor.hash()?;
    cursor.zero("LiquidityPoolType")?;
    let (asset_a, asset_b, fee_bp) = cursor.pool_parameters()?;
    let (reserve_a, reserve_b, total_shares) = (cursor.i64()?, cursor.i64()?, cursor.i64()?);
    cursor.skip(8, "a trustline count")?;
    Ok(RawPool { id, asset_a, asset_b, fee_bp, reserve_a, reserve_b, total_shares })
}

fn data(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.account_id()?;
    cursor.opaque(64)?;
    cursor.opaque(64)?;
    cursor.zero("DataEntryExt")
}

pub(super) fn claimable_balance_id(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.zero("ClaimableBalanceIDType")?;
    cursor.hash().map(|_| ())
}

fn claimable_balance(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    claimable_balance_id(cursor)?;
    claimants(cursor)?;
    cursor.asset()?;
    cursor.skip(8, "an amount")?;
    if cursor.arm("ClaimableBalanceEntryExt", 1)? == 1 {
        cursor.zero("ClaimableBalanceEntryExtensionV1Ext")?;
        cursor.skip(4, "flags")?;
    }
    Ok(())
}

pub(super) fn claimants(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    for _ in 0..cursor.count(10, 4)? {
        cursor.zero("ClaimantType")?;
        cursor.account_id()?;
        claim_predicate(cursor, Depth::top())?;
    }
    Ok(())
}

fn claim_predicate(cursor: &mut Cursor<'_>, depth: Depth) -> Result<(), SkimError> {
    match cursor.arm("ClaimPredicateType", 5)? {
        0 => Ok(()),
        // And, or.
        1 | 2 => {
            for _ in 0..cursor.count(2, 4)? {
                let deeper = depth.deeper(cursor)?;
                claim_predicate(cursor, deeper)?;
            }
            Ok(())
        }
        // Not.
        3 => {
            if cursor.present()? {
                let deeper = depth.deeper(cursor)?;
                claim_predicate(cursor, deeper)?;
            }
            Ok(())
        }
        // Before an absolute or a relative time.
        _ => cursor.skip(8, "a time"),
    }
}

pub(super) fn signer_key(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    let kind = cursor.arm("SignerKeyType", 3)?;
    cursor.hash()?;
    if kind == 3 { cursor.opaque(64) } else { Ok(()) }
}

pub(super) fn signer(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    signer_key(cursor)?;
    cursor.skip(4, "a weight")
}

fn contract_data(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    cursor.zero("ExtensionPoint")?;
    sc_address(cursor)?;
    sc_val(cursor, Depth::top())?;
    cursor.arm("ContractDataDurability", 1)?;
    sc_val(cursor, Depth::top())
}

fn contract_code(cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
    if cursor.arm("ContractCodeEntryExt", 1)? == 1 {
        cursor.zero("ExtensionPoint")?;
        cursor.zero("ExtensionPoint")?;
        cursor.skip(10 * 4, "cost inputs")?;
    }
    cursor.hash()?;
    cursor.opaque(u32::MAX)
}

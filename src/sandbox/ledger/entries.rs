//! Arithmetic on account and trust line entries (`TransactionUtils.cpp`), and the extensions that grow as needed.

use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1, AccountEntryExtensionV1Ext, AccountEntryExtensionV2,
    AccountEntryExtensionV2Ext, AccountEntryExtensionV3, AccountFlags, ExtensionPoint, LedgerEntry, LedgerEntryExt,
    LedgerEntryExtensionV1, LedgerEntryExtensionV1Ext, LedgerHeader, Liabilities, SponsorshipDescriptor, TimePoint,
    TrustLineAsset, TrustLineEntry, TrustLineEntryExt, TrustLineEntryExtensionV2, TrustLineEntryExtensionV2Ext,
    TrustLineEntryV1, TrustLineEntryV1Ext, TrustLineFlags, VecM,
};

use super::header::vec_m;

const NO_LIABILITIES: Liabilities = Liabilities { buying: 0, selling: 0 };

/// Both trust line flags that say an account is authorised, fully or to keep its liabilities.
const AUTHORISED_SOMEHOW: u32 =
    TrustLineFlags::AuthorizedFlag as u32 | TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32;

// Accounts.

/// What an account has promised to its offers.
pub(crate) fn account_liabilities(account: &AccountEntry) -> Liabilities {
    match &account.ext {
        AccountEntryExt::V0 => NO_LIABILITIES,
        AccountEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}

fn account_v2(account: &AccountEntry) -> Option<&AccountEntryExtensionV2> {
    match &account.ext {
        AccountEntryExt::V1(AccountEntryExtensionV1 { ext: AccountEntryExtensionV1Ext::V2(v2), .. }) => Some(v2),
        _ => None,
    }
}

/// When and in which ledger an account's sequence number last changed; zeros if before protocol 19.
pub(crate) fn sequence_age(account: &AccountEntry) -> (u32, u64) {
    match account_v2(account) {
        Some(AccountEntryExtensionV2 { ext: AccountEntryExtensionV2Ext::V3(v3), .. }) => (v3.seq_ledger, v3.seq_time.0),
        _ => (0, 0),
    }
}

/// Reserves that this account pays for others.
pub(crate) fn num_sponsoring(account: &AccountEntry) -> u32 {
    account_v2(account).map_or(0, |v2| v2.num_sponsoring)
}

/// Reserves that others pay for this account.
pub(crate) fn num_sponsored(account: &AccountEntry) -> u32 {
    account_v2(account).map_or(0, |v2| v2.num_sponsored)
}

/// Who sponsors each signer; empty if no sponsorship ever touched the account.
pub(crate) fn signer_sponsors(account: &AccountEntry) -> &[SponsorshipDescriptor] {
    account_v2(account).map_or(&[], |v2| v2.signer_sponsoring_i_ds.as_slice())
}

/// The account's first extension, which is added if missing.
pub(crate) fn prepare_account_v1(account: &mut AccountEntry) -> &mut AccountEntryExtensionV1 {
    if account.ext == AccountEntryExt::V0 {
        account.ext = AccountEntryExt::V1(AccountEntryExtensionV1 {
            liabilities: NO_LIABILITIES,
            ext: AccountEntryExtensionV1Ext::V0,
        });
    }
    match &mut account.ext {
        AccountEntryExt::V1(v1) => v1,
        AccountEntryExt::V0 => unreachable!("the extension was just added"),
    }
}

/// The account's second extension, which is added if missing.
pub(crate) fn prepare_account_v2(account: &mut AccountEntry) -> &mut AccountEntryExtensionV2 {
    let signers = account.signers.len();
    let v1 = prepare_account_v1(account);
    if v1.ext == AccountEntryExtensionV1Ext::V0 {
        v1.ext = AccountEntryExtensionV1Ext::V2(AccountEntryExtensionV2 {
            num_sponsored: 0,
            num_sponsoring: 0,
            signer_sponsoring_i_ds: vec_m(vec![SponsorshipDescriptor(None); signers]),
            ext: AccountEntryExtensionV2Ext::V0,
        });
    }
    match &mut v1.ext {
        AccountEntryExtensionV1Ext::V2(v2) => v2,
        AccountEntryExtensionV1Ext::V0 => unreachable!("the extension was just added"),
    }
}

/// The account's second extension, if there.
pub(crate) fn account_v2_mut(account: &mut AccountEntry) -> Option<&mut AccountEntryExtensionV2> {
    match &mut account.ext {
        AccountEntryExt::V1(AccountEntryExtensionV1 { ext: AccountEntryExtensionV1Ext::V2(v2), .. }) => Some(v2),
        _ => None,
    }
}

/// Notes that the sequence number changed now (`maybeUpdateAccountOnLedgerSeqUpdate`), from protocol 19.
pub(crate) fn note_sequence_change(header: &LedgerHeader, account: &mut AccountEntry) {
    if header.ledger_version >= 19 {
        prepare_account_v2(account).ext = AccountEntryExtensionV2Ext::V3(AccountEntryExtensionV3 {
            ext: ExtensionPoint::V0,
            seq_ledger: header.ledger_seq,
            seq_time: TimePoint(header.scp_value.close_time.0),
        });
    }
}

/// The least native balance an account may hold.
pub(crate) fn min_balance(header: &LedgerHeader, account: &AccountEntry) -> i64 {
    let entries =
        2 + i64::from(account.num_sub_entries) + i64::from(num_sponsoring(account)) - i64::from(num_sponsored(account));
    assert!(entries >= 0, "an account has fewer reserves than none");
    entries * i64::from(header.base_reserve)
}

/// What an account can spend above reserve and liabilities. Negative after the reserve was raised.
pub(crate) fn account_available(header: &LedgerHeader, account: &AccountEntry) -> i64 {
    account.balance - min_balance(header, account) - account_liabilities(account).selling
}

/// What an account can still receive.
pub(crate) fn account_room(account: &AccountEntry) -> i64 {
    i64::MAX - account.balance - account_liabilities(account).buying
}

/// Changes a native balance within reserve and liabilities; `false` if that cannot be.
pub(crate) fn account_add_balance(header: &LedgerHeader, account: &mut AccountEntry, delta: i64) -> bool {
    if delta == 0 {
        return true;
    }
    let Some(balance) = add_within(account.balance, delta, i64::MAX) else { return false };
    let liabilities = account_liabilities(account);
    if delta < 0 && balance - min_balance(header, account) < liabilities.selling {
        return false;
    }
    if balance > i64::MAX - liabilities.buying {
        return false;
    }
    account.balance = balance;
    true
}

/// Changes what an account has promised to sell.
pub(crate) fn account_add_selling(header: &LedgerHeader, account: &mut AccountEntry, delta: i64) -> bool {
    if delta == 0 {
        return true;
    }
    let max = account.balance - min_balance(header, account);
    if max < 0 {
        return false;
    }
    let Some(selling) = add_within(account_liabilities(account).selling, delta, max) else { return false };
    prepare_account_v1(account).liabilities.selling = selling;
    true
}

/// Changes what an account has promised to buy.
pub(crate) fn account_add_buying(account: &mut AccountEntry, delta: i64) -> bool {
    if delta == 0 {
        return true;
    }
    let max = i64::MAX - account.balance;
    let Some(buying) = add_within(account_liabilities(account).buying, delta, max) else { return false };
    prepare_account_v1(account).liabilities.buying = buying;
    true
}

/// Whether an account has one of its flags set.
pub(crate) fn has_flag(account: &AccountEntry, flag: AccountFlags) -> bool {
    account.flags & flag as u32 != 0
}

// Trust lines.

/// What a line has promised to offers.
pub(crate) fn line_liabilities(line: &TrustLineEntry) -> Liabilities {
    match &line.ext {
        TrustLineEntryExt::V0 => NO_LIABILITIES,
        TrustLineEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}

/// How many pool share lines of the same account need this line.
pub(crate) fn pool_use_count(line: &TrustLineEntry) -> i32 {
    match &line.ext {
        TrustLineEntryExt::V1(TrustLineEntryV1 { ext: TrustLineEntryV1Ext::V2(v2), .. }) => v2.liquidity_pool_use_count,
        _ => 0,
    }
}

fn prepare_line_v1(line: &mut TrustLineEntry) -> &mut TrustLineEntryV1 {
    if line.ext == TrustLineEntryExt::V0 {
        line.ext =
            TrustLineEntryExt::V1(TrustLineEntryV1 { liabilities: NO_LIABILITIES, ext: TrustLineEntryV1Ext::V0 });
    }
    match &mut line.ext {
        TrustLineEntryExt::V1(v1) => v1,
        TrustLineEntryExt::V0 => unreachable!("the extension was just added"),
    }
}

/// The line's second extension, which is added if missing.
pub(crate) fn prepare_line_v2(line: &mut TrustLineEntry) -> &mut TrustLineEntryExtensionV2 {
    let v1 = prepare_line_v1(line);
    if v1.ext == TrustLineEntryV1Ext::V0 {
        v1.ext = TrustLineEntryV1Ext::V2(TrustLineEntryExtensionV2 {
            liquidity_pool_use_count: 0,
            ext: TrustLineEntryExtensionV2Ext::V0,
        });
    }
    match &mut v1.ext {
        TrustLineEntryV1Ext::V2(v2) => v2,
        TrustLineEntryV1Ext::V0 => unreachable!("the extension was just added"),
    }
}

/// Fully authorised by the issuer.
pub(crate) fn is_authorised(line: &TrustLineEntry) -> bool {
    line.flags & TrustLineFlags::AuthorizedFlag as u32 != 0
}

/// Authorised at least to keep what offers and pools it is in. Pool shares always are.
pub(crate) fn may_maintain(line: &TrustLineEntry) -> bool {
    matches!(line.asset, TrustLineAsset::PoolShare(_)) || line.flags & AUTHORISED_SOMEHOW != 0
}

/// Whether the issuer may take back what the line holds.
pub(crate) fn line_clawback(line: &TrustLineEntry) -> bool {
    line.flags & TrustLineFlags::TrustlineClawbackEnabledFlag as u32 != 0
}

/// What a line can spend beside its liabilities.
pub(crate) fn line_available(line: &TrustLineEntry) -> i64 {
    line.balance - line_liabilities(line).selling
}

/// What a line can still receive.
pub(crate) fn line_room(line: &TrustLineEntry) -> i64 {
    line.limit - line.balance - line_liabilities(line).buying
}

/// Changes a line's balance within limit and liabilities, whatever its authorisation; `false` if that cannot be.
pub(crate) fn line_add_balance(line: &mut TrustLineEntry, delta: i64) -> bool {
    let Some(balance) = add_within(line.balance, delta, line.limit) else { return false };
    let liabilities = line_liabilities(line);
    if balance < liabilities.selling || balance > line.limit - liabilities.buying {
        return false;
    }
    line.balance = balance;
    true
}

/// Changes what a line has promised to sell.
pub(crate) fn line_add_selling(line: &mut TrustLineEntry, delta: i64) -> bool {
    if delta == 0 {
        return true;
    }
    let Some(selling) = add_within(line_liabilities(line).selling, delta, line.balance) else { return false };
    prepare_line_v1(line).liabilities.selling = selling;
    true
}

/// Changes what a line has promised to buy.
pub(crate) fn line_add_buying(line: &mut TrustLineEntry, delta: i64) -> bool {
    if delta == 0 {
        return true;
    }
    let max = line.limit - line.balance;
    let Some(buying) = add_within(line_liabilities(line).buying, delta, max) else { return false };
    prepare_line_v1(line).liabilities.buying = buying;
    true
}

// Any entry.

/// Who sponsors an entry's reserve.
pub(crate) fn sponsor(entry: &LedgerEntry) -> Option<&stellar_xdr::AccountId> {
    match &entry.ext {
        LedgerEntryExt::V0 => None,
        LedgerEntryExt::V1(v1) => v1.sponsoring_id.0.as_ref(),
    }
}

/// Sets who sponsors an entry's reserve, and adds the extension if missing.
pub(crate) fn set_sponsor(entry: &mut LedgerEntry, account: Option<stellar_xdr::AccountId>) {
    entry.ext = LedgerEntryExt::V1(LedgerEntryExtensionV1 {
        sponsoring_id: SponsorshipDescriptor(account),
        ext: LedgerEntryExtensionV1Ext::V0,
    });
}

/// Replaces an element of a bounded list.
pub(crate) fn edit<T: Clone, const MAX: u32>(list: &mut VecM<T, MAX>, change: impl FnOnce(&mut Vec<T>)) {
    let mut items = core::mem::take(list).into_vec();
    change(&mut items);
    *list = vec_m(items);
}

/// `value + delta` if that lies in 0..=max (`addBalance` in `util/types.cpp`); no change is always possible.
pub(crate) fn add_within(value: i64, delta: i64, max: i64) -> Option<i64> {
    if delta == 0 {
        return Some(value);
    }
    value.checked_add(delta).filter(|sum| (0..=max).contains(sum))
}

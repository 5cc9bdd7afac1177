//! Who pays the reserve of an entry or a signer (`SponsorshipUtils.cpp`).

use std::collections::BTreeMap;

use stellar_xdr::{
    AccountEntry, AccountId, LedgerEntry, LedgerEntryData, LedgerHeader, SponsorshipDescriptor, TrustLineAsset,
};

use super::entries::{
    account_available, account_v2_mut, edit, min_balance, num_sponsored, num_sponsoring, prepare_account_v2,
    set_sponsor, signer_sponsors, sponsor,
};
use super::outcome::{Applied, Stop, ensure, internal};
use super::store::Store;

/// The most subentries an account may have, from protocol 11.
const MAX_SUBENTRIES: u32 = 1000;

/// Sponsorships that began in the transaction at hand: who is sponsored, by whom.
pub(crate) type Sponsorships = BTreeMap<AccountId, AccountId>;

/// Whether a reserve could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reserve {
    /// Yes, and it is taken.
    Taken,
    /// Somebody's balance is too low.
    Low,
}

const MISSING_SPONSOR: &str = "the sponsoring account does not exist";
const MISSING_OWNER: &str = "the owner of an entry does not exist";

/// How many base reserves an entry costs.
pub(crate) fn reserves_of(entry: &LedgerEntry) -> u32 {
    match &entry.data {
        LedgerEntryData::Account(_) => 2,
        LedgerEntryData::Trustline(line) => 1 + u32::from(matches!(line.asset, TrustLineAsset::PoolShare(_))),
        LedgerEntryData::ClaimableBalance(balance) => u32::try_from(balance.claimants.len()).unwrap_or(u32::MAX),
        _ => 1,
    }
}

fn is_subentry(entry: &LedgerEntry) -> bool {
    !matches!(entry.data, LedgerEntryData::Account(_) | LedgerEntryData::ClaimableBalance(_))
}

fn sum_too_large(header: &LedgerHeader, account: &AccountEntry, count: u32) -> bool {
    let sum = u64::from(num_sponsoring(account)) + u64::from(account.num_sub_entries) + u64::from(count);
    header.ledger_version >= 18 && sum > u64::from(u32::MAX)
}

/// Stops if an account has no place for so many more subentries.
fn check_subentries(header: &LedgerHeader, account: &AccountEntry, count: u32) -> Applied<()> {
    if account.num_sub_entries > MAX_SUBENTRIES - count || sum_too_large(header, account, count) {
        return Err(Stop::TooManySubentries);
    }
    Ok(())
}

/// Whether `sponsoring` can pay for `count` more reserves, of `sponsored` if there is one.
fn check_establish(
    header: &LedgerHeader,
    sponsoring: &AccountEntry,
    sponsored: Option<&AccountEntry>,
    count: u32,
) -> Applied<Reserve> {
    if account_available(header, sponsoring) < i64::from(count) * i64::from(header.base_reserve) {
        return Ok(Reserve::Low);
    }
    if num_sponsoring(sponsoring) > u32::MAX - count || sum_too_large(header, sponsoring, count) {
        return Err(Stop::TooManySponsoring);
    }
    ensure(sponsored.is_none_or(|account| num_sponsored(account) <= u32::MAX - count), "TOO_MANY_SPONSORED")?;
    Ok(Reserve::Taken)
}

/// Counts `by` more reserves paid by `sponsor` (fewer, if negative). Touches the account.
pub(crate) fn count_sponsoring(store: &mut Store, sponsor: &AccountId, by: i64) -> Applied<()> {
    let Some(account) = store.account_mut(sponsor) else { return internal(MISSING_SPONSOR) };
    let v2 = prepare_account_v2(account);
    v2.num_sponsoring = shifted(v2.num_sponsoring, by)?;
    Ok(())
}

/// Counts `by` more reserves paid for `owner` by others. Touches the account.
pub(crate) fn count_sponsored(store: &mut Store, owner: &AccountId, by: i64) -> Applied<()> {
    let Some(account) = store.account_mut(owner) else { return internal(MISSING_OWNER) };
    let v2 = prepare_account_v2(account);
    v2.num_sponsored = shifted(v2.num_sponsored, by)?;
    Ok(())
}

fn count_subentries(store: &mut Store, owner: &AccountId, by: i64) -> Applied<()> {
    let Some(account) = store.account_mut(owner) else { return internal(MISSING_OWNER) };
    account.num_sub_entries = shifted(account.num_sub_entries, by)?;
    Ok(())
}

fn shifted(count: u32, by: i64) -> Applied<u32> {
    u32::try_from(i64::from(count) + by).or_else(|_| internal("invalid account state"))
}

/// Takes the reserve for an entry that is about to be created, from whoever sponsors its owner now or from the owner, and
/// writes the sponsor into it (`createEntryWithPossibleSponsorship`). A new account is its own owner.
pub(crate) fn create_entry(
    store: &mut Store,
    sponsorships: &Sponsorships,
    entry: &mut LedgerEntry,
    owner: &AccountId,
) -> Applied<Reserve> {
    let count = reserves_of(entry);
    if let LedgerEntryData::Account(account) = &entry.data {
        return create_account(store, sponsorships.get(&account.account_id), entry, count);
    }
    let owned = is_subentry(entry);
    let sponsor = match sponsorships.get(owner) {
        Some(sponsor) => sponsor,
        // A claimable balance is always sponsored, if need be by who creates it.
        None if !owned => owner,
        None => return create_unsponsored(store, owner, count),
    };
    touch_account(store, owner)?;
    touch_account(store, sponsor)?;
    let (Some(sponsoring), Some(sponsored)) = (store.account(sponsor), store.account(owner)) else {
        return internal(MISSING_SPONSOR);
    };
    if owned {
        check_subentries(&store.header, sponsored, count)?;
    }
    if check_establish(&store.header, sponsoring, owned.then_some(sponsored), count)? == Reserve::Low {
        return Ok(Reserve::Low);
    }
    if owned {
        count_subentries(store, owner, i64::from(count))?;
        count_sponsored(store, owner, i64::from(count))?;
    }
    count_sponsoring(store, sponsor, i64::from(count))?;
    set_sponsor(entry, Some(sponsor.clone()));
    Ok(Reserve::Taken)
}

/// Takes an entry's or a signer's reserve from its owner. Touches the account.
fn create_unsponsored(store: &mut Store, owner: &AccountId, count: u32) -> Applied<Reserve> {
    let Some((account, header)) = store.account_mut_with_header(owner) else { return internal(MISSING_OWNER) };
    check_subentries(header, account, count)?;
    if account_available(header, account) < i64::from(count) * i64::from(header.base_reserve) {
        return Ok(Reserve::Low);
    }
    account.num_sub_entries = shifted(account.num_sub_entries, i64::from(count))?;
    Ok(Reserve::Taken)
}

fn create_account(
    store: &mut Store,
    sponsor: Option<&AccountId>,
    entry: &mut LedgerEntry,
    count: u32,
) -> Applied<Reserve> {
    let Some(sponsor) = sponsor else {
        let account = account_in(entry);
        let enough = account.balance >= min_balance(&store.header, account);
        return Ok(if enough { Reserve::Taken } else { Reserve::Low });
    };
    touch_account(store, sponsor)?;
    let Some(sponsoring) = store.account(sponsor) else { return internal(MISSING_SPONSOR) };
    if check_establish(&store.header, sponsoring, Some(account_in(entry)), count)? == Reserve::Low {
        return Ok(Reserve::Low);
    }
    count_sponsoring(store, sponsor, i64::from(count))?;
    set_sponsor(entry, Some(sponsor.clone()));
    prepare_account_v2(account_in_mut(entry)).num_sponsored += count;
    Ok(Reserve::Taken)
}

/// Gives back the reserve of an entry that is about to be erased (`removeEntryWithPossibleSponsorship`). `owner` pays the
/// reserve if nobody sponsors it; a claimable balance has no owner, an account takes its own count along.
pub(crate) fn remove_entry(store: &mut Store, entry: &LedgerEntry, owner: &AccountId) -> Applied<()> {
    let count = i64::from(reserves_of(entry));
    let owned = is_subentry(entry);
    if !owned {
        touch_account(store, owner)?;
    }
    if let Some(sponsor) = sponsor(entry) {
        if owned {
            ensure(sponsor != owner, "sponsoringID == sourceAccount for non-CLAIMABLE_BALANCE entry")?;
            count_subentries(store, owner, -count)?;
            count_sponsored(store, owner, -count)?;
        }
        count_sponsoring(store, sponsor, -count)
    } else if owned {
        count_subentries(store, owner, -count)
    } else {
        Ok(())
    }
}

/// Takes the reserve for the signer at `index`, which was just added (`createSignerWithPossibleSponsorship`).
pub(crate) fn create_signer(
    store: &mut Store,
    sponsorships: &Sponsorships,
    owner: &AccountId,
    index: usize,
) -> Applied<Reserve> {
    let Some(account) = store.account(owner) else { return internal(MISSING_OWNER) };
    let Some(sponsor) = sponsorships.get(owner) else {
        return create_unsponsored(store, owner, 1);
    };
    check_subentries(&store.header, account, 1)?;
    touch_account(store, sponsor)?;
    let (Some(sponsoring), Some(sponsored)) = (store.account(sponsor), store.account(owner)) else {
        return internal(MISSING_SPONSOR);
    };
    if check_establish(&store.header, sponsoring, Some(sponsored), 1)? == Reserve::Low {
        return Ok(Reserve::Low);
    }
    count_subentries(store, owner, 1)?;
    set_signer_sponsor(store, owner, index, Some(sponsor.clone()))?;
    count_sponsored(store, owner, 1)?;
    count_sponsoring(store, sponsor, 1)?;
    Ok(Reserve::Taken)
}

/// Writes who sponsors the signer at `index`.
pub(crate) fn set_signer_sponsor(
    store: &mut Store,
    owner: &AccountId,
    index: usize,
    sponsor: Option<AccountId>,
) -> Applied<()> {
    let Some(account) = store.account_mut(owner) else { return internal(MISSING_OWNER) };
    let v2 = prepare_account_v2(account);
    match v2.signer_sponsoring_i_ds.iter_mut().nth(index) {
        Some(descriptor) => *descriptor = SponsorshipDescriptor(sponsor),
        None => return internal("a signer without a sponsorship descriptor"),
    }
    Ok(())
}

/// Removes the signer at `index` and gives its reserve back (`removeSignerWithPossibleSponsorship`).
pub(crate) fn remove_signer(store: &mut Store, owner: &AccountId, index: usize) -> Applied<()> {
    let Some(account) = store.account(owner) else { return internal(MISSING_OWNER) };
    let sponsor = signer_sponsors(account).get(index).and_then(|descriptor| descriptor.0.clone());
    if let Some(sponsor) = sponsor {
        count_sponsoring(store, &sponsor, -1)?;
        count_sponsored(store, owner, -1)?;
    }
    count_subentries(store, owner, -1)?;
    let Some(account) = store.account_mut(owner) else { return internal(MISSING_OWNER) };
    edit(&mut account.signers, |signers| _ = signers.remove(index));
    if let Some(v2) = account_v2_mut(account) {
        edit(&mut v2.signer_sponsoring_i_ds, |sponsors| _ = sponsors.remove(index));
    }
    Ok(())
}

/// Whether `sponsoring` can take over `count` reserves of `sponsored`.
pub(crate) fn can_establish(
    store: &Store,
    sponsoring: &AccountId,
    sponsored: Option<&AccountId>,
    count: u32,
) -> Applied<Reserve> {
    let Some(sponsor) = store.account(sponsoring) else { return internal(MISSING_SPONSOR) };
    check_establish(&store.header, sponsor, sponsored.and_then(|id| store.account(id)), count)
}

/// Whether `sponsored` can pay for itself what others paid until now.
pub(crate) fn can_remove(store: &Store, sponsored: &AccountId, count: u32) -> Applied<Reserve> {
    let Some(account) = store.account(sponsored) else { return internal(MISSING_OWNER) };
    let enough = account_available(&store.header, account) >= i64::from(count) * i64::from(store.header.base_reserve);
    Ok(if enough { Reserve::Taken } else { Reserve::Low })
}

/// Counts an account as loaded for writing.
pub(crate) fn touch_account(store: &mut Store, id: &AccountId) -> Applied<()> {
    ensure(store.account_mut(id).is_some(), MISSING_SPONSOR)
}

fn account_in(entry: &LedgerEntry) -> &AccountEntry {
    match &entry.data {
        LedgerEntryData::Account(account) => account,
        other => unreachable!("{} is no account", other.name()),
    }
}

fn account_in_mut(entry: &mut LedgerEntry) -> &mut AccountEntry {
    match &mut entry.data {
        LedgerEntryData::Account(account) => account,
        other => unreachable!("{} is no account", other.name()),
    }
}

//! BeginSponsoringFutureReserves, EndSponsoringFutureReserves and RevokeSponsorship.

use stellar_xdr::{
    AccountId, Asset, BeginSponsoringFutureReservesOp, BeginSponsoringFutureReservesResult,
    EndSponsoringFutureReservesResult, LedgerEntry, LedgerEntryData, LedgerKey, LedgerKeyTrustLine,
    RevokeSponsorshipOp, RevokeSponsorshipOpSigner, RevokeSponsorshipResult, TrustLineAsset,
};

use super::{Context, is_printable};
use crate::sandbox::ledger::assets;
use crate::sandbox::ledger::entries::{set_sponsor, signer_sponsors, sponsor};
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::{
    Reserve, can_establish, can_remove, count_sponsored, count_sponsoring, reserves_of, set_signer_sponsor,
    touch_account,
};
use crate::sandbox::ledger::store::Key;

pub(super) fn check_begin(
    source: &AccountId,
    op: &BeginSponsoringFutureReservesOp,
) -> Result<(), BeginSponsoringFutureReservesResult> {
    if op.sponsored_id == *source { Err(BeginSponsoringFutureReservesResult::Malformed) } else { Ok(()) }
}

/// From here on the source pays the sponsored account's reserves, until that account ends it.
pub(super) fn begin(
    context: &mut Context<'_>,
    op: &BeginSponsoringFutureReservesOp,
) -> BeginSponsoringFutureReservesResult {
    use BeginSponsoringFutureReservesResult as R;
    let sponsorships = &mut *context.sponsorships;
    if sponsorships.contains_key(&op.sponsored_id) {
        return R::AlreadySponsored;
    }
    let sponsors = sponsorships.values().any(|sponsor| *sponsor == op.sponsored_id);
    if sponsors || sponsorships.contains_key(&context.source) {
        return R::Recursive;
    }
    sponsorships.insert(op.sponsored_id.clone(), context.source.clone());
    R::Success
}

pub(super) fn end(context: &mut Context<'_>) -> EndSponsoringFutureReservesResult {
    match context.sponsorships.remove(&context.source) {
        Some(_) => EndSponsoringFutureReservesResult::Success,
        None => EndSponsoringFutureReservesResult::NotSponsored,
    }
}

pub(super) fn check_revoke(protocol: u32, op: &RevokeSponsorshipOp) -> Result<(), RevokeSponsorshipResult> {
    let RevokeSponsorshipOp::LedgerEntry(key) = op else { return Ok(()) };
    let malformed = match key {
        LedgerKey::Account(_) | LedgerKey::ClaimableBalance(_) => false,
        LedgerKey::Trustline(line) => match &line.asset {
            TrustLineAsset::Native => true,
            TrustLineAsset::PoolShare(_) => protocol < 18,
            TrustLineAsset::CreditAlphanum4(credit) => is_bad_line(line, &Asset::CreditAlphanum4(credit.clone())),
            TrustLineAsset::CreditAlphanum12(credit) => is_bad_line(line, &Asset::CreditAlphanum12(credit.clone())),
        },
        LedgerKey::Offer(offer) => offer.offer_id <= 0,
        LedgerKey::Data(data) => data.data_name.is_empty() || !is_printable(&data.data_name),
        _ => true,
    };
    if malformed { Err(RevokeSponsorshipResult::Malformed) } else { Ok(()) }
}

/// Whether no line of this account for this credit can exist.
fn is_bad_line(line: &LedgerKeyTrustLine, credit: &Asset) -> bool {
    !assets::is_valid(credit) || assets::is_issuer(&line.account_id, credit)
}

pub(super) fn revoke(context: &mut Context<'_>, op: &RevokeSponsorshipOp) -> Applied<RevokeSponsorshipResult> {
    match op {
        RevokeSponsorshipOp::LedgerEntry(key) => revoke_entry(context, key),
        RevokeSponsorshipOp::Signer(signer) => revoke_signer(context, signer),
    }
}

/// Who sponsors a reserve now and who shall: the source's own sponsor if it has one other than the owner, else the owner.
#[derive(Clone, Debug)]
struct Change {
    old: Option<AccountId>,
    new: Option<AccountId>,
}

impl Change {
    /// Works out the change, if the source may make it: it must pay the reserve now, as sponsor or as owner.
    fn of(context: &Context<'_>, old: Option<AccountId>, owner: &AccountId) -> Option<Self> {
        let payer = old.as_ref().unwrap_or(owner);
        if *payer != context.source {
            return None;
        }
        let new = context.sponsorships.get(&context.source).filter(|sponsor| *sponsor != owner).cloned();
        Some(Self { old, new })
    }
}

fn revoke_entry(context: &mut Context<'_>, key: &LedgerKey) -> Applied<RevokeSponsorshipResult> {
    use RevokeSponsorshipResult as R;
    let found = Key::from_ledger_key(key).and_then(|key| context.store.entry(&key).map(|entry| (key, entry)));
    let Some((store_key, mut entry)) = found.filter(|(_, entry)| entry.to_key() == *key) else {
        return Ok(R::DoesNotExist);
    };
    context.store.touch_entry(&store_key);
    let Some(owner) = owner(&entry) else { return internal("a balance without a sponsor") };
    let Some(change) = Change::of(context, sponsor(&entry).cloned(), &owner) else { return Ok(R::NotSponsor) };
    let is_balance = matches!(entry.data, LedgerEntryData::ClaimableBalance(_));
    if change.new.is_none() && is_balance {
        return Ok(R::OnlyTransferable);
    }
    if change.old.is_none() && change.new.is_none() {
        return Ok(R::Success);
    }
    let count = reserves_of(&entry);
    if move_reserves(context, &change, (!is_balance).then_some(&owner), count)? == Reserve::Low {
        return Ok(R::LowReserve);
    }
    // The account whose entry this is may have changed meanwhile: it counts the reserves paid for it.
    if let Some(now) = context.store.entry(&store_key) {
        entry = now;
    }
    set_sponsor(&mut entry, change.new);
    context.store.put(entry);
    Ok(R::Success)
}

/// The account that would pay an entry's reserve itself.
fn owner(entry: &LedgerEntry) -> Option<AccountId> {
    Some(match &entry.data {
        LedgerEntryData::Account(account) => account.account_id.clone(),
        LedgerEntryData::Trustline(line) => line.account_id.clone(),
        LedgerEntryData::Offer(offer) => offer.seller_id.clone(),
        LedgerEntryData::Data(data) => data.account_id.clone(),
        _ => sponsor(entry)?.clone(),
    })
}

/// Moves reserves between sponsors and owner, in their accounts' counts.
fn move_reserves(
    context: &mut Context<'_>,
    change: &Change,
    owner: Option<&AccountId>,
    count: u32,
) -> Applied<Reserve> {
    let store = &mut *context.store;
    for account in [change.old.as_ref(), change.new.as_ref()].into_iter().flatten() {
        touch_account(store, account)?;
    }
    let transfers = change.old.is_some() && change.new.is_some();
    if let (false, Some(owner)) = (transfers, owner) {
        touch_account(store, owner)?;
    }
    let reserve = match (&change.new, owner) {
        (Some(new), owner) => can_establish(store, new, owner.filter(|_| !transfers), count)?,
        (None, Some(owner)) => can_remove(store, owner, count)?,
        (None, None) => return internal("a balance is always sponsored"),
    };
    if reserve == Reserve::Low {
        return Ok(Reserve::Low);
    }
    let count = i64::from(count);
    if let Some(new) = &change.new {
        count_sponsoring(store, new, count)?;
    }
    if let Some(old) = &change.old {
        count_sponsoring(store, old, -count)?;
    }
    if let (false, Some(owner)) = (transfers, owner) {
        count_sponsored(store, owner, if change.new.is_some() { count } else { -count })?;
    }
    Ok(Reserve::Taken)
}

fn revoke_signer(context: &mut Context<'_>, op: &RevokeSponsorshipOpSigner) -> Applied<RevokeSponsorshipResult> {
    use RevokeSponsorshipResult as R;
    let owner = &op.account_id;
    let Some(account) = context.store.account_mut(owner) else { return Ok(R::DoesNotExist) };
    let Some(index) = account.signers.iter().position(|signer| signer.key == op.signer_key) else {
        return Ok(R::DoesNotExist);
    };
    let old = signer_sponsors(account).get(index).and_then(|descriptor| descriptor.0.clone());
    let Some(change) = Change::of(context, old, owner) else { return Ok(R::NotSponsor) };
    if change.old.is_none() && change.new.is_none() {
        return Ok(R::Success);
    }
    if move_reserves(context, &change, Some(owner), 1)? == Reserve::Low {
        return Ok(R::LowReserve);
    }
    set_signer_sponsor(context.store, owner, index, change.new)?;
    Ok(R::Success)
}

//! SetOptions: flags, thresholds, signers, home domain, inflation destination.

use stellar_xdr::{
    AccountEntry, AccountFlags, AccountId, PublicKey, SetOptionsOp, SetOptionsResult, Signer, SignerKey,
};

use super::{Context, is_printable};
use crate::sandbox::ledger::entries::{account_v2_mut, edit, has_flag};
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, create_signer, remove_signer};
use stellar_xdr::SponsorshipDescriptor;

const ALL_FLAGS: u32 = AccountFlags::RequiredFlag as u32
    | AccountFlags::RevocableFlag as u32
    | AccountFlags::ImmutableFlag as u32
    | AccountFlags::ClawbackEnabledFlag as u32;

/// Weights and thresholds are bytes.
const MAX_WEIGHT: u32 = 255;

/// The most signers that an account may have beside its own key.
const MAX_SIGNERS: usize = 20;

pub(super) fn check(protocol: u32, source: &AccountId, op: &SetOptionsOp) -> Result<(), SetOptionsResult> {
    use SetOptionsResult as R;
    let (set, clear) = (op.set_flags.unwrap_or(0), op.clear_flags.unwrap_or(0));
    if (set | clear) & !ALL_FLAGS != 0 {
        return Err(R::UnknownFlag);
    }
    if set & clear != 0 {
        return Err(R::BadFlags);
    }
    let weights = [op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold];
    if weights.into_iter().flatten().any(|weight| weight > MAX_WEIGHT) {
        return Err(R::ThresholdOutOfRange);
    }
    if op.signer.as_ref().is_some_and(|signer| is_bad_signer(protocol, source, signer)) {
        return Err(R::BadSigner);
    }
    if op.home_domain.as_ref().is_some_and(|domain| !is_printable(domain)) {
        return Err(R::InvalidHomeDomain);
    }
    Ok(())
}

fn is_bad_signer(protocol: u32, source: &AccountId, signer: &Signer) -> bool {
    let PublicKey::PublicKeyTypeEd25519(own) = &source.0;
    let bad_key = match &signer.key {
        SignerKey::Ed25519(key) => key == own,
        SignerKey::Ed25519SignedPayload(payload) => protocol < 19 || payload.payload.is_empty(),
        SignerKey::PreAuthTx(_) | SignerKey::HashX(_) => false,
    };
    bad_key || signer.weight > MAX_WEIGHT
}

pub(super) fn apply(context: &mut Context<'_>, op: &SetOptionsOp) -> Applied<SetOptionsResult> {
    use SetOptionsResult as R;
    let destination_exists = op.inflation_dest.as_ref().is_none_or(|id| context.store.account(id).is_some());
    let Some(account) = context.store.account_mut(&context.source) else { return internal("no source account") };
    if let Some(destination) = &op.inflation_dest {
        if !destination_exists {
            return Ok(R::InvalidInflation);
        }
        account.inflation_dest = Some(destination.clone());
    }
    if let Err(refused) = change_flags(account, op) {
        return Ok(refused);
    }
    if let Some(domain) = &op.home_domain {
        account.home_domain = domain.clone();
    }
    let weights = [op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold];
    for (threshold, weight) in account.thresholds.0.iter_mut().zip(weights) {
        if let Some(weight) = weight {
            *threshold = u8::try_from(weight).unwrap_or(u8::MAX);
        }
    }
    match &op.signer {
        None => Ok(R::Success),
        Some(signer) if signer.weight == 0 => delete_signer(context, &signer.key),
        Some(signer) => put_signer(context, signer),
    }
}

fn change_flags(account: &mut AccountEntry, op: &SetOptionsOp) -> Result<(), SetOptionsResult> {
    let (clear, set) = (op.clear_flags.unwrap_or(0), op.set_flags.unwrap_or(0));
    for (flags, change) in [(clear, false), (set, true)] {
        if flags & ALL_FLAGS != 0 && has_flag(account, AccountFlags::ImmutableFlag) {
            return Err(SetOptionsResult::CantChange);
        }
        if change {
            account.flags |= flags;
        } else {
            account.flags &= !flags;
        }
    }
    let revocable = has_flag(account, AccountFlags::RevocableFlag);
    if has_flag(account, AccountFlags::ClawbackEnabledFlag) && !revocable {
        return Err(SetOptionsResult::AuthRevocableRequired);
    }
    Ok(())
}

/// Adds a signer, in the order of keys, or changes its weight.
fn put_signer(context: &mut Context<'_>, signer: &Signer) -> Applied<SetOptionsResult> {
    let Some(account) = context.store.account_mut(&context.source) else { return internal("no source account") };
    let index = match account.signers.binary_search_by(|other| other.key.cmp(&signer.key)) {
        Ok(index) => {
            edit(&mut account.signers, |signers| signers[index].weight = signer.weight);
            return Ok(SetOptionsResult::Success);
        }
        Err(index) => index,
    };
    if account.signers.len() >= MAX_SIGNERS {
        return Ok(SetOptionsResult::TooManySigners);
    }
    edit(&mut account.signers, |signers| signers.insert(index, signer.clone()));
    if let Some(v2) = account_v2_mut(account) {
        edit(&mut v2.signer_sponsoring_i_ds, |sponsors| sponsors.insert(index, SponsorshipDescriptor(None)));
    }
    Ok(match create_signer(context.store, context.sponsorships, &context.source, index)? {
        Reserve::Taken => SetOptionsResult::Success,
        Reserve::Low => SetOptionsResult::LowReserve,
    })
}

fn delete_signer(context: &mut Context<'_>, key: &SignerKey) -> Applied<SetOptionsResult> {
    let Some(account) = context.store.account(&context.source) else { return internal("no source account") };
    if let Some(index) = account.signers.iter().position(|signer| signer.key == *key) {
        remove_signer(context.store, &context.source, index)?;
    }
    Ok(SetOptionsResult::Success)
}

//! AllowTrust and SetTrustLineFlags: what an issuer lets the holders of its assets do (`TrustFlagsOpFrameBase`). Who loses
//! authorisation altogether loses the offers and the pool shares that the asset is in.

use stellar_xdr::{
    AccountFlags, AccountId, AllowTrustOp, AllowTrustResult, AlphaNum4, AlphaNum12, Asset, AssetCode,
    SetTrustLineFlagsOp, SetTrustLineFlagsResult, TrustLineFlags,
};

use super::{Context, pool_shares};
use crate::sandbox::ledger::assets::{self, is_issuer};
use crate::sandbox::ledger::crossing::remove_offers;
use crate::sandbox::ledger::entries::{has_flag, is_authorised};
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::Reserve;
use crate::sandbox::ledger::store::Key;

const AUTHORISED: u32 = TrustLineFlags::AuthorizedFlag as u32;
const MAINTAIN: u32 = TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32;
const CLAWBACK: u32 = TrustLineFlags::TrustlineClawbackEnabledFlag as u32;
const BOTH: u32 = AUTHORISED | MAINTAIN;

fn asset_of(issuer: &AccountId, code: &AssetCode) -> Asset {
    let issuer = issuer.clone();
    match code {
        AssetCode::CreditAlphanum4(code) => Asset::CreditAlphanum4(AlphaNum4 { asset_code: code.clone(), issuer }),
        AssetCode::CreditAlphanum12(code) => Asset::CreditAlphanum12(AlphaNum12 { asset_code: code.clone(), issuer }),
    }
}

pub(super) fn check_allow(source: &AccountId, op: &AllowTrustOp) -> Result<(), AllowTrustResult> {
    let malformed = op.authorize > MAINTAIN || !assets::is_valid(&asset_of(source, &op.asset)) || op.trustor == *source;
    if malformed { Err(AllowTrustResult::Malformed) } else { Ok(()) }
}

pub(super) fn allow(context: &mut Context<'_>, op: &AllowTrustOp) -> Applied<AllowTrustResult> {
    use AllowTrustResult as R;
    let revocable = is_revocable(context);
    if !revocable && op.authorize == 0 {
        return Ok(R::CantRevoke);
    }
    let asset = asset_of(&context.source, &op.asset);
    let Some(line) = context.store.line_mut(&Key::line(&op.trustor, &asset)) else { return Ok(R::NoTrustLine) };
    let flags = (line.flags & !BOTH) | op.authorize;
    if !revocable && is_authorised(line) && flags & MAINTAIN != 0 {
        return Ok(R::CantRevoke);
    }
    Ok(match set_flags(context, &op.trustor, &asset, flags)? {
        Reserve::Taken => R::Success,
        Reserve::Low => R::LowReserve,
    })
}

pub(super) fn check_set(source: &AccountId, op: &SetTrustLineFlagsOp) -> Result<(), SetTrustLineFlagsResult> {
    let known = BOTH | CLAWBACK;
    let malformed = op.asset == Asset::Native
        || !assets::is_valid(&op.asset)
        || !is_issuer(source, &op.asset)
        || op.trustor == *source
        || op.set_flags & op.clear_flags != 0
        || op.set_flags & !BOTH != 0
        || op.set_flags & BOTH == BOTH
        || op.clear_flags & !known != 0;
    if malformed { Err(SetTrustLineFlagsResult::Malformed) } else { Ok(()) }
}

pub(super) fn set(context: &mut Context<'_>, op: &SetTrustLineFlagsOp) -> Applied<SetTrustLineFlagsResult> {
    use SetTrustLineFlagsResult as R;
    let lowers = op.clear_flags & BOTH != 0 && op.set_flags & AUTHORISED == 0;
    if lowers && !is_revocable(context) {
        return Ok(R::CantRevoke);
    }
    let Some(line) = context.store.line_mut(&Key::line(&op.trustor, &op.asset)) else { return Ok(R::NoTrustLine) };
    let flags = (line.flags & !op.clear_flags) | op.set_flags;
    if flags & BOTH == BOTH {
        return Ok(R::InvalidState);
    }
    Ok(match set_flags(context, &op.trustor, &op.asset, flags)? {
        Reserve::Taken => R::Success,
        Reserve::Low => R::LowReserve,
    })
}

fn is_revocable(context: &Context<'_>) -> bool {
    context.store.account(&context.source).is_some_and(|account| has_flag(account, AccountFlags::RevocableFlag))
}

/// Sets a line's flags, after taking away what may not be kept without authorisation.
fn set_flags(context: &mut Context<'_>, trustor: &AccountId, asset: &Asset, flags: u32) -> Applied<Reserve> {
    let key = Key::line(trustor, asset);
    let was_authorised = context.store.line(&key).is_some_and(|line| line.flags & BOTH != 0);
    if was_authorised && flags & BOTH == 0 {
        remove_offers(context.store, trustor, asset)?;
        if context.store.protocol() >= 18 && pool_shares::redeem(context, trustor, asset)? == Reserve::Low {
            return Ok(Reserve::Low);
        }
    }
    let Some(line) = context.store.line_mut(&key) else { return internal("the line is gone") };
    line.flags = flags;
    Ok(Reserve::Taken)
}

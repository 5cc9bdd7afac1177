//! CreateClaimableBalance, ClaimClaimableBalance and ClawbackClaimableBalance.

use std::collections::BTreeSet;

use stellar_xdr::{
    AccountFlags, AccountId, Asset, ClaimClaimableBalanceOp, ClaimClaimableBalanceResult, ClaimPredicate,
    ClaimableBalanceEntry, ClaimableBalanceEntryExt, ClaimableBalanceEntryExtensionV1,
    ClaimableBalanceEntryExtensionV1Ext, ClaimableBalanceFlags, ClaimableBalanceId, Claimant, ClaimantV0,
    ClawbackClaimableBalanceOp, ClawbackClaimableBalanceResult, CreateClaimableBalanceOp, CreateClaimableBalanceResult,
    HashIdPreimage, HashIdPreimageOperationId, LedgerEntry, LedgerEntryData, LedgerEntryExt, SequenceNumber,
};

use super::Context;
use super::payment::{CreditRefused, DebitRefused, credit, debit};
use crate::sandbox::ledger::assets::{self, hash_xdr, is_issuer};
use crate::sandbox::ledger::entries::{has_flag, line_clawback};
use crate::sandbox::ledger::header::vec_m;
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, create_entry, remove_entry};
use crate::sandbox::ledger::store::Key;

/// How deep predicates may nest.
const MAX_DEPTH: u32 = 4;

const CLAWBACK: u32 = ClaimableBalanceFlags::ClaimableBalanceClawbackEnabledFlag as u32;

/// The extension of a balance that its asset's issuer may take back.
pub(super) fn clawback_enabled() -> ClaimableBalanceEntryExt {
    ClaimableBalanceEntryExt::V1(ClaimableBalanceEntryExtensionV1 {
        ext: ClaimableBalanceEntryExtensionV1Ext::V0,
        flags: CLAWBACK,
    })
}

pub(super) fn check_create(op: &CreateClaimableBalanceOp) -> Result<(), CreateClaimableBalanceResult> {
    let destinations: BTreeSet<&AccountId> = op.claimants.iter().map(|claimant| &of(claimant).destination).collect();
    let malformed = !assets::is_valid(&op.asset)
        || op.amount <= 0
        || op.claimants.is_empty()
        || destinations.len() != op.claimants.len()
        || !op.claimants.iter().all(|claimant| is_well_formed(&of(claimant).predicate, 1));
    if malformed { Err(CreateClaimableBalanceResult::Malformed) } else { Ok(()) }
}

fn of(claimant: &Claimant) -> &ClaimantV0 {
    let Claimant::ClaimantTypeV0(claimant) = claimant;
    claimant
}

fn is_well_formed(predicate: &ClaimPredicate, depth: u32) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    match predicate {
        ClaimPredicate::Unconditional => true,
        ClaimPredicate::And(both) | ClaimPredicate::Or(both) => {
            both.len() == 2 && both.iter().all(|inner| is_well_formed(inner, depth + 1))
        }
        ClaimPredicate::Not(inner) => inner.as_ref().is_some_and(|inner| is_well_formed(inner, depth + 1)),
        ClaimPredicate::BeforeAbsoluteTime(time) | ClaimPredicate::BeforeRelativeTime(time) => *time >= 0,
    }
}

/// A predicate with its relative times made absolute.
fn absolute(predicate: &ClaimPredicate, close_time_s: u64) -> ClaimPredicate {
    let both = |both: &[ClaimPredicate]| vec_m(both.iter().map(|inner| absolute(inner, close_time_s)).collect());
    match predicate {
        ClaimPredicate::And(inner) => ClaimPredicate::And(both(inner)),
        ClaimPredicate::Or(inner) => ClaimPredicate::Or(both(inner)),
        ClaimPredicate::Not(inner) => {
            ClaimPredicate::Not(inner.as_ref().map(|inner| Box::new(absolute(inner, close_time_s))))
        }
        ClaimPredicate::BeforeRelativeTime(relative) => {
            let close_time_s = i64::try_from(close_time_s).unwrap_or(i64::MAX);
            ClaimPredicate::BeforeAbsoluteTime(close_time_s.saturating_add(*relative))
        }
        other => other.clone(),
    }
}

fn holds(predicate: &ClaimPredicate, close_time_s: u64) -> bool {
    match predicate {
        ClaimPredicate::Unconditional => true,
        ClaimPredicate::And(both) => both.iter().all(|inner| holds(inner, close_time_s)),
        ClaimPredicate::Or(both) => both.iter().any(|inner| holds(inner, close_time_s)),
        ClaimPredicate::Not(inner) => !inner.as_ref().is_some_and(|inner| holds(inner, close_time_s)),
        ClaimPredicate::BeforeAbsoluteTime(time) => time.unsigned_abs() > close_time_s,
        ClaimPredicate::BeforeRelativeTime(_) => false,
    }
}

pub(super) fn create(
    context: &mut Context<'_>,
    op: &CreateClaimableBalanceOp,
) -> Applied<CreateClaimableBalanceResult> {
    use CreateClaimableBalanceResult as R;
    if let Err(refused) = debit(context, &op.asset, op.amount)? {
        return Ok(match refused {
            DebitRefused::NoTrust => R::NoTrust,
            DebitRefused::NotAuthorised => R::NotAuthorized,
            DebitRefused::Underfunded => R::Underfunded,
        });
    }
    let close_time_s = context.store.header.scp_value.close_time.0;
    let claimants = op.claimants.iter().map(of).map(|claimant| {
        Claimant::ClaimantTypeV0(ClaimantV0 {
            destination: claimant.destination.clone(),
            predicate: absolute(&claimant.predicate, close_time_s),
        })
    });
    let balance_id = balance_id(context);
    let mut entry = LedgerEntry {
        last_modified_ledger_seq: 0,
        data: LedgerEntryData::ClaimableBalance(ClaimableBalanceEntry {
            balance_id: balance_id.clone(),
            claimants: vec_m(claimants.collect()),
            asset: op.asset.clone(),
            amount: op.amount,
            ext: if may_be_clawed_back(context, &op.asset) { clawback_enabled() } else { ClaimableBalanceEntryExt::V0 },
        }),
        ext: LedgerEntryExt::V0,
    };
    if create_entry(context.store, context.sponsorships, &mut entry, &context.source)? == Reserve::Low {
        return Ok(R::LowReserve);
    }
    context.store.put(entry);
    Ok(R::Success(balance_id))
}

fn may_be_clawed_back(context: &Context<'_>, asset: &Asset) -> bool {
    if *asset == Asset::Native {
        return false;
    }
    let source = &context.source;
    if is_issuer(source, asset) {
        context.store.account(source).is_some_and(|account| has_flag(account, AccountFlags::ClawbackEnabledFlag))
    } else {
        context.store.line(&Key::line(source, asset)).is_some_and(line_clawback)
    }
}

fn balance_id(context: &Context<'_>) -> ClaimableBalanceId {
    ClaimableBalanceId::ClaimableBalanceIdTypeV0(hash_xdr(&HashIdPreimage::OpId(HashIdPreimageOperationId {
        source_account: context.frame.source(),
        seq_num: SequenceNumber(context.frame.sequence()),
        op_num: context.index,
    })))
}

pub(super) fn claim(context: &mut Context<'_>, op: &ClaimClaimableBalanceOp) -> Applied<ClaimClaimableBalanceResult> {
    use ClaimClaimableBalanceResult as R;
    let Some(balance) = context.store.balance(&op.balance_id).cloned() else { return Ok(R::DoesNotExist) };
    let close_time_s = context.store.header.scp_value.close_time.0;
    let mut claimants = balance.claimants.iter().map(of);
    let claimant = claimants.find(|claimant| claimant.destination == context.source);
    if !claimant.is_some_and(|claimant| holds(&claimant.predicate, close_time_s)) {
        return Ok(R::CannotClaim);
    }
    let source = context.source.clone();
    if let Err(refused) = credit(context, &source, &balance.asset, balance.amount)? {
        return Ok(match refused {
            CreditRefused::NoTrust => R::NoTrust,
            CreditRefused::NotAuthorised => R::NotAuthorized,
            CreditRefused::Full => R::LineFull,
        });
    }
    remove(context, &op.balance_id)?;
    Ok(R::Success)
}

pub(super) fn claw_back(
    context: &mut Context<'_>,
    op: &ClawbackClaimableBalanceOp,
) -> Applied<ClawbackClaimableBalanceResult> {
    use ClawbackClaimableBalanceResult as R;
    let Some(balance) = context.store.balance(&op.balance_id) else { return Ok(R::DoesNotExist) };
    if !is_issuer(&context.source, &balance.asset) {
        return Ok(R::NotIssuer);
    }
    let enabled = matches!(&balance.ext, ClaimableBalanceEntryExt::V1(v1) if v1.flags & CLAWBACK != 0);
    if !enabled {
        return Ok(R::NotClawbackEnabled);
    }
    remove(context, &op.balance_id)?;
    Ok(R::Success)
}

fn remove(context: &mut Context<'_>, id: &ClaimableBalanceId) -> Applied<()> {
    let key = Key::Balance(id.clone());
    let Some(entry) = context.store.entry(&key) else { return internal("the balance is gone") };
    remove_entry(context.store, &entry, &context.source)?;
    context.store.erase(&key);
    Ok(())
}

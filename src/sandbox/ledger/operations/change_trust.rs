//! ChangeTrust: opens, limits and closes trust lines, for credits and for pool shares.

use stellar_xdr::{
    AccountFlags, AccountId, Asset, ChangeTrustAsset, ChangeTrustOp, ChangeTrustResult, LedgerEntry, LedgerEntryData,
    LedgerEntryExt, LiquidityPoolConstantProductParameters, LiquidityPoolEntry, LiquidityPoolEntryBody,
    LiquidityPoolEntryConstantProduct, LiquidityPoolParameters, PoolId, TrustLineAsset, TrustLineEntry,
    TrustLineEntryExt, TrustLineFlags,
};

use super::Context;
use crate::sandbox::ledger::assets::{self, is_issuer};
use crate::sandbox::ledger::crossing::constant_product_mut;
use crate::sandbox::ledger::entries::{has_flag, line_liabilities, may_maintain, pool_use_count, prepare_line_v2};
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, create_entry, remove_entry};
use crate::sandbox::ledger::store::{Key, Store};

pub(super) fn check(protocol: u32, source: &AccountId, op: &ChangeTrustOp) -> Result<(), ChangeTrustResult> {
    let malformed = op.limit < 0
        || op.line == ChangeTrustAsset::Native
        || !assets::is_valid_to_trust(&op.line, protocol)
        || credit(&op.line).is_some_and(|asset| is_issuer(source, &asset));
    if malformed { Err(ChangeTrustResult::Malformed) } else { Ok(()) }
}

pub(super) fn apply(context: &mut Context<'_>, op: &ChangeTrustOp) -> Applied<ChangeTrustResult> {
    let asset = trusted(&op.line);
    let key = Key::TrustLine(context.source.clone(), asset.clone());
    if context.store.exists(&key) { change(context, op, &key) } else { open(context, op, asset) }
}

fn change(context: &mut Context<'_>, op: &ChangeTrustOp, key: &Key) -> Applied<ChangeTrustResult> {
    let Some(line) = context.store.line_mut(key) else { return internal("the line does not exist") };
    if op.limit < line.balance + line_liabilities(line).buying {
        return Ok(ChangeTrustResult::InvalidLimit);
    }
    if op.limit > 0 {
        line.limit = op.limit;
        return Ok(if issuer_exists(context.store, &op.line) {
            ChangeTrustResult::Success
        } else {
            ChangeTrustResult::NoIssuer
        });
    }
    if pool_parameters(&op.line).is_none() && pool_use_count(line) != 0 {
        return Ok(ChangeTrustResult::CannotDelete);
    }
    let Some(entry) = context.store.entry(key) else { return internal("the line does not exist") };
    remove_entry(context.store, &entry, &context.source)?;
    context.store.erase(key);
    if let (Some(parameters), Key::TrustLine(_, TrustLineAsset::PoolShare(pool))) = (pool_parameters(&op.line), key) {
        for asset in [&parameters.asset_a, &parameters.asset_b] {
            release_from_pool(context.store, &context.source, asset)?;
        }
        leave_pool(context.store, pool)?;
    }
    Ok(ChangeTrustResult::Success)
}

fn open(context: &mut Context<'_>, op: &ChangeTrustOp, asset: TrustLineAsset) -> Applied<ChangeTrustResult> {
    if op.limit == 0 {
        return Ok(ChangeTrustResult::InvalidLimit);
    }
    let mut flags = 0;
    if let Some(credit) = credit(&op.line) {
        let issuer = assets::issuer(&credit).and_then(|issuer| context.store.account(issuer));
        let Some(issuer) = issuer else { return Ok(ChangeTrustResult::NoIssuer) };
        if !has_flag(issuer, AccountFlags::RequiredFlag) {
            flags |= TrustLineFlags::AuthorizedFlag as u32;
        }
        if has_flag(issuer, AccountFlags::ClawbackEnabledFlag) {
            flags |= TrustLineFlags::TrustlineClawbackEnabledFlag as u32;
        }
    }
    if let (Some(parameters), TrustLineAsset::PoolShare(pool)) = (pool_parameters(&op.line), &asset)
        && let Err(refused) = enter_pool(context, parameters, pool)?
    {
        return Ok(refused);
    }
    let mut entry = LedgerEntry {
        last_modified_ledger_seq: 0,
        data: LedgerEntryData::Trustline(TrustLineEntry {
            account_id: context.source.clone(),
            asset,
            balance: 0,
            limit: op.limit,
            flags,
            ext: TrustLineEntryExt::V0,
        }),
        ext: LedgerEntryExt::V0,
    };
    if create_entry(context.store, context.sponsorships, &mut entry, &context.source)? == Reserve::Low {
        return Ok(ChangeTrustResult::LowReserve);
    }
    context.store.put(entry);
    Ok(ChangeTrustResult::Success)
}

/// Counts one more holder of a pool's shares, in the pool and in the lines of both its assets. A pool is made by its first.
fn enter_pool(
    context: &mut Context<'_>,
    parameters: &LiquidityPoolConstantProductParameters,
    id: &PoolId,
) -> Applied<Result<(), ChangeTrustResult>> {
    for asset in [&parameters.asset_a, &parameters.asset_b] {
        if *asset == Asset::Native || is_issuer(&context.source, asset) {
            continue;
        }
        let Some(line) = context.store.line_mut(&Key::line(&context.source, asset)) else {
            return Ok(Err(ChangeTrustResult::TrustLineMissing));
        };
        if !may_maintain(line) {
            return Ok(Err(ChangeTrustResult::NotAuthMaintainLiabilities));
        }
        match prepare_line_v2(line).liquidity_pool_use_count.checked_add(1) {
            Some(count) => prepare_line_v2(line).liquidity_pool_use_count = count,
            None => return internal("liquidityPoolUseCount is INT32_MAX"),
        }
    }
    if let Some(pool) = context.store.pool_mut(id) {
        constant_product_mut(&mut pool.body).pool_shares_trust_line_count += 1;
        return Ok(Ok(()));
    }
    context.store.put(LedgerEntry {
        last_modified_ledger_seq: 0,
        data: LedgerEntryData::LiquidityPool(LiquidityPoolEntry {
            liquidity_pool_id: id.clone(),
            body: LiquidityPoolEntryBody::LiquidityPoolConstantProduct(LiquidityPoolEntryConstantProduct {
                params: parameters.clone(),
                reserve_a: 0,
                reserve_b: 0,
                total_pool_shares: 0,
                pool_shares_trust_line_count: 1,
            }),
        }),
        ext: LedgerEntryExt::V0,
    });
    Ok(Ok(()))
}

/// Counts one pool less that needs an account's line for an asset (`decrementLiquidityPoolUseCount`).
pub(super) fn release_from_pool(store: &mut Store, account: &AccountId, asset: &Asset) -> Applied<()> {
    if *asset == Asset::Native || is_issuer(account, asset) {
        return Ok(());
    }
    let Some(line) = store.line_mut(&Key::line(account, asset)) else { return internal("asset trustline is missing") };
    prepare_line_v2(line).liquidity_pool_use_count -= 1;
    Ok(())
}

/// Counts one holder of a pool's shares less; the last takes the pool along (`decrementPoolSharesTrustLineCount`).
pub(super) fn leave_pool(store: &mut Store, id: &PoolId) -> Applied<()> {
    let Some(pool) = store.pool_mut(id) else { return internal("liquidity pool is missing") };
    let pool = constant_product_mut(&mut pool.body);
    pool.pool_shares_trust_line_count -= 1;
    if pool.pool_shares_trust_line_count == 0 {
        store.erase(&Key::Pool(id.clone()));
    }
    Ok(())
}

/// Pool shares have no issuer that could be missing.
fn issuer_exists(store: &Store, line: &ChangeTrustAsset) -> bool {
    credit(line)
        .and_then(|asset| assets::issuer(&asset).cloned())
        .is_none_or(|issuer| store.exists(&Key::Account(issuer)))
}

/// The credit that a line is for; `None` for pool shares.
fn credit(line: &ChangeTrustAsset) -> Option<Asset> {
    match line {
        ChangeTrustAsset::CreditAlphanum4(credit) => Some(Asset::CreditAlphanum4(credit.clone())),
        ChangeTrustAsset::CreditAlphanum12(credit) => Some(Asset::CreditAlphanum12(credit.clone())),
        ChangeTrustAsset::Native | ChangeTrustAsset::PoolShare(_) => None,
    }
}

fn pool_parameters(line: &ChangeTrustAsset) -> Option<&LiquidityPoolConstantProductParameters> {
    match line {
        ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters)) => {
            Some(parameters)
        }
        _ => None,
    }
}

fn trusted(line: &ChangeTrustAsset) -> TrustLineAsset {
    match line {
        ChangeTrustAsset::Native => TrustLineAsset::Native,
        ChangeTrustAsset::CreditAlphanum4(credit) => TrustLineAsset::CreditAlphanum4(credit.clone()),
        ChangeTrustAsset::CreditAlphanum12(credit) => TrustLineAsset::CreditAlphanum12(credit.clone()),
        ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters)) => {
            TrustLineAsset::PoolShare(assets::pool_id_of(parameters))
        }
    }
}

//! LiquidityPoolDeposit and LiquidityPoolWithdraw, and what becomes of pool shares when an authorisation is revoked.

use stellar_xdr::{
    AccountId, Asset, ClaimPredicate, ClaimableBalanceEntry, ClaimableBalanceEntryExt, ClaimableBalanceId, Claimant,
    ClaimantV0, HashIdPreimage, HashIdPreimageRevokeId, LedgerEntry, LedgerEntryData, LedgerEntryExt,
    LiquidityPoolDepositOp, LiquidityPoolDepositResult, LiquidityPoolEntryConstantProduct, LiquidityPoolWithdrawOp,
    LiquidityPoolWithdrawResult, PoolId, Price, SequenceNumber, TrustLineAsset,
};

use super::Context;
use super::change_trust::{leave_pool, release_from_pool};
use super::claimable_balance::clawback_enabled;
use crate::sandbox::ledger::assets::{hash_xdr, is_issuer};
use crate::sandbox::ledger::crossing::{constant_product, constant_product_mut};
use crate::sandbox::ledger::entries::{
    line_add_balance, line_available, line_clawback, line_room, set_sponsor, sponsor,
};
use crate::sandbox::ledger::header::vec_m;
use crate::sandbox::ledger::holdings::Holding;
use crate::sandbox::ledger::outcome::{Applied, ensure, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, count_sponsoring, create_entry, remove_entry};
use crate::sandbox::ledger::store::Key;
use crate::stellar::exchange::{geometric_mean, mul_div};

const NO_POOL: &str = "a pool share line without a pool";

pub(super) fn check_deposit(op: &LiquidityPoolDepositOp) -> Result<(), LiquidityPoolDepositResult> {
    let positive = |price: &Price| price.n > 0 && price.d > 0;
    let product = |a: i32, b: i32| i64::from(a) * i64::from(b);
    let malformed = op.max_amount_a <= 0
        || op.max_amount_b <= 0
        || !positive(&op.min_price)
        || !positive(&op.max_price)
        || product(op.min_price.n, op.max_price.d) > product(op.min_price.d, op.max_price.n);
    if malformed { Err(LiquidityPoolDepositResult::Malformed) } else { Ok(()) }
}

/// What a deposit puts in and gets.
#[derive(Clone, Copy, Debug)]
struct Deposit {
    a: i64,
    b: i64,
    shares: i64,
}

pub(super) fn deposit(context: &mut Context<'_>, op: &LiquidityPoolDepositOp) -> Applied<LiquidityPoolDepositResult> {
    use LiquidityPoolDepositResult as R;
    let key = share_key(&context.source, &op.liquidity_pool_id);
    let Some(line) = context.store.line(&key) else { return Ok(R::NoTrust) };
    let share_room = line_room(line);
    let pool = pool_of(context, &op.liquidity_pool_id)?;
    let a = Holding::of(context.store, &context.source, &pool.params.asset_a);
    let b = Holding::of(context.store, &context.source, &pool.params.asset_b);
    if !a.is_authorised(context.store) || !b.is_authorised(context.store) {
        return Ok(R::NotAuthorized);
    }
    let deposit = size_of_deposit(op, &pool)?;
    if a.available(context.store)? < deposit.a || b.available(context.store)? < deposit.b {
        return Ok(R::Underfunded);
    }
    if is_bad_price(op, deposit) {
        return Ok(R::BadPrice);
    }
    if share_room < deposit.shares {
        return Ok(R::LineFull);
    }
    let sums = (
        pool.reserve_a.checked_add(deposit.a),
        pool.reserve_b.checked_add(deposit.b),
        pool.total_pool_shares.checked_add(deposit.shares),
    );
    let (Some(reserve_a), Some(reserve_b), Some(total_pool_shares)) = sums else { return Ok(R::PoolFull) };
    ensure(deposit.a > 0 && deposit.b > 0 && deposit.shares > 0, "must deposit positive amounts")?;
    ensure(a.add_balance(context.store, -deposit.a)?, "insufficient balance")?;
    ensure(b.add_balance(context.store, -deposit.b)?, "insufficient balance")?;
    let Some(line) = context.store.line_mut(&key) else { return internal("the line is gone") };
    ensure(line_add_balance(line, deposit.shares), "insufficient pool share limit")?;
    let Some(entry) = context.store.pool_mut(&op.liquidity_pool_id) else { return internal(NO_POOL) };
    let pool = constant_product_mut(&mut entry.body);
    (pool.reserve_a, pool.reserve_b, pool.total_pool_shares) = (reserve_a, reserve_b, total_pool_shares);
    Ok(R::Success)
}

/// The first deposit sets the price; the others keep it and are rounded in favour of the pool.
fn size_of_deposit(op: &LiquidityPoolDepositOp, pool: &LiquidityPoolEntryConstantProduct) -> Applied<Deposit> {
    if pool.total_pool_shares == 0 {
        let shares = geometric_mean(op.max_amount_a, op.max_amount_b);
        return Ok(Deposit { a: op.max_amount_a, b: op.max_amount_b, shares });
    }
    let shares_a = mul_div(pool.total_pool_shares, op.max_amount_a, pool.reserve_a, false);
    let shares_b = mul_div(pool.total_pool_shares, op.max_amount_b, pool.reserve_b, false);
    let shares = match (shares_a, shares_b) {
        (Some(a), Some(b)) => a.min(b),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return internal("both shares calculations overflowed"),
    };
    let a = mul_div(shares, pool.reserve_a, pool.total_pool_shares, true);
    let b = mul_div(shares, pool.reserve_b, pool.total_pool_shares, true);
    match (a, b) {
        (Some(a), Some(b)) => Ok(Deposit { a, b, shares }),
        _ => internal("amount overflowed"),
    }
}

/// Whether a/b lies outside of the wanted prices, or nothing is deposited.
fn is_bad_price(op: &LiquidityPoolDepositOp, deposit: Deposit) -> bool {
    let product = |amount: i64, term: i32| i128::from(amount) * i128::from(term);
    deposit.a == 0
        || deposit.b == 0
        || product(deposit.a, op.min_price.d) < product(deposit.b, op.min_price.n)
        || product(deposit.a, op.max_price.d) > product(deposit.b, op.max_price.n)
}

pub(super) fn check_withdraw(op: &LiquidityPoolWithdrawOp) -> Result<(), LiquidityPoolWithdrawResult> {
    if op.amount <= 0 || op.min_amount_a < 0 || op.min_amount_b < 0 {
        return Err(LiquidityPoolWithdrawResult::Malformed);
    }
    Ok(())
}

pub(super) fn withdraw(
    context: &mut Context<'_>,
    op: &LiquidityPoolWithdrawOp,
) -> Applied<LiquidityPoolWithdrawResult> {
    use LiquidityPoolWithdrawResult as R;
    let key = share_key(&context.source, &op.liquidity_pool_id);
    let Some(line) = context.store.line(&key) else { return Ok(R::NoTrust) };
    if line_available(line) < op.amount {
        return Ok(R::Underfunded);
    }
    let pool = pool_of(context, &op.liquidity_pool_id)?;
    let amount_a = withdrawal(op.amount, pool.total_pool_shares, pool.reserve_a)?;
    let amount_b = withdrawal(op.amount, pool.total_pool_shares, pool.reserve_b)?;
    let parts = [(&pool.params.asset_a, amount_a, op.min_amount_a), (&pool.params.asset_b, amount_b, op.min_amount_b)];
    for (asset, amount, min) in parts {
        if amount < min {
            return Ok(R::UnderMinimum);
        }
        if !Holding::of(context.store, &context.source, asset).add_balance(context.store, amount)? {
            return Ok(R::LineFull);
        }
    }
    let Some(line) = context.store.line_mut(&key) else { return internal("the line is gone") };
    ensure(line_add_balance(line, -op.amount), "pool withdrawal invalid")?;
    take_from_pool(context, &op.liquidity_pool_id, Deposit { a: amount_a, b: amount_b, shares: op.amount })?;
    Ok(R::Success)
}

/// `getPoolWithdrawalAmount`.
fn withdrawal(shares: i64, total_shares: i64, reserve: i64) -> Applied<i64> {
    ensure(shares <= total_shares, "Invalid amountPoolShares")?;
    match mul_div(shares, reserve, total_shares, false) {
        Some(amount) => Ok(amount),
        None => internal("a withdrawal overflowed"),
    }
}

fn take_from_pool(context: &mut Context<'_>, id: &PoolId, taken: Deposit) -> Applied<()> {
    let Some(entry) = context.store.pool_mut(id) else { return internal(NO_POOL) };
    let pool = constant_product_mut(&mut entry.body);
    pool.reserve_a -= taken.a;
    pool.reserve_b -= taken.b;
    pool.total_pool_shares -= taken.shares;
    Ok(())
}

fn share_key(account: &AccountId, pool: &PoolId) -> Key {
    Key::TrustLine(account.clone(), TrustLineAsset::PoolShare(pool.clone()))
}

fn pool_of(context: &Context<'_>, id: &PoolId) -> Applied<LiquidityPoolEntryConstantProduct> {
    match context.store.pool(id) {
        Some(pool) => Ok(constant_product(&pool.body).clone()),
        None => internal(NO_POOL),
    }
}

/// Turns an account's shares of every pool of an asset into claimable balances of what they are worth, whose reserves are
/// paid by whoever paid for the shares' line (`removeOffersAndPoolShareTrustLines`).
pub(super) fn redeem(context: &mut Context<'_>, account: &AccountId, asset: &Asset) -> Applied<Reserve> {
    for id in context.store.pool_shares_of(account).to_vec() {
        let pool = pool_of(context, &id)?;
        if pool.params.asset_a != *asset && pool.params.asset_b != *asset {
            continue;
        }
        if redeem_one(context, account, &id, &pool)? == Reserve::Low {
            return Ok(Reserve::Low);
        }
    }
    Ok(Reserve::Taken)
}

fn redeem_one(
    context: &mut Context<'_>,
    account: &AccountId,
    id: &PoolId,
    pool: &LiquidityPoolEntryConstantProduct,
) -> Applied<Reserve> {
    let key = share_key(account, id);
    let (Some(entry), Some(line)) = (context.store.entry(&key), context.store.line(&key)) else {
        return internal("the shares' line is gone");
    };
    let shares = line.balance;
    let backer = sponsor(&entry).unwrap_or(account).clone();
    remove_entry(context.store, &entry, account)?;
    context.store.erase(&key);
    if shares != 0 {
        let a = withdrawal(shares, pool.total_pool_shares, pool.reserve_a)?;
        let b = withdrawal(shares, pool.total_pool_shares, pool.reserve_b)?;
        for (asset, amount) in [(&pool.params.asset_a, a), (&pool.params.asset_b, b)] {
            if into_balance(context, account, id, asset, amount, &backer)? == Reserve::Low {
                return Ok(Reserve::Low);
            }
        }
        take_from_pool(context, id, Deposit { a, b, shares })?;
    }
    for asset in [&pool.params.asset_a, &pool.params.asset_b] {
        release_from_pool(context.store, account, asset)?;
    }
    leave_pool(context.store, id)?;
    Ok(Reserve::Taken)
}

/// Puts an amount out of a pool into a claimable balance that its owner may claim at any time.
fn into_balance(
    context: &mut Context<'_>,
    account: &AccountId,
    pool: &PoolId,
    asset: &Asset,
    amount: i64,
    backer: &AccountId,
) -> Applied<Reserve> {
    if amount == 0 || is_issuer(account, asset) {
        return Ok(Reserve::Taken);
    }
    let mut ext = ClaimableBalanceEntryExt::V0;
    if *asset != Asset::Native {
        // Core loads the line for writing here.
        let Some(line) = context.store.line_mut(&Key::line(account, asset)) else {
            return internal("asset trustline is missing");
        };
        if line_clawback(line) {
            ext = clawback_enabled();
        }
    }
    let mut entry = LedgerEntry {
        last_modified_ledger_seq: 0,
        data: LedgerEntryData::ClaimableBalance(ClaimableBalanceEntry {
            balance_id: revoke_id(context, pool, asset),
            claimants: vec_m(vec![Claimant::ClaimantTypeV0(ClaimantV0 {
                destination: account.clone(),
                predicate: ClaimPredicate::Unconditional,
            })]),
            asset: asset.clone(),
            amount,
            ext,
        }),
        ext: LedgerEntryExt::V0,
    };
    if context.sponsorships.contains_key(backer) {
        if create_entry(context.store, context.sponsorships, &mut entry, backer)? == Reserve::Low {
            return Ok(Reserve::Low);
        }
    } else {
        // The reserve that the line gave back is taken over, even by an account that is below its minimum.
        count_sponsoring(context.store, backer, 1)?;
        set_sponsor(&mut entry, Some(backer.clone()));
    }
    context.store.put(entry);
    Ok(Reserve::Taken)
}

fn revoke_id(context: &Context<'_>, pool: &PoolId, asset: &Asset) -> ClaimableBalanceId {
    ClaimableBalanceId::ClaimableBalanceIdTypeV0(hash_xdr(&HashIdPreimage::PoolRevokeOpId(HashIdPreimageRevokeId {
        source_account: context.frame.source(),
        seq_num: SequenceNumber(context.frame.sequence()),
        op_num: context.index,
        liquidity_pool_id: pool.clone(),
        asset: asset.clone(),
    })))
}

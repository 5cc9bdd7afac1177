//! Effects of liquidity pools.

use super::balances::{balance, money};
use super::{EffectKind, Effects, Money, Pool};
use crate::sandbox::history::changes::Change;
use stellar_xdr::{
    ClaimableBalanceId, LedgerEntry, LedgerEntryData, LiquidityPoolDepositOp, LiquidityPoolEntry,
    LiquidityPoolWithdrawOp, PoolId,
};

/// A pool, and by how much its reserves and its shares grew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolDelta {
    pub(crate) pool: Pool,
    pub(crate) reserves: [i64; 2],
    pub(crate) shares: i64,
}

/// What changed of this pool, or of the first one among the changes.
pub(crate) fn pool_delta(changes: &[Change<'_>], id: Option<&PoolId>) -> Option<PoolDelta> {
    changes.iter().find_map(|change| {
        let (before, after) = pools(change);
        let pool = Pool::of(after.or(before)?);
        if id.is_some_and(|id| *id != pool.id) {
            return None;
        }
        let size = |entry: Option<&LiquidityPoolEntry>| {
            let product = entry.map(|entry| Pool::of(entry).product);
            product.map_or((0, 0, 0), |product| (product.reserve_a, product.reserve_b, product.total_pool_shares))
        };
        let (was, is) = (size(before), size(after));
        Some(PoolDelta { pool, reserves: [is.0 - was.0, is.1 - was.1], shares: is.2 - was.2 })
    })
}

fn pools<'m>(change: &Change<'m>) -> (Option<&'m LiquidityPoolEntry>, Option<&'m LiquidityPoolEntry>) {
    let pool = |entry: Option<&'m LedgerEntry>| match &entry?.data {
        LedgerEntryData::LiquidityPool(pool) => Some(pool),
        _ => None,
    };
    (pool(change.before), pool(change.after))
}

impl Effects<'_> {
    pub(super) fn pool_trade(&mut self, id: &PoolId, sold: Money, bought: Money) {
        let Some(delta) = pool_delta(&self.changes, Some(id)) else { return };
        self.own(EffectKind::PoolTrade { pool: delta.pool, sold, bought });
    }

    pub(super) fn pool_deposit(&mut self, op: &LiquidityPoolDepositOp) {
        let Some(delta) = pool_delta(&self.changes, Some(&op.liquidity_pool_id)) else { return };
        self.own(EffectKind::PoolDeposited { pool: delta.pool, amounts: delta.reserves, shares: delta.shares });
    }

    pub(super) fn pool_withdraw(&mut self, op: &LiquidityPoolWithdrawOp) {
        let Some(delta) = pool_delta(&self.changes, Some(&op.liquidity_pool_id)) else { return };
        let amounts = delta.reserves.map(i64::wrapping_neg);
        self.own(EffectKind::PoolWithdrew { pool: delta.pool, amounts, shares: -delta.shares });
    }

    /// Shares that were redeemed because a line lost its authorisation: their worth is in claimable balances now.
    pub(super) fn pools_revoked(&mut self) {
        let Some(delta) = pool_delta(&self.changes, None) else { return };
        let created = self.changes.iter().filter(|change| change.before.is_none());
        let created: Vec<_> = created.filter_map(|change| balance(change.after)).cloned().collect();
        created.iter().for_each(|created| self.balance_created(created, &created.claimants));
        if created.is_empty() {
            return;
        }
        let id_of = |asset| created.iter().map(|of| (money(of), &of.balance_id)).rfind(|(of, _)| of.asset == asset);
        let params = delta.pool.product.params.clone();
        let assets = [params.asset_a, params.asset_b].into_iter().zip(delta.reserves);
        let revoked: Vec<(Money, ClaimableBalanceId)> = assets
            .filter_map(|(asset, grown)| {
                let (_, id) = id_of(asset.clone())?;
                Some((Money { asset, amount: -grown }, id.clone()))
            })
            .collect();
        self.own(EffectKind::PoolRevoked { pool: delta.pool, revoked, shares: -delta.shares });
    }

    pub(super) fn of_pools_come_and_gone(&mut self) {
        let changed: Vec<_> = self.changes.iter().map(pools).collect();
        for (before, after) in changed {
            match (before, after) {
                (None, Some(pool)) => self.own(EffectKind::PoolCreated(Pool::of(pool))),
                (Some(pool), None) => self.own(EffectKind::PoolRemoved(pool.liquidity_pool_id.clone())),
                _ => {}
            }
        }
    }
}

//! Trades that say nothing of the price: one stroop given to a pool, where far less would have done.
//!
//! Horizon leaves a trade out of candles when what a strict receive had to pay was rounded up by a thousand percent or
//! more (`--rounding-slippage-filter`, 1000; its "basis points" come out as percents). Only a payment of a single stroop
//! can be that far off.
//!
//! Source: `ingest/processors/trades_processor.go`, `exp/orderbook/pools.go`.

use crate::sandbox::chain::Chain;
use crate::sandbox::history::{Party, Trade};
use stellar_xdr::{
    Asset, LedgerEntryChange, LedgerEntryData, LiquidityPoolEntryBody, LiquidityPoolEntryConstantProduct,
    OperationBody, PoolId,
};

const WHOLE_BP: u128 = 10_000;
/// A thousand percent.
const LIMIT: u128 = 1000;

/// Whether candles are made without this trade.
pub(super) fn is_left_out(chain: &Chain<'_>, trade: &Trade) -> bool {
    let (sold, paid) = if trade.base_is_seller { (&trade.base, &trade.counter) } else { (&trade.counter, &trade.base) };
    let Party::Pool { id, .. } = &sold.party else { return false };
    if paid.amount != 1 {
        return false;
    }
    let pool = pool_before(chain, trade, id);
    pool.is_some_and(|pool| rounding(&pool, &sold.asset, sold.amount).is_some_and(|percent| percent >= LIMIT))
}

/// The pool as it was before the trade; `None` unless the operation asked for exactly what it received.
fn pool_before(chain: &Chain<'_>, trade: &Trade, id: &PoolId) -> Option<LiquidityPoolEntryConstantProduct> {
    let (_, tx) = chain.history.transaction_at(trade.operation)?;
    let index = usize::try_from(trade.operation.operation().checked_sub(1)?).ok()?;
    if !matches!(tx.operations().get(index)?.body, OperationBody::PathPaymentStrictReceive(_)) {
        return None;
    }
    tx.operation_changes(index).iter().rev().find_map(|change| match change {
        LedgerEntryChange::State(entry) => match &entry.data {
            LedgerEntryData::LiquidityPool(pool) if pool.liquidity_pool_id == *id => {
                let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(body) = &pool.body;
                Some(body.clone())
            }
            _ => None,
        },
        _ => None,
    })
}

/// By how many percent one stroop is more than what the pool's formula wants for this; `None` beyond its precision.
fn rounding(pool: &LiquidityPoolEntryConstantProduct, asset: &Asset, amount: i64) -> Option<u128> {
    let wide = |amount: i64| u128::from(amount.unsigned_abs());
    let (held, other) = if pool.params.asset_a == *asset {
        (wide(pool.reserve_a), wide(pool.reserve_b))
    } else {
        (wide(pool.reserve_b), wide(pool.reserve_a))
    };
    let wants = other.checked_mul(wide(amount))?.checked_mul(WHOLE_BP)?;
    let per = held.checked_sub(wide(amount))?.checked_mul(WHOLE_BP.checked_sub(wide(i64::from(pool.params.fee)))?)?;
    let exact = wants.checked_mul(WHOLE_BP)?.checked_div(per)?;
    (WHOLE_BP.checked_sub(exact)? * WHOLE_BP).checked_div(exact).map(|bp| bp / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::LiquidityPoolConstantProductParameters;

    fn pool(reserve_a: i64, reserve_b: i64) -> LiquidityPoolEntryConstantProduct {
        LiquidityPoolEntryConstantProduct {
            params: LiquidityPoolConstantProductParameters { asset_a: Asset::Native, asset_b: Asset::Native, fee: 30 },
            reserve_a,
            reserve_b,
            total_pool_shares: 1,
            pool_shares_trust_line_count: 1,
        }
    }

    #[test]
    fn a_stroop_for_a_small_part_of_one_is_far_off() {
        // Horizon's own example: 1 of 16202 XLM for what 1/43 of a stroop would do.
        assert_eq!(rounding(&pool(162_020_000_000, 3_740_000_000), &Asset::Native, 1), Some(4229));
        assert_eq!(rounding(&pool(1_000_000, 500_000), &Asset::Native, 1), Some(99));
        // So little that four decimals do not show it: Horizon divides by zero to zero, and keeps the trade.
        assert_eq!(rounding(&pool(i64::MAX, 10), &Asset::Native, 1), None);
    }
}

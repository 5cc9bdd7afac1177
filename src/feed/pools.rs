//! The liquidity pools of the configured markets.

use crate::events::PoolChange;
use crate::stellar::{MarketId, MarketTable, Stroops};
use crate::wire::ledger::{POOL_FEE_BP, RawPool, pool_id};
use rustc_hash::FxHashMap;

/// Pools by their ids, which follow from the markets' assets and are computed at start.
#[derive(Debug)]
pub(super) struct Pools(FxHashMap<[u8; 32], Place>);

#[derive(Clone, Copy, Debug)]
struct Place {
    market: MarketId,
    /// The protocol sorts a pool's assets; a market does not.
    base_is_first: bool,
}

impl Pools {
    pub(super) fn new(table: &MarketTable) -> Self {
        let places = table.markets().iter().zip(0_u16..).map(|(market, id)| {
            let place = Place { market: MarketId(id), base_is_first: market.base < market.quote };
            (pool_id(&market.base, &market.quote), place)
        });
        Self(places.collect())
    }

    pub(super) fn market(&self, id: &[u8; 32]) -> Option<MarketId> {
        self.0.get(id).map(|place| place.market)
    }

    /// The change of a configured market's pool.
    pub(super) fn change(&self, pool: &RawPool<'_>) -> Option<PoolChange> {
        let place = self.0.get(pool.id)?;
        let (base, quote) =
            if place.base_is_first { (pool.reserve_a, pool.reserve_b) } else { (pool.reserve_b, pool.reserve_a) };
        Some(PoolChange {
            market: place.market,
            base_reserve: Stroops(base),
            quote_reserve: Stroops(quote),
            fee_bp: u32::try_from(pool.fee_bp).unwrap_or(POOL_FEE_BP),
        })
    }
}

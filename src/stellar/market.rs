//! The markets that are configured, known to every stage by small numbers.

use super::{Asset, AssetIndex, MarketId, Side};
use rustc_hash::FxHashMap;

/// A market: prices are units of `quote` for one `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Market {
    /// What is bought and sold.
    pub base: Asset,
    /// What it is paid in.
    pub quote: Asset,
}

/// An offer's place: which market, and which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// The market.
    pub market: MarketId,
    /// `Ask` if the offer sells the base asset.
    pub side: Side,
}

/// Why a list of markets is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarketTableError {
    /// Named twice, be it in the opposite orientation.
    #[error("market {0} is named twice (the opposite orientation counts too): keep one")]
    Twice(String),
    /// An asset against itself.
    #[error("market {0} has the same asset on both sides")]
    SameAsset(String),
    /// More than [`MarketTable::MAX_MARKETS`].
    #[error("{0} markets are configured, at most {max} are possible", max = MarketTable::MAX_MARKETS)]
    TooMany(usize),
}

/// An immutable table of markets and their assets, shared by all stages.
#[derive(Clone, Debug, Default)]
pub struct MarketTable {
    markets: Vec<Market>,
    assets: Vec<Asset>,
    asset_index: FxHashMap<Asset, AssetIndex>,
    by_pair: FxHashMap<(AssetIndex, AssetIndex), Orientation>,
}

impl MarketTable {
    /// The most markets that one engine takes.
    pub const MAX_MARKETS: usize = 16_384;

    /// A table of these markets; their order gives the ids.
    ///
    /// # Errors
    /// If a market occurs twice, trades an asset against itself, or there are too many.
    pub fn new(markets: &[Market]) -> Result<Self, MarketTableError> {
        if markets.len() > Self::MAX_MARKETS {
            return Err(MarketTableError::TooMany(markets.len()));
        }
        let mut table = Self::default();
        for (market, id) in markets.iter().zip(0_u16..) {
            let named = || format!("{}/{}", market.base, market.quote);
            if market.base == market.quote {
                return Err(MarketTableError::SameAsset(named()));
            }
            let base = table.intern(market.base);
            let quote = table.intern(market.quote);
            let market_id = MarketId(id);
            let ask = Orientation { market: market_id, side: Side::Ask };
            let bid = Orientation { market: market_id, side: Side::Bid };
            if table.by_pair.insert((base, quote), ask).is_some() || table.by_pair.insert((quote, base), bid).is_some()
            {
                return Err(MarketTableError::Twice(named()));
            }
            table.markets.push(*market);
        }
        Ok(table)
    }

    fn intern(&mut self, asset: Asset) -> AssetIndex {
        // At most two assets a market, hence at most 32,768.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_MARKETS")]
        let next = AssetIndex(self.assets.len() as u16);
        *self.asset_index.entry(asset).or_insert_with(|| {
            self.assets.push(asset);
            next
        })
    }

    /// All markets, in the order of their ids.
    #[must_use]
    pub fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// All assets, in the order of their indexes.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The market with this id, which must have come from this table.
    #[must_use]
    pub fn market(&self, id: MarketId) -> &Market {
        &self.markets[usize::from(id.0)]
    }

    /// The index of an asset, if a configured market trades it.
    #[must_use]
    pub fn asset(&self, asset: &Asset) -> Option<AssetIndex> {
        self.asset_index.get(asset).copied()
    }

    /// Where an offer that sells `selling` for `buying` belongs, if it does anywhere.
    #[must_use]
    pub fn orientation(&self, selling: AssetIndex, buying: AssetIndex) -> Option<Orientation> {
        self.by_pair.get(&(selling, buying)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credit(code: &str) -> Asset {
        Asset::Credit { code: code.parse().unwrap(), issuer: super::super::AccountId([7; 32]) }
    }

    #[test]
    fn offers_find_their_market_and_side() {
        let table = MarketTable::new(&[Market { base: Asset::Native, quote: credit("USDC") }]).unwrap();
        let xlm = table.asset(&Asset::Native).unwrap();
        let usdc = table.asset(&credit("USDC")).unwrap();
        assert_eq!(table.orientation(xlm, usdc), Some(Orientation { market: MarketId(0), side: Side::Ask }));
        assert_eq!(table.orientation(usdc, xlm), Some(Orientation { market: MarketId(0), side: Side::Bid }));
        assert_eq!(table.asset(&credit("EURC")), None);
    }

    #[test]
    fn a_market_named_twice_is_refused_in_either_orientation() {
        let market = Market { base: Asset::Native, quote: credit("USDC") };
        let turned = Market { base: market.quote, quote: market.base };
        for other in [market, turned] {
            assert!(matches!(MarketTable::new(&[market, other]), Err(MarketTableError::Twice(_))));
        }
        let same = Market { base: Asset::Native, quote: Asset::Native };
        assert!(matches!(MarketTable::new(&[same]), Err(MarketTableError::SameAsset(_))));
    }
}

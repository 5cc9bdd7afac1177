//! Which liquidity pool belongs to a pair of assets.

use crate::stellar::{Asset, AssetCode};
use sha2::{Digest, Sha256};

/// The fee of every constant-product pool, basis points (`LIQUIDITY_POOL_FEE_V18`).
pub const POOL_FEE_BP: u32 = 30;

/// The id of the constant-product pool of two assets, in either order: SHA-256 of its `LiquidityPoolParameters`.
#[must_use]
pub fn pool_id(one: &Asset, other: &Asset) -> [u8; 32] {
    const LIQUIDITY_POOL_CONSTANT_PRODUCT: [u8; 4] = [0; 4];
    let mut hasher = Sha256::new();
    hasher.update(LIQUIDITY_POOL_CONSTANT_PRODUCT);
    add_asset(&mut hasher, one.min(other));
    add_asset(&mut hasher, one.max(other));
    hasher.update(POOL_FEE_BP.to_be_bytes());
    hasher.finalize().into()
}

fn add_asset(hasher: &mut Sha256, asset: &Asset) {
    const PUBLIC_KEY_TYPE_ED25519: [u8; 4] = [0; 4];
    let (code, issuer) = match asset {
        Asset::Native => return hasher.update([0, 0, 0, 0]),
        Asset::Credit { code, issuer } => (code, issuer),
    };
    match code {
        AssetCode::Four(code) => {
            hasher.update([0, 0, 0, 1]);
            hasher.update(code);
        }
        AssetCode::Twelve(code) => {
            hasher.update([0, 0, 0, 2]);
            hasher.update(code);
        }
    }
    hasher.update(PUBLIC_KEY_TYPE_ED25519);
    hasher.update(issuer.0);
}

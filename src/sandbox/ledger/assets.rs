//! Assets as the ledger judges them.

use stellar_xdr::{
    AccountId, Asset, ChangeTrustAsset, Hash, LiquidityPoolConstantProductParameters, LiquidityPoolParameters, PoolId,
    TrustLineAsset, WriteXdr,
};

use crate::stellar::exchange::POOL_FEE_BPS;

use super::header::{sha256, xdr_bytes};

/// An asset's issuer; the native asset has none.
pub(crate) fn issuer(asset: &Asset) -> Option<&AccountId> {
    match asset {
        Asset::Native => None,
        Asset::CreditAlphanum4(credit) => Some(&credit.issuer),
        Asset::CreditAlphanum12(credit) => Some(&credit.issuer),
    }
}

/// Whether this account issues this asset.
pub(crate) fn is_issuer(account: &AccountId, asset: &Asset) -> bool {
    issuer(asset) == Some(account)
}

/// An asset as a trust line names it.
pub(crate) fn trust_line_asset(asset: &Asset) -> TrustLineAsset {
    match asset {
        Asset::Native => TrustLineAsset::Native,
        Asset::CreditAlphanum4(credit) => TrustLineAsset::CreditAlphanum4(credit.clone()),
        Asset::CreditAlphanum12(credit) => TrustLineAsset::CreditAlphanum12(credit.clone()),
    }
}

/// `isAssetValid`: a code is letters and digits, then zeros; one of up to four characters is never written as twelve.
pub(crate) fn is_valid(asset: &Asset) -> bool {
    match asset {
        Asset::Native => true,
        Asset::CreditAlphanum4(credit) => code_len(&credit.asset_code.0).is_some_and(|len| len > 0),
        Asset::CreditAlphanum12(credit) => code_len(&credit.asset_code.0).is_some_and(|len| len > 4),
    }
}

/// [`is_valid`] for what a trust line may be opened for.
pub(crate) fn is_valid_to_trust(asset: &ChangeTrustAsset, protocol: u32) -> bool {
    match asset {
        ChangeTrustAsset::Native => true,
        ChangeTrustAsset::CreditAlphanum4(credit) => is_valid(&Asset::CreditAlphanum4(credit.clone())),
        ChangeTrustAsset::CreditAlphanum12(credit) => is_valid(&Asset::CreditAlphanum12(credit.clone())),
        ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(pool)) => {
            protocol >= 18
                && is_valid(&pool.asset_a)
                && is_valid(&pool.asset_b)
                && pool.asset_a < pool.asset_b
                && u32::try_from(pool.fee) == Ok(POOL_FEE_BPS)
        }
    }
}

/// The length of a zero-padded code; `None` if it has other characters, or some after a zero.
fn code_len(code: &[u8]) -> Option<usize> {
    let len = code.iter().position(|&byte| byte == 0).unwrap_or(code.len());
    let (name, padding) = code.split_at(len);
    (name.iter().all(u8::is_ascii_alphanumeric) && padding.iter().all(|&byte| byte == 0)).then_some(len)
}

/// The pool of two assets, in either order.
pub(crate) fn pool_id(x: &Asset, y: &Asset) -> PoolId {
    let (a, b) = if x < y { (x, y) } else { (y, x) };
    pool_id_of(&LiquidityPoolConstantProductParameters {
        asset_a: a.clone(),
        asset_b: b.clone(),
        fee: i32::from(u8::try_from(POOL_FEE_BPS).unwrap_or(u8::MAX)),
    })
}

/// The pool with these parameters.
pub(crate) fn pool_id_of(parameters: &LiquidityPoolConstantProductParameters) -> PoolId {
    let parameters = LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters.clone());
    PoolId(hash_xdr(&parameters))
}

/// SHA-256 of a value's XDR.
pub(crate) fn hash_xdr(value: &impl WriteXdr) -> Hash {
    sha256(&xdr_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::{AlphaNum4, AlphaNum12, AssetCode4, AssetCode12, PublicKey, Uint256};

    #[test]
    fn codes_are_letters_and_digits_then_zeros() {
        let issuer = AccountId(PublicKey::PublicKeyTypeEd25519(Uint256([1; 32])));
        let four = |code: &[u8; 4]| {
            is_valid(&Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*code), issuer: issuer.clone() }))
        };
        assert!(four(b"USD\0") && four(b"a\0\0\0") && four(b"ABCD"));
        assert!(!four(b"\0\0\0\0") && !four(b"A\0B\0") && !four(b"A-\0\0") && !four(b"\xc3\xa4\0\0"));
        let twelve = |code: &[u8; 12]| {
            is_valid(&Asset::CreditAlphanum12(AlphaNum12 { asset_code: AssetCode12(*code), issuer: issuer.clone() }))
        };
        assert!(twelve(b"ABCDE\0\0\0\0\0\0\0") && twelve(b"ABCDEFGHIJKL"));
        assert!(!twelve(b"ABCD\0\0\0\0\0\0\0\0"));
    }
}

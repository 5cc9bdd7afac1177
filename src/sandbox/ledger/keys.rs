//! What entries are found by.

use core::hash::{Hash, Hasher};

use stellar_xdr::{
    AccountId, Asset, ClaimableBalanceId, LedgerEntry, LedgerEntryData, LedgerKey, PoolId, PublicKey, String64,
    TrustLineAsset,
};

/// What a classic entry is found by: [`LedgerKey`] without the arms that hold contracts, and an offer by its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Account(AccountId),
    TrustLine(AccountId, TrustLineAsset),
    Offer(i64),
    Data(AccountId, String64),
    Balance(ClaimableBalanceId),
    Pool(PoolId),
}

/// Public keys and hashes are as good as random: eight bytes of each are hash enough.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Account(account) => state.write_u64(account_bits(account)),
            Self::TrustLine(account, asset) => {
                state.write_u64(account_bits(account));
                state.write_u64(match asset {
                    TrustLineAsset::Native => 0,
                    TrustLineAsset::CreditAlphanum4(credit) => {
                        account_bits(&credit.issuer) ^ bits(&credit.asset_code.0)
                    }
                    TrustLineAsset::CreditAlphanum12(credit) => {
                        account_bits(&credit.issuer) ^ bits(&credit.asset_code.0)
                    }
                    TrustLineAsset::PoolShare(pool) => bits(&pool.0.0),
                });
            }
            Self::Offer(id) => state.write_i64(*id),
            Self::Data(account, name) => {
                state.write_u64(account_bits(account));
                state.write(name);
            }
            Self::Balance(ClaimableBalanceId::ClaimableBalanceIdTypeV0(hash)) => state.write_u64(bits(&hash.0)),
            Self::Pool(pool) => state.write_u64(bits(&pool.0.0)),
        }
    }
}

/// Up to eight bytes as a number.
fn bits(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
    }
}

fn account_bits(account: &AccountId) -> u64 {
    let PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    bits(&key.0)
}

impl Key {
    /// The key of an entry.
    pub(crate) fn of(entry: &LedgerEntry) -> Self {
        match &entry.data {
            LedgerEntryData::Account(account) => Self::Account(account.account_id.clone()),
            LedgerEntryData::Trustline(line) => Self::TrustLine(line.account_id.clone(), line.asset.clone()),
            LedgerEntryData::Offer(offer) => Self::Offer(offer.offer_id),
            LedgerEntryData::Data(data) => Self::Data(data.account_id.clone(), data.data_name.clone()),
            LedgerEntryData::ClaimableBalance(balance) => Self::Balance(balance.balance_id.clone()),
            LedgerEntryData::LiquidityPool(pool) => Self::Pool(pool.liquidity_pool_id.clone()),
            other => unreachable!("no classic entry: {}", other.name()),
        }
    }

    /// From the protocol's key; `None` for what only contracts have.
    pub(crate) fn from_ledger_key(key: &LedgerKey) -> Option<Self> {
        Some(match key {
            LedgerKey::Account(key) => Self::Account(key.account_id.clone()),
            LedgerKey::Trustline(key) => Self::TrustLine(key.account_id.clone(), key.asset.clone()),
            LedgerKey::Offer(key) => Self::Offer(key.offer_id),
            LedgerKey::Data(key) => Self::Data(key.account_id.clone(), key.data_name.clone()),
            LedgerKey::ClaimableBalance(key) => Self::Balance(key.balance_id.clone()),
            LedgerKey::LiquidityPool(key) => Self::Pool(key.liquidity_pool_id.clone()),
            _ => return None,
        })
    }

    /// The key of an account's line for an asset that is not native.
    pub(crate) fn line(account: &AccountId, asset: &Asset) -> Self {
        Self::TrustLine(account.clone(), super::assets::trust_line_asset(asset))
    }
}

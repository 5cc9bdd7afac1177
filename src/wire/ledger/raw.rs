//! What a ledger says, as it stands in its bytes.

use super::{Cursor, SkimError};
use crate::stellar::{AccountId, Asset, AssetCode, NetworkId, TxHash};
use sha2::{Digest, Sha256};

/// An asset's XDR (`Asset`: 4, 44 or 52 bytes), already checked. Compare these bytes, or turn them into an [`Asset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawAsset<'a>(&'a [u8]);

impl<'a> RawAsset<'a> {
    /// The XDR.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The asset.
    #[must_use]
    #[inline]
    pub fn to_asset(self) -> Asset {
        if let Ok(bytes) = <&[u8; 44]>::try_from(self.0) {
            let (mut code, mut issuer) = ([0; 4], [0; 32]);
            code.copy_from_slice(&bytes[4..8]);
            issuer.copy_from_slice(&bytes[12..44]);
            Asset::Credit { code: AssetCode::Four(code), issuer: AccountId(issuer) }
        } else if let Ok(bytes) = <&[u8; 52]>::try_from(self.0) {
            let (mut code, mut issuer) = ([0; 12], [0; 32]);
            code.copy_from_slice(&bytes[4..16]);
            issuer.copy_from_slice(&bytes[20..52]);
            Asset::Credit { code: AssetCode::Twelve(code), issuer: AccountId(issuer) }
        } else {
            Asset::Native
        }
    }
}

const ASSET_TYPE: &str = "AssetType";
const ALPHANUM4: i32 = 1;
const ALPHANUM12: i32 = 2;
const POOL_SHARE: i32 = 3;

impl<'a> Cursor<'a> {
    /// An account's key (`AccountID`: the only key type is Ed25519).
    #[inline]
    pub(super) fn account_id(&mut self) -> Result<&'a [u8; 32], SkimError> {
        self.zero("PublicKeyType")?;
        self.hash()
    }

    #[inline]
    pub(super) fn optional_account_id(&mut self) -> Result<(), SkimError> {
        if self.present()? {
            self.account_id()?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn asset(&mut self) -> Result<RawAsset<'a>, SkimError> {
        let start = self.mark();
        let kind = self.i32()?;
        self.asset_of(kind)?;
        Ok(RawAsset(self.since(start)))
    }

    /// A trustline's asset; `None` if it is a pool's share.
    #[inline(always)]
    pub(super) fn trust_line_asset(&mut self) -> Result<Option<RawAsset<'a>>, SkimError> {
        let start = self.mark();
        let kind = self.i32()?;
        if kind == POOL_SHARE {
            self.hash()?;
            return Ok(None);
        }
        self.asset_of(kind)?;
        Ok(Some(RawAsset(self.since(start))))
    }

    /// What follows an asset's discriminant.
    #[inline]
    fn asset_of(&mut self, kind: i32) -> Result<(), SkimError> {
        match kind {
            0 => return Ok(()),
            ALPHANUM4 => self.skip(4, "an asset code")?,
            ALPHANUM12 => self.skip(12, "an asset code")?,
            other => return Err(self.unknown(ASSET_TYPE, other)),
        }
        self.account_id()?;
        Ok(())
    }

    /// `ChangeTrustAsset`: an asset, or the parameters of a pool.
    pub(super) fn change_trust_asset(&mut self) -> Result<(), SkimError> {
        let kind = self.i32()?;
        if kind != POOL_SHARE {
            return self.asset_of(kind);
        }
        self.zero("LiquidityPoolType")?;
        self.pool_parameters().map(|_| ())
    }

    /// `LiquidityPoolConstantProductParameters`: two assets and a fee.
    pub(super) fn pool_parameters(&mut self) -> Result<(RawAsset<'a>, RawAsset<'a>, i32), SkimError> {
        Ok((self.asset()?, self.asset()?, self.i32()?))
    }

    /// `AllowTrustOp`'s asset: a code without its issuer.
    pub(super) fn asset_code(&mut self) -> Result<(), SkimError> {
        match self.i32()? {
            ALPHANUM4 => self.skip(4, "an asset code"),
            ALPHANUM12 => self.skip(12, "an asset code"),
            other => Err(self.unknown(ASSET_TYPE, other)),
        }
    }
}

/// A ledger's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerHeader<'a> {
    /// Its number.
    pub seq: u32,
    /// SHA-256 of the header, which the next ledger names as its previous.
    pub hash: &'a [u8; 32],
    /// The hash of the ledger before.
    pub previous_hash: &'a [u8; 32],
    /// Protocol version, after this ledger's upgrades.
    pub protocol: u32,
    /// Close time, seconds since 1970.
    pub close_time_s: u64,
    /// Base fee an operation, stroops.
    pub base_fee: u32,
    /// Base reserve, stroops.
    pub base_reserve: u32,
}

/// A transaction as it was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The account whose sequence number it consumes.
    pub source: &'a [u8; 32],
    /// The XDR of the (inner) `Transaction`, without its signatures.
    pub transaction: &'a [u8],
    /// Whether `transaction` is a `TransactionV0`, which lacks its source's key type.
    pub is_v0: bool,
    /// The fee bump around it, if it came in one.
    pub fee_bump: Option<FeeBump<'a>>,
}

/// A fee bump around a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeBump<'a> {
    /// The account that pays the fee.
    pub fee_source: &'a [u8; 32],
    /// The XDR of the `FeeBumpTransaction`, without its signatures.
    pub transaction: &'a [u8],
}

const ENVELOPE_TYPE_TX: [u8; 4] = [0, 0, 0, 2];
const ENVELOPE_TYPE_TX_FEE_BUMP: [u8; 4] = [0, 0, 0, 5];
const KEY_TYPE_ED25519: [u8; 4] = [0; 4];

impl Envelope<'_> {
    /// The (inner) transaction's hash: SHA-256 of its `TransactionSignaturePayload`. A `TransactionV0` hashes like the
    /// `Transaction` that says the same.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> TxHash {
        let key_type: &[u8] = if self.is_v0 { &KEY_TYPE_ED25519 } else { &[] };
        payload_hash(network, ENVELOPE_TYPE_TX, &[key_type, self.transaction])
    }

    /// The hash under which the ledger keeps it: the fee bump's, if there is one.
    #[must_use]
    pub fn outer_hash(&self, network: &NetworkId) -> TxHash {
        match &self.fee_bump {
            Some(fee_bump) => payload_hash(network, ENVELOPE_TYPE_TX_FEE_BUMP, &[fee_bump.transaction]),
            None => self.hash(network),
        }
    }
}

fn payload_hash(network: &NetworkId, envelope_type: [u8; 4], parts: &[&[u8]]) -> TxHash {
    let mut hasher = Sha256::new();
    hasher.update(network.0);
    hasher.update(envelope_type);
    for part in parts {
        hasher.update(part);
    }
    TxHash(hasher.finalize().into())
}

/// How a transaction ended (`TransactionResultCode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct TransactionResultCode(pub i32);

impl TransactionResultCode {
    /// `txFEE_BUMP_INNER_SUCCESS`.
    pub const FEE_BUMP_INNER_SUCCESS: Self = Self(1);
    /// `txSUCCESS`.
    pub const SUCCESS: Self = Self(0);
    /// `txFAILED`: one of its operations did.
    pub const FAILED: Self = Self(-1);
    /// `txFEE_BUMP_INNER_FAILED`.
    pub const FEE_BUMP_INNER_FAILED: Self = Self(-13);

    /// Whether the transaction was applied, by itself or in a fee bump.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }
}

/// A transaction's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionResult<'a> {
    /// The transaction's hash; of a fee bump, the outer one.
    pub hash: &'a [u8; 32],
    /// Stroops.
    pub fee_charged: i64,
    /// Its result; of a fee bump, the outer one.
    pub code: TransactionResultCode,
    /// Hash and result of the inner transaction, if this is a fee bump that got as far.
    pub inner: Option<(&'a [u8; 32], TransactionResultCode)>,
}

/// A claim atom: what one resting offer, or a pool, gave and got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawClaim<'a> {
    /// The resting offer's owner and id, or the pool.
    pub venue: RawVenue<'a>,
    /// What the resting side gave.
    pub sold: RawAsset<'a>,
    /// How much of it, stroops (zero occurs).
    pub amount_sold: i64,
    /// What the resting side got.
    pub bought: RawAsset<'a>,
    /// How much of it, stroops (zero occurs).
    pub amount_bought: i64,
}

/// What a claim atom took from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawVenue<'a> {
    /// A resting offer.
    Offer {
        /// Its owner.
        seller: &'a [u8; 32],
        /// Its id.
        id: i64,
    },
    /// A liquidity pool.
    Pool(&'a [u8; 32]),
}

/// An offer (`OfferEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawOffer<'a> {
    /// Its owner.
    pub seller: &'a [u8; 32],
    /// Its id.
    pub id: i64,
    /// What it gives.
    pub selling: RawAsset<'a>,
    /// What it wants.
    pub buying: RawAsset<'a>,
    /// How much it still gives, stroops.
    pub amount: i64,
    /// Numerator of its price: how much it wants for one of what it gives.
    pub price_n: i32,
    /// Denominator of its price.
    pub price_d: i32,
    /// `OfferEntryFlags`: 1 if passive.
    pub flags: u32,
}

/// An account (`AccountEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAccount<'a> {
    /// Its key.
    pub account: &'a [u8; 32],
    /// Lumens, stroops.
    pub balance: i64,
    /// Sequence number last consumed.
    pub sequence: i64,
    /// Subentries.
    pub subentries: u32,
    /// Lumens that its offers may yet bring.
    pub buying_liabilities: i64,
    /// Lumens that its offers have promised.
    pub selling_liabilities: i64,
    /// Reserves that others pay for it.
    pub sponsored: u32,
    /// Reserves that it pays for others.
    pub sponsoring: u32,
}

/// A trustline (`TrustLineEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTrustLine<'a> {
    /// Whose.
    pub account: &'a [u8; 32],
    /// Of which asset; `None` if of a pool's shares.
    pub asset: Option<RawAsset<'a>>,
    /// Balance.
    pub balance: i64,
    /// The most that it may hold.
    pub limit: i64,
    /// `TrustLineFlags`: 1 authorized, 2 authorized to maintain liabilities, 4 clawback enabled.
    pub flags: u32,
    /// What its offers may yet bring.
    pub buying_liabilities: i64,
    /// What its offers have promised.
    pub selling_liabilities: i64,
}

/// A constant-product pool (`LiquidityPoolEntry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPool<'a> {
    /// Its id.
    pub id: &'a [u8; 32],
    /// The lesser asset, in the protocol's order.
    pub asset_a: RawAsset<'a>,
    /// The greater asset.
    pub asset_b: RawAsset<'a>,
    /// Fee in basis points.
    pub fee_bp: i32,
    /// Reserve of the lesser asset.
    pub reserve_a: i64,
    /// Reserve of the greater asset.
    pub reserve_b: i64,
    /// Shares in all.
    pub total_shares: i64,
}

//! Those who sign transactions: a key, and how its transactions are built.

use crate::stellar::{AccountId, Asset, AssetCode, NetworkId, Price, Stroops};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use stellar_xdr::{
    AlphaNum4, AlphaNum12, AssetCode4, AssetCode12, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp,
    DecoratedSignature, FeeBumpTransactionInnerTx, LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp,
    LiquidityPoolParameters, ManageBuyOfferOp, ManageSellOfferOp, Memo, MuxedAccount, Operation, OperationBody,
    PathPaymentStrictSendOp, PaymentOp, PoolId, Preconditions, PublicKey, SequenceNumber, Signature, SignatureHint,
    Transaction, TransactionEnvelope, TransactionExt, TransactionV1Envelope, TrustLineAsset, Uint256, VecM,
};

/// The most operations of a transaction (`MAX_OPS_PER_TX`).
pub(crate) const MAX_OPERATIONS: usize = 100;

/// What every pool keeps of what it is paid, basis points.
const POOL_FEE_BP: i32 = 30;

/// An account whose key the world holds.
pub(crate) struct Actor {
    key: SigningKey,
    id: AccountId,
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Actor").field(&self.id.to_string()).finish()
    }
}

impl Actor {
    /// The owner of this key.
    pub(crate) fn new(key: SigningKey) -> Self {
        let id = AccountId(key.verifying_key().to_bytes());
        Self { key, id }
    }

    /// The actor with this number in this role. Keys are worth nothing outside of the sandbox: anyone who knows the
    /// seed has them.
    pub(crate) fn derive(seed: u64, role: &str, number: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"stellar sandbox actor");
        hash.update(seed.to_be_bytes());
        hash.update((number as u64).to_be_bytes());
        hash.update(role.as_bytes());
        Self::new(SigningKey::from_bytes(&hash.finalize().into()))
    }

    /// Its account.
    pub(crate) fn id(&self) -> AccountId {
        self.id
    }

    /// Adds its signature.
    pub(crate) fn sign(&self, network: NetworkId, unsigned: Transaction) -> Option<TransactionEnvelope> {
        with_signature(network, unsigned, self.id, |hash| self.key.sign(hash).to_bytes())
    }
}

/// A transaction with one signature, which `sign` makes of its hash. `None` if it cannot be written as XDR, which no
/// transaction of this room is.
pub(crate) fn with_signature(
    network: NetworkId,
    tx: Transaction,
    signer: AccountId,
    sign: impl FnOnce(&[u8; 32]) -> [u8; 64],
) -> Option<TransactionEnvelope> {
    let hash = tx.hash(network.0).ok()?;
    let [.., a, b, c, d] = signer.0;
    let signature = Signature(sign(&hash).to_vec().try_into().ok()?);
    let signatures = vec![DecoratedSignature { hint: SignatureHint([a, b, c, d]), signature }].try_into().ok()?;
    Some(TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures }))
}

/// A transaction of up to a hundred operations, all of the same source.
///
/// # Panics
/// If there are more.
pub(crate) fn transaction(
    source: AccountId,
    sequence: i64,
    fee_per_operation: u32,
    body: Vec<OperationBody>,
) -> Transaction {
    assert!(body.len() <= MAX_OPERATIONS, "{} operations in one transaction", body.len());
    let operations: Vec<Operation> = body.into_iter().map(|body| Operation { source_account: None, body }).collect();
    let count = u32::try_from(operations.len()).unwrap_or(u32::MAX);
    Transaction {
        source_account: MuxedAccount::Ed25519(Uint256(source.0)),
        fee: fee_per_operation.saturating_mul(count),
        seq_num: SequenceNumber(sequence),
        cond: Preconditions::None,
        memo: Memo::None,
        operations: VecM::try_from(operations).unwrap_or_default(),
        ext: TransactionExt::V0,
    }
}

/// How many operations an envelope carries.
pub(crate) fn operation_count(envelope: &TransactionEnvelope) -> usize {
    match envelope {
        TransactionEnvelope::TxV0(envelope) => envelope.tx.operations.len(),
        TransactionEnvelope::Tx(envelope) => envelope.tx.operations.len(),
        TransactionEnvelope::TxFeeBump(envelope) => {
            let FeeBumpTransactionInnerTx::Tx(inner) = &envelope.tx.inner_tx;
            inner.tx.operations.len() + 1
        }
    }
}

/// Whether an account is the source of a transaction or of one of its operations.
pub(crate) fn concerns(envelope: &TransactionEnvelope, account: AccountId) -> bool {
    let is = |source: &MuxedAccount| match source {
        MuxedAccount::Ed25519(key) => key.0 == account.0,
        MuxedAccount::MuxedEd25519(muxed) => muxed.ed25519.0 == account.0,
    };
    let any = |operations: &[Operation]| operations.iter().any(|one| one.source_account.as_ref().is_some_and(is));
    let v1 = |tx: &Transaction| is(&tx.source_account) || any(&tx.operations);
    match envelope {
        TransactionEnvelope::TxV0(envelope) => {
            envelope.tx.source_account_ed25519.0 == account.0 || any(&envelope.tx.operations)
        }
        TransactionEnvelope::Tx(envelope) => v1(&envelope.tx),
        TransactionEnvelope::TxFeeBump(envelope) => {
            let FeeBumpTransactionInnerTx::Tx(inner) = &envelope.tx.inner_tx;
            v1(&inner.tx)
        }
    }
}

/// A new account with so many lumens.
pub(crate) fn create_account(account: AccountId, starting_balance: Stroops) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp {
        destination: account_to_xdr(account),
        starting_balance: starting_balance.0,
    })
}

/// A trustline without a limit.
pub(crate) fn trust(asset: &Asset) -> OperationBody {
    let line = match asset_to_xdr(asset) {
        stellar_xdr::Asset::Native => ChangeTrustAsset::Native,
        stellar_xdr::Asset::CreditAlphanum4(credit) => ChangeTrustAsset::CreditAlphanum4(credit),
        stellar_xdr::Asset::CreditAlphanum12(credit) => ChangeTrustAsset::CreditAlphanum12(credit),
    };
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })
}

/// A payment.
pub(crate) fn pay(destination: AccountId, asset: &Asset, amount: Stroops) -> OperationBody {
    OperationBody::Payment(PaymentOp {
        destination: MuxedAccount::Ed25519(Uint256(destination.0)),
        asset: asset_to_xdr(asset),
        amount: amount.0,
    })
}

/// A trustline without a limit for the shares of the pool of two assets.
pub(crate) fn trust_pool(x: &Asset, y: &Asset) -> OperationBody {
    let line = ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(pool(x, y)));
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })
}

/// Puts lumens and a credit into their pool, at a price (credit for one XLM) between the two.
pub(crate) fn deposit(credit: &Asset, lumens: Stroops, credits: Stroops, prices: [Price; 2]) -> OperationBody {
    // The pool's price is of its first asset for one of the second.
    let [low, high] = prices.map(|price| price_to_xdr(price.inverse()));
    OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
        liquidity_pool_id: pool_id(&Asset::Native, credit),
        max_amount_a: lumens.0,
        max_amount_b: credits.0,
        min_price: high,
        max_price: low,
    })
}

/// The pool of two assets.
pub(crate) fn pool_id(x: &Asset, y: &Asset) -> PoolId {
    let (x, y) = (asset_to_xdr(x), asset_to_xdr(y));
    super::ledger::pool_id(&x, &y)
}

fn pool(x: &Asset, y: &Asset) -> LiquidityPoolConstantProductParameters {
    let (x, y) = (asset_to_xdr(x), asset_to_xdr(y));
    let (asset_a, asset_b) = if x < y { (x, y) } else { (y, x) };
    LiquidityPoolConstantProductParameters { asset_a, asset_b, fee: POOL_FEE_BP }
}

/// Sends so much of an asset to oneself, through another, if at least `back` of it comes back.
pub(crate) fn round_trip(
    account: AccountId,
    asset: &Asset,
    through: &Asset,
    amount: Stroops,
    back: Stroops,
) -> OperationBody {
    OperationBody::PathPaymentStrictSend(PathPaymentStrictSendOp {
        send_asset: asset_to_xdr(asset),
        send_amount: amount.0,
        destination: MuxedAccount::Ed25519(Uint256(account.0)),
        dest_asset: asset_to_xdr(asset),
        dest_min: back.0,
        path: vec![asset_to_xdr(through)].try_into().unwrap_or_default(),
    })
}

/// Sells base for quote at `price` (quote for one base), as a new offer (id 0) or in place of an old one.
pub(crate) fn ask(base: &Asset, quote: &Asset, amount: Stroops, price: Price, offer_id: i64) -> OperationBody {
    OperationBody::ManageSellOffer(ManageSellOfferOp {
        selling: asset_to_xdr(base),
        buying: asset_to_xdr(quote),
        amount: amount.0,
        price: price_to_xdr(price),
        offer_id,
    })
}

/// Buys base with quote at `price` (quote for one base).
pub(crate) fn bid(base: &Asset, quote: &Asset, amount: Stroops, price: Price, offer_id: i64) -> OperationBody {
    OperationBody::ManageBuyOffer(ManageBuyOfferOp {
        selling: asset_to_xdr(quote),
        buying: asset_to_xdr(base),
        buy_amount: amount.0,
        price: price_to_xdr(price),
        offer_id,
    })
}

pub(crate) fn account_to_xdr(account: AccountId) -> stellar_xdr::AccountId {
    stellar_xdr::AccountId(PublicKey::PublicKeyTypeEd25519(Uint256(account.0)))
}

pub(crate) fn asset_to_xdr(asset: &Asset) -> stellar_xdr::Asset {
    match asset {
        Asset::Native => stellar_xdr::Asset::Native,
        Asset::Credit { code: AssetCode::Four(code), issuer } => stellar_xdr::Asset::CreditAlphanum4(AlphaNum4 {
            asset_code: AssetCode4(*code),
            issuer: account_to_xdr(*issuer),
        }),
        Asset::Credit { code: AssetCode::Twelve(code), issuer } => stellar_xdr::Asset::CreditAlphanum12(AlphaNum12 {
            asset_code: AssetCode12(*code),
            issuer: account_to_xdr(*issuer),
        }),
    }
}

/// The asset as a trustline names it.
pub(crate) fn line_to_xdr(asset: &Asset) -> TrustLineAsset {
    match asset_to_xdr(asset) {
        stellar_xdr::Asset::Native => TrustLineAsset::Native,
        stellar_xdr::Asset::CreditAlphanum4(credit) => TrustLineAsset::CreditAlphanum4(credit),
        stellar_xdr::Asset::CreditAlphanum12(credit) => TrustLineAsset::CreditAlphanum12(credit),
    }
}

fn price_to_xdr(price: Price) -> stellar_xdr::Price {
    stellar_xdr::Price { n: price.n(), d: price.d() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stellar::STANDALONE_PASSPHRASE;

    #[test]
    fn actors_come_from_the_seed_the_role_and_the_number() {
        let id = |seed, role, number| Actor::derive(seed, role, number).id();
        assert_eq!(id(1, "maker", 0), id(1, "maker", 0));
        for other in [id(2, "maker", 0), id(1, "taker", 0), id(1, "maker", 1)] {
            assert_ne!(id(1, "maker", 0), other);
        }
    }

    #[test]
    fn a_signature_is_of_the_hash_and_hints_at_the_key() {
        let network = NetworkId::from_passphrase(STANDALONE_PASSPHRASE);
        let actor = Actor::derive(1, "maker", 0);
        let tx = transaction(actor.id(), 7, 100, vec![trust(&Asset::Native), trust(&Asset::Native)]);
        assert_eq!(tx.fee, 200);
        let hash = tx.hash(network.0).unwrap();
        let Some(TransactionEnvelope::Tx(envelope)) = actor.sign(network, tx) else { panic!("not signed") };
        let signature = &envelope.signatures[0];
        assert_eq!(signature.hint.0, actor.id().0[28..]);
        let signature = ed25519_dalek::Signature::from_slice(&signature.signature.0).unwrap();
        assert!(actor.key.verifying_key().verify_strict(&hash, &signature).is_ok());
    }
}

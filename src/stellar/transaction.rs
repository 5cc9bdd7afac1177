//! Transactions as bytes, written into one buffer without an allocation.
//!
//! The buffer holds `network id · envelope type · transaction · signatures`, so that the signature payload
//! (`TransactionSignaturePayload`, the first three) and the envelope (`TransactionEnvelope`, the last three) are both
//! slices of it. XDR definitions: `Stellar-transaction.x`.

use super::{AccountId, Asset, AssetCode, LedgerSeq, NetworkId, OfferId, Price, SequenceNumber, Stroops, TxHash};
use sha2::{Digest, Sha256};

/// The most operations that a transaction may have (`MAX_OPS_PER_TX`).
pub const MAX_OPERATIONS: usize = 100;

/// The most bytes that [`TransactionWriter`] ever needs: header, 100 offer operations on two twelve-letter assets, one
/// signature.
pub const MAX_TRANSACTION_BYTES: usize = 256 + MAX_OPERATIONS * 148;

const ENVELOPE_TYPE_TX: u32 = 2;
const PRECONDITIONS_V2: u32 = 2;
const MANAGE_SELL_OFFER: u32 = 3;

/// What stands before a transaction's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionHeader {
    /// Whose sequence number it consumes, and who pays the fee.
    pub source: AccountId,
    /// The most that it may cost in all, stroops.
    pub fee: u32,
    /// The number that it consumes.
    pub sequence: SequenceNumber,
    /// The first ledger in which it can no longer apply (`ledgerBounds.maxLedger`).
    pub max_ledger: LedgerSeq,
}

/// A sell offer to be made, changed (`id` not zero) or deleted (`amount` zero).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManageSellOffer {
    /// What it sells.
    pub selling: Asset,
    /// What it buys.
    pub buying: Asset,
    /// How much it sells; zero deletes.
    pub amount: Stroops,
    /// Units bought for one sold.
    pub price: Price,
    /// Which offer; zero makes a new one.
    pub id: OfferId,
}

/// Writes one transaction after another into the same buffer.
#[derive(Debug)]
pub struct TransactionWriter {
    bytes: Box<[u8]>,
    len: usize,
    operations: u32,
    operations_at: usize,
}

/// A transaction that is complete but for its signature.
#[derive(Debug)]
pub struct Unsigned<'w> {
    writer: &'w mut TransactionWriter,
    hash: TxHash,
}

impl TransactionWriter {
    /// A writer for transactions of this network.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        let mut bytes = vec![0; MAX_TRANSACTION_BYTES].into_boxed_slice();
        bytes[..32].copy_from_slice(&network.0);
        bytes[32..36].copy_from_slice(&ENVELOPE_TYPE_TX.to_be_bytes());
        Self { bytes, len: 36, operations: 0, operations_at: 36 }
    }

    /// Begins a transaction; what was in the buffer is gone.
    pub fn begin(&mut self, header: &TransactionHeader) {
        self.len = 36;
        self.operations = 0;
        self.u32(0); // KEY_TYPE_ED25519
        self.put(&header.source.0);
        self.u32(header.fee);
        self.put(&header.sequence.0.to_be_bytes());
        self.u32(PRECONDITIONS_V2);
        self.u32(0); // no time bounds
        self.u32(1); // ledger bounds
        self.u32(0); // from any ledger
        self.u32(header.max_ledger.0);
        self.u32(0); // no minimum sequence number
        self.put(&0_u64.to_be_bytes()); // no minimum sequence age
        self.u32(0); // no minimum sequence ledger gap
        self.u32(0); // no extra signers
        self.u32(0); // no memo
        self.operations_at = self.len;
        self.u32(0);
    }

    /// Adds an operation of the transaction's source.
    ///
    /// # Panics
    /// Past [`MAX_OPERATIONS`], which the caller keeps to.
    pub fn manage_sell_offer(&mut self, offer: &ManageSellOffer) {
        assert!((self.operations as usize) < MAX_OPERATIONS, "a transaction has at most {MAX_OPERATIONS} operations");
        self.operations += 1;
        self.u32(0); // the transaction's source
        self.u32(MANAGE_SELL_OFFER);
        self.asset(&offer.selling);
        self.asset(&offer.buying);
        self.put(&offer.amount.0.to_be_bytes());
        self.put(&offer.price.n().to_be_bytes());
        self.put(&offer.price.d().to_be_bytes());
        self.put(&offer.id.0.to_be_bytes());
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u32 {
        self.operations
    }

    /// Completes the transaction and hashes it.
    ///
    /// # Panics
    /// If it has no operation.
    pub fn finish(&mut self) -> Unsigned<'_> {
        assert!(self.operations > 0, "a transaction has at least one operation");
        self.bytes[self.operations_at..self.operations_at + 4].copy_from_slice(&self.operations.to_be_bytes());
        self.u32(0); // ext
        let hash = TxHash(Sha256::digest(&self.bytes[..self.len]).into());
        Unsigned { writer: self, hash }
    }

    fn asset(&mut self, asset: &Asset) {
        match asset {
            Asset::Native => self.u32(0),
            Asset::Credit { code: AssetCode::Four(code), issuer } => {
                self.u32(1);
                self.put(code);
                self.account(issuer);
            }
            Asset::Credit { code: AssetCode::Twelve(code), issuer } => {
                self.u32(2);
                self.put(code);
                self.account(issuer);
            }
        }
    }

    fn account(&mut self, account: &AccountId) {
        self.u32(0); // PUBLIC_KEY_TYPE_ED25519
        self.put(&account.0);
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl<'w> Unsigned<'w> {
    /// What is to be signed, and by what the transaction is known.
    #[must_use]
    pub fn hash(&self) -> TxHash {
        self.hash
    }

    /// The signature payload, whose SHA-256 is [`hash`](Self::hash).
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.writer.bytes[..self.writer.len]
    }

    /// Attaches the one signature; returns the envelope.
    #[must_use]
    pub fn sign(self, signer: &AccountId, signature: &[u8; 64]) -> &'w [u8] {
        let writer = self.writer;
        writer.u32(1); // signatures
        writer.put(&signer.0[28..]); // hint
        writer.u32(64);
        writer.put(signature);
        &writer.bytes[32..writer.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stellar_xdr::{Limits, ReadXdr, TransactionEnvelope, WriteXdr};

    fn asset() -> impl Strategy<Value = Asset> {
        let issuer = any::<[u8; 32]>().prop_map(AccountId);
        prop_oneof![
            Just(Asset::Native),
            ("[A-Z]{1,12}", issuer).prop_map(|(code, issuer)| Asset::Credit { code: code.parse().unwrap(), issuer }),
        ]
    }

    prop_compose! {
        fn offer()(
            selling in asset(), buying in asset(), amount in 0..=i64::MAX,
            n in 1..=i32::MAX, d in 1..=i32::MAX, id in 0..=i64::MAX,
        ) -> ManageSellOffer {
            ManageSellOffer {
                selling, buying, amount: Stroops(amount), price: Price::new(n, d).unwrap(), id: OfferId(id),
            }
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_stellar_xdr(
            offers in prop::collection::vec(offer(), 1..=MAX_OPERATIONS),
            source in any::<[u8; 32]>(), fee in any::<u32>(), sequence in 1..=i64::MAX, max_ledger in any::<u32>(),
            signature in any::<[u8; 32]>(),
        ) {
            let network = NetworkId::from_passphrase("a network");
            let header = TransactionHeader {
                source: AccountId(source), fee, sequence: SequenceNumber(sequence), max_ledger: LedgerSeq(max_ledger),
            };
            let mut writer = TransactionWriter::new(network);
            for _again in 0..2 {
                writer.begin(&header);
                offers.iter().for_each(|offer| writer.manage_sell_offer(offer));
                let unsigned = writer.finish();
                let hash = unsigned.hash();
                let signature: [u8; 64] = core::array::from_fn(|i| signature[i % 32]);
                let envelope = unsigned.sign(&header.source, &signature);
                let decoded = TransactionEnvelope::from_xdr(envelope, Limits::none()).unwrap();
                prop_assert_eq!(decoded.to_xdr(Limits::none()).unwrap(), envelope);
                let TransactionEnvelope::Tx(decoded) = decoded else { panic!("not a v1 envelope") };
                prop_assert_eq!(decoded.tx.hash(network.0).unwrap(), hash.0);
                prop_assert_eq!(decoded.tx.seq_num.0, sequence);
                prop_assert_eq!(decoded.tx.operations.len(), offers.len());
                prop_assert_eq!(&decoded.signatures[0].signature.0[..], &signature[..]);
                for (operation, offer) in decoded.tx.operations.iter().zip(&offers) {
                    let stellar_xdr::OperationBody::ManageSellOffer(body) = &operation.body else { panic!() };
                    prop_assert_eq!(body.amount, offer.amount.0);
                    prop_assert_eq!((body.price.n, body.price.d), (offer.price.n(), offer.price.d()));
                    prop_assert_eq!(body.offer_id, offer.id.0);
                }
            }
        }
    }
}

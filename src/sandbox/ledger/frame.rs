//! A transaction envelope with what is derived from it once: its hashes, its source, its fee.

use core::cell::RefCell;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use stellar_xdr::{
    AccountId, DecoratedSignature, EnvelopeType, FeeBumpTransaction, FeeBumpTransactionInnerTx, Hash, MuxedAccount,
    Operation, OperationBody, Preconditions, PreconditionsV2, PublicKey, SequenceNumber, Transaction,
    TransactionEnvelope, TransactionExt, TransactionV0Envelope, TransactionV1Envelope, WriteXdr,
};

use super::header::{sha256, xdr_bytes};
use super::signatures::Verified;

/// A transaction as the ledger works with it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Shared by the queue and the set that are made of the frame: envelopes are large.
    envelope: Arc<TransactionEnvelope>,
    /// Whether it came in the form of before protocol 13.
    pub(crate) was_v0: bool,
    /// What is signed: of the fee bump if it is one.
    pub(crate) hash: Hash,
    /// What is signed of the inner transaction; the same as `hash` if there is no fee bump.
    pub(crate) inner_hash: Hash,
    /// Of the whole envelope with its signatures.
    pub(crate) full_hash: Hash,
    /// Signatures that were verified already, of the envelope and of the inner transaction.
    pub(crate) verified: RefCell<Verified>,
    pub(crate) inner_verified: RefCell<Verified>,
}

impl Frame {
    pub(crate) fn new(envelope: TransactionEnvelope, network_id: &[u8; 32]) -> Self {
        let (envelope, was_v0) = match envelope {
            TransactionEnvelope::TxV0(v0) => (TransactionEnvelope::Tx(from_v0(v0)), true),
            other => (other, false),
        };
        let (hash, inner_hash) = match &envelope {
            TransactionEnvelope::TxFeeBump(bump) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
                (
                    payload_hash(network_id, EnvelopeType::TxFeeBump, &bump.tx),
                    payload_hash(network_id, EnvelopeType::Tx, &inner.tx),
                )
            }
            TransactionEnvelope::Tx(v1) => {
                let hash = payload_hash(network_id, EnvelopeType::Tx, &v1.tx);
                (hash.clone(), hash)
            }
            TransactionEnvelope::TxV0(_) => unreachable!("converted above"),
        };
        let full_hash = sha256(&xdr_bytes(&envelope));
        Self {
            envelope: Arc::new(envelope),
            was_v0,
            hash,
            inner_hash,
            full_hash,
            verified: RefCell::default(),
            inner_verified: RefCell::default(),
        }
    }

    /// The full hash that the transaction itself has outside of its fee bump.
    pub(crate) fn inner_full_hash(&self) -> Hash {
        sha256(&xdr_bytes(&TransactionEnvelope::Tx(self.inner().clone())))
    }

    pub(crate) fn envelope(&self) -> &TransactionEnvelope {
        &self.envelope
    }

    /// The fee bump around the transaction, if there is one.
    pub(crate) fn fee_bump(&self) -> Option<&FeeBumpTransaction> {
        match self.envelope() {
            TransactionEnvelope::TxFeeBump(bump) => Some(&bump.tx),
            _ => None,
        }
    }

    fn inner(&self) -> &TransactionV1Envelope {
        match self.envelope() {
            TransactionEnvelope::Tx(v1) => v1,
            TransactionEnvelope::TxFeeBump(bump) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
                inner
            }
            TransactionEnvelope::TxV0(_) => unreachable!("converted when the frame was made"),
        }
    }

    /// The transaction itself, inside of a fee bump if there is one.
    pub(crate) fn tx(&self) -> &Transaction {
        &self.inner().tx
    }

    /// Signatures of the transaction itself.
    pub(crate) fn inner_signatures(&self) -> &[DecoratedSignature] {
        &self.inner().signatures
    }

    /// Signatures of the envelope.
    pub(crate) fn signatures(&self) -> &[DecoratedSignature] {
        match self.envelope() {
            TransactionEnvelope::TxFeeBump(bump) => &bump.signatures,
            _ => self.inner_signatures(),
        }
    }

    pub(crate) fn source(&self) -> AccountId {
        account_of(&self.tx().source_account)
    }

    /// Who pays the fee.
    pub(crate) fn fee_source(&self) -> AccountId {
        self.fee_bump().map_or_else(|| self.source(), |bump| account_of(&bump.fee_source))
    }

    pub(crate) fn sequence(&self) -> i64 {
        let SequenceNumber(sequence) = self.tx().seq_num;
        sequence
    }

    /// Whether it has the sequence number with which accounts begin that are created in this ledger: it cannot be in it.
    pub(crate) fn is_first_of(&self, ledger_seq: u32) -> bool {
        self.sequence() == i64::from(ledger_seq) << 32
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        &self.tx().operations
    }

    /// The source of an operation.
    pub(crate) fn operation_source(&self, operation: &Operation) -> AccountId {
        account_of(operation.source_account.as_ref().unwrap_or(&self.tx().source_account))
    }

    /// Operations as fees count them: a fee bump is one more.
    pub(crate) fn num_operations(&self) -> i64 {
        self.num_inner_operations() + i64::from(self.fee_bump().is_some())
    }

    pub(crate) fn num_inner_operations(&self) -> i64 {
        i64::try_from(self.operations().len()).unwrap_or(i64::MAX)
    }

    /// The most that may be charged.
    pub(crate) fn fee_bid(&self) -> i64 {
        self.fee_bump().map_or_else(|| self.inner_fee_bid(), |bump| bump.fee)
    }

    pub(crate) fn inner_fee_bid(&self) -> i64 {
        i64::from(self.tx().fee)
    }

    /// Preconditions beyond time bounds.
    pub(crate) fn preconditions(&self) -> Option<&PreconditionsV2> {
        match &self.tx().cond {
            Preconditions::V2(v2) => Some(v2),
            _ => None,
        }
    }

    /// The close times between which it may apply; zero is no bound.
    pub(crate) fn time_bounds(&self) -> (u64, u64) {
        let bounds = match &self.tx().cond {
            Preconditions::None => None,
            Preconditions::Time(bounds) => Some(bounds),
            Preconditions::V2(v2) => v2.time_bounds.as_ref(),
        };
        bounds.map_or((0, 0), |bounds| (bounds.min_time.0, bounds.max_time.0))
    }

    /// Whether it is for the contract engine, which this ledger does not have: its first operation says so.
    pub(crate) fn is_of_contracts(&self) -> bool {
        self.operations().first().is_some_and(is_contract_operation)
    }

    /// Whether it has an operation for the contract engine beside others, which may not be.
    pub(crate) fn mixes_contracts(&self) -> bool {
        self.operations().len() > 1 && self.operations().iter().any(is_contract_operation)
    }

    /// Whether it competes for the exchange's lane: cancelling an offer does not.
    pub(crate) fn is_dex(&self) -> bool {
        self.operations().iter().any(|operation| match &operation.body {
            OperationBody::ManageSellOffer(offer) => offer.amount != 0,
            OperationBody::ManageBuyOffer(offer) => offer.buy_amount != 0,
            OperationBody::CreatePassiveSellOffer(offer) => offer.amount != 0,
            OperationBody::PathPaymentStrictReceive(payment) => {
                !payment.path.is_empty() || payment.send_asset != payment.dest_asset
            }
            OperationBody::PathPaymentStrictSend(payment) => {
                !payment.path.is_empty() || payment.send_asset != payment.dest_asset
            }
            _ => false,
        })
    }
}

fn is_contract_operation(operation: &Operation) -> bool {
    matches!(
        operation.body,
        OperationBody::InvokeHostFunction(_)
            | OperationBody::ExtendFootprintTtl(_)
            | OperationBody::RestoreFootprint(_)
    )
}

/// The account of a plain or multiplexed address.
pub(crate) fn account_of(address: &MuxedAccount) -> AccountId {
    let key = match address {
        MuxedAccount::Ed25519(key) => key,
        MuxedAccount::MuxedEd25519(muxed) => &muxed.ed25519,
    };
    AccountId(PublicKey::PublicKeyTypeEd25519(key.clone()))
}

fn payload_hash(network_id: &[u8; 32], kind: EnvelopeType, tx: &impl WriteXdr) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(network_id);
    hasher.update((kind as i32).to_be_bytes());
    hasher.update(xdr_bytes(tx));
    Hash(hasher.finalize().into())
}

/// What stellar-core does with an envelope of the old form since protocol 13 (`convertForV13`).
fn from_v0(v0: TransactionV0Envelope) -> TransactionV1Envelope {
    TransactionV1Envelope {
        tx: Transaction {
            source_account: MuxedAccount::Ed25519(v0.tx.source_account_ed25519),
            fee: v0.tx.fee,
            seq_num: v0.tx.seq_num,
            cond: v0.tx.time_bounds.map_or(Preconditions::None, Preconditions::Time),
            memo: v0.tx.memo,
            operations: v0.tx.operations,
            ext: TransactionExt::V0,
        },
        signatures: v0.signatures,
    }
}

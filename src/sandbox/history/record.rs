//! A closed ledger as the faces look back on it.

use super::toid::Toid;
use stellar_xdr::{
    AccountId, FeeBumpTransactionInnerTx, Hash, LedgerEntryChanges, LedgerHeaderHistoryEntry, MuxedAccount, Operation,
    OperationResult, TransactionEnvelope, TransactionMeta, TransactionResult, TransactionResultResult,
};

/// A closed ledger.
#[derive(Clone, Debug)]
pub(crate) struct LedgerRecord {
    /// Its header, and the header's hash.
    pub(crate) header: LedgerHeaderHistoryEntry,
    /// The whole `LedgerCloseMeta` in XDR, as it was streamed.
    pub(crate) meta: Vec<u8>,
    /// Its transactions, in the order of application.
    pub(crate) transactions: Vec<TransactionRecord>,
}

impl LedgerRecord {
    /// Its number.
    pub(crate) fn seq(&self) -> u32 {
        self.header.header.ledger_seq
    }

    /// Close time, seconds since 1970.
    pub(crate) fn closed_at_s(&self) -> u64 {
        self.header.header.scp_value.close_time.0
    }
}

/// A transaction that a ledger applied, or that failed in it.
#[derive(Clone, Debug)]
pub(crate) struct TransactionRecord {
    /// Its place.
    pub(crate) id: Toid,
    /// Its hash: of the fee bump if it is one.
    pub(crate) hash: Hash,
    /// The hash of the transaction inside of a fee bump.
    pub(crate) inner_hash: Option<Hash>,
    pub(crate) envelope: TransactionEnvelope,
    pub(crate) result: TransactionResult,
    /// What charging the fee changed.
    pub(crate) fee_changes: LedgerEntryChanges,
    pub(crate) meta: TransactionMeta,
}

impl TransactionRecord {
    /// Whether it was applied.
    pub(crate) fn succeeded(&self) -> bool {
        matches!(
            self.result.result,
            TransactionResultResult::TxSuccess(_) | TransactionResultResult::TxFeeBumpInnerSuccess(_)
        )
    }

    /// Its operations.
    pub(crate) fn operations(&self) -> &[Operation] {
        match &self.envelope {
            TransactionEnvelope::TxV0(v0) => &v0.tx.operations,
            TransactionEnvelope::Tx(v1) => &v1.tx.operations,
            TransactionEnvelope::TxFeeBump(bump) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
                &inner.tx.operations
            }
        }
    }

    /// Its operation at this place.
    pub(crate) fn operation_at(&self, place: Toid) -> Option<&Operation> {
        self.operations().get(place.operation_index()?)
    }

    /// The results of its operations; empty if it failed before they were tried.
    pub(crate) fn operation_results(&self) -> &[OperationResult] {
        use stellar_xdr::InnerTransactionResultResult as Inner;
        match &self.result.result {
            TransactionResultResult::TxSuccess(results) | TransactionResultResult::TxFailed(results) => results,
            TransactionResultResult::TxFeeBumpInnerSuccess(pair)
            | TransactionResultResult::TxFeeBumpInnerFailed(pair) => match &pair.result.result {
                Inner::TxSuccess(results) | Inner::TxFailed(results) => results,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// What its operation of this index (from 0) changed; empty if the transaction failed.
    pub(crate) fn operation_changes(&self, index: usize) -> &[stellar_xdr::LedgerEntryChange] {
        let changes = match &self.meta {
            TransactionMeta::V0(operations) => operations.get(index).map(|of| &of.changes),
            TransactionMeta::V1(meta) => meta.operations.get(index).map(|of| &of.changes),
            TransactionMeta::V2(meta) => meta.operations.get(index).map(|of| &of.changes),
            TransactionMeta::V3(meta) => meta.operations.get(index).map(|of| &of.changes),
            TransactionMeta::V4(meta) => meta.operations.get(index).map(|of| &of.changes),
        };
        changes.map_or(&[], |changes| &changes.0)
    }

    /// The address that is the source of the transaction itself.
    pub(crate) fn source(&self) -> MuxedAccount {
        match &self.envelope {
            TransactionEnvelope::TxV0(v0) => MuxedAccount::Ed25519(v0.tx.source_account_ed25519.clone()),
            TransactionEnvelope::Tx(v1) => v1.tx.source_account.clone(),
            TransactionEnvelope::TxFeeBump(bump) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = &bump.tx.inner_tx;
                inner.tx.source_account.clone()
            }
        }
    }

    /// The address that pays its fee.
    pub(crate) fn fee_source(&self) -> MuxedAccount {
        match &self.envelope {
            TransactionEnvelope::TxFeeBump(bump) => bump.tx.fee_source.clone(),
            _ => self.source(),
        }
    }

    /// The place of its operation of this index (from 0).
    pub(crate) fn operation_id(&self, index: usize) -> Toid {
        self.id.at(u32::try_from(index + 1).unwrap_or(u32::MAX))
    }

    /// The source of its operation of this index (from 0).
    pub(crate) fn operation_source(&self, index: usize) -> MuxedAccount {
        let own = self.operations().get(index).and_then(|operation| operation.source_account.clone());
        own.unwrap_or_else(|| self.source())
    }
}

/// The account of a plain or multiplexed address.
pub(crate) fn account_of(address: &MuxedAccount) -> AccountId {
    crate::sandbox::ledger::account_of(address)
}

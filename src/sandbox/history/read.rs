//! From the metadata of a ledger to what is kept of it.

use super::record::{LedgerRecord, TransactionRecord};
use super::toid::Toid;
use crate::sandbox::ledger::{SetTransaction, transactions_of};
use crate::stellar::NetworkId;
use rustc_hash::FxHashMap;
use stellar_xdr::{Hash, LedgerCloseMeta, LedgerEntryChanges, TransactionMeta, TransactionResultPair};

/// What a ledger's metadata says of one transaction.
struct Processed<'m> {
    result: &'m TransactionResultPair,
    fee_changes: &'m LedgerEntryChanges,
    meta: &'m TransactionMeta,
}

/// Reads a ledger's metadata; `xdr` is the same in XDR.
///
/// # Panics
/// If it has a result of a transaction that is not in its set.
pub(super) fn read(meta: &LedgerCloseMeta, xdr: Vec<u8>, network: NetworkId) -> LedgerRecord {
    let processed: Vec<Processed<'_>> = match meta {
        LedgerCloseMeta::V0(meta) => meta.tx_processing.iter().map(Into::into).collect(),
        LedgerCloseMeta::V1(meta) => meta.tx_processing.iter().map(Into::into).collect(),
        LedgerCloseMeta::V2(meta) => meta.tx_processing.iter().map(Into::into).collect(),
    };
    let header = match meta {
        LedgerCloseMeta::V0(meta) => &meta.ledger_header,
        LedgerCloseMeta::V1(meta) => &meta.ledger_header,
        LedgerCloseMeta::V2(meta) => &meta.ledger_header,
    };
    let mut set: FxHashMap<Hash, SetTransaction> =
        transactions_of(meta, &network.0).into_iter().map(|tx| (tx.hash.clone(), tx)).collect();
    let seq = header.header.ledger_seq;
    let transactions = processed.into_iter().zip(1..).map(|(done, place)| {
        let hash = &done.result.transaction_hash;
        let Some(SetTransaction { hash, inner_hash, envelope }) = set.remove(hash) else {
            unreachable!("ledger {seq} has a result of a transaction that is not in its set: {hash}")
        };
        TransactionRecord {
            id: Toid::new(seq, place, 0),
            hash,
            inner_hash,
            envelope,
            result: done.result.result.clone(),
            fee_changes: done.fee_changes.clone(),
            meta: done.meta.clone(),
        }
    });
    LedgerRecord { header: header.clone(), transactions: transactions.collect(), meta: xdr }
}

impl<'m> From<&'m stellar_xdr::TransactionResultMeta> for Processed<'m> {
    fn from(of: &'m stellar_xdr::TransactionResultMeta) -> Self {
        Self { result: &of.result, fee_changes: &of.fee_processing, meta: &of.tx_apply_processing }
    }
}

impl<'m> From<&'m stellar_xdr::TransactionResultMetaV1> for Processed<'m> {
    fn from(of: &'m stellar_xdr::TransactionResultMetaV1) -> Self {
        Self { result: &of.result, fee_changes: &of.fee_processing, meta: &of.tx_apply_processing }
    }
}

//! Closing a ledger: fees, transactions, upgrades, and the record of it all (`LedgerManagerImpl::closeLedger`).

use stellar_xdr::{
    ExtensionPoint, GeneralizedTransactionSet, LedgerCloseMeta, LedgerCloseMetaExt, LedgerCloseMetaV0,
    LedgerCloseMetaV1, LedgerCloseMetaV2, LedgerEntryChanges, LedgerUpgrade, Limits, OperationMeta, OperationMetaV2,
    ReadXdr, StellarValue, TransactionMeta, TransactionMetaV2, TransactionMetaV3, TransactionMetaV4,
    TransactionResultMeta, TransactionResultMetaV1, UpgradeEntryMeta,
};

use super::apply::{self, Environment, Outcome};
use super::header::{header_hash, history_entry, update_skip_list, vec_m, xdr_bytes};
use super::store::Store;
use super::tx_set::{Priced, TxSet, results_hash};
use super::upgrades;

/// The first protocol whose ledgers have the meta's version 1, and 2.
const META_V1_FROM: u32 = 20;
const META_V2_FROM: u32 = 23;

/// A transaction as a ledger applied it.
#[derive(Clone, Debug)]
pub(crate) struct Transacted {
    pub(crate) fee_changes: LedgerEntryChanges,
    pub(crate) outcome: Outcome,
}

/// All that a ledger did.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) transactions: Vec<Transacted>,
    pub(crate) upgrades: Vec<UpgradeEntryMeta>,
}

/// Applies a ledger: `transactions` in the order in which they apply. The header afterwards lacks only its bucket list
/// hash and skip list, which [`seal`] adds.
pub(crate) fn apply_ledger(store: &mut Store, scp_value: StellarValue, transactions: &[Priced]) -> Applied {
    let header = &mut store.header;
    header.previous_ledger_hash = header_hash(header);
    header.ledger_seq += 1;
    header.scp_value = scp_value;

    let mut environment = Environment::default();
    let mut charged = Vec::with_capacity(transactions.len());
    for priced in transactions {
        charged.push(apply::charge(store, &priced.frame, priced.base_fee));
        let max = environment.max_sequences.entry(priced.frame.source()).or_insert(i64::MIN);
        *max = priced.frame.sequence().max(*max);
    }
    let mut done = Vec::with_capacity(transactions.len());
    for (priced, (charged, fee_changes)) in transactions.iter().zip(charged) {
        let outcome = apply::apply(store, &environment, &priced.frame, charged);
        done.push(Transacted { fee_changes, outcome });
    }
    store.header.tx_set_result_hash = results_hash(done.iter().map(|transacted| &transacted.outcome.result));
    Applied { transactions: done, upgrades: apply_upgrades(store) }
}

/// Applies the upgrades that the header's value carries. What cannot be read or applied changes nothing.
fn apply_upgrades(store: &mut Store) -> Vec<UpgradeEntryMeta> {
    let mut done = Vec::new();
    for encoded in store.header.scp_value.upgrades.to_vec() {
        let Ok(upgrade) = LedgerUpgrade::from_xdr(&encoded.0, Limits::none()) else { continue };
        let header = store.header.clone();
        store.begin();
        match upgrades::apply(store, &upgrade) {
            Ok(()) => {
                let changes = store.commit_with_changes();
                done.push(UpgradeEntryMeta { upgrade, changes });
            }
            Err(stop) => {
                tracing::warn!(?upgrade, ?stop, "an upgrade could not be applied");
                store.rollback();
                store.header = header;
            }
        }
    }
    done
}

/// Completes the header with its bucket list hash.
pub(crate) fn seal(store: &mut Store, bucket_list_hash: stellar_xdr::Hash) {
    store.header.bucket_list_hash = bucket_list_hash;
    update_skip_list(&mut store.header);
}

/// The bucket list hash of a ledger that keeps no bucket list: a chain over headers and results, so that two ledgers with
/// the same history share it and others do not. It is not what the network would have.
pub(crate) fn stand_in_bucket_hash(store: &Store) -> stellar_xdr::Hash {
    let header = &store.header;
    let chained = [&header.bucket_list_hash, &header.tx_set_result_hash, &header.scp_value.tx_set_hash];
    super::header::sha256(&chained.iter().flat_map(|hash| xdr_bytes(*hash)).collect::<Vec<u8>>())
}

/// The ledger's meta, in the version that core writes when the ledger *begins* at this protocol.
pub(crate) fn meta(store: &Store, protocol: u32, set: TxSet, applied: Applied) -> LedgerCloseMeta {
    let ledger_header = history_entry(&store.header);
    let upgrades_processing = vec_m(applied.upgrades);
    let transactions = applied.transactions;
    match set {
        TxSet::Legacy(tx_set) => LedgerCloseMeta::V0(LedgerCloseMetaV0 {
            ledger_header,
            tx_set,
            tx_processing: vec_m(transactions.into_iter().map(|done| result_meta(protocol, done)).collect()),
            upgrades_processing,
            scp_info: vec_m(Vec::new()),
        }),
        TxSet::Generalized(tx_set) if protocol < META_V2_FROM => LedgerCloseMeta::V1(LedgerCloseMetaV1 {
            ext: LedgerCloseMetaExt::V0,
            ledger_header,
            tx_set,
            tx_processing: vec_m(transactions.into_iter().map(|done| result_meta(protocol, done)).collect()),
            upgrades_processing,
            scp_info: vec_m(Vec::new()),
            total_byte_size_of_live_soroban_state: 0,
            evicted_keys: vec_m(Vec::new()),
            unused: vec_m(Vec::new()),
        }),
        TxSet::Generalized(tx_set) => meta_v2(ledger_header, tx_set, upgrades_processing, transactions),
    }
}

fn meta_v2(
    ledger_header: stellar_xdr::LedgerHeaderHistoryEntry,
    tx_set: GeneralizedTransactionSet,
    upgrades_processing: stellar_xdr::VecM<UpgradeEntryMeta>,
    transactions: Vec<Transacted>,
) -> LedgerCloseMeta {
    let processing = transactions.into_iter().map(|done| TransactionResultMetaV1 {
        ext: ExtensionPoint::V0,
        fee_processing: done.fee_changes,
        result: done.outcome.result,
        tx_apply_processing: TransactionMeta::V4(TransactionMetaV4 {
            ext: ExtensionPoint::V0,
            tx_changes_before: done.outcome.changes_before,
            operations: vec_m(
                done.outcome
                    .operations
                    .into_iter()
                    .map(|changes| OperationMetaV2 { ext: ExtensionPoint::V0, changes, events: vec_m(Vec::new()) })
                    .collect(),
            ),
            tx_changes_after: no_changes(),
            soroban_meta: None,
            events: vec_m(Vec::new()),
            diagnostic_events: vec_m(Vec::new()),
        }),
        post_tx_apply_fee_processing: no_changes(),
    });
    LedgerCloseMeta::V2(LedgerCloseMetaV2 {
        ext: LedgerCloseMetaExt::V0,
        ledger_header,
        tx_set,
        tx_processing: vec_m(processing.collect()),
        upgrades_processing,
        scp_info: vec_m(Vec::new()),
        total_byte_size_of_live_soroban_state: 0,
        evicted_keys: vec_m(Vec::new()),
    })
}

fn result_meta(protocol: u32, done: Transacted) -> TransactionResultMeta {
    let operations =
        vec_m(done.outcome.operations.into_iter().map(|changes| OperationMeta { changes }).collect::<Vec<_>>());
    let tx_changes_before = done.outcome.changes_before;
    let tx_changes_after = no_changes();
    let tx_apply_processing = if protocol < META_V1_FROM {
        TransactionMeta::V2(TransactionMetaV2 { tx_changes_before, operations, tx_changes_after })
    } else {
        TransactionMeta::V3(TransactionMetaV3 {
            ext: ExtensionPoint::V0,
            tx_changes_before,
            operations,
            tx_changes_after,
            soroban_meta: None,
        })
    };
    TransactionResultMeta { result: done.outcome.result, fee_processing: done.fee_changes, tx_apply_processing }
}

fn no_changes() -> LedgerEntryChanges {
    LedgerEntryChanges(vec_m(Vec::new()))
}

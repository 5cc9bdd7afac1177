//! A ledger's entries, carried on by what the ledgers after it say that they changed.

use std::collections::BTreeMap;
use stellar_xdr::{
    LedgerCloseMeta, LedgerEntry, LedgerEntryChange, LedgerEntryChanges, LedgerHeaderHistoryEntry, LedgerKey,
    TransactionMeta,
};

/// Every entry of a ledger, by its key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entries(BTreeMap<LedgerKey, LedgerEntry>);

impl Entries {
    pub(super) fn new(entries: impl IntoIterator<Item = LedgerEntry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.to_key(), entry)).collect())
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = LedgerEntry> {
        self.0.into_values()
    }

    /// Carries the entries on by one ledger.
    pub(super) fn apply(&mut self, meta: &LedgerCloseMeta) {
        for changes in changes_of(meta) {
            changes.iter().for_each(|change| self.change(change));
        }
    }

    fn change(&mut self, change: &LedgerEntryChange) {
        match change {
            LedgerEntryChange::Created(entry)
            | LedgerEntryChange::Updated(entry)
            | LedgerEntryChange::Restored(entry) => {
                self.0.insert(entry.to_key(), entry.clone());
            }
            LedgerEntryChange::Removed(key) => {
                self.0.remove(key);
            }
            LedgerEntryChange::State(_) => {}
        }
    }
}

/// Every change of a ledger in the order in which it was made: all fees, then each transaction, then the upgrades.
fn changes_of(meta: &LedgerCloseMeta) -> Vec<&LedgerEntryChanges> {
    let mut all = Vec::new();
    let upgrades = match meta {
        LedgerCloseMeta::V0(meta) => {
            all.extend(meta.tx_processing.iter().map(|tx| &tx.fee_processing));
            meta.tx_processing.iter().for_each(|tx| all.extend(of_transaction(&tx.tx_apply_processing)));
            &meta.upgrades_processing
        }
        LedgerCloseMeta::V1(meta) => {
            all.extend(meta.tx_processing.iter().map(|tx| &tx.fee_processing));
            meta.tx_processing.iter().for_each(|tx| all.extend(of_transaction(&tx.tx_apply_processing)));
            &meta.upgrades_processing
        }
        LedgerCloseMeta::V2(meta) => {
            all.extend(meta.tx_processing.iter().map(|tx| &tx.fee_processing));
            meta.tx_processing.iter().for_each(|tx| all.extend(of_transaction(&tx.tx_apply_processing)));
            all.extend(meta.tx_processing.iter().map(|tx| &tx.post_tx_apply_fee_processing));
            &meta.upgrades_processing
        }
    };
    all.extend(upgrades.iter().map(|upgrade| &upgrade.changes));
    all
}

fn of_transaction(meta: &TransactionMeta) -> Vec<&LedgerEntryChanges> {
    match meta {
        TransactionMeta::V0(operations) => operations.iter().map(|of| &of.changes).collect(),
        TransactionMeta::V1(meta) => {
            let operations = meta.operations.iter().map(|of| &of.changes);
            [&meta.tx_changes].into_iter().chain(operations).collect()
        }
        TransactionMeta::V2(meta) => {
            let operations = meta.operations.iter().map(|of| &of.changes);
            [&meta.tx_changes_before].into_iter().chain(operations).chain([&meta.tx_changes_after]).collect()
        }
        TransactionMeta::V3(meta) => {
            let operations = meta.operations.iter().map(|of| &of.changes);
            [&meta.tx_changes_before].into_iter().chain(operations).chain([&meta.tx_changes_after]).collect()
        }
        TransactionMeta::V4(meta) => {
            let operations = meta.operations.iter().map(|of| &of.changes);
            [&meta.tx_changes_before].into_iter().chain(operations).chain([&meta.tx_changes_after]).collect()
        }
    }
}

/// The header of a ledger.
pub(super) fn header_of(meta: &LedgerCloseMeta) -> &LedgerHeaderHistoryEntry {
    match meta {
        LedgerCloseMeta::V0(meta) => &meta.ledger_header,
        LedgerCloseMeta::V1(meta) => &meta.ledger_header,
        LedgerCloseMeta::V2(meta) => &meta.ledger_header,
    }
}

//! Replaying what stellar-core recorded, to see whether this ledger would have done the same.
//!
//! A recording is the meta stream of a standalone network from its second ledger on: record-marked `LedgerCloseMeta`. Every
//! transaction is applied to our own state in the recorded order; results, changes and headers are compared. Nothing is
//! taken from a recording but what came from outside of the ledger: transactions and their order, close times, upgrades,
//! and the bucket list's hash. The order is not judged, since core's own tests impose one that is not the protocol's.

use std::io::Read;

use stellar_xdr::{
    Hash, LedgerCloseMeta, LedgerEntryChange, LedgerEntryChanges, LedgerHeader, LedgerKey, LedgerUpgrade, Limits,
    ReadXdr, TransactionEnvelope, TransactionMeta, TransactionResultPair, UpgradeEntryMeta,
};

use crate::stellar::NetworkId;

use super::CURRENT_PROTOCOL;
use super::close::{self, Transacted};
use super::frame::Frame;
use super::genesis::{self, GenesisConfig};
use super::header::header_hash;
use super::store::Store;
use super::tx_set::{self, Priced, TxSet};

/// The oldest protocol that this ledger knows; before it, networks are only founded and upgraded.
const OLDEST_PROTOCOL: u32 = 17;

/// The longest record that is read: more than any ledger of a standalone network, less than any machine's memory.
const MAX_RECORD: usize = 512 << 20;

/// The top bit of a record's length says that it is the last fragment; core never writes more than one.
const LAST_FRAGMENT: u32 = 1 << 31;

/// What a replay counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Ledgers replayed.
    pub ledgers: u64,
    /// Transactions applied.
    pub transactions: u64,
    /// Operations in them.
    pub operations: u64,
    /// Comparisons that failed.
    pub mismatches: u64,
    /// The first of them.
    pub first: Option<Mismatch>,
}

/// Something that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The ledger.
    pub ledger: u32,
    /// The transaction's hash in hexadecimal, if it is one's.
    pub transaction: Option<String>,
    /// What was compared.
    pub what: String,
    /// What the recording says.
    pub recorded: String,
    /// What this ledger says.
    pub ours: String,
}

impl core::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "ledger {}: {} differs", self.ledger, self.what)?;
        if let Some(transaction) = &self.transaction {
            writeln!(f, "transaction {transaction}")?;
        }
        writeln!(f, "recorded:\n{}\nours:\n{}", self.recorded, self.ours)
    }
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// There is nothing in it.
    #[error("the recording holds no ledger")]
    Empty,
    /// It ends in the middle of a record.
    #[error(
        "record {record} is cut short by {missing} bytes: is this a stream of record-marked LedgerCloseMeta, and whole?"
    )]
    CutShort {
        /// Which one, from 1.
        record: u64,
        /// How many bytes of it are not there.
        missing: usize,
    },
    /// A record is broken.
    #[error("record {record} is no LedgerCloseMeta: {cause}")]
    Record {
        /// Which one, from 1.
        record: u64,
        /// What is wrong with it.
        cause: String,
    },
    /// It does not begin with the second ledger.
    #[error(
        "the recording begins with ledger {0}: it must begin with a network's second ledger, since what was there before is \
         in no recording"
    )]
    Start(u32),
    /// A ledger is missing.
    #[error("the recording goes from ledger {before} on to ledger {after}: every ledger between is needed")]
    Gap {
        /// The last ledger that was replayed.
        before: u32,
        /// The one that came then.
        after: u32,
    },
    /// Its protocol is none that this ledger knows.
    #[error("ledger {ledger} is of protocol {protocol}: this program knows {OLDEST_PROTOCOL} to {CURRENT_PROTOCOL}")]
    Protocol {
        /// The ledger.
        ledger: u32,
        /// By which protocol its transactions apply, or to which it upgrades.
        protocol: u32,
    },
    /// None of the passphrases that were given is its network's.
    #[error("no known passphrase fits the first transaction: give the network's with --passphrase")]
    Passphrase,
    /// A transaction was applied that is in no set.
    #[error("ledger {ledger}: the applied transaction {transaction} is not in the ledger's set")]
    Envelope {
        /// The ledger.
        ledger: u32,
        /// Its hash in hexadecimal.
        transaction: String,
    },
}

/// Replays a recording. `passphrases` are tried on its first transaction.
///
/// # Errors
/// If it cannot be read or is none of a standalone network; differences are no errors but counted.
pub fn replay(reader: &mut dyn Read, passphrases: &[&str]) -> Result<Report, ReplayError> {
    let mut report = Report::default();
    let mut replayer: Option<Replayer> = None;
    // Ledgers before the first transaction wait until it tells the network.
    let mut waiting = Vec::new();
    let mut record = 0;
    while let Some(bytes) = read_record(reader, record + 1)? {
        record += 1;
        let meta = LedgerCloseMeta::from_xdr(&bytes, Limits { depth: 1000, len: bytes.len() })
            .map_err(|error| ReplayError::Record { record, cause: error.to_string() })?;
        let recorded = Recorded::new(meta);
        if record == 1 && recorded.header.ledger_seq != 2 {
            return Err(ReplayError::Start(recorded.header.ledger_seq));
        }
        match &mut replayer {
            Some(replayer) => replayer.ledger(&recorded, &mut report)?,
            None if recorded.transactions.is_empty() => waiting.push(recorded),
            None => {
                let network = recorded.network(passphrases).ok_or(ReplayError::Passphrase)?;
                waiting.push(recorded);
                let new = replayer.insert(Replayer::new(network, &waiting[0]));
                waiting.drain(..).try_for_each(|recorded| new.ledger(&recorded, &mut report))?;
            }
        }
    }
    if replayer.is_none() {
        // A network in which nothing happened: any passphrase does.
        let first = waiting.first().ok_or(ReplayError::Empty)?;
        let mut replayer = Replayer::new(passphrases.first().copied().unwrap_or_default(), first);
        waiting.iter().try_for_each(|recorded| replayer.ledger(recorded, &mut report))?;
    }
    Ok(report)
}

/// Reads one record (the `record`th) without its mark; `None` at the end.
fn read_record(reader: &mut dyn Read, record: u64) -> Result<Option<Vec<u8>>, ReplayError> {
    let mut mark = [0; 4];
    let mut have = 0;
    while have < mark.len() {
        match reader.read(&mut mark[have..])? {
            0 if have == 0 => return Ok(None),
            0 => return Err(ReplayError::CutShort { record, missing: mark.len() - have }),
            read => have += read,
        }
    }
    let length = (u32::from_be_bytes(mark) & !LAST_FRAGMENT) as usize;
    if length > MAX_RECORD {
        let cause = format!(
            "its mark promises {length} bytes, longer than the limit of {MAX_RECORD}; is this a stream of record-marked \
             LedgerCloseMeta?"
        );
        return Err(ReplayError::Record { record, cause });
    }
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ReplayError::CutShort { record, missing: length - bytes.len() });
    }
    Ok(Some(bytes))
}

/// A transaction as it was recorded.
#[derive(Clone, Debug)]
struct RecordedTransaction {
    result: TransactionResultPair,
    fee: LedgerEntryChanges,
    before: LedgerEntryChanges,
    operations: Vec<LedgerEntryChanges>,
    after: LedgerEntryChanges,
    after_fee: LedgerEntryChanges,
}

/// A ledger as it was recorded, whatever the version of its meta.
#[derive(Clone, Debug)]
struct Recorded {
    header: LedgerHeader,
    hash: Hash,
    set: TxSet,
    transactions: Vec<RecordedTransaction>,
    upgrades: Vec<UpgradeEntryMeta>,
}

impl Recorded {
    fn new(meta: LedgerCloseMeta) -> Self {
        let (header, set, transactions, upgrades) = match meta {
            LedgerCloseMeta::V0(meta) => {
                let transactions = meta.tx_processing.into_vec().into_iter().map(|done| {
                    recorded_transaction(done.result, done.fee_processing, done.tx_apply_processing, no_changes())
                });
                (meta.ledger_header, TxSet::Legacy(meta.tx_set), transactions.collect(), meta.upgrades_processing)
            }
            LedgerCloseMeta::V1(meta) => {
                let transactions = meta.tx_processing.into_vec().into_iter().map(|done| {
                    recorded_transaction(done.result, done.fee_processing, done.tx_apply_processing, no_changes())
                });
                (meta.ledger_header, TxSet::Generalized(meta.tx_set), transactions.collect(), meta.upgrades_processing)
            }
            LedgerCloseMeta::V2(meta) => {
                let transactions = meta.tx_processing.into_vec().into_iter().map(|done| {
                    let after_fee = done.post_tx_apply_fee_processing;
                    recorded_transaction(done.result, done.fee_processing, done.tx_apply_processing, after_fee)
                });
                (meta.ledger_header, TxSet::Generalized(meta.tx_set), transactions.collect(), meta.upgrades_processing)
            }
        };
        Self { header: header.header, hash: header.hash, set, transactions, upgrades: upgrades.into_vec() }
    }

    /// Whichever of these passphrases gives the first transaction the hash that it has.
    fn network<'a>(&self, passphrases: &[&'a str]) -> Option<&'a str> {
        let first = &self.transactions.first()?.result.transaction_hash;
        let fits = |envelope: &TransactionEnvelope, passphrase: &str| {
            Frame::new(envelope.clone(), &NetworkId::from_passphrase(passphrase).0).hash == *first
        };
        let envelopes = tx_set::unpack(&self.set, &[0; 32], 0, 0);
        passphrases
            .iter()
            .find(|passphrase| envelopes.iter().any(|priced| fits(priced.frame.envelope(), passphrase)))
            .copied()
    }
}

fn recorded_transaction(
    result: TransactionResultPair,
    fee: LedgerEntryChanges,
    meta: TransactionMeta,
    after_fee: LedgerEntryChanges,
) -> RecordedTransaction {
    let (before, operations, after) = match meta {
        TransactionMeta::V0(operations) => (no_changes(), changes_of(operations.into_vec()), no_changes()),
        TransactionMeta::V1(meta) => (meta.tx_changes, changes_of(meta.operations.into_vec()), no_changes()),
        TransactionMeta::V2(meta) => {
            (meta.tx_changes_before, changes_of(meta.operations.into_vec()), meta.tx_changes_after)
        }
        TransactionMeta::V3(meta) => {
            (meta.tx_changes_before, changes_of(meta.operations.into_vec()), meta.tx_changes_after)
        }
        TransactionMeta::V4(meta) => {
            let operations = meta.operations.into_vec().into_iter().map(|operation| operation.changes).collect();
            (meta.tx_changes_before, operations, meta.tx_changes_after)
        }
    };
    RecordedTransaction { result, fee, before, operations, after, after_fee }
}

fn changes_of(operations: Vec<stellar_xdr::OperationMeta>) -> Vec<LedgerEntryChanges> {
    operations.into_iter().map(|operation| operation.changes).collect()
}

fn no_changes() -> LedgerEntryChanges {
    super::header::entry_changes(Vec::new())
}

/// Our own ledger beside the recorded one.
#[derive(Debug)]
struct Replayer {
    network: NetworkId,
    store: Store,
}

impl Replayer {
    /// What the network began with is what its second ledger did not upgrade.
    fn new(passphrase: &str, first: &Recorded) -> Self {
        let mut config = GenesisConfig { passphrase: passphrase.to_owned(), ..GenesisConfig::default() };
        let upgraded =
            |wanted: fn(&LedgerUpgrade) -> bool| first.upgrades.iter().any(|upgrade| wanted(&upgrade.upgrade));
        if !upgraded(|upgrade| matches!(upgrade, LedgerUpgrade::Version(_))) {
            config.protocol = first.header.ledger_version;
        }
        if !upgraded(|upgrade| matches!(upgrade, LedgerUpgrade::BaseFee(_))) {
            config.base_fee = first.header.base_fee;
        }
        if !upgraded(|upgrade| matches!(upgrade, LedgerUpgrade::BaseReserve(_))) {
            config.base_reserve = first.header.base_reserve;
        }
        if !upgraded(|upgrade| matches!(upgrade, LedgerUpgrade::MaxTxSetSize(_))) {
            config.max_tx_set_size = first.header.max_tx_set_size;
        }
        Self { network: NetworkId::from_passphrase(passphrase), store: genesis::genesis(&config) }
    }

    /// Whether we can tell what this ledger should be: it follows ours, by a protocol that we know.
    fn check(&self, recorded: &Recorded) -> Result<(), ReplayError> {
        let (before, after) = (self.store.header.ledger_seq, recorded.header.ledger_seq);
        if after != before + 1 {
            return Err(ReplayError::Gap { before, after });
        }
        let (applied, upgraded) = (self.store.protocol(), recorded.header.ledger_version);
        let unknown = if !recorded.transactions.is_empty() && applied < OLDEST_PROTOCOL {
            Some(applied)
        } else {
            (upgraded > CURRENT_PROTOCOL).then_some(upgraded)
        };
        unknown.map_or(Ok(()), |protocol| Err(ReplayError::Protocol { ledger: after, protocol }))
    }

    fn ledger(&mut self, recorded: &Recorded, report: &mut Report) -> Result<(), ReplayError> {
        self.check(recorded)?;
        let transactions = self.in_recorded_order(recorded)?;
        let previous = recorded.header.previous_ledger_hash.clone();
        let is_first = self.store.header.ledger_seq == 1;
        let ours = close::apply_ledger(&mut self.store, recorded.header.scp_value.clone(), &transactions);
        close::seal(&mut self.store, recorded.header.bucket_list_hash.clone());
        if is_first {
            // Ledger 1 is not recorded, and its hash depends on a bucket list.
            self.store.header.previous_ledger_hash = previous;
        }

        report.ledgers += 1;
        let mut comparison = Comparison { report, ledger: recorded.header.ledger_seq, transaction: None };
        comparison.check("the set's hash", &recorded.header.scp_value.tx_set_hash, &recorded.set.hash());
        for (recorded, ours) in recorded.transactions.iter().zip(&ours.transactions) {
            comparison.transaction(recorded, ours);
        }
        comparison.transaction = None;
        comparison.upgrades(&recorded.upgrades, &ours.upgrades);
        comparison.check("the header", &recorded.header, &self.store.header);
        comparison.check("the header's hash", &recorded.hash, &header_hash(&self.store.header));
        Ok(())
    }

    /// The set's transactions in the order in which they were applied.
    fn in_recorded_order(&self, recorded: &Recorded) -> Result<Vec<Priced>, ReplayError> {
        let header = &self.store.header;
        let mut set = tx_set::unpack(&recorded.set, &self.network.0, header.base_fee, header.max_tx_set_size);
        let mut ordered = Vec::with_capacity(set.len());
        for done in &recorded.transactions {
            let wanted = &done.result.transaction_hash;
            let Some(index) = set.iter().position(|priced| priced.frame.hash == *wanted) else {
                return Err(ReplayError::Envelope {
                    ledger: recorded.header.ledger_seq,
                    transaction: hex::encode(wanted.0),
                });
            };
            ordered.push(set.swap_remove(index));
        }
        Ok(ordered)
    }
}

/// Compares, and counts what differs.
#[derive(Debug)]
struct Comparison<'a> {
    report: &'a mut Report,
    ledger: u32,
    transaction: Option<String>,
}

impl Comparison<'_> {
    fn check<T: PartialEq + core::fmt::Debug>(&mut self, what: &str, recorded: &T, ours: &T) {
        if recorded == ours {
            return;
        }
        self.report.mismatches += 1;
        if self.report.first.is_none() {
            self.report.first = Some(Mismatch {
                ledger: self.ledger,
                transaction: self.transaction.clone(),
                what: what.to_owned(),
                recorded: format!("{recorded:#?}"),
                ours: format!("{ours:#?}"),
            });
        }
    }

    fn changes(&mut self, what: &str, recorded: &LedgerEntryChanges, ours: &LedgerEntryChanges) {
        self.check(what, &sorted(recorded), &sorted(ours));
    }

    fn transaction(&mut self, recorded: &RecordedTransaction, ours: &Transacted) {
        self.transaction = Some(hex::encode(recorded.result.transaction_hash.0));
        self.report.transactions += 1;
        self.report.operations += operations_in(&recorded.result);
        self.check("the result", &recorded.result, &ours.outcome.result);
        self.changes("what the fee changed", &recorded.fee, &ours.fee_changes);
        self.changes("what changed before the operations", &recorded.before, &ours.outcome.changes_before);
        let (theirs, ours) = (&recorded.operations, &ours.outcome.operations);
        self.check("the number of operations that changed something", &theirs.len(), &ours.len());
        for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            self.changes(&format!("what operation {index} changed"), theirs, ours);
        }
        self.changes("what changed after the operations", &recorded.after, &no_changes());
        self.changes("what changed after all transactions", &recorded.after_fee, &no_changes());
    }

    /// Compares all upgrades but the contract engine's own, of which only that could say whether they are valid.
    fn upgrades(&mut self, recorded: &[UpgradeEntryMeta], ours: &[UpgradeEntryMeta]) {
        let of_contracts = |upgrade: &LedgerUpgrade| {
            matches!(upgrade, LedgerUpgrade::Config(_) | LedgerUpgrade::MaxSorobanTxSetSize(_))
        };
        let classic = |upgrades: &[UpgradeEntryMeta]| -> Vec<UpgradeEntryMeta> {
            upgrades.iter().filter(|done| !of_contracts(&done.upgrade)).cloned().collect()
        };
        let (recorded, ours) = (classic(recorded), classic(ours));
        let names = |upgrades: &[UpgradeEntryMeta]| -> Vec<LedgerUpgrade> {
            upgrades.iter().map(|done| done.upgrade.clone()).collect()
        };
        self.check("the upgrades", &names(&recorded), &names(&ours));
        for (recorded, ours) in recorded.iter().zip(&ours) {
            self.changes("what an upgrade changed", &without_contracts(&recorded.changes), &ours.changes);
        }
    }
}

/// Changes by key, those of one key in their order: core emits them in the order of a hash map.
fn sorted(changes: &LedgerEntryChanges) -> Vec<LedgerEntryChange> {
    let mut changes = changes.0.to_vec();
    changes.sort_by_cached_key(changed_key);
    changes
}

fn changed_key(change: &LedgerEntryChange) -> LedgerKey {
    match change {
        LedgerEntryChange::Created(entry)
        | LedgerEntryChange::Updated(entry)
        | LedgerEntryChange::State(entry)
        | LedgerEntryChange::Restored(entry) => entry.to_key(),
        LedgerEntryChange::Removed(key) => key.clone(),
    }
}

/// Changes without those of the contract engine's settings, which an upgrade to protocol 20 or later makes.
fn without_contracts(changes: &LedgerEntryChanges) -> LedgerEntryChanges {
    let classic = changes.0.iter().filter(|change| !matches!(changed_key(change), LedgerKey::ConfigSetting(_)));
    super::header::entry_changes(classic.cloned().collect())
}

/// How many operations a transaction has a result for.
fn operations_in(pair: &TransactionResultPair) -> u64 {
    use stellar_xdr::{InnerTransactionResultResult as I, TransactionResultResult as R};
    let results = match &pair.result.result {
        R::TxSuccess(results) | R::TxFailed(results) => results.len(),
        R::TxFeeBumpInnerSuccess(inner) | R::TxFeeBumpInnerFailed(inner) => match &inner.result.result {
            I::TxSuccess(results) | I::TxFailed(results) => results.len(),
            _ => 0,
        },
        _ => 0,
    };
    results as u64
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;

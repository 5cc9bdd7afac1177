//! Which of a ledger's transactions are ours.

use crate::stellar::{AccountIndex, TxHash};

/// Our transactions of a ledger: found among the envelopes, which say whose they are, and recognised among the results,
/// which say what became of them, by their hashes.
#[derive(Debug)]
pub(super) struct OwnTransactions {
    envelopes: Vec<OwnEnvelope>,
    /// Operations that name a source of their own: place and, if it is ours, source. Those of `envelopes`, then those
    /// of the envelope that comes next.
    operations: Vec<(u32, Option<AccountIndex>)>,
    /// How many of `operations` belong to `envelopes`.
    settled: usize,
    /// Which of `envelopes` the results are at.
    current: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct OwnEnvelope {
    /// Of the inner transaction.
    hash: TxHash,
    /// As the ledger's results name it.
    outer_hash: TxHash,
    /// The transaction's source, if ours.
    source: Option<AccountIndex>,
    /// Its part of `operations`.
    operations: (usize, usize),
}

/// Room at start. A ledger of the public network takes a thousand operations.
const OPERATIONS: usize = 2048;
const ENVELOPES: usize = 1024;

impl OwnTransactions {
    pub(super) fn new() -> Self {
        Self {
            envelopes: Vec::with_capacity(ENVELOPES),
            operations: Vec::with_capacity(OPERATIONS),
            settled: 0,
            current: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.envelopes.clear();
        self.operations.clear();
        self.settled = 0;
        self.current = None;
    }

    /// How much the scratch space holds.
    pub(super) fn room(&self) -> usize {
        self.envelopes.capacity() + self.operations.capacity()
    }

    /// An operation, of the envelope that comes next, names a source of its own.
    pub(super) fn operation_source(&mut self, operation: u32, source: Option<AccountIndex>) {
        self.operations.push((operation, source));
    }

    /// An envelope, after its operations' sources. Only ours are hashed.
    pub(super) fn envelope(
        &mut self,
        source: Option<AccountIndex>,
        fee_is_ours: bool,
        hashes: impl FnOnce() -> (TxHash, TxHash),
    ) {
        let operations = (self.settled, self.operations.len());
        let is_ours = |named: &(u32, Option<AccountIndex>)| named.1.is_some();
        if source.is_some() || fee_is_ours || self.operations[self.settled..].iter().any(is_ours) {
            let (hash, outer_hash) = hashes();
            self.envelopes.push(OwnEnvelope { hash, outer_hash, source, operations });
            self.settled = self.operations.len();
        } else {
            self.operations.truncate(self.settled);
        }
    }

    /// The results have come to the transaction that the ledger names so. If it is ours, its (inner) hash.
    pub(super) fn result(&mut self, outer_hash: &[u8; 32]) -> Option<TxHash> {
        self.current = self.envelopes.iter().position(|own| own.outer_hash.0 == *outer_hash);
        self.current.map(|at| self.envelopes[at].hash)
    }

    /// Whether the transaction that the results are at is ours.
    pub(super) fn is_current(&self) -> bool {
        self.current.is_some()
    }

    /// The account of ours, if one, that is the source of an operation of the transaction that the results are at.
    pub(super) fn taker(&self, operation: u32) -> Option<AccountIndex> {
        let own = &self.envelopes[self.current?];
        let mut named = self.operations[own.operations.0..own.operations.1].iter();
        match named.find(|(place, _)| *place == operation) {
            Some((_, source)) => *source,
            None => own.source,
        }
    }
}

//! What the faces show: the ledger as it is, and what happened before.

use super::history::History;
use super::ledger::Ledger;

/// The state and the past of one ledger number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'c> {
    /// The state after the last closed ledger.
    pub(crate) ledger: &'c Ledger,
    /// Closed ledgers, the last one included.
    pub(crate) history: &'c History,
    /// The time of day, seconds since 1970.
    pub(crate) now_s: u64,
}

impl Chain<'_> {
    /// Number of the last closed ledger.
    pub(crate) fn latest(&self) -> u32 {
        self.ledger.header().ledger_seq
    }
}

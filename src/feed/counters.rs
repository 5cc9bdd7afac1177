//! What a source has been counted to do.

use crate::events::FeedFault;

/// Counts of one source since the start. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    /// Bytes that came.
    pub bytes: u64,
    /// Whole messages that came, good or bad: ledgers, or a price source's messages.
    pub messages: u64,
    /// Ledgers, or messages with prices, that were handed down.
    pub handed_down: u64,
    /// Ledgers that had come before.
    pub repeated: u64,
    /// Times that the connection was given up by us.
    pub resets: u64,
    /// Times that a buffer of the source outgrew what was set aside for it, which costs an allocation.
    pub growths: u64,
    faults: [u64; FeedFault::ALL.len()],
}

impl SourceCounters {
    /// Faults of a kind.
    #[must_use]
    pub fn faults(&self, kind: FeedFault) -> u64 {
        self.faults[kind as usize]
    }

    pub(super) fn count(&mut self, kind: FeedFault) {
        self.faults[kind as usize] += 1;
    }
}

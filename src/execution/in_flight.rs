//! The one transaction of an account that may be unresolved.

use crate::events::{ConnId, MonoNanos, Now};
use crate::stellar::{LedgerSeq, MarketId, TxHash};

/// A signed transaction whose fate is not known yet. Its bytes stay in the request writer until it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InFlight {
    pub(super) hash: TxHash,
    pub(super) market: MarketId,
    /// First ledger in which it can no longer apply.
    pub(super) max_ledger: LedgerSeq,
    /// How often its bytes were sent.
    pub(super) attempts: u32,
    pub(super) step: Step,
}

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A connection to send over.
    Connection,
    /// The endpoint's answer over this connection, until then.
    Answer(ConnId, MonoNanos),
    /// The moment to send the same bytes again.
    Retry(MonoNanos),
    /// The ledger: it was taken, or has been tried often enough.
    Ledger,
}

impl InFlight {
    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        match self.step {
            Step::Answer(_, at) | Step::Retry(at) => Some(at),
            Step::Connection | Step::Ledger => None,
        }
    }

    /// Whether it can apply no more, now that `closed` is known to have closed without it.
    pub(super) fn is_dead_after(&self, closed: LedgerSeq) -> bool {
        closed.next() >= self.max_ledger
    }

    /// Waits for the moment to send again, or for the ledger if it was sent often enough.
    pub(super) fn retry(&mut self, now: Now, after_ns: u64, max_attempts: u32) {
        self.step = if self.attempts < max_attempts { Step::Retry(now.mono.plus(after_ns)) } else { Step::Ledger };
    }
}

//! What the connections have done, for whoever watches.

use super::endpoint::ConnSettings;
use crossbeam::utils::CachePadded;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnState {
    /// Pausing before the next attempt.
    Waiting,
    /// Its name is being looked up.
    Resolving,
    /// Connecting, or for a pipe: no writer has written yet.
    Connecting,
    /// In the TLS handshake.
    Handshaking,
    /// Open.
    Open,
}

impl ConnState {
    const ALL: [Self; 5] = [Self::Waiting, Self::Resolving, Self::Connecting, Self::Handshaking, Self::Open];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Resolving => "resolving",
            Self::Connecting => "connecting",
            Self::Handshaking => "handshaking",
            Self::Open => "open",
        }
    }
}

/// One connection's counters. The reactor's thread alone writes the numbers; the text behind the lock is touched only
/// when a connection goes.
#[derive(Debug, Default)]
pub(super) struct ConnCount {
    state: AtomicU8,
    opened: AtomicU64,
    failed: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    last_error: Mutex<String>,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl ConnCount {
    pub(super) fn set_state(&self, state: ConnState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn count_opened(&self) {
        add(&self.opened, 1);
    }

    pub(super) fn count_failed(&self, error: String) {
        add(&self.failed, 1);
        *self.last_error.lock() = error;
    }

    pub(super) fn count_in(&self, bytes: usize) {
        add(&self.bytes_in, bytes as u64);
    }

    pub(super) fn count_out(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
    }
}

/// A connection at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnSnapshot {
    /// Where it goes.
    pub endpoint: String,
    /// Where it is.
    pub state: ConnState,
    /// How often it was opened; all but the first are reconnections.
    pub opened: u64,
    /// How often it ended, or could not be opened, for whatever reason.
    pub failed: u64,
    /// Bytes that came in, as the stage sees them (without TLS).
    pub bytes_in: u64,
    /// Bytes that went out, as the stage sees them.
    pub bytes_out: u64,
    /// Why it ended, or could not be opened, last; empty if it never did.
    pub last_error: String,
}

#[derive(Debug)]
struct ConnRecord {
    endpoint: String,
    count: CachePadded<ConnCount>,
}

/// The statistics of a reactor's connections. Clones see the same.
#[derive(Clone, Debug)]
pub struct NetStats {
    records: Arc<[ConnRecord]>,
}

impl NetStats {
    pub(super) fn new(connections: &[ConnSettings]) -> Self {
        let record = |settings: &ConnSettings| ConnRecord {
            endpoint: settings.endpoint.to_string(),
            count: CachePadded::default(),
        };
        Self { records: connections.iter().map(record).collect() }
    }

    pub(super) fn count(&self, index: usize) -> &ConnCount {
        &self.records[index].count
    }

    /// All connections, in the order of their ids.
    pub fn snapshots(&self) -> impl Iterator<Item = ConnSnapshot> {
        self.records.iter().map(|record| {
            let count = &record.count;
            let state = usize::from(count.state.load(Ordering::Relaxed));
            ConnSnapshot {
                endpoint: record.endpoint.clone(),
                state: ConnState::ALL[state],
                opened: count.opened.load(Ordering::Relaxed),
                failed: count.failed.load(Ordering::Relaxed),
                bytes_in: count.bytes_in.load(Ordering::Relaxed),
                bytes_out: count.bytes_out.load(Ordering::Relaxed),
                last_error: count.last_error.lock().clone(),
            }
        })
    }
}

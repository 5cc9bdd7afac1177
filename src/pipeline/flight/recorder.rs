//! The hot side.

use super::record::{FlightEntry, HEADER_BYTES, LONGEST_PAYLOAD, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a gap record.
const GAP_BYTES: usize = HEADER_BYTES + 8;

/// Bytes that a ring needs at least: the longest record, with a gap before it.
pub(super) const LEAST_RING_BYTES: usize = GAP_BYTES + HEADER_BYTES + LONGEST_PAYLOAD;

/// A hot thread's end of the flight recorder.
#[derive(Debug)]
pub struct FlightRecorder {
    ring: rtrb::Producer<u8>,
    /// Records dropped since the last one that fitted.
    missing: u64,
    lost: Arc<AtomicU64>,
}

impl FlightRecorder {
    pub(super) fn new(ring: rtrb::Producer<u8>, lost: Arc<AtomicU64>) -> Self {
        Self { ring, missing: 0, lost }
    }

    /// Records an input, before it is handed to its stage. If the ring is full, or the payload longer than
    /// [`LONGEST_PAYLOAD`], the record is dropped and counted.
    pub fn record(&mut self, entry: FlightEntry<'_>) {
        let (mut gap, mut none) = ([0; 8], [0; 8]);
        let (header, payload) = Record::Entry(entry).encode(&mut none);
        let gap_bytes = if self.missing > 0 { GAP_BYTES } else { 0 };
        // `slots` is never less than what is really free, so what fits now can be pushed piece by piece.
        if payload.len() > LONGEST_PAYLOAD || self.ring.slots() < gap_bytes + HEADER_BYTES + payload.len() {
            self.missing += 1;
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.missing > 0 {
            let (stage, now) = (entry.stage, entry.now);
            let (header, count) = Record::Gap { stage, now, records: self.missing }.encode(&mut gap);
            self.push(&header);
            self.push(count);
            self.missing = 0;
        }
        self.push(&header);
        self.push(payload);
    }

    fn push(&mut self, bytes: &[u8]) {
        let fitted = self.ring.push_entire_slice(bytes).is_ok();
        assert!(fitted, "room was made sure of, and only this thread fills the ring");
    }
}

//! Core's bytes cut into ledgers, each looked at before it is passed on: what a core that died left of a ledger must never
//! be glued to what the next one says.

use crate::wire::ledger::{LedgerHeader, LedgerVisitor, SkimError, skim};
use crate::wire::record_mark::{RecordSplitter, mark_of};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// After bytes that are no ledger, everything is passed over until nothing has come for so long: then core has written a
/// ledger to its end, and the next byte begins another.
const QUIET: Duration = Duration::from_secs(1);
/// How long a ledger of a protocol that is not known is held back: glued pieces look the same, and show by what follows.
const DOUBT: Duration = Duration::from_millis(100);

/// The stream, and how far it is understood.
#[derive(Debug)]
pub(super) struct Framing {
    splitter: RecordSplitter,
    /// Since when nothing has come, if bytes are passed over.
    lost: Option<Instant>,
    had_writer: bool,
    /// A ledger that cannot be read, and since when it is held back.
    doubtful: Option<(Box<[u8]>, Instant)>,
    last: Option<Place>,
    pub(super) spoilt: u64,
    pub(super) gaps: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    seq: u32,
    hash: [u8; 32],
    previous_hash: [u8; 32],
}

impl LedgerVisitor for Place {
    fn header(&mut self, header: &LedgerHeader<'_>) {
        *self = Self { seq: header.seq, hash: *header.hash, previous_hash: *header.previous_hash };
    }
}

impl Framing {
    pub(super) fn new(max_ledger_bytes: usize) -> Self {
        let splitter = RecordSplitter::new(max_ledger_bytes);
        Self { splitter, lost: None, had_writer: false, doubtful: None, last: None, spoilt: 0, gaps: 0 }
    }

    /// The number of the last ledger that was passed on.
    pub(super) fn last(&self) -> Option<u32> {
        self.last.map(|last| last.seq)
    }

    /// Takes what core wrote, and passes each whole ledger on with its mark.
    pub(super) fn bytes(&mut self, mut bytes: &[u8], now: Instant, mut publish: impl FnMut(Box<[u8]>)) {
        if !self.had_writer {
            info!("core writes");
            self.had_writer = true;
        }
        match self.lost {
            Some(since) if now.duration_since(since) < QUIET => {
                self.lost = Some(now);
                return;
            }
            Some(_) => self.found(),
            None => {}
        }
        loop {
            match self.splitter.next(&mut bytes) {
                Ok(None) => return,
                Ok(Some(ledger)) => {
                    let mut place = Place::default();
                    match skim(ledger, &mut place) {
                        Ok(()) => {
                            let record = record(ledger);
                            self.believe(&mut publish);
                            publish(record);
                            self.follow(place);
                        }
                        // The engines may know it; or they say so, and stop.
                        Err(SkimError::UnknownProtocol { .. }) => {
                            let record = record(ledger);
                            self.believe(&mut publish);
                            self.doubtful = Some((record, now));
                        }
                        Err(error) => return self.lose(&error.to_string(), now),
                    }
                }
                Err(error) => return self.lose(&error.to_string(), now),
            }
        }
    }

    /// Passes on what was held back, if it is time.
    pub(super) fn on_time(&mut self, now: Instant, mut publish: impl FnMut(Box<[u8]>)) {
        let is_time = self.doubtful.as_ref().is_some_and(|(_, since)| now.duration_since(*since) >= DOUBT);
        if is_time && self.splitter.finish().is_ok() {
            self.believe(&mut publish);
        }
    }

    fn believe(&mut self, publish: &mut impl FnMut(Box<[u8]>)) {
        if let Some((record, _)) = self.doubtful.take() {
            warn!("a ledger of a protocol that this relay does not know is passed on unread: is there a newer relay?");
            publish(record);
        }
    }

    /// The last writer has gone, so the next byte begins a ledger.
    pub(super) fn ended(&mut self, mut publish: impl FnMut(Box<[u8]>)) {
        if let Err(error) = self.splitter.finish() {
            self.spoilt += 1;
            self.doubtful = None;
            warn!(%error, "core has gone in the middle of a ledger: that piece is not passed on");
        } else if self.had_writer {
            warn!("core has gone; its pipe is kept open for the next");
        }
        self.believe(&mut publish);
        self.had_writer = false;
        self.found();
    }

    fn lose(&mut self, why: &str, now: Instant) {
        self.spoilt += 1 + u64::from(self.doubtful.take().is_some());
        self.lost = Some(now);
        warn!(why, "this is no ledger: everything is passed over until core pauses");
    }

    fn found(&mut self) {
        self.lost = None;
        self.splitter.reset();
    }

    /// Says where the chain is not one. Everything is passed on all the same: what to make of it is the engines' business.
    fn follow(&mut self, place: Place) {
        if let Some(last) = self.last {
            let follows = place.seq == last.seq.wrapping_add(1) && place.previous_hash == last.hash;
            if place.seq > last.seq && !follows {
                self.gaps += 1;
                warn!(from = last.seq, to = place.seq, "the stream has a gap, or has gone over to another chain");
            }
        }
        if self.last.is_none_or(|last| place.seq > last.seq) {
            self.last = Some(place);
        }
    }
}

/// The ledger behind its mark.
fn record(ledger: &[u8]) -> Box<[u8]> {
    let Some(mark) = mark_of(ledger.len()) else { unreachable!("its length came out of a mark") };
    [&mark[..], ledger].concat().into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ledgers that are as short as they can be: of version 0, with an empty transaction set.
    fn ledger(seq: u32) -> Vec<u8> {
        use stellar_xdr::{LedgerCloseMeta, LedgerCloseMetaV0, Limits, WriteXdr};
        let mut meta = LedgerCloseMetaV0::default();
        meta.ledger_header.header.ledger_seq = seq;
        meta.ledger_header.header.previous_ledger_hash.0 = [u8::try_from(seq - 1).unwrap(); 32];
        meta.ledger_header.hash.0 = [u8::try_from(seq).unwrap(); 32];
        LedgerCloseMeta::V0(meta).to_xdr(Limits::none()).unwrap()
    }

    fn record(ledger: &[u8]) -> Vec<u8> {
        super::record(ledger).into_vec()
    }

    /// Three ledgers in a row of a stellar-core.
    fn recorded() -> [Vec<u8>; 3] {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/seed-01.xdr.zst");
        let stream = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
        let (mut splitter, mut rest) = (RecordSplitter::new(1 << 24), &stream[..]);
        let mut next = || record(splitter.next(&mut rest).unwrap().unwrap());
        (0..10).for_each(|_| drop(next()));
        [next(), next(), next()]
    }

    /// What is passed on of these pieces, each of which comes so long after the first.
    fn passed_on(framing: &mut Framing, pieces: &[(u64, &[u8])]) -> Vec<u8> {
        let (start, mut passed) = (Instant::now(), Vec::new());
        for (at_ms, piece) in pieces {
            framing.bytes(piece, start + Duration::from_millis(*at_ms), |record| passed.extend_from_slice(&record));
        }
        passed
    }

    #[test]
    fn ledgers_are_passed_on_whole_wherever_they_were_cut() {
        let stream = [record(&ledger(2)), record(&ledger(3))].concat();
        for cut in 0..stream.len() {
            let mut framing = Framing::new(1 << 20);
            assert_eq!(passed_on(&mut framing, &[(0, &stream[..cut]), (0, &stream[cut..])]), stream);
            assert_eq!((framing.last(), framing.gaps, framing.spoilt), (Some(3), 0, 0));
        }
    }

    #[test]
    fn a_piece_of_a_dead_core_is_dropped() {
        let (first, second) = (record(&ledger(2)), record(&ledger(3)));
        for cut in 1..first.len() {
            let mut framing = Framing::new(1 << 20);
            assert!(passed_on(&mut framing, &[(0, &first[..cut])]).is_empty());
            framing.ended(|_| panic!("there is nothing whole"));
            assert_eq!(passed_on(&mut framing, &[(0, &second)]), second);
            assert_eq!(framing.spoilt, 1);
        }
    }

    #[test]
    fn a_piece_whose_end_was_not_seen_spoils_nothing_after_the_next_pause() {
        let [first, second, third] = recorded();
        for cut in 1..first.len() {
            let mut framing = Framing::new(1 << 20);
            // The dead core's piece, the next one's ledgers at once behind it, and one after a pause.
            let glued = [&first[..cut], &second, &second].concat();
            let passed = passed_on(&mut framing, &[(0, &glued), (1, &second), (2_000, &third)]);
            assert_eq!(passed, third, "cut at {cut}");
        }
    }

    #[test]
    fn a_ledger_of_a_later_protocol_is_passed_on_once_nothing_speaks_against_it() {
        let start = Instant::now();
        let later = record(&[0, 0, 0, 3, 1, 2, 3, 4]);
        let next = record(&ledger(2));
        let mut framing = Framing::new(1 << 20);
        assert!(passed_on(&mut framing, &[(0, &later)]).is_empty());
        let mut passed = Vec::new();
        framing.on_time(start, |_| panic!("too soon"));
        framing.on_time(start + QUIET, |record| passed.extend_from_slice(&record));
        assert_eq!(passed, later);
        assert_eq!(passed_on(&mut framing, &[(0, &later), (0, &next)]), [&later[..], &next].concat());
        assert!(passed_on(&mut framing, &[(0, &later)]).is_empty());
        passed.clear();
        framing.ended(|record| passed.extend_from_slice(&record));
        assert_eq!((passed, framing.spoilt), (later, 0));
    }

    #[test]
    fn a_gap_is_counted_and_a_repeated_ledger_is_none() {
        let mut framing = Framing::new(1 << 20);
        let stream = [2, 3, 3, 2, 4, 6, 7].map(|seq| record(&ledger(seq))).concat();
        assert_eq!(passed_on(&mut framing, &[(0, &stream)]), stream);
        assert_eq!((framing.last(), framing.gaps), (Some(7), 1));
    }
}

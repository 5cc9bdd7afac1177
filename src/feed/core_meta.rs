//! stellar-core's metadata stream: record-marked ledgers, one after the other.

use super::FeedConfig;
use super::collector::{Collector, Refused};
use super::port::Port;
use crate::events::{FeedEvent, FeedFault, Sink, Stamped};
use crate::wire::ledger::{SkimError, skim};
use crate::wire::record_mark::{RecordError, RecordSplitter};

/// The stream of ledgers, and where in the chain it stands.
#[derive(Debug)]
pub(super) struct CoreMeta {
    splitter: RecordSplitter,
    ledgers: Ledgers,
}

/// What becomes of whole ledgers.
#[derive(Debug)]
struct Ledgers {
    collector: Collector,
    /// Number and hash of the last ledger that was handed down. Kept over connections, so that what was missed between
    /// two is noticed.
    last: Option<(u32, [u8; 32])>,
}

/// How a ledger stands to the last.
enum Follows {
    /// It is the next, or the first of all.
    Yes,
    /// It came before.
    Repeated,
    /// Ledgers are missing between the two.
    Gap,
    /// It is the next by its number, but of another chain.
    OtherChain,
}

impl CoreMeta {
    pub(super) fn new(config: &FeedConfig) -> Self {
        Self {
            splitter: RecordSplitter::new(config.limits.max_ledger_bytes),
            ledgers: Ledgers { collector: Collector::new(config), last: None },
        }
    }

    pub(super) fn opened(&mut self) {
        self.splitter.reset();
    }

    pub(super) fn bytes(&mut self, mut bytes: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        let room = self.splitter.buffer_capacity();
        while port.is_open() {
            match self.splitter.next(&mut bytes) {
                Ok(Some(ledger)) => self.ledgers.ledger(ledger, port, sink),
                Ok(None) => break,
                Err(error) => {
                    port.fault(fault_of_record(&error), sink);
                    port.give_up(sink);
                }
            }
        }
        port.counters.growths += u64::from(self.splitter.buffer_capacity() > room);
    }

    pub(super) fn closed(&mut self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if let Err(error) = self.splitter.finish() {
            port.fault(fault_of_record(&error), sink);
        }
    }
}

impl Ledgers {
    fn ledger(&mut self, bytes: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        port.counters.messages += 1;
        let room = self.collector.room();
        self.collector.begin();
        let walked = skim(bytes, &mut self.collector);
        port.counters.growths += u64::from(self.collector.room() > room);
        let collected = match walked.map_err(|error| fault_of_skim(&error)) {
            Ok(()) => self.collector.finish().map_err(|refused| match refused {
                Refused::TooManyEvents => FeedFault::Oversized,
                Refused::BadValue => FeedFault::BadValue,
                Refused::NoHeader => FeedFault::Malformed,
            }),
            Err(fault) => Err(fault),
        };
        match collected {
            Ok(chain) => self.hand_down(chain, port, sink),
            Err(fault) => port.fault(fault, sink),
        }
    }

    fn hand_down(&mut self, link: Link, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        match self.follows(&link) {
            Follows::Yes => {}
            Follows::Gap => port.fault(FeedFault::Gap, sink),
            Follows::Repeated => {
                port.counters.repeated += 1;
                return;
            }
            Follows::OtherChain => {
                self.last = None;
                port.fault(FeedFault::Gap, sink);
                port.give_up(sink);
                return;
            }
        }
        self.last = Some((link.seq, link.hash));
        port.up(sink);
        port.counters.handed_down += 1;
        self.collector.for_each(|event| port.emit(event, sink));
    }

    fn follows(&self, link: &Link) -> Follows {
        match self.last {
            None => Follows::Yes,
            Some((seq, _)) if link.seq <= seq => Follows::Repeated,
            Some((seq, _)) if link.seq - seq > 1 => Follows::Gap,
            Some((_, hash)) if hash != link.previous_hash => Follows::OtherChain,
            Some(_) => Follows::Yes,
        }
    }
}

/// A ledger's place in the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) seq: u32,
    pub(super) hash: [u8; 32],
    pub(super) previous_hash: [u8; 32],
}

fn fault_of_record(error: &RecordError) -> FeedFault {
    match error {
        RecordError::NotLastFragment { .. } | RecordError::Empty { .. } => FeedFault::RecordMark,
        RecordError::Oversized { .. } => FeedFault::Oversized,
        RecordError::Truncated { .. } => FeedFault::Truncated,
    }
}

fn fault_of_skim(error: &SkimError) -> FeedFault {
    match error {
        SkimError::Malformed { .. } => FeedFault::Malformed,
        SkimError::UnknownProtocol { .. } => FeedFault::UnknownProtocol,
    }
}

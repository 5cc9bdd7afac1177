//! The chain of ledgers, whichever sources bring them: the first to bring the next one is heard.

use super::FeedConfig;
use super::collector::{Collector, Refused};
use super::port::Port;
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::wire::ledger::{SkimError, skim};

/// What becomes of whole ledgers, and where in the chain they stand.
#[derive(Debug)]
pub(super) struct Ledgers {
    collector: Collector,
    /// Number and hash of the last ledger that was handed down. Kept over connections and sources, so that what was
    /// missed between two is noticed.
    last: Option<(u32, [u8; 32])>,
    gaps: u64,
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

impl Ledgers {
    pub(super) fn new(config: &FeedConfig) -> Self {
        Self { collector: Collector::new(config), last: None, gaps: 0 }
    }

    /// The number of the last ledger that was handed down.
    pub(super) fn last(&self) -> Option<u32> {
        self.last.map(|(seq, _)| seq)
    }

    /// How often ledgers were missed: when it grows, what was known before is to be asked for anew.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// A whole ledger (the XDR of a `LedgerCloseMeta`), whose first byte came at that moment.
    pub(super) fn ledger(
        &mut self,
        bytes: &[u8],
        first_byte: MonoNanos,
        port: &mut Port,
        sink: &mut impl Sink<Stamped<FeedEvent>>,
    ) {
        port.counters.messages += 1;
        let room = self.collector.room();
        self.collector.begin(first_byte);
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
            Follows::Gap => {
                self.gaps += 1;
                port.fault(FeedFault::Gap, sink);
            }
            Follows::Repeated => {
                port.counters.repeated += 1;
                return;
            }
            Follows::OtherChain => {
                self.last = None;
                self.gaps += 1;
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

fn fault_of_skim(error: &SkimError) -> FeedFault {
    match error {
        SkimError::Malformed { .. } => FeedFault::Malformed,
        SkimError::UnknownProtocol { .. } => FeedFault::UnknownProtocol,
    }
}

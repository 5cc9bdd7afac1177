//! stellar-core's metadata stream: record-marked ledgers, one after the other.

use super::FeedConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::wire::record_mark::{RecordError, RecordSplitter};

/// The stream of ledgers.
#[derive(Debug)]
pub(super) struct CoreMeta {
    splitter: RecordSplitter,
    /// When the first byte of the ledger that is coming came.
    first_byte: MonoNanos,
}

impl CoreMeta {
    pub(super) fn new(config: &FeedConfig) -> Self {
        Self { splitter: RecordSplitter::new(config.limits.max_ledger_bytes), first_byte: MonoNanos::default() }
    }
}

impl Machine for CoreMeta {
    fn opened(&mut self, _leg: usize, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.splitter.reset();
    }

    fn bytes(&mut self, leg: usize, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let Tools { ports, ledgers, sink, .. } = tools;
        let port = &mut ports[leg];
        let room = self.splitter.buffer_capacity();
        if self.splitter.finish().is_ok() {
            self.first_byte = port.at;
        }
        while port.is_open() {
            match self.splitter.next(&mut bytes) {
                Ok(Some(ledger)) => {
                    ledgers.ledger(ledger, self.first_byte, port, *sink);
                    self.first_byte = port.at;
                }
                Ok(None) => break,
                Err(error) => {
                    port.fault(fault_of_record(&error), *sink);
                    port.give_up(*sink);
                }
            }
        }
        port.counters.growths += u64::from(self.splitter.buffer_capacity() > room);
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if let Err(error) = self.splitter.finish() {
            tools.ports[leg].fault(fault_of_record(&error), tools.sink);
        }
    }

    fn on_time(&mut self, _tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {}

    fn deadline(&self, _ports: &[Port]) -> Option<MonoNanos> {
        None
    }
}

fn fault_of_record(error: &RecordError) -> FeedFault {
    match error {
        RecordError::NotLastFragment { .. } | RecordError::Empty { .. } => FeedFault::RecordMark,
        RecordError::Oversized { .. } => FeedFault::Oversized,
        RecordError::Truncated { .. } => FeedFault::Truncated,
    }
}

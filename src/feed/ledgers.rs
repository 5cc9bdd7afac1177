//! The chain of ledgers, whichever sources bring them: the first to bring the next one is heard.

use super::collector::{Collector, Refused};
use super::config::{FeedConfig, SourceConfig};
use super::port::Port;
use crate::events::{ConnId, FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::stellar::{AccountIndex, LedgerSeq, SequenceNumber};
use crate::wire::ledger::{SkimError, skim};

/// What becomes of whole ledgers, and where in the chain they stand.
#[derive(Debug)]
pub(super) struct Ledgers {
    collector: Collector,
    /// Number and hash of the last ledger that was handed down. Kept over connections and sources, so that what was
    /// missed between two is noticed.
    last: Option<(u32, [u8; 32])>,
    gaps: u64,
    /// The first ledger since the start, or the last gap: none is missing since.
    unbroken_from: u32,
    /// Of each of our accounts the last change that was handed down: its ledger and the sequence number after it.
    own: Vec<Option<(u32, SequenceNumber)>>,
    /// Of each connection that brings ledgers, the last one of this chain that it brought, first or not; `None` when it is
    /// gone.
    brought: Vec<Option<u32>>,
    /// The one that is right when two differ: core's stream, since it is our own.
    authority: Option<ConnId>,
}

/// What the ledgers say of a change that another source has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// They have shown it, or a later one; or they began after it.
    Yes,
    /// They are so many ledgers behind it.
    Behind(u32),
    /// They have come to it, and have not shown it.
    No,
}

/// How a ledger stands to the last.
enum Follows {
    /// It is the next, or the first of all.
    Yes,
    /// It came before.
    Repeated,
    /// Ledgers are missing between the two, or core's stream has gone over to another chain.
    Gap,
    /// It is the next by its number, but of another chain, and nobody else stands who could tell which is right.
    OtherChain,
    /// It is of another chain than that which others bring.
    Stranger,
}

impl Ledgers {
    pub(super) fn new(config: &FeedConfig) -> Self {
        let core = config.sources.iter().position(|source| matches!(source, SourceConfig::CoreMeta));
        let before = core.map(|at| config.sources[..at].iter().map(SourceConfig::connections).sum::<usize>());
        Self {
            collector: Collector::new(config),
            last: None,
            gaps: 0,
            unbroken_from: 0,
            own: vec![None; config.accounts.len()],
            brought: vec![None; config.connections()],
            authority: before.and_then(|at| u8::try_from(at).ok()).map(ConnId),
        }
    }

    /// A connection is gone: it vouches for nothing any more.
    pub(super) fn lost(&mut self, conn: ConnId) {
        self.brought[usize::from(conn.0)] = None;
    }

    /// The number of the last ledger that was handed down.
    pub(super) fn last(&self) -> Option<u32> {
        self.last.map(|(seq, _)| seq)
    }

    /// How often ledgers were missed: when it grows, what was known before is to be asked for anew.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Whether the change of an account of ours was shown after which it had this sequence number, in that ledger.
    pub(super) fn shows(&self, account: AccountIndex, sequence: SequenceNumber, ledger: LedgerSeq) -> Shown {
        match self.last() {
            None => Shown::Yes,
            Some(last) if last < ledger.0 => Shown::Behind(ledger.0 - last),
            Some(_) if ledger.0 < self.unbroken_from => Shown::Yes,
            Some(_) => match self.own[usize::from(account.0)] {
                Some((in_ledger, after)) if in_ledger >= ledger.0 && after >= sequence => Shown::Yes,
                _ => Shown::No,
            },
        }
    }

    /// A whole ledger (the XDR of a `LedgerCloseMeta`), whose first byte came at that moment. Returns false if it is of
    /// another chain than that which others bring: whoever brought it is to be put aside.
    pub(super) fn ledger(
        &mut self,
        bytes: &[u8],
        first_byte: MonoNanos,
        port: &mut Port,
        sink: &mut impl Sink<Stamped<FeedEvent>>,
    ) -> bool {
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
            Err(fault) => {
                port.fault(fault, sink);
                true
            }
        }
    }

    fn hand_down(&mut self, link: Link, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) -> bool {
        match self.follows(&link, port.conn()) {
            Follows::Yes => {}
            Follows::Gap => {
                self.gaps += 1;
                port.fault(FeedFault::Gap, sink);
            }
            Follows::Repeated => {
                port.counters.repeated += 1;
                self.brought[usize::from(port.conn().0)] = Some(link.seq);
                return true;
            }
            Follows::Stranger => {
                port.fault(FeedFault::OtherChain, sink);
                return false;
            }
            Follows::OtherChain => {
                self.last = None;
                self.brought.fill(None);
                self.gaps += 1;
                port.fault(FeedFault::Gap, sink);
                port.give_up(sink);
                return true;
            }
        }
        self.brought[usize::from(port.conn().0)] = Some(link.seq);
        if self.last.is_none_or(|(_, hash)| hash != link.previous_hash) {
            self.unbroken_from = link.seq;
        }
        self.last = Some((link.seq, link.hash));
        port.up(sink);
        port.counters.handed_down += 1;
        let own = &mut self.own;
        self.collector.for_each(|event| {
            if let FeedEvent::Account(state) = &event {
                own[usize::from(state.account.0)] = Some((link.seq, state.sequence));
            }
            port.emit(event, sink);
        });
        true
    }

    fn follows(&self, link: &Link, conn: ConnId) -> Follows {
        let Some((last, hash)) = self.last else { return Follows::Yes };
        let is_ours = if link.seq == last { hash == link.hash } else { hash == link.previous_hash };
        let others = || self.brought.iter().zip(0..).filter(|(_, other)| *other != conn.0);
        // Whoever brought one of the last two ledgers, and still stands, vouches for them.
        let is_vouched_for = || others().any(|(brought, _)| brought.is_some_and(|seq| last - seq <= 1));
        match link.seq.checked_sub(last) {
            Some(2..) => Follows::Gap,
            Some(_) if !is_ours && is_vouched_for() && self.authority != Some(conn) => Follows::Stranger,
            Some(1) if is_ours => Follows::Yes,
            Some(1) if is_vouched_for() => Follows::Gap,
            Some(1) => Follows::OtherChain,
            Some(0) | None => Follows::Repeated,
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

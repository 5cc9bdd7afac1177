//! What is the same for every source: its connection's state, its counters, and how it speaks to the next stage.

use super::SourceCounters;
use crate::events::{ConnId, FeedEvent, FeedFault, MonoNanos, Outbox, Sink, Stamped};

/// A source's connection.
#[derive(Debug)]
pub(super) struct Port {
    conn: ConnId,
    state: State,
    /// Whether the next stage was told that the source is up.
    up: bool,
    reset_wanted: bool,
    /// It was given back by us because it had done its work.
    renewing: bool,
    /// The moment of the current input, which stamps what follows from it.
    pub(super) at: MonoNanos,
    pub(super) outbox: Outbox,
    pub(super) counters: SourceCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No connection, or one that was given up and is to be closed: its bytes are not looked at.
    Closed,
    Open,
}

impl Port {
    pub(super) fn new(conn: ConnId, outbox_bytes: usize) -> Self {
        Self {
            conn,
            state: State::Closed,
            up: false,
            reset_wanted: false,
            renewing: false,
            at: MonoNanos::default(),
            outbox: Outbox::new(outbox_bytes),
            counters: SourceCounters::default(),
        }
    }

    pub(super) fn opened(&mut self, at: MonoNanos) {
        self.at = at;
        self.state = State::Open;
        (self.reset_wanted, self.renewing) = (false, false);
        self.outbox.clear();
    }

    /// Takes note of bytes, and says whether they are to be looked at.
    pub(super) fn takes_bytes(&mut self, count: usize, at: MonoNanos) -> bool {
        self.at = at;
        self.counters.bytes += count as u64;
        self.state == State::Open
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn closed(&mut self, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        self.state = State::Closed;
        self.reset_wanted = false;
        self.outbox.clear();
        if !core::mem::take(&mut self.renewing) {
            self.down(sink);
        }
    }

    pub(super) fn emit(&self, event: FeedEvent, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        sink.put(Stamped { wire: self.at, event });
    }

    pub(super) fn fault(&mut self, fault: FeedFault, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        self.counters.count(fault);
        self.emit(FeedEvent::Fault(self.conn, fault), sink);
    }

    /// Which connection it is.
    pub(super) fn conn(&self) -> ConnId {
        self.conn
    }

    /// The source delivers.
    pub(super) fn up(&mut self, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if !self.up {
            self.up = true;
            self.emit(FeedEvent::FeedUp(self.conn), sink);
        }
    }

    /// The source does not deliver any more.
    pub(super) fn down(&mut self, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if self.up {
            self.up = false;
            self.emit(FeedEvent::FeedDown(self.conn), sink);
        }
    }

    /// The connection is of no more use: its bytes are no longer looked at, and the network is to open another.
    pub(super) fn give_up(&mut self, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        self.state = State::Closed;
        self.reset_wanted = true;
        self.counters.resets += 1;
        self.outbox.clear();
        self.down(sink);
    }

    /// The connection has done its work (its peer closes after each answer): another is to be opened, and the source is
    /// no less up.
    pub(super) fn renew(&mut self) {
        self.state = State::Closed;
        (self.reset_wanted, self.renewing) = (true, true);
        self.outbox.clear();
    }

    pub(super) fn take_reset(&mut self) -> bool {
        core::mem::take(&mut self.reset_wanted)
    }
}

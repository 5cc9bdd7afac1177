//! The sockets of one thread.

use super::backoff::Timing;
use super::connection::{Arrived, Buffers, Connection, Context, NEVER, PLAIN_BYTES, RAW_BYTES, Step};
use super::endpoint::{ConnSettings, Endpoint, TlsLoader};
use super::failure::NetError;
use super::names::Names;
use super::stats::NetStats;
use crate::events::Clock;
use crate::events::{ConnId, MonoNanos, NetEvent, Outbox};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Readiness announcements taken at once; more come with the next turn.
const EVENTS: usize = 64;

const WAKER: mio::Token = mio::Token(usize::MAX);

/// What a flush has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Bytes taken from the outbox. Through TLS some may wait as ciphertext for the socket to have room; they go by
    /// themselves.
    pub taken: usize,
    /// The clock right before the first `write()`, after any encryption.
    pub entered: MonoNanos,
}

/// The connections of one thread, on one event queue. See the [room](super) for how it is driven.
#[derive(Debug)]
pub struct Reactor<C> {
    poll: mio::Poll,
    events: mio::Events,
    waker: Arc<mio::Waker>,
    names: Option<Names>,
    connections: Vec<Connection>,
    buffers: Buffers,
    /// Bytes that came with an opening that has just been announced.
    held: Option<(usize, Arrived)>,
    /// The connection whose turn is next; past the last, the turn is over.
    turn: usize,
    stats: NetStats,
    clock: C,
}

impl<C: Clock> Reactor<C> {
    /// Makes the connections with ids 0 and up, in the order of `settings`. They are opened once the reactor is driven.
    /// `seed` decides about the jitter of pauses, and nothing else.
    ///
    /// # Errors
    /// If there are more than 255, roots cannot be loaded, a TLS host is no name, or the system refuses an event queue
    /// or a thread.
    pub fn new(settings: &[ConnSettings], timing: Timing, seed: u64, clock: C) -> Result<Self, NetError> {
        if settings.len() > usize::from(u8::MAX) {
            return Err(NetError::TooMany(settings.len()));
        }
        let system = |what| move |source| NetError::System { what, source };
        let poll = mio::Poll::new().map_err(system("make an event queue"))?;
        let waker = mio::Waker::new(poll.registry(), WAKER).map_err(system("make an event queue's waker"))?;
        let waker = Arc::new(waker);
        let mut loader = TlsLoader::default();
        let mut connections = Vec::with_capacity(settings.len());
        for (index, settings) in settings.iter().enumerate() {
            let tls = loader.settings(&settings.endpoint)?;
            let own_seed = seed.wrapping_add(index as u64);
            connections.push(Connection::new(index, settings.clone(), tls, timing, own_seed));
        }
        let has_names = settings.iter().any(|settings| has_name(&settings.endpoint));
        let has_tls = settings.iter().any(|settings| matches!(settings.endpoint, Endpoint::Tls { .. }));
        let raw = vec![0; if has_tls { RAW_BYTES } else { 0 }].into_boxed_slice();
        Ok(Self {
            events: mio::Events::with_capacity(EVENTS),
            names: has_names.then(|| Names::start(settings.len(), Arc::clone(&waker))).transpose()?,
            connections,
            buffers: Buffers { raw, plain: vec![0; PLAIN_BYTES].into_boxed_slice() },
            held: None,
            turn: usize::MAX,
            stats: NetStats::new(settings),
            clock,
            poll,
            waker,
        })
    }

    /// What wakes [`wait`](Self::wait) from another thread: for [`Idle::on_poll`](crate::pipeline::wait::Idle::on_poll).
    #[must_use]
    pub fn waker(&self) -> Arc<mio::Waker> {
        Arc::clone(&self.waker)
    }

    /// What the connections have done; may be read from any thread.
    #[must_use]
    pub fn stats(&self) -> NetStats {
        self.stats.clone()
    }

    /// Waits for something to happen, at most `timeout` (to the next millisecond), and begins a turn. Does not sleep if
    /// the last turn has left something.
    ///
    /// # Errors
    /// If the system refuses to wait, which is a fault of this program.
    pub fn wait(&mut self, timeout: Duration) -> Result<(), NetError> {
        let is_restless = self.held.is_some() || self.connections.iter().any(Connection::wants_turn);
        let timeout = if is_restless { Duration::ZERO } else { timeout.min(self.until_next_timer()) };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(NetError::System { what: "wait for events", source: error });
            }
            // After an interruption the events are the last turn's.
            Err(_) => self.events.clear(),
            Ok(()) => {}
        }
        for event in self.events.iter().filter(|event| event.token() != WAKER) {
            self.connections[event.token().0].on_ready(event);
        }
        self.take_addresses();
        self.run_timers();
        self.turn = 0;
        Ok(())
    }

    fn next_timer(&self) -> MonoNanos {
        self.connections.iter().map(Connection::deadline).min().unwrap_or(NEVER)
    }

    fn until_next_timer(&self) -> Duration {
        match self.next_timer() {
            NEVER => Duration::MAX,
            timer => Duration::from_nanos(timer.since(self.clock.mono())),
        }
    }

    fn take_addresses(&mut self) {
        while let Some(answer) = self.names.as_ref().and_then(Names::answer) {
            let (connection, cx) = self.split(answer.index);
            connection.on_addresses(answer.addresses, &cx);
        }
    }

    fn run_timers(&mut self) {
        if self.next_timer() == NEVER {
            return;
        }
        let now = self.clock.mono();
        for index in 0..self.connections.len() {
            if self.connections[index].deadline() <= now {
                let (connection, cx) = self.split(index);
                connection.on_time(&cx);
            }
        }
    }

    fn split(&mut self, index: usize) -> (&mut Connection, Context<'_, C>) {
        let cx = Context {
            registry: self.poll.registry(),
            names: self.names.as_ref(),
            count: self.stats.count(index),
            clock: &self.clock,
        };
        (&mut self.connections[index], cx)
    }

    /// The next thing that has happened in this turn, with its wire time: the clock right after the `read()` that
    /// brought the bytes, or now. `None` when each connection had its turn.
    pub fn next_event(&mut self) -> Option<(MonoNanos, NetEvent<'_>)> {
        if let Some((index, arrived)) = self.held.take() {
            return Some(self.bytes(index, arrived));
        }
        while self.turn < self.connections.len() {
            let index = self.turn;
            self.turn += 1;
            if !self.connections[index].wants_turn() {
                continue;
            }
            let cx = Context {
                registry: self.poll.registry(),
                names: self.names.as_ref(),
                count: self.stats.count(index),
                clock: &self.clock,
            };
            match self.connections[index].step(&mut self.buffers, &cx) {
                Step::Nothing => {}
                Step::Bytes(arrived) => return Some(self.bytes(index, arrived)),
                Step::Closed => return Some((self.clock.mono(), NetEvent::Closed(conn_id(index)))),
                Step::Opened(arrived) => {
                    self.held = arrived.map(|arrived| (index, arrived));
                    return Some((self.clock.mono(), NetEvent::Opened(conn_id(index))));
                }
            }
        }
        None
    }

    fn bytes(&self, index: usize, arrived: Arrived) -> (MonoNanos, NetEvent<'_>) {
        (arrived.wire, NetEvent::Bytes(conn_id(index), &self.buffers.plain[..arrived.length]))
    }

    /// A whole turn: waits, and hands each event to `handler` with its wire time. True if there was one.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn poll(
        &mut self,
        timeout: Duration,
        mut handler: impl FnMut(MonoNanos, NetEvent<'_>),
    ) -> Result<bool, NetError> {
        self.wait(timeout)?;
        let mut had_one = false;
        while let Some((wire, event)) = self.next_event() {
            had_one = true;
            handler(wire, event);
        }
        Ok(had_one)
    }

    /// Writes from an outbox's front what the connection takes without waiting. `None` if that is nothing: nothing
    /// waits, the connection is not open, or its socket is full. Call it after each event, and after each
    /// [`wait`](Self::wait) for an outbox that is not empty. The stage clears its outbox on
    /// [`Closed`](NetEvent::Closed): what waited was for the connection that is gone.
    ///
    /// # Panics
    /// If there is no such connection.
    pub fn flush(&mut self, conn: ConnId, outbox: &mut Outbox) -> Option<Flushed> {
        let (connection, cx) = self.split(usize::from(conn.0));
        let flushed = connection.write(outbox.waiting(), &cx)?;
        outbox.sent(flushed.taken);
        Some(flushed)
    }

    /// Closes a connection, which is then opened again by the usual rules. The stage hears of it as
    /// [`Closed`](NetEvent::Closed) when its turn comes; until then nothing is read or written.
    ///
    /// # Panics
    /// If there is no such connection.
    pub fn reset(&mut self, conn: ConnId) {
        self.connections[usize::from(conn.0)].reset();
    }
}

/// A connection's id; the constructor has seen to it that it fits.
fn conn_id(index: usize) -> ConnId {
    debug_assert!(index < usize::from(u8::MAX), "ids are bytes");
    #[expect(clippy::cast_possible_truncation, reason = "at most 255 connections, checked at the start")]
    ConnId(index as u8)
}

/// Whether a look-up is needed.
fn has_name(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Tcp { host, .. } | Endpoint::Tls { host, .. } => host.parse::<IpAddr>().is_err(),
        Endpoint::Unix { .. } | Endpoint::Pipe { .. } => false,
    }
}

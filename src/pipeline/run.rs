//! The loop that turns a fused line on a thread of its own, behind its sockets.

use super::clock::{Clock, SystemClock};
use super::line::{Booking, Deciding, Executing, Feeding, Gating, Line, Observe};
use super::ring::{Conflating, Consumer, Producer, SharedConsumer};
use super::wait::Idle;
use crate::events::{BookEvent, ConnId, Control, ExecutionEvent, MonoNanos, Now, Stamped};
use crate::net::{NetError, Reactor};
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest that a turn waits, so that a stop is heard and the thread shows that it lives, nanoseconds.
const LONGEST_WAIT_NS: u64 = 50_000_000;

/// What observers hear of.
#[derive(Clone, Copy, Debug)]
pub enum Observation {
    /// From the book.
    Book(Stamped<BookEvent>),
    /// From execution.
    Execution(ExecutionEvent),
}

/// Observers at the other end of a ring. When they are so late that it is full, what comes is dropped and counted: they
/// show, and the ledger remembers.
#[derive(Debug)]
pub struct RingObserver(Producer<Observation, Conflating>);

impl RingObserver {
    /// An observer behind a ring of this many places.
    #[must_use]
    pub fn new(capacity: usize) -> (Self, Consumer<Observation>) {
        let (producer, consumer) = super::ring::one_to_one(capacity);
        (Self(producer), consumer)
    }
}

impl Observe for RingObserver {
    fn book(&mut self, event: &Stamped<BookEvent>) {
        self.0.push(Observation::Book(*event));
    }

    fn execution(&mut self, event: &ExecutionEvent) {
        self.0.push(Observation::Execution(*event));
    }
}

/// What a running line is tied to.
#[derive(Debug)]
pub struct Ties<'a> {
    /// Its sockets.
    pub reactor: Reactor<SystemClock>,
    /// How it waits.
    pub idle: Idle,
    /// The operator's words.
    pub control: SharedConsumer<Control>,
    /// Set to end the loop.
    pub stop: &'a AtomicBool,
}

/// Turns the line until it is told to stop. `beat` is called once a turn.
///
/// # Errors
/// If the system refuses to wait for sockets.
pub fn run_line<F, B, S, R, E>(
    line: &mut Line<F, B, S, R, E, SystemClock>,
    ties: &mut Ties<'_>,
    observe: &mut impl Observe,
    mut beat: impl FnMut(MonoNanos),
) -> Result<(), NetError>
where
    F: Feeding,
    B: Booking,
    S: Deciding,
    R: Gating,
    E: Executing,
{
    let clock = SystemClock;
    while !ties.stop.load(Ordering::Relaxed) {
        let now = clock.now();
        beat(now.mono);
        while let Some(control) = ties.control.pop() {
            line.on_control(now, control, observe);
        }
        if line.next_deadline().is_some_and(|at| at <= now.mono) {
            line.on_time(now, observe);
        }
        flush(line, &mut ties.reactor);
        let bound = line.next_deadline().map_or(LONGEST_WAIT_NS, |at| at.since(now.mono).min(LONGEST_WAIT_NS));
        let control = &ties.control;
        let timeout = ties.idle.poll_timeout(bound, || control.is_empty());
        ties.reactor.wait(timeout)?;
        ties.idle.woke();
        let mut busy = false;
        while let Some((wire, event)) = ties.reactor.next_event() {
            line.on_net(Now { mono: wire, utc: clock.now().utc }, event, observe);
            flush(line, &mut ties.reactor);
            busy = true;
        }
        if busy {
            ties.idle.reset();
        } else {
            line.exchange_latencies();
        }
    }
    Ok(())
}

/// Writes what waits in the outboxes, and closes what a stage has given up.
fn flush<F, B, S, R, E>(line: &mut Line<F, B, S, R, E, SystemClock>, reactor: &mut Reactor<SystemClock>)
where
    F: Feeding,
    B: Booking,
    S: Deciding,
    R: Gating,
    E: Executing,
{
    for conn in (0..line.connections()).map(ConnId) {
        let outbox = line.outbox(conn);
        let waits = !outbox.waiting().is_empty();
        if waits
            && let Some(flushed) = reactor.flush(conn, outbox)
            && conn.0 >= line.feed.connections()
        {
            line.on_written(flushed.entered);
        }
        if line.take_reset(conn) {
            reactor.reset(conn);
        }
    }
}

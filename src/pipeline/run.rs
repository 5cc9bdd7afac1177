//! The loop that turns the stages of one thread, behind their sockets and rings.

use super::allocations::allocations_on_this_thread;
use super::clock::{Clock, SystemClock};
use super::flight::{FlightEntry, FlightInput, FlightRecorder};
use super::line::{Booking, Deciding, Executing, Feeding, Gating, Inlets, Line, Observe};
use super::placement::StageName;
use super::ring::{Lossless, SharedConsumer, SharedProducer, many_to_one};
use super::wait::Idle;
use crate::events::{BookEvent, ConnId, Control, ExecutionEvent, MonoNanos, Now, Stamped};
use crate::net::{NetError, Reactor};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

impl Observation {
    /// Whether it is only news that the next one replaces.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Book(Stamped { event: BookEvent::ReferencePrice(_) | BookEvent::MarketChanged(_), .. }))
    }
}

/// One hot thread's way to the observers. When they are late, prices and change marks are left out; fills, transactions
/// and ledgers are held back here, in order, until there is room.
#[derive(Debug)]
pub struct RingObserver {
    ring: SharedProducer<Observation, Lossless>,
    held: VecDeque<Observation>,
}

/// The most observations that a thread holds back: some minutes of a busy market. Beyond, something is very wrong with
/// the observers, and the line stops rather than lose a fill.
const HELD_BACK: usize = 1 << 16;

impl RingObserver {
    /// Observers behind a ring of this many places, for each of `threads` hot threads.
    #[must_use]
    pub fn new(capacity: usize, threads: usize) -> (Vec<Self>, SharedConsumer<Observation>) {
        let (producer, consumer) = many_to_one(capacity);
        let observer = || Self { ring: producer.clone(), held: VecDeque::with_capacity(HELD_BACK) };
        ((0..threads).map(|_| observer()).collect(), consumer)
    }

    fn put(&mut self, observation: Observation) {
        self.catch_up();
        if self.held.is_empty() && self.ring.try_push(observation).is_ok() {
            return;
        }
        if !observation.is_passing() {
            assert!(self.held.len() < HELD_BACK, "observers have taken nothing for minutes: a fill would be lost");
            self.held.push_back(observation);
        }
    }

    /// Pushes what was held back, as far as there is room.
    fn catch_up(&mut self) {
        while let Some(&oldest) = self.held.front()
            && self.ring.try_push(oldest).is_ok()
        {
            self.held.pop_front();
        }
    }
}

impl Observe for RingObserver {
    fn book(&mut self, event: &Stamped<BookEvent>) {
        self.put(Observation::Book(*event));
    }

    fn execution(&mut self, event: &ExecutionEvent) {
        self.put(Observation::Execution(*event));
    }

    fn idle(&mut self) {
        self.catch_up();
    }
}

/// What the stages of a thread are tied to.
#[derive(Debug)]
pub struct Ties<'a> {
    /// Their sockets, if the feed or execution sits here.
    pub reactor: Option<Reactor<SystemClock>>,
    /// Their rings.
    pub inlets: Inlets,
    /// How the thread waits: by its reactor's poll if there is one.
    pub idle: Idle,
    /// The operator's words, if the strategy sits here.
    pub control: Option<SharedConsumer<Control>>,
    /// The first stage of the thread, and where its inputs are recorded.
    pub flight: Option<(StageName, FlightRecorder)>,
    /// What the stages allocate.
    pub allocations: AllocationMeter,
    /// Set to end the loop.
    pub stop: &'a AtomicBool,
}

/// Counts what is allocated inside the stages of a thread (but not by its sockets), if the process runs on the
/// [`CountingAllocator`](super::allocations::CountingAllocator): once warm that should be what the WebSocket frames take.
#[derive(Clone, Debug, Default)]
pub struct AllocationMeter(Arc<AtomicU64>);

impl AllocationMeter {
    /// How many so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count<R>(&self, stages: impl FnOnce() -> R) -> R {
        let before = allocations_on_this_thread();
        let result = stages();
        let spent = allocations_on_this_thread().since(before).count;
        if spent > 0 {
            self.0.fetch_add(spent, Ordering::Relaxed);
        }
        result
    }
}

impl Ties<'_> {
    fn record(&mut self, now: Now, input: FlightInput<'_>) {
        if let Some((stage, recorder)) = &mut self.flight {
            recorder.record(FlightEntry { stage: *stage, now, input });
        }
    }
}

/// Turns the stages of a thread until it is told to stop. `beat` is called once a turn.
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
    let meter = ties.allocations.clone();
    while !ties.stop.load(Ordering::Relaxed) {
        let now = clock.now();
        beat(now.mono);
        let mut busy = meter.count(|| line.take(now, &mut ties.inlets, observe));
        while let Some(control) = ties.control.as_mut().and_then(SharedConsumer::pop) {
            ties.record(now, FlightInput::Control(control));
            meter.count(|| line.on_control(now, control, observe));
        }
        if line.next_deadline().is_some_and(|at| at <= now.mono) {
            ties.record(now, FlightInput::Time);
            meter.count(|| line.on_time(now, observe));
        }
        flush_all(line, ties.reactor.as_mut());
        let bound = line.next_deadline().map_or(LONGEST_WAIT_NS, |at| at.since(now.mono).min(LONGEST_WAIT_NS));
        busy |= wait(line, ties, if busy { 0 } else { bound }, observe)?;
        if busy {
            ties.idle.reset();
        } else {
            observe.idle();
            line.exchange_latencies();
        }
    }
    Ok(())
}

/// Waits for something to happen, and takes what sockets bring. True if they did.
fn wait<F, B, S, R, E>(
    line: &mut Line<F, B, S, R, E, SystemClock>,
    ties: &mut Ties<'_>,
    bound_ns: u64,
    observe: &mut impl Observe,
) -> Result<bool, NetError>
where
    F: Feeding,
    B: Booking,
    S: Deciding,
    R: Gating,
    E: Executing,
{
    let (inlets, control) = (&ties.inlets, &ties.control);
    let nothing_waits = || inlets.are_empty() && control.as_ref().is_none_or(SharedConsumer::is_empty);
    let Some(reactor) = &mut ties.reactor else {
        if bound_ns > 0 {
            ties.idle.idle(bound_ns, nothing_waits);
        }
        return Ok(false);
    };
    let timeout = ties.idle.poll_timeout(bound_ns, nothing_waits);
    reactor.wait(timeout)?;
    ties.idle.woke();
    let mut busy = false;
    while let Some((wire, event)) = reactor.next_event() {
        let now = Now { mono: wire, utc: SystemClock.now().utc };
        if let Some((stage, recorder)) = &mut ties.flight {
            recorder.record(FlightEntry { stage: *stage, now, input: FlightInput::Net(event) });
        }
        ties.allocations.count(|| line.on_net(now, event, observe));
        flush_all(line, Some(reactor));
        busy = true;
    }
    Ok(busy)
}

/// Writes what waits in the outboxes, and closes what a stage has given up.
fn flush_all<F, B, S, R, E>(line: &mut Line<F, B, S, R, E, SystemClock>, reactor: Option<&mut Reactor<SystemClock>>)
where
    F: Feeding,
    B: Booking,
    S: Deciding,
    R: Gating,
    E: Executing,
{
    let Some(reactor) = reactor else { return };
    for conn in (0..line.connections()).map(ConnId) {
        let outbox = line.outbox(conn);
        let waits = !outbox.waiting().is_empty();
        if waits
            && let Some(flushed) = reactor.flush(conn, outbox)
            && line.submits(conn)
        {
            line.on_written(flushed.entered);
        }
        if line.take_reset(conn) {
            reactor.reset(conn);
        }
    }
}

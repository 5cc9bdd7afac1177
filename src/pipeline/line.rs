//! A line of stages, fused: what one stage hands down the next takes at once, on the same thread, with no queue between.
//!
//! The same object runs on a hot thread behind sockets ([`run`](super::run)) and in a simulation with virtual time.

use super::clock::Clock;
use super::latency::StageLatency;
use crate::events::{
    BookEvent, ConnId, Control, Decision, ExecutionEvent, ExecutionInput, FeedEvent, MonoNanos, NetEvent, NetPort, Now,
    Sink, Stage, Stamped, StrategyInput,
};

/// Hears what passes along the line. Called on the hot thread: it only copies.
pub trait Observe {
    /// The book told this.
    fn book(&mut self, event: &Stamped<BookEvent>);
    /// Execution told this.
    fn execution(&mut self, event: &ExecutionEvent);
}

/// What a [`Line`]'s stages must be.
pub trait Feeding: for<'a> Stage<Input<'a> = NetEvent<'a>, Output = Stamped<FeedEvent>> + NetPort {}
impl<T: for<'a> Stage<Input<'a> = NetEvent<'a>, Output = Stamped<FeedEvent>> + NetPort> Feeding for T {}
/// See [`Feeding`].
pub trait Booking: for<'a> Stage<Input<'a> = Stamped<FeedEvent>, Output = Stamped<BookEvent>> {}
impl<T: for<'a> Stage<Input<'a> = Stamped<FeedEvent>, Output = Stamped<BookEvent>>> Booking for T {}
/// See [`Feeding`].
pub trait Deciding: for<'a> Stage<Input<'a> = StrategyInput, Output = Stamped<Decision>> {}
impl<T: for<'a> Stage<Input<'a> = StrategyInput, Output = Stamped<Decision>>> Deciding for T {}
/// See [`Feeding`].
pub trait Gating: for<'a> Stage<Input<'a> = Stamped<Decision>, Output = Stamped<Decision>> {}
impl<T: for<'a> Stage<Input<'a> = Stamped<Decision>, Output = Stamped<Decision>>> Gating for T {}
/// See [`Feeding`].
pub trait Executing: for<'a> Stage<Input<'a> = ExecutionInput<'a>, Output = ExecutionEvent> + NetPort {}
impl<T: for<'a> Stage<Input<'a> = ExecutionInput<'a>, Output = ExecutionEvent> + NetPort> Executing for T {}

/// The recorders of a line's latencies. A stage's time runs from the moment the stage before handed down.
#[derive(Debug)]
pub struct LineLatencies {
    /// Bytes to event.
    pub feed: StageLatency,
    /// Event to published view.
    pub book: StageLatency,
    /// View to decision, risk gate included.
    pub strategy: StageLatency,
    /// Decision to bytes in the outbox.
    pub execution: StageLatency,
    /// Return of the `read` to entry of the `write`.
    pub tick_to_wire: StageLatency,
}

/// Marks the moments at which events that matter pass from stage to stage.
#[derive(Debug)]
struct Probe<C> {
    clock: C,
    latencies: LineLatencies,
    last: MonoNanos,
}

#[derive(Clone, Copy)]
enum Leg {
    Feed,
    Book,
    Strategy,
    Execution,
}

impl<C: Clock> Probe<C> {
    fn pass(&mut self, leg: Leg) {
        let now = self.clock.mono();
        let recorder = match leg {
            Leg::Feed => &mut self.latencies.feed,
            Leg::Book => &mut self.latencies.book,
            Leg::Strategy => &mut self.latencies.strategy,
            Leg::Execution => &mut self.latencies.execution,
        };
        recorder.record(now.since(self.last));
        self.last = now;
    }
}

/// The stages of one account. Connections `0..feed.connections()` are the feed's, those behind them execution's.
#[derive(Debug)]
pub struct Line<F, B, S, R, E, C> {
    /// Stage 1.
    pub feed: F,
    /// Stage 2.
    pub book: B,
    /// Stage 3.
    pub strategy: S,
    /// The gate.
    pub risk: R,
    /// Stage 4.
    pub execution: E,
    probe: Probe<C>,
}

struct AfterRisk<'a, E, C, O> {
    execution: &'a mut E,
    probe: &'a mut Probe<C>,
    observe: &'a mut O,
    now: Now,
}

struct AfterStrategy<'a, R, E, C, O> {
    risk: &'a mut R,
    rest: AfterRisk<'a, E, C, O>,
}

struct AfterBook<'a, S, R, E, C, O> {
    strategy: &'a mut S,
    rest: AfterStrategy<'a, R, E, C, O>,
}

struct AfterFeed<'a, B, S, R, E, C, O> {
    book: &'a mut B,
    rest: AfterBook<'a, S, R, E, C, O>,
}

/// What execution tells goes to the observer; the answers among it also go back to the strategy, after the turn.
struct AfterExecution<'a, O>(&'a mut O);

impl<O: Observe> Sink<ExecutionEvent> for AfterExecution<'_, O> {
    fn put(&mut self, event: ExecutionEvent) {
        self.0.execution(&event);
    }
}

impl<E: Executing, C: Clock, O: Observe> Sink<Stamped<Decision>> for AfterRisk<'_, E, C, O> {
    fn put(&mut self, decision: Stamped<Decision>) {
        let complete = matches!(decision.event, Decision::QuotesEnd(_));
        if complete {
            self.probe.pass(Leg::Strategy);
        }
        self.execution.on_event(self.now, ExecutionInput::Decision(decision), &mut AfterExecution(self.observe));
        if complete {
            self.probe.pass(Leg::Execution);
        }
    }
}

impl<R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<Decision>> for AfterStrategy<'_, R, E, C, O> {
    fn put(&mut self, decision: Stamped<Decision>) {
        self.risk.on_event(self.rest.now, decision, &mut self.rest);
    }
}

impl<S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<BookEvent>>
    for AfterBook<'_, S, R, E, C, O>
{
    fn put(&mut self, event: Stamped<BookEvent>) {
        let rest = &mut self.rest.rest;
        if matches!(event.event, BookEvent::ReferencePrice(_) | BookEvent::LedgerClosed(_)) {
            rest.probe.pass(Leg::Book);
        }
        rest.observe.book(&event);
        self.strategy.on_event(rest.now, StrategyInput::Book(event), &mut self.rest);
    }
}

impl<B: Booking, S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<FeedEvent>>
    for AfterFeed<'_, B, S, R, E, C, O>
{
    fn put(&mut self, event: Stamped<FeedEvent>) {
        let rest = &mut self.rest.rest.rest;
        if matches!(event.event, FeedEvent::ReferencePrice(_) | FeedEvent::LedgerEnd(_)) {
            rest.probe.pass(Leg::Feed);
        }
        self.book.on_event(rest.now, event, &mut self.rest);
    }
}

impl<F: Feeding, B: Booking, S: Deciding, R: Gating, E: Executing, C: Clock> Line<F, B, S, R, E, C> {
    /// A line of these stages, whose latencies go to these recorders.
    pub fn new(stages: (F, B, S, R, E), clock: C, latencies: LineLatencies) -> Self {
        let (feed, book, strategy, risk, execution) = stages;
        let probe = Probe { clock, latencies, last: MonoNanos(0) };
        Self { feed, book, strategy, risk, execution, probe }
    }

    /// Connections of the line: the feed's, then execution's.
    pub fn connections(&self) -> u8 {
        self.feed.connections() + self.execution.connections()
    }

    /// Takes what the network tells of connection `conn` of the line.
    pub fn on_net(&mut self, now: Now, event: NetEvent<'_>, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        let feeds = self.feed.connections();
        match conn_of(&event) {
            conn if conn.0 < feeds => {
                let Self { feed, book, strategy, risk, execution, probe } = self;
                let rest = AfterStrategy { risk, rest: AfterRisk { execution, probe, observe, now } };
                feed.on_event(now, event, &mut AfterFeed { book, rest: AfterBook { strategy, rest } });
            }
            conn => {
                let event = with_conn(event, ConnId(conn.0 - feeds));
                self.execution.on_event(now, ExecutionInput::Net(event), &mut AfterExecution(observe));
            }
        }
    }

    /// Takes the operator's word.
    pub fn on_control(&mut self, now: Now, control: Control, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        let Self { strategy, risk, execution, probe, .. } = self;
        let mut rest = AfterStrategy { risk, rest: AfterRisk { execution, probe, observe, now } };
        strategy.on_event(now, StrategyInput::Control(control), &mut rest);
    }

    /// Lets every stage whose deadline has passed act.
    pub fn on_time(&mut self, now: Now, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        let due = |deadline: Option<MonoNanos>| deadline.is_some_and(|at| at <= now.mono);
        let Self { feed, book, strategy, risk, execution, probe } = self;
        if due(execution.next_deadline()) {
            execution.on_time(now, &mut AfterExecution(observe));
        }
        let mut rest = AfterStrategy { risk, rest: AfterRisk { execution, probe, observe, now } };
        if due(strategy.next_deadline()) {
            strategy.on_time(now, &mut rest);
        }
        let mut rest = AfterBook { strategy, rest };
        if due(book.next_deadline()) {
            book.on_time(now, &mut rest);
        }
        if due(feed.next_deadline()) {
            feed.on_time(now, &mut AfterFeed { book, rest });
        }
    }

    /// The earliest deadline of any stage.
    pub fn next_deadline(&self) -> Option<MonoNanos> {
        let deadlines = [
            self.feed.next_deadline(),
            self.book.next_deadline(),
            self.strategy.next_deadline(),
            self.risk.next_deadline(),
            self.execution.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The outbox of connection `conn` of the line.
    pub fn outbox(&mut self, conn: ConnId) -> &mut crate::events::Outbox {
        let feeds = self.feed.connections();
        if conn.0 < feeds { self.feed.outbox(conn) } else { self.execution.outbox(ConnId(conn.0 - feeds)) }
    }

    /// Whether connection `conn` of the line is to be reset, once.
    pub fn take_reset(&mut self, conn: ConnId) -> bool {
        let feeds = self.feed.connections();
        if conn.0 < feeds { self.feed.take_reset(conn) } else { self.execution.take_reset(ConnId(conn.0 - feeds)) }
    }

    /// Notes that bytes of execution's entered `write` at this moment.
    pub fn on_written(&mut self, entered: MonoNanos) {
        if let Some(wire) = self.execution.take_stamp() {
            self.probe.latencies.tick_to_wire.record(entered.since(wire));
        }
    }

    /// Hands filled histograms to their readers; for an idle turn.
    pub fn exchange_latencies(&mut self) {
        let all = &mut self.probe.latencies;
        let recorders = [&mut all.feed, &mut all.book, &mut all.strategy, &mut all.execution, &mut all.tick_to_wire];
        recorders.into_iter().for_each(StageLatency::exchange);
    }
}

fn conn_of(event: &NetEvent<'_>) -> ConnId {
    match event {
        NetEvent::Opened(conn) | NetEvent::Bytes(conn, _) | NetEvent::Closed(conn) => *conn,
    }
}

fn with_conn(event: NetEvent<'_>, conn: ConnId) -> NetEvent<'_> {
    match event {
        NetEvent::Opened(_) => NetEvent::Opened(conn),
        NetEvent::Bytes(_, bytes) => NetEvent::Bytes(conn, bytes),
        NetEvent::Closed(_) => NetEvent::Closed(conn),
    }
}

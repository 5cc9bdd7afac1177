//! A line of stages. What one stage hands down, the next takes at once if it sits on the same thread, with no queue
//! between; if it sits on another, over a ring.
//!
//! The same object runs on hot threads behind sockets ([`run`](super::run)) and in a simulation with virtual time.

use super::clock::Clock;
use super::latency::StageLatency;
use super::ring::{Consumer, Lossless, Producer};
use super::wait::Waker;
use crate::events::{
    BookEvent, ConnId, Control, Decision, ExecutionEvent, ExecutionInput, FeedEvent, LedgerClosed, MonoNanos, NetEvent,
    NetPort, Now, Outbox, Sink, Stage, Stamped, StrategyInput, SubmitReport,
};
use std::collections::VecDeque;

/// Hears what passes along the line. Called on the hot thread: it only copies.
pub trait Observe {
    /// The book told this.
    fn book(&mut self, event: &Stamped<BookEvent>);
    /// Execution told this.
    fn execution(&mut self, event: &ExecutionEvent);
    /// Nothing happens at the moment.
    fn idle(&mut self) {}
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
    /// How late the picture of a ledger is: from the first byte of it to its published view.
    pub first_byte_to_view: StageLatency,
    /// The same from its close time, which is in whole seconds, by this machine's clock.
    pub close_to_view: StageLatency,
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

    /// A ledger's view is published. `called` is when the stages were called for it.
    fn published(&mut self, closed: &LedgerClosed, called: Now) {
        let late_ns = self.last.since(closed.first_byte);
        self.latencies.first_byte_to_view.record(late_ns);
        let utc_ns = called.utc.0.saturating_add(self.last.since(called.mono));
        self.latencies.close_to_view.record(utc_ns.saturating_sub(closed.close_time_s.saturating_mul(1_000_000_000)));
    }
}

/// An item on its way to another thread, with the moment at which the stage before handed it down.
#[derive(Clone, Copy, Debug)]
pub struct Handed<T> {
    /// When.
    pub at: MonoNanos,
    /// What.
    pub item: T,
}

/// The way to a stage on another thread: a ring, and what wakes who reads it. Nothing is lost: while the ring is full,
/// the giving thread waits, and so at last the socket does.
#[derive(Debug)]
pub struct Outlet<T> {
    ring: Producer<Handed<T>, Lossless>,
    reader: Waker,
}

impl<T: Copy> Outlet<T> {
    /// A way over this ring to the thread that this wakes.
    #[must_use]
    pub fn new(ring: Producer<Handed<T>, Lossless>, reader: Waker) -> Self {
        Self { ring, reader }
    }

    fn put(&mut self, at: MonoNanos, item: T) {
        while self.ring.room() == 0 {
            if self.ring.is_abandoned() {
                // The other thread has ended, and with it the line; who started them sees to it.
                return;
            }
            self.reader.wake();
            std::thread::yield_now();
        }
        let pushed = self.ring.try_push(Handed { at, item });
        assert!(pushed.is_ok(), "only this thread fills the ring, and there was room");
        self.reader.wake();
    }
}

/// The ways out of a thread to the stages that sit on others. `None` where the next stage sits here.
#[derive(Debug, Default)]
pub struct Outlets {
    /// From the feed.
    pub to_book: Option<Outlet<Stamped<FeedEvent>>>,
    /// From the book.
    pub to_strategy: Option<Outlet<Stamped<BookEvent>>>,
    /// From the gate.
    pub to_execution: Option<Outlet<Stamped<Decision>>>,
    /// From execution, back: an endpoint's answers. An account has one transaction unresolved at most, and its bytes are
    /// sent a bounded number of times a ledger, so that this ring never fills and the two threads never wait for each
    /// other.
    pub reports: Option<Outlet<Stamped<SubmitReport>>>,
}

/// The ways into a thread from the stages on others.
#[derive(Debug, Default)]
pub struct Inlets {
    /// For the book.
    pub from_feed: Option<Consumer<Handed<Stamped<FeedEvent>>>>,
    /// For the strategy.
    pub from_book: Option<Consumer<Handed<Stamped<BookEvent>>>>,
    /// For execution.
    pub from_risk: Option<Consumer<Handed<Stamped<Decision>>>>,
    /// For the strategy, back from execution.
    pub reports: Option<Consumer<Handed<Stamped<SubmitReport>>>>,
}

impl Inlets {
    /// Whether nothing waits.
    #[must_use]
    pub fn are_empty(&self) -> bool {
        self.from_feed.as_ref().is_none_or(Consumer::is_empty)
            && self.from_book.as_ref().is_none_or(Consumer::is_empty)
            && self.from_risk.as_ref().is_none_or(Consumer::is_empty)
            && self.reports.as_ref().is_none_or(Consumer::is_empty)
    }
}

/// The stages that sit on one thread: all of them if the line is fused.
#[derive(Debug)]
pub struct Seats<F, B, S, R, E> {
    /// Stage 1.
    pub feed: Option<F>,
    /// Stage 2.
    pub book: Option<B>,
    /// Stage 3, with its gate.
    pub strategy: Option<(S, R)>,
    /// Stage 4.
    pub execution: Option<E>,
}

/// Answers that wait for the end of the turn, to be told to a strategy on the same thread.
const WAITING_REPORTS: usize = 64;
/// Items taken from a ring in one turn, so that no source starves another.
const A_TURN: usize = 256;

/// The stages of one account that sit on one thread. Connections `0..` are the feed's if it sits here, those behind them
/// execution's.
#[derive(Debug)]
pub struct Line<F, B, S, R, E, C> {
    seats: Seats<F, B, S, R, E>,
    outlets: Outlets,
    probe: Probe<C>,
    reports: VecDeque<Stamped<SubmitReport>>,
}

struct AfterExecution<'a, O> {
    outlet: Option<&'a mut Outlet<Stamped<SubmitReport>>>,
    reports: &'a mut VecDeque<Stamped<SubmitReport>>,
    observe: &'a mut O,
    now: Now,
}

struct AfterRisk<'a, E, C, O> {
    execution: Option<&'a mut E>,
    outlet: Option<&'a mut Outlet<Stamped<Decision>>>,
    probe: &'a mut Probe<C>,
    rest: AfterExecution<'a, O>,
}

struct AfterStrategy<'a, R, E, C, O> {
    risk: &'a mut R,
    rest: AfterRisk<'a, E, C, O>,
}

struct AfterBook<'a, S, R, E, C, O> {
    strategy: Option<&'a mut (S, R)>,
    outlet: Option<&'a mut Outlet<Stamped<BookEvent>>>,
    rest: AfterRisk<'a, E, C, O>,
}

struct AfterFeed<'a, B, S, R, E, C, O> {
    book: Option<&'a mut B>,
    outlet: Option<&'a mut Outlet<Stamped<FeedEvent>>>,
    rest: AfterBook<'a, S, R, E, C, O>,
}

impl<O: Observe> Sink<ExecutionEvent> for AfterExecution<'_, O> {
    fn put(&mut self, event: ExecutionEvent) {
        self.observe.execution(&event);
        if let ExecutionEvent::Answer(report) = event {
            let report = Stamped { wire: self.now.mono, event: report };
            match &mut self.outlet {
                Some(outlet) => outlet.put(self.now.mono, report),
                None => {
                    assert!(self.reports.len() < WAITING_REPORTS, "one transaction has few answers in one turn");
                    self.reports.push_back(report);
                }
            }
        }
    }
}

impl<E: Executing, C: Clock, O: Observe> Sink<Stamped<Decision>> for AfterRisk<'_, E, C, O> {
    fn put(&mut self, decision: Stamped<Decision>) {
        let complete = matches!(decision.event, Decision::QuotesEnd(_));
        if complete {
            self.probe.pass(Leg::Strategy);
        }
        if let Some(outlet) = &mut self.outlet {
            return outlet.put(self.probe.last, decision);
        }
        if let Some(execution) = &mut self.execution {
            execution.on_event(self.rest.now, ExecutionInput::Decision(decision), &mut self.rest);
        }
        if complete {
            self.probe.pass(Leg::Execution);
        }
    }
}

impl<R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<Decision>> for AfterStrategy<'_, R, E, C, O> {
    fn put(&mut self, decision: Stamped<Decision>) {
        self.risk.on_event(self.rest.rest.now, decision, &mut self.rest);
    }
}

impl<S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<BookEvent>>
    for AfterBook<'_, S, R, E, C, O>
{
    fn put(&mut self, event: Stamped<BookEvent>) {
        if matches!(event.event, BookEvent::ReferencePrice(_) | BookEvent::LedgerClosed(_)) {
            self.rest.probe.pass(Leg::Book);
        }
        if let BookEvent::LedgerClosed(closed) = &event.event {
            self.rest.probe.published(closed, self.rest.rest.now);
        }
        self.rest.rest.observe.book(&event);
        if let Some(outlet) = &mut self.outlet {
            return outlet.put(self.rest.probe.last, event);
        }
        self.decide(StrategyInput::Book(event));
    }
}

impl<S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> AfterBook<'_, S, R, E, C, O> {
    /// Hands the strategy that sits here an input, and what it decides down.
    fn decide(&mut self, input: StrategyInput) {
        let Some((strategy, risk)) = self.strategy.as_deref_mut() else { return };
        let now = self.rest.rest.now;
        strategy.on_event(now, input, &mut AfterStrategy { risk, rest: self.rest.again() });
    }
}

impl<E, C, O> AfterRisk<'_, E, C, O> {
    /// The same, borrowed for a while.
    fn again(&mut self) -> AfterRisk<'_, E, C, O> {
        AfterRisk {
            execution: self.execution.as_deref_mut(),
            outlet: self.outlet.as_deref_mut(),
            probe: self.probe,
            rest: AfterExecution {
                outlet: self.rest.outlet.as_deref_mut(),
                reports: self.rest.reports,
                observe: self.rest.observe,
                now: self.rest.now,
            },
        }
    }
}

impl<B: Booking, S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> Sink<Stamped<FeedEvent>>
    for AfterFeed<'_, B, S, R, E, C, O>
{
    fn put(&mut self, event: Stamped<FeedEvent>) {
        let risk = &mut self.rest.rest;
        if matches!(event.event, FeedEvent::ReferencePrice(_) | FeedEvent::LedgerEnd(_)) {
            risk.probe.pass(Leg::Feed);
        }
        if let Some(outlet) = &mut self.outlet {
            return outlet.put(risk.probe.last, event);
        }
        let now = risk.rest.now;
        if let Some(book) = &mut self.book {
            book.on_event(now, event, &mut self.rest);
        }
    }
}

impl<F: Feeding, B: Booking, S: Deciding, R: Gating, E: Executing, C: Clock> Line<F, B, S, R, E, C> {
    /// A fused line of these stages, whose latencies go to these recorders.
    pub fn new(stages: (F, B, S, R, E), clock: C, latencies: LineLatencies) -> Self {
        let (feed, book, strategy, risk, execution) = stages;
        let seats =
            Seats { feed: Some(feed), book: Some(book), strategy: Some((strategy, risk)), execution: Some(execution) };
        Self::seated(seats, Outlets::default(), clock, latencies)
    }

    /// A part of a line: the stages that sit on one thread, and the ways to those that sit on others.
    pub fn seated(seats: Seats<F, B, S, R, E>, outlets: Outlets, clock: C, latencies: LineLatencies) -> Self {
        let probe = Probe { clock, latencies, last: MonoNanos(0) };
        Self { seats, outlets, probe, reports: VecDeque::with_capacity(WAITING_REPORTS) }
    }

    #[expect(clippy::type_complexity, reason = "the feed, and what is behind it")]
    /// Everything behind the feed, ready to take what it hands down; and the feed.
    fn below<'a, O: Observe>(
        &'a mut self,
        now: Now,
        observe: &'a mut O,
    ) -> (Option<&'a mut F>, AfterFeed<'a, B, S, R, E, C, O>) {
        let Self { seats, outlets, probe, reports } = self;
        let rest = AfterExecution { outlet: outlets.reports.as_mut(), reports, observe, now };
        let rest =
            AfterRisk { execution: seats.execution.as_mut(), outlet: outlets.to_execution.as_mut(), probe, rest };
        let rest = AfterBook { strategy: seats.strategy.as_mut(), outlet: outlets.to_strategy.as_mut(), rest };
        let after_feed = AfterFeed { book: seats.book.as_mut(), outlet: outlets.to_book.as_mut(), rest };
        (seats.feed.as_mut(), after_feed)
    }

    fn feeds(&self) -> u8 {
        self.seats.feed.as_ref().map_or(0, NetPort::connections)
    }

    /// Connections of the stages that sit here: the feed's, then execution's.
    pub fn connections(&self) -> u8 {
        self.feeds() + self.seats.execution.as_ref().map_or(0, NetPort::connections)
    }

    /// Whether connection `conn` is execution's.
    pub fn submits(&self, conn: ConnId) -> bool {
        conn.0 >= self.feeds()
    }

    /// Takes what the network tells of connection `conn`.
    pub fn on_net(&mut self, now: Now, event: NetEvent<'_>, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        let feeds = self.feeds();
        let conn = conn_of(&event);
        let (feed, mut below) = self.below(now, observe);
        if conn.0 < feeds {
            if let Some(feed) = feed {
                feed.on_event(now, event, &mut below);
            }
        } else {
            let event = with_conn(event, ConnId(conn.0 - feeds));
            let AfterRisk { execution, rest, .. } = &mut below.rest.rest;
            if let Some(execution) = execution {
                execution.on_event(now, ExecutionInput::Net(event), rest);
            }
        }
        self.tell_reports(now, observe);
    }

    /// Takes what stages on other threads have handed down, a bounded number each. True if there was any.
    pub fn take(&mut self, now: Now, inlets: &mut Inlets, observe: &mut impl Observe) -> bool {
        let mut had_one = false;
        for _ in 0..A_TURN {
            let report = inlets.reports.as_mut().and_then(Consumer::pop);
            let fed = inlets.from_feed.as_mut().and_then(Consumer::pop);
            let booked = inlets.from_book.as_mut().and_then(Consumer::pop);
            let decided = inlets.from_risk.as_mut().and_then(Consumer::pop);
            if report.is_none() && fed.is_none() && booked.is_none() && decided.is_none() {
                break;
            }
            had_one = true;
            if let Some(handed) = report {
                self.reports.push_back(handed.item);
                self.tell_reports(now, observe);
            }
            if let Some(handed) = fed {
                self.probe.last = handed.at;
                self.below(now, observe).1.put_here(handed.item);
            }
            if let Some(handed) = booked {
                self.probe.last = handed.at;
                self.below(now, observe).1.rest.decide(StrategyInput::Book(handed.item));
            }
            if let Some(handed) = decided {
                self.execute(now, handed, observe);
            }
        }
        had_one
    }

    fn execute(&mut self, now: Now, handed: Handed<Stamped<Decision>>, observe: &mut impl Observe) {
        self.probe.last = handed.at;
        let complete = matches!(handed.item.event, Decision::QuotesEnd(_));
        let (_, mut below) = self.below(now, observe);
        let AfterRisk { execution, rest, probe, .. } = &mut below.rest.rest;
        if let Some(execution) = execution {
            execution.on_event(now, ExecutionInput::Decision(handed.item), rest);
        }
        if complete {
            probe.pass(Leg::Execution);
        }
    }

    /// Tells the strategy that sits here what endpoints have answered.
    fn tell_reports(&mut self, now: Now, observe: &mut impl Observe) {
        while let Some(report) = self.reports.pop_front() {
            self.below(now, observe).1.rest.decide(StrategyInput::Report(report));
        }
    }

    /// Takes the operator's word, if the strategy sits here.
    pub fn on_control(&mut self, now: Now, control: Control, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        self.below(now, observe).1.rest.decide(StrategyInput::Control(control));
    }

    /// Lets every stage whose deadline has passed act.
    pub fn on_time(&mut self, now: Now, observe: &mut impl Observe) {
        self.probe.last = now.mono;
        let due = |deadline: Option<MonoNanos>| deadline.is_some_and(|at| at <= now.mono);
        let (feed, mut below) = self.below(now, observe);
        if let Some(execution) = &mut below.rest.rest.execution
            && due(execution.next_deadline())
        {
            execution.on_time(now, &mut below.rest.rest.rest);
        }
        if let Some((strategy, risk)) = below.rest.strategy.as_deref_mut()
            && due(strategy.next_deadline())
        {
            strategy.on_time(now, &mut AfterStrategy { risk, rest: below.rest.rest.again() });
        }
        if let Some(book) = &mut below.book
            && due(book.next_deadline())
        {
            book.on_time(now, &mut below.rest);
        }
        if let Some(feed) = feed
            && due(feed.next_deadline())
        {
            feed.on_time(now, &mut below);
        }
        self.tell_reports(now, observe);
    }

    /// The earliest deadline of any stage that sits here.
    pub fn next_deadline(&self) -> Option<MonoNanos> {
        let Seats { feed, book, strategy, execution } = &self.seats;
        let deadlines = [
            feed.as_ref().and_then(Stage::next_deadline),
            book.as_ref().and_then(Stage::next_deadline),
            strategy.as_ref().and_then(|(strategy, _)| strategy.next_deadline()),
            execution.as_ref().and_then(Stage::next_deadline),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The outbox of connection `conn`.
    ///
    /// # Panics
    /// If no stage that sits here has it.
    #[expect(clippy::expect_used, reason = "a connection without its stage is a fault of the plan's making")]
    pub fn outbox(&mut self, conn: ConnId) -> &mut Outbox {
        match conn.0.checked_sub(self.feeds()) {
            None => self.seats.feed.as_mut().expect("the feed sits here").outbox(conn),
            Some(conn) => self.seats.execution.as_mut().expect("execution sits here").outbox(ConnId(conn)),
        }
    }

    /// Whether connection `conn` is to be reset, once.
    pub fn take_reset(&mut self, conn: ConnId) -> bool {
        match conn.0.checked_sub(self.feeds()) {
            None => self.seats.feed.as_mut().is_some_and(|feed| feed.take_reset(conn)),
            Some(conn) => self.seats.execution.as_mut().is_some_and(|execution| execution.take_reset(ConnId(conn))),
        }
    }

    /// Notes that bytes of execution's entered `write` at this moment.
    pub fn on_written(&mut self, entered: MonoNanos) {
        if let Some(wire) = self.seats.execution.as_mut().and_then(NetPort::take_stamp) {
            self.probe.latencies.tick_to_wire.record(entered.since(wire));
        }
    }

    /// Hands filled histograms to their readers; for an idle turn.
    pub fn exchange_latencies(&mut self) {
        let all = &mut self.probe.latencies;
        let stages = [&mut all.feed, &mut all.book, &mut all.strategy, &mut all.execution];
        let whole = [&mut all.tick_to_wire, &mut all.first_byte_to_view, &mut all.close_to_view];
        stages.into_iter().chain(whole).for_each(StageLatency::exchange);
    }
}

impl<B: Booking, S: Deciding, R: Gating, E: Executing, C: Clock, O: Observe> AfterFeed<'_, B, S, R, E, C, O> {
    /// Hands the book that sits here what came from a feed elsewhere.
    fn put_here(&mut self, event: Stamped<FeedEvent>) {
        let now = self.rest.rest.rest.now;
        if let Some(book) = &mut self.book {
            book.on_event(now, event, &mut self.rest);
        }
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

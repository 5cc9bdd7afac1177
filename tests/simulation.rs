//! The whole line and a sandbox in one thread, with virtual time: the same seed sends the same unsigned transactions, and
//! once warm nothing between the bytes and the signed request allocates.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod simulated;

use simulated::{PRICE, SECOND_NS, START_S, Setup, Simulated, frame};
use std::ops::{Deref, DerefMut};
use stellar_connector::events::{Control, MonoNanos, NetEvent, Now, UtcNanos};
use stellar_connector::pipeline::allocations::CountingAllocator;
use stellar_connector::pipeline::clock::ManualClock;
use stellar_connector::sandbox::Activity;
use stellar_connector::stellar::{AccountIndex, MarketId, Stroops};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const STEP_NS: u64 = SECOND_NS / 20;

/// A line in a lively market, and time that passes when it is told to.
struct Simulation {
    simulated: Simulated<ManualClock>,
    /// Allocations inside the line for the last ledger and the last tick.
    ledger_allocations: u64,
    tick_allocations: u64,
}

impl Deref for Simulation {
    type Target = Simulated<ManualClock>;

    fn deref(&self) -> &Self::Target {
        &self.simulated
    }
}

impl DerefMut for Simulation {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.simulated
    }
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self::with(seed, Activity::Lively)
    }

    fn with(seed: u64, activity: Activity) -> Self {
        let setup = Setup {
            seed,
            markets: 1,
            activity,
            anchor: 0.1,
            lumens: Stroops(10_000 * 10_000_000),
            levels: 2,
            amount: Stroops(200 * 10_000_000),
            stale_ns: 5 * SECOND_NS,
        };
        let clock = ManualClock::new(Now { mono: MonoNanos(SECOND_NS), utc: UtcNanos(START_S * SECOND_NS) });
        Self { simulated: Simulated::new(&setup, clock), ledger_allocations: 0, tick_allocations: 0 }
    }

    /// A step of virtual time: due ticks, due deadlines, and once a second a ledger.
    fn step(&mut self) {
        self.clock.advance(STEP_NS);
        let now = self.now();
        let simulated = &mut self.simulated;
        if simulated.line.next_deadline().is_some_and(|at| at <= now.mono) {
            simulated.line.on_time(now, &mut simulated.heard);
            simulated.answer();
        }
        while let Some(tick) = simulated.world.reference_tick(now.utc) {
            self.tick_allocations = simulated.net(NetEvent::Bytes(PRICE, &frame(&tick)));
        }
        if now.mono.0.is_multiple_of(SECOND_NS) {
            self.ledger_allocations = simulated.close_ledger();
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * SECOND_NS / STEP_NS {
            self.step();
        }
    }
}

#[test]
fn the_same_seed_sends_the_same_unsigned_transactions() {
    let run = |seed| {
        let mut simulation = Simulation::new(seed);
        simulation.run(120);
        simulation.simulated.heard
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first.sent.len() > 60, "{} transactions in 120 ledgers", first.sent.len());
    assert!(first.fills > 0 && first.applied > 0);
    assert_eq!(first.sent, again.sent);
    assert_ne!(first.sent, other.sent);
}

/// An offer that another transaction of the same ledger took is not found any more: nobody can know before. Anything
/// else that fails is our fault.
#[test]
fn only_what_is_raced_fails() {
    const OFFER_NOT_FOUND: i32 = -11;
    for seed in 0..8 {
        let mut simulation = Simulation::new(seed);
        simulation.run(60);
        for (code, operation) in &simulation.heard.failed {
            assert!(
                *code == -1 && operation.is_some_and(|(_, code)| code == OFFER_NOT_FOUND),
                "seed {seed}: transaction failed with {code}, operation {operation:?}"
            );
        }
    }
}

#[test]
fn what_a_tick_sends_at_once_is_its_latency_and_what_waited_for_a_transaction_is_not() {
    let mut simulation = Simulation::with(1, Activity::Still);
    let tick = |simulation: &mut Simulation, mid| {
        let frame = simulation.price_frame(MarketId(0), mid);
        simulation.net(NetEvent::Bytes(PRICE, &frame));
        (simulation.heard.sent.len(), simulation.heard.held, simulation.latencies())
    };
    assert_eq!(tick(&mut simulation, 0.1), (1, 0, 1));
    simulation.settle();
    assert_eq!(tick(&mut simulation, 0.1001), (2, 0, 2));
    assert_eq!(tick(&mut simulation, 0.1002), (2, 0, 2), "one transaction at a time");
    simulation.close_ledger();
    assert_eq!((simulation.heard.sent.len(), simulation.heard.held), (3, 1), "the ledger makes room");
    assert_eq!(simulation.latencies(), 2);
    simulation.settle();
    assert_eq!(tick(&mut simulation, 0.1003), (4, 1, 3));
}

#[test]
fn when_the_operator_stops_it_no_offer_is_left_on_the_ledger() {
    for seed in 0..8 {
        let mut simulation = Simulation::new(seed);
        simulation.run(30);
        assert!(!simulation.world.engine().offers.is_empty(), "seed {seed}: it quotes");
        let now = simulation.now();
        let simulated = &mut simulation.simulated;
        simulated.line.on_control(now, Control::CancelAll, &mut simulated.heard);
        simulation.answer();
        simulation.run(4);
        assert_eq!(simulation.world.engine().offers, [], "seed {seed}");
        let own = simulation.views.read(|views| views.own_offers(AccountIndex(0)).count());
        assert_eq!(own, Some(0), "seed {seed}: the view says so too");
    }
}

#[test]
fn once_warm_the_line_allocates_nothing_for_a_ledger_and_only_what_tungstenite_does_for_a_tick() {
    let mut simulation = Simulation::new(3);
    simulation.heard.sent.reserve(10_000);
    simulation.heard.failed.reserve(10_000);
    simulation.run(60);
    let (sent, mut most_for_a_tick) = (simulation.heard.sent.len(), 0);
    for _ in 0..60 * SECOND_NS / STEP_NS {
        simulation.step();
        assert_eq!(simulation.ledger_allocations, 0, "for a ledger");
        most_for_a_tick = most_for_a_tick.max(simulation.tick_allocations);
    }
    assert!(simulation.heard.sent.len() > sent, "requotes were among it");
    println!("a price tick, to the signed bytes: {most_for_a_tick} allocations at most, all of them tungstenite's");
    assert!(most_for_a_tick <= 2, "{most_for_a_tick} allocations for a tick");
}

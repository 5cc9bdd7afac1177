//! How many instructions it takes from the bytes of a reference price's WebSocket frame to those of the signed request
//! in the outbox, with a ceiling that fails the run.
//!
//! Counted under Callgrind, so that the number is the same on a quiet machine and on a busy one. Wants `valgrind`, and
//! `cargo install gungraun-runner --version 0.20.0` (the version of `gungraun` in `Cargo.lock`).

#![expect(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]
#![expect(unused_qualifications, missing_docs, reason = "the macros write them")]

#[path = "../tests/simulated/mod.rs"]
mod simulated;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use simulated::{CORE, PRICE, SECOND_NS, START_S, Setup, Simulated};
use std::hint::black_box;
use stellar_connector::events::{MonoNanos, NetEvent, Now, UtcNanos};
use stellar_connector::pipeline::clock::ManualClock;
use stellar_connector::sandbox::Activity;
use stellar_connector::stellar::{MarketId, Stroops};

/// Instructions for one tick that is quoted anew; a twentieth above what was counted when it was last looked at.
const CEILING: u64 = 365_000;

type Warm = (Simulated<ManualClock>, Vec<u8>);

/// A line that has quoted anew some times, and the frame of a price that makes it do so again.
fn warm() -> Warm {
    let setup = Setup {
        seed: 7,
        markets: 1,
        activity: Activity::Still,
        anchor: 0.103_721,
        lumens: Stroops(1_000_000 * 10_000_000),
        levels: 2,
        amount: Stroops(200 * 10_000_000),
        stale_ns: 5 * SECOND_NS,
    };
    let clock = ManualClock::new(Now { mono: MonoNanos(SECOND_NS), utc: UtcNanos(START_S * SECOND_NS) });
    let mut simulated = Simulated::new(&setup, clock);
    let market = MarketId(0);
    for mid in [0.103_721, 0.103_762, 0.103_721] {
        let frame = simulated.price_frame(market, mid);
        simulated.net(NetEvent::Bytes(PRICE, &frame));
        simulated.settle();
    }
    let frame = simulated.price_frame(market, 0.103_762);
    simulated.heard.sent.reserve(1);
    assert!(simulated.line.outbox(CORE).waiting().is_empty());
    (simulated, frame)
}

#[library_benchmark(setup = warm)]
#[bench::quoted_anew()]
fn tick((mut simulated, frame): Warm) -> Warm {
    let now = simulated.now();
    simulated.line.on_net(now, NetEvent::Bytes(PRICE, black_box(&frame)), &mut simulated.heard);
    assert!(!black_box(simulated.line.outbox(CORE)).waiting().is_empty(), "the request is in the outbox");
    (simulated, frame)
}

library_benchmark_group!(name = line, benchmarks = tick);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().hard_limits([(EventKind::Ir, CEILING)]));
    library_benchmark_groups = line
);

//! How many instructions the exact ledger takes for offers that rest and for offers that each cross one other, with
//! ceilings that fail the run.
//!
//! Counted under Callgrind, so that the number is the same on a quiet machine and on a busy one. Wants `valgrind`, and
//! `cargo install gungraun-runner --version 0.20.0` (the version of `gungraun` in `Cargo.lock`).

#![expect(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]
#![expect(unused_qualifications, missing_docs, reason = "the macros write them")]

mod ledger_market;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use ledger_market::{OFFERED, OPERATIONS_EACH, Size, buy, crossings, market, prepared, sell};
use std::hint::black_box;
use stellar_connector::sandbox::ledger::{ClosedLedger, Ledger};

/// Two thousand resting offers, and a thousand operations.
const SIZE: Size = Size { makers: 20, offers_each: 100, takers: 10 };

/// Instructions for a ledger of a thousand operations; a twentieth above what was counted when it was last looked at.
const CEILING_REST: u64 = 18_700_000;
const CEILING_CROSS_ONE: u64 = 22_300_000;

fn resting() -> Ledger {
    prepared(&market(SIZE), SIZE, |taker, i| sell(OFFERED, 2_000_000 + i, 1_000 + i32::from(taker), 0))
}

fn crossing() -> Ledger {
    prepared(&market(SIZE), SIZE, |_, _| buy(OFFERED))
}

fn crossed_one_each((_, closed): (Ledger, ClosedLedger)) {
    let operations = usize::from(SIZE.takers) * usize::try_from(OPERATIONS_EACH).unwrap();
    assert_eq!(crossings(&closed), operations, "each operation crosses one");
}

fn limit(ceiling: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, ceiling)]));
    config
}

#[library_benchmark(setup = resting, config = limit(CEILING_REST))]
#[bench::a_thousand()]
fn rest(mut ledger: Ledger) -> (Ledger, ClosedLedger) {
    let closed = black_box(ledger.close(0, &[]));
    (ledger, closed)
}

#[library_benchmark(setup = crossing, teardown = crossed_one_each, config = limit(CEILING_CROSS_ONE))]
#[bench::a_thousand()]
fn cross_one(mut ledger: Ledger) -> (Ledger, ClosedLedger) {
    let closed = black_box(ledger.close(0, &[]));
    (ledger, closed)
}

library_benchmark_group!(name = ledger, benchmarks = [rest, cross_one]);

main!(library_benchmark_groups = ledger);

//! How many instructions it takes to skim a recorded ledger, with a ceiling for each that fails the run.
//!
//! Counted under Callgrind, so that the number is the same on a quiet machine and on a busy one. Wants `valgrind`, and
//! `cargo install gungraun-runner --version 0.20.0` (the version of `gungraun` in `Cargo.lock`).

#![expect(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]
#![expect(unused_qualifications, missing_docs, reason = "the macros write them")]

#[path = "../tests/recorded/mod.rs"]
mod recorded;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use std::hint::black_box;
use stellar_connector::wire::ledger::{Change, ChangePhase, LedgerVisitor, RawClaim, skim};

/// Instructions for either ledger; a tenth above what was counted when it was last looked at. (Of pubnet's 53,312,000,
/// where the recordings beside the project are to be had; and of the largest of the project's own.)
const CEILING: u64 = 810_000;

/// Listens to everything, so that nothing is skipped because nobody would hear it.
#[derive(Default)]
struct Counter {
    claimed: i64,
    changes: u32,
}

impl LedgerVisitor for Counter {
    fn claim(&mut self, _operation: u32, claim: &RawClaim<'_>) {
        self.claimed = self.claimed.wrapping_add(claim.amount_sold);
    }
    fn change(&mut self, _phase: ChangePhase, change: &Change<'_>) {
        self.changes += 1;
        black_box(change);
    }
}

fn pubnet_or_largest() -> Vec<u8> {
    recorded::pubnet_ledger().unwrap_or_else(recorded::largest_committed)
}

#[library_benchmark]
#[bench::largest_of_core_19(setup = recorded::largest_committed)]
#[bench::pubnet_53312000(setup = pubnet_or_largest)]
fn whole(ledger: Vec<u8>) -> (u32, i64, Vec<u8>) {
    let mut counter = Counter::default();
    skim(black_box(&ledger), &mut counter).unwrap();
    assert!(counter.changes > 0, "a ledger that changes nothing");
    (counter.changes, counter.claimed, ledger)
}

library_benchmark_group!(name = ledgers, benchmarks = whole);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().hard_limits([(EventKind::Ir, CEILING)]));
    library_benchmark_groups = ledgers
);

//! How many instructions it takes to apply recorded offer changes to a warm book of a thousand markets, with a ceiling
//! that fails the run.
//!
//! Counted under Callgrind, so that the number is the same on a quiet machine and on a busy one. Wants `valgrind`, and
//! `cargo install gungraun-runner --version 0.20.0` (the version of `gungraun` in `Cargo.lock`).

#![expect(unused_qualifications, missing_docs, reason = "the macros write them")]

mod recorded_offers;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use recorded_offers::{Change, Workload};
use std::hint::black_box;
use stellar_connector::book::Books;

/// Instructions for the whole circle of changes; a tenth above what was counted when it was last looked at.
const CEILING: u64 = 500_000;

fn warm() -> (Books, Vec<Change>) {
    let workload = Workload::load();
    (workload.books(), workload.changes().copied().collect())
}

#[library_benchmark(setup = warm)]
#[bench::recorded()]
fn apply((mut books, changes): (Books, Vec<Change>)) -> (Books, Vec<Change>) {
    for change in &changes {
        match change {
            Change::Put(offer) => assert!(black_box(books.offer(offer)).is_ok()),
            Change::Gone(id) => _ = black_box(books.offer_gone(*id)),
        }
    }
    (books, changes)
}

library_benchmark_group!(name = book, benchmarks = apply);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::default().hard_limits([(EventKind::Ir, CEILING)]));
    library_benchmark_groups = book
);

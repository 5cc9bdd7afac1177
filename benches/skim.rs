//! The skim against a full decode of the same ledger, in one run: on pubnet ledger 53,312,000 where the recordings
//! beside the project are to be had, and on the largest ledger of the project's own.
//!
//! `cargo bench --bench skim`; the goal: at most a twentieth of the decode's time. (`skim_instructions` holds it.)
#![allow(missing_docs, reason = "Criterion's macro makes undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]

#[path = "../tests/recorded/mod.rs"]
mod recorded;
mod timing;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use stellar_connector::wire::ledger::{Change, ChangePhase, LedgerVisitor, RawClaim, skim};
use stellar_xdr::{LedgerCloseMeta, Limits, ReadXdr};
use timing::took;

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

const ROUNDS: u32 = 200;

fn skim_whole(bytes: &[u8]) -> (i64, u32) {
    let mut counter = Counter::default();
    skim(black_box(bytes), &mut counter).unwrap();
    (counter.claimed, counter.changes)
}

fn decode_whole(bytes: &[u8]) -> LedgerCloseMeta {
    LedgerCloseMeta::from_xdr(black_box(bytes), Limits::none()).unwrap()
}

fn compare(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("skim", |bencher| bencher.iter(|| skim_whole(bytes)));
    group.bench_function("decode", |bencher| bencher.iter(|| decode_whole(bytes)));
    group.finish();
    // In turn, so that a slow moment of the machine strikes both; the best round of each counts.
    let (mut skimmed, mut decoded) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        skimmed = skimmed.min(took(|| skim_whole(bytes)));
        decoded = decoded.min(took(|| decode_whole(bytes)));
    }
    let ratio = skimmed.as_secs_f64() / decoded.as_secs_f64();
    println!("{name}: {} bytes, skim {skimmed:?}, decode {decoded:?}", bytes.len());
    println!("ratio: {name}, skim / decode = {ratio:.3} (goal: at most 0.050)");
}

fn ledgers(criterion: &mut Criterion) {
    if let Some(bytes) = recorded::pubnet_ledger() {
        compare(criterion, "pubnet 53312000", &bytes);
    }
    compare(criterion, "largest of core-19", &recorded::largest_committed());
}

criterion_group!(benches, ledgers);
criterion_main!(benches);

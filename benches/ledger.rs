//! How fast the exact ledger applies offers: whole ledgers are closed with 100,000 offers resting, their transactions handed
//! in (and their signatures verified) before the clock starts. Everything else counts: judging again, fees, sequence
//! numbers, crossing, liabilities, changes, hashes, meta.
//!
//! `cargo bench --bench ledger`. Before Criterion's measurements it says how much memory a resting offer takes, which may
//! not be above 300 bytes, and what a crossing costs with 100,000 and 10,000 offers resting over one with 1,000.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod ledger_market;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ledger_market::{OFFERED, OPERATIONS_EACH, Size, buy, crossings, market, offers_of, prepared, sell};
use rustix::time::{ClockId, clock_gettime};
use stellar_connector::sandbox::ledger::Ledger;

/// A hundred thousand resting offers, and ten thousand operations.
const SIZE: Size = Size { makers: 1_000, offers_each: 100, takers: 100 };

/// The most that a resting offer may take, in bytes.
const BYTES_AN_OFFER: u64 = 300;

/// Rounds of the comparison by the number of resting offers.
const ROUNDS: usize = 15;

/// Operations of a ledger of a market's takers.
fn operations(size: Size) -> usize {
    usize::from(size.takers) * usize::try_from(OPERATIONS_EACH).unwrap()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
}

/// What the process grew by while it made the market, over its offers: the accounts and all that came and went are in it,
/// so that an offer takes less.
fn market_of_small_offers() -> Ledger {
    let before = resident_bytes();
    let base = market(SIZE);
    let offers = base.num_offers() as u64;
    let each = (resident_bytes() - before) / offers;
    println!("{offers} offers rest, in {each} bytes each (goal: at most {BYTES_AN_OFFER})");
    assert!(each <= BYTES_AN_OFFER, "a resting offer takes {each} bytes");
    base
}

/// Has the allocator keep what is freed, as that of a process does which closes ledgers all day: a ledger's record takes
/// 30 MB here, and to get them from the kernel again for each would be a third of what is measured. glibc gives back what
/// is beyond twice the largest block that it ever unmapped (`M_TRIM_THRESHOLD` in mallopt(3)), of up to 32 MiB.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity((32 << 20) - (64 << 10))));
}

/// The processor time that this thread has had: on a busy machine it says more than the clock.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// What closing takes, best of a few rounds for each ledger, in turn.
fn closing_times(prepared: &[Ledger]) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; prepared.len()];
    for _ in 0..ROUNDS {
        for (prepared, best) in prepared.iter().zip(&mut best) {
            let mut ledger = prepared.clone();
            let start = processor_time();
            let closed = black_box(ledger.close(0, &[]));
            *best = (processor_time() - start).min(*best);
            drop(closed);
        }
    }
    best
}

/// Each operation of a ledger buys what `count` offers sell.
fn crossing(base: &Ledger, size: Size, count: i64) -> Ledger {
    let ledger = prepared(base, size, |_, _| buy(count * OFFERED));
    let crossed = crossings(&ledger.clone().close(0, &[]));
    assert_eq!(crossed, operations(size) * usize::try_from(count).unwrap(), "each operation crosses {count}");
    ledger
}

/// The same accounts, with a hundredth, a tenth and all of the offers: a cost of O(log n) is nearly the same.
fn compare_by_resting(base: &Ledger) {
    let few_take = |offers_each| Size { offers_each, takers: 5, ..SIZE };
    let smaller = |offers_each| (few_take(offers_each), market(Size { offers_each, ..SIZE }));
    let markets = [smaller(1), smaller(10), (few_take(SIZE.offers_each), base.clone())];
    let crossing = markets.map(|(size, base)| crossing(&base, size, 1));
    let times = closing_times(&crossing);
    let [few, more, many] = times[..] else { unreachable!("three markets") };
    let [few, more, many] = [few, more, many].map(|time| time.as_nanos() as f64 / operations(few_take(1)) as f64);
    println!("a crossing takes {few:.0} ns with 1,000 offers resting, {more:.0} with 10,000, {many:.0} with 100,000");
    println!(
        "ratio: a crossing with 10,000 offers resting over one with 1,000 = {:.2} (goal: at most 2.00)",
        more / few
    );
    println!(
        "ratio: a crossing with 100,000 offers resting over one with 1,000 = {:.2} (goal: at most 3.00)",
        many / few
    );
    // A cost that grew with the number of offers would be a hundred times as high.
    assert!(many / few < 10.0, "a crossing does not cost O(log n)");
}

fn ledger(criterion: &mut Criterion) {
    let base = market_of_small_offers();
    keep_freed_memory();
    compare_by_resting(&base);
    let rests = |taker: u16, i: i32| sell(OFFERED, 2_000_000 + i, 1_000 + i32::from(taker), 0);
    let (resting, crossing_one) = (prepared(&base, SIZE, rests), crossing(&base, SIZE, 1));
    let times = closing_times(&[resting.clone(), crossing_one.clone()]);
    for (what, time) in ["rest", "cross one"].iter().zip(times) {
        let rate = operations(SIZE) as f64 / time.as_secs_f64();
        println!("offers that {what}: {rate:.0} a second of processor time, 100,000 resting, best of {ROUNDS} ledgers");
    }
    let mut group = criterion.benchmark_group("close a ledger with 100,000 resting offers");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(operations(SIZE) as u64));
    let mut measure = |name: &str, prepared: &Ledger| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || prepared.clone(),
                |ledger| black_box(ledger.close(0, &[])),
                BatchSize::PerIteration,
            );
        });
    };
    measure("offers that rest", &resting);
    let mut rested = resting;
    rested.close(0, &[]);
    let own: Vec<Vec<i64>> = (0..SIZE.takers).map(|taker| offers_of(&rested, taker, SIZE)).collect();
    let moves =
        |taker: u16, i: i32| sell(OFFERED, 2_100_000 + i, 1_000, own[usize::from(taker)][usize::try_from(i).unwrap()]);
    measure("offers that are moved", &prepared(&rested, SIZE, moves));
    measure("offers that cross one", &crossing_one);
    measure("offers that cross ten", &crossing(&base, SIZE, 10));
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);

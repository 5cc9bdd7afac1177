//! What a recorded ledger's offer changes cost a warm book of a thousand markets, beside one update of a hash map of
//! the same size for each change. The goal: at most four times the standard library's map.

mod recorded_offers;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use recorded_offers::{Change, MARKETS, Workload};
use rustc_hash::FxHashMap;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::time::{Duration, Instant};
use stellar_connector::book::{BookConfig, BookLimits, BookStage, Books, Offer};
use stellar_connector::events::views::{ViewLimits, views};
use stellar_connector::events::{
    BookEvent, FeedEvent, LedgerBegin, LedgerEnd, MonoNanos, Now, OfferChange, Sink, Stage, Stamped,
};
use stellar_connector::stellar::{LedgerSeq, OfferId};

type Std = HashMap<OfferId, Offer>;
type Fx = FxHashMap<OfferId, Offer>;

/// Rounds of the comparison; the best of each counts.
const ROUNDS: usize = 200;

fn offer(change: &OfferChange) -> Offer {
    let OfferChange { id, place, price, amount, owner } = *change;
    Offer { id, amount, price, place, owner }
}

fn map<S: BuildHasher + Default>(workload: &Workload) -> HashMap<OfferId, Offer, S> {
    let mut map = HashMap::with_capacity_and_hasher(workload.standing.len() * 2, S::default());
    map.extend(workload.standing.iter().map(|change| (change.id, offer(change))));
    map
}

fn update_map<S: BuildHasher>(map: &mut HashMap<OfferId, Offer, S>, workload: &Workload) {
    for change in workload.changes() {
        match change {
            Change::Put(change) => black_box(map.insert(change.id, offer(change))),
            Change::Gone(id) => black_box(map.remove(id)),
        };
    }
}

fn update_books(books: &mut Books, workload: &Workload) {
    for change in workload.changes() {
        match change {
            Change::Put(change) => assert!(black_box(books.offer(change)).is_ok()),
            Change::Gone(id) => _ = black_box(books.offer_gone(*id)),
        }
    }
    books.clear_changed();
}

/// Counts what it is told.
#[derive(Default)]
struct Count(u64);

impl Sink<Stamped<BookEvent>> for Count {
    fn put(&mut self, event: Stamped<BookEvent>) {
        black_box(event);
        self.0 += 1;
    }
}

struct Desk {
    stage: BookStage,
    seq: LedgerSeq,
    told: Count,
}

impl Desk {
    fn new(workload: &Workload) -> Self {
        let room = ViewLimits { markets: usize::from(MARKETS), accounts: 1, assets: 2, offers_per_account: 1 };
        let limits = BookLimits { offers: workload.standing.len() * 2, levels_per_side: 1_024, own_offers: 1 };
        let first = LedgerSeq(1);
        let config = BookConfig { ledger_sources: 1, starts_whole_at: Some(first), limits, held_per_ledger: 16 };
        let mut desk = Self { stage: BookStage::new(config, views(room).0), seq: first, told: Count(0) };
        let standing: Vec<Change> = workload.standing.iter().map(|change| Change::Put(*change)).collect();
        desk.ledger(&standing);
        desk
    }

    fn take(&mut self, event: FeedEvent) {
        self.stage.on_event(Now::default(), Stamped { wire: MonoNanos(0), event }, &mut self.told);
    }

    fn ledger(&mut self, changes: &[Change]) {
        let seq = self.seq;
        self.take(FeedEvent::LedgerBegin(LedgerBegin {
            seq,
            close_time_s: 0,
            protocol: 23,
            base_fee: 100,
            base_reserve: 1,
            first_byte: MonoNanos(0),
        }));
        for change in changes {
            match change {
                Change::Put(offer) => self.take(FeedEvent::Offer(*offer)),
                Change::Gone(id) => self.take(FeedEvent::OfferGone(*id)),
            }
        }
        self.take(FeedEvent::LedgerEnd(LedgerEnd { seq, transactions: 0, failed: 0 }));
        self.seq = seq.next();
    }

    fn ledgers(&mut self, workload: &Workload) {
        workload.ledgers.iter().for_each(|changes| self.ledger(changes));
    }
}

fn benches(c: &mut Criterion) {
    let workload = Workload::load();
    let mut group = c.benchmark_group("offer changes of recorded ledgers");
    group.throughput(Throughput::Elements(workload.changes().count() as u64));
    let mut std_map: Std = map(&workload);
    group.bench_function("std HashMap", |b| b.iter(|| update_map(&mut std_map, &workload)));
    let mut fx_map: Fx = map(&workload);
    group.bench_function("FxHashMap", |b| b.iter(|| update_map(&mut fx_map, &workload)));
    let mut books = workload.books();
    group.bench_function("books", |b| b.iter(|| update_books(&mut books, &workload)));
    let mut desk = Desk::new(&workload);
    group.bench_function("stage with publication", |b| {
        b.iter_batched(|| (), |()| desk.ledgers(&workload), BatchSize::PerIteration);
    });
    group.finish();
}

/// All four in turn, so that a slow moment of the machine strikes all of them; the best round of each counts.
#[expect(clippy::cast_precision_loss, reason = "numbers to be read")]
fn compare() {
    let workload = Workload::load();
    let changes = workload.changes().count();
    let (mut std_map, mut fx_map): (Std, Fx) = (map(&workload), map(&workload));
    let (mut books, mut desk) = (workload.books(), Desk::new(&workload));
    let mut best = [Duration::MAX; 4];
    let mut time = |which: usize, run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        best[which] = best[which].min(start.elapsed());
    };
    for _ in 0..ROUNDS {
        time(0, &mut || update_map(&mut std_map, &workload));
        time(1, &mut || update_map(&mut fx_map, &workload));
        time(2, &mut || update_books(&mut books, &workload));
        time(3, &mut || desk.ledgers(&workload));
    }
    println!(
        "\n{} markets, {} offers, {changes} changes in {} ledgers, best of {ROUNDS} rounds",
        MARKETS,
        books.len(),
        workload.ledgers.len()
    );
    println!("{:<24}{:>14}{:>16}{:>16}", "", "ns a change", "× std HashMap", "× FxHashMap");
    for (name, time) in ["std HashMap", "FxHashMap", "books", "stage with publication"].iter().zip(best) {
        let ns = time.as_nanos() as f64;
        let ratio = |to: Duration| ns / to.as_nanos() as f64;
        println!("{name:<24}{:>14.1}{:>16.2}{:>16.2}", ns / changes as f64, ratio(best[0]), ratio(best[1]));
    }
    let books_to_map = best[2].as_nanos() as f64 / best[0].as_nanos() as f64;
    println!("ratio: books, a change / std HashMap, an update = {books_to_map:.2} (goal: at most 4.00)");
}

criterion_group!(book, benches);

fn main() {
    book();
    Criterion::default().configure_from_args().final_summary();
    if std::env::args().any(|argument| argument == "--bench") {
        compare();
    }
}

//! JSON messages against `serde_json` with types for the same fields, in one run: a Kraken tick, a Horizon order book of
//! some 20 KB, and the same book told again.
//!
//! `cargo bench --bench json`; the goals: a book in less than serde_json's time, the same book again in less than a tenth
//! of a parse. A tick is meant to take at most 1 µs, which no ratio says: both times are printed. (Ours also reads and
//! checks the amounts and the last price, and finds the symbol.)
#![allow(missing_docs, reason = "Criterion's macro makes undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};
use stellar_connector::wire::json::horizon_book::HorizonBookParser;
use stellar_connector::wire::json::kraken::{KrakenMessage, KrakenParser};

const TICKER: &[u8] = br#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,"low":0.09979,"high":0.10285,"change":-0.00017,"change_pct":-0.17}]}"#;
/// Levels a side, which make some 20 KB: the most that Horizon sends is 200.
const LEVELS: i32 = 120;
const ROUNDS: u32 = 400;
/// Messages a round.
const MESSAGES: u32 = 50;

#[derive(Deserialize)]
struct Ticker {
    data: Vec<Tick>,
}

#[derive(Deserialize)]
struct Tick {
    bid: f64,
    ask: f64,
}

#[derive(Deserialize)]
struct Book {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

#[derive(Deserialize)]
struct Level {
    price_r: Fraction,
    amount: String,
}

#[derive(Deserialize)]
struct Fraction {
    n: i32,
    d: i32,
}

/// A book as Horizon writes it; another one for another `turn`.
fn book(turn: i32) -> String {
    let level = |n: i32| {
        let price = f64::from(n) / 10_000_000.0;
        format!(r#"{{"price_r":{{"n":{n},"d":10000000}},"price":"{price:.7}","amount":"{}.1234567"}}"#, 100 + turn)
    };
    let side = |first: i32, step: i32| (0..LEVELS).map(|at| level(first + at * step)).collect::<Vec<_>>().join(",");
    let mut text = String::new();
    let _ = write!(
        text,
        r#"{{"bids":[{}],"asks":[{}],"base":{{"asset_type":"native"}},"counter":{{"asset_type":"credit_alphanum4","asset_code":"USDC","asset_issuer":"GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"}}}}"#,
        side(999_000, -10),
        side(1_001_000, 10),
    );
    text
}

/// The best of the rounds, a message, of what is measured in turn so that a slow moment strikes all.
fn best<const N: usize>(mut runs: [&mut dyn FnMut(u32); N]) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            let start = Instant::now();
            (0..MESSAGES).for_each(&mut **run);
            *best = (*best).min(start.elapsed() / MESSAGES);
        }
    }
    best
}

fn ratio(name: &str, ours: Duration, theirs: Duration, goal: f64) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("ratio: {name} = {ratio:.3} (goal: at most {goal:.2})");
}

fn tick(criterion: &mut Criterion) {
    let mut parser = KrakenParser::new(["XLM/USD"]);
    let mut ours = |_| {
        let message = parser.parse(black_box(TICKER)).unwrap();
        assert!(matches!(message, KrakenMessage::Ticker([_])));
    };
    let mut theirs = |_| {
        let message: Ticker = serde_json::from_slice(black_box(TICKER)).unwrap();
        assert!(message.data[0].bid < message.data[0].ask);
    };
    let mut group = criterion.benchmark_group("kraken tick");
    group.throughput(Throughput::Bytes(TICKER.len() as u64));
    group.bench_function("ours", |bencher| bencher.iter(|| ours(0)));
    group.bench_function("serde_json", |bencher| bencher.iter(|| theirs(0)));
    group.finish();
    let [our_time, their_time] = best([&mut ours, &mut theirs]);
    println!("kraken tick: {} bytes, ours {our_time:?}, serde_json {their_time:?}", TICKER.len());
}

fn order_book(criterion: &mut Criterion) {
    let books = [book(0), book(1)];
    let bytes = |turn: u32| books[turn as usize % 2].as_bytes();
    // As deep as the message is, so that both read the same.
    let mut parser = HorizonBookParser::new(LEVELS as usize);
    let mut ours = |turn: u32| {
        let book = parser.parse(black_box(bytes(turn))).unwrap();
        assert_eq!((book.bids.len(), book.is_new), (LEVELS as usize, true));
    };
    let mut theirs = |turn: u32| {
        let book: Book = serde_json::from_slice(black_box(bytes(turn))).unwrap();
        let level = &book.bids[0];
        assert!(book.asks.len() == LEVELS as usize && level.price_r.n < level.price_r.d && !level.amount.is_empty());
    };
    let mut same = HorizonBookParser::new(LEVELS as usize);
    same.parse(bytes(0)).unwrap();
    let mut again = |_| assert!(!same.parse(black_box(bytes(0))).unwrap().is_new);
    let mut group = criterion.benchmark_group("horizon book");
    group.throughput(Throughput::Bytes(books[0].len() as u64));
    let mut turn = 0;
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            turn += 1;
            ours(turn);
        });
    });
    group.bench_function("serde_json", |bencher| bencher.iter(|| theirs(0)));
    group.bench_function("the same again", |bencher| bencher.iter(|| again(0)));
    group.finish();
    // The criterion runs may have ended on either book.
    ours(turn + 1);
    let mut next = turn + 1;
    let mut ours_in_turn = |_| {
        next += 1;
        ours(next);
    };
    let [our_time, their_time, again_time] = best([&mut ours_in_turn, &mut theirs, &mut again]);
    let bytes = books[0].len();
    println!(
        "horizon book: {bytes} bytes, ours {our_time:?}, serde_json {their_time:?}, the same again {again_time:?}"
    );
    ratio("horizon book, ours / serde_json", our_time, their_time, 1.0);
    ratio("horizon book, the same again / ours", again_time, our_time, 0.10);
}

criterion_group!(benches, tick, order_book);
criterion_main!(benches);

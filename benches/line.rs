//! What a reference price costs the whole line, fused in one thread: from the bytes of its WebSocket frame to the bytes
//! of the signed request in the outbox. Sockets, TLS and the kernel are not in it; everything else is.
//!
//! `cargo bench --bench line`. Two goals, both of medians that are measured in one run, in turn:
//!
//! * a tick that is quoted anew costs no more than two stock signatures, of which it makes one itself;
//! * with a thousand markets, each with a strategy and a symbol of its own, a tick costs no more than 1.2 times what it
//!   costs with one. Measured of three kinds of tick: such as change nothing, such as are quoted anew, and such as have
//!   to wait because a transaction is under way.
//!
//! After a tick that is quoted anew the sandbox applies the transaction and closes a ledger, and a price that changes
//! nothing follows, before the next is measured.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]

#[path = "../tests/simulated/mod.rs"]
mod simulated;

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::{Signer, SigningKey};
use simulated::{CORE, PRICE, SECOND_NS, Setup, Simulated};
use std::hint::black_box;
use std::time::Instant;
use stellar_connector::events::NetEvent;
use stellar_connector::pipeline::clock::{Clock, SystemClock};
use stellar_connector::sandbox::Activity;
use stellar_connector::stellar::{MarketId, Stroops};

/// Ticks that are quoted anew, beside signatures.
const SIGNED_ROUNDS: usize = 2_000;
/// Ticks that are quoted anew, with one market and with all.
const QUOTED_ROUNDS: usize = 600;
/// Times that each market's symbol ticks without a change.
const STILL_ROUNDS: usize = 20;
const MARKETS: u16 = 1_000;
/// Markets that the engine's account can quote: it has a thousand subentries, and each takes a trustline and an offer a
/// side.
const QUOTED_MARKETS: u16 = 300;
/// The goal: a tick over two signatures.
const SIGNATURES_GOAL: f64 = 1.0;
/// The goal: a tick with all markets over a tick with one.
const MARKETS_GOAL: f64 = 1.2;
/// Prices go up and down by this factor, which is quoted anew: the tolerance is 2 basis points.
const STEP: f64 = 1.0004;
/// No two prices are alike, lest the processor learn them: each is higher by a part of this.
const JITTER: f64 = 0.0001;

/// A line under measurement.
struct Bench {
    simulated: Simulated<SystemClock>,
    prices: Vec<Price>,
    ticks: u64,
    /// Where a `read` would have put a frame.
    buffer: Vec<u8>,
}

/// A market's reference price.
struct Price {
    base: f64,
    quoted: f64,
    up: bool,
}

impl Bench {
    /// A line that quotes all its markets, the first of them around `anchor`.
    fn new(markets: u16, anchor: f64, levels: u8, amount: Stroops) -> Self {
        let (lumens, activity) = (Stroops(1_000_000 * 10_000_000), Activity::Still);
        let stale_ns = 3_600 * SECOND_NS;
        let setup = Setup { seed: 7, markets, activity, anchor, lumens, levels, amount, stale_ns };
        let mut simulated = Simulated::new(&setup, SystemClock);
        simulated.heard.sent.reserve(1 << 16);
        let bases = (0..markets).map(|market| simulated.world.reference_mid(MarketId(market)));
        let prices = bases.map(|base| Price { base, quoted: base, up: false }).collect();
        let mut bench = Self { simulated, prices, ticks: 0, buffer: vec![0; 4096] };
        for market in 0..markets {
            bench.step(market);
        }
        bench.simulated.answer();
        bench.simulated.settle();
        bench
    }

    /// Tells the line a price; nanoseconds until the turn is over.
    fn tick(&mut self, market: u16, price: f64) -> f64 {
        let simulated = &mut self.simulated;
        let frame = simulated.price_frame(MarketId(market), price);
        self.buffer[..frame.len()].copy_from_slice(&frame);
        let event = NetEvent::Bytes(PRICE, black_box(&self.buffer[..frame.len()]));
        let started = Instant::now();
        let now = simulated.clock.now();
        simulated.line.on_net(now, event, &mut simulated.heard);
        black_box(simulated.line.next_deadline());
        started.elapsed().as_secs_f64() * 1e9
    }

    fn jitter(&mut self) -> f64 {
        self.ticks += 1;
        #[expect(clippy::cast_precision_loss, reason = "less than a thousand")]
        let part = (self.ticks * 617 % 1_000) as f64 / 1_000.0;
        1.0 + JITTER * part
    }

    /// Moves a market's price so far that it is quoted anew.
    fn step(&mut self, market: u16) -> f64 {
        let jitter = self.jitter();
        let price = &mut self.prices[usize::from(market)];
        price.up = !price.up;
        price.quoted = price.base * if price.up { STEP } else { 1.0 } * jitter;
        let quoted = price.quoted;
        self.tick(market, quoted)
    }

    /// A tick that is quoted anew: the request stands in the outbox when the clock is stopped. Then it is applied.
    fn quoted(&mut self, market: u16) -> f64 {
        let sent = self.simulated.heard.sent.len();
        let took = self.step(market);
        assert_eq!(self.simulated.heard.sent.len(), sent + 1, "market {market} is quoted anew");
        assert!(!self.simulated.line.outbox(CORE).waiting().is_empty(), "the request is in the outbox");
        self.simulated.answer();
        self.simulated.settle();
        self.still(market);
        took
    }

    /// A tick that changes nothing.
    fn still(&mut self, market: u16) -> f64 {
        let sent = self.simulated.heard.sent.len();
        let price = self.prices[usize::from(market)].quoted * self.jitter();
        let took = self.tick(market, price);
        assert_eq!(self.simulated.heard.sent.len(), sent, "market {market} stays as it is");
        took
    }
}

fn quantile(samples: &[f64], quantile: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let at = ((sorted.len() - 1) as f64 * quantile) as usize;
    sorted[at]
}

fn p50(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

fn row(name: &str, samples: &[f64]) {
    let (p50, p90, p99) = (p50(samples), quantile(samples, 0.9), quantile(samples, 0.99));
    println!("{name:<58} {p50:>9.0} {p90:>9.0} {p99:>9.0}");
}

fn timed<T>(run: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    black_box(run());
    started.elapsed().as_secs_f64() * 1e9
}

/// A tick from frame to signed request, beside stock signatures of 32 bytes.
fn beside_signatures() {
    let mut bench = Bench::new(1, 0.103_721, 2, Stroops(200 * 10_000_000));
    let dalek = SigningKey::from_bytes(&[5; 32]);
    let aws = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
    let mut message = [7; 32];
    let (mut ticks, mut pairs, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..SIGNED_ROUNDS {
        ticks.push(bench.quoted(0));
        message[..8].copy_from_slice(&(round as u64).to_be_bytes());
        pairs.push(timed(|| {
            let first = dalek.sign(black_box(&message));
            (first, dalek.sign(black_box(&[9; 32])))
        }));
        others.push(timed(|| aws.sign(black_box(&message))));
    }
    println!("{:<58} {:>9} {:>9} {:>9}", "nanoseconds", "p50", "p90", "p99");
    row("price frame to signed request, two quotes a side", &ticks);
    row("two signatures of 32 bytes, stock ed25519-dalek", &pairs);
    row("one signature of 32 bytes, stock aws-lc-rs", &others);
    let ratio = p50(&ticks) / p50(&pairs);
    println!(
        "ratio: price frame to signed request / two stock signatures = {ratio:.2} (goal: at most {SIGNATURES_GOAL:.2})"
    );
}

/// Ticks of all symbols in turn with a thousand markets, beside ticks with one.
fn one_and_a_thousand() {
    let (anchor, amount) = (10.3721, Stroops(10_000_000));
    let (mut one, mut all) = (Bench::new(1, anchor, 1, amount), Bench::new(MARKETS, anchor, 1, amount));
    let (mut of_one, mut of_all) = (Vec::new(), Vec::new());
    for _ in 0..STILL_ROUNDS {
        of_one.extend((0..MARKETS).map(|_| one.still(0)));
        of_all.extend((0..MARKETS).map(|market| all.still(market)));
    }
    compare("a tick that changes nothing", &of_one, &of_all);

    of_one.clear();
    of_all.clear();
    for round in 0..QUOTED_ROUNDS {
        of_one.push(one.quoted(0));
        #[expect(clippy::cast_possible_truncation, reason = "less than the markets")]
        of_all.push(all.quoted((round % usize::from(QUOTED_MARKETS)) as u16));
    }
    compare("a tick that is quoted anew", &of_one, &of_all);

    // A transaction is under way from here on, and by and by every market waits.
    one.step(0);
    all.step(0);
    of_one.clear();
    of_all.clear();
    for _ in 0..STILL_ROUNDS {
        of_one.extend((0..MARKETS).map(|_| one.step(0)));
        of_all.extend((0..MARKETS).map(|market| all.step(market)));
    }
    compare("a tick that waits for a transaction", &of_one, &of_all);
}

fn compare(what: &str, of_one: &[f64], of_all: &[f64]) {
    row(&format!("{what}, 1 market"), of_one);
    row(&format!("{what}, {MARKETS} markets"), of_all);
    let ratio = p50(of_all) / p50(of_one);
    println!("ratio: {what}, {MARKETS} markets / 1 market = {ratio:.2} (goal: at most {MARKETS_GOAL:.2})");
}

fn main() {
    beside_signatures();
    one_and_a_thousand();
}

//! What a hop between two pinned threads costs: the line's rings beside a bare cache-line ping-pong, in one run.
//!
//! `cargo bench --bench hop`. A message goes to the other thread and back; half of that is a hop. Contenders take turns
//! for many short rounds, so that a slow spell of the machine hits all of them; a round gives each its median, and the
//! ratio of two contenders is the median of their rounds' ratios. Absolute times mean little on shared machines.
//!
//! Each ring runs with 128 places, which both ways together stay in a first-level cache, and with 4,096, which do not:
//! a ring goes round through all its places, however few are in use, so its size is paid for at each hop.

use core_affinity::CoreId;
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use stellar_connector::pipeline::ring::{Lossless, many_to_one, one_to_one};

const ROUNDS: usize = 41;
const SAMPLES: usize = 400;
/// Round trips that are timed together, because asking the time costs as much as a hop.
const TRIPS: u64 = 16;
/// The goal: a ring's hop over a bare one's.
const GOAL: f64 = 3.0;

/// The stamped events of the line have this size.
type Message = [u64; 8];

/// Times samples of round trips; nanoseconds a hop, the median.
fn median_hop_ns(mut round_trip: impl FnMut(u64)) -> f64 {
    let mut samples = Vec::with_capacity(SAMPLES);
    let mut number = 0;
    for _ in 0..SAMPLES {
        let started = Instant::now();
        for _ in 0..TRIPS {
            number += 1;
            round_trip(number);
        }
        samples.push(started.elapsed().as_secs_f64() * 1e9 / (2 * TRIPS) as f64);
    }
    median(&mut samples)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs `there` on the far core for all messages, and times `here` on this one.
fn against(far: CoreId, mut there: impl FnMut() + Send, here: impl FnMut(u64)) -> f64 {
    thread::scope(|scope| {
        scope.spawn(move || {
            assert!(core_affinity::set_for_current(far), "cannot pin to core {}", far.id);
            (0..SAMPLES as u64 * TRIPS).for_each(|_| there());
        });
        median_hop_ns(here)
    })
}

/// The floor: one cache line, one word of it, written in turn.
fn bare(far: CoreId) -> f64 {
    let line = CachePadded::new(AtomicU64::new(0));
    let mut expected = 1;
    let there = || {
        while line.load(Ordering::Acquire) != expected {
            spin_loop();
        }
        line.store(expected + 1, Ordering::Release);
        expected += 2;
    };
    let here = |number: u64| {
        line.store(number * 2 - 1, Ordering::Release);
        while line.load(Ordering::Acquire) != number * 2 {
            spin_loop();
        }
    };
    against(far, there, here)
}

/// Spins until there is something.
fn until<T>(mut take: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(item) = take() {
            return item;
        }
        spin_loop();
    }
}

fn rtrb_alone<const CAPACITY: usize>(far: CoreId) -> f64 {
    let (mut out, mut come) = rtrb::RingBuffer::<Message>::new(CAPACITY);
    let (mut back, mut home) = rtrb::RingBuffer::<Message>::new(CAPACITY);
    let there = move || {
        let message = until(|| come.pop().ok());
        assert!(back.push(black_box(message)).is_ok());
    };
    let here = move |number| {
        assert!(out.push([number; 8]).is_ok());
        assert_eq!(until(|| home.pop().ok())[7], number);
    };
    against(far, there, here)
}

fn our_ring<const CAPACITY: usize>(far: CoreId) -> f64 {
    let (mut out, mut come) = one_to_one::<Message, Lossless>(CAPACITY);
    let (mut back, mut home) = one_to_one::<Message, Lossless>(CAPACITY);
    let there = move || {
        let message = until(|| come.pop());
        assert!(back.try_push(black_box(message)).is_ok());
    };
    let here = move |number| {
        assert!(out.try_push([number; 8]).is_ok());
        assert_eq!(until(|| home.pop())[7], number);
    };
    against(far, there, here)
}

fn array_queue<const CAPACITY: usize>(far: CoreId) -> f64 {
    let (out, home) = (ArrayQueue::<Message>::new(CAPACITY), ArrayQueue::<Message>::new(CAPACITY));
    let there = || {
        let message = until(|| out.pop());
        assert!(home.push(black_box(message)).is_ok());
    };
    let here = |number| {
        assert!(out.push([number; 8]).is_ok());
        assert_eq!(until(|| home.pop())[7], number);
    };
    against(far, there, here)
}

fn our_shared_ring<const CAPACITY: usize>(far: CoreId) -> f64 {
    let (out, mut come) = many_to_one::<Message, Lossless>(CAPACITY);
    let (back, mut home) = many_to_one::<Message, Lossless>(CAPACITY);
    let there = move || {
        let message = until(|| come.pop());
        assert!(back.try_push(black_box(message)).is_ok());
    };
    let here = move |number| {
        assert!(out.try_push([number; 8]).is_ok());
        assert_eq!(until(|| home.pop())[7], number);
    };
    against(far, there, here)
}

/// The contender for which the goal is: what stands between two stages.
const THE_LINES: &str = "ring::one_to_one, 128";

type Contender = (&'static str, fn(CoreId) -> f64);

const CONTENDERS: [Contender; 9] = [
    ("bare cache-line ping-pong", bare),
    ("rtrb, 128", rtrb_alone::<128>),
    (THE_LINES, our_ring::<128>),
    ("crossbeam ArrayQueue, 128", array_queue::<128>),
    ("ring::many_to_one, 128", our_shared_ring::<128>),
    ("rtrb, 4096", rtrb_alone::<4096>),
    ("ring::one_to_one, 4096", our_ring::<4096>),
    ("crossbeam ArrayQueue, 4096", array_queue::<4096>),
    ("ring::many_to_one, 4096", our_shared_ring::<4096>),
];

fn main() {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [near, .., far] = cores[..] else {
        println!("hop: skipped, for a hop takes two processors and this process has {}", cores.len());
        return;
    };
    assert!(core_affinity::set_for_current(near), "cannot pin to core {}", near.id);
    let mut hops = CONTENDERS.map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for ((_, run), hops) in CONTENDERS.iter().zip(&mut hops) {
            hops.push(run(far));
        }
    }
    println!(
        "one-way hop, cores {} and {}, {} rounds of {} round trips",
        near.id,
        far.id,
        ROUNDS,
        SAMPLES as u64 * TRIPS
    );
    println!("{:<42} {:>9} {:>9} {:>9}", "", "p50", "best", "x bare");
    let mut the_lines = f64::INFINITY;
    for ((name, _), own) in CONTENDERS.iter().zip(&hops) {
        let mut ratios: Vec<f64> = own.iter().zip(&hops[0]).map(|(hop, bare)| hop / bare).collect();
        let mut sorted = own.clone();
        let (p50, ratio) = (median(&mut sorted), median(&mut ratios));
        println!("{name:<42} {p50:>6.1} ns {:>6.1} ns {ratio:>9.2}", sorted[0]);
        if *name == THE_LINES {
            the_lines = ratio;
        }
    }
    println!("ratio: {THE_LINES} / bare ping-pong = {the_lines:.2} (goal: at most {GOAL:.2})");
}

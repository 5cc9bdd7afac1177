//! Time for benchmarks that take turns.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part, and is a crate of its own")]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long it takes to make something, without the time to throw it away.
pub fn took<T>(make: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let made = black_box(make());
    let took = start.elapsed();
    drop(made);
    took
}

//! Cores, rings, wait strategies, clocks, latency stamps, placement: the only place that starts hot threads.
//!
//! * [`ring`]: what travels between two threads, and what happens when it is full.
//! * [`wait`]: what a thread does while nothing comes.
//! * [`clock`]: where time is asked for, so that nobody else does.
//! * [`machine`]: what this machine lets us have.
//! * [`placement`]: which stage runs on which core, and why.
//! * [`mod@line`]: the stages of one account, fused: what one hands down, the next takes at once.
//! * [`run`]: the loop that turns a fused line on a thread of its own.
//! * [`latency`]: histograms that a hot thread fills and another reads.
//! * [`allocations`]: counts what a thread allocates, for the tests that promise none.
//! * [`flight`]: keeps the last inputs in bounded files, so that an incident can be replayed.

pub mod allocations;
pub mod clock;
pub mod flight;
pub mod latency;
pub mod line;
pub mod machine;
pub mod placement;
pub mod ring;
pub mod run;
pub mod wait;

//! One file a subcommand.

pub mod cancel_all;
pub mod conformance;
pub mod demo;
pub mod desk;
pub mod engine;
pub mod flight;
pub mod handover;
pub mod latency;
pub mod record;
pub mod relay;
pub mod replay;
pub mod run;
pub mod sandbox;
pub mod tally;

//! One file a subcommand.

pub mod conformance;
pub mod demo;
pub mod engine;
pub mod replay;
pub mod tally;

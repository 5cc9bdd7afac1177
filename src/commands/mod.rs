//! One file a subcommand.

pub mod conformance;
pub mod engine;
pub mod replay;

//! One file a subcommand.

pub mod conformance;
pub mod replay;

//! One file a subcommand.

pub mod conformance;

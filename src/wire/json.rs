//! Messages in JSON.

pub mod kraken;

//! Messages in JSON.

pub mod horizon;
pub mod kraken;
pub mod rpc;

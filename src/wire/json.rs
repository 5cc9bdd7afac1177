//! Messages in JSON.

pub mod horizon;
pub mod horizon_book;
pub mod kraken;
pub mod rpc;

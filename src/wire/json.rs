//! Messages in JSON.

pub mod horizon;
pub mod horizon_book;
pub mod horizon_record;
pub mod kraken;
pub mod rpc;
mod tape;

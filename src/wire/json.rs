//! Messages in JSON.

pub mod binance;
pub mod coinbase;
pub mod coingecko;
pub mod horizon;
pub mod horizon_book;
pub mod horizon_record;
pub mod kraken;
mod reader;
pub mod rpc;
pub mod rpc_reader;
mod tape;

pub use reader::{PriceError, Tick};

//! A Stellar ledger in one process, with the faces that clients know.

pub mod ledger;

mod core_http;
mod kraken;
mod meta_stream;
mod price_server;
mod random;
mod reference;
mod serve;
mod world;

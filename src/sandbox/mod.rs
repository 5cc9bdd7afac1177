//! A Stellar ledger in one process, with the faces that clients know.
//!
//! [`ledger`] applies transactions. [`World`] puts people around it: issuers, traders, a reference price; it is
//! deterministic, without threads, clock or sockets, and so serves simulations as it is. [`Sandbox`] runs a world in
//! real time behind real sockets, on the loopback unless asked otherwise: Horizon with its streams, Stellar RPC, core's
//! `/tx` and `/info` and friendbot on one port; closed ledgers on a pipe, a socket or in a file as stellar-core writes
//! them; and the reference price over WebSocket as Kraken sends it. An engine that is pointed at them cannot tell.

pub mod ledger;

mod actor;
mod begin;
mod chain;
mod clock;
mod core_http;
mod engine;
mod faces;
mod faults;
#[cfg(test)]
mod fixture;
mod friendbot;
mod history;
mod horizon;
mod http;
mod kraken;
mod meta_stream;
mod price_server;
mod random;
mod reference;
mod rpc;
mod running;
mod serve;
mod settings;
mod setup;
mod state;
mod traders;
mod world;

pub use engine::{EngineAccount, EngineOffer, EngineSnapshot};
pub use faults::{FaultError, FaultRules};
pub use history::HistoryBounds;
pub use meta_stream::MetaOutput;
pub use reference::{ReferenceConfig, Tick};
pub use running::Sandbox;
pub use settings::{CloseRule, RateLimit, Refusals, SandboxConfig, SandboxError, Ticks};
pub use state::{StateConfig, StateError};
pub use traders::{Activity, Crowd};
pub use world::{Submission, World, WorldConfig, WorldError};

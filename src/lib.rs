//! A low-latency trading engine for Stellar's decentralised exchange.
//!
//! ```text
//!                                      ┌─▶ 3 strategy ─▶ risk ─▶ 4 execution ─▶ bytes     one line
//! bytes ─▶ 1 feed ─▶ 2 book & account ─┤      (decide)   (gate)  (sign, submit)           an account
//!         (parse)        (update)      └─▶ 3 strategy ─▶ risk ─▶ 4 execution ─▶ bytes
//! ```

pub mod account;
pub mod archive;
pub mod book;
pub mod commands;
pub mod config;
pub mod events;
pub mod execution;
pub mod feed;
pub mod net;
pub mod observe;
pub mod pipeline;
pub mod risk;
pub mod sandbox;
pub mod signer;
pub mod stellar;
pub mod strategy;
pub mod wire;

//! Stage 2: offers, levels and pools of every configured market.
//!
//! [`Books`] holds every offer of the configured markets and, a side of a market, their order in the protocol's eyes and
//! the price levels that they add up to. [`BookStage`] applies what a ledger changed to books and [`accounts`](crate::account) and publishes both at once
//! through [`views`](crate::events::views) when the ledger is complete.
//!
//! All memory is taken when a [`Books`] is made, as [`BookLimits`] says, and shared by all markets. (One small list a
//! side doubles when the side grows beyond what it ever was, from 120 offers on; nothing else allocates.) What goes beyond
//! a limit is not recorded: it is counted, and its market is no longer whole, so that nobody quotes on a picture with a
//! hole in it.

mod convert;
mod levels;
mod market;
mod offers;
mod queue;
mod route;
mod snapshot;
mod sorted;
mod stage;
mod store;

pub use convert::{Converted, Given, MAX_CROSSINGS, Taker};
pub use levels::Level;
pub use market::{LastTrade, MarketBook, Traded};
pub use offers::Offer;
pub use route::{Hop, MAX_HOPS, Route, Routes, Wish};
pub use stage::{BookConfig, BookCounters, BookStage};
pub use store::{BookLimits, Books, Bound, Refusals};

//! Stage 2: offers, levels and pools of every configured market.
//!
//! [`Books`] holds every offer of the configured markets and, a side of a market, the price levels that they add up
//! to. [`BookStage`] applies what a ledger changed to books and [`accounts`](crate::account) and publishes both at once
//! through [`views`](crate::events::views) when the ledger is complete.
//!
//! All memory is taken when a [`Books`] is made, as [`BookLimits`] says; nothing allocates after that. What goes beyond
//! a limit is not recorded: it is counted, and its market is no longer whole, so that nobody quotes on a picture with a
//! hole in it.

mod levels;
mod market;
mod offers;
mod snapshot;
mod stage;
mod store;

pub use levels::Level;
pub use market::{LastTrade, MarketBook, Traded};
pub use offers::Offer;
pub use stage::{BookConfig, BookCounters, BookStage};
pub use store::{BookLimits, Books, Bound, Refusals};

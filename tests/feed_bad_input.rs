//! Whatever is wrong with its input, the feed says so by a fault, hands down nothing of the bad message, lives on, and
//! recovers with a fresh connection.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

#[path = "feed_bad_input/core_meta.rs"]
mod core_meta;
#[path = "feed_bad_input/kraken.rs"]
mod kraken;
mod recorded;

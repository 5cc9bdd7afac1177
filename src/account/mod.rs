//! Stage 2: what the ledger says we have.
//!
//! Balances, sequence numbers, liabilities, trustlines and offers of our own accounts. The single writer is the
//! [book stage](crate::book::BookStage), which publishes them together with the books; nobody guesses what a submission
//! will do before a ledger shows it.

mod store;

pub use store::Accounts;

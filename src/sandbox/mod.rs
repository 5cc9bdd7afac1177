//! A Stellar ledger in one process, with the faces that clients know.

pub mod ledger;

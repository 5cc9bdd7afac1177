//! Transactions as bytes.

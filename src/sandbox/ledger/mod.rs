//! The ledger itself: state, transactions, closing.

//! Stage 2: what the ledger says we have.

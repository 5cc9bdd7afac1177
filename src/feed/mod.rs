//! Stage 1: bytes in, ledger changes and reference prices out.

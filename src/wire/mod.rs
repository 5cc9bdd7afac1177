//! Protocols as state machines over byte slices; no sockets here.

pub mod core_tx;

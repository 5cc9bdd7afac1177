//! Protocols as state machines over byte slices; no sockets here.

pub mod core_tx;
pub mod http1;
pub mod json;
pub mod lake;
pub mod ledger;
pub mod record_mark;
pub mod recording;
pub mod sse;
pub mod websocket;

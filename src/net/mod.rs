//! Sockets: mio, rustls, names, connections; no protocols here.
//!
//! One thread owns one [`Reactor`], and the reactor owns that thread's connections, numbered as its stage numbers them
//! ([`ConnId`](crate::events::ConnId)). A turn of the thread's loop:
//!
//! ```text
//! reactor.wait(timeout);                          // one epoll_wait; timers: connect, time-out, back-off
//! while let Some((wire, event)) = reactor.next_event() {
//!     stage.on_event(clock.now(), event, sink);   // `wire`: the clock right after the read() that brought the bytes
//!     reactor.flush(conn, outbox);                // at once, for what the stage wants to say
//! }
//! ```
//!
//! * **Connections stand by themselves.** They are opened at the first turn and again whenever they go, for ever, with
//!   exponential back-off and jitter ([`Timing`]); no back-off where there is nothing to be patient about ([`Manner`]).
//! * **Nobody starves.** In a turn each connection is read once, 64 KiB at most; what is left is remembered, and the next
//!   turn does not sleep.
//! * **Nothing blocks.** Connecting, handshakes and writes go on when the socket is ready; names are looked up on a
//!   helper thread.
//! * **Bounded.** One read buffer; an address list of 8; one name request a connection under way; of TLS, what rustls
//!   bounds (64 KiB outgoing, one record incoming).
//! * Once connections stand, the reactor allocates nothing; rustls does, a little for each record.
//!
//! What happens is counted in [`NetStats`], which any thread may read.

mod backoff;
pub mod broadcast;
mod connection;
mod endpoint;
mod failure;
pub mod inlet;
mod names;
mod reactor;
mod stats;
mod transport;

#[cfg(test)]
mod tests;

pub use backoff::Timing;
pub use endpoint::{ConnSettings, Endpoint, Manner, Roots};
pub use failure::NetError;
pub use reactor::{Flushed, Reactor};
pub use stats::{ConnSnapshot, ConnState, NetStats};

//! What operators see: probes, metrics, latency tables and the status page.
//!
//! ```text
//!  observer thread ──publish──▶ StatusHandle ──┐
//!  stages ──beat (one relaxed store)──▶ Health ─┼──▶ workers ◀─▶ tiny_http ◀─▶ door ◀─▶ clients
//!                                     Metrics ──┘
//! ```
//!
//! Nothing here runs on the line, and nothing on the line waits for anything here. The integrator's observer thread
//! copies what stages count into a [`Status`] a few times a second and publishes it; everything that is served is made
//! from the newest one. The one thing a stage does itself is to say that it turned ([`Pulse::beat`]).

mod door;
mod health;
mod latency;
mod metrics;
mod pages;
mod publish;
mod server;
mod status;
mod visitor;
mod words;

pub use health::{Health, HealthHandle, Part, Pulse, StageDeadline};
pub use latency::StageLatency;
pub use metrics::{Metrics, MetricsError, MetricsHandle};
pub use publish::{Latest, Recent, StatusHandle};
pub use server::{ObserveError, Observer};
pub use status::{
    Balance, ClosedLedger, Count, Feed, Fill, Ledger, Level, Liquidity, Market, OrderCount, OwnOffer, Point,
    ProfitLoss, Program, Queue, Reference, Status, Transaction, TransactionState, Transactions,
};
pub use words::{outcome_words, price_words, ratio_words};

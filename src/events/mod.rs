//! What stages say to each other, and how: the [`Stage`] trait, time as it is handed in, the events, and the views
//! that are published beside them. Knows `stellar`, and no other room.
//!
//! Every event is small, of fixed size and `Copy`, and travels as a [`Stamped`], which says when the bytes that caused
//! it came off the wire.

mod decision;
mod execution;
mod expression;
mod ledger;
mod market;
mod quotes;
mod snapshot;
mod stage;
mod time;
pub mod views;

pub use decision::{Control, Decision, ExecutionInput, HaltReason, Quote, QuoteBatch, StrategyInput};
pub use execution::{ExecutionEvent, Fate, Resolution, Submission, SubmitAnswer, SubmitReport, WithheldReason};
pub use expression::{BadSteps, Expression, Inputs, MAX_STEPS, Quoted, Step, Value};
pub use ledger::{
    FeedEvent, FeedFault, LedgerBegin, LedgerEnd, OfferChange, OwnAccount, OwnTransaction, OwnTrustLine, PoolChange,
    ReferencePrice, SymbolId, Trade, TradeVenue, TxOutcome,
};
pub use market::{BookEvent, Fill, LedgerClosed};
pub use quotes::{MAX_QUOTES, QuoteList};
pub use snapshot::{SnapshotDifference, SnapshotEvent, SnapshotOffer, SnapshotState};
pub use stage::{NetEvent, NetPort, Outbox, OutboxFull, Sink, Stage, Stamped};
pub use time::{Clock, ConnId, MonoNanos, Now, UtcNanos};

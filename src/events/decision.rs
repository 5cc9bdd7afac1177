//! Strategy to risk to execution.

use super::{BookEvent, LedgerClosed, NetEvent, OwnTransaction, Stamped, SubmitReport};
use crate::stellar::{LedgerSeq, MarketId, Price, Side, Stroops};

/// What reaches a strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StrategyInput {
    /// From the book.
    Book(Stamped<BookEvent>),
    /// What an endpoint answered to a submission: the one thing that a ledger cannot tell.
    Report(Stamped<SubmitReport>),
    /// What the operator wants.
    Control(Control),
}

/// What reaches execution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExecutionInput<'a> {
    /// From the strategy, through the risk gate.
    Decision(Stamped<Decision>),
    /// From its connections.
    Net(NetEvent<'a>),
}

/// The operator's word to a running engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Cancel all quotes and place no more.
    CancelAll,
}

/// What a strategy wants. Quotes come as one `QuotesBegin`, each `Quote`, one `QuotesEnd`: together the whole set that
/// the market should show; execution works out what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A new set of quotes for a market begins.
    QuotesBegin(QuoteBatch),
    /// One quote of the set.
    Quote(Quote),
    /// The set is complete.
    QuotesEnd(QuoteBatch),
    /// Trading stops: all quotes are to be cancelled, and no more accepted.
    Halt(HaltReason),
    /// Passed on: a ledger is complete.
    LedgerClosed(LedgerClosed),
    /// Passed on: a transaction of ours was applied, or failed.
    OwnTransaction(OwnTransaction),
}

/// Which market a set of quotes is for, and what it was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteBatch {
    /// The market.
    pub market: MarketId,
    /// The newest ledger that the decision knew.
    pub decided_on: LedgerSeq,
}

/// A quote that should stand in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Buy or sell base.
    pub side: Side,
    /// Units of quote for one base.
    pub price: Price,
    /// Amount of base.
    pub amount: Stroops,
}

/// Why trading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// The operator asked for it.
    Operator,
    /// The book is not whole.
    BookNotWhole,
    /// The reference price is stale.
    StaleReference,
    /// The ledger is late.
    LedgerLate,
    /// A risk limit was reached.
    RiskLimit,
}

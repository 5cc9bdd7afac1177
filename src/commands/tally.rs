//! What a run has come to: each market's fills, position, profit and loss; the account's transactions. Off the line; fed by
//! observations.

use crate::events::{ExecutionEvent, Fate, Fill, OwnTransaction, Resolution, Submission, TxOutcome};
use crate::observe::{self, Liquidity, Point, Recent, TransactionState, outcome_words, ratio_words};
use crate::stellar::{LedgerSeq, MarketId, Side, Stroops, TxHash};

/// Position and profit by average cost, exact: base and quote are integers, and cost is taken out in proportion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Base bought less base sold, stroops.
    pub base: i64,
    /// Quote that the position has cost (negative for a short one), stroops.
    pub cost: i64,
    /// Quote that closed trades have brought, stroops.
    pub realised: i64,
}

impl Position {
    /// Takes a trade: `base` bought (sold if negative) for `quote` paid (received if negative).
    pub fn trade(&mut self, base: i64, quote: i64) {
        let (mut base, mut quote) = (base, quote);
        let closing = if self.base.signum() * base.signum() < 0 { base.abs().min(self.base.abs()) } else { 0 };
        if closing > 0 {
            let part = |of: i64, whole: i64| {
                let exact = i128::from(of) * i128::from(closing) / i128::from(whole.abs());
                i64::try_from(exact).unwrap_or(if exact > 0 { i64::MAX } else { i64::MIN })
            };
            let (cost, paid) = (part(self.cost, self.base), part(quote, base));
            self.realised -= cost + paid;
            self.cost -= cost;
            self.base += base.signum() * closing;
            base -= base.signum() * closing;
            quote -= paid;
        }
        self.base += base;
        self.cost += quote;
    }

    /// What the position would bring now less what it has cost, at `mid` units of quote for one base.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a valuation, not an amount")]
    pub fn unrealised(&self, mid: f64) -> i64 {
        (self.base as f64 * mid) as i64 - self.cost
    }
}

/// What one market has come to.
#[derive(Debug)]
pub struct MarketTally {
    market: String,
    /// Fills so far.
    pub fills: u64,
    /// Base that we traded.
    pub volume_base: Stroops,
    /// Quote that we traded.
    pub volume_quote: Stroops,
    /// Position, cost and profit.
    pub position: Position,
    /// Profit and loss at each ledger.
    pub curve: Recent<Point>,
}

impl MarketTally {
    /// An empty one for the market of this name.
    #[must_use]
    pub fn new(market: &str) -> Self {
        Self {
            market: market.to_owned(),
            fills: 0,
            volume_base: Stroops::ZERO,
            volume_quote: Stroops::ZERO,
            position: Position::default(),
            curve: Recent::new(observe::Status::MAX_POINTS),
        }
    }

    /// A trade of ours, in a ledger that closed at `close_time_s`; gives it in words.
    pub fn on_fill(&mut self, fill: &Fill) -> observe::Fill {
        let sign = if fill.side == Side::Bid { 1 } else { -1 };
        self.fills += 1;
        self.volume_base = Stroops(self.volume_base.0.saturating_add(fill.base.0));
        self.volume_quote = Stroops(self.volume_quote.0.saturating_add(fill.quote.0));
        self.position.trade(sign * fill.base.0, sign * fill.quote.0);
        observe::Fill {
            ledger: fill.ledger.0,
            time_ms: fill.close_time_s * 1_000,
            market: self.market.clone(),
            side: fill.side,
            base: fill.base,
            quote: fill.quote,
            price: ratio_words(fill.quote, fill.base),
            liquidity: if fill.offer.is_some() { Liquidity::Maker } else { Liquidity::Taker },
        }
    }

    /// Profit and loss at `mid` units of quote for one base: realised, and by the position.
    #[must_use]
    pub fn profit(&self, mid: Option<f64>) -> (Stroops, Stroops) {
        let unrealised = mid.map_or(0, |mid| self.position.unrealised(mid));
        (Stroops(self.position.realised), Stroops(unrealised))
    }
}

/// What the account's transactions have come to. Only those that this process sent: the account may have had others
/// before.
#[derive(Debug)]
pub struct TransactionTally {
    /// Transactions sent.
    pub submitted: u64,
    /// Transactions applied.
    pub applied: u64,
    /// Transactions that were in a ledger and failed.
    pub failed: u64,
    /// Transactions that died outside of a ledger.
    pub expired: u64,
    /// Fees, stroops.
    pub fees: Stroops,
    /// The last ones.
    pub recent: Recent<observe::Transaction>,
    /// Sent, and of unknown fate. Few: an account has one at a time.
    pending: Vec<TxHash>,
}

impl Default for TransactionTally {
    fn default() -> Self {
        Self {
            submitted: 0,
            applied: 0,
            failed: 0,
            expired: 0,
            fees: Stroops::ZERO,
            recent: Recent::new(observe::Status::MAX_TRANSACTIONS),
            pending: Vec::new(),
        }
    }
}

impl TransactionTally {
    /// A transaction of the account's in a ledger.
    pub fn on_own_transaction(&mut self, own: &OwnTransaction, ledger: LedgerSeq) {
        if !self.settle(own.hash) {
            return;
        }
        let state = match own.outcome {
            TxOutcome::Success => {
                self.applied += 1;
                TransactionState::Applied
            }
            TxOutcome::Failed { .. } => {
                self.failed += 1;
                TransactionState::Failed
            }
        };
        self.fees = Stroops(self.fees.0.saturating_add(own.fee_charged.0));
        if let Some(entry) = self.entry(own.hash) {
            entry.state = state;
            entry.ledger = Some(ledger.0);
            entry.fee = own.fee_charged;
            entry.fate = outcome_words(&own.outcome);
        }
    }

    /// What execution told, at `utc_ms` milliseconds since 1970; `market` names a submission's market.
    pub fn on_execution(&mut self, event: &ExecutionEvent, utc_ms: u64, market: impl FnOnce(MarketId) -> String) {
        match event {
            ExecutionEvent::Submitted(submission) => self.on_submitted(submission, utc_ms, market(submission.market)),
            ExecutionEvent::Resolved(Resolution { hash, fate: Fate::Expired }) => {
                self.end(*hash, "expired: in no ledger in which it could have applied");
            }
            ExecutionEvent::Resolved(Resolution { hash, fate: Fate::Refused(code) }) => {
                self.end(*hash, &format!("refused by the endpoint with code {code}"));
            }
            // What is in a ledger is counted from the ledger.
            ExecutionEvent::Resolved(_) | ExecutionEvent::Answer(_) | ExecutionEvent::Withheld(..) => {}
        }
    }

    fn on_submitted(&mut self, submission: &Submission, utc_ms: u64, market: String) {
        self.submitted += 1;
        self.pending.push(submission.hash);
        self.recent.push(observe::Transaction {
            hash: submission.hash.to_string(),
            market,
            ledger: None,
            sent_ms: utc_ms,
            operations: u32::from(submission.operations),
            fee: Stroops::ZERO,
            state: TransactionState::Pending,
            fate: "on its way".to_owned(),
        });
    }

    fn end(&mut self, hash: TxHash, fate: &str) {
        if !self.settle(hash) {
            return;
        }
        self.expired += 1;
        if let Some(entry) = self.entry(hash) {
            entry.state = TransactionState::Expired;
            fate.clone_into(&mut entry.fate);
        }
    }

    /// Strikes it from those of unknown fate; false if it is not among them.
    fn settle(&mut self, hash: TxHash) -> bool {
        let at = self.pending.iter().position(|pending| *pending == hash);
        at.map(|at| self.pending.swap_remove(at)).is_some()
    }

    fn entry(&mut self, hash: TxHash) -> Option<&mut observe::Transaction> {
        let hash = hash.to_string();
        self.recent.iter_mut_newest_first().find(|entry| entry.hash == hash)
    }

    /// Transactions of unknown fate.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profit_is_by_average_cost_and_turning_over_keeps_the_rest() {
        let mut position = Position::default();
        position.trade(100, 1_000);
        position.trade(100, 1_200);
        assert_eq!(position, Position { base: 200, cost: 2_200, realised: 0 });
        position.trade(-50, -600);
        assert_eq!(position, Position { base: 150, cost: 1_650, realised: 50 });
        position.trade(-250, -3_000);
        assert_eq!(position, Position { base: -100, cost: -1_200, realised: 200 });
        assert_eq!(position.unrealised(11.0), 100);
        position.trade(100, 1_100);
        assert_eq!(position, Position { base: 0, cost: 0, realised: 300 });
    }

    #[test]
    fn a_transaction_is_counted_once_and_only_if_it_is_ours() {
        let mut tally = TransactionTally::default();
        let hash = |byte| TxHash([byte; 32]);
        let applied = |hash| OwnTransaction { hash, outcome: TxOutcome::Success, fee_charged: Stroops(100) };
        tally.on_own_transaction(&applied(hash(1)), LedgerSeq(1));
        assert_eq!((tally.applied, tally.fees), (0, Stroops::ZERO), "the account had it before");
        let submission = Submission {
            hash: hash(2),
            sequence: crate::stellar::SequenceNumber(1),
            market: MarketId(0),
            operations: 1,
            deletions: 0,
            decided_on: LedgerSeq(1),
            max_ledger: LedgerSeq(3),
            wire: crate::events::MonoNanos(0),
            held: false,
        };
        tally.on_execution(&ExecutionEvent::Submitted(submission), 0, |_| "A/B".into());
        assert_eq!(tally.pending(), 1);
        for _ in 0..2 {
            tally.on_own_transaction(&applied(hash(2)), LedgerSeq(2));
            let resolved = Resolution { hash: hash(2), fate: Fate::Expired };
            tally.on_execution(&ExecutionEvent::Resolved(resolved), 0, |_| String::new());
        }
        assert_eq!((tally.submitted, tally.applied, tally.expired, tally.pending()), (1, 1, 0, 0));
        assert_eq!(tally.recent.newest_first()[0].ledger, Some(2));
    }
}

//! What one market's run has come to: fills, position, profit and loss, transactions. Off the line; fed by observations.

use crate::events::{ExecutionEvent, Fate, Fill, OwnTransaction, Resolution, Submission, TxOutcome};
use crate::observe::{self, Liquidity, Point, Recent, TransactionState, outcome_words, ratio_words};
use crate::stellar::{LedgerSeq, Side, Stroops};

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

/// See the [module](self).
#[derive(Debug)]
pub struct Tally {
    market: String,
    /// Fills so far.
    pub fills: u64,
    /// Base that we traded.
    pub volume_base: Stroops,
    /// Quote that we traded.
    pub volume_quote: Stroops,
    /// Position, cost and profit.
    pub position: Position,
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
    /// The last trades.
    pub recent_fills: Recent<observe::Fill>,
    /// The last transactions.
    pub recent_transactions: Recent<observe::Transaction>,
    /// Profit and loss at each ledger.
    pub curve: Recent<Point>,
}

impl Tally {
    /// An empty one for the market of this name.
    #[must_use]
    pub fn new(market: &str) -> Self {
        Self {
            market: market.to_owned(),
            fills: 0,
            volume_base: Stroops::ZERO,
            volume_quote: Stroops::ZERO,
            position: Position::default(),
            submitted: 0,
            applied: 0,
            failed: 0,
            expired: 0,
            fees: Stroops::ZERO,
            recent_fills: Recent::new(observe::Status::MAX_FILLS),
            recent_transactions: Recent::new(observe::Status::MAX_TRANSACTIONS),
            curve: Recent::new(observe::Status::MAX_POINTS),
        }
    }

    /// A trade of ours, in a ledger that closed at `close_time_s`.
    pub fn on_fill(&mut self, fill: &Fill, close_time_s: u64) {
        let sign = if fill.side == Side::Bid { 1 } else { -1 };
        self.fills += 1;
        self.volume_base = Stroops(self.volume_base.0.saturating_add(fill.base.0));
        self.volume_quote = Stroops(self.volume_quote.0.saturating_add(fill.quote.0));
        self.position.trade(sign * fill.base.0, sign * fill.quote.0);
        self.recent_fills.push(observe::Fill {
            ledger: fill.ledger.0,
            time_ms: close_time_s * 1_000,
            market: self.market.clone(),
            side: fill.side,
            base: fill.base,
            quote: fill.quote,
            price: ratio_words(fill.quote, fill.base),
            liquidity: if fill.offer.is_some() { Liquidity::Maker } else { Liquidity::Taker },
        });
    }

    /// A transaction of ours in a ledger.
    pub fn on_own_transaction(&mut self, own: &OwnTransaction, ledger: LedgerSeq) {
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
        let hash = own.hash.to_string();
        if let Some(entry) = self.recent_transactions.iter_mut_newest_first().find(|entry| entry.hash == hash) {
            entry.state = state;
            entry.ledger = Some(ledger.0);
            entry.fee = own.fee_charged;
            entry.fate = outcome_words(&own.outcome);
        }
    }

    /// What execution told, at `utc_ms` milliseconds since 1970.
    pub fn on_execution(&mut self, event: &ExecutionEvent, utc_ms: u64) {
        match event {
            ExecutionEvent::Submitted(submission) => self.on_submitted(submission, utc_ms),
            ExecutionEvent::Resolved(Resolution { hash, fate: Fate::Expired }) => {
                self.end(&hash.to_string(), "expired: in no ledger in which it could have applied");
            }
            ExecutionEvent::Resolved(Resolution { hash, fate: Fate::Refused(code) }) => {
                self.end(&hash.to_string(), &format!("refused by the endpoint with code {code}"));
            }
            // What is in a ledger is counted from the ledger.
            ExecutionEvent::Resolved(_) | ExecutionEvent::Answer(_) | ExecutionEvent::Withheld(..) => {}
        }
    }

    fn on_submitted(&mut self, submission: &Submission, utc_ms: u64) {
        self.submitted += 1;
        self.recent_transactions.push(observe::Transaction {
            hash: submission.hash.to_string(),
            market: self.market.clone(),
            ledger: None,
            sent_ms: utc_ms,
            operations: u32::from(submission.operations),
            fee: Stroops::ZERO,
            state: TransactionState::Pending,
            fate: "on its way".to_owned(),
        });
    }

    fn end(&mut self, hash: &str, fate: &str) {
        self.expired += 1;
        if let Some(entry) = self.recent_transactions.iter_mut_newest_first().find(|entry| entry.hash == hash) {
            entry.state = TransactionState::Expired;
            fate.clone_into(&mut entry.fate);
        }
    }

    /// Transactions of unknown fate.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.submitted.saturating_sub(self.applied + self.failed + self.expired)
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
}

//! Fees that were bid and charged lately.

use super::{Chain, Problem, Target};
use crate::sandbox::history::{LedgerRecord, TransactionRecord};
use serde_json::{Map, Value, json};
use stellar_xdr::TransactionEnvelope;

/// Over how many ledgers.
const LEDGERS: usize = 5;
const PERCENTILES: [usize; 11] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99];

pub(crate) fn fee_stats(chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    let base_fee = i64::from(chain.ledger.header().base_fee);
    let lately: Vec<&LedgerRecord> = chain.history.ledgers().rev().take(LEDGERS).collect();
    let transactions = || lately.iter().flat_map(|ledger| &ledger.transactions);
    let charged = transactions().map(|tx| tx.result.fee_charged / fee_operations(tx)).collect();
    let bid = transactions().map(|tx| max_fee(tx) / fee_operations(tx)).collect();
    Ok(json!({
        "last_ledger": chain.latest().to_string(),
        "last_ledger_base_fee": base_fee.to_string(),
        "ledger_capacity_usage": capacity_usage(&lately),
        "fee_charged": distribution(charged, base_fee),
        "max_fee": distribution(bid, base_fee),
    }))
}

/// Among how many operations a fee is divided: a fee bump counts as one more.
fn fee_operations(tx: &TransactionRecord) -> i64 {
    let bump = usize::from(matches!(tx.envelope, TransactionEnvelope::TxFeeBump(_)));
    i64::try_from(tx.operations().len() + bump).unwrap_or(i64::MAX).max(1)
}

fn max_fee(tx: &TransactionRecord) -> i64 {
    match &tx.envelope {
        TransactionEnvelope::TxV0(envelope) => i64::from(envelope.tx.fee),
        TransactionEnvelope::Tx(envelope) => i64::from(envelope.tx.fee),
        TransactionEnvelope::TxFeeBump(envelope) => envelope.tx.fee,
    }
}

/// Operations of the ledgers, of those that they had room for: two decimals, rounded half up.
fn capacity_usage(ledgers: &[&LedgerRecord]) -> String {
    let transactions = ledgers.iter().flat_map(|ledger| &ledger.transactions);
    let used: u64 = transactions.map(|tx| tx.operations().len() as u64).sum();
    let room: u64 = ledgers.iter().map(|ledger| u64::from(ledger.header.header.max_tx_set_size)).sum();
    let hundredths = (used * 200 + room) / (2 * room).max(1);
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A distribution of fees, stroops an operation; where there were none, the base fee is all of it.
fn distribution(mut fees: Vec<i64>, base_fee: i64) -> Value {
    if fees.is_empty() {
        fees.push(base_fee);
    }
    fees.sort_unstable();
    let mut body = Map::new();
    let mut put = |name: String, fee: i64| {
        body.insert(name, json!(fee.to_string()));
    };
    put("max".into(), fees[fees.len() - 1]);
    put("min".into(), fees[0]);
    put("mode".into(), mode(&fees));
    for percentile in PERCENTILES {
        // As SQL's percentile_disc: the first that at least so many are not above of.
        let place = (fees.len() * percentile).div_ceil(100).max(1);
        put(format!("p{percentile}"), fees[place - 1]);
    }
    Value::Object(body)
}

/// The most frequent of sorted fees, of equals the least.
fn mode(sorted: &[i64]) -> i64 {
    let runs = sorted.chunk_by(|one, next| one == next);
    runs.rev().max_by_key(|run| run.len()).map_or(0, |run| run[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_database() {
        let stats = distribution(vec![100, 100, 200, 200, 5000], 100);
        for (name, fee) in [("min", "100"), ("max", "5000"), ("mode", "100"), ("p10", "100"), ("p40", "100")] {
            assert_eq!(stats[name], fee, "{name}");
        }
        for (name, fee) in [("p50", "200"), ("p80", "200"), ("p90", "5000"), ("p99", "5000")] {
            assert_eq!(stats[name], fee, "{name}");
        }
        assert_eq!(distribution(Vec::new(), 100)["p50"], "100");
    }
}

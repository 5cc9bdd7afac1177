//! What the server is and how it is: getHealth, getNetwork, getVersionInfo, getFeeStats.

use super::error::RpcError;
use super::ledgers::Range;
use crate::sandbox::chain::Chain;
use crate::sandbox::history::LedgerRecord;
use serde_json::{Value, json};

/// A ledger that closed longer ago than this is a sign that no more do, seconds.
const HEALTHY_LATENCY_S: u64 = 30;
/// Ledgers whose fees are looked at.
const FEE_LEDGERS: usize = 10;

pub(super) fn health(chain: &Chain<'_>) -> Result<Value, RpcError> {
    let range = Range::of(chain)?;
    let latency = chain.now_s.saturating_sub(range.latest.closed_at_s());
    if latency > HEALTHY_LATENCY_S {
        return Err(RpcError::internal(format!(
            "latency ({latency}s) since last known ledger closed is too high (>{HEALTHY_LATENCY_S}s)"
        )));
    }
    Ok(json!({
        "status": "healthy",
        "latestLedger": range.latest.seq(),
        "latestLedgerCloseTime": range.latest.closed_at_s().to_string(),
        "oldestLedger": range.oldest.seq(),
        "oldestLedgerCloseTime": range.oldest.closed_at_s().to_string(),
        "ledgerRetentionWindow": chain.history.bounds().max_ledgers,
    }))
}

/// `friendbot` is where new accounts come from.
pub(super) fn network(chain: &Chain<'_>, friendbot: &str) -> Value {
    json!({
        "friendbotUrl": friendbot,
        "passphrase": chain.ledger.passphrase(),
        "protocolVersion": chain.ledger.header().ledger_version,
    })
}

pub(super) fn version(chain: &Chain<'_>) -> Value {
    json!({
        "version": concat!("stellar-connector-sandbox-", env!("CARGO_PKG_VERSION")),
        "commitHash": "",
        "buildTimestamp": "",
        "captiveCoreVersion": concat!("stellar-connector-sandbox-", env!("CARGO_PKG_VERSION")),
        "protocolVersion": chain.ledger.header().ledger_version,
    })
}

/// What was paid for an operation lately. Contracts pay nothing here, as there are none.
pub(super) fn fee_stats(chain: &Chain<'_>) -> Value {
    let mut fees = Vec::new();
    let ledgers = chain.history.ledgers().rev().take(FEE_LEDGERS);
    let counted = ledgers.map(|ledger| fees.extend(fees_of(ledger))).count();
    json!({
        "sorobanInclusionFee": distribution(Vec::new(), 0),
        "inclusionFee": distribution(fees, counted),
        "latestLedger": chain.latest(),
    })
}

fn fees_of(ledger: &LedgerRecord) -> impl Iterator<Item = u64> {
    ledger.transactions.iter().filter_map(|tx| {
        let operations = u64::try_from(tx.operations().len()).ok().filter(|count| *count > 0)?;
        Some(u64::try_from(tx.result.fee_charged).unwrap_or(0) / operations)
    })
}

/// Nearest-rank percentiles; all zero if there are no fees.
fn distribution(mut fees: Vec<u64>, ledgers: usize) -> Value {
    fees.sort_unstable();
    let rank = |percent: usize| fees.get((percent * fees.len()).div_ceil(100).wrapping_sub(1)).copied().unwrap_or(0);
    let mut body = json!({
        "max": fees.last().copied().unwrap_or(0).to_string(),
        "min": fees.first().copied().unwrap_or(0).to_string(),
        "mode": mode(&fees).to_string(),
        "transactionCount": fees.len().to_string(),
        "ledgerCount": if fees.is_empty() { 0 } else { ledgers },
    });
    for percent in [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99] {
        body[format!("p{percent}")] = json!(rank(percent).to_string());
    }
    body
}

/// The most frequent of sorted numbers, the lowest if several are.
fn mode(sorted: &[u64]) -> u64 {
    let mut best = (0, 0);
    for same in sorted.chunk_by(|a, b| a == b) {
        if same.len() > best.0 {
            best = (same.len(), same[0]);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let body = distribution((1..=20).chain([20]).collect(), 3);
        let number = |key: &str| body[key].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!((number("min"), number("max"), number("mode")), (1, 20, 20));
        assert_eq!((number("p10"), number("p50"), number("p99")), (3, 11, 20));
        assert_eq!((number("transactionCount"), body["ledgerCount"].as_u64()), (21, Some(3)));
        let none = distribution(Vec::new(), 10);
        assert_eq!((&none["p99"], &none["mode"], &none["ledgerCount"]), (&json!("0"), &json!("0"), &json!(0)));
    }
}

//! When a claimable balance may be claimed, as Horizon writes it.

use crate::sandbox::horizon::words;
use serde_json::{Value, json};
use stellar_xdr::ClaimPredicate;

/// A predicate as JSON.
pub(crate) fn predicate(of: &ClaimPredicate) -> Value {
    match of {
        ClaimPredicate::Unconditional => json!({"unconditional": true}),
        ClaimPredicate::And(both) => json!({"and": both.iter().map(predicate).collect::<Vec<_>>()}),
        ClaimPredicate::Or(either) => json!({"or": either.iter().map(predicate).collect::<Vec<_>>()}),
        ClaimPredicate::Not(Some(not)) => json!({"not": predicate(not)}),
        ClaimPredicate::Not(None) => json!({}),
        ClaimPredicate::BeforeAbsoluteTime(time) => json!({
            "abs_before": words::time(u64::try_from(*time).unwrap_or(0)),
            "abs_before_epoch": time.to_string(),
        }),
        ClaimPredicate::BeforeRelativeTime(seconds) => json!({"rel_before": seconds.to_string()}),
    }
}

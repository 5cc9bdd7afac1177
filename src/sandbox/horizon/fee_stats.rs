//! Fees that were bid and charged lately.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn fee_stats(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

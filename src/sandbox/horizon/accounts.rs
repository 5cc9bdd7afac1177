//! Accounts: balances, signers, thresholds, data.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn account(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn data(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn accounts(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

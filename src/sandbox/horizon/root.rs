//! The root: what network this is, and where its ledger stands.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn root(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

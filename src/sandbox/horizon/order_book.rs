//! The order book of a pair.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn order_book(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

//! Candles.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn trade_aggregations(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

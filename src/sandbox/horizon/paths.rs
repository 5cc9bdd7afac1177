//! Paths of payment through books and pools.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn strict_receive(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn strict_send(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

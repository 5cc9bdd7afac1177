//! Transactions.

use super::{Chain, Page, Problem, Target};
use serde_json::Value;

pub(crate) fn one(_chain: &Chain<'_>, _target: &Target) -> Result<Value, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn all(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn of_account(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn of_ledger(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

pub(crate) fn of_pool(_chain: &Chain<'_>, _target: &Target, _page: &Page) -> Result<Vec<Value>, Problem> {
    Err(Problem::not_found())
}

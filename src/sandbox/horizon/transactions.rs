//! Transactions.

use super::{Chain, Page, Problem, Target};
use serde_json::{Value, json};
use stellar_xdr::Hash;

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let hash: Hash = target.variable(0).parse().map_err(|_| Problem::not_found())?;
    let (ledger, tx) = chain.history.transaction(&hash).ok_or_else(Problem::not_found)?;
    Ok(json!({
        "id": hash.to_string(),
        "hash": hash.to_string(),
        "paging_token": tx.id.0.to_string(),
        "successful": tx.succeeded(),
        "ledger": ledger.seq(),
    }))
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

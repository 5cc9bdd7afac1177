//! Liquidity pools.
//!
//! Source: `actions/liquidity_pool.go`, `resourceadapter/liquidity_pool.go`, `db2/history/liquidity_pools.go`.

use super::accounts::last_modified_time;
use super::past::{link, paged_link};
use super::{Chain, Page, Problem, Target, parameters, words};
use crate::sandbox::http::Query;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stellar_xdr::{
    Asset, LedgerEntry, LedgerEntryData, LedgerKey, LedgerKeyLiquidityPool, LiquidityPoolEntry, LiquidityPoolEntryBody,
    LiquidityPoolEntryConstantProduct, PoolId, TrustLineAsset,
};

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let id = parameters::pool(target.variable(0), "liquidity_pool_id")?;
    let entry = pool_entry(chain, id).ok_or_else(Problem::not_found)?;
    pool_in(&entry).map(|pool| resource(chain, &target.base_url, &entry, pool)).ok_or_else(Problem::not_found)
}

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    let reserves = reserves(&target.query)?;
    let account = parameters::text(&target.query, "account");
    let found: BTreeMap<String, LedgerEntry> = match account {
        Some(_) if !reserves.is_empty() => {
            return Err(Problem::bad_request(
                "account",
                "this endpoint does not support filtering by both accountID and reserve assets.",
            ));
        }
        Some(address) => of_account(chain, address),
        None => with_reserves(chain, &reserves),
    };
    let shown = page.of(page.cursor.as_ref(), found.iter(), |(id, _)| (*id).clone());
    let resource = |entry| pool_in(entry).map(|pool| resource(chain, &target.base_url, entry, pool));
    Ok(shown.into_iter().filter_map(|(_, entry)| resource(entry)).collect())
}

/// The pools of which an account holds shares, by id. Horizon takes any text for an account.
fn of_account(chain: &Chain<'_>, address: &str) -> BTreeMap<String, LedgerEntry> {
    let Some(account) = words::parse_account(address) else { return BTreeMap::new() };
    let shares = chain.ledger.lines_of(&account).filter_map(|line| match line.data {
        LedgerEntryData::Trustline(line) => match line.asset {
            TrustLineAsset::PoolShare(pool) => Some(pool),
            _ => None,
        },
        _ => None,
    });
    shares.filter_map(|pool| Some((hex::encode(pool.0.0), pool_entry(chain, pool)?))).collect()
}

/// The pools that have all of these assets, by id.
fn with_reserves(chain: &Chain<'_>, assets: &[Asset]) -> BTreeMap<String, LedgerEntry> {
    let has_all = |pool: &LiquidityPoolEntry| {
        let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(body) = &pool.body;
        assets.iter().all(|asset| body.params.asset_a == *asset || body.params.asset_b == *asset)
    };
    let pools = chain.ledger.entries_but_offers().filter_map(|entry| Some((entry, pool_in(entry)?)));
    pools
        .filter(|(_, pool)| has_all(pool))
        .map(|(entry, pool)| (hex::encode(pool.liquidity_pool_id.0.0), entry.clone()))
        .collect()
}

fn pool_entry(chain: &Chain<'_>, id: PoolId) -> Option<LedgerEntry> {
    chain.ledger.entry(&LedgerKey::LiquidityPool(LedgerKeyLiquidityPool { liquidity_pool_id: id }))
}

fn pool_in(entry: &LedgerEntry) -> Option<&LiquidityPoolEntry> {
    match &entry.data {
        LedgerEntryData::LiquidityPool(pool) => Some(pool),
        _ => None,
    }
}

/// Reads `reserves`: words of assets with commas between.
fn reserves(query: &Query) -> Result<Vec<Asset>, Problem> {
    let words = query.get("reserves").unwrap_or("").split(',').filter(|word| !word.is_empty());
    let read = |word| if word == "native" { Ok(Asset::Native) } else { parameters::credit_word(word) };
    words.map(read).collect::<Result<_, _>>().map_err(|_| {
        let reason = "Invalid reserves, should be comma-separated list of assets in canonical form";
        Problem::bad_request("reserves", reason)
    })
}

fn resource(chain: &Chain<'_>, base_url: &str, entry: &LedgerEntry, pool: &LiquidityPoolEntry) -> Value {
    let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(body) = &pool.body;
    let LiquidityPoolEntryConstantProduct { params, reserve_a, reserve_b, .. } = body;
    let id = hex::encode(pool.liquidity_pool_id.0.0);
    let own = format!("/liquidity_pools/{id}");
    let reserve = |asset: &Asset, amount| json!({ "asset": words::asset_word(asset), "amount": words::amount(amount) });
    json!({
        "_links": {
            "self": link(base_url, &own),
            "transactions": paged_link(base_url, &format!("{own}/transactions")),
            "operations": paged_link(base_url, &format!("{own}/operations")),
        },
        "id": id,
        "paging_token": id,
        "fee_bp": params.fee,
        "type": "constant_product",
        "total_trustlines": body.pool_shares_trust_line_count.to_string(),
        "total_shares": words::amount(body.total_pool_shares),
        "reserves": [reserve(&params.asset_a, *reserve_a), reserve(&params.asset_b, *reserve_b)],
        "last_modified_ledger": entry.last_modified_ledger_seq,
        "last_modified_time": last_modified_time(chain, entry.last_modified_ledger_seq),
    })
}

#[cfg(test)]
mod tests;

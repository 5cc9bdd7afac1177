//! The root: what network this is, and where its ledger stands.

use super::past::{self, link, paged_link};
use super::words;
use super::{Chain, Problem, Target};
use crate::sandbox::ledger::CURRENT_PROTOCOL;
use serde_json::{Value, json};

/// Which Horizon this is like, and whose it is.
const HORIZON_VERSION: &str = concat!("28.0.0-sandbox-", env!("CARGO_PKG_VERSION"));
/// Which core the ledger is like.
const CORE_VERSION: &str = concat!("stellar-core 27.0.0 (sandbox ", env!("CARGO_PKG_VERSION"), ")");

pub(crate) fn root(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let latest = chain.latest();
    let closed_at_s = chain.ledger.header().scp_value.close_time.0;
    Ok(json!({
        "_links": links(&target.base_url),
        "horizon_version": HORIZON_VERSION,
        "core_version": CORE_VERSION,
        "ingest_latest_ledger": latest,
        "history_latest_ledger": latest,
        "history_latest_ledger_closed_at": words::time(closed_at_s),
        "history_elder_ledger": past::elder(chain),
        "core_latest_ledger": latest,
        "network_passphrase": chain.ledger.passphrase(),
        "current_protocol_version": chain.ledger.header().ledger_version,
        "supported_protocol_version": CURRENT_PROTOCOL,
        "core_supported_protocol_version": CURRENT_PROTOCOL,
    }))
}

/// Where everything is. What Horizon has and the sandbox does not, such as assets, is left out.
fn links(base: &str) -> Value {
    const PAIR: &str = "base_asset_type={base_asset_type}&base_asset_code={base_asset_code}\
                        &base_asset_issuer={base_asset_issuer}&counter_asset_type={counter_asset_type}\
                        &counter_asset_code={counter_asset_code}&counter_asset_issuer={counter_asset_issuer}";
    json!({
        "account": link(base, "/accounts/{account_id}"),
        "accounts": link(base, "/accounts{?signer,sponsor,asset,liquidity_pool,cursor,limit,order}"),
        "account_transactions": paged_link(base, "/accounts/{account_id}/transactions"),
        "effects": link(base, "/effects{?cursor,limit,order}"),
        "fee_stats": link(base, "/fee_stats"),
        "friendbot": link(base, "/friendbot{?addr}"),
        "ledger": link(base, "/ledgers/{sequence}"),
        "ledgers": link(base, "/ledgers{?cursor,limit,order}"),
        "liquidity_pools": link(base, "/liquidity_pools{?reserves,account,cursor,limit,order}"),
        "offer": link(base, "/offers/{offer_id}"),
        "offers": link(base, "/offers{?selling,buying,seller,sponsor,cursor,limit,order}"),
        "operation": link(base, "/operations/{id}"),
        "operations": link(base, "/operations{?cursor,limit,order,include_failed}"),
        "order_book": link(
            base,
            "/order_book{?selling_asset_type,selling_asset_code,selling_asset_issuer,buying_asset_type,\
             buying_asset_code,buying_asset_issuer,limit}",
        ),
        "payments": link(base, "/payments{?cursor,limit,order,include_failed}"),
        "self": link(base, "/"),
        "strict_receive_paths": link(
            base,
            "/paths/strict-receive{?source_assets,source_account,destination_account,destination_asset_type,\
             destination_asset_issuer,destination_asset_code,destination_amount}",
        ),
        "strict_send_paths": link(
            base,
            "/paths/strict-send{?destination_account,destination_assets,source_asset_type,source_asset_issuer,\
             source_asset_code,source_amount}",
        ),
        "trade_aggregations": link(base, &format!("/trade_aggregations?{PAIR}")),
        "trades": link(base, &format!("/trades?{PAIR}")),
        "transaction": link(base, "/transactions/{hash}"),
        "transactions": paged_link(base, "/transactions"),
    })
}

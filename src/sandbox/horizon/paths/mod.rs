//! Paths of payment through books and pools.
//!
//! What is asked and answered is Horizon's. In three things these paths are better than its own: an amount is what a payment
//! along the path really costs or delivers, as the ledger rounds it, and not an estimate; an account's assets count with
//! what it can really spend or take of them beside reserve, liabilities and limit, if they are authorised; and where the
//! payer is known, a path that ends at an offer of theirs is not shown, since the payment would fail there.

mod search;
#[cfg(test)]
mod tests;

use super::words::{amount, asset_object, asset_parts, credit, parse_account, parse_asset_word, put_asset};
use super::{Chain, Problem, Target};
use crate::sandbox::http::Query;
use crate::sandbox::ledger::Ledger;
use crate::stellar::Stroops;
use crate::stellar::exchange::ExchangeMode;
use search::{MAX_CROSSINGS, Path, Wish, find};
use serde_json::{Map, Value, json};
use stellar_xdr::{AccountId, Asset};

/// How many assets the open end of a path may have (Horizon's `MAX_ASSETS_PER_PATH_REQUEST`).
const MAX_ASSETS: usize = 15;

/// Paths that deliver an exact amount, the cheapest first of each asset that they can be paid with.
pub(crate) fn strict_receive(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let query = &target.query;
    let payer = account(query, "source_account")?;
    account(query, "destination_account")?;
    let asset = asset(query, "destination_")?;
    let amount = positive(query, "destination_amount")?;
    let ends = match (&payer, given(query, "source_assets")) {
        (Some(payer), None) => within_limit(chain.ledger.can_pay(payer), "source_assets")?,
        (None, Some(list)) => without_limits(list, "source_assets")?,
        _ => return Err(either_or("source")),
    };
    Ok(records(chain.ledger, &Wish { mode: ExchangeMode::StrictReceive, asset, amount, ends, payer }))
}

/// Paths that send an exact amount, the most generous first of each asset that can arrive.
pub(crate) fn strict_send(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let query = &target.query;
    let destination = account(query, "destination_account")?;
    let asset = asset(query, "source_")?;
    let amount = positive(query, "source_amount")?;
    let ends = match (destination, given(query, "destination_assets")) {
        (Some(destination), None) => within_limit(chain.ledger.can_take(&destination), "destination_assets")?,
        (None, Some(list)) => without_limits(list, "destination_assets")?,
        _ => return Err(either_or("destination")),
    };
    Ok(records(chain.ledger, &Wish { mode: ExchangeMode::StrictSend, asset, amount, ends, payer: None }))
}

/// All there are, in one page without links, as Horizon sends them.
fn records(ledger: &Ledger, wish: &Wish) -> Value {
    let records: Vec<Value> = find(ledger, wish, MAX_CROSSINGS, rank).iter().map(record).collect();
    json!({"_embedded": {"records": records}})
}

/// Where an asset stands among those of an answer: in the alphabetical order of Horizon's own names for them.
fn rank(asset: &Asset) -> String {
    match asset_parts(asset) {
        (kind, code, _) if code.is_empty() => kind.into(),
        (kind, code, issuer) => format!("{kind}/{code}/{issuer}"),
    }
}

fn record(path: &Path) -> Value {
    let (Some(from), Some(to)) = (path.assets.first(), path.assets.last()) else { unreachable!("a path has ends") };
    let between = path.assets.get(1..path.assets.len() - 1).unwrap_or_default();
    let mut record = Map::new();
    put_asset(&mut record, "source_", from);
    record.insert("source_amount".into(), Value::String(amount(path.source_amount)));
    put_asset(&mut record, "destination_", to);
    record.insert("destination_amount".into(), Value::String(amount(path.destination_amount)));
    record.insert("path".into(), between.iter().map(asset_object).collect());
    Value::Object(record)
}

// Parameters.

/// A parameter that is not empty.
fn given<'q>(query: &'q Query, name: &str) -> Option<&'q str> {
    query.get(name).filter(|value| !value.is_empty())
}

fn account(query: &Query, name: &str) -> Result<Option<AccountId>, Problem> {
    let parse = |text| {
        parse_account(text).ok_or_else(|| {
            Problem::bad_request(name, "Account ID must start with `G` and contain 56 alphanum characters")
        })
    };
    given(query, name).map(parse).transpose()
}

fn positive(query: &Query, name: &str) -> Result<i64, Problem> {
    let amount = given(query, name).and_then(|text| text.parse::<Stroops>().ok());
    amount
        .map(|stroops| stroops.0)
        .filter(|stroops| *stroops > 0)
        .ok_or_else(|| Problem::bad_request(name, "Amount must be positive"))
}

/// The asset at the known end (`validateAssetParams`).
fn asset(query: &Query, prefix: &str) -> Result<Asset, Problem> {
    let (kind, code, issuer) =
        (format!("{prefix}asset_type"), format!("{prefix}asset_code"), format!("{prefix}asset_issuer"));
    let refused = |field: &str, reason: &str| Err(Problem::bad_request(field, reason));
    let account = account(query, &issuer)?;
    let name = given(query, &code);
    let longest = match given(query, &kind) {
        None => return refused(&kind, "Missing parameter"),
        Some("native") if name.is_some() => return refused(&code, "native asset does not have a code"),
        Some("native") if account.is_some() => return refused(&issuer, "native asset does not have an issuer"),
        Some("native") => return Ok(Asset::Native),
        Some("credit_alphanum4") => 4,
        Some("credit_alphanum12") => 12,
        Some(_) => return refused(&kind, "Asset type must be native, credit_alphanum4 or credit_alphanum12"),
    };
    let Some(name) = name.filter(|name| name.len() <= longest) else {
        return refused(&code, "Asset code must be 1-12 alphanumeric characters");
    };
    let Some(account) = given(query, &issuer) else { return refused(&issuer, "Missing parameter") };
    match credit(name, account) {
        Some(asset) => Ok(asset),
        None => refused(&code, "Asset code must be 1-12 alphanumeric characters"),
    }
}

/// A list of assets, of each of which there may be any amount.
fn without_limits(list: &str, field: &str) -> Result<Vec<(Asset, i64)>, Problem> {
    let parse = |word: &str| {
        let word = if word.eq_ignore_ascii_case("native") { "native" } else { word };
        parse_asset_word(word).ok_or_else(|| Problem::bad_request(field, format!("{word} {}", what_is_wrong(word))))
    };
    let assets: Vec<Asset> = list.split(',').map(parse).collect::<Result<_, _>>()?;
    if assets.len() > MAX_ASSETS {
        return Err(Problem::bad_request(field, format!("list of assets exceeds maximum length of {MAX_ASSETS}")));
    }
    Ok(assets.into_iter().map(|asset| (asset, i64::MAX)).collect())
}

/// Why a word is no asset.
fn what_is_wrong(word: &str) -> &'static str {
    match word.split_once(':') {
        Some((_, issuer)) if issuer.contains(':') => "is not a valid asset",
        None => "is not a valid asset",
        Some((_, issuer)) if parse_account(issuer).is_some() => {
            "is not a valid asset, it contains an invalid asset code"
        }
        Some((code, _))
            if !(1..=12).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            "is not a valid asset, it contains an invalid asset code"
        }
        Some(_) => "is not a valid asset, it contains an invalid issuer",
    }
}

/// An account's assets, which may be too many.
fn within_limit(assets: Vec<(Asset, i64)>, field: &str) -> Result<Vec<(Asset, i64)>, Problem> {
    if assets.len() > MAX_ASSETS {
        let reason = format!(
            "account has too many trustlines to use this endpoint (number of trustlines plus native XLM exceeds limit \
             of {MAX_ASSETS})"
        );
        return Err(Problem::bad_request(field, reason));
    }
    Ok(assets)
}

/// Of a list and an account, both or neither were given.
fn either_or(end: &str) -> Problem {
    let mut problem = Problem::bad_request(end, "");
    problem.extras.clear();
    problem.detail = format!(
        "The request requires either a list of {end} assets or a {end} account. Both fields cannot be present."
    );
    problem
}

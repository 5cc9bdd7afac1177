//! What the resources of the past have in common: of what they are, from where on, and how they write links and XDR.

use super::problem::Problem;
use super::words::parse_account;
use super::{Chain, Order, Page, Target};
use crate::sandbox::history::{Between, LedgerRecord, Scope, Toid, TransactionRecord};
use serde_json::{Value, json};
use stellar_xdr::{Asset, ClaimableBalanceId, Hash, Limits, PoolId, TrustLineAsset, WriteXdr};

/// XDR in base64.
#[expect(clippy::expect_used, reason = "what was read from XDR, or will be, can be written")]
pub(super) fn xdr(value: &impl WriteXdr) -> String {
    value.to_xdr_base64(Limits::none()).expect("a value of the ledger is XDR")
}

/// A claimable balance's id: its XDR in hexadecimal.
pub(super) fn balance_id(of: &ClaimableBalanceId) -> String {
    let ClaimableBalanceId::ClaimableBalanceIdTypeV0(hash) = of;
    format!("{:08x}{}", 0, hex::encode(hash.0))
}

/// What a trust line is for: an asset, or the shares of a pool.
pub(super) fn asset_or_pool(line: &TrustLineAsset) -> Result<Asset, &PoolId> {
    match line {
        TrustLineAsset::Native => Ok(Asset::Native),
        TrustLineAsset::CreditAlphanum4(credit) => Ok(Asset::CreditAlphanum4(credit.clone())),
        TrustLineAsset::CreditAlphanum12(credit) => Ok(Asset::CreditAlphanum12(credit.clone())),
        TrustLineAsset::PoolShare(pool) => Err(pool),
    }
}

/// A link to a path.
pub(super) fn link(base_url: &str, path: &str) -> Value {
    let href = format!("{base_url}{path}");
    if href.contains('{') { json!({"href": href, "templated": true}) } else { json!({"href": href}) }
}

/// A link to a collection.
pub(super) fn paged_link(base_url: &str, path: &str) -> Value {
    link(base_url, &format!("{path}{{?cursor,limit,order}}"))
}

/// The account of the path: one that the ledger has, or the past.
pub(super) fn account_scope(chain: &Chain<'_>, target: &Target) -> Result<Scope, Problem> {
    let Some(account) = parse_account(target.variable(0)) else {
        let reason = "Account ID must start with `G` and contain 56 alphanum characters";
        return Err(Problem::bad_request("account_id", reason));
    };
    if !chain.history.knows_account(&account) && chain.ledger.account(&account).is_none() {
        return Err(Problem::not_found());
    }
    Ok(Scope::Account(account))
}

/// The pool of the path: one that the ledger has, or the past.
pub(super) fn pool_scope(chain: &Chain<'_>, target: &Target) -> Result<Scope, Problem> {
    let pool = pool_id(target)?;
    if !chain.history.knows_pool(&pool) && chain.ledger.pool(&pool).is_none() {
        return Err(Problem::not_found());
    }
    Ok(Scope::Pool(pool))
}

/// The pool of the path, known or not.
pub(super) fn pool_id(target: &Target) -> Result<PoolId, Problem> {
    let text = target.variable(0);
    let refused = || Problem::bad_request("liquidity_pool_id", format!("{text} does not validate as sha256"));
    parse_hash(text).map(PoolId).ok_or_else(refused)
}

/// The ledger of the path, if it is kept.
pub(super) fn ledger_scope(chain: &Chain<'_>, target: &Target) -> Result<Scope, Problem> {
    let seq = ledger_number(target)?;
    chain.history.ledger(seq).map(|_| Scope::Ledger(seq)).ok_or_else(Problem::not_found)
}

/// The ledger number of the path.
pub(super) fn ledger_number(target: &Target) -> Result<u32, Problem> {
    let number = target.variable(0).parse();
    number.map_err(|_| Problem::bad_request("ledger_id", "Ledger ID must be an integer higher than 0"))
}

/// The transaction whose hash, or inner hash, is in the path.
pub(super) fn transaction<'c>(
    chain: &Chain<'c>,
    target: &Target,
) -> Result<(&'c LedgerRecord, &'c TransactionRecord), Problem> {
    let text = target.variable(0);
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let Some(hash) = parse_hash(text).filter(|_| lower) else {
        let reason = "Transaction hash must be a hex-encoded, lowercase SHA-256 hash";
        return Err(Problem::bad_request("tx_id", reason));
    };
    chain.history.transaction(&hash).ok_or_else(Problem::not_found)
}

/// [`transaction`], for what is shown of it.
pub(super) fn transaction_scope(chain: &Chain<'_>, target: &Target) -> Result<Scope, Problem> {
    transaction(chain, target).map(|(_, tx)| Scope::Transaction(tx.id))
}

/// The place of the operation whose id is in the path, known or not. `field` is what Horizon calls it there.
pub(super) fn operation_place(target: &Target, field: &str) -> Result<Toid, Problem> {
    let id = target.variable(0).parse::<i64>().ok().filter(|id| *id >= 0);
    id.map(Toid).ok_or_else(|| Problem::bad_request(field, "Operation ID must be an integer higher than 0"))
}

fn parse_hash(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(Hash(hash))
}

/// What the page's cursor, a single number, leaves over.
pub(super) fn between(chain: &Chain<'_>, page: &Page) -> Result<Between, Problem> {
    let Some(cursor) = page.number()?.map(Toid) else { return Ok(Between::ALL) };
    within_history(chain, page, cursor)?;
    Ok(match page.order {
        Order::Asc => Between { after: cursor, ..Between::ALL },
        Order::Desc => Between { before: cursor, ..Between::ALL },
    })
}

/// A page that descends from before history can only be empty: Horizon says that it is gone. One that ascends begins
/// where history does.
pub(super) fn within_history(chain: &Chain<'_>, page: &Page, cursor: Toid) -> Result<(), Problem> {
    if page.order == Order::Desc && cursor <= Toid::new(elder(chain), 0, 0) {
        return Err(Problem::before_history());
    }
    Ok(())
}

/// The oldest ledger of which anything is known.
pub(super) fn elder(chain: &Chain<'_>) -> u32 {
    chain.history.oldest().map_or(0, LedgerRecord::seq)
}

/// Places in the page's order.
pub(super) fn in_order<'h>(
    page: &Page,
    places: Box<dyn DoubleEndedIterator<Item = Toid> + 'h>,
) -> Box<dyn Iterator<Item = Toid> + 'h> {
    match page.order {
        Order::Asc => places,
        Order::Desc => Box::new(places.rev()),
    }
}

/// Whether failed transactions are asked for too.
pub(super) fn includes_failed(target: &Target) -> Result<bool, Problem> {
    match target.query.get("include_failed").unwrap_or("") {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Problem::bad_request("include_failed", "Filter should be true or false")),
    }
}

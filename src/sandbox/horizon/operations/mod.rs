//! Operations, and those of them that are payments.

mod details;
mod predicate;

pub(super) use predicate::predicate;

use super::past::{self, link};
use super::transactions;
use super::words;
use super::{Chain, Page, Problem, Target};
use crate::sandbox::history::{LedgerRecord, Scope, Toid, TransactionRecord};
use serde_json::{Map, Value, json};
use stellar_xdr::{Operation, OperationBody};

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let place = past::operation_place(target, "id")?;
    let joined = joins_transactions(target)?;
    if place.ledger() < past::elder(chain) {
        return Err(Problem::before_history());
    }
    record(chain, place, joined, &target.base_url).ok_or_else(Problem::not_found)
}

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::All, Which::All)
}

pub(crate) fn of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::account_scope(chain, target)?, Which::All)
}

pub(crate) fn of_ledger(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::ledger_scope(chain, target)?, Which::All)
}

pub(crate) fn of_pool(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::pool_scope(chain, target)?, Which::All)
}

pub(crate) fn of_transaction(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::transaction_scope(chain, target)?, Which::All)
}

pub(crate) fn payments(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::All, Which::Payments)
}

pub(crate) fn payments_of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::account_scope(chain, target)?, Which::Payments)
}

pub(crate) fn payments_of_ledger(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::ledger_scope(chain, target)?, Which::Payments)
}

pub(crate) fn payments_of_transaction(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::transaction_scope(chain, target)?, Which::Payments)
}

/// Which operations are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    Payments,
}

impl Which {
    fn shows(self, operation: &Operation) -> bool {
        self == Self::All || is_payment(&operation.body)
    }
}

/// What Horizon counts as a payment.
fn is_payment(body: &OperationBody) -> bool {
    use OperationBody as B;
    matches!(
        body,
        B::CreateAccount(_)
            | B::Payment(_)
            | B::PathPaymentStrictReceive(_)
            | B::PathPaymentStrictSend(_)
            | B::AccountMerge(_)
    )
}

fn records(
    chain: &Chain<'_>,
    target: &Target,
    page: &Page,
    scope: &Scope,
    which: Which,
) -> Result<Vec<Value>, Problem> {
    let between = past::between(chain, page)?;
    let joined = joins_transactions(target)?;
    // Who asks for a transaction's operations knows whether it failed.
    let failed_too = past::includes_failed(target)? || matches!(scope, Scope::Transaction(_));
    let shown = |place: &Toid| {
        chain.history.transaction_at(*place).is_some_and(|(_, tx)| {
            (failed_too || tx.succeeded()) && tx.operation_at(*place).is_some_and(|operation| which.shows(operation))
        })
    };
    let places = past::in_order(page, chain.history.operations_of(scope, between));
    let places = places.filter(shown).take(page.limit);
    Ok(places.filter_map(|place| record(chain, place, joined, &target.base_url)).collect())
}

/// Whether each operation comes with its transaction.
fn joins_transactions(target: &Target) -> Result<bool, Problem> {
    match target.query.get("join").unwrap_or("") {
        "" => Ok(false),
        "transactions" => Ok(true),
        _ => Err(Problem::bad_request("join", "Accepted values: transactions")),
    }
}

/// The operation at this place.
fn record(chain: &Chain<'_>, place: Toid, joined: bool, base_url: &str) -> Option<Value> {
    let (ledger, tx) = chain.history.transaction_at(place)?;
    let index = place.operation_index()?;
    let mut body = base(ledger, tx, index, base_url)?;
    details::put(&mut body, tx, index);
    if let Some(sponsor) = tx.operation_sponsor(index) {
        body.insert("sponsor".into(), json!(words::account(&sponsor)));
    }
    if joined {
        body.insert("transaction".into(), transactions::resource(ledger, tx, base_url));
    }
    Some(Value::Object(body))
}

/// What all operations have.
fn base(ledger: &LedgerRecord, tx: &TransactionRecord, index: usize, base_url: &str) -> Option<Map<String, Value>> {
    let (kind, type_i) = type_of(&tx.operations().get(index)?.body);
    let (id, hash) = (tx.operation_id(index).0, hex::encode(tx.hash.0));
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.into(), value);
    };
    put(
        "_links",
        json!({
            "self": link(base_url, &format!("/operations/{id}")),
            "transaction": link(base_url, &format!("/transactions/{hash}")),
            "effects": link(base_url, &format!("/operations/{id}/effects")),
            // To effects, as Horizon has it.
            "succeeds": link(base_url, &format!("/effects?order=desc&cursor={id}")),
            "precedes": link(base_url, &format!("/effects?order=asc&cursor={id}")),
        }),
    );
    put("id", json!(id.to_string()));
    put("paging_token", json!(id.to_string()));
    put("transaction_successful", json!(tx.succeeded()));
    put("type", json!(kind));
    put("type_i", json!(type_i));
    put("created_at", json!(words::time(ledger.closed_at_s())));
    put("transaction_hash", json!(hash));
    words::put_address(&mut body, "source_account", &tx.operation_source(index));
    Some(body)
}

/// Horizon's name of an operation's type, and the protocol's number.
fn type_of(body: &OperationBody) -> (&'static str, i32) {
    use OperationBody as B;
    let name = match body {
        B::CreateAccount(_) => "create_account",
        B::Payment(_) => "payment",
        B::PathPaymentStrictReceive(_) => "path_payment_strict_receive",
        B::ManageSellOffer(_) => "manage_sell_offer",
        B::CreatePassiveSellOffer(_) => "create_passive_sell_offer",
        B::SetOptions(_) => "set_options",
        B::ChangeTrust(_) => "change_trust",
        B::AllowTrust(_) => "allow_trust",
        B::AccountMerge(_) => "account_merge",
        B::Inflation => "inflation",
        B::ManageData(_) => "manage_data",
        B::BumpSequence(_) => "bump_sequence",
        B::ManageBuyOffer(_) => "manage_buy_offer",
        B::PathPaymentStrictSend(_) => "path_payment_strict_send",
        B::CreateClaimableBalance(_) => "create_claimable_balance",
        B::ClaimClaimableBalance(_) => "claim_claimable_balance",
        B::BeginSponsoringFutureReserves(_) => "begin_sponsoring_future_reserves",
        B::EndSponsoringFutureReserves => "end_sponsoring_future_reserves",
        B::RevokeSponsorship(_) => "revoke_sponsorship",
        B::Clawback(_) => "clawback",
        B::ClawbackClaimableBalance(_) => "clawback_claimable_balance",
        B::SetTrustLineFlags(_) => "set_trust_line_flags",
        B::LiquidityPoolDeposit(_) => "liquidity_pool_deposit",
        B::LiquidityPoolWithdraw(_) => "liquidity_pool_withdraw",
        B::InvokeHostFunction(_) => "invoke_host_function",
        B::ExtendFootprintTtl(_) => "extend_footprint_ttl",
        B::RestoreFootprint(_) => "restore_footprint",
    };
    (name, body.discriminant() as i32)
}

//! Effects: what operations did to accounts.

mod details;

use super::past::{self, link};
use super::words;
use super::{Chain, Order, Page, Problem, Target};
use crate::sandbox::history::{Between, Effect, LedgerRecord, Scope, Toid, account_of};
use serde_json::{Map, Value, json};

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::All)
}

pub(crate) fn of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::account_scope(chain, target)?)
}

pub(crate) fn of_ledger(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::ledger_scope(chain, target)?)
}

pub(crate) fn of_operation(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::Operation(past::operation_place(target, "op_id")?))
}

pub(crate) fn of_pool(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::Pool(past::pool_id(target)?))
}

pub(crate) fn of_transaction(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::transaction_scope(chain, target)?)
}

/// An effect's place: its operation's, and its own among the operation's effects, from 1.
type Place = (i64, i64);

fn records(chain: &Chain<'_>, target: &Target, page: &Page, scope: &Scope) -> Result<Vec<Value>, Problem> {
    let cursor = page.pair()?;
    let operations = chain.history.operations_with_effects_of(scope, between(chain, page, cursor)?);
    let beyond = |place: &Place| match (cursor, page.order) {
        (None, _) => true,
        (Some(cursor), Order::Asc) => *place > cursor,
        (Some(cursor), Order::Desc) => *place < cursor,
    };
    let effects = past::in_order(page, operations).flat_map(|operation| effects_of(chain, page.order, operation));
    let concerns = |effect: &Effect| match scope {
        Scope::Account(account) => account_of(&effect.account) == *account,
        _ => true,
    };
    let shown = effects.filter(|(_, place, effect)| beyond(place) && concerns(effect)).take(page.limit);
    Ok(shown.map(|(ledger, place, effect)| resource(ledger, place, &effect, &target.base_url)).collect())
}

/// Operations that can have effects beyond the cursor: its own is one of them.
fn between(chain: &Chain<'_>, page: &Page, cursor: Option<Place>) -> Result<Between, Problem> {
    let Some((operation, _)) = cursor else { return Ok(Between::ALL) };
    past::within_history(chain, page, Toid(operation))?;
    Ok(match page.order {
        Order::Asc => Between { after: Toid(operation.saturating_sub(1)), ..Between::ALL },
        Order::Desc => Between { before: Toid(operation.saturating_add(1)), ..Between::ALL },
    })
}

/// The effects of an operation, in the page's order.
fn effects_of<'c>(chain: &Chain<'c>, order: Order, operation: Toid) -> Vec<(&'c LedgerRecord, Place, Effect)> {
    let Some((ledger, tx)) = chain.history.transaction_at(operation) else { return Vec::new() };
    let effects = operation.operation_index().map(|index| tx.effects(index)).unwrap_or_default();
    let mut effects: Vec<_> =
        effects.into_iter().zip(1..).map(|(effect, own)| (ledger, (operation.0, own), effect)).collect();
    if order == Order::Desc {
        effects.reverse();
    }
    effects
}

fn resource(ledger: &LedgerRecord, (operation, own): Place, effect: &Effect, base_url: &str) -> Value {
    let token = format!("{operation}-{own}");
    let (type_i, kind) = details::type_of(&effect.kind);
    let mut body = Map::new();
    body.insert(
        "_links".into(),
        json!({
            "operation": link(base_url, &format!("/operations/{operation}")),
            "succeeds": link(base_url, &format!("/effects?order=desc&cursor={token}")),
            "precedes": link(base_url, &format!("/effects?order=asc&cursor={token}")),
        }),
    );
    body.insert("id".into(), json!(format!("{operation:019}-{own:010}")));
    body.insert("paging_token".into(), json!(token));
    body.insert("type".into(), json!(kind));
    body.insert("type_i".into(), json!(type_i));
    body.insert("created_at".into(), json!(words::time(ledger.closed_at_s())));
    words::put_address(&mut body, "account", &effect.account);
    details::put(&mut body, &effect.kind);
    Value::Object(body)
}

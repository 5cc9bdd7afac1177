//! Horizon's REST interface, for what trading clients use of it.
//!
//! A *resource* is a function of the chain: either one object, or a collection of records of which a page is shown. The
//! same functions serve plain requests and streams: a stream of a collection is its pages one after the other, with the
//! cursor moved on at each ledger; a stream of an object sends it whenever it is another.
//!
//! Source: Horizon 28 (`services/horizon/internal/actions`, `protocols/horizon`), and what the SDKs read of it.

mod accounts;
#[cfg(test)]
mod bad_input;
mod codes;
mod effects;
mod face;
mod fee_stats;
mod ledgers;
mod liquidity_pools;
mod offers;
mod operations;
mod order_book;
mod page;
mod parameters;
mod past;
mod paths;
mod problem;
mod root;
#[cfg(test)]
mod scene;
mod stream;
mod submit;
mod trade_aggregations;
mod trades;
mod transactions;
mod words;

#[cfg(test)]
mod face_tests;
#[cfg(test)]
mod past_tests;

pub(crate) use face::{answer, problem as problem_response};
pub(crate) use page::{Order, Page};
pub(crate) use problem::Problem;
pub(crate) use stream::Shown;
pub(crate) use submit::shown as transaction_response;

use super::chain::Chain;
use super::http::Query;
use serde_json::Value;

/// What a resource is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The variable parts of the path, in order.
    pub(crate) variables: Vec<String>,
    pub(crate) query: Query,
    /// `http://host:port`, for links.
    pub(crate) base_url: String,
    /// The whole path, such as `/accounts/G…/offers`.
    pub(crate) path: String,
}

impl Target {
    /// The variable part of this place in the path.
    pub(crate) fn variable(&self, index: usize) -> &str {
        self.variables.get(index).map_or("", String::as_str)
    }
}

/// One object.
pub(crate) type ObjectOf = fn(&Chain<'_>, &Target) -> Result<Value, Problem>;
/// The records of a page, each with its `paging_token`.
pub(crate) type RecordsOf = fn(&Chain<'_>, &Target, &Page) -> Result<Vec<Value>, Problem>;

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource {
    Object(ObjectOf),
    Records(RecordsOf),
}

use Resource::{Object, Records};

/// Every path; `*` stands for a variable part.
const ROUTES: &[(&str, Resource)] = &[
    ("/", Object(root::root)),
    ("/accounts", Records(accounts::accounts)),
    ("/accounts/*", Object(accounts::account)),
    ("/accounts/*/data/*", Object(accounts::data)),
    ("/accounts/*/offers", Records(offers::of_account)),
    ("/accounts/*/trades", Records(trades::of_account)),
    ("/accounts/*/transactions", Records(transactions::of_account)),
    ("/accounts/*/operations", Records(operations::of_account)),
    ("/accounts/*/payments", Records(operations::payments_of_account)),
    ("/accounts/*/effects", Records(effects::of_account)),
    ("/effects", Records(effects::all)),
    ("/fee_stats", Object(fee_stats::fee_stats)),
    ("/ledgers", Records(ledgers::all)),
    ("/ledgers/*", Object(ledgers::one)),
    ("/ledgers/*/transactions", Records(transactions::of_ledger)),
    ("/ledgers/*/operations", Records(operations::of_ledger)),
    ("/ledgers/*/payments", Records(operations::payments_of_ledger)),
    ("/ledgers/*/effects", Records(effects::of_ledger)),
    ("/liquidity_pools", Records(liquidity_pools::all)),
    ("/liquidity_pools/*", Object(liquidity_pools::one)),
    ("/liquidity_pools/*/trades", Records(trades::of_pool)),
    ("/liquidity_pools/*/transactions", Records(transactions::of_pool)),
    ("/liquidity_pools/*/operations", Records(operations::of_pool)),
    ("/liquidity_pools/*/effects", Records(effects::of_pool)),
    ("/offers", Records(offers::all)),
    ("/offers/*", Object(offers::one)),
    ("/offers/*/trades", Records(trades::of_offer)),
    ("/operations", Records(operations::all)),
    ("/operations/*", Object(operations::one)),
    ("/operations/*/effects", Records(effects::of_operation)),
    ("/order_book", Object(order_book::order_book)),
    ("/paths/strict-receive", Object(paths::strict_receive)),
    ("/paths/strict-send", Object(paths::strict_send)),
    ("/payments", Records(operations::payments)),
    ("/trade_aggregations", Object(trade_aggregations::trade_aggregations)),
    ("/trades", Records(trades::all)),
    ("/transactions", Records(transactions::all)),
    ("/transactions/*", Object(transactions::one)),
    ("/transactions/*/operations", Records(operations::of_transaction)),
    ("/transactions/*/payments", Records(operations::payments_of_transaction)),
    ("/transactions/*/effects", Records(effects::of_transaction)),
];

/// What a path leads to, and its variable parts; `None` if it leads nowhere.
pub(crate) fn route(path: &str) -> Option<(Resource, Vec<String>)> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    ROUTES.iter().find_map(|(pattern, resource)| Some((*resource, matches(pattern, &parts)?)))
}

fn matches(pattern: &str, parts: &[&str]) -> Option<Vec<String>> {
    let wanted: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    if wanted.len() != parts.len() {
        return None;
    }
    let mut variables = Vec::new();
    for (wanted, part) in wanted.iter().zip(parts) {
        match *wanted {
            "*" => variables.push((*part).to_owned()),
            wanted if wanted == *part => {}
            _ => return None,
        }
    }
    Some(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_resource() {
        let variables = |path: &str| route(path).map(|(_, variables)| variables);
        assert_eq!(variables("/accounts/GA/offers/"), Some(vec!["GA".to_owned()]));
        assert_eq!(variables("/"), Some(vec![]));
        assert_eq!(variables("/paths/strict-send"), Some(vec![]));
        assert_eq!(variables("/accounts/GA/secrets"), None);
        assert!(matches!(route("/order_book"), Some((Object(_), _))));
    }
}

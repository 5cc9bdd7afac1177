//! Offers.
//!
//! Source: `actions/offer.go`, `resourceadapter/offer.go`, `db2/history/offers.go`.

use super::accounts::{last_modified_time, put_sponsor};
use super::past::link;
use super::{Chain, Order, Page, Problem, Target, parameters, words};
use crate::sandbox::ledger::{Ledger, entries};
use serde_json::{Map, Value, json};
use stellar_xdr::{AccountId, Asset, LedgerEntry, LedgerEntryData, OfferEntry};

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let id = parameters::offer_id(target.variable(0))?;
    let entry = chain.ledger.offer_entry(id).ok_or_else(Problem::not_found)?;
    Ok(resource(chain, &target.base_url, &entry))
}

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    let query = &target.query;
    let filter = Filter {
        seller: parameters::query_account(query, "seller")?,
        sponsor: parameters::query_account(query, "sponsor")?,
        selling: parameters::side_of_offers(query, "selling")?,
        buying: parameters::side_of_offers(query, "buying")?,
    };
    show(chain, target, page, &filter)
}

pub(crate) fn of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    let seller = Some(parameters::account(target.variable(0), "account_id")?);
    show(chain, target, page, &Filter { seller, ..Filter::default() })
}

fn show(chain: &Chain<'_>, target: &Target, page: &Page, filter: &Filter) -> Result<Vec<Value>, Problem> {
    let mut ids = filter.candidates(chain.ledger);
    ids.sort_unstable();
    let cursor = page.number()?;
    let (from, to) = match (page.order, cursor) {
        (_, None) => (0, ids.len()),
        (Order::Asc, Some(cursor)) => (ids.partition_point(|id| *id <= cursor), ids.len()),
        (Order::Desc, Some(cursor)) => (0, ids.partition_point(|id| *id < cursor)),
    };
    let wanted = ids[from..to].iter().filter_map(|id| chain.ledger.offer_entry(*id)).filter(|of| filter.admits(of));
    let shown = page.of(None, wanted, |entry| offer_in(entry).offer_id);
    Ok(shown.iter().map(|entry| resource(chain, &target.base_url, entry)).collect())
}

/// Which offers are asked for; what is `None` does not matter.
#[derive(Default)]
struct Filter {
    seller: Option<AccountId>,
    sponsor: Option<AccountId>,
    selling: Option<Asset>,
    buying: Option<Asset>,
}

impl Filter {
    /// The ids of offers among which are all that the filter admits: of the seller or the book, if one is named.
    fn candidates(&self, ledger: &Ledger) -> Vec<i64> {
        match (&self.seller, &self.selling, &self.buying) {
            (Some(seller), ..) => ledger.offer_ids_of(seller).to_vec(),
            (_, Some(selling), Some(buying)) => ledger.offers(selling, buying).map(|offer| offer.offer_id).collect(),
            _ => ledger.offer_ids().collect(),
        }
    }

    fn admits(&self, entry: &LedgerEntry) -> bool {
        let offer = offer_in(entry);
        self.seller.as_ref().is_none_or(|seller| offer.seller_id == *seller)
            && self.selling.as_ref().is_none_or(|selling| offer.selling == *selling)
            && self.buying.as_ref().is_none_or(|buying| offer.buying == *buying)
            && self.sponsor.as_ref().is_none_or(|sponsor| entries::sponsor(entry) == Some(sponsor))
    }
}

fn offer_in(entry: &LedgerEntry) -> &OfferEntry {
    match &entry.data {
        LedgerEntryData::Offer(offer) => offer,
        other => unreachable!("an offer's id found {}", other.name()),
    }
}

fn resource(chain: &Chain<'_>, base_url: &str, entry: &LedgerEntry) -> Value {
    let offer = offer_in(entry);
    let seller = words::account(&offer.seller_id);
    let id = offer.offer_id.to_string();
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.into(), value);
    put(
        "_links",
        json!({
            "self": link(base_url, &format!("/offers/{id}")),
            "offer_maker": link(base_url, &format!("/accounts/{seller}")),
        }),
    );
    put("paging_token", json!(id));
    put("id", json!(id));
    put("seller", json!(seller));
    put("selling", words::asset_object(&offer.selling));
    put("buying", words::asset_object(&offer.buying));
    put("amount", json!(words::amount(offer.amount)));
    put("price_r", words::price_r(offer.price.n, offer.price.d));
    put("price", json!(words::price(offer.price.n.into(), offer.price.d.into())));
    put("last_modified_ledger", json!(entry.last_modified_ledger_seq));
    put("last_modified_time", last_modified_time(chain, entry.last_modified_ledger_seq));
    put_sponsor(&mut object, entries::sponsor(entry));
    Value::Object(object)
}

#[cfg(test)]
mod tests;

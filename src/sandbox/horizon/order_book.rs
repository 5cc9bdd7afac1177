//! The order book of a pair.
//!
//! Offers of one price, which is to say of one double as core's book has it, make a level. Asks are offers that sell the
//! base, in amounts of it; bids sell the counter asset, in amounts of *that*, at the price turned round. Best first.
//!
//! Source: `actions/orderbook.go`, `db2/history/orderbook.go`.

use super::page::MAX_LIMIT;
use super::parameters::{credit_of_width, text};
use super::{Chain, Problem, Target, words};
use crate::sandbox::http::Query;
use serde_json::{Map, Value, json};
use stellar_xdr::{Asset, OfferEntry, Price};

/// Levels of a side unless asked otherwise.
const DEFAULT_LEVELS: usize = 20;

pub(crate) fn order_book(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let query = &target.query;
    let (Some(base), Some(counter), Some(limit)) = (asset(query, "selling_"), asset(query, "buying_"), limit(query))
    else {
        return Err(invalid());
    };
    let asks = levels(chain.ledger.offers(&base, &counter), limit);
    let bids = levels(chain.ledger.offers(&counter, &base), limit);
    Ok(json!({
        "bids": bids.iter().map(|level| level.resource(level.price.d, level.price.n)).collect::<Vec<_>>(),
        "asks": asks.iter().map(|level| level.resource(level.price.n, level.price.d)).collect::<Vec<_>>(),
        "base": words::asset_object(&base),
        "counter": words::asset_object(&counter),
    }))
}

/// Offers of one price.
struct Level {
    /// As the oldest of them has it.
    price: Price,
    /// Stroops of what they sell.
    amount: u128,
}

impl Level {
    /// The level at the price `n/d`, which is shown in lowest terms.
    fn resource(&self, n: i32, d: i32) -> Value {
        let divisor = greatest_common_divisor(n, d);
        json!({
            "price_r": words::price_r(n / divisor, d / divisor),
            "price": words::price(n.into(), d.into()),
            "amount": words::amount_of_sum(self.amount),
        })
    }
}

/// The first so many levels of offers in book order.
fn levels(offers: impl Iterator<Item = OfferEntry>, limit: usize) -> Vec<Level> {
    let book_price = |price: &Price| (f64::from(price.n) / f64::from(price.d)).to_bits();
    let mut levels: Vec<Level> = Vec::new();
    for offer in offers {
        let amount = u128::from(offer.amount.unsigned_abs());
        if let Some(level) = levels.last_mut()
            && book_price(&level.price) == book_price(&offer.price)
        {
            level.amount += amount;
        } else if levels.len() < limit {
            levels.push(Level { price: offer.price, amount });
        } else {
            break;
        }
    }
    levels
}

fn greatest_common_divisor(mut a: i32, mut b: i32) -> i32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Reads `{prefix}asset_type`, `{prefix}asset_code` and `{prefix}asset_issuer`; here the type decides, not the code.
fn asset(query: &Query, prefix: &str) -> Option<Asset> {
    let part = |name: &str| query.get(&format!("{prefix}asset_{name}")).unwrap_or("");
    let width = match part("type") {
        "native" => return Some(Asset::Native),
        "credit_alphanum4" => 4,
        "credit_alphanum12" => 12,
        _ => return None,
    };
    credit_of_width(part("code"), width, words::parse_account(part("issuer"))?)
}

fn limit(query: &Query) -> Option<usize> {
    let Some(text) = text(query, "limit") else { return Some(DEFAULT_LEVELS) };
    text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
}

fn invalid() -> Problem {
    Problem {
        status: 400,
        kind: "invalid_order_book",
        title: "Invalid Order Book Parameters",
        detail: "The parameters that specify what order book to view are invalid in some way. Please ensure that your \
                 type parameters (selling_asset_type and buying_asset_type) are one the following valid values: native, \
                 credit_alphanum4, credit_alphanum12.  Also ensure that you have specified selling_asset_code and \
                 selling_asset_issuer if selling_asset_type is not 'native', as well as buying_asset_code and \
                 buying_asset_issuer if buying_asset_type is not 'native'"
            .into(),
        extras: Map::new(),
    }
}

#[cfg(test)]
mod tests;

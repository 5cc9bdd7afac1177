//! Trades.
//!
//! Source: `actions/trade.go`, `resourceadapter/trade.go`, `db2/history/trade.go`.

use super::parameters::text;
use super::past::{link, within_history};
use super::{Chain, Order, Page, Problem, Target, parameters, words};
use crate::sandbox::history::{Party, Side, Toid, Trade};
use serde_json::{Map, Value, json};
use stellar_xdr::{AccountId, Asset, PoolId};

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    show(chain, target, page, &Filter::parse(target, None)?)
}

pub(crate) fn of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    show(chain, target, page, &Filter::parse(target, Some("account_id"))?)
}

pub(crate) fn of_offer(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    show(chain, target, page, &Filter::parse(target, Some("offer_id"))?)
}

pub(crate) fn of_pool(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    show(chain, target, page, &Filter::parse(target, Some("liquidity_pool_id"))?)
}

fn show(chain: &Chain<'_>, target: &Target, page: &Page, filter: &Filter) -> Result<Vec<Value>, Problem> {
    let cursor = page.pair()?;
    if let Some((operation, _)) = cursor {
        within_history(chain, page, Toid(operation))?;
    }
    filter.check_known(chain)?;
    let trades: Vec<&Trade> = match &filter.of {
        Of::All => page_of(page, cursor, chain.history.trades(), filter),
        Of::Account(id) => page_of(page, cursor, chain.history.trades_of_account(id), filter),
        Of::Offer(id) => page_of(page, cursor, chain.history.trades_of_offer(*id), filter),
        Of::Pool(id) => page_of(page, cursor, chain.history.trades_of_pool(id), filter),
        Of::Pair { base, counter } => page_of(page, cursor, chain.history.trades_of_pair(base, counter), filter),
    };
    Ok(trades.into_iter().map(|trade| resource(&target.base_url, &filter.turned(trade))).collect())
}

/// The page of these trades. Streams ask for what came after the newest that they know: that is sought from the end.
fn page_of<'h>(
    page: &Page,
    cursor: Option<(i64, i64)>,
    trades: impl DoubleEndedIterator<Item = &'h Trade>,
    filter: &Filter,
) -> Vec<&'h Trade> {
    let Some(after) = cursor.filter(|_| page.order == Order::Asc) else {
        return page.of(cursor.as_ref(), trades.filter(|trade| filter.admits(trade)), |trade| trade.id());
    };
    let newer: Vec<&Trade> = trades.rev().take_while(|trade| trade.id() > after).collect();
    page.of(None, newer.into_iter().rev().filter(|trade| filter.admits(trade)), |trade| trade.id())
}

/// By what trades are sought.
enum Of {
    All,
    Account(AccountId),
    Offer(i64),
    Pool(PoolId),
    Pair { base: Asset, counter: Asset },
}

/// Which trades are asked for.
struct Filter {
    of: Of,
    /// Beside the pair, an account that took part.
    account: Option<AccountId>,
    /// Whether only trades with pools are wanted, or only others.
    with_pool: Option<bool>,
}

impl Filter {
    /// `in_path` is the parameter that the path itself has.
    fn parse(target: &Target, in_path: Option<&str>) -> Result<Self, Problem> {
        let query = &target.query;
        let word = |name: &str| if in_path == Some(name) { Some(target.variable(0)) } else { text(query, name) };
        let account = word("account_id").map(|address| parameters::account(address, "account_id")).transpose()?;
        let offer = word("offer_id").map(parameters::offer_id).transpose()?.filter(|id| *id != 0);
        let pool = word("liquidity_pool_id").map(|id| parameters::pool(id, "liquidity_pool_id")).transpose()?;
        let with_pool = match text(query, "trade_type") {
            None | Some("all") => None,
            Some("orderbook") => Some(false),
            Some("liquidity_pool") => Some(true),
            Some(_) => {
                return Err(Problem::bad_request("trade_type", "Trade type must be all, orderbook, or liquidity_pool"));
            }
        };
        let pair = match parameters::base_and_counter(query)? {
            (Some(base), Some(counter)) => Some((base, counter)),
            (None, None) => None,
            _ => {
                let reason = "this endpoint supports asset pairs but only one asset supplied";
                return Err(Problem::bad_request("base_asset_type,counter_asset_type", reason));
            }
        };
        check_together(pair.is_some(), account.is_some(), offer.is_some(), pool.is_some(), with_pool)?;
        let of = match (pair, offer, pool, &account) {
            (Some((base, counter)), ..) => Of::Pair { base, counter },
            (_, Some(id), ..) => Of::Offer(id),
            (_, _, Some(id), _) => Of::Pool(id),
            (_, _, _, Some(id)) => Of::Account(id.clone()),
            _ => Of::All,
        };
        Ok(Self { of, account, with_pool })
    }

    /// Horizon knows accounts, assets and pools of which it has history.
    fn check_known(&self, chain: &Chain<'_>) -> Result<(), Problem> {
        let knows = |id| chain.history.knows_account(id) || chain.ledger.account(id).is_some();
        let known = self.account.as_ref().is_none_or(knows)
            && match &self.of {
                Of::Pool(id) => chain.history.knows_pool(id) || chain.ledger.pool(id).is_some(),
                Of::Pair { base, counter } => has_traded(chain, base, counter) && has_traded(chain, counter, base),
                Of::All | Of::Account(_) | Of::Offer(_) => true,
            };
        if known { Ok(()) } else { Err(Problem::not_found()) }
    }

    fn admits(&self, trade: &Trade) -> bool {
        let took_part = |id: &AccountId| {
            [&trade.base, &trade.counter].into_iter().any(|side| match &side.party {
                Party::Offer { account, .. } => account == id,
                Party::Pool { .. } => false,
            })
        };
        self.with_pool.is_none_or(|wanted| trade.is_with_pool() == wanted)
            && self.account.as_ref().is_none_or(took_part)
    }

    /// The trade as it is asked for: with the base that the request names.
    fn turned(&self, trade: &Trade) -> Trade {
        match &self.of {
            Of::Pair { base, .. } if trade.base.asset != *base => trade.flipped(),
            _ => trade.clone(),
        }
    }
}

/// Whether an asset was ever traded, as far as history goes back: mostly with `other`, so that is looked at first.
pub(super) fn has_traded(chain: &Chain<'_>, asset: &Asset, other: &Asset) -> bool {
    chain.history.trades_of_pair(asset, other).next().is_some()
        || chain.history.trades().any(|trade| trade.base.asset == *asset || trade.counter.asset == *asset)
}

/// Which filters do not go together.
fn check_together(pair: bool, account: bool, offer: bool, pool: bool, with_pool: Option<bool>) -> Result<(), Problem> {
    let refuse = |field: &str, reason: &str| Err(Problem::bad_request(field, reason));
    if pair && offer {
        return refuse(
            "base_asset_type,counter_asset_type,offer_id",
            "this endpoint does not support filtering by both asset pair and offer id ",
        );
    }
    if pair && pool {
        return refuse(
            "base_asset_type,counter_asset_type,liquidity_pool_id",
            "this endpoint does not support filtering by both asset pair and liquidity pool id ",
        );
    }
    if u8::from(account) + u8::from(offer) + u8::from(pool) > 1 {
        return refuse(
            "account_id,liquidity_pool_id,offer_id",
            "Use a single filter for trades, you can only use one of account_id, liquidity_pool_id, offer_id",
        );
    }
    match with_pool {
        Some(true) if offer => {
            refuse("trade_type", "trade_type liquidity_pool cannot be used with the offer_id filter")
        }
        Some(false) if pool => {
            refuse("trade_type", "trade_type orderbook cannot be used with the liquidity_pool_id filter")
        }
        _ => Ok(()),
    }
}

fn resource(base_url: &str, trade: &Trade) -> Value {
    let (operation, order) = trade.id();
    let token = format!("{operation}-{order}");
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.into(), value);
    put(
        "_links",
        json!({
            "self": link("", ""),
            "base": link(base_url, &party_path(&trade.base.party)),
            "counter": link(base_url, &party_path(&trade.counter.party)),
            "operation": link(base_url, &format!("/operations/{operation}")),
        }),
    );
    put("id", json!(token));
    put("paging_token", json!(token));
    put("ledger_close_time", json!(words::time(trade.closed_at_s)));
    put("trade_type", json!(if trade.is_with_pool() { "liquidity_pool" } else { "orderbook" }));
    if let Some((_, fee_bp)) = trade.pool() {
        put("liquidity_pool_fee_bp", json!(fee_bp));
    }
    put("base_is_seller", json!(trade.base_is_seller));
    put("price", price(trade.price));
    put_side(&mut object, "base_", &trade.base);
    put_side(&mut object, "counter_", &trade.counter);
    Value::Object(object)
}

/// A trade's price: unlike those of offers, its terms may have 64 bits, and are words.
pub(super) fn price((n, d): (i64, i64)) -> Value {
    json!({ "n": n.to_string(), "d": d.to_string() })
}

fn party_path(party: &Party) -> String {
    match party {
        Party::Offer { account, .. } => format!("/accounts/{}", words::account(account)),
        Party::Pool { id, .. } => format!("/liquidity_pools/{}", hex::encode(id.0.0)),
    }
}

fn put_side(object: &mut Map<String, Value>, prefix: &str, side: &Side) {
    let mut put = |name: &str, value: String| object.insert(format!("{prefix}{name}"), json!(value));
    match &side.party {
        Party::Offer { account, id } => {
            put("account", words::account(account));
            put("offer_id", id.to_string());
        }
        Party::Pool { id, .. } => {
            put("liquidity_pool_id", hex::encode(id.0.0));
        }
    }
    put("amount", words::amount(side.amount));
    words::put_asset(object, prefix, &side.asset);
}

#[cfg(test)]
mod tests;

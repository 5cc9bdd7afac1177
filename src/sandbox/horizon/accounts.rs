//! Accounts: balances, signers, thresholds, data.
//!
//! Source: `actions/account.go`, `resourceadapter/account_entry.go`, `resourceadapter/balance.go`.

use super::past::{link, paged_link};
use super::{Chain, Page, Problem, Target, parameters, words};
use crate::sandbox::ledger::{Ledger, entries};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use stellar_xdr::{
    AccountEntry, AccountFlags, AccountId, Asset, DataEntry, LedgerEntry, LedgerEntryData, LedgerKey, LedgerKeyAccount,
    PoolId, SignerKey, TrustLineAsset, TrustLineEntry, TrustLineFlags,
};

/// The longest name of a data entry.
const MAX_NAME_LEN: usize = 64;

pub(crate) fn account(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let id = parameters::account(target.variable(0), "account_id")?;
    resource(chain, &target.base_url, &id).ok_or_else(Problem::not_found)
}

pub(crate) fn data(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let id = parameters::account(target.variable(0), "account_id")?;
    let name = target.variable(1);
    if !(1..=MAX_NAME_LEN).contains(&name.len()) {
        return Err(Problem::bad_request("key", format!("{name} does not validate as length(1|64)")));
    }
    let named = |entry: &LedgerEntry| data_in(entry).is_some_and(|data| data.data_name.0.as_slice() == name.as_bytes());
    let entry = chain.ledger.data_of(&id).find(named).ok_or_else(Problem::not_found)?;
    let value = data_in(&entry).map(value_of);
    let mut object = Map::new();
    object.insert("value".into(), json!(value));
    put_sponsor(&mut object, entries::sponsor(&entry));
    Ok(Value::Object(object))
}

pub(crate) fn accounts(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    let filter = Filter::parse(target)?;
    let mut found = BTreeMap::new();
    for entry in chain.ledger.entries_but_offers() {
        if let Some(id) = filter.account_of(entry) {
            found.insert(words::account(id), id.clone());
        }
    }
    let shown = page.of(page.cursor.as_ref(), found.into_iter(), |(address, _)| address.clone());
    Ok(shown.iter().filter_map(|(_, id)| resource(chain, &target.base_url, id)).collect())
}

/// Which accounts are asked for: exactly one of these.
enum Filter {
    Signer(String),
    Asset(TrustLineAsset),
    Sponsor(AccountId),
    Pool(PoolId),
}

impl Filter {
    fn parse(target: &Target) -> Result<Self, Problem> {
        let query = &target.query;
        let signer = parameters::query_account(query, "signer")?;
        let sponsor = parameters::query_account(query, "sponsor")?;
        let asset = parameters::text(query, "asset").map(line_asset).transpose()?;
        let pool = parameters::text(query, "liquidity_pool");
        let pool = pool.map(|id| parameters::pool(id, "liquidity_pool")).transpose()?;
        let mut filters = [
            signer.map(|id| Self::Signer(words::account(&id))),
            asset.map(Self::Asset),
            sponsor.map(Self::Sponsor),
            pool.map(Self::Pool),
        ]
        .into_iter()
        .flatten();
        match (filters.next(), filters.next()) {
            (Some(filter), None) => Ok(filter),
            _ => Err(not_one_filter()),
        }
    }

    /// The account that meets the filter by this entry.
    fn account_of<'e>(&self, entry: &'e LedgerEntry) -> Option<&'e AccountId> {
        let owner = match &entry.data {
            LedgerEntryData::Account(account) => &account.account_id,
            LedgerEntryData::Trustline(line) => &line.account_id,
            LedgerEntryData::Data(data) => &data.account_id,
            _ => return None,
        };
        let meets = match (self, &entry.data) {
            (Self::Signer(address), LedgerEntryData::Account(account)) => {
                signers(account).iter().any(|signer| signer.key == *address && signer.weight > 0)
            }
            (Self::Asset(asset), LedgerEntryData::Trustline(line)) => line.asset == *asset,
            (Self::Pool(pool), LedgerEntryData::Trustline(line)) => {
                matches!(&line.asset, TrustLineAsset::PoolShare(of) if of == pool)
            }
            (Self::Sponsor(sponsor), data) => {
                entries::sponsor(entry) == Some(sponsor)
                    || matches!(data, LedgerEntryData::Account(account)
                        if entries::signer_sponsors(account).iter().any(|of| of.0.as_ref() == Some(sponsor)))
            }
            _ => false,
        };
        meets.then_some(owner)
    }
}

fn line_asset(word: &str) -> Result<TrustLineAsset, Problem> {
    if word == "native" {
        return Err(Problem::bad_request("asset", "you can't filter by asset: native"));
    }
    match words::parse_asset_word(word) {
        Some(Asset::CreditAlphanum4(credit)) => Ok(TrustLineAsset::CreditAlphanum4(credit)),
        Some(Asset::CreditAlphanum12(credit)) => Ok(TrustLineAsset::CreditAlphanum12(credit)),
        Some(Asset::Native) | None => Err(Problem::bad_request("asset", parameters::NO_ASSET)),
    }
}

fn not_one_filter() -> Problem {
    Problem {
        status: 400,
        kind: "invalid_accounts_params",
        title: "Invalid Accounts Parameters",
        detail: "Exactly one filter is required. Please ensure that you are including a signer, sponsor, asset, or \
                 liquidity pool filter."
            .into(),
        extras: Map::new(),
    }
}

/// An account as Horizon shows it; `None` if there is none.
fn resource(chain: &Chain<'_>, base_url: &str, id: &AccountId) -> Option<Value> {
    let entry = chain.ledger.entry(&LedgerKey::Account(LedgerKeyAccount { account_id: id.clone() }))?;
    let LedgerEntryData::Account(account) = &entry.data else { unreachable!("an account's key finds an account") };
    let address = words::account(id);
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.into(), value);
    put("_links", links(base_url, &address));
    put("id", json!(address));
    put("account_id", json!(address));
    put("paging_token", json!(address));
    put("sequence", json!(account.seq_num.0.to_string()));
    put("subentry_count", json!(account.num_sub_entries));
    put("last_modified_ledger", json!(entry.last_modified_ledger_seq));
    put("last_modified_time", last_modified_time(chain, entry.last_modified_ledger_seq));
    put("thresholds", thresholds(account));
    put("flags", flags(account));
    put("balances", Value::Array(balances(chain.ledger, account)));
    put("signers", signers(account).iter().map(Signer::resource).collect());
    put("data", data_entries(chain.ledger, id));
    put("num_sponsoring", json!(entries::num_sponsoring(account)));
    put("num_sponsored", json!(entries::num_sponsored(account)));
    let (sequence_ledger, sequence_time) = entries::sequence_age(account);
    if sequence_ledger > 0 && sequence_time > 0 {
        put("sequence_ledger", json!(sequence_ledger));
        put("sequence_time", json!(sequence_time.to_string()));
    }
    if let Some(destination) = &account.inflation_dest {
        put("inflation_destination", json!(words::account(destination)));
    }
    if !account.home_domain.0.is_empty() {
        put("home_domain", json!(String::from_utf8_lossy(&account.home_domain.0)));
    }
    put_sponsor(&mut object, entries::sponsor(&entry));
    Some(Value::Object(object))
}

/// When a ledger closed; null if that is before what is kept.
pub(super) fn last_modified_time(chain: &Chain<'_>, ledger: u32) -> Value {
    json!(chain.history.ledger(ledger).map(|ledger| words::time(ledger.closed_at_s())))
}

pub(super) fn put_sponsor(object: &mut Map<String, Value>, sponsor: Option<&AccountId>) {
    if let Some(sponsor) = sponsor {
        object.insert("sponsor".into(), json!(words::account(sponsor)));
    }
}

fn links(base_url: &str, address: &str) -> Value {
    let own = format!("/accounts/{address}");
    let mut links = Map::new();
    for collection in ["transactions", "operations", "payments", "effects", "offers", "trades"] {
        links.insert(collection.into(), paged_link(base_url, &format!("{own}/{collection}")));
    }
    links.insert("data".into(), link(base_url, &format!("{own}/data/{{key}}")));
    links.insert("self".into(), link(base_url, &own));
    Value::Object(links)
}

fn thresholds(account: &AccountEntry) -> Value {
    let [_, low, med, high] = account.thresholds.0;
    json!({ "low_threshold": low, "med_threshold": med, "high_threshold": high })
}

fn flags(account: &AccountEntry) -> Value {
    json!({
        "auth_required": entries::has_flag(account, AccountFlags::RequiredFlag),
        "auth_revocable": entries::has_flag(account, AccountFlags::RevocableFlag),
        "auth_immutable": entries::has_flag(account, AccountFlags::ImmutableFlag),
        "auth_clawback_enabled": entries::has_flag(account, AccountFlags::ClawbackEnabledFlag),
    })
}

fn data_in(entry: &LedgerEntry) -> Option<&DataEntry> {
    match &entry.data {
        LedgerEntryData::Data(data) => Some(data),
        _ => None,
    }
}

fn value_of(data: &DataEntry) -> String {
    BASE64_STANDARD.encode(&data.data_value.0)
}

fn data_entries(ledger: &Ledger, id: &AccountId) -> Value {
    let mut object = Map::new();
    for entry in ledger.data_of(id) {
        if let Some(data) = data_in(&entry) {
            object.insert(String::from_utf8_lossy(&data.data_name.0).into_owned(), json!(value_of(data)));
        }
    }
    Value::Object(object)
}

/// Pool shares by pool, then credits by code and issuer, then lumens.
fn balances(ledger: &Ledger, account: &AccountEntry) -> Vec<Value> {
    let mut lines: Vec<_> = ledger.lines_of(&account.account_id).filter_map(|line| line_balance(&line)).collect();
    lines.sort_by(|(one, _), (other, _)| one.cmp(other));
    let liabilities = entries::account_liabilities(account);
    let native = json!({
        "balance": words::amount(account.balance),
        "buying_liabilities": words::amount(liabilities.buying),
        "selling_liabilities": words::amount(liabilities.selling),
        "asset_type": "native",
    });
    lines.into_iter().map(|(_, balance)| balance).chain([native]).collect()
}

/// What Horizon sorts balances by: code, issuer, pool.
type BalanceKey = [String; 3];

fn line_balance(entry: &LedgerEntry) -> Option<(BalanceKey, Value)> {
    let LedgerEntryData::Trustline(line) = &entry.data else { return None };
    let mut object = Map::new();
    object.insert("balance".into(), json!(words::amount(line.balance)));
    object.insert("limit".into(), json!(words::amount(line.limit)));
    object.insert("last_modified_ledger".into(), json!(entry.last_modified_ledger_seq));
    put_authorisation(&mut object, line);
    let asset = match &line.asset {
        TrustLineAsset::PoolShare(pool) => {
            let pool = hex::encode(pool.0.0);
            object.insert("asset_type".into(), json!("liquidity_pool_shares"));
            object.insert("liquidity_pool_id".into(), json!(pool));
            return Some(([String::new(), String::new(), pool], Value::Object(object)));
        }
        TrustLineAsset::CreditAlphanum4(credit) => Asset::CreditAlphanum4(credit.clone()),
        TrustLineAsset::CreditAlphanum12(credit) => Asset::CreditAlphanum12(credit.clone()),
        TrustLineAsset::Native => return None,
    };
    let liabilities = entries::line_liabilities(line);
    object.insert("buying_liabilities".into(), json!(words::amount(liabilities.buying)));
    object.insert("selling_liabilities".into(), json!(words::amount(liabilities.selling)));
    words::put_asset(&mut object, "", &asset);
    put_sponsor(&mut object, entries::sponsor(entry));
    let (_, code, issuer) = words::asset_parts(&asset);
    Some(([code, issuer, String::new()], Value::Object(object)))
}

fn put_authorisation(object: &mut Map<String, Value>, line: &TrustLineEntry) {
    let authorised = entries::is_authorised(line);
    let maintains = authorised || line.flags & TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32 != 0;
    object.insert("is_authorized".into(), json!(authorised));
    object.insert("is_authorized_to_maintain_liabilities".into(), json!(maintains));
    if entries::line_clawback(line) {
        object.insert("is_clawback_enabled".into(), json!(true));
    }
}

/// A key that may sign for an account.
struct Signer {
    key: String,
    kind: &'static str,
    weight: u32,
    sponsor: Option<AccountId>,
}

impl Signer {
    fn resource(&self) -> Value {
        let mut object = Map::new();
        object.insert("weight".into(), json!(self.weight));
        object.insert("key".into(), json!(self.key));
        object.insert("type".into(), json!(self.kind));
        put_sponsor(&mut object, self.sponsor.as_ref());
        Value::Object(object)
    }
}

/// Signers by key; the account's own among them, or last if it has no weight.
fn signers(account: &AccountEntry) -> Vec<Signer> {
    let sponsors = entries::signer_sponsors(account);
    let mut signers: Vec<Signer> = account
        .signers
        .iter()
        .enumerate()
        .map(|(place, signer)| Signer {
            key: signer.key.to_string(),
            kind: key_type(&signer.key),
            weight: signer.weight,
            sponsor: sponsors.get(place).and_then(|sponsor| sponsor.0.clone()),
        })
        .collect();
    let master = Signer {
        key: words::account(&account.account_id),
        kind: "ed25519_public_key",
        weight: u32::from(account.thresholds.0[0]),
        sponsor: None,
    };
    signers.push(master);
    signers.sort_by(|one, other| (one.weight == 0, &one.key).cmp(&(other.weight == 0, &other.key)));
    signers
}

fn key_type(key: &SignerKey) -> &'static str {
    match key {
        SignerKey::Ed25519(_) => "ed25519_public_key",
        SignerKey::PreAuthTx(_) => "preauth_tx",
        SignerKey::HashX(_) => "sha256_hash",
        SignerKey::Ed25519SignedPayload(_) => "ed25519_signed_payload",
    }
}

#[cfg(test)]
mod tests;

//! What each type of effect is called, and what it has of its own (Horizon's `protocols/horizon/effects`).
//!
//! Some members never come through Horizon, because what it stores and what it shows are spelled differently
//! (`auth_revocable_flag`, `authorized_to_maintain_liabilites`), and some are always empty (`key` of a signer). Clients
//! know no other Horizon, so it is the same here.

use crate::sandbox::history::{EffectKind, Money, Pool, Sponsored, TradeEffect};
use crate::sandbox::horizon::operations::predicate;
use crate::sandbox::horizon::past::{asset_or_pool, balance_id};
use crate::sandbox::horizon::words::{account, amount, asset_parts, asset_word, put_address, put_asset};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stellar_xdr::{AccountId, Asset, ClaimableBalanceId, TrustLineAsset};

type Body = Map<String, Value>;

/// An effect's number and name.
pub(super) fn type_of(kind: &EffectKind) -> (i32, &'static str) {
    use EffectKind as E;
    match kind {
        E::AccountCreated { .. } => (0, "account_created"),
        E::AccountRemoved => (1, "account_removed"),
        E::AccountCredited(_) => (2, "account_credited"),
        E::AccountDebited(_) => (3, "account_debited"),
        E::ThresholdsUpdated { .. } => (4, "account_thresholds_updated"),
        E::HomeDomainUpdated(_) => (5, "account_home_domain_updated"),
        E::FlagsUpdated { .. } => (6, "account_flags_updated"),
        E::InflationDestinationUpdated(_) => (7, "account_inflation_destination_updated"),
        E::SignerCreated { .. } => (10, "signer_created"),
        E::SignerRemoved { .. } => (11, "signer_removed"),
        E::SignerUpdated { .. } => (12, "signer_updated"),
        E::TrustlineCreated { .. } => (20, "trustline_created"),
        E::TrustlineRemoved { .. } => (21, "trustline_removed"),
        E::TrustlineUpdated { .. } => (22, "trustline_updated"),
        E::TrustlineAuthorised { .. } => (23, "trustline_authorized"),
        E::TrustlineDeauthorised { .. } => (24, "trustline_deauthorized"),
        E::TrustlineAuthorisedToMaintainLiabilities { .. } => (25, "trustline_authorized_to_maintain_liabilities"),
        E::TrustlineFlagsUpdated { .. } => (26, "trustline_flags_updated"),
        E::Trade(_) => (33, "trade"),
        E::DataCreated { .. } => (40, "data_created"),
        E::DataRemoved { .. } => (41, "data_removed"),
        E::DataUpdated { .. } => (42, "data_updated"),
        E::SequenceBumped(_) => (43, "sequence_bumped"),
        E::BalanceCreated { .. } => (50, "claimable_balance_created"),
        E::BalanceClaimantCreated { .. } => (51, "claimable_balance_claimant_created"),
        E::BalanceClaimed { .. } => (52, "claimable_balance_claimed"),
        E::SponsorshipCreated { of, .. } => created(of),
        E::SponsorshipUpdated { of, .. } => updated(of),
        E::SponsorshipRemoved { of, .. } => removed(of),
        E::BalanceClawedBack { .. } => (80, "claimable_balance_clawed_back"),
        E::PoolDeposited { .. } => (90, "liquidity_pool_deposited"),
        E::PoolWithdrew { .. } => (91, "liquidity_pool_withdrew"),
        E::PoolTrade { .. } => (92, "liquidity_pool_trade"),
        E::PoolCreated(_) => (93, "liquidity_pool_created"),
        E::PoolRemoved(_) => (94, "liquidity_pool_removed"),
        E::PoolRevoked { .. } => (95, "liquidity_pool_revoked"),
    }
}

fn created(of: &Sponsored) -> (i32, &'static str) {
    match of {
        Sponsored::Account => (60, "account_sponsorship_created"),
        Sponsored::Trustline(_) => (63, "trustline_sponsorship_created"),
        Sponsored::Data(_) => (66, "data_sponsorship_created"),
        Sponsored::Balance(_) => (69, "claimable_balance_sponsorship_created"),
        Sponsored::Signer(_) => (72, "signer_sponsorship_created"),
    }
}

fn updated(of: &Sponsored) -> (i32, &'static str) {
    match of {
        Sponsored::Account => (61, "account_sponsorship_updated"),
        Sponsored::Trustline(_) => (64, "trustline_sponsorship_updated"),
        Sponsored::Data(_) => (67, "data_sponsorship_updated"),
        Sponsored::Balance(_) => (70, "claimable_balance_sponsorship_updated"),
        Sponsored::Signer(_) => (73, "signer_sponsorship_updated"),
    }
}

fn removed(of: &Sponsored) -> (i32, &'static str) {
    match of {
        Sponsored::Account => (62, "account_sponsorship_removed"),
        Sponsored::Trustline(_) => (65, "trustline_sponsorship_removed"),
        Sponsored::Data(_) => (68, "data_sponsorship_removed"),
        Sponsored::Balance(_) => (71, "claimable_balance_sponsorship_removed"),
        Sponsored::Signer(_) => (74, "signer_sponsorship_removed"),
    }
}

/// Adds an effect's own members.
pub(super) fn put(body: &mut Body, kind: &EffectKind) {
    use EffectKind as E;
    match kind {
        E::AccountCreated { starting_balance } => set(body, "starting_balance", amount(*starting_balance)),
        E::AccountRemoved | E::InflationDestinationUpdated(_) => {}
        E::AccountCredited(money) | E::AccountDebited(money) => {
            put_asset(body, "", &money.asset);
            set(body, "amount", amount(money.amount));
        }
        E::ThresholdsUpdated { low, medium, high } => {
            for (name, threshold) in [("low_threshold", low), ("med_threshold", medium), ("high_threshold", high)] {
                body.insert(name.into(), json!(threshold.unwrap_or(0)));
            }
        }
        E::HomeDomainUpdated(domain) => set(body, "home_domain", domain),
        E::FlagsUpdated { set, cleared } => put_flag(body, "auth_required_flag", 1, *set, *cleared),
        E::SignerCreated { key, weight } | E::SignerUpdated { key, weight } => put_signer(body, key, *weight),
        E::SignerRemoved { key } => put_signer(body, key, 0),
        E::TrustlineCreated { line, limit }
        | E::TrustlineRemoved { line, limit }
        | E::TrustlineUpdated { line, limit } => {
            put_line(body, line);
            set(body, "limit", amount(*limit));
        }
        E::TrustlineAuthorised { trustor, asset }
        | E::TrustlineDeauthorised { trustor, asset }
        | E::TrustlineAuthorisedToMaintainLiabilities { trustor, asset } => put_authorised(body, trustor, asset),
        E::TrustlineFlagsUpdated { trustor, asset, set: flags, cleared } => {
            put_asset(body, "", asset);
            set(body, "trustor", account(trustor));
            put_flag(body, "authorized_flag", 1, *flags, *cleared);
            put_flag(body, "clawback_enabled_flag", 4, *flags, *cleared);
        }
        E::Trade(trade) => put_trade(body, trade),
        E::DataCreated { name, value } | E::DataUpdated { name, value } => {
            set(body, "name", name);
            set(body, "value", STANDARD.encode(value));
        }
        E::DataRemoved { name } => set(body, "name", name),
        E::SequenceBumped(sequence) => set(body, "new_seq", sequence.to_string()),
        other => put_further(body, other),
    }
}

/// The younger types: claimable balances, sponsorship, pools.
fn put_further(body: &mut Body, kind: &EffectKind) {
    use EffectKind as E;
    match kind {
        E::BalanceCreated { id, money } | E::BalanceClaimed { id, money } => put_balance(body, id, money),
        E::BalanceClaimantCreated { id, money, predicate: of } => {
            put_balance(body, id, money);
            body.insert("predicate".into(), predicate(of));
        }
        E::BalanceClawedBack { id } => set(body, "balance_id", balance_id(id)),
        E::SponsorshipCreated { of, sponsor } => {
            put_sponsored(body, of);
            set(body, "sponsor", account(sponsor));
        }
        E::SponsorshipUpdated { of, former, sponsor } => {
            put_sponsored(body, of);
            set(body, "former_sponsor", account(former));
            set(body, "new_sponsor", account(sponsor));
        }
        E::SponsorshipRemoved { of, former } => {
            put_sponsored(body, of);
            set(body, "former_sponsor", account(former));
        }
        E::PoolDeposited { pool, amounts, shares } => {
            put_pool(body, pool);
            body.insert("reserves_deposited".into(), reserves(pool, *amounts));
            set(body, "shares_received", amount(*shares));
        }
        E::PoolWithdrew { pool, amounts, shares } => {
            put_pool(body, pool);
            body.insert("reserves_received".into(), reserves(pool, *amounts));
            set(body, "shares_redeemed", amount(*shares));
        }
        E::PoolTrade { pool, sold, bought } => {
            put_pool(body, pool);
            body.insert("sold".into(), money_object(sold));
            body.insert("bought".into(), money_object(bought));
        }
        E::PoolCreated(pool) => put_pool(body, pool),
        E::PoolRemoved(id) => set(body, "liquidity_pool_id", hex::encode(id.0.0)),
        E::PoolRevoked { pool, revoked, shares } => {
            put_pool(body, pool);
            let revoked = revoked.iter().map(|(money, id)| {
                let mut of = money_object(money);
                of["claimable_balance_id"] = json!(balance_id(id));
                of
            });
            body.insert("reserves_revoked".into(), revoked.collect());
            set(body, "shares_revoked", amount(*shares));
        }
        _ => {}
    }
}

fn set(body: &mut Body, name: &str, value: impl Into<String>) {
    body.insert(name.into(), Value::String(value.into()));
}

/// Whether a flag was set or cleared; nothing if neither.
fn put_flag(body: &mut Body, name: &str, flag: u32, set: u32, cleared: u32) {
    if cleared & flag != 0 {
        body.insert(name.into(), json!(false));
    } else if set & flag != 0 {
        body.insert(name.into(), json!(true));
    }
}

fn put_signer(body: &mut Body, key: &str, weight: u32) {
    body.insert("weight".into(), json!(weight));
    set(body, "public_key", key);
    set(body, "key", "");
}

fn put_line(body: &mut Body, line: &TrustLineAsset) {
    match asset_or_pool(line) {
        Ok(asset) => put_asset(body, "", &asset),
        Err(pool) => {
            set(body, "asset_type", "liquidity_pool_shares");
            set(body, "liquidity_pool_id", hex::encode(pool.0.0));
        }
    }
}

/// Without the issuer, who is the effect's account.
fn put_authorised(body: &mut Body, trustor: &AccountId, asset: &Asset) {
    let (kind, code, _) = asset_parts(asset);
    set(body, "trustor", account(trustor));
    set(body, "asset_type", kind);
    set(body, "asset_code", code);
}

fn put_trade(body: &mut Body, trade: &TradeEffect) {
    put_address(body, "seller", &trade.seller);
    set(body, "offer_id", trade.offer_id.to_string());
    put_asset(body, "sold_", &trade.sold.asset);
    set(body, "sold_amount", amount(trade.sold.amount));
    put_asset(body, "bought_", &trade.bought.asset);
    set(body, "bought_amount", amount(trade.bought.amount));
}

fn put_balance(body: &mut Body, id: &ClaimableBalanceId, money: &Money) {
    set(body, "balance_id", balance_id(id));
    set(body, "asset", asset_word(&money.asset));
    set(body, "amount", amount(money.amount));
}

fn put_sponsored(body: &mut Body, of: &Sponsored) {
    match of {
        Sponsored::Account => {}
        Sponsored::Trustline(line) => match asset_or_pool(line) {
            Ok(asset) => {
                set(body, "asset_type", asset_parts(&asset).0);
                set(body, "asset", asset_word(&asset));
            }
            Err(pool) => {
                set(body, "asset_type", "liquidity_pool");
                set(body, "liquidity_pool_id", hex::encode(pool.0.0));
            }
        },
        Sponsored::Data(name) => set(body, "data_name", name),
        Sponsored::Balance(id) => set(body, "balance_id", balance_id(id)),
        Sponsored::Signer(key) => set(body, "signer", key),
    }
}

fn put_pool(body: &mut Body, pool: &Pool) {
    let product = &pool.product;
    body.insert(
        "liquidity_pool".into(),
        json!({
            "id": hex::encode(pool.id.0.0),
            "fee_bp": product.params.fee,
            "type": "constant_product",
            "total_trustlines": product.pool_shares_trust_line_count.to_string(),
            "total_shares": amount(product.total_pool_shares),
            "reserves": reserves(pool, [product.reserve_a, product.reserve_b]),
        }),
    );
}

fn reserves(pool: &Pool, amounts: [i64; 2]) -> Value {
    let params = &pool.product.params;
    let sides = [&params.asset_a, &params.asset_b].into_iter().zip(amounts);
    sides.map(|(asset, stroops)| json!({"asset": asset_word(asset), "amount": amount(stroops)})).collect()
}

fn money_object(of: &Money) -> Value {
    json!({"asset": asset_word(&of.asset), "amount": amount(of.amount)})
}

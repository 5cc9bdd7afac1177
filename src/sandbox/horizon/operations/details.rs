//! What each type of operation has of its own (Horizon's `protocols/horizon/operations`).

use super::predicate;
use crate::sandbox::history::{TransactionRecord, account_of, asset_of, changes, pool_delta, strict_receive_sent};
use crate::sandbox::horizon::past::{asset_or_pool, balance_id};
use crate::sandbox::horizon::words::{
    account, amount, asset_object, asset_parts, asset_word, price, price_r, put_address, put_asset,
};
use crate::sandbox::ledger::pool_id_of;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stellar_xdr::{
    AllowTrustOp, Asset, ChangeTrustAsset, ChangeTrustOp, Claimant, LedgerKey, LiquidityPoolDepositOp,
    LiquidityPoolParameters, LiquidityPoolWithdrawOp, MuxedAccount, OperationBody, OperationResult, OperationResultTr,
    PathPaymentStrictReceiveOp, PathPaymentStrictSendOp, PathPaymentStrictSendResult, PoolId, Price,
    RevokeSponsorshipOp, SetOptionsOp,
};

type Body = Map<String, Value>;

/// Adds the members of the operation of this index (from 0).
pub(super) fn put(body: &mut Body, tx: &TransactionRecord, index: usize) {
    use OperationBody as B;
    let Some(operation) = tx.operations().get(index) else { return };
    let source = tx.operation_source(index);
    match &operation.body {
        B::CreateAccount(op) => {
            put_address(body, "funder", &source);
            set(body, "account", account(&op.destination));
            set(body, "starting_balance", amount(op.starting_balance));
        }
        B::Payment(op) => put_payment(body, &source, &op.destination, &op.asset, op.amount),
        B::PathPaymentStrictReceive(op) => put_strict_receive(body, tx, index, op),
        B::PathPaymentStrictSend(op) => put_strict_send(body, tx, index, op),
        B::ManageSellOffer(op) => {
            set(body, "offer_id", op.offer_id.to_string());
            put_offer(body, &op.selling, &op.buying, op.amount, &op.price);
        }
        B::ManageBuyOffer(op) => {
            set(body, "offer_id", op.offer_id.to_string());
            put_offer(body, &op.selling, &op.buying, op.buy_amount, &op.price);
        }
        B::CreatePassiveSellOffer(op) => put_offer(body, &op.selling, &op.buying, op.amount, &op.price),
        B::SetOptions(op) => put_options(body, op),
        B::ChangeTrust(op) => put_change_trust(body, &source, op),
        B::AllowTrust(op) => put_allow_trust(body, &source, op),
        B::AccountMerge(into) => {
            put_address(body, "account", &source);
            put_address(body, "into", into);
        }
        B::ManageData(op) => {
            set(body, "name", op.data_name.0.to_utf8_string_lossy());
            set(body, "value", op.data_value.as_ref().map_or(String::new(), |value| STANDARD.encode(&value.0)));
        }
        B::BumpSequence(op) => set(body, "bump_to", op.bump_to.0.to_string()),
        B::EndSponsoringFutureReserves => {
            if let Some(sponsor) = tx.begin_sponsor(index) {
                put_address(body, "begin_sponsor", &sponsor);
            }
        }
        B::LiquidityPoolDeposit(op) => put_deposit(body, tx, index, op),
        B::LiquidityPoolWithdraw(op) => put_withdrawal(body, tx, index, op),
        other => put_rest(body, &source, other),
    }
}

/// The types that need nothing but themselves and their source.
fn put_rest(body: &mut Body, source: &MuxedAccount, operation: &OperationBody) {
    use OperationBody as B;
    match operation {
        B::CreateClaimableBalance(op) => {
            set(body, "asset", asset_word(&op.asset));
            set(body, "amount", amount(op.amount));
            let claimants = op.claimants.iter().map(|Claimant::ClaimantTypeV0(claimant)| {
                json!({"destination": account(&claimant.destination), "predicate": predicate(&claimant.predicate)})
            });
            body.insert("claimants".into(), claimants.collect());
        }
        B::ClaimClaimableBalance(op) => {
            set(body, "balance_id", balance_id(&op.balance_id));
            put_address(body, "claimant", source);
        }
        B::BeginSponsoringFutureReserves(op) => set(body, "sponsored_id", account(&op.sponsored_id)),
        B::RevokeSponsorship(RevokeSponsorshipOp::LedgerEntry(key)) => put_key(body, key),
        B::RevokeSponsorship(RevokeSponsorshipOp::Signer(signer)) => {
            set(body, "signer_account_id", account(&signer.account_id));
            set(body, "signer_key", signer.signer_key.to_string());
        }
        B::Clawback(op) => {
            put_asset(body, "", &op.asset);
            put_address(body, "from", &op.from);
            set(body, "amount", amount(op.amount));
        }
        B::ClawbackClaimableBalance(op) => set(body, "balance_id", balance_id(&op.balance_id)),
        B::SetTrustLineFlags(op) => {
            put_asset(body, "", &op.asset);
            set(body, "trustor", account(&op.trustor));
            put_flags(body, "set", op.set_flags, LINE_FLAGS);
            put_flags(body, "clear", op.clear_flags, LINE_FLAGS);
        }
        // Contracts are refused; their operations are seen only in transactions that failed.
        B::InvokeHostFunction(op) => {
            set(body, "function", format!("HostFunctionTypeHostFunctionType{}", op.host_function.name()))
        }
        B::ExtendFootprintTtl(op) => {
            body.insert("extend_to".into(), json!(op.extend_to));
        }
        _ => {}
    }
}

fn set(body: &mut Body, name: &str, value: impl Into<String>) {
    body.insert(name.into(), Value::String(value.into()));
}

fn put_payment(body: &mut Body, from: &MuxedAccount, to: &MuxedAccount, asset: &Asset, stroops: i64) {
    put_address(body, "from", from);
    put_address(body, "to", to);
    put_asset(body, "", asset);
    set(body, "amount", amount(stroops));
}

fn put_strict_receive(body: &mut Body, tx: &TransactionRecord, index: usize, op: &PathPaymentStrictReceiveOp) {
    let sent = if tx.succeeded() { strict_receive_sent(tx.taken(index).claims, op) } else { 0 };
    put_payment(body, &tx.operation_source(index), &op.destination, &op.dest_asset, op.dest_amount);
    put_asset(body, "source_", &op.send_asset);
    set(body, "source_amount", amount(sent));
    set(body, "source_max", amount(op.send_max));
    body.insert("path".into(), op.path.iter().map(asset_object).collect());
}

fn put_strict_send(body: &mut Body, tx: &TransactionRecord, index: usize, op: &PathPaymentStrictSendOp) {
    let received = match tx.operation_results().get(index) {
        Some(OperationResult::OpInner(OperationResultTr::PathPaymentStrictSend(
            PathPaymentStrictSendResult::Success(done),
        ))) if tx.succeeded() => done.last.amount,
        _ => 0,
    };
    put_payment(body, &tx.operation_source(index), &op.destination, &op.dest_asset, received);
    put_asset(body, "source_", &op.send_asset);
    set(body, "source_amount", amount(op.send_amount));
    set(body, "destination_min", amount(op.dest_min));
    body.insert("path".into(), op.path.iter().map(asset_object).collect());
}

fn put_offer(body: &mut Body, selling: &Asset, buying: &Asset, stroops: i64, of: &Price) {
    set(body, "amount", amount(stroops));
    put_price(body, "price", of);
    put_asset(body, "buying_", buying);
    put_asset(body, "selling_", selling);
}

fn put_price(body: &mut Body, name: &str, of: &Price) {
    set(body, name, price(i64::from(of.n), i64::from(of.d)));
    body.insert(format!("{name}_r"), price_r(of.n, of.d));
}

const ACCOUNT_FLAGS: &[(u32, &str)] =
    &[(1, "auth_required"), (2, "auth_revocable"), (4, "auth_immutable"), (8, "auth_clawback_enabled")];
/// With Horizon's spelling.
const LINE_FLAGS: &[(u32, &str)] =
    &[(1, "authorized"), (2, "authorized_to_maintain_liabilites"), (4, "clawback_enabled")];

/// Flags as numbers and as words; nothing if there are none.
fn put_flags(body: &mut Body, prefix: &str, flags: u32, known: &[(u32, &str)]) {
    let shown: Vec<_> = known.iter().filter(|(flag, _)| flags & flag != 0).collect();
    if !shown.is_empty() {
        body.insert(format!("{prefix}_flags"), shown.iter().map(|(flag, _)| *flag).collect());
        body.insert(format!("{prefix}_flags_s"), shown.iter().map(|(_, word)| *word).collect());
    }
}

fn put_options(body: &mut Body, op: &SetOptionsOp) {
    if let Some(destination) = &op.inflation_dest {
        set(body, "inflation_dest", account(destination));
    }
    put_flags(body, "set", op.set_flags.unwrap_or(0), ACCOUNT_FLAGS);
    put_flags(body, "clear", op.clear_flags.unwrap_or(0), ACCOUNT_FLAGS);
    let weights = [
        ("master_key_weight", op.master_weight),
        ("low_threshold", op.low_threshold),
        ("med_threshold", op.med_threshold),
        ("high_threshold", op.high_threshold),
    ];
    for (name, weight) in weights {
        if let Some(weight) = weight {
            body.insert(name.into(), json!(weight));
        }
    }
    if let Some(domain) = op.home_domain.as_ref().filter(|domain| !domain.0.is_empty()) {
        set(body, "home_domain", domain.0.to_utf8_string_lossy());
    }
    if let Some(signer) = &op.signer {
        set(body, "signer_key", signer.key.to_string());
        body.insert("signer_weight".into(), json!(signer.weight));
    }
}

fn put_change_trust(body: &mut Body, source: &MuxedAccount, op: &ChangeTrustOp) {
    match &op.line {
        ChangeTrustAsset::Native => put_asset(body, "", &Asset::Native),
        ChangeTrustAsset::CreditAlphanum4(credit) => put_trusted(body, &Asset::CreditAlphanum4(credit.clone())),
        ChangeTrustAsset::CreditAlphanum12(credit) => put_trusted(body, &Asset::CreditAlphanum12(credit.clone())),
        ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(pool)) => {
            set(body, "asset_type", "liquidity_pool_shares");
            set(body, "liquidity_pool_id", hex::encode(pool_id_of(pool).0.0));
        }
    }
    put_address(body, "trustor", source);
    set(body, "limit", amount(op.limit));
}

fn put_trusted(body: &mut Body, asset: &Asset) {
    put_asset(body, "", asset);
    set(body, "trustee", asset_parts(asset).2);
}

fn put_allow_trust(body: &mut Body, source: &MuxedAccount, op: &AllowTrustOp) {
    put_asset(body, "", &asset_of(&op.asset, account_of(source)));
    put_address(body, "trustee", source);
    set(body, "trustor", account(&op.trustor));
    let authorised = op.authorize & 1 != 0;
    body.insert("authorize".into(), json!(authorised));
    body.insert("authorize_to_maintain_liabilities".into(), json!(authorised || op.authorize & 2 != 0));
}

fn put_deposit(body: &mut Body, tx: &TransactionRecord, index: usize, op: &LiquidityPoolDepositOp) {
    let done = PoolDone::of(tx, index, &op.liquidity_pool_id);
    set(body, "liquidity_pool_id", hex::encode(op.liquidity_pool_id.0.0));
    body.insert("reserves_max".into(), done.reserves([op.max_amount_a, op.max_amount_b]));
    put_price(body, "min_price", &op.min_price);
    put_price(body, "max_price", &op.max_price);
    body.insert("reserves_deposited".into(), done.reserves(done.amounts));
    set(body, "shares_received", amount(done.shares));
}

fn put_withdrawal(body: &mut Body, tx: &TransactionRecord, index: usize, op: &LiquidityPoolWithdrawOp) {
    let done = PoolDone::of(tx, index, &op.liquidity_pool_id);
    set(body, "liquidity_pool_id", hex::encode(op.liquidity_pool_id.0.0));
    body.insert("reserves_min".into(), done.reserves([op.min_amount_a, op.min_amount_b]));
    set(body, "shares", amount(op.amount));
    body.insert("reserves_received".into(), done.reserves(done.amounts.map(i64::wrapping_neg)));
}

/// What an operation did to a pool; nothing, and of unknown assets, if the transaction failed.
#[derive(Default)]
struct PoolDone {
    assets: [String; 2],
    amounts: [i64; 2],
    shares: i64,
}

impl PoolDone {
    fn of(tx: &TransactionRecord, index: usize, id: &PoolId) -> Self {
        let Some(delta) = pool_delta(&changes(tx.operation_changes(index)), Some(id)) else { return Self::default() };
        let params = &delta.pool.product.params;
        Self {
            assets: [asset_word(&params.asset_a), asset_word(&params.asset_b)],
            amounts: delta.reserves,
            shares: delta.shares,
        }
    }

    fn reserves(&self, amounts: [i64; 2]) -> Value {
        let sides = self.assets.iter().zip(amounts);
        sides.map(|(asset, stroops)| json!({"asset": asset, "amount": amount(stroops)})).collect()
    }
}

fn put_key(body: &mut Body, key: &LedgerKey) {
    match key {
        LedgerKey::Account(key) => set(body, "account_id", account(&key.account_id)),
        LedgerKey::ClaimableBalance(key) => set(body, "claimable_balance_id", balance_id(&key.balance_id)),
        LedgerKey::Data(key) => {
            set(body, "data_account_id", account(&key.account_id));
            set(body, "data_name", key.data_name.0.to_utf8_string_lossy());
        }
        LedgerKey::Offer(key) => set(body, "offer_id", key.offer_id.to_string()),
        LedgerKey::Trustline(key) => {
            set(body, "trustline_account_id", account(&key.account_id));
            match asset_or_pool(&key.asset) {
                Ok(asset) => set(body, "trustline_asset", asset_word(&asset)),
                Err(pool) => set(body, "trustline_liquidity_pool_id", hex::encode(pool.0.0)),
            }
        }
        _ => {}
    }
}

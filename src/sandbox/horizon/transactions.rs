//! Transactions.

use super::past::{self, link, paged_link, xdr};
use super::words;
use super::{Chain, Page, Problem, Target};
use crate::sandbox::history::{Between, LedgerRecord, Scope, TransactionRecord};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use stellar_xdr::{
    DecoratedSignature, FeeBumpTransactionInnerTx, Memo, MuxedAccount, Preconditions, PreconditionsV2, TimeBounds,
    TransactionEnvelope, TransactionV1Envelope,
};

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let (ledger, tx) = past::transaction(chain, target)?;
    Ok(by_hash(ledger, tx, target.variable(0), &target.base_url))
}

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &Scope::All)
}

pub(crate) fn of_account(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::account_scope(chain, target)?)
}

pub(crate) fn of_ledger(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::ledger_scope(chain, target)?)
}

pub(crate) fn of_pool(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    records(chain, target, page, &past::pool_scope(chain, target)?)
}

fn records(chain: &Chain<'_>, target: &Target, page: &Page, scope: &Scope) -> Result<Vec<Value>, Problem> {
    let between: Between = past::between(chain, page)?;
    let failed_too = past::includes_failed(target)?;
    let places = past::in_order(page, chain.history.transactions_of(scope, between));
    let found = places.filter_map(|place| chain.history.transaction_at(place));
    let shown = found.filter(|(_, tx)| failed_too || tx.succeeded()).take(page.limit);
    Ok(shown.map(|(ledger, tx)| resource(ledger, tx, &target.base_url)).collect())
}

/// A transaction as Horizon shows it, in a list or to who submitted it. `base_url` is `http://host:port`.
pub(crate) fn resource(ledger: &LedgerRecord, tx: &TransactionRecord, base_url: &str) -> Value {
    by_hash(ledger, tx, &hex::encode(tx.hash.0), base_url)
}

/// The same, under its own hash or that of the transaction inside of its fee bump.
pub(crate) fn by_hash(ledger: &LedgerRecord, tx: &TransactionRecord, hash: &str, base_url: &str) -> Value {
    let parts = Parts::of(&tx.envelope);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.into(), value);
    };
    put("_links", links(tx, hash, base_url));
    put("id", json!(hash));
    put("paging_token", json!(tx.id.0.to_string()));
    put("successful", json!(tx.succeeded()));
    put("hash", json!(hash));
    put("ledger", json!(ledger.seq()));
    put("created_at", json!(words::time(ledger.closed_at_s())));
    put("source_account_sequence", json!(parts.sequence.to_string()));
    put("fee_charged", json!(tx.result.fee_charged.to_string()));
    put("max_fee", json!(parts.bump.map_or(parts.fee, |bump| bump.fee).to_string()));
    put("operation_count", json!(tx.operations().len()));
    put("envelope_xdr", json!(xdr(&tx.envelope)));
    put("result_xdr", json!(xdr(&tx.result)));
    put("result_meta_xdr", json!(xdr(&tx.meta)));
    put("fee_meta_xdr", json!(xdr(&tx.fee_changes)));
    put("signatures", json!(signatures(parts.signatures)));
    put_addresses(&mut body, &tx.source(), &tx.fee_source());
    put_memo(&mut body, parts.memo);
    if let Some(preconditions) = preconditions(parts.conditions) {
        body.insert("preconditions".into(), preconditions);
    }
    if let (Some(bump), Some(inner_hash)) = (parts.bump, &tx.inner_hash) {
        let (outer, inner) = (signatures(bump.signatures), signatures(parts.signatures));
        if *hash == hex::encode(tx.hash.0) {
            body.insert("signatures".into(), json!(outer));
        }
        body.insert("fee_bump_transaction".into(), json!({"hash": hex::encode(tx.hash.0), "signatures": outer}));
        body.insert(
            "inner_transaction".into(),
            json!({"hash": hex::encode(inner_hash.0), "signatures": inner, "max_fee": parts.fee.to_string()}),
        );
    }
    Value::Object(body)
}

fn links(tx: &TransactionRecord, hash: &str, base_url: &str) -> Value {
    let own = format!("/transactions/{hash}");
    let account = words::account(&crate::sandbox::history::account_of(&tx.source()));
    json!({
        "self": link(base_url, &own),
        "account": link(base_url, &format!("/accounts/{account}")),
        "ledger": link(base_url, &format!("/ledgers/{}", tx.id.ledger())),
        "operations": paged_link(base_url, &format!("{own}/operations")),
        "effects": paged_link(base_url, &format!("{own}/effects")),
        "precedes": link(base_url, &format!("/transactions?order=asc&cursor={}", tx.id.0)),
        "succeeds": link(base_url, &format!("/transactions?order=desc&cursor={}", tx.id.0)),
        "transaction": link(base_url, &own),
    })
}

/// What a transaction says of itself, in whichever form.
struct Parts<'m> {
    fee: i64,
    sequence: i64,
    memo: &'m Memo,
    conditions: Conditions<'m>,
    signatures: &'m [DecoratedSignature],
    bump: Option<Bump<'m>>,
}

#[derive(Clone, Copy)]
struct Bump<'m> {
    fee: i64,
    signatures: &'m [DecoratedSignature],
}

/// When a transaction is valid.
#[derive(Clone, Copy)]
enum Conditions<'m> {
    Time(Option<&'m TimeBounds>),
    All(&'m PreconditionsV2),
}

impl<'m> Parts<'m> {
    fn of(envelope: &'m TransactionEnvelope) -> Self {
        match envelope {
            TransactionEnvelope::TxV0(envelope) => Self {
                fee: i64::from(envelope.tx.fee),
                sequence: envelope.tx.seq_num.0,
                memo: &envelope.tx.memo,
                conditions: Conditions::Time(envelope.tx.time_bounds.as_ref()),
                signatures: &envelope.signatures,
                bump: None,
            },
            TransactionEnvelope::Tx(envelope) => Self::of_v1(envelope, None),
            TransactionEnvelope::TxFeeBump(envelope) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = &envelope.tx.inner_tx;
                Self::of_v1(inner, Some(Bump { fee: envelope.tx.fee, signatures: &envelope.signatures }))
            }
        }
    }

    fn of_v1(envelope: &'m TransactionV1Envelope, bump: Option<Bump<'m>>) -> Self {
        Self {
            fee: i64::from(envelope.tx.fee),
            sequence: envelope.tx.seq_num.0,
            memo: &envelope.tx.memo,
            conditions: match &envelope.tx.cond {
                Preconditions::None => Conditions::Time(None),
                Preconditions::Time(bounds) => Conditions::Time(Some(bounds)),
                Preconditions::V2(all) => Conditions::All(all),
            },
            signatures: &envelope.signatures,
            bump,
        }
    }
}

fn signatures(of: &[DecoratedSignature]) -> Vec<String> {
    of.iter().map(|signature| STANDARD.encode(&signature.signature.0)).collect()
}

/// Horizon calls a multiplexed source `account_muxed`, not `source_account_muxed`.
fn put_addresses(into: &mut Map<String, Value>, source: &MuxedAccount, fee_source: &MuxedAccount) {
    let mut own = Map::new();
    words::put_address(&mut own, "account", source);
    if let Some(account) = own.remove("account") {
        into.insert("source_account".into(), account);
    }
    into.append(&mut own);
    words::put_address(into, "fee_account", fee_source);
}

fn put_memo(into: &mut Map<String, Value>, memo: &Memo) {
    let (kind, text) = match memo {
        Memo::None => ("none", None),
        // Horizon's database can hold neither broken UTF-8 nor zeros.
        Memo::Text(text) => ("text", Some(text.to_utf8_string_lossy().replace('\0', ""))),
        Memo::Id(id) => ("id", Some(id.to_string())),
        Memo::Hash(hash) => ("hash", Some(STANDARD.encode(hash.0))),
        Memo::Return(hash) => ("return", Some(STANDARD.encode(hash.0))),
    };
    into.insert("memo_type".into(), json!(kind));
    if let Some(text) = text {
        into.insert("memo".into(), json!(text));
    }
    if let Memo::Text(text) = memo {
        into.insert("memo_bytes".into(), json!(STANDARD.encode(text.as_slice())));
    }
}

/// `None` if there are none.
fn preconditions(of: Conditions<'_>) -> Option<Value> {
    let mut body = Map::new();
    let bounds = match of {
        Conditions::Time(bounds) => bounds,
        Conditions::All(all) => all.time_bounds.as_ref(),
    };
    if let Some(bounds) = bounds {
        let mut times = json!({"min_time": bounds.min_time.0.to_string()});
        if bounds.max_time.0 != 0 {
            times["max_time"] = json!(bounds.max_time.0.to_string());
        }
        body.insert("timebounds".into(), times);
    }
    if let Conditions::All(all) = of {
        put_further(&mut body, all);
    }
    (!body.is_empty()).then_some(Value::Object(body))
}

fn put_further(body: &mut Map<String, Value>, all: &PreconditionsV2) {
    if let Some(bounds) = &all.ledger_bounds {
        let mut ledgers = json!({"min_ledger": bounds.min_ledger});
        if bounds.max_ledger != 0 {
            ledgers["max_ledger"] = json!(bounds.max_ledger);
        }
        body.insert("ledgerbounds".into(), ledgers);
    }
    if let Some(sequence) = &all.min_seq_num {
        body.insert("min_account_sequence".into(), json!(sequence.0.to_string()));
    }
    if all.min_seq_age.0 != 0 {
        body.insert("min_account_sequence_age".into(), json!(all.min_seq_age.0.to_string()));
    }
    if all.min_seq_ledger_gap != 0 {
        body.insert("min_account_sequence_ledger_gap".into(), json!(all.min_seq_ledger_gap));
    }
    if !all.extra_signers.is_empty() {
        let signers: Vec<String> = all.extra_signers.iter().map(ToString::to_string).collect();
        body.insert("extra_signers".into(), json!(signers));
    }
}

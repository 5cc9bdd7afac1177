//! Transactions: getTransaction, getTransactions, and what sendTransaction answers.

use super::error::RpcError;
use super::ledgers::{MAX_PAGE_BYTES, Range};
use super::params::{Paged, check_format, read, xdr};
use crate::sandbox::chain::Chain;
use crate::sandbox::history::{LedgerRecord, Toid, TransactionRecord};
use crate::sandbox::world::Submission;
use crate::stellar::NetworkId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stellar_xdr::{Hash, Limits, ReadXdr, TransactionEnvelope, TransactionMeta, TransactionMetaV4, WriteXdr};

/// The deepest nesting and the longest envelope that are decoded, as the ledger's own door does.
const ENVELOPE_LIMITS: Limits = Limits { depth: 200, len: 128 * 1024 };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    hash: Option<String>,
    xdr_format: Option<String>,
    min_ledger: Option<u32>,
    max_ledger: Option<u32>,
}

pub(super) fn one(chain: &Chain<'_>, params: Option<&Value>) -> Result<Value, RpcError> {
    let asked: One = read(params)?;
    check_format(asked.xdr_format.as_deref()).map_err(RpcError::invalid_params)?;
    let (from, to) = (asked.min_ledger.unwrap_or(0), asked.max_ledger.unwrap_or(0));
    if from != 0 && to != 0 && from > to {
        return Err(RpcError::invalid_params(format!("minLedger ({from}) must not exceed maxLedger ({to})")));
    }
    let text = asked.hash.unwrap_or_default();
    let hash = read_hash(&text)?;
    let range = Range::of(chain)?;
    let mut body = json!({
        "latestLedger": range.latest.seq(),
        "latestLedgerCloseTime": range.latest.closed_at_s().to_string(),
        "oldestLedger": range.oldest.seq(),
        "oldestLedgerCloseTime": range.oldest.closed_at_s().to_string(),
        "status": "NOT_FOUND",
        "txHash": text,
        "applicationOrder": 0,
        "feeBump": false,
        "events": {},
        "ledger": 0,
        "createdAt": "0",
    });
    let wanted = |ledger: &LedgerRecord| ledger.seq() >= from && (to == 0 || ledger.seq() <= to);
    if let Some((ledger, tx)) = chain.history.transaction(&hash).filter(|(ledger, _)| wanted(ledger)) {
        details(tx, &mut body)?;
        // As it was asked for: a fee bump is also found by the hash of what it carries.
        body["txHash"] = json!(text);
        body["createdAt"] = json!(ledger.closed_at_s().to_string());
    }
    Ok(body)
}

fn read_hash(text: &str) -> Result<Hash, RpcError> {
    if text.len() / 2 != 32 {
        return Err(RpcError::invalid_params(format!("unexpected hash length ({})", text.len())));
    }
    let bytes = hex::decode(text).map_err(|error| RpcError::invalid_params(format!("incorrect hash: {error}")))?;
    let hash = bytes.try_into().map_err(|_| RpcError::invalid_params("incorrect hash: 32 bytes are wanted"))?;
    Ok(Hash(hash))
}

pub(super) fn page(chain: &Chain<'_>, params: Option<&Value>) -> Result<Value, RpcError> {
    let asked: Paged = read(params)?;
    let range = Range::of(chain)?;
    let (oldest, latest) = (range.oldest.seq(), range.latest.seq());
    let start = asked.start(oldest, latest)?;
    let limit = asked.limit()?;
    check_format(asked.xdr_format.as_deref()).map_err(RpcError::invalid_request)?;
    let after = match start {
        Some(start) => Toid::new(start, 0, 0),
        None => read_cursor(asked.cursor().unwrap_or_default(), oldest)?,
    };
    let (mut found, mut bytes, mut cursor) = (Vec::new(), 0, after);
    'ledgers: for ledger in (after.ledger()..=latest).map_while(|seq| chain.history.ledger(seq)) {
        for tx in ledger.transactions.iter().filter(|tx| tx.id > after.at(0)) {
            if found.len() == limit || bytes > MAX_PAGE_BYTES {
                break 'ledgers;
            }
            let mut body = json!({"createdAt": ledger.closed_at_s()});
            bytes += details(tx, &mut body)?;
            found.push(body);
            cursor = tx.id.at(1);
        }
        // Past a ledger without transactions, so that a client that follows does not ask for it again.
        if found.is_empty() && cursor.ledger() < ledger.seq() {
            cursor = Toid::new(ledger.seq(), 0, 1);
        }
    }
    Ok(json!({
        "transactions": found,
        "latestLedger": latest,
        "latestLedgerCloseTimestamp": range.latest.closed_at_s(),
        "oldestLedger": oldest,
        "oldestLedgerCloseTimestamp": range.oldest.closed_at_s(),
        "cursor": cursor.0.to_string(),
    }))
}

/// A cursor's place, if it is of a ledger that is kept or still to come.
fn read_cursor(cursor: &str, oldest: u32) -> Result<Toid, RpcError> {
    let number = cursor.parse::<i64>().ok().filter(|number| *number >= 0);
    let place = Toid(number.ok_or_else(|| RpcError::invalid_params(format!("cursor ('{cursor}') is no number")))?);
    if place.ledger() < oldest {
        let message = format!("database does not contain metadata for ledger: {}", place.ledger());
        return Err(RpcError::invalid_params(message));
    }
    Ok(place)
}

/// What both methods say of a transaction; gives the bytes of XDR that were written.
fn details(tx: &TransactionRecord, body: &mut Value) -> Result<usize, RpcError> {
    let written = [xdr(&tx.envelope)?, xdr(&tx.result)?, xdr(&tx.meta)?];
    let bytes = written.iter().map(String::len).sum();
    let [envelope, result, meta] = written;
    body["status"] = json!(if tx.succeeded() { "SUCCESS" } else { "FAILED" });
    body["txHash"] = json!(hex::encode(tx.hash.0));
    body["applicationOrder"] = json!(tx.id.transaction());
    body["feeBump"] = json!(tx.inner_hash.is_some());
    body["envelopeXdr"] = json!(envelope);
    body["resultXdr"] = json!(result);
    body["resultMetaXdr"] = json!(meta);
    body["ledger"] = json!(tx.id.ledger());
    body["events"] = Value::Object(events(&tx.meta)?);
    Ok(bytes)
}

/// The events of a transaction, where its metadata has a place for them; what is empty is left out.
fn events(meta: &TransactionMeta) -> Result<Map<String, Value>, RpcError> {
    let mut body = Map::new();
    let TransactionMeta::V4(TransactionMetaV4 { operations, events, .. }) = meta else { return Ok(body) };
    if !events.is_empty() {
        body.insert("transactionEventsXdr".into(), json!(texts(events)?));
    }
    if !operations.is_empty() {
        let of_operations: Vec<Vec<String>> =
            operations.iter().map(|of| texts(&of.events)).collect::<Result<_, _>>()?;
        body.insert("contractEventsXdr".into(), json!(of_operations));
    }
    Ok(body)
}

fn texts(values: &[impl WriteXdr]) -> Result<Vec<String>, RpcError> {
    values.iter().map(xdr).collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    transaction: Option<String>,
    xdr_format: Option<String>,
}

/// A transaction that is to be handed in.
#[derive(Debug)]
pub(super) struct Sending {
    /// Its envelope in XDR.
    pub(super) envelope: Vec<u8>,
    hash: String,
}

impl Sending {
    /// What `sendTransaction` is given, for this network.
    pub(super) fn read(params: Option<&Value>, network: NetworkId) -> Result<Self, RpcError> {
        let asked: Sent = read(params)?;
        check_format(asked.xdr_format.as_deref()).map_err(RpcError::invalid_params)?;
        let invalid = || RpcError::invalid_params("invalid_xdr");
        let bytes = BASE64.decode(asked.transaction.unwrap_or_default()).map_err(|_| invalid())?;
        let envelope = TransactionEnvelope::from_xdr(&bytes, ENVELOPE_LIMITS).map_err(|_| invalid())?;
        let hash = envelope.hash(network.0).map_err(|_| RpcError::invalid_params("invalid_hash"))?;
        Ok(Self { envelope: bytes, hash: hex::encode(hash) })
    }

    /// What is answered once it was handed in.
    pub(super) fn answer(&self, became: &Submission, chain: &Chain<'_>) -> Result<Value, RpcError> {
        let Range { latest, .. } = Range::of(chain)?;
        let mut body = json!({
            "hash": self.hash,
            "latestLedger": latest.seq(),
            "latestLedgerCloseTime": latest.closed_at_s().to_string(),
        });
        let status = match became {
            Submission::Pending => "PENDING",
            Submission::Duplicate => "DUPLICATE",
            Submission::TryAgainLater => "TRY_AGAIN_LATER",
            Submission::Error(result) => {
                body["errorResultXdr"] = json!(xdr(result)?);
                "ERROR"
            }
            Submission::Malformed(reason) => {
                return Err(RpcError { data: Some(json!(reason)), ..RpcError::invalid_params("invalid_xdr") });
            }
        };
        body["status"] = json!(status);
        Ok(body)
    }
}

//! Ledgers: getLatestLedger, getLedgers, getLedgerEntries, and the empty getEvents.

use super::error::RpcError;
use super::params::{Paged, base64, check_format, read, xdr};
use crate::sandbox::chain::Chain;
use crate::sandbox::history::LedgerRecord;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use stellar_xdr::{LedgerKey, Limits, ReadXdr};

/// A page of ledgers ends before it exceeds so many bytes of metadata (XDR), though it has one ledger at least: the
/// cursor leads on.
pub(super) const MAX_PAGE_BYTES: usize = 16 << 20;
/// Keys of one request.
const MAX_KEYS: usize = 200;
/// The longest key, bytes of XDR.
const KEY_LIMITS: Limits = Limits { depth: 100, len: 16 * 1024 };
/// The most ledgers that one request of events looks through.
const MAX_EVENT_LEDGERS: u32 = 10_000;

/// The ledgers that are kept.
pub(super) struct Range<'c> {
    pub(super) oldest: &'c LedgerRecord,
    pub(super) latest: &'c LedgerRecord,
}

impl<'c> Range<'c> {
    pub(super) fn of(chain: &Chain<'c>) -> Result<Self, RpcError> {
        match (chain.history.oldest(), chain.history.newest()) {
            (Some(oldest), Some(latest)) => Ok(Self { oldest, latest }),
            _ => Err(RpcError::internal("data stores are not initialized: no ledger has closed yet")),
        }
    }
}

pub(super) fn latest(chain: &Chain<'_>) -> Result<Value, RpcError> {
    let Range { latest, .. } = Range::of(chain)?;
    Ok(json!({
        "id": hex::encode(latest.header.hash.0),
        "protocolVersion": latest.header.header.ledger_version,
        "sequence": latest.seq(),
        "closeTime": latest.closed_at_s().to_string(),
        "headerXdr": xdr(&latest.header.header)?,
        "metadataXdr": base64(&latest.meta),
    }))
}

pub(super) fn ledgers(chain: &Chain<'_>, params: Option<&Value>) -> Result<Value, RpcError> {
    let asked: Paged = read(params)?;
    let range = Range::of(chain)?;
    let (oldest, latest) = (range.oldest.seq(), range.latest.seq());
    let start = asked.start(oldest, latest)?;
    let limit = asked.limit()?;
    check_format(asked.xdr_format.as_deref()).map_err(RpcError::invalid_request)?;
    let start = match (start, asked.cursor()) {
        (Some(start), _) => start,
        (None, cursor) => after_cursor(cursor.unwrap_or_default(), oldest, latest)?,
    };
    let mut bytes = 0;
    let mut page = Vec::new();
    for ledger in (start..=latest).map_while(|seq| chain.history.ledger(seq)).take(limit) {
        bytes += ledger.meta.len();
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(ledger_body(ledger)?);
    }
    let last = page.last().and_then(|ledger| ledger["sequence"].as_u64()).unwrap_or(u64::from(start) - 1);
    Ok(json!({
        "ledgers": page,
        "latestLedger": latest,
        "latestLedgerCloseTime": range.latest.closed_at_s(),
        "oldestLedger": oldest,
        "oldestLedgerCloseTime": range.oldest.closed_at_s(),
        "cursor": last.to_string(),
    }))
}

/// The ledger after the one that a cursor names.
fn after_cursor(cursor: &str, oldest: u32, latest: u32) -> Result<u32, RpcError> {
    let last: u32 =
        cursor.parse().map_err(|_| RpcError::invalid_params(format!("cursor ('{cursor}') is no ledger")))?;
    match last.checked_add(1) {
        Some(start) if (oldest..=latest).contains(&start) => Ok(start),
        _ => Err(RpcError::invalid_params(format!(
            "cursor ('{cursor}') must be between the oldest ledger: {oldest} and the latest ledger: {latest} for this \
             rpc instance"
        ))),
    }
}

fn ledger_body(ledger: &LedgerRecord) -> Result<Value, RpcError> {
    Ok(json!({
        "hash": hex::encode(ledger.header.hash.0),
        "sequence": ledger.seq(),
        "ledgerCloseTime": ledger.closed_at_s().to_string(),
        "headerXdr": xdr(&ledger.header)?,
        "metadataXdr": base64(&ledger.meta),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entries {
    keys: Option<Vec<String>>,
    xdr_format: Option<String>,
}

pub(super) fn entries(chain: &Chain<'_>, params: Option<&Value>) -> Result<Value, RpcError> {
    let asked: Entries = read(params)?;
    check_format(asked.xdr_format.as_deref()).map_err(RpcError::invalid_params)?;
    let keys = asked.keys.unwrap_or_default();
    if keys.len() > MAX_KEYS {
        let message = format!("key count ({}) exceeds maximum supported ({MAX_KEYS})", keys.len());
        return Err(RpcError::invalid_params(message));
    }
    let keys: Vec<LedgerKey> =
        keys.iter().enumerate().map(|(index, key)| read_key(index, key)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for key in &keys {
        let Some(entry) = chain.ledger.entry(key) else { continue };
        found.push(json!({
            "key": xdr(key)?,
            "xdr": xdr(&entry.data)?,
            "lastModifiedLedgerSeq": entry.last_modified_ledger_seq,
            "extXdr": xdr(&entry.ext)?,
        }));
    }
    Ok(json!({"entries": found, "latestLedger": chain.latest()}))
}

fn read_key(index: usize, key: &str) -> Result<LedgerKey, RpcError> {
    let bytes = BASE64.decode(key).ok();
    match bytes.and_then(|bytes| LedgerKey::from_xdr(bytes, KEY_LIMITS).ok()) {
        Some(LedgerKey::Ttl(_)) => Err(RpcError::invalid_params("ledger ttl entries cannot be queried directly")),
        Some(key) => Ok(key),
        None => Err(RpcError::invalid_params(format!("cannot unmarshal key value {key} at index {index}"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    start_ledger: Option<u32>,
    end_ledger: Option<u32>,
    pagination: Option<EventsPagination>,
}

#[derive(Debug, Deserialize)]
struct EventsPagination {
    cursor: Option<String>,
}

/// There are no events: contracts make them, and classic operations only on networks that are told to. A client that
/// follows them is told so ledger after ledger.
pub(super) fn events(chain: &Chain<'_>, params: Option<&Value>) -> Result<Value, RpcError> {
    let asked: Events = read(params)?;
    let range = Range::of(chain)?;
    let (oldest, latest) = (range.oldest.seq(), range.latest.seq());
    let start = match asked.pagination.and_then(|pagination| pagination.cursor) {
        Some(_) if asked.start_ledger.is_some() || asked.end_ledger.is_some() => {
            return Err(RpcError::invalid_params("ledger ranges and cursor cannot both be set"));
        }
        Some(cursor) => ledger_of_event(&cursor)?,
        None => match asked.start_ledger.unwrap_or(0) {
            0 => return Err(RpcError::invalid_params("startLedger must be positive")),
            start => start,
        },
    };
    if !(oldest..=latest).contains(&start) {
        let message = format!("startLedger must be within the ledger range: {oldest} - {latest}");
        return Err(RpcError::invalid_request(message));
    }
    let end = (latest + 1).min(start.saturating_add(MAX_EVENT_LEDGERS));
    let end = asked.end_ledger.filter(|end| *end > 0).map_or(end, |asked| asked.min(end));
    // The last place that there is in the ledger before the end.
    let last = u64::from(end.saturating_sub(1)) << 32 | u64::from(u32::MAX);
    Ok(json!({
        "events": [],
        "cursor": format!("{last:019}-{:010}", u32::MAX),
        "latestLedger": latest,
        "latestLedgerCloseTime": range.latest.closed_at_s().to_string(),
        "oldestLedger": oldest,
        "oldestLedgerCloseTime": range.oldest.closed_at_s().to_string(),
    }))
}

fn ledger_of_event(cursor: &str) -> Result<u32, RpcError> {
    let place = cursor.split_once('-').and_then(|(place, event)| {
        event.parse::<u32>().ok()?;
        place.parse::<u64>().ok()
    });
    let ledger = place.and_then(|place| u32::try_from(place >> 32).ok());
    ledger.ok_or_else(|| RpcError::invalid_params(format!("cursor ('{cursor}') is none of an event")))
}

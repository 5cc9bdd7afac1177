//! Parameters of the methods: by name, unknown ones ignored, `null` as good as absent.

use super::error::RpcError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stellar_xdr::{Limits, WriteXdr};

/// Ledgers or transactions of a page unless asked otherwise, and at most.
pub(super) const DEFAULT_LIMIT: usize = 50;
pub(super) const MAX_LIMIT: usize = 200;

/// The parameters of a method, if they are an object that reads as such.
pub(super) fn read<T: DeserializeOwned>(params: Option<&Value>) -> Result<T, RpcError> {
    let given = match params {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(Value::Array(_)) => {
            let data = Some(json!("parameters are taken by name, not as an array"));
            return Err(RpcError { data, ..RpcError::invalid_params("invalid parameters") });
        }
        Some(given) => given.clone(),
    };
    serde_json::from_value(given).map_err(|error| {
        let data = Some(json!(error.to_string()));
        RpcError { data, ..RpcError::invalid_params("invalid parameters") }
    })
}

/// How XDR is written in answers.
///
/// `json` is refused: the sandbox writes XDR in base64 only, which every SDK asks for.
pub(super) fn check_format(format: Option<&str>) -> Result<(), String> {
    match format {
        None | Some("" | "base64") => Ok(()),
        Some("json") => Err("xdrFormat 'json' is not written by the sandbox: ask for base64, or leave it out".into()),
        Some(other) => Err(format!("got '{other}': expected base64, json for optional 'xdrFormat'")),
    }
}

/// A page of what happened since a ledger.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paged {
    pub(super) start_ledger: Option<u32>,
    pub(super) pagination: Option<Pagination>,
    pub(super) xdr_format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Pagination {
    cursor: Option<String>,
    limit: Option<u64>,
}

impl Paged {
    /// The cursor, if one is given.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.pagination.as_ref()?.cursor.as_deref().filter(|cursor| !cursor.is_empty())
    }

    /// The start, unless a cursor stands in its place; both, or neither within `oldest..=latest`, are refused.
    pub(super) fn start(&self, oldest: u32, latest: u32) -> Result<Option<u32>, RpcError> {
        let start = self.start_ledger.unwrap_or(0);
        match self.cursor() {
            Some(_) if start != 0 => Err(RpcError::invalid_request("startLedger and cursor cannot both be set")),
            Some(_) => Ok(None),
            None if (oldest..=latest).contains(&start) => Ok(Some(start)),
            None => Err(RpcError::invalid_request(format!(
                "start ledger ({start}) must be between the oldest ledger: {oldest} and the latest ledger: {latest} for \
                 this rpc instance"
            ))),
        }
    }

    /// How many are wanted.
    pub(super) fn limit(&self) -> Result<usize, RpcError> {
        match self.pagination.as_ref().and_then(|pagination| pagination.limit).unwrap_or(0) {
            0 => Ok(DEFAULT_LIMIT),
            limit if limit <= MAX_LIMIT as u64 => Ok(usize::try_from(limit).unwrap_or(MAX_LIMIT)),
            _ => Err(RpcError::invalid_request(format!("limit must not exceed {MAX_LIMIT}"))),
        }
    }
}

/// A value's XDR in base64.
pub(super) fn xdr(value: &impl WriteXdr) -> Result<String, RpcError> {
    value.to_xdr_base64(Limits::none()).map_err(|error| RpcError::internal(error.to_string()))
}

/// Bytes in base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

//! Stellar RPC: JSON-RPC 2.0 over HTTP, for what a client of the classic ledger asks of it.
//!
//! Names, types, bounds and error codes are those of stellar-rpc 23 to 25 (`cmd/stellar-rpc/internal/methods` and
//! `protocols/rpc` of its Go SDK); the rules of requests and batches are those of the JSON-RPC library under it. What
//! differs, by intention:
//!
//! * XDR is written in base64; `xdrFormat: "json"` is refused.
//! * Nothing simulates contracts, as there are none: `simulateTransaction` is no method here, and `getEvents` finds none.
//! * A body that is no JSON is answered with JSON-RPC's own error (-32700) and status 200, where stellar-rpc sends status
//!   500 and plain text.
//! * A batch has at most [`MAX_BATCH`] requests, and what it asks for beyond [`MAX_BATCH_BYTES`] is refused; a page of
//!   ledgers ends at 16 MiB of metadata.
//! * Past the end, `getTransactions` gives the cursor that it was given, where stellar-rpc jumps back to the beginning of
//!   the last ledger.

mod error;
mod ledgers;
mod network;
mod params;
#[cfg(test)]
mod tests;
mod transactions;

use super::faces::{Host, look};
use super::http::Response;
use error::RpcError;
use serde_json::{Value, json};
use transactions::Sending;

/// Requests of a batch.
const MAX_BATCH: usize = 20;
/// Bytes of a batch's answers beyond which nothing more is answered.
const MAX_BATCH_BYTES: usize = 32 << 20;

/// Answers the body of a POST. `base_url` is where the client found the server, friendbot with it.
pub(crate) fn answer(host: &dyn Host, base_url: &str, body: &[u8]) -> Response {
    let friendbot = &format!("{}/friendbot", base_url.trim_end_matches('/'));
    let refuse = |error: RpcError| Response::json(200, &envelope(&Value::Null, Err(error)));
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return refuse(RpcError::parse("invalid request value"));
    };
    let requests = match request {
        Value::Array(requests) => requests,
        single => vec![single],
    };
    if requests.len() > MAX_BATCH {
        return refuse(RpcError::invalid_request(format!("a batch has at most {MAX_BATCH} requests here")));
    }
    let mut answers = Vec::new();
    let mut bytes = 0;
    for request in &requests {
        let answer = if bytes > MAX_BATCH_BYTES {
            Some(envelope(&request["id"], Err(RpcError::internal("the batch's answer is too large: ask one by one"))))
        } else {
            answer_one(host, friendbot, request)
        };
        let text = answer.map(|answer| answer.to_string());
        bytes += text.as_ref().map_or(0, String::len);
        answers.extend(text);
    }
    // A single answer goes alone, as in stellar-rpc, even if a batch asked for it.
    match answers.as_slice() {
        [] => Response::new(204, JSON, ""),
        [single] => Response::new(200, JSON, single.as_str()),
        several => Response::new(200, JSON, format!("[{}]", several.join(","))),
    }
}

const JSON: &str = "application/json";

fn envelope(id: &Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.body()}),
    }
}

/// Answers one request; a sound one without an id wants no answer.
fn answer_one(host: &dyn Host, friendbot: &str, request: &Value) -> Option<Value> {
    let id = request.get("id").filter(|id| id.is_string() || id.is_number()).cloned();
    let result = match Call::read(request) {
        Ok(call) => {
            let result = call.perform(host, friendbot);
            id.as_ref()?;
            result
        }
        Err(error) => Err(error),
    };
    Some(envelope(&id.unwrap_or(Value::Null), result))
}

/// A request that keeps to the rules.
#[derive(Debug)]
struct Call<'r> {
    method: &'r str,
    params: Option<&'r Value>,
}

impl<'r> Call<'r> {
    fn read(request: &'r Value) -> Result<Self, RpcError> {
        let Value::Object(members) = request else { return Err(RpcError::parse("request is not a JSON object")) };
        let known = ["jsonrpc", "id", "method", "params"];
        if !matches!(members.get("id"), None | Some(Value::Null | Value::String(_) | Value::Number(_))) {
            return Err(RpcError::invalid_request("invalid request ID"));
        }
        if members.get("jsonrpc") != Some(&json!("2.0")) {
            return Err(RpcError::invalid_request("invalid version marker"));
        }
        let params = members.get("params").filter(|params| !params.is_null());
        if !params.is_none_or(|params| params.is_object() || params.is_array()) {
            return Err(RpcError::invalid_request("parameters must be array or object"));
        }
        let extra: Vec<&String> = members.keys().filter(|name| !known.contains(&name.as_str())).collect();
        if !extra.is_empty() {
            let data = Some(json!(extra));
            return Err(RpcError { data, ..RpcError::invalid_request("extra fields in request") });
        }
        match members.get("method") {
            Some(Value::String(method)) if !method.is_empty() => Ok(Self { method, params }),
            None | Some(Value::String(_) | Value::Null) => Err(RpcError::invalid_request("empty method name")),
            Some(_) => Err(RpcError::parse("invalid method name")),
        }
    }

    fn perform(&self, host: &dyn Host, friendbot: &str) -> Result<Value, RpcError> {
        let params = self.params;
        if self.method == "sendTransaction" {
            let sending = look(host, |chain| Sending::read(params, chain.ledger.network()))?;
            let became = host.submit(&sending.envelope);
            return look(host, |chain| sending.answer(&became, chain));
        }
        look(host, |chain| match self.method {
            "getHealth" => network::health(chain),
            "getNetwork" => Ok(network::network(chain, friendbot)),
            "getVersionInfo" => Ok(network::version(chain)),
            "getFeeStats" => Ok(network::fee_stats(chain)),
            "getLatestLedger" => ledgers::latest(chain),
            "getLedgers" => ledgers::ledgers(chain, params),
            "getLedgerEntries" => ledgers::entries(chain, params),
            "getEvents" => ledgers::events(chain, params),
            "getTransaction" => transactions::one(chain, params),
            "getTransactions" => transactions::page(chain, params),
            unknown => Err(RpcError::no_such_method(unknown)),
        })
    }
}

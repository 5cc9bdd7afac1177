//! Stellar RPC: JSON-RPC 2.0, the methods that trading clients use.

use super::faces::Host;
use super::http::Response;

/// Answers one call.
pub(crate) fn answer(_host: &dyn Host, _body: &[u8]) -> Response {
    let error = serde_json::json!({"code": -32601, "message": "method not found"});
    Response::json(200, &serde_json::json!({"jsonrpc": "2.0", "id": null, "error": error}))
}

//! Errors of JSON-RPC 2.0, with the codes that Stellar RPC gives them.

use serde_json::{Value, json};

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
    /// More, for people who debug a client.
    pub(crate) data: Option<Value>,
}

impl RpcError {
    /// The body is no JSON, or a request no object.
    pub(crate) fn parse(message: &str) -> Self {
        Self::new(-32700, message)
    }

    /// A request that breaks JSON-RPC's rules, or asks for ledgers that are not kept.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    /// No method of this name.
    pub(crate) fn no_such_method(name: &str) -> Self {
        Self { data: Some(json!(name)), ..Self::new(-32601, "method not found") }
    }

    /// Parameters that cannot be taken.
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    /// The server cannot, though the request is sound.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, message)
    }

    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The `error` member of an answer.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"code": self.code, "message": self.message});
        if let Some(data) = &self.data {
            body["data"] = data.clone();
        }
        body
    }
}

//! Horizon's errors (RFC 7807), as its clients know them.

use serde_json::{Map, Value, json};

/// An error with Horizon's own type and title.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The last part of its type's address, such as `not_found`.
    pub(crate) kind: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    /// More for machines: result codes, the invalid field.
    pub(crate) extras: Map<String, Value>,
}

impl Problem {
    /// There is no such thing, or no such path.
    pub(crate) fn not_found() -> Self {
        Self {
            status: 404,
            kind: "not_found",
            title: "Resource Missing",
            detail: "The resource at the url requested was not found.  This usually occurs for one of two reasons:  \
                     The url requested is not valid, or no data in our database could be found with the parameters \
                     provided."
                .into(),
            extras: Map::new(),
        }
    }

    /// A parameter that cannot be taken, and why.
    pub(crate) fn bad_request(field: &str, reason: impl Into<String>) -> Self {
        let mut extras = Map::new();
        extras.insert("invalid_field".into(), json!(field));
        extras.insert("reason".into(), Value::String(reason.into()));
        Self {
            status: 400,
            kind: "bad_request",
            title: "Bad Request",
            detail: "The request you sent was invalid in some way.".into(),
            extras,
        }
    }

    /// A ledger, or a cursor, from before what is kept.
    pub(crate) fn before_history() -> Self {
        Self {
            status: 410,
            kind: "before_history",
            title: "Data Requested Is Before Recorded History",
            detail: "This horizon instance is configured to only track a portion of the stellar network's latest \
                     history. This request is asking for results prior to the recorded history known to this horizon \
                     instance."
                .into(),
            extras: Map::new(),
        }
    }

    /// The problem's body.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("https://stellar.org/horizon-errors/{}", self.kind),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        });
        if !self.extras.is_empty() {
            body["extras"] = Value::Object(self.extras.clone());
        }
        body
    }
}

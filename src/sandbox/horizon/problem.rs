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

    /// A problem that says nothing more than its title and its detail.
    pub(crate) fn plain(status: u16, kind: &'static str, title: &'static str, detail: &str) -> Self {
        Self { status, kind, title, detail: detail.into(), extras: Map::new() }
    }

    /// What is there cannot be had in the wanted form; mostly, it does not stream.
    pub(crate) fn not_acceptable() -> Self {
        let title = "An acceptable response content-type could not be provided for this request";
        Self::plain(406, "not_acceptable", title, "")
    }

    /// The address asks too often.
    pub(crate) fn rate_limit_exceeded() -> Self {
        Self::plain(
            429,
            "rate_limit_exceeded",
            "Rate Limit Exceeded",
            "The rate limit for the requesting IP address is over its alloted limit.  The allowed limit and requests \
             left per time period are communicated to clients via the http response headers 'X-RateLimit-*' headers.",
        )
    }

    /// Too much is asked for at once.
    pub(crate) fn server_over_capacity() -> Self {
        Self::plain(
            503,
            "server_over_capacity",
            "Server Over Capacity",
            "This horizon server is currently overloaded.  Please wait for several minutes before trying your request \
             again.",
        )
    }

    /// The answer took too long.
    pub(crate) fn timeout() -> Self {
        Self::plain(
            504,
            "timeout",
            "Timeout",
            "Your request timed out before completing.  Please try your request again. If you are submitting a \
             transaction make sure you are sending exactly the same transaction (with the same sequence number).",
        )
    }

    /// The same with one more word for machines.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(name.into(), value.into());
        self
    }

    /// The problem that goes with a status which the protocol gives.
    pub(crate) fn of_status(status: u16) -> Self {
        let (kind, title) = match status {
            404 => return Self::not_found(),
            405 => ("method_not_allowed", "Method Not Allowed"),
            406 => return Self::not_acceptable(),
            408 => ("request_timeout", "Request Timeout"),
            413 => ("content_too_large", "Content Too Large"),
            414 => ("uri_too_long", "URI Too Long"),
            429 => return Self::rate_limit_exceeded(),
            431 => ("header_fields_too_large", "Request Header Fields Too Large"),
            500 => ("server_error", "Internal Server Error"),
            501 => ("not_implemented", "Not Implemented"),
            503 => return Self::server_over_capacity(),
            504 => return Self::timeout(),
            _ => ("bad_request", "Bad Request"),
        };
        Self::plain(status, kind, title, "")
    }

    /// The problem's body.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("https://stellar.org/horizon-errors/{}", self.kind),
            "title": self.title,
            "status": self.status,
        });
        if !self.detail.is_empty() {
            body["detail"] = Value::String(self.detail.clone());
        }
        if !self.extras.is_empty() {
            body["extras"] = Value::Object(self.extras.clone());
        }
        body
    }
}

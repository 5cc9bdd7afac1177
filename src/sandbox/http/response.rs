//! An answer before it becomes bytes.

/// An answer with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Further headers; length, connection and date are the server's.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the connection ends with this answer, in HTTP/1.0, as core's do.
    pub(crate) last: bool,
}

impl Response {
    /// An answer that leaves the connection open.
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: body.into(), last: false }
    }

    /// JSON.
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    /// The same with one header more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its head. `framing` says how the body is told from what follows.
    pub(super) fn head(&self, framing: &BodyFraming, modern: bool, keep_alive: bool, date: &str) -> Vec<u8> {
        let version = if modern && !self.last { "1.1" } else { "1.0" };
        let mut head = format!("HTTP/{version} {} {}\r\n", self.status, reason(self.status));
        let mut put = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            // No value can begin another header.
            head.extend(value.chars().filter(|character| !character.is_control()));
            head.push_str("\r\n");
        };
        match framing {
            BodyFraming::Length(length) => put("Content-Length", &length.to_string()),
            BodyFraming::Chunked => put("Transfer-Encoding", "chunked"),
            BodyFraming::UntilClosed => {}
        }
        if !self.content_type.is_empty() {
            put("Content-Type", self.content_type);
        }
        self.headers.iter().for_each(|(name, value)| put(name, value));
        if !self.last {
            put("Date", date);
            match (modern, keep_alive) {
                (true, false) => put("Connection", "close"),
                (false, true) => put("Connection", "keep-alive"),
                _ => {}
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// How a body is told from what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    Length(usize),
    Chunked,
    UntilClosed,
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_begin_another_header() {
        let response = Response::new(200, "text/plain", "x").with("A", "b\r\nSet-Cookie: c");
        let head = String::from_utf8(response.head(&BodyFraming::Length(1), true, true, "now")).unwrap();
        assert_eq!(head.lines().filter(|line| line.starts_with("Set-Cookie")).count(), 0, "{head}");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"), "{head}");
    }
}

//! Requests over HTTP, one after the other, on a connection of a source.

use super::config::HttpPlace;
use super::port::Port;
use crate::events::{FeedFault, MonoNanos, OutboxFull};
use crate::wire::http1::{GzipError, HttpError, HttpLimits, Response, ResponseParser};
use std::io::Write as _;

/// One connection's requests and answers.
#[derive(Debug)]
pub(super) struct Exchange {
    place: HttpPlace,
    /// Lines that every request has: `name: value` and CR LF, each.
    headers: String,
    parser: ResponseParser,
    timeout_ns: u64,
    request: Vec<u8>,
    /// When the answer that is waited for is too late.
    late_at: Option<MonoNanos>,
}

impl Exchange {
    pub(super) fn new(place: &HttpPlace, headers: &str, limits: HttpLimits, timeout_ns: u64) -> Self {
        Self {
            place: place.clone(),
            headers: headers.to_owned(),
            parser: ResponseParser::new(limits),
            timeout_ns,
            request: Vec::with_capacity(1 << 10),
            late_at: None,
        }
    }

    /// A fresh connection stands, or the old one is gone: nothing is waited for.
    pub(super) fn reset(&mut self) {
        self.parser.reset();
        self.late_at = None;
    }

    /// Whether a request may be sent.
    pub(super) fn is_free(&self, port: &Port) -> bool {
        port.is_open() && self.late_at.is_none()
    }

    /// Asks for a path with its query, which must be printable ASCII.
    ///
    /// # Errors
    /// If the outbox has no room: the peer is not reading.
    pub(super) fn get(&mut self, path: &str, port: &mut Port) -> Result<(), OutboxFull> {
        self.send("GET", path, None, port)
    }

    /// Sends a JSON body to a path.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(super) fn post_json(&mut self, path: &str, body: &[u8], port: &mut Port) -> Result<(), OutboxFull> {
        self.send("POST", path, Some(body), port)
    }

    fn send(&mut self, method: &str, path: &str, body: Option<&[u8]>, port: &mut Port) -> Result<(), OutboxFull> {
        debug_assert!(self.is_free(port), "one request at a time");
        let Self { place, headers, request, .. } = self;
        request.clear();
        // Writing into memory does not fail.
        let _ = write!(
            request,
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: stellar-connector/{}\r\nAccept: application/json\r\n\
             Accept-Encoding: gzip\r\n{headers}",
            place.prefix,
            place.host,
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(body) = body {
            let _ = write!(request, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body.unwrap_or_default());
        port.outbox.push(request)?;
        self.parser.expect();
        self.late_at = Some(port.at.plus(self.timeout_ns));
        Ok(())
    }

    /// The answer, once it is whole, taking what it needs from the front of `input`. If it says so
    /// ([`Response::keep_alive`]), the connection is to be [renewed](Port::renew).
    ///
    /// # Errors
    /// If it is none: the connection is to be given up.
    pub(super) fn answer(&mut self, input: &mut &[u8]) -> Result<Option<Response<'_>>, HttpError> {
        let answer = self.parser.next(input)?;
        if answer.is_some() {
            self.late_at = None;
        }
        Ok(answer)
    }

    /// The connection has ended, which may be the end of an answer.
    ///
    /// # Errors
    /// If it cut one short.
    pub(super) fn closed(&mut self) -> Result<Option<Response<'_>>, HttpError> {
        self.late_at = None;
        self.parser.finish()
    }

    /// Whether an answer is late: the connection is to be given up.
    pub(super) fn is_late(&self, now: MonoNanos) -> bool {
        self.late_at.is_some_and(|late_at| late_at <= now)
    }

    /// When the answer that is waited for is late.
    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        self.late_at
    }
}

/// The fault that an error of HTTP is.
pub(super) fn fault_of_http(error: &HttpError) -> FeedFault {
    match error {
        HttpError::HeadTooLong(_) | HttpError::BodyTooLong(_) | HttpError::Gzip(GzipError::TooLong(_)) => {
            FeedFault::Oversized
        }
        HttpError::Truncated | HttpError::Gzip(GzipError::Truncated) => FeedFault::Truncated,
        _ => FeedFault::Malformed,
    }
}

/// A header that is a number.
pub(super) fn number(response: &Response<'_>, name: &str) -> Option<u64> {
    core::str::from_utf8(response.header(name)?).ok()?.trim().parse().ok()
}

/// What `Retry-After` asks for, at most an hour; 0 if it is not there.
pub(super) fn retry_after_ns(answer: &Response<'_>) -> u64 {
    number(answer, "Retry-After").unwrap_or(0).min(3_600) * 1_000_000_000
}

//! HTTP/1.1 from the client's side, on `httparse`: requests as bytes, responses out of bytes that come as they come.
//!
//! One response is read at a time, which is how the connection is used: a request goes out when the answer to the one
//! before is in.

mod body;
mod gzip;
mod head;
mod stream;

use body::{Body, Buffers};
pub use gzip::{Gunzip, GzipError};
use head::{Coding, Head};
pub use stream::{StreamParser, StreamPart, is_event_stream};

/// Bounds of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The longest status line with headers, bytes.
    pub max_head_bytes: usize,
    /// The longest body, bytes, after chunks are joined; of a compressed one both before and after it is unpacked.
    pub max_body_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { max_head_bytes: 16 << 10, max_body_bytes: 1 << 20 }
    }
}

/// The most headers that a response may have.
pub const MAX_HEADERS: usize = 64;

/// Why bytes are no response that is taken. The connection's place is lost with it: begin anew with a fresh one and
/// [`ResponseParser::reset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The status line or a header.
    #[error("the response's head is not HTTP/1.x: {0}")]
    Head(httparse::Error),
    /// The head is longer than the bound.
    #[error("the response's head is longer than {0} bytes")]
    HeadTooLong(usize),
    /// The body is longer than the bound.
    #[error("the response's body is longer than {0} bytes")]
    BodyTooLong(usize),
    /// `Content-Length` is no number, or there are two that differ, or one beside `Transfer-Encoding`.
    #[error("the response's Content-Length cannot be relied upon")]
    ContentLength,
    /// A `Transfer-Encoding` other than `chunked`.
    #[error("the response's Transfer-Encoding is not 'chunked'")]
    TransferEncoding,
    /// A chunk's size, or what follows a chunk.
    #[error("the response's body is not made of chunks as announced")]
    Chunk,
    /// A `Content-Encoding` other than `gzip`.
    #[error("the response's Content-Encoding is neither 'gzip' nor none, and nothing else was asked for")]
    ContentEncoding,
    /// A compressed body.
    #[error("the response's compressed body: {0}")]
    Gzip(#[from] GzipError),
    /// The connection ended inside the response.
    #[error("the connection ended inside a response")]
    Truncated,
    /// Bytes came that no request had asked for.
    #[error("bytes came before a request was sent")]
    Unasked,
}

/// A response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// Its status code, 200 to 599.
    pub status: u16,
    /// Its body, without the marks of chunks, and unpacked.
    pub body: &'a [u8],
    /// Whether the connection takes another request.
    pub keep_alive: bool,
    head: &'a [u8],
}

impl<'a> Response<'a> {
    /// The value of the first header of this name, in either case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(self.head).ok()?;
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(found.value)
    }
}

/// Reads responses. Its buffers are kept from one to the next, so that nothing is allocated once they have grown.
#[derive(Debug)]
pub struct ResponseParser {
    limits: HttpLimits,
    state: State,
    head: Vec<u8>,
    buffers: Buffers,
    /// Of a compressed body: what unpacks it, how much of it has come, and what it unpacks to.
    gunzip: Gunzip,
    packed_bytes: usize,
    unpacked: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No request is out.
    Idle,
    Head,
    Body(Head, Body),
    /// Handed out.
    Done,
    Failed(HttpError),
}

impl ResponseParser {
    /// A parser that takes no more than `limits`.
    #[must_use]
    pub fn new(limits: HttpLimits) -> Self {
        Self {
            limits,
            state: State::Idle,
            head: Vec::new(),
            buffers: Buffers::default(),
            gunzip: Gunzip::new(),
            packed_bytes: 0,
            unpacked: Vec::new(),
        }
    }

    /// A request has been sent: its response is expected.
    ///
    /// # Panics
    /// If the response to the one before is not in.
    pub fn expect(&mut self) {
        assert!(matches!(self.state, State::Idle | State::Done), "a request before the response to the last");
        self.begin();
    }

    /// Whether a response is expected and not in.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Head | State::Body(..))
    }

    /// Forgets the connection: a fresh one has no request out.
    pub fn reset(&mut self) {
        self.begin();
        self.state = State::Idle;
    }

    fn begin(&mut self) {
        self.head.clear();
        self.buffers.clear();
        self.gunzip.reset();
        self.packed_bytes = 0;
        self.unpacked.clear();
        self.state = State::Head;
    }

    /// The response, once it is whole, taking what it needs from the front of `input`.
    ///
    /// # Errors
    /// If it is none; then everything is refused until [`reset`](Self::reset).
    pub fn next<'s>(&'s mut self, input: &mut &[u8]) -> Result<Option<Response<'s>>, HttpError> {
        match self.advance(input) {
            Ok(Some(head)) => Ok(Some(self.done(head, head.keep_alive))),
            Ok(None) => Ok(None),
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    /// The connection has ended, which ends a body that has no other end.
    ///
    /// # Errors
    /// If a response is cut short by it.
    pub fn finish(&mut self) -> Result<Option<Response<'_>>, HttpError> {
        match self.state {
            State::Idle | State::Done => Ok(None),
            State::Body(head, Body::UntilClose) => {
                self.unpack(head.coding, true).inspect_err(|error| self.state = State::Failed(*error))?;
                Ok(Some(self.done(head, false)))
            }
            State::Head | State::Body(..) => {
                self.state = State::Failed(HttpError::Truncated);
                Err(HttpError::Truncated)
            }
            State::Failed(error) => Err(error),
        }
    }

    fn done(&mut self, head: Head, keep_alive: bool) -> Response<'_> {
        self.state = State::Done;
        let body = if head.coding == Coding::Gzip { &self.unpacked } else { &self.buffers.body };
        Response { status: head.status, body, keep_alive, head: &self.head }
    }

    /// Unpacks what has come of a body, if it is compressed.
    fn unpack(&mut self, coding: Coding, is_whole: bool) -> Result<(), HttpError> {
        if coding != Coding::Gzip {
            return Ok(());
        }
        let max = self.limits.max_body_bytes;
        self.packed_bytes += self.buffers.body.len();
        if self.packed_bytes > max {
            return Err(HttpError::BodyTooLong(max));
        }
        self.gunzip.take(&self.buffers.body, &mut self.unpacked, max)?;
        self.buffers.body.clear();
        // An answer without a body has nothing to unpack, whatever its head says.
        if is_whole && self.packed_bytes > 0 { Ok(self.gunzip.finish()?) } else { Ok(()) }
    }

    /// Takes what can be taken; the head of the response if that was its last byte.
    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HttpError> {
        loop {
            match &mut self.state {
                State::Idle | State::Done if input.is_empty() => return Ok(None),
                State::Idle | State::Done => return Err(HttpError::Unasked),
                State::Failed(error) => return Err(*error),
                State::Head => {
                    let Some(head) = head::take(&mut self.head, input, self.limits.max_head_bytes)? else {
                        return Ok(None);
                    };
                    if head.is_interim() {
                        self.head.clear();
                        continue;
                    }
                    if head.body.announced() > self.limits.max_body_bytes as u64 {
                        return Err(HttpError::BodyTooLong(self.limits.max_body_bytes));
                    }
                    if head.coding == Coding::Other {
                        return Err(HttpError::ContentEncoding);
                    }
                    self.state = State::Body(head, head.body);
                }
                State::Body(head, rest) => {
                    let whole = rest.take(&mut self.buffers, input, self.limits.max_body_bytes)?;
                    let head = *head;
                    self.unpack(head.coding, whole)?;
                    return Ok(whole.then_some(head));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

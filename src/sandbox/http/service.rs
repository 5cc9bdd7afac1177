//! What stands behind the server.

use super::request::Request;
use super::response::Response;
use std::time::{Duration, Instant};

/// Answers requests, one at a time, on the server's thread.
pub(crate) trait Service: Send {
    /// Answers.
    fn answer(&mut self, request: &Request, now: Instant) -> Answer;

    /// What to say where no request could be read: 400, 408, 413, 414, 431, 501 or 503. The connection ends with it.
    fn refuse(&mut self, status: u16) -> Response;
}

/// How a request is answered.
pub(crate) enum Answer {
    /// At once.
    Now(Reply),
    /// When there is something to say.
    Later(Box<dyn Later>),
    /// Bit by bit.
    Stream {
        /// Its headers; the status is 200.
        head: Response,
        /// What it begins with.
        opening: Vec<u8>,
        /// What follows; `None` if it ends there.
        feed: Option<Box<dyn Feed>>,
    },
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Now(response.into())
    }
}

impl Answer {
    /// The same with `change` made to the reply, whenever it comes. A stream has none.
    pub(crate) fn map(self, change: impl Fn(Reply) -> Reply + Send + 'static) -> Self {
        match self {
            Self::Now(reply) => Self::Now(change(reply)),
            Self::Later(inner) => Self::Later(Box::new(Changed { inner, change })),
            Self::Stream { .. } => self,
        }
    }
}

/// A later answer to which something is done.
struct Changed<F> {
    inner: Box<dyn Later>,
    change: F,
}

impl<F: Fn(Reply) -> Reply + Send> Later for Changed<F> {
    fn poll(&mut self, now: Instant) -> Option<Reply> {
        self.inner.poll(now).map(&self.change)
    }

    fn due(&self) -> Instant {
        self.inner.due()
    }
}

/// An answer, and what becomes of it on its way.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    /// It is sent so much later.
    pub(crate) delay: Duration,
    pub(crate) mishap: Mishap,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, delay: Duration::ZERO, mishap: Mishap::None }
    }
}

/// What can become of an answer on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It arrives.
    #[default]
    None,
    /// The connection ends without it.
    Dropped,
    /// The connection ends in its middle.
    Truncated,
    /// It is sent twice.
    Duplicated,
}

/// An answer that waits for something.
pub(crate) trait Later: Send {
    /// Whether there is an answer now. Asked at every wake, and at the due time, when there must be one or a later due
    /// time.
    fn poll(&mut self, now: Instant) -> Option<Reply>;

    /// When it is asked at the latest.
    fn due(&self) -> Instant;
}

/// What a stream says.
pub(crate) trait Feed: Send {
    /// Writes what there is to say now. Asked at every wake, and at the due time.
    fn poll(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow;

    /// When it is asked at the latest.
    fn due(&self) -> Instant;
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It does.
    Open,
    /// It ends as it should.
    End,
    /// It breaks off: the connection ends without a word.
    Cut,
}

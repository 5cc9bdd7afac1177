//! A response whose body is handed out as it comes: an event stream, which has no end to wait for.

use super::body::{Body, Buffers};
use super::head::{self, Head};
use super::{HttpError, HttpLimits, Response};

/// What has come of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPart<'a> {
    /// The head, with an empty body. Whether to read on is the caller's to say: see [`is_event_stream`].
    Head(Response<'a>),
    /// Bytes of the body, at least one, without the marks of chunks.
    Body(&'a [u8]),
    /// The body has ended by itself.
    End,
}

/// Whether a response is a stream of server-sent events that may be read: 200, `text/event-stream`, not compressed.
#[must_use]
pub fn is_event_stream(response: &Response<'_>) -> bool {
    let kind = response.header("content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    let plain = response.header("content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
    response.status == 200 && plain && kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Reads one response of a connection, however long. Of the bounds, that of the head counts: of a body no more is kept
/// than one input brought.
#[derive(Debug)]
pub struct StreamParser {
    limits: HttpLimits,
    state: State,
    head: Vec<u8>,
    buffers: Buffers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body(Body),
    /// The body's last bytes are handed out; its end is not.
    Ending,
    Ended,
    Failed(HttpError),
}

impl StreamParser {
    /// A parser that expects a response with a head of no more than `limits`.
    #[must_use]
    pub fn new(limits: HttpLimits) -> Self {
        Self { limits, state: State::Head, head: Vec::new(), buffers: Buffers::default() }
    }

    /// A fresh connection, with a request sent.
    pub fn reset(&mut self) {
        self.head.clear();
        self.buffers.clear();
        self.state = State::Head;
    }

    /// The next part, taking what it needs from the front of `input`; to be called until there is none.
    ///
    /// # Errors
    /// If the bytes are no response; then everything is refused until [`reset`](Self::reset).
    pub fn next<'s>(&'s mut self, input: &mut &[u8]) -> Result<Option<StreamPart<'s>>, HttpError> {
        self.buffers.body.clear();
        match self.advance(input) {
            Ok(None) => Ok(None),
            Ok(Some(Step::Head(Head { status, keep_alive, .. }))) => {
                Ok(Some(StreamPart::Head(Response { status, body: &[], keep_alive, head: &self.head })))
            }
            Ok(Some(Step::Body)) => Ok(Some(StreamPart::Body(&self.buffers.body))),
            Ok(Some(Step::End)) => Ok(Some(StreamPart::End)),
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Step>, HttpError> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(*error),
                State::Ended if input.is_empty() => return Ok(None),
                State::Ended => return Err(HttpError::Unasked),
                State::Ending => {
                    self.state = State::Ended;
                    return Ok(Some(Step::End));
                }
                State::Head => {
                    let Some(head) = head::take(&mut self.head, input, self.limits.max_head_bytes)? else {
                        return Ok(None);
                    };
                    if head.is_interim() {
                        self.head.clear();
                        continue;
                    }
                    self.state = State::Body(head.body);
                    return Ok(Some(Step::Head(head)));
                }
                State::Body(body) => {
                    // What is kept of it is no more than this input.
                    if body.take(&mut self.buffers, input, usize::MAX)? {
                        self.state = State::Ending;
                    } else if self.buffers.body.is_empty() {
                        return Ok(None);
                    }
                    if !self.buffers.body.is_empty() {
                        return Ok(Some(Step::Body));
                    }
                }
            }
        }
    }
}

enum Step {
    Head(Head),
    Body,
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n";

    fn read(pieces: &[&[u8]]) -> Result<(bool, Vec<u8>, bool), HttpError> {
        let mut parser = StreamParser::new(HttpLimits { max_head_bytes: 128, max_body_bytes: 0 });
        let (mut is_stream, mut read, mut ended) = (false, Vec::new(), false);
        for piece in pieces {
            let mut input = *piece;
            while let Some(part) = parser.next(&mut input)? {
                match part {
                    StreamPart::Head(head) => is_stream = is_event_stream(&head),
                    StreamPart::Body(bytes) => read.extend_from_slice(bytes),
                    StreamPart::End => ended = true,
                }
            }
        }
        Ok((is_stream, read, ended))
    }

    #[test]
    fn a_head_without_end_is_refused_at_its_bound() {
        assert_eq!(read(&[HEAD.as_bytes(), &[b'x'; 200]]), Err(HttpError::HeadTooLong(128)));
    }

    #[test]
    fn an_answer_that_is_no_event_stream_is_known_by_its_head() {
        for head in [
            "HTTP/1.1 429 Too Many\r\nContent-Type: text/event-stream\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(read(&[head.as_bytes()]), Ok((false, vec![], false)), "{head}");
        }
        let open = format!("{HEAD}\r\nabc");
        assert_eq!(read(&[open.as_bytes(), b"def"]), Ok((true, b"abcdef".to_vec(), false)));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(mut cuts in prop::collection::vec(0..140_usize, 0..8)) {
            let whole = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
            cuts.retain(|cut| *cut <= whole.len());
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &whole.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), Ok((true, b"abcdefg".to_vec(), true)));
        }
    }
}

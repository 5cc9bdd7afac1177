//! Status line and headers, and what they say of the body.

use super::body::Body;
use super::{HttpError, MAX_HEADERS};

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Plain,
    /// By gzip.
    Gzip,
    /// In a way that was not asked for.
    Other,
}

/// What matters of a response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) keep_alive: bool,
    pub(super) body: Body,
    pub(super) coding: Coding,
}

impl Head {
    /// `100 Continue` and its like: the response proper is yet to come.
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200
    }
}

/// Takes bytes from `input` until `head` is whole; what follows the head stays in `input`.
pub(super) fn take(head: &mut Vec<u8>, input: &mut &[u8], max: usize) -> Result<Option<Head>, HttpError> {
    let before = head.len();
    let room = max - before;
    head.extend_from_slice(&input[..room.min(input.len())]);
    match parse(head)? {
        Some((length, found)) => {
            // Only this input can have brought the head's end.
            *input = &input[length - before..];
            head.truncate(length);
            Ok(Some(found))
        }
        None if input.len() > room => Err(HttpError::HeadTooLong(max)),
        None => {
            *input = &[];
            Ok(None)
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(usize, Head)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes).map_err(HttpError::Head)? else {
        return Ok(None);
    };
    let status = response.code.ok_or(HttpError::Head(httparse::Error::Status))?;
    let mut keep_alive = response.version == Some(1);
    let (mut content_length, mut chunked, mut coding) = (None, false, Coding::Plain);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let announced = decimal(header.value).ok_or(HttpError::ContentLength)?;
            if content_length.is_some_and(|other| other != announced) {
                return Err(HttpError::ContentLength);
            }
            content_length = Some(announced);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(HttpError::TransferEncoding);
            }
            chunked = true;
        } else if header.name.eq_ignore_ascii_case("content-encoding") {
            coding = coding_of(header.value, coding);
        } else if header.name.eq_ignore_ascii_case("connection") {
            let has = |token: &[u8]| header.value.split(|byte| *byte == b',').any(|part| is_token(part, token));
            keep_alive = (keep_alive || has(b"keep-alive")) && !has(b"close");
        }
    }
    let body = body_of(status, content_length, chunked)?;
    keep_alive &= body != Body::UntilClose;
    Ok(Some((length, Head { status, keep_alive, body, coding })))
}

/// The coding that a header names, after what others have named: one at most is taken.
fn coding_of(value: &[u8], before: Coding) -> Coding {
    let value = value.trim_ascii();
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    match before {
        before if is(b"identity") || is(b"") => before,
        Coding::Plain if is(b"gzip") || is(b"x-gzip") => Coding::Gzip,
        _ => Coding::Other,
    }
}

fn body_of(status: u16, content_length: Option<u64>, chunked: bool) -> Result<Body, HttpError> {
    if status < 200 || status == 204 || status == 304 {
        return Ok(Body::Length(0));
    }
    match (content_length, chunked) {
        // Two ends that may contradict each other are how responses are smuggled.
        (Some(_), true) => Err(HttpError::ContentLength),
        (Some(length), false) => Ok(Body::Length(length)),
        (None, true) => Ok(Body::chunks()),
        (None, false) => Ok(Body::UntilClose),
    }
}

fn is_token(part: &[u8], token: &[u8]) -> bool {
    part.trim_ascii().eq_ignore_ascii_case(token)
}

fn decimal(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

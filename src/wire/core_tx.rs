//! Submission to stellar-core's command port: `GET /tx?blob=…`, and what it answers (`CommandHandler::tx`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The largest envelope that is submitted, bytes: what a transaction of 100 operations needs.
pub const MAX_ENVELOPE_BYTES: usize = crate::stellar::transaction::MAX_TRANSACTION_BYTES;

/// Room for a request with the largest envelope: base64 takes four bytes for three, and the worst letter three for one.
pub const MAX_REQUEST_BYTES: usize = MAX_ENVELOPE_BYTES / 3 * 4 * 3 + 1024;

/// The largest answer that is read, bytes; core's are a few hundred.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Writes requests, into memory of its own.
#[derive(Debug)]
pub struct TxRequestWriter {
    base64: Box<[u8]>,
    request: Vec<u8>,
    tail: Vec<u8>,
}

impl TxRequestWriter {
    /// For the endpoint that is called `host` in the `Host` header.
    #[must_use]
    pub fn new(host: &str) -> Self {
        let tail = format!(" HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\r\n").into_bytes();
        let base64 = vec![0; MAX_ENVELOPE_BYTES / 3 * 4 + 8].into_boxed_slice();
        let mut request = Vec::with_capacity(MAX_REQUEST_BYTES + tail.len());
        request.extend_from_slice(b"GET /tx?blob=");
        Self { base64, request, tail }
    }

    /// The request that submits `envelope`. The base64 letters that mean something in a URL are escaped.
    ///
    /// # Panics
    /// If the envelope is larger than [`MAX_ENVELOPE_BYTES`].
    pub fn write(&mut self, envelope: &[u8]) -> &[u8] {
        assert!(envelope.len() <= MAX_ENVELOPE_BYTES, "an envelope of {} bytes is not ours", envelope.len());
        #[expect(clippy::expect_used, reason = "the buffer holds the largest envelope, asserted above")]
        let letters = STANDARD.encode_slice(envelope, &mut self.base64).expect("the buffer is large enough");
        self.request.truncate(b"GET /tx?blob=".len());
        for &letter in &self.base64[..letters] {
            match letter {
                b'+' => self.request.extend_from_slice(b"%2B"),
                b'/' => self.request.extend_from_slice(b"%2F"),
                b'=' => self.request.extend_from_slice(b"%3D"),
                _ => self.request.push(letter),
            }
        }
        self.request.extend_from_slice(&self.tail);
        &self.request
    }

    /// The last request written.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.request
    }
}

/// Core's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxAnswer {
    /// `PENDING`
    Pending,
    /// `DUPLICATE`
    Duplicate,
    /// `TRY_AGAIN_LATER`
    TryAgainLater,
    /// `ERROR`, with the `TransactionResultCode`.
    Error(i32),
    /// `FILTERED`: the node does not take such transactions.
    Filtered,
}

/// Why an answer cannot be understood. The transaction's fate is then unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxAnswerError {
    /// Not HTTP, or headers beyond bounds.
    #[error("the endpoint's answer is not HTTP: {0}")]
    NotHttp(httparse::Error),
    /// An HTTP status other than 200.
    #[error("the endpoint answered with HTTP status {0}: is this stellar-core's command port?")]
    Status(u16),
    /// More bytes than [`MAX_ANSWER_BYTES`].
    #[error("the endpoint's answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
    /// The body is none that core sends (an `exception`, say, which means that the blob was not understood).
    #[error("the endpoint's answer is none of stellar-core's")]
    NotUnderstood,
}

#[derive(serde::Deserialize)]
struct Body<'a> {
    status: &'a str,
    error: Option<&'a str>,
}

/// Gathers one answer.
#[derive(Debug)]
pub struct TxAnswerReader {
    bytes: Vec<u8>,
}

impl Default for TxAnswerReader {
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(MAX_ANSWER_BYTES) }
    }
}

impl TxAnswerReader {
    /// Forgets what was gathered: another request follows.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes bytes; the answer, once it is complete.
    ///
    /// # Errors
    /// If they cannot become an answer.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<TxAnswer>, TxAnswerError> {
        if self.bytes.len() + bytes.len() > MAX_ANSWER_BYTES {
            return Err(TxAnswerError::TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        self.parse(false)
    }

    /// The connection has been closed, which completes an answer that states no length.
    ///
    /// # Errors
    /// If what came is no answer.
    pub fn closed(&mut self) -> Result<Option<TxAnswer>, TxAnswerError> {
        self.parse(true)
    }

    fn parse(&self, closed: bool) -> Result<Option<TxAnswer>, TxAnswerError> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(&self.bytes).map_err(TxAnswerError::NotHttp)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let status = response.code.unwrap_or(0);
        if status != 200 {
            return Err(TxAnswerError::Status(status));
        }
        let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length = length.and_then(|header| core::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
        let body = &self.bytes[head..];
        match length {
            Some(length) if body.len() >= length => answer(&body[..length]).map(Some),
            None if closed => answer(body).map(Some),
            _ => Ok(None),
        }
    }
}

fn answer(body: &[u8]) -> Result<TxAnswer, TxAnswerError> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|_| TxAnswerError::NotUnderstood)?;
    match (body.status, body.error) {
        ("PENDING", _) => Ok(TxAnswer::Pending),
        ("DUPLICATE", _) => Ok(TxAnswer::Duplicate),
        ("TRY_AGAIN_LATER", _) => Ok(TxAnswer::TryAgainLater),
        ("FILTERED", _) => Ok(TxAnswer::Filtered),
        ("ERROR", Some(result)) => result_code(result).map(TxAnswer::Error).ok_or(TxAnswerError::NotUnderstood),
        _ => Err(TxAnswerError::NotUnderstood),
    }
}

/// The code of a base64 `TransactionResult`: it stands behind the fee charged.
fn result_code(result: &str) -> Option<i32> {
    let mut bytes = [0_u8; 12];
    // Sixteen letters are twelve bytes.
    let letters = result.as_bytes().get(..16)?;
    STANDARD.decode_slice(letters, &mut bytes).ok()?;
    bytes[8..].try_into().ok().map(i32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: &[u8], cut: usize) -> Result<Option<TxAnswer>, TxAnswerError> {
        let mut reader = TxAnswerReader::default();
        let cut = cut.min(response.len());
        if let Some(answer) = reader.push(&response[..cut])? {
            return Ok(Some(answer));
        }
        if let Some(answer) = reader.push(&response[cut..])? {
            return Ok(Some(answer));
        }
        reader.closed()
    }

    #[test]
    fn requests_escape_what_means_something_in_a_url() {
        let mut writer = TxRequestWriter::new("127.0.0.1:11626");
        let request = String::from_utf8(writer.write(&[0xfb, 0xff, 0xfe, 0xff]).to_vec()).unwrap();
        assert!(
            request.starts_with("GET /tx?blob=%2B%2F%2F%2B%2Fw%3D%3D HTTP/1.1\r\nHost: 127.0.0.1:11626\r\n"),
            "{request}"
        );
        let short = writer.write(&[0]).len();
        assert_eq!(writer.last().len(), short);
    }

    #[test]
    fn answers_are_read_wherever_they_are_cut() {
        let error = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n\
                     {\"status\":\"ERROR\",\"error\":\"AAAAAAAAAGT////7AAAAAA==\"}";
        let pending = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"status\":\"PENDING\"}";
        for cut in 0..error.len() {
            assert_eq!(read(error.as_bytes(), cut), Ok(Some(TxAnswer::Error(-5))));
            assert_eq!(read(pending.as_bytes(), cut), Ok(Some(TxAnswer::Pending)));
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_not_an_acceptance() {
        let ok = "HTTP/1.0 200 OK\r\n\r\n";
        for body in ["", "{}", "{\"exception\":\"bad\"}", "{\"status\":\"ERROR\"}", "{\"status\":\"YES\"}", "[1]"] {
            assert_eq!(read(format!("{ok}{body}").as_bytes(), 3), Err(TxAnswerError::NotUnderstood), "{body}");
        }
        assert_eq!(read(b"HTTP/1.1 503 Busy\r\n\r\n", 3), Err(TxAnswerError::Status(503)));
        assert!(matches!(read(b"SSH-2.0-x\r\n\r\n", 3), Err(TxAnswerError::NotHttp(_))));
        let endless = [ok.as_bytes(), &vec![b' '; MAX_ANSWER_BYTES]].concat();
        assert_eq!(read(&endless, 3), Err(TxAnswerError::TooLong));
    }
}

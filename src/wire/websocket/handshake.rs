//! The opening handshake.

use super::WebSocketError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// A request that is out, and what has come of its answer.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: String,
    head: Vec<u8>,
}

impl Handshake {
    pub(super) fn begin(host: &str, path: &str, nonce: [u8; 16], output: &mut Vec<u8>) -> Self {
        let key = STANDARD.encode(nonce);
        let request = [
            "GET ",
            path,
            " HTTP/1.1\r\nHost: ",
            host,
            "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            &key,
            "\r\nSec-WebSocket-Version: 13\r\n\r\n",
        ];
        request.iter().for_each(|part| output.extend_from_slice(part.as_bytes()));
        Self { accept: derive_accept_key(key.as_bytes()), head: Vec::new() }
    }

    /// Whether a part of the answer has come.
    pub(super) fn is_begun(&self) -> bool {
        !self.head.is_empty()
    }

    /// Takes the answer from the front of `input`; true once it is whole and good. What follows it stays.
    pub(super) fn take(&mut self, input: &mut &[u8]) -> Result<bool, WebSocketError> {
        let before = self.head.len();
        let room = MAX_HEAD_BYTES - before;
        self.head.extend_from_slice(&input[..room.min(input.len())]);
        match self.check()? {
            Some(length) => {
                *input = &input[length - before..];
                Ok(true)
            }
            None if input.len() > room => Err(WebSocketError::HeadTooLong(MAX_HEAD_BYTES)),
            None => {
                *input = &[];
                Ok(false)
            }
        }
    }

    /// The answer's length, once it is whole.
    fn check(&self) -> Result<Option<usize>, WebSocketError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(&self.head).map_err(WebSocketError::Head)? else {
            return Ok(None);
        };
        match response.code {
            Some(101) => {}
            other => return Err(WebSocketError::Refused(other.unwrap_or(0))),
        }
        let has = |name: &str, is: &dyn Fn(&[u8]) -> bool| {
            response.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name) && is(header.value))
        };
        let is_upgrade = |value: &[u8]| {
            value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        };
        let checks = [
            ("Upgrade", has("Upgrade", &|value| value.eq_ignore_ascii_case(b"websocket"))),
            ("Connection", has("Connection", &is_upgrade)),
            ("Sec-WebSocket-Accept", has("Sec-WebSocket-Accept", &|value| value == self.accept.as_bytes())),
            // Neither was asked for.
            ("Sec-WebSocket-Extensions", !has("Sec-WebSocket-Extensions", &|_| true)),
            ("Sec-WebSocket-Protocol", !has("Sec-WebSocket-Protocol", &|_| true)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((name, _)) => Err(WebSocketError::BadHandshake(name)),
            None => Ok(Some(length)),
        }
    }
}

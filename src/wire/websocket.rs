//! A WebSocket client (RFC 6455) without a socket: bytes in, bytes out. The frames are `tungstenite`'s; the opening
//! handshake is ours, so that it too can be cut anywhere.
//!
//! The key of the handshake comes from the caller. The masks of sent frames come from `tungstenite`, which asks the
//! system for randomness, as the protocol wants it: what is sent differs from run to run in its masks only.

mod boundary;
mod handshake;
mod memory;

use boundary::Boundary;
use handshake::Handshake;
use memory::Memory;
use std::io;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// What `tungstenite` sets aside for reading.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// The most that may wait to be sent.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// Where a client connects to, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketEndpoint {
    host: String,
    path: String,
    max_message_bytes: usize,
}

/// A host or path that cannot stand in a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot stand in a WebSocket request: printable ASCII without spaces is wanted, a path begins with '/'")]
pub struct BadEndpoint(String);

impl WebSocketEndpoint {
    /// An endpoint: `host` as in the `Host` header (with its port, unless that is the scheme's), `path` with its query.
    /// Messages longer than `max_message_bytes` are refused.
    ///
    /// # Errors
    /// If host or path would break the request.
    pub fn new(host: &str, path: &str, max_message_bytes: usize) -> Result<Self, BadEndpoint> {
        let printable = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !printable(host) {
            return Err(BadEndpoint(host.into()));
        }
        if !printable(path) || !path.starts_with('/') {
            return Err(BadEndpoint(path.into()));
        }
        Ok(Self { host: host.into(), path: path.into(), max_message_bytes })
    }
}

/// Why a connection is of no more use. Begin anew with a fresh one and [`WebSocketClient::open`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// The answer to the opening request is not HTTP.
    #[error("the server's handshake is not HTTP/1.x: {0}")]
    Head(httparse::Error),
    /// The answer's head is longer than 16 KiB.
    #[error("the server's handshake is longer than {0} bytes")]
    HeadTooLong(usize),
    /// The server does not want to.
    #[error("the server answered the handshake with status {0} instead of 101: is the address right?")]
    Refused(u16),
    /// The server agrees to something else than a plain WebSocket.
    #[error("the server's handshake has a wrong or missing '{0}' header")]
    BadHandshake(&'static str),
    /// A message longer than the bound.
    #[error("the server sent a message longer than {0} bytes")]
    Oversized(usize),
    /// A frame that is none.
    #[error("the server broke the WebSocket protocol: {0}")]
    Protocol(ProtocolError),
    /// A text message that is not UTF-8.
    #[error("the server sent a text message that is not UTF-8")]
    NotUtf8,
    /// More waits to be sent than is allowed.
    #[error("more than {MAX_OUTPUT_BYTES} bytes wait to be sent: the server is not reading")]
    OutputFull,
    /// There is no connection, or it has been closed.
    #[error("the WebSocket is not open")]
    NotOpen,
    /// The connection ended inside the handshake or a message.
    #[error("the connection ended inside a message")]
    Truncated,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketEvent<'a> {
    /// The handshake is done; messages may be sent.
    Opened,
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// The server closes. The farewell that the protocol wants is in the output.
    Closed,
}

/// The client's side of one connection after another.
#[derive(Debug)]
pub struct WebSocketClient {
    endpoint: WebSocketEndpoint,
    state: State,
    output: Vec<u8>,
    /// The message that was handed out last.
    message: Message,
}

#[derive(Debug)]
enum State {
    Closed,
    Opening(Handshake),
    Open(Box<WebSocketContext>, Boundary),
    Failed(WebSocketError),
}

impl WebSocketClient {
    /// A client without a connection.
    #[must_use]
    pub fn new(endpoint: WebSocketEndpoint) -> Self {
        Self { endpoint, state: State::Closed, output: Vec::new(), message: Message::Binary(Vec::new().into()) }
    }

    /// A fresh connection stands: puts the opening request into the output. `nonce` should never be the same twice.
    pub fn open(&mut self, nonce: [u8; 16]) {
        self.output.clear();
        self.state =
            State::Opening(Handshake::begin(&self.endpoint.host, &self.endpoint.path, nonce, &mut self.output));
    }

    /// The connection is gone.
    ///
    /// # Errors
    /// If it ended inside the handshake or a message.
    pub fn closed(&mut self) -> Result<(), WebSocketError> {
        let inside = match &self.state {
            State::Opening(handshake) => handshake.is_begun(),
            State::Open(_, boundary) => boundary.is_inside_message(),
            State::Closed | State::Failed(_) => false,
        };
        self.output.clear();
        self.state = State::Closed;
        if inside { Err(WebSocketError::Truncated) } else { Ok(()) }
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// All of the output has been taken.
    pub fn output_taken(&mut self) {
        self.output.clear();
    }

    /// The next event, taking what it needs from the front of `input`; `None` once the input is used up. Pings are
    /// answered into the output.
    ///
    /// # Errors
    /// If the server breaks the protocol or a bound; the same again until [`open`](Self::open).
    pub fn next<'s>(&'s mut self, input: &mut &[u8]) -> Result<Option<WebSocketEvent<'s>>, WebSocketError> {
        match self.advance(input) {
            Ok(Next::Nothing) => Ok(None),
            Ok(Next::Opened) => Ok(Some(WebSocketEvent::Opened)),
            Ok(Next::Message) => match &self.message {
                Message::Text(text) => Ok(Some(WebSocketEvent::Text(text.as_str()))),
                Message::Binary(bytes) => Ok(Some(WebSocketEvent::Binary(bytes))),
                _ => Ok(Some(WebSocketEvent::Closed)),
            },
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// Puts a text message into the output.
    ///
    /// # Errors
    /// If the connection is not open, or too much waits already.
    pub fn send_text(&mut self, text: &str) -> Result<(), WebSocketError> {
        let State::Open(context, _) = &mut self.state else { return Err(WebSocketError::NotOpen) };
        let mut nothing = &[][..];
        let mut memory = Memory { input: &mut nothing, output: &mut self.output, max_output: MAX_OUTPUT_BYTES };
        let max = self.endpoint.max_message_bytes;
        let sent = context.write(&mut memory, Message::text(text)).and_then(|()| context.flush(&mut memory));
        sent.map_err(|error| translate(error, max))
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Next, WebSocketError> {
        let max = self.endpoint.max_message_bytes;
        match &mut self.state {
            State::Closed => Err(WebSocketError::NotOpen),
            State::Failed(error) => Err(error.clone()),
            State::Opening(handshake) => {
                if !handshake.take(input)? {
                    return Ok(Next::Nothing);
                }
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BUFFER_BYTES)
                    .write_buffer_size(0)
                    .max_write_buffer_size(MAX_OUTPUT_BYTES)
                    .max_message_size(Some(max))
                    .max_frame_size(Some(max));
                let context = Box::new(WebSocketContext::new(Role::Client, Some(config)));
                self.state = State::Open(context, Boundary::default());
                Ok(Next::Opened)
            }
            State::Open(context, boundary) => {
                let before = *input;
                let mut memory = Memory { input, output: &mut self.output, max_output: MAX_OUTPUT_BYTES };
                let read = read_message(context, &mut memory);
                boundary.advance(&before[..before.len() - input.len()]);
                match read {
                    Ok(Some(message)) => {
                        self.message = message;
                        Ok(Next::Message)
                    }
                    Ok(None) => Ok(Next::Nothing),
                    Err(error) => Err(translate(error, max)),
                }
            }
        }
    }
}

/// The next message that the caller is to see; `None` once the input is used up.
fn read_message(context: &mut WebSocketContext, memory: &mut Memory<'_, '_>) -> Result<Option<Message>, Error> {
    loop {
        match context.read(memory) {
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Ok(message @ Message::Close(_)) => {
                context.flush(memory)?;
                return Ok(Some(message));
            }
            Ok(message) => return Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

enum Next {
    Nothing,
    Opened,
    Message,
}

fn translate(error: Error, max: usize) -> WebSocketError {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. } | CapacityError::TooManyHeaders) => {
            WebSocketError::Oversized(max)
        }
        Error::Protocol(error) => WebSocketError::Protocol(error),
        Error::Utf8(_) => WebSocketError::NotUtf8,
        // Memory's only error is to be full.
        Error::WriteBufferFull(_) | Error::Io(_) => WebSocketError::OutputFull,
        _ => WebSocketError::NotOpen,
    }
}

#[cfg(test)]
mod tests;

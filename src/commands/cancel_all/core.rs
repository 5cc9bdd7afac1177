//! stellar-core's command port, asked one thing at a time over plain blocking sockets, each with its time.

use crate::net::Endpoint;
use crate::wire::core_tx::{TxAnswer, TxAnswerError, TxAnswerReader, TxRequestWriter};
use crate::wire::http1::{HttpError, HttpLimits, ResponseParser};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a request with its answer may take from then on.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The port.
#[derive(Debug)]
pub(super) struct Core {
    host: String,
    port: u16,
    request: TxRequestWriter,
}

/// What core says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// The last closed ledger.
    pub(super) ledger: u32,
    /// Its base fee an operation, stroops.
    pub(super) base_fee: u32,
    /// The network's passphrase.
    pub(super) network: String,
}

/// Why core gave no answer. What became of a transaction is then unknown.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The socket.
    #[error("stellar-core at {host}:{port} cannot be asked: {error}")]
    Socket {
        /// Where.
        host: String,
        /// Which port.
        port: u16,
        /// Why.
        error: io::Error,
    },
    /// The answer to a transaction.
    #[error(transparent)]
    Answer(#[from] TxAnswerError),
    /// The answer to `/info` as HTTP.
    #[error("the answer to /info: {0}")]
    Http(#[from] HttpError),
    /// Its content.
    #[error("the answer to /info is none of stellar-core's: is this its command port?")]
    Info,
}

#[derive(serde::Deserialize)]
struct InfoBody {
    info: InfoFields,
}

#[derive(serde::Deserialize)]
struct InfoFields {
    ledger: LedgerFields,
    network: String,
}

#[derive(serde::Deserialize)]
struct LedgerFields {
    num: u32,
    #[serde(rename = "baseFee")]
    base_fee: u32,
}

impl Core {
    /// The port at a TCP endpoint; `None` at any other.
    pub(super) fn new(endpoint: &Endpoint) -> Option<Self> {
        let Endpoint::Tcp { host, port } = endpoint else { return None };
        let named = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Some(Self { host: host.clone(), port: *port, request: TxRequestWriter::new(&named) })
    }

    /// Keeps the envelope for [`submit`](Self::submit).
    pub(super) fn load(&mut self, envelope: &[u8]) {
        self.request.write(envelope);
    }

    /// Sends the last envelope that was loaded, again if it was sent before.
    pub(super) fn submit(&self) -> Result<TxAnswer, CoreError> {
        let mut reader = TxAnswerReader::default();
        self.exchange(self.request.last(), |bytes| {
            let answer = if bytes.is_empty() { reader.closed()? } else { reader.push(bytes)? };
            Ok(answer)
        })
    }

    /// Asks for `/info`.
    pub(super) fn info(&self) -> Result<Info, CoreError> {
        let request = format!("GET /info HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n", self.host);
        let mut parser = ResponseParser::new(HttpLimits::default());
        parser.expect();
        let parse = |status: u16, body: &[u8]| {
            let body: InfoBody = serde_json::from_slice(body).ok().filter(|_| status == 200).ok_or(CoreError::Info)?;
            let InfoFields { ledger, network } = body.info;
            Ok(Info { ledger: ledger.num, base_fee: ledger.base_fee, network })
        };
        self.exchange(request.as_bytes(), |mut bytes| {
            let response = if bytes.is_empty() { parser.finish()? } else { parser.next(&mut bytes)? };
            response.map(|response| parse(response.status, response.body)).transpose()
        })
    }

    /// Sends a request over a connection of its own, and hands what comes to `take` until that has an answer; no bytes
    /// are the connection's end.
    fn exchange<A>(
        &self,
        request: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<Option<A>, CoreError>,
    ) -> Result<A, CoreError> {
        let failed = |error| CoreError::Socket { host: self.host.clone(), port: self.port, error };
        let mut socket = self.connect().map_err(failed)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        socket.set_write_timeout(Some(ANSWER_WITHIN)).map_err(failed)?;
        socket.write_all(request).map_err(failed)?;
        let mut buffer = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failed(io::ErrorKind::TimedOut.into()));
            }
            socket.set_read_timeout(Some(left)).map_err(failed)?;
            let count = match socket.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(failed)?,
            };
            match take(&buffer[..count])? {
                Some(answer) => return Ok(answer),
                None if count == 0 => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                None => {}
            }
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_WITHIN) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

//! stellar-core's HTTP command port: `/tx?blob=…` and `/info`, on the loopback.
//!
//! As in core (`lib/http`, `src/main/CommandHandler.cpp`): HTTP/1.0, one request a connection, the connection closed
//! after the answer; every answer is 200 with JSON, and what went wrong stands in the JSON; the whole URI is
//! percent-decoded with `+` as a space, so a base64 blob must escape its plus signs.

use super::serve::Server;
use super::world::Submission;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use stellar_xdr::{Limits, WriteXdr};

/// Connections at once; one more is closed without a byte.
pub(crate) const MAX_CONNECTIONS: usize = 64;
/// The longest request head: a transaction of a hundred operations is about 30 KB in a URL.
pub(crate) const MAX_REQUEST_BYTES: usize = 128 * 1024;
/// Header lines in a request.
const MAX_HEADERS: usize = 64;
/// How long a connection may be idle before its request: clients keep warm ones.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a request may take to arrive once its first byte has.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What stands behind the port.
pub(crate) trait Core: Send + Sync + 'static {
    /// Takes a transaction envelope in XDR.
    fn submit(&self, envelope: &[u8]) -> Submission;
    /// The state that `/info` shows.
    fn info(&self) -> CoreInfo;
}

/// What `/info` shows.
#[derive(Clone, Debug)]
pub(crate) struct CoreInfo {
    /// Number of the last closed ledger.
    pub(crate) ledger: u32,
    /// Its hash.
    pub(crate) hash: [u8; 32],
    /// Its close time, seconds since 1970.
    pub(crate) close_time_s: u64,
    /// Seconds since then.
    pub(crate) age_s: u64,
    /// Base fee, stroops.
    pub(crate) base_fee: u32,
    /// Base reserve, stroops.
    pub(crate) base_reserve: u32,
    /// Operations a ledger.
    pub(crate) max_tx_set_size: u32,
    /// Protocol version.
    pub(crate) version: u32,
    /// The network's passphrase.
    pub(crate) network: String,
}

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct CoreHttp {
    server: Server<TcpListener>,
    address: SocketAddr,
}

impl CoreHttp {
    /// Serves `core`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(listener: TcpListener, core: impl Core) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let server = Server::start("sandbox-core", listener, MAX_CONNECTIONS, move |socket| {
            // The peer went, or was too slow: there is nobody to tell.
            let _ = serve(socket, &core);
        })?;
        Ok(Self { server, address })
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were turned away because there were too many.
    pub(crate) fn refused(&self) -> u64 {
        self.server.refused()
    }

    /// Closes every connection and waits for the threads.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}

fn serve(mut socket: &TcpStream, core: &impl Core) -> io::Result<()> {
    let response = match read_request(socket)? {
        Some(uri) => respond(&uri, core),
        None => bad_request(),
    };
    socket.write_all(&response)
}

/// Reads a request head and gives its URI; `None` if it is none, or too long. A body, if there is one, is not read:
/// core does not either.
fn read_request(mut socket: &TcpStream) -> io::Result<Option<String>> {
    socket.set_read_timeout(Some(IDLE_TIMEOUT))?;
    socket.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let mut head = Vec::with_capacity(4096);
    let mut chunk = [0; 16 * 1024];
    let mut deadline = None;
    loop {
        let count = socket.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let searched = head.len().saturating_sub(3);
        head.extend_from_slice(&chunk[..count]);
        if head[searched..].windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(uri_of(&head));
        }
        if head.len() > MAX_REQUEST_BYTES {
            return Ok(None);
        }
        let deadline = *deadline.get_or_insert_with(|| Instant::now() + REQUEST_TIMEOUT);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
    }
}

fn uri_of(head: &[u8]) -> Option<String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => request.path.and_then(url_decode),
        _ => None,
    }
}

/// Percent-decoding as core does it, of the whole URI.
fn url_decode(uri: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(uri.len());
    let mut bytes = uri.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                *hex::decode(digits).ok()?.first()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn respond(uri: &str, core: &impl Core) -> Vec<u8> {
    let uri = uri.strip_prefix('/').unwrap_or(uri);
    let (command, parameters) = uri.split_once('?').map_or((uri, None), |(command, rest)| (command, Some(rest)));
    match command {
        "tx" => ok("application/json", &submit(parameters, core)),
        "info" => ok("application/json", &info(&core.info())),
        _ => ok("text/html", "<b>Welcome to the sandbox of a stellar-core!</b><p>It knows tx and info.</p>"),
    }
}

fn submit(parameters: Option<&str>, core: &impl Core) -> String {
    let Some(blob) = parameters.and_then(|parameters| parameters.strip_prefix("blob=")) else {
        return exception("Must specify a tx blob: tx?blob=<tx in xdr format>");
    };
    let envelope = match BASE64.decode(blob) {
        Ok(envelope) => envelope,
        Err(error) => return exception(&format!("blob is not base64: {error}")),
    };
    match core.submit(&envelope) {
        Submission::Pending => status("PENDING"),
        Submission::Duplicate => status("DUPLICATE"),
        Submission::TryAgainLater => status("TRY_AGAIN_LATER"),
        Submission::Error(result) => match result.to_xdr_base64(Limits::none()) {
            Ok(result) => format!("{{\"error\":\"{result}\",\"status\":\"ERROR\"}}\n"),
            Err(error) => exception(&error.to_string()),
        },
        Submission::Malformed(why) => exception(&why),
    }
}

fn status(status: &str) -> String {
    format!("{{\"status\":\"{status}\"}}\n")
}

/// Core's words here are those of whatever C++ exception came up; clients can rely on the key alone.
fn exception(what: &str) -> String {
    format!(r#"{{"exception": {}}}"#, serde_json::Value::from(what))
}

/// `/info` with the members and the layout of core's; what a single process cannot have (peers, quorum) is empty.
fn info(info: &CoreInfo) -> String {
    format!(
        r#"{{
   "info" : {{
      "build" : "stellar-connector sandbox {build}",
      "history_failure_rate" : "0",
      "ledger" : {{
         "age" : {age},
         "baseFee" : {base_fee},
         "baseReserve" : {base_reserve},
         "closeTime" : {close_time},
         "hash" : "{hash}",
         "maxTxSetSize" : {max_tx_set_size},
         "num" : {num},
         "version" : {version}
      }},
      "network" : {network},
      "peers" : {{
         "authenticated_count" : 0,
         "pending_count" : 0
      }},
      "protocol_version" : {version},
      "quorum" : {{}},
      "state" : "Synced!"
   }}
}}
"#,
        build = env!("CARGO_PKG_VERSION"),
        age = info.age_s,
        base_fee = info.base_fee,
        base_reserve = info.base_reserve,
        close_time = info.close_time_s,
        hash = hex::encode(info.hash),
        max_tx_set_size = info.max_tx_set_size,
        num = info.ledger,
        version = info.version,
        network = serde_json::Value::from(info.network.as_str()),
    )
}

fn ok(content_type: &str, content: &str) -> Vec<u8> {
    response("200 OK", content_type, content)
}

fn bad_request() -> Vec<u8> {
    let page = "<html><head><title>Bad Request</title></head><body><h1>400 Bad Request</h1></body></html>";
    response("400 Bad Request", "text/html", page)
}

fn response(status: &str, content_type: &str, content: &str) -> Vec<u8> {
    let length = content.len();
    format!("HTTP/1.0 {status}\r\nContent-Length: {length}\r\nContent-Type: {content_type}\r\n\r\n{content}")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use stellar_xdr::{TransactionResult, TransactionResultExt, TransactionResultResult};

    /// Answers by the envelope's first byte.
    struct Scripted(Arc<AtomicUsize>);

    impl Core for Scripted {
        fn submit(&self, envelope: &[u8]) -> Submission {
            self.0.fetch_add(1, Ordering::SeqCst);
            match envelope.first() {
                Some(1) => Submission::Pending,
                Some(2) => Submission::Duplicate,
                Some(3) => Submission::TryAgainLater,
                Some(4) => Submission::Error(TransactionResult {
                    fee_charged: 100,
                    result: TransactionResultResult::TxBadSeq,
                    ext: TransactionResultExt::V0,
                }),
                _ => Submission::Malformed("it says \"no\"".into()),
            }
        }

        fn info(&self) -> CoreInfo {
            CoreInfo {
                ledger: 7,
                hash: [0xab; 32],
                close_time_s: 1000,
                age_s: 1,
                base_fee: 100,
                base_reserve: 5_000_000,
                max_tx_set_size: 1000,
                version: 23,
                network: "A \"network\"".into(),
            }
        }
    }

    fn start() -> (CoreHttp, Arc<AtomicUsize>) {
        let submitted = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (CoreHttp::start(listener, Scripted(Arc::clone(&submitted))).unwrap(), submitted)
    }

    fn exchange(server: &CoreHttp, request: &[u8]) -> String {
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(request).unwrap();
        let mut response = Vec::new();
        // The end of the response is the end of the connection.
        let _ = client.read_to_end(&mut response);
        String::from_utf8(response).unwrap()
    }

    fn get(server: &CoreHttp, uri: &str) -> String {
        let response = exchange(server, format!("GET {uri} HTTP/1.1\r\nHost: core\r\n\r\n").as_bytes());
        let (head, content) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", content.len())), "{head}");
        content.into()
    }

    #[test]
    fn answers_are_those_of_core() {
        let (server, _) = start();
        assert_eq!(get(&server, "/tx?blob=AQ%3D%3D"), "{\"status\":\"PENDING\"}\n");
        assert_eq!(get(&server, "/tx?blob=Ag=="), "{\"status\":\"DUPLICATE\"}\n");
        assert_eq!(get(&server, "/tx?blob=Aw=="), "{\"status\":\"TRY_AGAIN_LATER\"}\n");
        let error = "{\"error\":\"AAAAAAAAAGT////7AAAAAA==\",\"status\":\"ERROR\"}\n";
        assert_eq!(get(&server, "/tx?blob=BA=="), error);
        assert_eq!(get(&server, "/tx?blob=BQ=="), r#"{"exception": "it says \"no\""}"#);
        for uri in ["/tx", "/tx?", "/tx?tx=AQ==", "/tx?blob=***", "/tx?blob=++++"] {
            assert!(get(&server, uri).starts_with(r#"{"exception": ""#), "{uri}");
        }
        let info: serde_json::Value = serde_json::from_str(&get(&server, "/info")).unwrap();
        assert_eq!(info["info"]["ledger"]["num"], 7);
        assert_eq!(info["info"]["network"], "A \"network\"");
        assert!(get(&server, "/nothing").contains("Welcome"));
    }

    #[test]
    fn a_hundred_operations_fit_and_more_than_the_bound_does_not() {
        let (server, submitted) = start();
        let fits = "AQAA".repeat(10_000);
        assert_eq!(get(&server, &format!("/tx?blob={fits}")), "{\"status\":\"PENDING\"}\n");
        let too_long = format!("GET /tx?blob={}", "A".repeat(MAX_REQUEST_BYTES + 1));
        let response = exchange(&server, too_long.as_bytes());
        assert!(response.is_empty() || response.starts_with("HTTP/1.0 400"), "{response}");
        assert_eq!(submitted.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn connections_that_wait_before_their_request_hold_up_nobody() {
        let (server, _) = start();
        let mut warm = TcpStream::connect(server.address()).unwrap();
        assert_eq!(get(&server, "/tx?blob=AQ=="), "{\"status\":\"PENDING\"}\n");
        warm.write_all(b"GET /tx?blob=AQ== HTTP/1.1\r\n").unwrap();
        assert_eq!(get(&server, "/tx?blob=AQ=="), "{\"status\":\"PENDING\"}\n");
        warm.write_all(b"\r\n").unwrap();
        let mut response = String::new();
        warm.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("{\"status\":\"PENDING\"}\n"), "{response}");
    }

    #[test]
    fn what_is_no_request_is_a_bad_request() {
        let (server, submitted) = start();
        for request in ["nonsense\r\n\r\n", "GET /tx?blob=%zz HTTP/1.1\r\n\r\n", "GET /%e0 HTTP/1.1\r\n\r\n"] {
            assert!(exchange(&server, request.as_bytes()).starts_with("HTTP/1.0 400"), "{request}");
        }
        assert_eq!(submitted.load(Ordering::SeqCst), 0);
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_what_it_was(text in "[ -~]{0,40}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(url_decode(&escaped), Some(text));
        }
    }
}

//! Whom a recorder meets: a core that streams over TCP, and servers of files.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use stellar_xdr::{LedgerCloseMeta, LedgerCloseMetaBatch, Limits, ReadXdr, WriteXdr};

/// A folder of a test's own.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("record-command-{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A core that closes a ledger every few milliseconds, and sends it to whoever is connected; if nobody is, it is lost.
pub(crate) struct TcpStreamer {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The number of the last ledger that has closed.
    closed: AtomicU32,
    lost: AtomicU32,
    hurry: AtomicBool,
    end: AtomicBool,
}

impl TcpStreamer {
    /// The ledgers' numbers are taken to begin with 2, in [`sent`](Self::sent).
    pub(crate) fn start(ledgers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let core = Arc::clone(&shared);
        shared.closed.store(1, Ordering::SeqCst);
        thread::spawn(move || {
            let mut reader: Option<TcpStream> = None;
            let mut ledgers = ledgers.iter();
            while !core.end.load(Ordering::SeqCst) {
                if let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(false).unwrap();
                    reader = Some(socket);
                }
                // It hurries only for somebody who listens, and begins when somebody has come.
                let began = core.closed.load(Ordering::SeqCst) > 1;
                let hurry = core.hurry.load(Ordering::SeqCst);
                if reader.is_none() && (hurry || !began) {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                }
                let Some(ledger) = ledgers.next() else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                if !core.send(&mut reader, &super::recorded::marked(ledger)) {
                    core.lost.fetch_add(1, Ordering::SeqCst);
                }
                core.closed.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(if hurry { 1 } else { 10 }));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// The number of the last ledger that has closed.
    pub(crate) fn sent(&self) -> u32 {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// Ledgers that nobody was there for.
    pub(crate) fn lost(&self) -> u32 {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// Sends what is left as soon as somebody listens.
    pub(crate) fn hurry(&self) {
        self.shared.hurry.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    /// In two pieces, so that a recorder may be killed between them.
    fn send(&self, reader: &mut Option<TcpStream>, record: &[u8]) -> bool {
        let Some(socket) = reader else { return false };
        let (first, second) = record.split_at(record.len() / 2);
        let sent = socket.write_all(first).and_then(|()| socket.write_all(second));
        if sent.is_err() {
            *reader = None;
        }
        sent.is_ok()
    }
}

impl Drop for TcpStreamer {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
    }
}

/// Writes ledgers, the first of them ledger 2, as a data lake of one ledger an object.
pub(crate) fn write_lake(folder: &Path, ledgers: &[Vec<u8>], per_partition: u32) {
    let config = format!(
        r#"{{"networkPassphrase": "a network", "version": "1.0", "compression": "zstd",
            "ledgersPerBatch": 1, "batchesPerPartition": {per_partition}}}"#
    );
    fs::write(folder.join(".config.json"), config).unwrap();
    for (seq, ledger) in (2..).zip(ledgers) {
        let meta = LedgerCloseMeta::from_xdr(ledger, Limits::none()).unwrap();
        let ledger_close_metas = vec![meta].try_into().unwrap();
        let batch = LedgerCloseMetaBatch { start_sequence: seq, end_sequence: seq, ledger_close_metas };
        let packed = zstd::encode_all(&batch.to_xdr(Limits::none()).unwrap()[..], 3).unwrap();
        let first = seq / per_partition * per_partition;
        let partition = folder.join(format!("{:08X}--{first}-{}", u32::MAX - first, first + per_partition - 1));
        fs::create_dir_all(&partition).unwrap();
        fs::write(partition.join(format!("{:08X}--{seq}.xdr.zst", u32::MAX - seq)), packed).unwrap();
    }
}

/// An HTTP server of a folder's files, one request a connection.
pub(crate) struct FileServer {
    port: u16,
    served: Arc<Served>,
}

struct Served {
    folder: PathBuf,
    requests: AtomicU32,
    fail_every: AtomicU32,
    failed: AtomicU32,
    end: AtomicBool,
}

impl FileServer {
    pub(crate) fn start(folder: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let zero = || AtomicU32::new(0);
        let (folder, end) = (folder.to_owned(), AtomicBool::new(false));
        let served = Arc::new(Served { folder, requests: zero(), fail_every: zero(), failed: zero(), end });
        let serving = Arc::clone(&served);
        thread::spawn(move || {
            for socket in listener.incoming().map(Result::unwrap) {
                if serving.end.load(Ordering::SeqCst) {
                    return;
                }
                socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
                // A client that goes away, or distrusts, is its own affair.
                let _done = match &tls {
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        let mut stream = StreamOwned::new(connection, socket);
                        serving.answer(&mut stream).and_then(|()| {
                            stream.conn.send_close_notify();
                            stream.flush()
                        })
                    }
                    None => serving.answer(&mut &socket),
                };
            }
        });
        Self { port, served }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers one request in so many with status 503.
    pub(crate) fn fail_every(&self, requests: u32) {
        self.served.fail_every.store(requests, Ordering::SeqCst);
    }

    pub(crate) fn failed(&self) -> u32 {
        self.served.failed.load(Ordering::SeqCst)
    }
}

impl Served {
    fn answer(&self, stream: &mut (impl Read + Write)) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.strip_prefix("GET /").unwrap().split(' ').next().unwrap();
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.fail_every.load(Ordering::SeqCst);
        let (status, body) = if every > 0 && number.is_multiple_of(every) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            ("503 Service Unavailable", b"busy".to_vec())
        } else {
            match fs::read(self.folder.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            }
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
        stream.flush()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.served.end.store(true, Ordering::SeqCst);
        // Wakes it up, to see that.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A certificate authority, with its root in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: Directory,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = Directory::new("authority");
        fs::write(root.0.join("root.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A server's configuration, with a certificate for localhost.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }
}

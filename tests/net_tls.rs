//! TLS connections of the network room against a real rustls server on loopback, with certificates made on the spot.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail the test")]

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stellar_connector::events::{ConnId, NetEvent, Outbox};
use stellar_connector::net::{ConnSettings, ConnSnapshot, ConnState, Endpoint, Reactor, Roots, Timing};
use stellar_connector::pipeline::allocations::{CountingAllocator, allocations_on_this_thread};
use stellar_connector::pipeline::clock::SystemClock;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Far longer than anything here takes: it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

const BRISK: Timing = Timing {
    connect_timeout: Duration::from_millis(300),
    first_backoff: Duration::from_millis(2),
    longest_backoff: Duration::from_millis(20),
    settled: Duration::from_secs(300),
};

/// An authority with its root in a PEM file, which goes with it.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("net-tls-{}-{number}.pem", std::process::id()));
        fs::write(&root, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A server's configuration, with a certificate for `names` that `change` may spoil.
    fn server(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }

    fn roots(&self) -> Roots {
        Roots::PemFile(self.root.clone())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.root));
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>) -> StreamOwned<ServerConnection, TcpStream> {
    let (stream, _) = listener.accept().unwrap();
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

struct Client {
    reactor: Reactor<SystemClock>,
    opened: u32,
    closed: u32,
    bytes: Vec<u8>,
}

impl Client {
    fn new(host: &str, port: u16, roots: Roots, timing: Timing) -> Self {
        Self::with_settings(ConnSettings::lasting(Endpoint::Tls { host: host.into(), port, roots }), timing)
    }

    fn with_settings(settings: ConnSettings, timing: Timing) -> Self {
        let reactor = Reactor::new(&[settings], timing, 11, SystemClock).unwrap();
        Self { reactor, opened: 0, closed: 0, bytes: Vec::new() }
    }

    fn turn(&mut self) {
        self.reactor
            .poll(Duration::from_millis(10), |_, event| match event {
                NetEvent::Opened(_) => self.opened += 1,
                NetEvent::Closed(_) => self.closed += 1,
                NetEvent::Bytes(_, bytes) => self.bytes.extend_from_slice(bytes),
            })
            .unwrap();
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            assert!(started.elapsed() < PATIENCE, "at {:?}", self.stats());
            self.turn();
        }
    }

    fn stats(&self) -> ConnSnapshot {
        self.reactor.stats().snapshots().next().unwrap()
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut outbox = Outbox::new(bytes.len());
        outbox.push(bytes).unwrap();
        let started = Instant::now();
        while !outbox.waiting().is_empty() {
            assert!(started.elapsed() < PATIENCE, "{} bytes still wait", outbox.waiting().len());
            self.reactor.flush(ConnId(0), &mut outbox);
            self.turn();
        }
    }

    /// Waits for a failure, and says which; the connection must never have opened.
    fn refusal(mut self) -> String {
        self.until(|client| client.stats().failed > 0);
        assert_eq!((self.opened, self.closed, self.stats().opened), (0, 0, 0));
        self.stats().last_error
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A server for one connection that is expected to fail in its handshake.
fn with_refused_server(config: Arc<ServerConfig>, client: impl FnOnce(u16)) {
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener, &config);
        stream.conn.complete_io(&mut stream.sock).expect_err("the client refuses").to_string()
    });
    client(port);
    let said = server.join().unwrap();
    assert!(said.contains("alert"), "the server is told why: {said}");
}

#[test]
fn the_right_root_opens_and_megabytes_go_both_ways() {
    let authority = Authority::new("right");
    let config = authority.server(&["localhost", "127.0.0.1"], |_| ());
    for host in ["localhost", "127.0.0.1"] {
        let (listener, port) = listener();
        let config = Arc::clone(&config);
        let sent = pattern(3 << 20);
        let length = sent.len();
        let server = thread::spawn(move || {
            let mut stream = accept(&listener, &config);
            let mut got = vec![0; length];
            stream.read_exact(&mut got).unwrap();
            stream.write_all(&got).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        });
        let mut client = Client::new(host, port, authority.roots(), Timing::default());
        client.until(|client| client.opened == 1);
        client.send(&sent);
        client.until(|client| client.closed == 1);
        assert!(client.bytes == sent);
        assert_eq!(client.stats().last_error, "the peer closed the connection");
        assert_eq!((client.stats().bytes_in, client.stats().bytes_out), (length as u64, length as u64));
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_speaks_first_is_heard_from_its_first_byte() {
    let authority = Authority::new("first");
    let config = authority.server(&["127.0.0.1"], |_| ());
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener, &config);
        stream.write_all(&pattern(200_000)).unwrap();
        stream.flush().unwrap();
        stream
    });
    let mut client = Client::new("127.0.0.1", port, authority.roots(), Timing::default());
    client.until(|client| client.bytes.len() == 200_000);
    assert_eq!((client.opened, client.closed), (1, 0));
    assert!(client.bytes == pattern(200_000));
    // Without TLS's good-bye, an end may be somebody's scissors; the statistics say so.
    drop(server.join().unwrap().sock);
    client.until(|client| client.closed == 1);
    assert!(client.stats().last_error.contains("without TLS's good-bye"));
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("name");
    with_refused_server(authority.server(&["elsewhere.example"], |_| ()), |port| {
        let error = Client::new("localhost", port, authority.roots(), Timing::default()).refusal();
        assert!(error.contains("not valid for name \"localhost\""), "{error}");
        assert!(error.ends_with("; use a host name that the certificate is for"), "{error}");
    });
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new("expired");
    let expired = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
    };
    with_refused_server(authority.server(&["localhost"], expired), |port| {
        let error = Client::new("localhost", port, authority.roots(), Timing::default()).refusal();
        assert!(error.contains("certificate expired"), "{error}");
        assert!(error.ends_with("; the server must renew it, or this machine's clock is wrong"), "{error}");
    });
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    with_refused_server(theirs.server(&["localhost"], |_| ()), |port| {
        let error = Client::new("localhost", port, ours.roots(), Timing::default()).refusal();
        assert!(error.contains("UnknownIssuer"), "{error}");
        assert!(error.ends_with("name its root's PEM file"), "{error}");
    });
}

#[test]
fn a_refused_certificate_waits_the_longest_pause_at_once() {
    let authority = Authority::new("patience");
    let config = authority.server(&["elsewhere.example"], |_| ());
    let (listener, port) = listener();
    let timing = Timing { longest_backoff: Duration::from_secs(600), connect_timeout: PATIENCE, ..BRISK };
    let mut client = Client::new("127.0.0.1", port, authority.roots(), timing);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = accept(&listener, &config);
            drop(stream.conn.complete_io(&mut stream.sock));
        });
        client.until(|client| client.stats().failed == 1);
    });
    (0..20).for_each(|_| client.turn());
    assert_eq!((client.stats().state, client.stats().failed), (ConnState::Waiting, 1));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody tries again");
}

#[test]
fn a_peer_that_never_shakes_hands_is_given_up_and_tried_again() {
    let authority = Authority::new("silent");
    let (listener, port) = listener();
    let mut client = Client::new("127.0.0.1", port, authority.roots(), BRISK);
    client.until(|client| client.stats().failed >= 2);
    assert_eq!(client.stats().last_error, "no connection within the time allowed, while in the TLS handshake");
    assert!(listener.accept().is_ok() && listener.accept().is_ok());
    assert_eq!((client.opened, client.closed), (0, 0));
}

#[test]
fn a_peer_that_speaks_no_tls_is_an_error_and_no_bytes() {
    let authority = Authority::new("plain");
    let (listener, port) = listener();
    let mut client = Client::new("127.0.0.1", port, authority.roots(), Timing { connect_timeout: PATIENCE, ..BRISK });
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Read first: closing with something unread would be a reset, which is another error.
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    client.until(|client| client.stats().failed >= 1);
    assert!(client.stats().last_error.contains("corrupt message"), "{}", client.stats().last_error);
    assert_eq!((client.opened, client.bytes.len()), (0, 0));
    server.join().unwrap();
}

#[test]
fn a_dripping_server_is_heard_record_by_record() {
    let authority = Authority::new("drip");
    let config = authority.server(&["127.0.0.1"], |_| ());
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener, &config);
        stream.sock.set_nodelay(true).unwrap();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        // The ciphertext of two records, a byte at a time.
        stream.conn.writer().write_all(b"drip").unwrap();
        stream.conn.writer().write_all(b"drop").unwrap();
        let mut cipher = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut cipher).unwrap();
        }
        for byte in cipher {
            stream.sock.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_micros(200));
        }
        stream
    });
    let mut client = Client::new("127.0.0.1", port, authority.roots(), Timing::default());
    client.until(|client| client.bytes == b"dripdrop");
    drop(server.join().unwrap());
}

#[test]
fn a_server_that_answers_once_is_shaken_hands_with_again_at_once() {
    const ROUNDS: u32 = 10;
    let authority = Authority::new("once");
    let config = authority.server(&["127.0.0.1"], |_| ());
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        for _ in 0..ROUNDS {
            let mut stream = accept(&listener, &config);
            stream.read_exact(&mut [0; 3]).unwrap();
            stream.write_all(b"200").unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        let mut last = accept(&listener, &config);
        last.conn.complete_io(&mut last.sock).unwrap();
    });
    // A pause would last longer than the test's patience.
    let pause = PATIENCE * 20;
    let timing = Timing { connect_timeout: PATIENCE, first_backoff: pause, longest_backoff: pause, settled: pause };
    let endpoint = Endpoint::Tls { host: "127.0.0.1".into(), port, roots: authority.roots() };
    let mut client = Client::with_settings(ConnSettings::answers_once(endpoint), timing);
    for round in 1..=ROUNDS {
        client.until(|client| client.opened == round);
        client.send(b"GET");
        client.until(|client| client.closed == round);
    }
    client.until(|client| client.opened == ROUNDS + 1);
    assert_eq!(client.bytes.len(), 3 * ROUNDS as usize);
    server.join().unwrap();
}

#[test]
fn what_tls_allocates_for_a_message_is_small_and_does_not_grow() {
    const ROUNDS: usize = 50;
    let authority = Authority::new("allocations");
    let config = authority.server(&["127.0.0.1"], |_| ());
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener, &config);
        let mut request = [0; 300];
        for _ in 0..ROUNDS {
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&request).unwrap();
        }
    });
    let mut client = Client::new("127.0.0.1", port, authority.roots(), Timing::default());
    client.until(|client| client.opened == 1);
    let mut outbox = Outbox::new(300);
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let before = allocations_on_this_thread();
        outbox.push(&[3; 300]).unwrap();
        client.reactor.flush(ConnId(0), &mut outbox);
        let mut got = 0;
        while got < 300 {
            let count = |_, event: NetEvent<'_>| {
                got += if let NetEvent::Bytes(_, bytes) = event { bytes.len() } else { 0 };
            };
            client.reactor.poll(Duration::from_millis(20), count).unwrap();
        }
        rounds.push(allocations_on_this_thread().since(before));
    }
    server.join().unwrap();
    let warm = &rounds[ROUNDS / 2..];
    let (most, least) = (warm.iter().map(|r| r.count).max().unwrap(), warm.iter().map(|r| r.count).min().unwrap());
    println!("rustls: {least} to {most} allocations for a message out and one in, {} bytes", warm[0].bytes);
    assert!(most <= 16, "{rounds:?}");
}

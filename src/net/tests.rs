//! The reactor against real sockets, pipes and peers that misbehave.

use super::*;
use crate::events::{ConnId, MonoNanos, NetEvent, Now, Outbox, UtcNanos};
use crate::pipeline::allocations::{Allocations, allocations_on_this_thread};
use crate::pipeline::clock::{Clock, ManualClock, SystemClock};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything here takes: it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses so long that a test which has to sit through one fails.
const IMPATIENT: Timing = Timing {
    connect_timeout: Duration::from_secs(20),
    first_backoff: Duration::from_secs(300),
    longest_backoff: Duration::from_secs(300),
    settled: Duration::from_secs(300),
};

/// Pauses that a test can sit through.
const BRISK: Timing = Timing {
    connect_timeout: Duration::from_millis(200),
    first_backoff: Duration::from_millis(2),
    longest_backoff: Duration::from_millis(20),
    settled: Duration::from_millis(100),
};

const CONN: ConnId = ConnId(0);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Opened(u8),
    Bytes(u8, Vec<u8>),
    Closed(u8),
}

/// A reactor with a log of what it said; bytes that follow each other are joined.
struct Driven<C> {
    reactor: Reactor<C>,
    seen: Vec<Seen>,
}

impl<C: Clock> Driven<C> {
    fn new(settings: &[ConnSettings], timing: Timing, clock: C) -> Self {
        Self { reactor: Reactor::new(settings, timing, 7, clock).unwrap(), seen: Vec::new() }
    }

    fn turn(&mut self, timeout: Duration) -> bool {
        let seen = &mut self.seen;
        self.reactor
            .poll(timeout, |_, event| match event {
                NetEvent::Opened(conn) => seen.push(Seen::Opened(conn.0)),
                NetEvent::Closed(conn) => seen.push(Seen::Closed(conn.0)),
                NetEvent::Bytes(conn, bytes) => match seen.last_mut() {
                    Some(Seen::Bytes(last, all)) if *last == conn.0 => all.extend_from_slice(bytes),
                    _ => seen.push(Seen::Bytes(conn.0, bytes.to_vec())),
                },
            })
            .unwrap()
    }

    fn until(&mut self, done: impl Fn(&[Seen]) -> bool) {
        let started = Instant::now();
        while !done(&self.seen) {
            assert!(started.elapsed() < PATIENCE, "seen {:?}, at {:?}", self.seen, self.snapshots());
            self.turn(Duration::from_millis(20));
        }
    }

    fn until_stats(&mut self, done: impl Fn(&ConnSnapshot) -> bool) {
        let started = Instant::now();
        while !done(&self.snapshots()[0]) {
            assert!(started.elapsed() < PATIENCE, "seen {:?}, at {:?}", self.seen, self.snapshots());
            self.turn(Duration::from_millis(5));
        }
    }

    fn snapshots(&self) -> Vec<ConnSnapshot> {
        self.reactor.stats().snapshots().collect()
    }

    fn opened(&mut self, times: usize) {
        self.until(|seen| seen.iter().filter(|one| matches!(one, Seen::Opened(0))).count() >= times);
    }

    fn closed(&mut self, times: usize) {
        self.until(|seen| seen.iter().filter(|one| matches!(one, Seen::Closed(0))).count() >= times);
    }

    fn send(&mut self, bytes: &[u8]) {
        let mut outbox = Outbox::new(bytes.len());
        outbox.push(bytes).unwrap();
        while !outbox.waiting().is_empty() {
            self.reactor.flush(CONN, &mut outbox);
            self.turn(Duration::from_millis(1));
        }
    }
}

fn listener() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Endpoint::Tcp { host: "127.0.0.1".into(), port })
}

fn lasting(endpoint: &Endpoint, timing: Timing) -> Driven<SystemClock> {
    Driven::new(&[ConnSettings::lasting(endpoint.clone())], timing, SystemClock)
}

/// A path of this test alone, gone after it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("net-{name}-{}", std::process::id())))
    }

    fn pipe(name: &str) -> Self {
        let scratch = Self::new(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &scratch.0, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        scratch
    }

    fn writer(&self) -> fs::File {
        fs::OpenOptions::new().write(true).open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn echo(mut stream: impl Read + Write, mut left: usize) {
    let mut buffer = [0; 4096];
    while left > 0 {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0);
        stream.write_all(&buffer[..read]).unwrap();
        left -= read;
    }
}

#[test]
fn a_megabyte_goes_out_and_comes_back_over_tcp() {
    let (listener, endpoint) = listener();
    let sent = pattern(1 << 20);
    let length = sent.len();
    let peer = thread::spawn(move || echo(listener.accept().unwrap().0, length));
    let mut driven = lasting(&endpoint, IMPATIENT);
    driven.opened(1);
    driven.send(&sent);
    driven.until(|seen| matches!(seen.last(), Some(Seen::Bytes(0, all)) if all.len() == length));
    assert_eq!(driven.seen[..2], [Seen::Opened(0), Seen::Bytes(0, sent)]);
    peer.join().unwrap();
    driven.closed(1);
    let stats = &driven.snapshots()[0];
    assert_eq!((stats.bytes_in, stats.bytes_out), (length as u64, length as u64));
    assert_eq!((stats.opened, stats.failed, stats.last_error.as_str()), (1, 1, "the peer closed the connection"));
}

#[test]
fn a_name_is_looked_up_and_its_addresses_tried_in_turn() {
    // `localhost` may be ::1 first, where nobody listens.
    let (listener, endpoint) = listener();
    let Endpoint::Tcp { port, .. } = endpoint else { panic!("it is TCP") };
    let mut driven = lasting(&Endpoint::Tcp { host: "localhost".into(), port }, IMPATIENT);
    driven.opened(1);
    drop(listener);
}

#[test]
fn a_name_that_does_not_exist_is_said_to() {
    let mut driven = lasting(&Endpoint::Tcp { host: "no-such-host.invalid".into(), port: 1 }, BRISK);
    driven.until_stats(|stats| stats.failed >= 1);
    let error = &driven.snapshots()[0].last_error;
    let expected =
        ["the name `no-such-host.invalid` cannot", "no connection within the time allowed, while looking up"];
    assert!(expected.iter().any(|start| error.starts_with(start)), "{error}");
    assert_eq!(driven.seen, []);
}

#[test]
fn a_refused_connection_is_tried_for_ever_and_stands_once_somebody_listens() {
    let (listener, endpoint) = listener();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut driven = lasting(&endpoint, BRISK);
    driven.until_stats(|stats| stats.failed >= 4);
    assert!(driven.snapshots()[0].last_error.contains("cannot connect: Connection refused"));
    let _listener = TcpListener::bind(address).unwrap();
    driven.opened(1);
}

#[test]
fn a_unix_socket_that_comes_and_goes() {
    let scratch = Scratch::new("unix");
    let mut driven = lasting(&Endpoint::Unix { path: scratch.0.clone() }, BRISK);
    driven.until_stats(|stats| stats.failed >= 1);
    assert!(driven.snapshots()[0].last_error.contains("No such file"));
    let listener = UnixListener::bind(&scratch.0).unwrap();
    for round in 1..=2 {
        driven.opened(round);
        let (mut stream, _) = listener.accept().unwrap();
        driven.send(b"ping");
        let mut got = [0; 4];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
        stream.write_all(b"pong").unwrap();
        drop(stream);
        driven.closed(round);
    }
    let round = [Seen::Opened(0), Seen::Bytes(0, b"pong".to_vec()), Seen::Closed(0)];
    assert_eq!(driven.seen[..6], [round.clone(), round].concat());
}

#[test]
fn a_pipe_is_open_from_a_writers_first_byte_to_its_end_and_loses_nothing_between_writers() {
    const WRITERS: usize = 50;
    let scratch = Scratch::pipe("pipe");
    let mut driven = lasting(&Endpoint::Pipe { path: scratch.0.clone() }, IMPATIENT);
    driven.turn(Duration::ZERO);
    driven.turn(Duration::from_millis(20));
    assert_eq!(driven.seen, [], "without a writer there is nothing to say");
    assert_eq!(driven.snapshots()[0].state, ConnState::Connecting);
    thread::scope(|scope| {
        scope.spawn(|| (0..WRITERS).for_each(|_| scratch.writer().write_all(&pattern(100_000)).unwrap()));
        let total = |seen: &[Seen]| -> usize {
            seen.iter().map(|one| if let Seen::Bytes(_, bytes) = one { bytes.len() } else { 0 }).sum()
        };
        driven.until(|seen| total(seen) == WRITERS * 100_000 && seen.last() == Some(&Seen::Closed(0)));
    });
    assert_eq!(driven.seen[0], Seen::Opened(0));
    // A writer that comes before the last one's end was seen is not told apart from it: the stream has its bytes.
    let all: Vec<u8> =
        driven.seen.iter().flat_map(|one| if let Seen::Bytes(_, b) = one { &b[..] } else { &[] }).copied().collect();
    assert!(all.chunks(100_000).all(|chunk| chunk == pattern(100_000)));
    assert_eq!(driven.snapshots()[0].last_error, "the pipe's writer is gone");
}

#[test]
fn a_pipe_whose_writer_came_and_went_before_it_was_opened_ends_too() {
    let scratch = Scratch::pipe("early");
    // Another reader lets the writer in, and keeps what it wrote.
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    let other = rustix::fs::open(&scratch.0, flags, rustix::fs::Mode::empty()).unwrap();
    scratch.writer().write_all(b"early").unwrap();
    let mut driven = lasting(&Endpoint::Pipe { path: scratch.0.clone() }, IMPATIENT);
    driven.closed(1);
    assert_eq!(driven.seen, [Seen::Opened(0), Seen::Bytes(0, b"early".to_vec()), Seen::Closed(0)]);
    drop(other);
}

#[test]
fn what_is_no_pipe_is_refused_by_name() {
    let mut driven = lasting(&Endpoint::Pipe { path: "/dev/null".into() }, BRISK);
    driven.until_stats(|stats| stats.failed >= 1);
    assert_eq!(driven.snapshots()[0].last_error, "/dev/null is not a named pipe; make one with mkfifo");
    let mut driven = lasting(&Endpoint::Pipe { path: Path::new("/nonexistent/pipe").into() }, BRISK);
    driven.until_stats(|stats| stats.failed >= 2);
    assert!(driven.snapshots()[0].last_error.contains("No such file"));
}

#[test]
fn a_peer_that_answers_once_is_connected_to_again_without_a_pause() {
    const ROUNDS: usize = 50;
    let (listener, endpoint) = listener();
    let peer = thread::spawn(move || {
        for _ in 0..ROUNDS {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 3];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(b"200").unwrap();
        }
        listener
    });
    let mut driven = Driven::new(&[ConnSettings::answers_once(endpoint)], IMPATIENT, SystemClock);
    for round in 1..=ROUNDS {
        driven.opened(round);
        driven.send(b"GET");
        driven.closed(round);
    }
    driven.opened(ROUNDS + 1);
    drop(peer.join().unwrap());
}

#[test]
fn a_peer_that_hangs_up_at_once_is_met_with_patience() {
    let clock = ManualClock::new(Now { mono: MonoNanos(1_000), utc: UtcNanos(0) });
    for manner in [Manner::Lasting, Manner::AnswersOnce] {
        let (listener, endpoint) = listener();
        let mut driven = Driven::new(&[ConnSettings { endpoint, manner }], Timing::default(), clock.clone());
        driven.turn(Duration::ZERO);
        drop(listener.accept().unwrap());
        driven.closed(1);
        listener.set_nonblocking(true).unwrap();
        for _ in 0..10 {
            driven.turn(Duration::from_millis(2));
            assert!(listener.accept().is_err(), "the pause is not over");
        }
        assert_eq!(driven.snapshots()[0].state, ConnState::Waiting);
        clock.advance(100_000_000);
        driven.opened(2);
        // One that has stood for a while is no such peer.
        clock.advance(2_000_000_000);
        listener.set_nonblocking(false).unwrap();
        drop(listener.accept().unwrap());
        driven.opened(3);
    }
}

#[test]
fn a_peer_that_drips_and_one_that_floods_are_both_heard() {
    const DRIPS: u8 = 100;
    let (dripping, drip) = listener();
    let (flooding, flood) = listener();
    let mut driven = Driven::new(&[flood, drip].map(ConnSettings::lasting), IMPATIENT, SystemClock);
    thread::scope(|scope| {
        scope.spawn(move || {
            // It never rests, and its end is when nobody listens any longer.
            let (mut stream, _) = flooding.accept().unwrap();
            let chunk = [7; 65_536];
            while stream.write_all(&chunk).is_ok() {}
        });
        scope.spawn(move || {
            let (mut stream, _) = dripping.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for drip in 0..DRIPS {
                stream.write_all(&[drip]).unwrap();
                thread::sleep(Duration::from_micros(300));
            }
            thread::sleep(Duration::from_millis(1));
        });
        let mut driven = driven_counting(&mut driven);
        while driven.drips.len() < usize::from(DRIPS) {
            driven.turn();
        }
        assert_eq!(driven.drips, (0..DRIPS).collect::<Vec<_>>());
        assert!(driven.flooded > 0);
        // In no turn did the flood have more than one read.
        assert!(driven.most_flooded_a_turn <= 64 * 1024, "{}", driven.most_flooded_a_turn);
        driven.reactor.reset(ConnId(0));
        driven.turn();
    });
}

struct Counting<'a> {
    reactor: &'a mut Reactor<SystemClock>,
    drips: Vec<u8>,
    flooded: usize,
    most_flooded_a_turn: usize,
}

fn driven_counting(driven: &mut Driven<SystemClock>) -> Counting<'_> {
    Counting { reactor: &mut driven.reactor, drips: Vec::new(), flooded: 0, most_flooded_a_turn: 0 }
}

impl Counting<'_> {
    fn turn(&mut self) {
        let mut flooded = 0;
        self.reactor
            .poll(Duration::from_millis(20), |_, event| match event {
                NetEvent::Bytes(ConnId(0), bytes) => flooded += bytes.len(),
                NetEvent::Bytes(_, bytes) => self.drips.extend_from_slice(bytes),
                NetEvent::Opened(_) | NetEvent::Closed(_) => {}
            })
            .unwrap();
        self.flooded += flooded;
        self.most_flooded_a_turn = self.most_flooded_a_turn.max(flooded);
    }
}

#[test]
fn a_peer_that_stops_reading_fills_the_socket_and_stops_nobody() {
    let (listener, endpoint) = listener();
    let mut driven = lasting(&endpoint, IMPATIENT);
    driven.opened(1);
    let (mut stream, _) = listener.accept().unwrap();
    let sent = pattern(16 << 20);
    let mut outbox = Outbox::new(sent.len());
    outbox.push(&sent).unwrap();
    assert!(driven.reactor.flush(CONN, &mut outbox).is_some_and(|flushed| flushed.taken < sent.len()));
    assert_eq!(driven.reactor.flush(CONN, &mut outbox), None, "a full socket is not asked again");
    stream.write_all(b"still here").unwrap();
    driven.until(|seen| seen.last() == Some(&Seen::Bytes(0, b"still here".to_vec())));
    let reader = thread::spawn(move || {
        let mut got = vec![0; 16 << 20];
        stream.read_exact(&mut got).unwrap();
        got
    });
    while !outbox.waiting().is_empty() {
        driven.turn(Duration::from_millis(20));
        driven.reactor.flush(CONN, &mut outbox);
    }
    assert!(reader.join().unwrap() == sent);
}

#[test]
fn a_half_closed_peer_is_closed_after_its_last_bytes() {
    let (listener, endpoint) = listener();
    let mut driven = lasting(&endpoint, IMPATIENT);
    driven.opened(1);
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&pattern(300_000)).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    driven.closed(1);
    assert_eq!(driven.seen, [Seen::Opened(0), Seen::Bytes(0, pattern(300_000)), Seen::Closed(0)]);
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0, "our side is closed too");
}

#[test]
fn a_reset_closes_and_opens_anew_and_writes_nothing_in_between() {
    let (listener, endpoint) = listener();
    let mut driven = lasting(&endpoint, Timing { settled: Duration::ZERO, ..IMPATIENT });
    driven.opened(1);
    let (mut first, _) = listener.accept().unwrap();
    driven.reactor.reset(CONN);
    let mut outbox = Outbox::new(8);
    outbox.push(b"stale").unwrap();
    assert_eq!(driven.reactor.flush(CONN, &mut outbox), None);
    driven.opened(2);
    assert_eq!(driven.seen, [Seen::Opened(0), Seen::Closed(0), Seen::Opened(0)]);
    assert_eq!(driven.snapshots()[0].last_error, "the stage asked for a new connection");
    let mut nothing = Vec::new();
    assert_eq!(first.read_to_end(&mut nothing).unwrap(), 0);
}

#[test]
fn wire_time_is_after_the_bytes_were_sent_and_entry_before_they_arrive() {
    let (listener, endpoint) = listener();
    let mut driven = lasting(&endpoint, IMPATIENT);
    driven.opened(1);
    let (mut stream, _) = listener.accept().unwrap();
    let before = SystemClock.mono();
    stream.write_all(b"tick").unwrap();
    let mut wire = None;
    while wire.is_none() {
        driven.reactor.poll(Duration::from_millis(20), |at, _| wire = Some(at)).unwrap();
    }
    assert!(before <= wire.unwrap() && wire.unwrap() <= SystemClock.mono());
    let mut outbox = Outbox::new(8);
    outbox.push(b"tock").unwrap();
    let flushed = driven.reactor.flush(CONN, &mut outbox).unwrap();
    assert!(wire.unwrap() <= flushed.entered && flushed.entered <= SystemClock.mono());
}

#[test]
fn a_standing_connection_allocates_nothing() {
    let (listener, endpoint) = listener();
    let mut driven = lasting(&endpoint, IMPATIENT);
    driven.opened(1);
    let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
    let mut outbox = Outbox::new(256);
    let mut spent = Allocations::default();
    for round in 0..100 {
        stream.write_all(&[1; 200]).unwrap();
        let before = allocations_on_this_thread();
        let mut got = 0;
        while got < 200 {
            let count =
                |_, event: NetEvent<'_>| got += if let NetEvent::Bytes(_, bytes) = event { bytes.len() } else { 0 };
            driven.reactor.poll(Duration::from_millis(20), count).unwrap();
        }
        outbox.push(&[2; 200]).unwrap();
        driven.reactor.flush(CONN, &mut outbox).unwrap();
        if round > 0 {
            let round = allocations_on_this_thread().since(before);
            spent = Allocations { count: spent.count + round.count, bytes: spent.bytes + round.bytes };
        }
        stream.read_exact(&mut [0; 200]).unwrap();
    }
    assert_eq!(spent, Allocations::default());
}

#[test]
fn a_reactor_that_cannot_work_is_not_made() {
    let refused = |host: &str, roots| {
        let endpoint = Endpoint::Tls { host: host.into(), port: 1, roots };
        Reactor::new(&[ConnSettings::lasting(endpoint)], BRISK, 0, SystemClock).unwrap_err().to_string()
    };
    let scratch = Scratch::new("empty.pem");
    fs::write(&scratch.0, "").unwrap();
    let roots = || Roots::PemFile(scratch.0.clone());
    assert!(refused("localhost", roots()).ends_with("it holds no certificate"));
    fs::write(&scratch.0, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(refused("localhost", roots()).contains("cannot be used as root certificates"));
    assert!(refused("localhost", Roots::PemFile("/nonexistent.pem".into())).contains("/nonexistent.pem"));
    assert!(refused("not a name", roots()).starts_with("`not a name` is neither a host name nor an address"));
    let many = vec![ConnSettings::lasting(Endpoint::Unix { path: "/x".into() }); 256];
    assert!(matches!(Reactor::new(&many, BRISK, 0, SystemClock), Err(NetError::TooMany(256))));
}

//! The server's bounds, over real sockets, with a service that says what it is told to.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers by the path.
struct Scripted;

struct At(Instant);

impl Later for At {
    fn poll(&mut self, now: Instant) -> Option<Reply> {
        (now >= self.0).then(|| Response::new(200, "text/plain", "late").into())
    }

    fn due(&self) -> Instant {
        self.0
    }
}

/// Says so many bytes at every wake.
struct Says(usize);

impl Feed for Says {
    fn poll(&mut self, _now: Instant, out: &mut Vec<u8>) -> Flow {
        out.resize(self.0, b'x');
        Flow::Open
    }

    fn due(&self) -> Instant {
        Instant::now() + PATIENCE
    }
}

impl Service for Scripted {
    fn answer(&mut self, request: &Request, now: Instant) -> Answer {
        let text = |text: &str| Response::new(200, "text/plain", text);
        let mishap = |mishap| Answer::Now(Reply { response: text("mishap"), delay: Duration::ZERO, mishap });
        match request.path.as_str() {
            "/echo" => Response::new(200, "text/plain", request.body.clone()).into(),
            "/late" => Answer::Later(Box::new(At(now + Duration::from_millis(30)))),
            "/never" => Answer::Later(Box::new(At(now + PATIENCE + PATIENCE))),
            "/delayed" => {
                let delay = Duration::from_millis(30);
                Answer::Now(Reply { response: text("delayed"), delay, mishap: Mishap::None })
            }
            "/dropped" => mishap(Mishap::Dropped),
            "/truncated" => mishap(Mishap::Truncated),
            "/twice" => mishap(Mishap::Duplicated),
            "/last" => Answer::Now(Response { last: true, ..text("last") }.into()),
            "/long" => Response::new(200, "text/plain", vec![b'y'; 8 << 20]).into(),
            "/stream" => {
                let size = request.query.get("size").map_or(0, |size| size.parse().unwrap());
                let head = Response::new(200, "text/event-stream", "");
                Answer::Stream { head, opening: b"hello".to_vec(), feed: Some(Box::new(Says(size))) }
            }
            "/brief" => {
                Answer::Stream { head: Response::new(200, "text/plain", ""), opening: b"brief".to_vec(), feed: None }
            }
            _ => text("plain").into(),
        }
    }

    fn refuse(&mut self, status: u16) -> Response {
        Response::new(status, "text/plain", format!("refused with {status}"))
    }
}

fn serve(change: impl FnOnce(&mut Bounds)) -> Server {
    let mut bounds = Bounds::default();
    change(&mut bounds);
    Server::start(TcpListener::bind("127.0.0.1:0").unwrap(), bounds, |_| Scripted).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Everything until the server ends the connection.
fn rest(mut client: &TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = client.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn exchange(server: &Server, request: &str) -> String {
    let client = connect(server.address());
    // The server may answer and close before it has read everything.
    let _ = (&client).write_all(request.as_bytes());
    rest(&client)
}

/// One answer with a length, from a connection that stays open.
fn one(mut client: &TcpStream) -> (String, Vec<u8>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    client.read_exact(&mut body).unwrap();
    (head, body)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} took too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_connection_serves_one_request_after_the_other_however_they_arrive() {
    let server = serve(|_| {});
    let mut client = connect(server.address());
    // Sent ahead, all at once, with a late one in between.
    client
        .write_all(
            b"GET / HTTP/1.1\r\n\r\nGET /late HTTP/1.1\r\n\r\nPOST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\
              POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET /delayed HTTP/1.1\r\n\r\n",
        )
        .unwrap();
    let bodies: Vec<Vec<u8>> = (0..5).map(|_| one(&client).1).collect();
    assert_eq!(bodies, [&b"plain"[..], b"late", b"abc", b"de", b"delayed"]);
    for byte in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" {
        client.write_all(&[*byte]).unwrap();
    }
    let (head, _) = one(&client);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nDate: "), "{head}");
    client.write_all(b"POST /echo HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut word = [0; 25];
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hi").unwrap();
    assert_eq!(one(&client).1, b"hi");
}

#[test]
fn hundreds_of_requests_sent_ahead_are_answered_in_turn_and_others_too() {
    let server = serve(|_| {});
    let client = connect(server.address());
    (&client).write_all("GET / HTTP/1.1\r\n\r\n".repeat(500).as_bytes()).unwrap();
    assert!(exchange(&server, "GET / HTTP/1.0\r\n\r\n").ends_with("plain"));
    (0..500).for_each(|_| assert_eq!(one(&client).1, b"plain"));
}

#[test]
fn an_old_client_gets_its_answer_and_the_end() {
    let server = serve(|_| {});
    let answer = exchange(&server, "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n") && answer.ends_with("\r\n\r\nplain"));
    let client = connect(server.address());
    for _ in 0..2 {
        (&client).write_all(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert!(one(&client).0.contains("Connection: keep-alive\r\n"));
    }
    assert!(exchange(&server, "GET /brief HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nbrief"));
    let last = exchange(&server, "GET /last HTTP/1.1\r\n\r\n");
    assert!(last.starts_with("HTTP/1.0 200 OK\r\n") && last.ends_with("last"), "{last}");
    let head = exchange(&server, "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn a_stream_comes_in_chunks_and_leaves_the_connection_open_when_it_ends() {
    let server = serve(|_| {});
    let mut client = connect(server.address());
    client.write_all(b"GET /brief HTTP/1.1\r\n\r\nGET /stream?size=3 HTTP/1.1\r\n\r\n").unwrap();
    let mut seen = Vec::new();
    let mut chunk = [0; 1000];
    while !seen.ends_with(b"3\r\nxxx\r\n") {
        server.waker().wake();
        let count = client.read(&mut chunk).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..count]);
    }
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("5\r\nbrief\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{seen}");
    assert!(seen.contains("5\r\nhello\r\n3\r\nxxx\r\n"), "{seen}");
}

#[test]
fn one_connection_too_many_is_closed_and_a_place_given_back_is_used_again() {
    let server = serve(|bounds| bounds.connections = 2);
    let clients = [connect(server.address()), connect(server.address())];
    until("being connected", || server.open() == 2);
    assert_eq!(exchange(&server, "GET / HTTP/1.0\r\n\r\n"), "");
    assert_eq!(server.refused().connections, 1);
    drop(clients);
    until("the places", || server.open() == 0);
    assert!(exchange(&server, "GET / HTTP/1.0\r\n\r\n").ends_with("plain"));
}

#[test]
fn who_asks_for_nothing_is_disconnected_after_a_while() {
    let server = serve(|bounds| bounds.idle = Duration::from_millis(50));
    assert_eq!(rest(&connect(server.address())), "");
    let client = connect(server.address());
    (&client).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(rest(&client).ends_with("plain"));
}

#[test]
fn a_request_that_trickles_in_is_given_up() {
    let server = serve(|bounds| bounds.request = Duration::from_millis(100));
    for begun in ["GET / HT", "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"] {
        let client = connect(server.address());
        (&client).write_all(begun.as_bytes()).unwrap();
        // A byte now and then does not buy more time.
        let trickle = client.try_clone().unwrap();
        let trickling = std::thread::spawn(move || {
            while (&trickle).write_all(b"a").is_ok() && begun.starts_with("GET") {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert!(rest(&client).starts_with("HTTP/1.1 408 "), "{begun}");
        client.shutdown(std::net::Shutdown::Both).ok();
        trickling.join().unwrap();
    }
    assert_eq!(server.refused().slow_requests, 2);
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    let server = serve(|_| {});
    let refusal = |request: &str| exchange(&server, request).lines().next().unwrap_or("").to_owned();
    assert!(refusal(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000))).starts_with("HTTP/1.1 414"));
    assert!(refusal(&format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(20_000))).starts_with("HTTP/1.1 431"));
    assert!(refusal("POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n").starts_with("HTTP/1.1 413"));
    assert!(refusal("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n").starts_with("HTTP/1.1 413"));
    // A client that sends all of it first still learns why.
    let ten = "x".repeat(10 << 20);
    let length = ten.len();
    assert!(refusal(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{ten}")).starts_with("HTTP/1.1 413"));
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let chunked = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    assert!(refusal(&chunked).starts_with("HTTP/1.1 413"));
    assert_eq!(server.refused().oversized, 6);
    let megabyte = "x".repeat(1 << 20);
    let fits = format!("POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 1048576\r\n\r\n{megabyte}");
    assert!(exchange(&server, &fits).ends_with(&megabyte));
    until("giving memory back", || server.held() == 0);
}

#[test]
fn a_reader_that_does_not_keep_up_with_its_stream_is_cut_off() {
    let server = serve(|bounds| bounds.stream_bytes = 64 << 10);
    let client = connect(server.address());
    (&client).write_all(b"GET /stream?size=60000 HTTP/1.1\r\n\r\n").unwrap();
    until("the bound", || {
        server.waker().wake();
        server.refused().slow_readers == 1
    });
    until("the end", || server.open() == 0);
    assert_eq!(server.held(), 0);
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let server = serve(|bounds| bounds.answer = Duration::from_millis(100));
    let client = connect(server.address());
    (&client).write_all(b"GET /long HTTP/1.1\r\n\r\n").unwrap();
    until("the bound", || server.refused().slow_readers == 1);
    until("the end", || server.open() == 0);
    let taken = connect(server.address());
    (&taken).write_all(b"GET /long HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(one(&taken).1.len(), 8 << 20);
}

#[test]
fn all_connections_together_hold_no_more_than_the_bound() {
    let server = serve(|bounds| bounds.held_bytes = 1 << 20);
    let begun = format!("POST /echo HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(400_000));
    let clients: Vec<TcpStream> = (0..8)
        .map(|_| {
            let client = connect(server.address());
            let _ = (&client).write_all(begun.as_bytes());
            client
        })
        .collect();
    until("the bound", || server.refused().over_memory >= 4);
    assert!(server.held() <= 1 << 20, "{}", server.held());
    let refused = clients.iter().rev().find_map(|client| {
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Some(rest(client)).filter(|answer| answer.starts_with("HTTP/1.1 503"))
    });
    assert!(refused.is_some());
    assert!(exchange(&server, "GET / HTTP/1.0\r\n\r\n").ends_with("plain"));
}

#[test]
fn mishaps_happen_to_answers_as_ordered() {
    let server = serve(|_| {});
    let get = |path: &str| exchange(&server, &format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
    assert_eq!(get("/dropped"), "");
    let truncated = get("/truncated");
    assert!(truncated.contains("Content-Length: 6\r\n") && truncated.ends_with("\r\n\r\nmis"), "{truncated}");
    assert_eq!(get("/twice").matches("\r\n\r\nmishap").count(), 2);
}

#[test]
fn stopping_ends_whatever_waits() {
    let server = serve(|_| {});
    let clients: Vec<TcpStream> = ["", "GET / HT", "GET /never HTTP/1.1\r\n\r\n", "GET /stream HTTP/1.1\r\n\r\n"]
        .into_iter()
        .map(|request| {
            let client = connect(server.address());
            (&client).write_all(request.as_bytes()).unwrap();
            client
        })
        .collect();
    until("being connected", || server.open() == 4);
    server.stop();
    clients.iter().for_each(|client| drop(rest(client)));
    assert!(TcpStream::connect(server.address()).is_err());
}

#[test]
fn who_sends_blank_lines_or_trailers_without_end_holds_up_nobody_and_is_given_up() {
    let server = serve(|bounds| (bounds.idle, bounds.request) = (Duration::from_secs(1), Duration::from_secs(1)));
    let endless = |begin: &'static str, again: &'static str| {
        let mut client = connect(server.address());
        std::thread::spawn(move || {
            let again = again.repeat(1000);
            let mut sent = client.write_all(begin.as_bytes());
            while sent.is_ok() {
                sent = client.write_all(again.as_bytes());
            }
        })
    };
    let senders = [
        endless("", "\r\n"),
        endless("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n"),
    ];
    for _ in 0..20 {
        let client = connect(server.address());
        (&client).write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(one(&client).1, b"plain");
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_stray_line_end_after_a_request_begins_no_other() {
    let server = serve(|bounds| bounds.request = Duration::from_millis(100));
    let client = connect(server.address());
    (&client).write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi\r\n").unwrap();
    assert_eq!(one(&client).1, b"hi");
    std::thread::sleep(Duration::from_millis(300));
    (&client).write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(one(&client).1, b"plain");
}

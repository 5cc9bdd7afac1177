//! The door: what stands between clients and the HTTP server.
//!
//! `tiny_http` gives every connection a thread, waits for a request for ever, takes a header line of any length, and
//! stops accepting when the process is out of file descriptors. That is fine behind a door that hands it only
//! complete, small requests and takes every answer at once. The door is one thread over [`mio`]: it reads a request's
//! head, passes it on over loopback, and tells the answer to the client however slowly that one reads. So a page never
//! stands in a probe's way, and any number of idle connections costs no more than the [`MAX_VISITORS`] that are kept.
//! (The inner server listens on a port of loopback that the system chose: only programs of this machine, or pod, could
//! go round the door.)

use super::visitor::{Next, Visitor};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections at a time. When one more comes, the one that has been here longest goes.
const MAX_VISITORS: usize = 128;
/// Connections accepted before those that stand get their turn.
const ACCEPT_BATCH: usize = 64;
/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_VISITOR: usize = 2;

/// Closes the door from another thread.
#[derive(Debug)]
pub(super) struct DoorKey {
    waker: Waker,
}

impl DoorKey {
    pub(super) fn close(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the status server's door cannot be closed");
        }
    }
}

/// The accepting side; see the module's page.
#[derive(Debug)]
pub(super) struct Door {
    poll: Poll,
    listener: TcpListener,
    upstream: SocketAddr,
    visitors: Box<[Option<Visitor>]>,
    /// When to accept without having been told that someone is there.
    accept_at: Option<Instant>,
}

impl Door {
    /// A door at `listener`, in front of the server at `upstream`.
    pub(super) fn new(listener: std::net::TcpListener, upstream: SocketAddr) -> io::Result<(Self, DoorKey)> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let key = DoorKey { waker: Waker::new(poll.registry(), WAKER)? };
        let visitors = (0..MAX_VISITORS).map(|_| None).collect();
        Ok((Self { poll, listener, upstream, visitors, accept_at: None }, key))
    }

    /// Serves until the key closes the door.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            let timeout = self.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the status server ends: it cannot wait for connections");
                    return;
                }
                Ok(()) => {}
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    WAKER => return,
                    LISTENER => self.accept_at = Some(now),
                    Token(token) => self.turn((token - FIRST_VISITOR) / 2, now),
                }
            }
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept(now);
            }
            self.expire(now);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.visitors.iter().flatten().map(Visitor::deadline).chain(self.accept_at).min()
    }

    fn accept(&mut self, now: Instant) {
        self.accept_at = Some(now);
        for _ in 0..ACCEPT_BATCH {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None;
                    return;
                }
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(error) => {
                    tracing::warn!(%error, "the status server cannot accept a connection; one that waits is closed");
                    let longest = self.longest_here();
                    self.visitors[longest] = None;
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, now: Instant) {
        let free = self.visitors.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| self.longest_here());
        self.visitors[place] = None;
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(FIRST_VISITOR + 2 * place), interest).is_ok() {
            self.visitors[place] = Some(Visitor::new(stream, now));
            self.turn(place, now);
        }
    }

    /// The place of the visitor that came first.
    fn longest_here(&self) -> usize {
        let came = |place: &usize| self.visitors[*place].as_ref().map(Visitor::came);
        (0..self.visitors.len()).filter(|place| came(place).is_some()).min_by_key(came).unwrap_or(0)
    }

    /// Lets a visitor go on as far as its sockets allow. An event may be meant for one who has left: then this finds
    /// nothing to do.
    fn turn(&mut self, place: usize, now: Instant) {
        let Some(visitor) = &mut self.visitors[place] else { return };
        let (registry, upstream) = (self.poll.registry(), self.upstream);
        let connect = || {
            let mut server = TcpStream::connect(upstream)?;
            let token = Token(FIRST_VISITOR + 2 * place + 1);
            registry.register(&mut server, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(server)
        };
        if visitor.advance(now, connect) == Next::Gone {
            self.visitors[place] = None;
        }
    }

    fn expire(&mut self, now: Instant) {
        for place in 0..self.visitors.len() {
            let Some(visitor) = &mut self.visitors[place] else { continue };
            if visitor.deadline() <= now {
                match visitor.expire(now) {
                    Next::Gone => self.visitors[place] = None,
                    Next::Wait => self.turn(place, now),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    /// More than the sockets between door and client take while nobody reads.
    const BIG: usize = 4_000_000;

    /// A server behind the door whose answer to `/big` is big, and whose answer to `/none` never comes.
    fn serve(listener: &TcpListener) {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            stream.read_to_string(&mut request).unwrap();
            let body = match request.split(' ').nth(1).unwrap() {
                "/big" => vec![b'x'; BIG],
                "/none" => continue,
                _ => b"small".to_vec(),
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            // A door that has closed meanwhile is no failure of this server.
            let _ = stream.write_all(&body);
        }
    }

    fn open() -> (SocketAddr, DoorKey) {
        let [outside, inside] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, upstream) = (outside.local_addr().unwrap(), inside.local_addr().unwrap());
        thread::spawn(move || serve(&inside));
        let (door, key) = Door::new(outside, upstream).unwrap();
        thread::spawn(move || door.run());
        (address, key)
    }

    fn ask(address: SocketAddr, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\n\r\n").unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_client_that_does_not_read_keeps_nobody_waiting_and_loses_nothing() {
        let (address, key) = open();
        let slow: Vec<TcpStream> = (0..8).map(|_| ask(address, "/big")).collect();
        for _ in 0..20 {
            assert_eq!(answer(ask(address, "/small")), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsmall");
        }
        for stream in slow {
            let text = answer(stream);
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(body.len(), BIG);
        }
        key.close();
    }

    #[test]
    fn a_server_that_says_nothing_is_told_as_such_and_a_client_that_leaves_is_forgotten() {
        let (address, key) = open();
        for _ in 0..MAX_VISITORS * 2 {
            drop(ask(address, "/small"));
        }
        let leaving = ask(address, "/small");
        leaving.shutdown(Shutdown::Write).unwrap();
        assert!(answer(leaving).ends_with("small"), "who has asked may stop talking");
        assert!(answer(ask(address, "/none")).starts_with("HTTP/1.1 400 "));
        key.close();
    }

    #[test]
    fn a_door_without_a_server_says_so() {
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = outside.local_addr().unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (door, key) = Door::new(outside, nobody).unwrap();
        let running = thread::spawn(move || door.run());
        assert!(answer(ask(address, "/")).starts_with("HTTP/1.1 502 "));
        key.close();
        running.join().unwrap();
        assert!(TcpStream::connect(address).is_err(), "a closed door is closed");
    }
}

//! One connection at the [`door`](super::door): one request, one answer. `GET` and `HEAD` only, no bodies.

use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Bytes of a request's head.
const MAX_REQUEST: usize = 8 * 1024;
/// Bytes of an answer; the status' own bounds keep it well below.
pub(super) const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// How long a client may take for its request.
const ASKING: Duration = Duration::from_secs(5);
/// How long an answer may take to make.
const MAKING: Duration = Duration::from_secs(5);
/// How long a client may take to read it.
const TELLING: Duration = Duration::from_secs(10);
/// How long a client may take to close once it has its answer.
const LEAVING: Duration = Duration::from_secs(1);

/// What a visitor does after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for a socket.
    Wait,
    /// It is done.
    Gone,
}

#[derive(Debug)]
enum Phase {
    /// The request is coming in.
    Asking,
    /// The server has so many bytes of it, and is making the answer.
    Making { server: TcpStream, passed: usize },
    /// So many bytes of the answer are out.
    Telling { told: usize },
    /// The answer is out. Closing at once, with bytes of the client unread, could destroy it on its way.
    Leaving,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Visitor {
    client: TcpStream,
    phase: Phase,
    came: Instant,
    deadline: Instant,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Visitor {
    pub(super) fn new(client: TcpStream, now: Instant) -> Self {
        Self {
            client,
            phase: Phase::Asking,
            came: now,
            deadline: now + ASKING,
            request: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// When it came.
    pub(super) fn came(&self) -> Instant {
        self.came
    }

    /// When its patience, or ours, ends.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Goes on until a socket would block. `connect` opens a connection to the server.
    pub(super) fn advance(&mut self, now: Instant, mut connect: impl FnMut() -> io::Result<TcpStream>) -> Next {
        loop {
            let step = match &mut self.phase {
                Phase::Asking => self.ask(now, &mut connect),
                Phase::Making { server, passed } => {
                    make(server, passed, &self.request, &mut self.answer).map(|()| self.tell_made(now))
                }
                Phase::Telling { told } => tell(&mut self.client, told, &self.answer).and_then(|()| self.leave(now)),
                Phase::Leaving => return drain(&mut self.client),
            };
            match step {
                Ok(()) => {}
                Err(error) if would_block(&error) => return Next::Wait,
                Err(_) if matches!(self.phase, Phase::Making { .. }) => {
                    self.refuse("502 Bad Gateway", "the server is starting again; ask once more", now);
                }
                Err(_) => return Next::Gone,
            }
        }
    }

    /// Its deadline has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Next {
        match self.phase {
            Phase::Asking => self.refuse("408 Request Timeout", "the request did not come in time", now),
            Phase::Making { .. } => self.refuse("504 Gateway Timeout", "the answer takes too long", now),
            Phase::Telling { .. } | Phase::Leaving => return Next::Gone,
        }
        Next::Wait
    }

    fn ask(&mut self, now: Instant, connect: &mut impl FnMut() -> io::Result<TcpStream>) -> io::Result<()> {
        let mut bytes = [0; 1024];
        let read = self.client.read(&mut bytes)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.request.extend_from_slice(&bytes[..read]);
        match head_end(&self.request) {
            Some(end) if !is_read_only(&self.request) => {
                self.request.truncate(end);
                self.refuse("405 Method Not Allowed\r\nAllow: GET, HEAD", "GET and HEAD only", now);
            }
            Some(end) => {
                self.request.truncate(end);
                self.deadline = now + MAKING;
                match connect() {
                    Ok(server) => self.phase = Phase::Making { server, passed: 0 },
                    Err(_) => self.refuse("503 Service Unavailable", "no connection is free; ask once more", now),
                }
            }
            None if self.request.len() > MAX_REQUEST => {
                self.refuse("431 Request Header Fields Too Large", "the request's head is too long", now);
            }
            None => {}
        }
        Ok(())
    }

    /// The server is done. That it said nothing at all means that it could not read the request.
    fn tell_made(&mut self, now: Instant) {
        let Some(line) = self.answer.windows(2).position(|pair| pair == b"\r\n") else {
            return self.refuse("400 Bad Request", "this is no HTTP request without a body", now);
        };
        self.answer.splice(line..line, *b"\r\nConnection: close");
        self.phase = Phase::Telling { told: 0 };
        self.deadline = now + TELLING;
    }

    fn refuse(&mut self, status: &str, words: &str, now: Instant) {
        let length = words.len() + 1;
        self.answer = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Cache-Control: no-store\r\nContent-Length: {length}\r\n\r\n{words}\n"
        )
        .into_bytes();
        self.phase = Phase::Telling { told: 0 };
        self.deadline = now + TELLING;
    }

    fn leave(&mut self, now: Instant) -> io::Result<()> {
        self.phase = Phase::Leaving;
        self.deadline = now + LEAVING;
        self.client.shutdown(Shutdown::Write)
    }
}

/// Passes the request on, then takes the answer, to its end.
fn make(server: &mut TcpStream, passed: &mut usize, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    if *passed < request.len() {
        tell(server, passed, request)?;
        // One request a connection: with this the server closes it after the answer.
        server.shutdown(Shutdown::Write)?;
    }
    let mut bytes = [0; 16 * 1024];
    loop {
        match server.read(&mut bytes)? {
            0 => return Ok(()),
            read if answer.len() + read > MAX_ANSWER => return Err(ErrorKind::FileTooLarge.into()),
            read => answer.extend_from_slice(&bytes[..read]),
        }
    }
}

fn tell(to: &mut TcpStream, told: &mut usize, bytes: &[u8]) -> io::Result<()> {
    while *told < bytes.len() {
        match to.write(&bytes[*told..])? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => *told += written,
        }
    }
    Ok(())
}

/// Reads what the client still sends, until it closes (or its deadline passes).
fn drain(client: &mut TcpStream) -> Next {
    let mut bytes = [0; 1024];
    for _ in 0..MAX_REQUEST / bytes.len() {
        match client.read(&mut bytes) {
            Ok(0) => return Next::Gone,
            Ok(_) => {}
            Err(error) if would_block(&error) => return Next::Wait,
            Err(_) => return Next::Gone,
        }
    }
    // More than any request: this client is not listening.
    Next::Gone
}

/// A connection that is not yet through is one that would block.
fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

fn head_end(request: &[u8]) -> Option<usize> {
    request.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_read_only(request: &[u8]) -> bool {
    request.starts_with(b"GET ") || request.starts_with(b"HEAD ")
}

//! One connection: requests in, answers out, one after the other.

use super::chunked::{Chunked, Unchunkable};
use super::head::{self, Framing, Head};
use super::request::Method;
use super::response::{BodyFraming, Response};
use super::server::{Bounds, Counters};
use super::service::{Answer, Feed, Flow, Later, Mishap, Reply, Service};
use mio::net::TcpStream;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Requests of one connection that are answered before others have their turn.
const REQUESTS_A_TURN: usize = 16;
/// Reads of a request before the others have their turn.
const READS_A_STEP: usize = 8;
/// What a client may send ahead while its answer is not there yet.
const MAX_AHEAD_BYTES: usize = 16 * 1024;
/// How long, and how much of, what a client still sends is thrown away after the last answer. Closing at once would
/// reset the connection, and the client would lose the answer.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 32 << 20;

/// What a connection needs of the server for a moment.
pub(super) struct Context<'s> {
    pub(super) service: &'s mut dyn Service,
    pub(super) bounds: &'s Bounds,
    pub(super) counters: &'s Counters,
    pub(super) now: Instant,
    pub(super) date: &'s str,
    /// For reading into.
    pub(super) scratch: &'s mut [u8],
    /// For what a stream says.
    pub(super) said: &'s mut Vec<u8>,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It waits for its socket, a wake, or its deadline.
    Rest,
    /// It has more to do at once.
    Again,
    Close,
}

/// A client's connection.
pub(super) struct Connection {
    socket: TcpStream,
    peer: IpAddr,
    local: SocketAddr,
    inbox: Vec<u8>,
    /// How far the inbox was looked through for the end of a head.
    searched: usize,
    outbox: Vec<u8>,
    sent: usize,
    /// When output last moved.
    moved: Instant,
    state: State,
    readable: bool,
    peer_closed: bool,
}

enum State {
    /// No request has begun.
    Idle { since: Instant },
    /// A head is arriving.
    Head { begun: Instant },
    /// A body is arriving.
    Body { head: Box<Head>, begun: Instant, chunked: Chunked },
    /// The answer waits for something.
    Waiting { later: Box<dyn Later>, after: After },
    /// The answer is held back.
    Delayed { reply: Box<Reply>, due: Instant, after: After },
    /// The answer is a stream.
    Streaming { feed: Box<dyn Feed>, framing: BodyFraming, after: After },
    /// The last answer is on its way; `due` is set once it has gone.
    Ending { due: Option<Instant>, discarded: usize },
}

/// What the request said of its answer.
#[derive(Clone, Copy, Debug)]
struct After {
    without_body: bool,
    modern: bool,
    keep_alive: bool,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, peer: IpAddr, local: SocketAddr, now: Instant) -> Self {
        Self {
            socket,
            peer,
            local,
            inbox: Vec::new(),
            searched: 0,
            outbox: Vec::new(),
            sent: 0,
            moved: now,
            state: State::Idle { since: now },
            readable: false,
            peer_closed: false,
        }
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The socket has something to read, or its end.
    pub(super) fn set_readable(&mut self) {
        self.readable = true;
    }

    /// Whether a wake may bring it something.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Streaming { .. })
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        let decoded = if let State::Body { chunked, .. } = &self.state { chunked.held() } else { 0 };
        self.inbox.capacity() + self.outbox.capacity() + decoded
    }

    /// When it must be looked after, whatever happens.
    pub(super) fn deadline(&self, bounds: &Bounds) -> Instant {
        let own = match &self.state {
            State::Idle { since } => *since + bounds.idle,
            State::Head { begun } | State::Body { begun, .. } => *begun + bounds.request,
            State::Waiting { later, .. } => later.due(),
            State::Delayed { due, .. } => *due,
            State::Streaming { feed, .. } => feed.due(),
            State::Ending { due, .. } => due.unwrap_or(self.moved + bounds.answer),
        };
        let streams = matches!(self.state, State::Streaming { .. });
        if self.unsent() > 0 && !streams { own.min(self.moved + bounds.answer) } else { own }
    }

    /// Does what its deadline asks for.
    pub(super) fn expire(&mut self, context: &mut Context<'_>) -> Step {
        let streams = matches!(self.state, State::Streaming { .. });
        if self.unsent() > 0 && !streams && self.moved + context.bounds.answer <= context.now {
            context.counters.slow_readers.fetch_add(1, Ordering::Relaxed);
            return Step::Close;
        }
        match &self.state {
            State::Idle { .. } | State::Ending { .. } => Step::Close,
            State::Head { .. } | State::Body { .. } => {
                context.counters.slow_requests.fetch_add(1, Ordering::Relaxed);
                self.refuse(408, context);
                self.turn(context)
            }
            State::Waiting { .. } | State::Streaming { .. } => self.wake(context),
            State::Delayed { .. } => {
                if let State::Delayed { reply, after, .. } = self.take_state(context.now) {
                    let Reply { response, mishap, .. } = *reply;
                    if self.put(&response, mishap, after, context) == Step::Close {
                        return Step::Close;
                    }
                }
                self.turn(context)
            }
        }
    }

    /// Asks what it waits for whether it is there.
    pub(super) fn wake(&mut self, context: &mut Context<'_>) -> Step {
        let step = match &mut self.state {
            State::Waiting { later, after } => {
                let after = *after;
                match later.poll(context.now) {
                    Some(reply) => self.reply(reply, after, context),
                    None => Step::Rest,
                }
            }
            State::Streaming { feed, .. } => {
                context.said.clear();
                let flow = feed.poll(context.now, context.said);
                self.say(flow, context)
            }
            _ => Step::Rest,
        };
        if step == Step::Close { step } else { self.turn(context) }
    }

    /// Goes on as far as it can.
    pub(super) fn turn(&mut self, context: &mut Context<'_>) -> Step {
        for _ in 0..REQUESTS_A_TURN {
            if self.flush(context.now).is_err() {
                return Step::Close;
            }
            if self.unsent() > 0 {
                let streams = matches!(self.state, State::Streaming { .. });
                if streams && self.unsent() > context.bounds.stream_bytes {
                    context.counters.slow_readers.fetch_add(1, Ordering::Relaxed);
                    return Step::Close;
                }
                return Step::Rest;
            }
            match self.advance(context) {
                Step::Again => {}
                step => {
                    self.trim();
                    return step;
                }
            }
        }
        Step::Again
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Step {
        match &mut self.state {
            State::Idle { .. } | State::Head { .. } | State::Body { .. } => self.advance_request(context),
            State::Waiting { .. } | State::Delayed { .. } => self.read_ahead(context),
            State::Streaming { .. } => match self.read_ahead(context) {
                Step::Rest if self.peer_closed || self.inbox.len() >= MAX_AHEAD_BYTES => Step::Close,
                step => step,
            },
            State::Ending { .. } => self.linger(context),
        }
    }

    fn advance_request(&mut self, context: &mut Context<'_>) -> Step {
        // Bounded: what never fills the inbox (blank lines, trailers) would hold up everyone else.
        for _ in 0..READS_A_STEP {
            if let Some(step) = self.take_request(context) {
                return step;
            }
            if self.peer_closed {
                return Step::Close;
            }
            if !self.readable {
                return Step::Rest;
            }
            if self.read(context).is_err() {
                return Step::Close;
            }
        }
        Step::Again
    }

    /// What an answer does not need yet stays, up to a bound; the rest stays in the socket.
    fn read_ahead(&mut self, context: &mut Context<'_>) -> Step {
        while self.readable && self.inbox.len() < MAX_AHEAD_BYTES {
            if self.read(context).is_err() {
                return Step::Close;
            }
        }
        Step::Rest
    }

    fn linger(&mut self, context: &mut Context<'_>) -> Step {
        let State::Ending { due, discarded } = &mut self.state else { return Step::Rest };
        if due.is_none() {
            *due = Some(context.now + LINGER);
            if self.socket.shutdown(Shutdown::Write).is_err() {
                return Step::Close;
            }
        }
        let mut read = *discarded;
        self.inbox = Vec::new();
        while self.readable {
            if self.read(context).is_err() || self.peer_closed || read > MAX_LINGER_BYTES {
                return Step::Close;
            }
            read += self.inbox.len();
            self.inbox.clear();
        }
        if let State::Ending { discarded, .. } = &mut self.state {
            *discarded = read;
        }
        if self.peer_closed { Step::Close } else { Step::Rest }
    }

    /// Reads once.
    fn read(&mut self, context: &mut Context<'_>) -> Result<(), ()> {
        match self.socket.read(context.scratch) {
            Ok(0) => (self.readable, self.peer_closed) = (false, true),
            Ok(count) => self.inbox.extend_from_slice(context.scratch.get(..count).unwrap_or(&[])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(()),
        }
        Ok(())
    }

    /// Goes on with the request at the front of the inbox; `None` if more of it must be read.
    fn take_request(&mut self, context: &mut Context<'_>) -> Option<Step> {
        match &mut self.state {
            State::Idle { .. } => {
                head::skip_blanks(&mut self.inbox);
                if self.inbox.is_empty() {
                    return None;
                }
                self.state = State::Head { begun: context.now };
                Some(Step::Again)
            }
            State::Head { begun } => {
                let begun = *begun;
                match head::take(&mut self.inbox, &mut self.searched, self.peer, self.local) {
                    Ok(None) => None,
                    Ok(Some(head)) => Some(self.begin_body(head, begun, context)),
                    Err(status) => Some(self.refuse(status, context)),
                }
            }
            State::Body { head, chunked, .. } => {
                let body = match head.framing {
                    Framing::Length(length) if self.inbox.len() < length => return None,
                    Framing::Length(length) => self.inbox.drain(..length).collect(),
                    Framing::Chunked => match chunked.take(&mut self.inbox, context.bounds.body_bytes) {
                        Ok(Some(body)) => body,
                        Ok(None) => return None,
                        Err(Unchunkable::TooLong) => return Some(self.refuse(413, context)),
                        Err(Unchunkable::Malformed) => return Some(self.refuse(400, context)),
                    },
                };
                let State::Body { mut head, .. } = self.take_state(context.now) else { return None };
                head.request.body = body;
                Some(self.answer(&head, context))
            }
            _ => None,
        }
    }

    fn begin_body(&mut self, head: Head, begun: Instant, context: &mut Context<'_>) -> Step {
        if matches!(head.framing, Framing::Length(length) if length > context.bounds.body_bytes) {
            return self.refuse(413, context);
        }
        if head.expects_continue && self.inbox.is_empty() {
            self.outbox.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state = State::Body { head: Box::new(head), begun, chunked: Chunked::default() };
        Step::Again
    }

    fn answer(&mut self, head: &Head, context: &mut Context<'_>) -> Step {
        let without_body = head.request.method == Method::Head;
        let after = After { without_body, modern: head.modern, keep_alive: head.keep_alive };
        match context.service.answer(&head.request, context.now) {
            Answer::Now(reply) => self.reply(reply, after, context),
            Answer::Later(later) => {
                self.state = State::Waiting { later, after };
                Step::Again
            }
            Answer::Stream { head, opening, feed } => {
                let framing = if after.modern { BodyFraming::Chunked } else { BodyFraming::UntilClosed };
                let after = After { keep_alive: after.modern && after.keep_alive, ..after };
                self.moved = context.now;
                self.outbox.extend(head.head(&framing, after.modern, after.keep_alive, context.date));
                write_piece(&mut self.outbox, &opening, framing);
                match feed {
                    Some(feed) => self.state = State::Streaming { feed, framing, after },
                    None => self.end_stream(framing, after, context.now),
                }
                Step::Again
            }
        }
    }

    fn reply(&mut self, reply: Reply, after: After, context: &mut Context<'_>) -> Step {
        if reply.delay.is_zero() {
            return self.put(&reply.response, reply.mishap, after, context);
        }
        self.state = State::Delayed { due: context.now + reply.delay, reply: Box::new(reply), after };
        Step::Again
    }

    /// Writes an answer to the outbox.
    fn put(&mut self, response: &Response, mishap: Mishap, after: After, context: &mut Context<'_>) -> Step {
        let keep_alive = after.keep_alive && !response.last && mishap != Mishap::Truncated;
        let framing = BodyFraming::Length(response.body.len());
        let mut bytes = response.head(&framing, after.modern, keep_alive, context.date);
        let head_bytes = bytes.len();
        if !after.without_body {
            bytes.extend_from_slice(&response.body);
        }
        match mishap {
            Mishap::None => {}
            Mishap::Dropped => return Step::Close,
            Mishap::Truncated if bytes.len() > head_bytes => bytes.truncate(head_bytes.midpoint(bytes.len())),
            Mishap::Truncated => bytes.truncate(head_bytes / 2),
            Mishap::Duplicated => bytes.extend_from_within(..),
        }
        self.moved = context.now;
        self.outbox.append(&mut bytes);
        self.end_answer(keep_alive, context.now);
        Step::Again
    }

    /// Says that there is no request to answer, and ends the connection.
    fn refuse(&mut self, status: u16, context: &mut Context<'_>) -> Step {
        if [413, 414, 431].contains(&status) {
            context.counters.oversized.fetch_add(1, Ordering::Relaxed);
        }
        let response = context.service.refuse(status);
        let after = After { without_body: false, modern: true, keep_alive: false };
        self.inbox = Vec::new();
        self.put(&response, Mishap::None, after, context)
    }

    /// Refuses whatever is under way, for want of memory.
    pub(super) fn give_up(&mut self, context: &mut Context<'_>) -> Step {
        context.counters.over_memory.fetch_add(1, Ordering::Relaxed);
        if !matches!(self.state, State::Head { .. } | State::Body { .. }) {
            return Step::Close;
        }
        self.refuse(503, context);
        self.trim();
        self.turn(context)
    }

    /// Sends what a stream has said.
    fn say(&mut self, flow: Flow, context: &mut Context<'_>) -> Step {
        let State::Streaming { framing, after, .. } = &self.state else { return Step::Rest };
        let (framing, after) = (*framing, *after);
        if self.unsent() == 0 {
            self.moved = context.now;
        }
        write_piece(&mut self.outbox, context.said, framing);
        match flow {
            Flow::Open => Step::Again,
            Flow::Cut => Step::Close,
            Flow::End => {
                self.end_stream(framing, after, context.now);
                Step::Again
            }
        }
    }

    fn end_stream(&mut self, framing: BodyFraming, after: After, now: Instant) {
        if framing == BodyFraming::Chunked {
            self.outbox.extend_from_slice(b"0\r\n\r\n");
        }
        self.end_answer(after.keep_alive, now);
    }

    fn end_answer(&mut self, keep_alive: bool, now: Instant) {
        self.state = if keep_alive { State::Idle { since: now } } else { State::Ending { due: None, discarded: 0 } };
    }

    fn take_state(&mut self, now: Instant) -> State {
        std::mem::replace(&mut self.state, State::Idle { since: now })
    }

    fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }

    /// Writes until all has gone or the socket is full.
    fn flush(&mut self, now: Instant) -> Result<(), ()> {
        while let Some(rest) = self.outbox.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(0) => return Err(()),
                Ok(count) => (self.sent, self.moved) = (self.sent + count, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
        if self.sent == self.outbox.len() {
            self.outbox.clear();
        } else {
            self.outbox.drain(..self.sent);
        }
        self.sent = 0;
        Ok(())
    }

    /// Gives back what it does not need while it rests.
    fn trim(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = Vec::new();
        }
        if self.outbox.is_empty() {
            self.outbox = Vec::new();
        }
    }
}

fn write_piece(outbox: &mut Vec<u8>, bytes: &[u8], framing: BodyFraming) {
    match framing {
        // A chunk of nothing would end the body.
        BodyFraming::Chunked if bytes.is_empty() => {}
        BodyFraming::Chunked => {
            outbox.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            outbox.extend_from_slice(bytes);
            outbox.extend_from_slice(b"\r\n");
        }
        _ => outbox.extend_from_slice(bytes),
    }
}

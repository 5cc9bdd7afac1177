//! One connection: from back-off through look-up, connecting and handshake to open, and round again.

use super::backoff::{Backoff, Timing, nanos};
use super::endpoint::{ConnSettings, Endpoint, Manner, TlsSettings};
use super::failure::Failure;
use super::names::Names;
use super::reactor::Flushed;
use super::stats::{ConnCount, ConnState};
use super::transport::{Decrypted, Socket, Tls, unless_blocked};
use crate::events::Clock;
use crate::events::MonoNanos;
use mio::{Registry, Token};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

/// No deadline.
pub(super) const NEVER: MonoNanos = MonoNanos(u64::MAX);

/// Ciphertext that is read at once.
pub(super) const RAW_BYTES: usize = 32 * 1024;

/// Plain text that is read at once; what [`RAW_BYTES`] and a record kept back by TLS can become, and more.
pub(super) const PLAIN_BYTES: usize = 64 * 1024;

/// What a connection borrows from its reactor.
pub(super) struct Context<'a, C> {
    pub(super) registry: &'a Registry,
    pub(super) names: Option<&'a Names>,
    pub(super) count: &'a ConnCount,
    pub(super) clock: &'a C,
}

/// What a connection reads into. `raw` is empty where nobody speaks TLS.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) raw: Box<[u8]>,
    pub(super) plain: Box<[u8]>,
}

/// Bytes at the start of the plain buffer, and when the read that brought them returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) length: usize,
    pub(super) wire: MonoNanos,
}

/// What a turn of a connection has brought.
#[derive(Debug)]
pub(super) enum Step {
    Nothing,
    /// It is open, and may have brought bytes already.
    Opened(Option<Arrived>),
    Bytes(Arrived),
    Closed,
}

#[derive(Debug)]
struct Link {
    socket: Socket,
    tls: Option<Tls>,
}

#[derive(Debug)]
pub(super) struct Connection {
    index: usize,
    settings: ConnSettings,
    tls: Option<TlsSettings>,
    timing: Timing,
    backoff: Backoff,
    state: ConnState,
    link: Option<Link>,
    /// When the state has lasted too long, or the pause is over.
    deadline: MonoNanos,
    /// Addresses yet to be tried, last first.
    addresses: Vec<SocketAddr>,
    /// The one that worked last.
    good: Option<SocketAddr>,
    looking_up: bool,
    readable: bool,
    /// The peer's end was announced; reading goes on until it is met.
    peer_ended: bool,
    writable: bool,
    /// Writability was announced since the last turn.
    woken: bool,
    /// Found outside a turn, to be reported in the next.
    failed: Option<Failure>,
    opened_at: MonoNanos,
    received: bool,
    sent: bool,
}

impl Connection {
    pub(super) fn new(
        index: usize,
        settings: ConnSettings,
        tls: Option<TlsSettings>,
        timing: Timing,
        seed: u64,
    ) -> Self {
        Self {
            index,
            settings,
            tls,
            timing,
            backoff: Backoff::new(&timing, seed),
            state: ConnState::Waiting,
            link: None,
            deadline: MonoNanos(0),
            addresses: Vec::new(),
            good: None,
            looking_up: false,
            readable: false,
            peer_ended: false,
            writable: false,
            woken: false,
            failed: None,
            opened_at: MonoNanos(0),
            received: false,
            sent: false,
        }
    }

    pub(super) fn deadline(&self) -> MonoNanos {
        self.deadline
    }

    /// Whether a turn may bring something.
    pub(super) fn wants_turn(&self) -> bool {
        self.readable || self.woken || self.failed.is_some()
    }

    pub(super) fn on_ready(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.peer_ended |= event.is_read_closed() || event.is_error();
        if event.is_writable() || event.is_error() {
            (self.writable, self.woken) = (true, true);
        }
    }

    /// The deadline has passed.
    pub(super) fn on_time<C: Clock>(&mut self, cx: &Context<'_, C>) {
        match self.state {
            ConnState::Waiting => self.start(cx),
            ConnState::Resolving => self.attempt_failed(&Failure::Timeout("looking up its name"), cx),
            ConnState::Connecting => self.attempt_failed(&Failure::Timeout("connecting"), cx),
            ConnState::Handshaking => self.attempt_failed(&Failure::Timeout("in the TLS handshake"), cx),
            ConnState::Open => self.deadline = NEVER,
        }
    }

    /// The look-up has an answer.
    pub(super) fn on_addresses<C: Clock>(&mut self, answer: io::Result<Vec<SocketAddr>>, cx: &Context<'_, C>) {
        self.looking_up = false;
        if self.state != ConnState::Resolving {
            // Too late: the attempt has timed out. The next one asks again.
            return;
        }
        let host = match &self.settings.endpoint {
            Endpoint::Tcp { host, .. } | Endpoint::Tls { host, .. } => host.clone(),
            Endpoint::Unix { .. } | Endpoint::Pipe { .. } => return,
        };
        match answer {
            Ok(addresses) if addresses.is_empty() => self.attempt_failed(&Failure::NoAddress { host }, cx),
            Ok(mut addresses) => {
                let first = addresses.remove(0);
                addresses.reverse();
                self.addresses = addresses;
                self.open(Socket::tcp(first), cx);
            }
            Err(source) => self.attempt_failed(&Failure::Resolve { host, source }, cx),
        }
    }

    /// The stage wants it closed and opened anew. Where it is not open, that is under way already.
    pub(super) fn reset(&mut self) {
        if self.state == ConnState::Open {
            self.failed = Some(Failure::Reset);
        }
    }

    fn enter<C>(&mut self, state: ConnState, deadline: MonoNanos, cx: &Context<'_, C>) {
        (self.state, self.deadline) = (state, deadline);
        cx.count.set_state(state);
    }

    fn attempt_deadline<C: Clock>(&self, cx: &Context<'_, C>) -> MonoNanos {
        cx.clock.mono().plus(nanos(self.timing.connect_timeout))
    }

    /// Begins an attempt.
    fn start<C: Clock>(&mut self, cx: &Context<'_, C>) {
        match &self.settings.endpoint {
            Endpoint::Unix { path } => self.open(Socket::unix(path), cx),
            Endpoint::Pipe { path } => self.open(Socket::pipe(path), cx),
            Endpoint::Tcp { host, port } | Endpoint::Tls { host, port, .. } => {
                if let Some(address) = self.good {
                    return self.open(Socket::tcp(address), cx);
                }
                if let Ok(address) = host.parse::<IpAddr>() {
                    return self.open(Socket::tcp((address, *port).into()), cx);
                }
                if let (false, Some(names)) = (self.looking_up, cx.names) {
                    names.ask(self.index, host, *port);
                    self.looking_up = true;
                }
                self.enter(ConnState::Resolving, self.attempt_deadline(cx), cx);
            }
        }
    }

    /// Waits for a new socket to be connected.
    fn open<C: Clock>(&mut self, socket: Result<Socket, Failure>, cx: &Context<'_, C>) {
        let registered = socket.and_then(|mut socket| {
            socket.register(cx.registry, Token(self.index))?;
            Ok(socket)
        });
        (self.readable, self.peer_ended, self.writable, self.woken) = (false, false, false, false);
        (self.received, self.sent, self.failed) = (false, false, None);
        match registered {
            Ok(socket) => {
                // A pipe waits for its writer as long as it takes.
                let is_pipe = matches!(socket, Socket::Pipe(_));
                let deadline = if is_pipe { NEVER } else { self.attempt_deadline(cx) };
                self.link = Some(Link { socket, tls: None });
                self.enter(ConnState::Connecting, deadline, cx);
            }
            Err(failure) => self.attempt_failed(&failure, cx),
        }
    }

    /// An attempt has failed: the next address, or a pause.
    fn attempt_failed<C: Clock>(&mut self, failure: &Failure, cx: &Context<'_, C>) {
        cx.count.count_failed(failure.to_string());
        self.forget_link();
        self.good = None;
        let is_certificate = failure.is_certificate();
        if let (false, Some(next)) = (is_certificate, self.addresses.pop()) {
            return self.open(Socket::tcp(next), cx);
        }
        let pause_ns = if is_certificate { self.backoff.longest_pause_ns() } else { self.backoff.next_pause_ns() };
        self.enter(ConnState::Waiting, cx.clock.mono().plus(pause_ns), cx);
    }

    fn forget_link(&mut self) {
        self.link = None;
        (self.readable, self.woken, self.writable, self.failed) = (false, false, false, None);
    }

    /// An open connection has ended.
    fn end<C: Clock>(&mut self, failure: &Failure, cx: &Context<'_, C>) -> Step {
        cx.count.count_failed(failure.to_string());
        let old = self.link.take();
        self.forget_link();
        let now = cx.clock.mono();
        if self.ended_well(failure, now) {
            self.backoff.reset();
            self.start(cx);
        } else {
            let pause_ns = self.backoff.next_pause_ns();
            self.enter(ConnState::Waiting, now.plus(pause_ns), cx);
        }
        // Only now: a named pipe keeps what a next writer may have written into it while a reader has it open.
        drop(old);
        Step::Closed
    }

    /// Whether there is nothing to be patient about.
    fn ended_well(&self, failure: &Failure, now: MonoNanos) -> bool {
        let closed = matches!(failure, Failure::PeerClosed | Failure::PeerVanished);
        let answered = self.settings.manner == Manner::AnswersOnce && closed && self.sent && self.received;
        answered || matches!(failure, Failure::WriterGone) || now.since(self.opened_at) >= nanos(self.timing.settled)
    }

    /// One turn: at most one read.
    pub(super) fn step<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Step {
        self.woken = false;
        match self.state {
            ConnState::Waiting | ConnState::Resolving => Step::Nothing,
            ConnState::Connecting => self.step_connecting(buffers, cx),
            ConnState::Handshaking => self.step_handshaking(buffers, cx),
            ConnState::Open => self.step_open(buffers, cx),
        }
    }

    fn step_connecting<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Step {
        let Some(link) = &self.link else { return Step::Nothing };
        if matches!(link.socket, Socket::Pipe(_)) {
            return self.step_unopened_pipe(buffers, cx);
        }
        match link.socket.is_connected() {
            Ok(true) => self.on_connected(cx),
            Ok(false) => {
                self.readable = false;
                Step::Nothing
            }
            Err(failure) => self.attempt_without_step(&failure, cx),
        }
    }

    fn attempt_without_step<C: Clock>(&mut self, failure: &Failure, cx: &Context<'_, C>) -> Step {
        self.attempt_failed(failure, cx);
        Step::Nothing
    }

    /// A pipe opens with its first bytes: before them, nothing tells whether there is a writer.
    fn step_unopened_pipe<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Step {
        match self.read(buffers, cx) {
            Ok(Some(arrived)) => self.opened(Some(arrived), cx),
            Ok(None) => Step::Nothing,
            Err(failure) => self.attempt_without_step(&failure, cx),
        }
    }

    fn on_connected<C: Clock>(&mut self, cx: &Context<'_, C>) -> Step {
        let Some(link) = &mut self.link else { return Step::Nothing };
        if let Socket::Tcp(stream) = &link.socket {
            self.good = stream.peer_addr().ok();
        }
        let Some(settings) = &self.tls else { return self.opened(None, cx) };
        let started = Tls::new(settings).and_then(|mut tls| {
            self.writable = tls.write_to(&mut link.socket)?;
            Ok(tls)
        });
        match started {
            Ok(tls) => {
                link.tls = Some(tls);
                self.enter(ConnState::Handshaking, self.deadline, cx);
                Step::Nothing
            }
            Err(failure) => self.attempt_without_step(&failure, cx),
        }
    }

    fn step_handshaking<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Step {
        let arrived = match self.pump().and_then(|()| if self.readable { self.read(buffers, cx) } else { Ok(None) }) {
            Ok(arrived) => arrived,
            Err(failure) => return self.attempt_without_step(&failure, cx),
        };
        if !self.is_handshaken()
            && let Some(failure) = self.failed.take()
        {
            return self.attempt_without_step(&failure, cx);
        }
        if self.is_handshaken() { self.opened(arrived, cx) } else { Step::Nothing }
    }

    fn is_handshaken(&self) -> bool {
        self.link.as_ref().and_then(|link| link.tls.as_ref()).is_some_and(|tls| !tls.is_handshaking())
    }

    fn opened<C: Clock>(&mut self, arrived: Option<Arrived>, cx: &Context<'_, C>) -> Step {
        self.addresses.clear();
        self.opened_at = cx.clock.mono();
        cx.count.count_opened();
        self.enter(ConnState::Open, NEVER, cx);
        Step::Opened(arrived)
    }

    fn step_open<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Step {
        // Where writing failed, an answer may still lie in the socket; all other failures are final.
        let is_final = |failure: &Failure| !matches!(failure, Failure::Write(_));
        if let Some(failure) = self.failed.take_if(|failure| is_final(failure) || !self.readable) {
            return self.end(&failure, cx);
        }
        if let Err(failure) = self.pump() {
            self.failed.get_or_insert(failure);
        }
        if !self.readable {
            return Step::Nothing;
        }
        match self.read(buffers, cx) {
            Ok(Some(arrived)) => Step::Bytes(arrived),
            Ok(None) => Step::Nothing,
            Err(failure) => {
                let first = self.failed.take().unwrap_or(failure);
                self.end(&first, cx)
            }
        }
    }

    /// Writes ciphertext that waits, if the socket has said that it has room.
    fn pump(&mut self) -> Result<(), Failure> {
        if let (true, Some(Link { socket, tls: Some(tls) })) = (self.writable, &mut self.link)
            && tls.wants_write()
        {
            self.writable = tls.write_to(socket)?;
        }
        Ok(())
    }

    /// Reads once. The end of the stream is an error; `None` if nothing came, or nothing that is for the stage.
    fn read<C: Clock>(&mut self, buffers: &mut Buffers, cx: &Context<'_, C>) -> Result<Option<Arrived>, Failure> {
        let Some(link) = &mut self.link else { return Ok(None) };
        let into = if link.tls.is_some() { &mut buffers.raw } else { &mut buffers.plain };
        let got = unless_blocked(|| link.socket.read(into));
        let wire = cx.clock.mono();
        let Some(read) = got.map_err(Failure::Read)? else {
            self.readable = false;
            return Ok(None);
        };
        if read == 0 {
            return Err(match link {
                Link { socket: Socket::Pipe(_), .. } => Failure::WriterGone,
                Link { tls: Some(_), .. } => Failure::PeerVanished,
                Link { .. } => Failure::PeerClosed,
            });
        }
        // Less than asked for means that there is no more, and that more will be announced (epoll(7), question 9). Not
        // so an end that was announced together with what was just read; nor the end of a pipe whose writer came and
        // went before it was opened here, which Linux never announces.
        let is_pipe = matches!(link.socket, Socket::Pipe(_));
        self.readable = read == into.len() || self.peer_ended || is_pipe;
        let length = match &mut link.tls {
            None => read,
            Some(tls) => {
                let decrypted = decrypt(tls, &mut link.socket, &buffers.raw[..read], &mut buffers.plain)?;
                if decrypted.ended {
                    self.failed.get_or_insert(Failure::PeerClosed);
                }
                decrypted.length
            }
        };
        // What TLS wants to answer to that.
        self.pump()?;
        self.received |= length > 0;
        cx.count.count_in(length);
        Ok((length > 0).then_some(Arrived { length, wire }))
    }

    /// Writes as much of `bytes` as goes without waiting.
    pub(super) fn write<C: Clock>(&mut self, bytes: &[u8], cx: &Context<'_, C>) -> Option<Flushed> {
        let is_ready = self.state == ConnState::Open && self.writable && self.failed.is_none();
        if !is_ready || bytes.is_empty() {
            return None;
        }
        let link = self.link.as_mut()?;
        let (written, entered) = match &mut link.tls {
            None => {
                let entered = cx.clock.mono();
                (write_plain(&mut link.socket, bytes), entered)
            }
            Some(tls) => {
                let encrypted = tls.encrypt(bytes);
                let entered = cx.clock.mono();
                (encrypted.and_then(|taken| write_encrypted(tls, &mut link.socket, bytes, taken)), entered)
            }
        };
        match written {
            Ok((taken, writable)) => {
                self.writable = writable;
                self.sent = true;
                cx.count.count_out(taken);
                Some(Flushed { taken, entered })
            }
            Err(failure) => {
                self.failed = Some(failure);
                None
            }
        }
    }
}

/// Decrypts; on an error tells the peer why, as far as it still listens.
fn decrypt(tls: &mut Tls, socket: &mut Socket, raw: &[u8], plain: &mut [u8]) -> Result<Decrypted, Failure> {
    tls.decrypt(raw, plain).inspect_err(|_| drop(tls.write_to(socket)))
}

/// Writes until all is written or the socket is full: how much was taken, and whether there is room for more.
fn write_plain(socket: &mut Socket, bytes: &[u8]) -> Result<(usize, bool), Failure> {
    let mut taken = 0;
    while taken < bytes.len() {
        match unless_blocked(|| socket.write(&bytes[taken..])).map_err(Failure::Write)? {
            Some(count) => taken += count,
            None => return Ok((taken, false)),
        }
    }
    Ok((taken, true))
}

/// As [`write_plain`], through TLS, which has taken the first `taken` bytes already.
fn write_encrypted(
    tls: &mut Tls,
    socket: &mut Socket,
    bytes: &[u8],
    mut taken: usize,
) -> Result<(usize, bool), Failure> {
    while tls.write_to(socket)? {
        if taken == bytes.len() {
            return Ok((taken, true));
        }
        taken += tls.encrypt(&bytes[taken..])?;
    }
    Ok((taken, false))
}

//! One stream: opened, read until its end, and opened again where it was left.

use super::Context;
use super::meaning::Meaning;
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::feed::config::{HorizonStreamConfig, HttpPlace};
use crate::feed::failover::Failover;
use crate::feed::http::{fault_of_http, number};
use crate::wire::http1::{HttpLimits, Response, StreamParser, StreamPart, is_event_stream};
use crate::wire::sse::{SseEvent, SseLimits, SseParser};
use std::io::Write as _;

const HTTP_LIMITS: HttpLimits = HttpLimits { max_head_bytes: 16 << 10, max_body_bytes: 0 };
/// A book of one level measures a kilobyte, an account with a thousand trustlines half a megabyte.
const SSE_LIMITS: SseLimits = SseLimits { max_line_bytes: 1 << 20, max_event_bytes: 1 << 20 };
/// Between two looks at whether there is a connection.
const LOOK_NS: u64 = 250_000_000;
/// The longest that a server's word to wait is obeyed.
const LONGEST_WAIT_NS: u64 = 3_600_000_000_000;
/// The longest pause before a stream that ended as it should is opened again, whatever `retry` says.
const LONGEST_RETRY_MS: u64 = 60_000;
/// The longest cursor that is taken; Horizon's are two numbers.
const MAX_CURSOR_BYTES: usize = 64;

/// The cursor before a record has told its place.
const FROM_NOW: &[u8] = b"now";

/// What streams need to ask.
#[derive(Debug)]
pub(super) struct Place {
    servers: Vec<HttpPlace>,
    answer_timeout_ns: u64,
    silence_ns: u64,
}

impl Place {
    pub(super) fn new(config: &HorizonStreamConfig) -> Self {
        let HorizonStreamConfig { answer_timeout_ns, silence_ns, .. } = *config;
        Self { servers: config.servers.clone(), answer_timeout_ns, silence_ns }
    }
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    path: String,
    /// The last record's place, where the stream is of records; empty elsewhere.
    cursor: Vec<u8>,
    meaning: Meaning,
    failover: Failover,
    http: StreamParser,
    sse: SseParser,
    state: State,
    /// Not opened before.
    open_at: MonoNanos,
    /// When something is to be done.
    next_at: MonoNanos,
    request: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be opened.
    Waiting,
    /// Asked for, and late after this.
    Opening(MonoNanos),
    /// Open, and dead if nothing comes until then.
    Open(MonoNanos),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The server has said goodbye.
    Goodbye,
    /// The server refuses this stream, as any would: what is asked about is not there yet.
    Refused,
    /// The server has no records any more after the cursor.
    Outlived,
    /// The server asks for patience, seconds.
    Wait(u64),
    /// It did not end as it should.
    Failed,
    /// The same, and with it the connection.
    Lost,
    /// It is none that can be read on.
    Wrong(FeedFault),
}

impl Stream {
    pub(super) fn new(
        path: String,
        has_cursor: bool,
        meaning: Meaning,
        config: &HorizonStreamConfig,
        seed: u64,
    ) -> Self {
        let mut cursor = Vec::with_capacity(MAX_CURSOR_BYTES);
        if has_cursor {
            cursor.extend_from_slice(FROM_NOW);
        }
        Self {
            path,
            cursor,
            meaning,
            failover: Failover::new(config.servers.len(), config.return_after_ns, seed.rotate_left(17)),
            http: StreamParser::new(HTTP_LIMITS),
            sse: SseParser::new(SSE_LIMITS),
            state: State::Waiting,
            open_at: MonoNanos(0),
            next_at: MonoNanos(0),
            request: Vec::with_capacity(1 << 10),
        }
    }

    /// Whether a server counts ledgers on it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Opens it, if that is to be done and can be.
    pub(super) fn go_on<S: Sink<Stamped<FeedEvent>>>(&mut self, cx: &mut Context<'_, '_, S>) {
        let now = cx.tools.ports[0].at;
        if self.state != State::Waiting {
            return;
        }
        self.failover.try_primary(cx.tools.ports[0].is_open(), now);
        self.failover.look(cx.tools.ports[self.failover.active()].is_open(), now);
        let server = self.failover.active();
        let port = &mut cx.tools.ports[server];
        let at = self.open_at.max(self.failover.pause_ends());
        if !port.is_open() || at > now {
            self.next_at = if port.is_open() { at } else { now.plus(LOOK_NS) };
            return;
        }
        if let Err(at) = cx.tools.horizon.budget.take(now) {
            self.next_at = at;
            return;
        }
        self.write_request(&cx.place.servers[server]);
        (self.state, self.next_at) = (State::Opening(now.plus(cx.place.answer_timeout_ns)), now);
        self.http.reset();
        self.sse.reset();
        if port.outbox.push(&self.request).is_err() {
            self.end(End::Failed, cx);
        }
    }

    fn write_request(&mut self, place: &HttpPlace) {
        let Self { request, path, cursor, .. } = self;
        request.clear();
        // Writing into memory does not fail.
        let _ = write!(request, "GET {}{path}", place.prefix);
        if !cursor.is_empty() {
            request.extend_from_slice(b"&cursor=");
            request.extend_from_slice(cursor);
        }
        let _ = write!(
            request,
            " HTTP/1.1\r\nHost: {}\r\nUser-Agent: stellar-connector/{}\r\nAccept: text/event-stream\r\n\
             Cache-Control: no-cache\r\n",
            place.host,
            env!("CARGO_PKG_VERSION"),
        );
        if !cursor.is_empty() && cursor != FROM_NOW {
            request.extend_from_slice(b"Last-Event-ID: ");
            request.extend_from_slice(cursor);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
    }

    /// Bytes of a server's.
    pub(super) fn bytes<S: Sink<Stamped<FeedEvent>>>(
        &mut self,
        server: usize,
        mut bytes: &[u8],
        cx: &mut Context<'_, '_, S>,
    ) {
        if server != self.failover.active() || self.state == State::Waiting {
            return;
        }
        if self.is_open() {
            self.state = State::Open(cx.tools.ports[server].at.plus(cx.place.silence_ns));
        }
        if let Err(end) = self.read(server, &mut bytes, cx) {
            self.end(end, cx);
        }
    }

    fn read<S: Sink<Stamped<FeedEvent>>>(
        &mut self,
        server: usize,
        input: &mut &[u8],
        cx: &mut Context<'_, '_, S>,
    ) -> Result<(), End> {
        let Self { http, sse, meaning, cursor, state, failover, .. } = self;
        while let Some(part) = http.next(input).map_err(|error| End::Wrong(fault_of_http(&error)))? {
            match part {
                StreamPart::Head(head) if is_event_stream(&head) => {
                    *state = State::Open(cx.tools.ports[server].at.plus(cx.place.silence_ns));
                }
                StreamPart::Head(head) => return Err(refusal(&head)),
                StreamPart::End => return Err(End::Failed),
                StreamPart::Body(mut body) => {
                    while let Some(event) = sse.next(&mut body).map_err(|_| End::Wrong(FeedFault::Oversized))? {
                        if take(&event, server, meaning, cursor, cx)? {
                            failover.well();
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The connection to a server is gone.
    pub(super) fn closed<S: Sink<Stamped<FeedEvent>>>(&mut self, server: usize, cx: &mut Context<'_, '_, S>) {
        if server == self.failover.active() && self.state != State::Waiting {
            self.end(End::Lost, cx);
        }
    }

    pub(super) fn on_time<S: Sink<Stamped<FeedEvent>>>(&mut self, cx: &mut Context<'_, '_, S>) {
        match self.state {
            State::Opening(late_at) | State::Open(late_at) if late_at <= cx.tools.ports[0].at => {
                self.end(End::Failed, cx);
            }
            _ => {}
        }
        self.meaning.look(self.failover.active(), &mut cx.tools);
    }

    /// It has ended: what follows, and when it is opened again.
    fn end<S: Sink<Stamped<FeedEvent>>>(&mut self, end: End, cx: &mut Context<'_, '_, S>) {
        let port = &mut cx.tools.ports[self.failover.active()];
        let now = port.at;
        let retry_ns = self.sse.retry_ms().unwrap_or(0).min(LONGEST_RETRY_MS) * 1_000_000;
        (self.state, self.open_at, self.next_at) = (State::Waiting, now.plus(retry_ns), now.plus(LOOK_NS));
        if let End::Wrong(fault) = end {
            port.fault(fault, cx.tools.sink);
        }
        match end {
            End::Lost => {}
            // The connection has served; what may still come on it is of no interest.
            End::Goodbye => port.renew(),
            _ => port.give_up(cx.tools.sink),
        }
        match end {
            End::Goodbye => self.failover.well(),
            End::Refused => self.failover.refused(now),
            End::Outlived => {
                if !self.cursor.is_empty() {
                    self.cursor.clear();
                    self.cursor.extend_from_slice(FROM_NOW);
                }
                self.failover.refused(now);
            }
            End::Wait(seconds) => {
                let wait_ns = seconds.saturating_mul(1_000_000_000).min(LONGEST_WAIT_NS);
                self.failover.asked_to_wait(now.plus(wait_ns), now);
            }
            End::Failed | End::Lost | End::Wrong(_) => {
                self.failover.failed(now);
            }
        }
    }

    /// When it wants to be called.
    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        let own = match self.state {
            State::Waiting => self.next_at,
            State::Opening(late_at) | State::Open(late_at) => late_at,
        };
        self.meaning.deadline().into_iter().chain([own]).min()
    }
}

/// Takes an event: one of Horizon's own kinds, or a record. Returns whether it shows that the server is well, which a
/// greeting does not: an error may follow at once.
fn take<S: Sink<Stamped<FeedEvent>>>(
    event: &SseEvent<'_>,
    server: usize,
    meaning: &mut Meaning,
    cursor: &mut Vec<u8>,
    cx: &mut Context<'_, '_, S>,
) -> Result<bool, End> {
    let port = &mut cx.tools.ports[server];
    match event.kind {
        b"open" => port.up(cx.tools.sink),
        b"close" => return Err(End::Goodbye),
        b"error" => return Err(End::Failed),
        b"" | b"message" => {
            port.counters.messages += 1;
            port.up(cx.tools.sink);
            if let Err(fault) = meaning.take(event.data, server, cx.prices, &mut cx.tools) {
                cx.tools.ports[server].fault(fault, cx.tools.sink);
            }
            if !cursor.is_empty() && is_cursor(event.id) {
                cursor.clear();
                cursor.extend_from_slice(event.id);
            }
            return Ok(true);
        }
        // A kind that is not known, which is to be passed over.
        _ => {}
    }
    Ok(false)
}

/// Whether an id can stand in a query as it is.
fn is_cursor(id: &[u8]) -> bool {
    (1..=MAX_CURSOR_BYTES).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// What an answer means that is no stream.
fn refusal(head: &Response<'_>) -> End {
    match head.status {
        429 => End::Wait(number(head, "Retry-After").or(number(head, "X-RateLimit-Reset")).unwrap_or(10)),
        400 | 410 => End::Outlived,
        // An account that is not there yet, an asset that was never traded.
        404 | 406 => End::Refused,
        _ => End::Failed,
    }
}

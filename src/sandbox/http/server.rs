//! The thread that serves every connection.

use super::connection::{Connection, Context, Step};
use super::date::http_date;
use super::service::Service;
use crate::sandbox::clock::utc_now;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How much is held, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Connections at once; one more is closed without a byte.
    pub(crate) connections: usize,
    /// How long a connection may be without a request: clients keep warm ones.
    pub(crate) idle: Duration,
    /// How long a request may take to arrive once its first byte has.
    pub(crate) request: Duration,
    /// How long a client may take none of an answer.
    pub(crate) answer: Duration,
    /// The longest body.
    pub(crate) body_bytes: usize,
    /// How much of a stream waits for its reader.
    pub(crate) stream_bytes: usize,
    /// What all connections hold together: requests that arrive, answers that leave.
    pub(crate) held_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 16_384,
            idle: Duration::from_secs(300),
            request: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            body_bytes: 1 << 20,
            stream_bytes: 256 << 10,
            held_bytes: 128 << 20,
        }
    }
}

/// Below this, a connection does not suffer for what all hold together.
const MODEST_BYTES: usize = 16 << 10;
/// Connections that are woken between two looks at the sockets.
const WAKES_AT_ONCE: usize = 256;
/// How long accepting rests after an error of the system (out of file descriptors, say).
const ACCEPT_REST: Duration = Duration::from_millis(10);
const READ_BYTES: usize = 64 << 10;
const EVENTS: usize = 1024;
const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// How often bounds were reached.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) refused: AtomicU64,
    pub(super) slow_requests: AtomicU64,
    pub(super) oversized: AtomicU64,
    pub(super) slow_readers: AtomicU64,
    pub(super) over_memory: AtomicU64,
}

/// Connections and requests that were turned away so far, each for reaching a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Connections beyond those that may be at once.
    pub(crate) connections: u64,
    /// Requests that took too long to arrive.
    pub(crate) slow_requests: u64,
    /// Heads and bodies that were too long.
    pub(crate) oversized: u64,
    /// Clients that did not take what they had asked for.
    pub(crate) slow_readers: u64,
    /// Connections ended because all held too much.
    pub(crate) over_memory: u64,
}

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server {
    waker: Waker,
    address: SocketAddr,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Wakes the server: what waits is asked whether it has something to say.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waker: mio::Waker,
    stopping: AtomicBool,
    woken: AtomicBool,
    open: AtomicUsize,
    held: AtomicUsize,
    counters: Counters,
}

impl Waker {
    /// Wakes it.
    pub(crate) fn wake(&self) {
        self.0.woken.store(true, Ordering::Release);
        // It fails if the system is out of memory; the next wake makes up for it.
        let _ = self.0.waker.wake();
    }
}

impl Server {
    /// Serves until stopped. The service is made with the waker that its answers may need.
    ///
    /// # Errors
    /// If the system gives no event queue or thread.
    pub(crate) fn start<S: Service + 'static>(
        listener: std::net::TcpListener,
        bounds: Bounds,
        service: impl FnOnce(Waker) -> S,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let shared = Arc::new(Shared {
            waker: mio::Waker::new(poll.registry(), WAKER)?,
            stopping: AtomicBool::new(false),
            woken: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            counters: Counters::default(),
        });
        let waker = Waker(Arc::clone(&shared));
        let event_loop = EventLoop {
            service: Box::new(service(waker.clone())),
            poll,
            listener,
            address,
            bounds,
            shared,
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: BTreeSet::new(),
            wakes: VecDeque::new(),
            again: VecDeque::new(),
            accept_again: None,
            held: 0,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            said: Vec::new(),
            date: (0, String::new()),
        };
        let thread = thread::Builder::new().name("sandbox-http".into()).spawn(move || event_loop.run())?;
        Ok(Self { waker, address, thread: Mutex::new(Some(thread)) })
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its thread serves.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// What wakes it.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Connections now.
    pub(crate) fn open(&self) -> usize {
        self.waker.0.open.load(Ordering::Relaxed)
    }

    /// Bytes that all connections hold now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.waker.0.held.load(Ordering::Relaxed)
    }

    /// What was turned away so far.
    pub(crate) fn refused(&self) -> Refused {
        let counters = &self.waker.0.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Refused {
            connections: read(&counters.refused),
            slow_requests: read(&counters.slow_requests),
            oversized: read(&counters.oversized),
            slow_readers: read(&counters.slow_readers),
            over_memory: read(&counters.over_memory),
        }
    }

    /// Closes every connection and waits for the thread.
    pub(crate) fn stop(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.waker.0.stopping.store(true, Ordering::Release);
        self.waker.wake();
        // A panic was reported by the thread itself.
        let _ = thread.join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Slot {
    connection: Connection,
    /// When it is in the list of deadlines.
    deadline: Option<Instant>,
    held: usize,
}

struct EventLoop {
    service: Box<dyn Service>,
    poll: Poll,
    listener: TcpListener,
    address: SocketAddr,
    bounds: Bounds,
    shared: Arc<Shared>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    deadlines: BTreeSet<(Instant, usize)>,
    /// Connections still to be woken since the last wake.
    wakes: VecDeque<usize>,
    /// Connections that have more to do at once.
    again: VecDeque<usize>,
    accept_again: Option<Instant>,
    held: usize,
    scratch: Box<[u8]>,
    said: Vec<u8>,
    /// The second, and how it is written.
    date: (u64, String),
}

/// What a connection is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Turn { readable: bool },
    Wake,
    Expire,
}

impl EventLoop {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.shared.stopping.load(Ordering::Acquire) {
            let timeout = self.timeout(Instant::now());
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "the sandbox's port is closed: its event queue is gone");
                return;
            }
            let now = Instant::now();
            self.tell_time();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(now),
                    WAKER => {}
                    Token(index) => {
                        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                        self.call(index, Call::Turn { readable }, now);
                    }
                }
            }
            self.after_events(now);
        }
    }

    fn after_events(&mut self, now: Instant) {
        if self.accept_again.is_some_and(|due| due <= now) {
            self.accept_again = None;
            self.accept(now);
        }
        for _ in 0..self.again.len() {
            let Some(index) = self.again.pop_front() else { break };
            self.call(index, Call::Turn { readable: false }, now);
        }
        // Those of now, not those that come up meanwhile: whoever is due at once again has its turn after the sockets.
        let due: Vec<usize> =
            self.deadlines.iter().take_while(|(due, _)| *due <= now).map(|(_, index)| *index).collect();
        for index in due {
            self.call(index, Call::Expire, now);
        }
        // A round is finished before the next begins, so that nobody waits for ever.
        if self.wakes.is_empty() && self.shared.woken.swap(false, Ordering::AcqRel) {
            let waiting = self.slots.iter().enumerate();
            let waiting = waiting.filter(|(_, slot)| slot.as_ref().is_some_and(|slot| slot.connection.is_waiting()));
            self.wakes.extend(waiting.map(|(index, _)| index));
        }
        for _ in 0..WAKES_AT_ONCE {
            let Some(index) = self.wakes.pop_front() else { break };
            self.call(index, Call::Wake, now);
        }
    }

    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.wakes.is_empty() || !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.deadlines.first().map(|(due, _)| *due);
        // Rounded up by the system to its own grain, so that no turn is for nothing.
        due.into_iter().chain(self.accept_again).min().map(|due| due.saturating_duration_since(now))
    }

    fn tell_time(&mut self) {
        let seconds = utc_now().seconds();
        if self.date.0 != seconds {
            self.date = (seconds, http_date(seconds));
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            match self.listener.accept() {
                Ok((socket, peer)) if self.open() < self.bounds.connections => {
                    let _ = socket.set_nodelay(true);
                    self.admit(Connection::new(socket, peer.ip(), self.address, now));
                }
                Ok(_) => {
                    self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The peer was faster.
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(_) => {
                    self.accept_again = Some(now + ACCEPT_REST);
                    return;
                }
            }
        }
    }

    fn open(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn admit(&mut self, mut connection: Connection) {
        let index = self.free.pop().unwrap_or(self.slots.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.socket(), Token(index), interest).is_err() {
            self.shared.counters.refused.fetch_add(1, Ordering::Relaxed);
            if index < self.slots.len() {
                self.free.push(index);
            }
            return;
        }
        let deadline = connection.deadline(&self.bounds);
        self.deadlines.insert((deadline, index));
        let slot = Some(Slot { connection, deadline: Some(deadline), held: 0 });
        match self.slots.get_mut(index) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.shared.open.store(self.open(), Ordering::Relaxed);
    }

    /// Lets a connection do something. Of one that has gone meanwhile, nothing is asked.
    fn call(&mut self, index: usize, call: Call, now: Instant) {
        let Some(mut slot) = self.slots.get_mut(index).and_then(Option::take) else { return };
        let mut context = Context {
            service: &mut *self.service,
            bounds: &self.bounds,
            counters: &self.shared.counters,
            now,
            date: &self.date.1,
            scratch: &mut self.scratch,
            said: &mut self.said,
        };
        let connection = &mut slot.connection;
        let mut step = match call {
            Call::Turn { readable } => {
                if readable {
                    connection.set_readable();
                }
                connection.turn(&mut context)
            }
            Call::Wake => connection.wake(&mut context),
            Call::Expire => connection.expire(&mut context),
        };
        let others = self.held - slot.held;
        if connection.held() > MODEST_BYTES && others + connection.held() > self.bounds.held_bytes {
            step = connection.give_up(&mut context);
        }
        slot.held = connection.held();
        self.held = others + slot.held;
        self.put_back(index, slot, step);
    }

    fn put_back(&mut self, index: usize, mut slot: Slot, step: Step) {
        if step == Step::Close {
            self.held -= slot.held;
            if let Some(deadline) = slot.deadline {
                self.deadlines.remove(&(deadline, index));
            }
            // Closing the socket takes it off the event queue.
            drop(slot);
            self.free.push(index);
            self.shared.open.store(self.open(), Ordering::Relaxed);
        } else {
            let deadline = slot.connection.deadline(&self.bounds);
            if slot.deadline != Some(deadline) {
                if let Some(old) = slot.deadline.replace(deadline) {
                    self.deadlines.remove(&(old, index));
                }
                self.deadlines.insert((deadline, index));
            }
            if step == Step::Again {
                self.again.push_back(index);
            }
            if let Some(place) = self.slots.get_mut(index) {
                *place = Some(slot);
            }
        }
        self.shared.held.store(self.held, Ordering::Relaxed);
    }
}

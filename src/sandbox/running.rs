//! A world in real time, behind real sockets.

use super::begin::{Beginning, begin};
use super::chain::Chain;
use super::clock::utc_now;
use super::engine::EngineSnapshot;
use super::faces::{Faces, Host};
use super::faults::{Face, Faults, Interruption};
use super::friendbot::Friendbot;
use super::history::History;
use super::http::{Bounds, RateLimiter, Server, Waker};
use super::meta_stream::MetaStream;
use super::price_server::PriceServer;
use super::reference::{Symbol, Tick};
use super::settings::{CloseRule, RateLimit, Refusals, SandboxConfig, SandboxError, Ticks};
use super::state::{self, StateDir};
use super::world::{Closed, Submission, World};
use crate::stellar::{AccountId, Market, MarketId};
use parking_lot::{Condvar, Mutex};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How soon a ledger that could not be kept is tried again.
const KEEP_RETRY: Duration = Duration::from_millis(100);
/// The shortest rest of the thread that makes ticks.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    faces: Server,
    prices: Arc<PriceServer>,
    meta: Arc<MetaStream>,
    threads: Vec<JoinHandle<()>>,
    resumed: bool,
}

#[derive(Debug)]
struct Shared {
    inside: Mutex<Inside>,
    network: String,
    engine: AccountId,
    markets: Vec<Market>,
    symbols: Vec<String>,
    on_submission: bool,
    /// The tickers of pushed prices; empty if the world makes them.
    pushed: Mutex<Vec<Symbol>>,
    signal: Mutex<Signal>,
    woken: Condvar,
    /// Whether the thread that closes ledgers has ended before it was told to.
    broken: AtomicBool,
    faults: Arc<Faults>,
    friendbot: Arc<Friendbot>,
}

/// Notes the end of the thread that closes ledgers, however it ends.
struct Watch<'s>(&'s Shared);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.0.signal.lock().stopping {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

/// The world and its past: under one lock, so that both are of the same ledger.
#[derive(Debug)]
struct Inside {
    world: World,
    history: History,
}

#[derive(Debug, Default)]
struct Signal {
    stopping: bool,
    submitted: bool,
}

impl Sandbox {
    /// Founds the world, opens its doors, and lets time run.
    ///
    /// # Errors
    /// If the configuration makes no world, or the system gives no port, pipe, socket, file or thread.
    pub fn start(mut config: SandboxConfig) -> Result<Self, SandboxError> {
        if config.close.interval().is_zero() {
            return Err(SandboxError::ZeroInterval);
        }
        let faces_listener = listen("the faces", SocketAddr::new(config.address, config.port))?;
        let price_listener = listen("the reference price", SocketAddr::new(config.price_address, config.price_port))?;
        config.world.founded_at_s = utc_now().seconds();
        let network = config.world.network_passphrase.clone();
        let Beginning { world, history, meta, state, resumed } = begin(&config)?;
        let inside = Inside { world, history };
        let faults = Arc::new(Faults::new(std::mem::take(&mut config.faults)));
        let shared = Arc::new(Shared::new(inside, network, &config, faults));
        let thread = |what| move |source| SandboxError::Thread { what, source };
        let prices = PriceServer::start(price_listener, shared.tickers()).map_err(thread("the reference price"))?;
        let faces = Server::start(faces_listener, bounds(), |_| shared.faces(config.rate_limit));
        let faces = faces.map_err(thread("the faces"))?;
        let (prices, meta) = (Arc::new(prices), Arc::new(meta));
        let mut sandbox = Self { shared, faces, prices, meta, threads: Vec::new(), resumed };
        sandbox.spawn("sandbox-close", {
            let (shared, meta) = (Arc::clone(&sandbox.shared), Arc::clone(&sandbox.meta));
            let (faces, interval) = (sandbox.faces.waker(), config.close.interval());
            move || {
                let _watch = Watch(&shared);
                shared.close_ledgers(&meta, &faces, interval, state);
            }
        })?;
        if config.ticks == Ticks::Automatic {
            let (shared, prices) = (Arc::clone(&sandbox.shared), Arc::clone(&sandbox.prices));
            sandbox.spawn("sandbox-tick", move || shared.make_ticks(&prices))?;
        }
        Ok(sandbox)
    }

    fn spawn(&mut self, what: &'static str, run: impl FnOnce() + Send + 'static) -> Result<(), SandboxError> {
        let thread = thread::Builder::new().name(what.into()).spawn(run);
        self.threads.push(thread.map_err(|source| SandboxError::Thread { what, source })?);
        Ok(())
    }

    /// Where all faces are served: Horizon, Stellar RPC, core's commands, friendbot.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.faces.address()
    }

    /// Where core's commands are served: where all faces are.
    #[must_use]
    pub fn core_address(&self) -> SocketAddr {
        self.address()
    }

    /// How many clients are connected to the faces.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.faces.open()
    }

    /// Where the reference price is served; any path will do, Kraken's is `/v2`.
    #[must_use]
    pub fn price_address(&self) -> SocketAddr {
        self.prices.address()
    }

    /// The pipe, socket or file of closed ledgers.
    #[must_use]
    pub fn meta_path(&self) -> &Path {
        self.meta.path()
    }

    /// Whether ledgers close and the faces answer. If not, the log says why, and only stopping is left.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.shared.broken.load(Ordering::Acquire) && self.faces.is_running()
    }

    /// Whether the world is one that an earlier process kept.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The network's passphrase.
    #[must_use]
    pub fn network_passphrase(&self) -> &str {
        &self.shared.network
    }

    /// The account that the engine trades with.
    #[must_use]
    pub fn engine_account(&self) -> AccountId {
        self.shared.engine
    }

    /// The markets; their order gives the ids.
    #[must_use]
    pub fn markets(&self) -> &[Market] {
        &self.shared.markets
    }

    /// The reference's symbol of each market.
    #[must_use]
    pub fn symbols(&self) -> &[String] {
        &self.shared.symbols
    }

    /// The engine's account as of the last closed ledger.
    #[must_use]
    pub fn engine(&self) -> EngineSnapshot {
        self.shared.inside.lock().world.engine()
    }

    /// How many clients have subscribed to a market's reference price.
    #[must_use]
    pub fn price_subscribers(&self, market: MarketId) -> usize {
        self.prices.subscribers(usize::from(market.0))
    }

    /// Who was turned away so far.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        let faces = self.faces.refused();
        Refusals {
            connections: faces.connections,
            slow_requests: faces.slow_requests,
            oversized: faces.oversized,
            slow_readers: faces.slow_readers,
            over_memory: faces.over_memory,
            price: self.prices.refused(),
            slow_price: self.prices.dropped(),
            meta: self.meta.refused(),
        }
    }

    /// Sends a tick with its middle at `mid` to whoever subscribed to the market's symbol, now. Waits neither for the
    /// ledger nor for a client, so that a load generator can keep to its schedule. Traders see it from the next ledger.
    ///
    /// # Errors
    /// If the world makes the prices, there is no such market, or `mid` is no price.
    pub fn push_reference(&self, market: MarketId, mid: f64) -> Result<(), SandboxError> {
        let tick = self.shared.pushed_tick(market, mid)?;
        self.prices.publish(tick);
        Ok(())
    }

    /// Ends everything, within a second: no ledger closes any more, every connection is closed, pipe and socket are
    /// removed. Gives the engine's account as it was left.
    pub fn stop(mut self) -> EngineSnapshot {
        self.end();
        self.engine()
    }

    fn end(&mut self) {
        self.shared.signal.lock().stopping = true;
        self.shared.woken.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
        self.faces.stop();
        self.prices.stop();
        self.meta.stop();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn new(inside: Inside, network: String, config: &SandboxConfig, faults: Arc<Faults>) -> Self {
        let world = &inside.world;
        let pushed = match config.ticks {
            Ticks::Automatic => Vec::new(),
            Ticks::Pushed => {
                let markets = world.symbols().iter().zip(0_u16..);
                markets.map(|(name, market)| Symbol::new(name, world.reference_mid(MarketId(market)))).collect()
            }
        };
        Self {
            network,
            engine: world.engine_account(),
            markets: world.markets().to_vec(),
            symbols: world.symbols().to_vec(),
            on_submission: matches!(config.close, CloseRule::OnSubmission { .. }),
            friendbot: Arc::new(Friendbot::new(world.ledger().network())),
            faults,
            pushed: Mutex::new(pushed),
            inside: Mutex::new(inside),
            signal: Mutex::new(Signal::default()),
            woken: Condvar::new(),
            broken: AtomicBool::new(false),
        }
    }

    /// Each symbol with its ticker as it is now.
    fn tickers(&self) -> Vec<(String, String)> {
        let (inside, now) = (self.inside.lock(), utc_now());
        let world = &inside.world;
        let symbols = self.symbols.iter().zip(0_u16..);
        symbols.map(|(name, market)| (name.clone(), world.ticker(MarketId(market), now))).collect()
    }

    fn pushed_tick(&self, market: MarketId, mid: f64) -> Result<Tick, SandboxError> {
        let mut pushed = self.pushed.lock();
        if pushed.is_empty() {
            return Err(SandboxError::TicksAreAutomatic);
        }
        let (symbol, markets) = (usize::from(market.0), pushed.len());
        match pushed.get_mut(symbol) {
            Some(ticker) if mid.is_finite() && mid > 0.0 => {
                ticker.set_mid(mid);
                Ok(Tick { symbol, data: ticker.data(utc_now()) })
            }
            _ => Err(SandboxError::NoReference { market, mid, markets }),
        }
    }

    /// The faces over this.
    fn faces(self: &Arc<Self>, limit: RateLimit) -> Faces {
        let host = Arc::new(Arc::clone(self));
        let limiter = RateLimiter::new(limit.per_hour, limit.burst);
        Faces::new(host, Arc::clone(&self.faults), Arc::clone(&self.friendbot), limiter)
    }

    /// Closes ledgers until the sandbox stops. Keeps to its schedule; a ledger that is late is not made up for.
    fn close_ledgers(&self, meta: &MetaStream, faces: &Waker, interval: Duration, mut state: Option<StateDir>) {
        let mut next = Instant::now() + interval;
        while self.wait_for_close(next) {
            match self.close_ledger(&mut state) {
                Ok(closed) => {
                    self.publish(meta, &closed.bytes);
                    faces.wake();
                }
                Err(error) => {
                    tracing::error!(%error, "the sandbox closes no more ledgers");
                    return;
                }
            }
            self.take_snapshot(&mut state, |state, ledger| state.wants_snapshot(ledger));
            let now = Instant::now();
            if self.on_submission || next + interval <= now {
                next = now + interval;
            } else if next <= now {
                next += interval;
            }
        }
        self.take_snapshot(&mut state, |_, _| true);
    }

    /// Closes a ledger and keeps it. Nobody sees it before it is kept: the lock is held until then.
    fn close_ledger(&self, state: &mut Option<StateDir>) -> Result<Closed, SandboxError> {
        let mut inside = self.inside.lock();
        let Inside { world, history } = &mut *inside;
        for (ticker, market) in self.pushed.lock().iter().zip(0_u16..) {
            world.set_reference(MarketId(market), ticker.mid());
        }
        self.friendbot.give(world);
        let closed = world.close(utc_now().seconds())?;
        if let Some(state) = state {
            let (ledger, notes) = (world.ledger().header().ledger_seq, world.notes());
            let mut told = false;
            while let Err(error) = state.keep(ledger, &closed.bytes, &notes) {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(%error, ledger, "nothing goes on until the ledger is kept");
                }
                if !self.rest(KEEP_RETRY) {
                    return Err(error.into());
                }
            }
        }
        history.record(&closed.meta, closed.bytes.clone());
        Ok(closed)
    }

    /// Takes a snapshot of the last closed ledger, if one is wanted. Only reading it holds anyone up.
    fn take_snapshot(&self, state: &mut Option<StateDir>, wanted: impl Fn(&StateDir, u32) -> bool) {
        let Some(state) = state else { return };
        let (ledger, content) = {
            let inside = self.inside.lock();
            let world = &inside.world;
            let ledger = world.ledger().header().ledger_seq;
            if !wanted(state, ledger) {
                return;
            }
            (ledger, state::content(world.ledger(), &world.notes()))
        };
        if let Err(error) = state.write_snapshot(ledger, &content) {
            // The log has all that the snapshot would; the next one is tried soon.
            tracing::warn!(%error, ledger, "no snapshot");
        }
    }

    /// Streams a closed ledger, unless a fault has it that it is not.
    fn publish(&self, meta: &MetaStream, ledger: &[u8]) {
        match self.faults.on_ledger(Face::Meta, "") {
            Some(Interruption::Skip) => return,
            Some(Interruption::End) => meta.cut(),
            Some(Interruption::Stall(duration)) => meta.stall(duration),
            None => {}
        }
        meta.publish(ledger);
    }

    /// Someone waits for a ledger.
    fn ask_for_ledger(&self) {
        if self.on_submission {
            self.signal.lock().submitted = true;
            self.woken.notify_all();
        }
    }

    /// Waits until a ledger is due; false when the sandbox stops.
    fn wait_for_close(&self, due: Instant) -> bool {
        let mut signal = self.signal.lock();
        while !signal.stopping {
            let wanted = self.on_submission && signal.submitted;
            if wanted || self.woken.wait_until(&mut signal, due).timed_out() {
                break;
            }
        }
        signal.submitted = false;
        !signal.stopping
    }

    /// Publishes the world's own ticks until the sandbox stops.
    fn make_ticks(&self, prices: &PriceServer) {
        let mut rest = SHORTEST_REST;
        while self.rest(rest) {
            let now = utc_now();
            loop {
                // Not in the loop's head, where the world would stay locked while the tick is published.
                let tick = self.inside.lock().world.reference_tick(now);
                let Some(tick) = tick else { break };
                prices.publish(tick);
            }
            let due = self.inside.lock().world.next_tick_due();
            rest = Duration::from_nanos(due.0.saturating_sub(utc_now().0)).max(SHORTEST_REST);
        }
    }

    /// Waits so long; false when the sandbox stops.
    fn rest(&self, rest: Duration) -> bool {
        let until = Instant::now() + rest;
        let mut signal = self.signal.lock();
        while !signal.stopping && !self.woken.wait_until(&mut signal, until).timed_out() {}
        !signal.stopping
    }
}

impl Host for Arc<Shared> {
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
        let inside = self.inside.lock();
        let Inside { world, history } = &*inside;
        look(&Chain { ledger: world.ledger(), history, now_s: utc_now().seconds() });
    }

    fn submit(&self, envelope: &[u8]) -> Submission {
        let answer = self.inside.lock().world.submit(envelope);
        if answer == Submission::Pending {
            self.ask_for_ledger();
        }
        answer
    }

    fn passphrase(&self) -> &str {
        &self.network
    }

    fn hurry(&self) {
        self.ask_for_ledger();
    }
}

/// Files that the process may need beside the connections to the faces.
const OTHER_FILES: u64 = 512;

/// The bounds of the faces: fewer connections where the system lets the process open fewer files. It is asked for more
/// first.
fn bounds() -> Bounds {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bounds = Bounds::default();
    let wanted = bounds.connections as u64 + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let mut allowed = limit.current.unwrap_or(u64::MAX);
    if allowed < wanted {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        if raised > allowed
            && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok()
        {
            allowed = raised;
        }
    }
    let left = usize::try_from(allowed.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    Bounds { connections: bounds.connections.min(left.max(64)), ..bounds }
}

fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, SandboxError> {
    TcpListener::bind(address).map_err(|source| SandboxError::Listen { what, address, source })
}

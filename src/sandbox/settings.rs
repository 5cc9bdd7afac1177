//! How a sandbox runs, why one does not, and who was turned away.

use super::faults::FaultRules;
use super::history::HistoryBounds;
use super::meta_stream::MetaOutput;
use super::state::{StateConfig, StateError};
use super::world::{WorldConfig, WorldError};
use crate::stellar::MarketId;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// When a ledger closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseRule {
    /// At this interval.
    Every(Duration),
    /// As soon as a transaction is accepted, and otherwise at this interval. For measuring.
    OnSubmission {
        /// The longest time without a ledger.
        idle: Duration,
    },
}

impl CloseRule {
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Every(interval) | Self::OnSubmission { idle: interval } => interval,
        }
    }
}

/// Who makes reference prices move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// The world, at its own pace.
    Automatic,
    /// The caller, by [`Sandbox::push_reference`](super::Sandbox::push_reference).
    Pushed,
}

/// How often an address may ask Horizon. Every ledger that a stream looks at counts as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests an hour; 0 for no limit. The headers then say what Horizon's do to someone who asks for the first time.
    pub per_hour: u32,
    /// Requests at once beyond the steady rate.
    pub burst: u32,
}

impl RateLimit {
    /// Horizon's own: 3600 an hour, a hundred at once.
    pub const HORIZON: Self = Self { per_hour: 3600, burst: 100 };
    /// No limit, which is the sandbox's default: tests ask more often than people.
    pub const NONE: Self = Self { per_hour: 0, burst: 100 };
}

/// How a sandbox runs.
#[derive(Debug)]
pub struct SandboxConfig {
    /// The world. Its founding is dated by the sandbox.
    pub world: WorldConfig,
    /// When a ledger closes.
    pub close: CloseRule,
    /// Who makes reference prices move.
    pub ticks: Ticks,
    /// Where closed ledgers go.
    pub meta: MetaOutput,
    /// How many bytes of closed ledgers are kept for readers that come late: each gets all of them, from the first. Once
    /// the first has had to go, a newcomer's stream ends before it begins, rather than with a hole in it. A lively
    /// market fills about 14 KB a ledger.
    pub max_history_bytes: usize,
    /// How much of the past Horizon and Stellar RPC show.
    pub history: HistoryBounds,
    /// Where all faces (Horizon, Stellar RPC, core's commands, friendbot) listen. Beyond the loopback, whoever reaches it
    /// is a client: nothing asks who they are.
    pub address: IpAddr,
    /// Port of all faces; 0 for any.
    pub port: u16,
    /// How often an address may ask Horizon.
    pub rate_limit: RateLimit,
    /// What goes wrong from the start. `/sandbox/faults` changes it.
    pub faults: FaultRules,
    /// Where the reference price listens.
    pub price_address: IpAddr,
    /// Port of the reference price; 0 for any.
    pub price_port: u16,
    /// Where the world is kept, for the next process to go on with; without it, it ends with this one.
    pub state: Option<StateConfig>,
}

impl SandboxConfig {
    /// A ledger a second, a socket for them, any ports.
    #[must_use]
    pub fn new(world: WorldConfig) -> Self {
        Self {
            world,
            close: CloseRule::Every(Duration::from_secs(1)),
            ticks: Ticks::Automatic,
            meta: MetaOutput::UnixSocket,
            max_history_bytes: 256 << 20,
            history: HistoryBounds::default(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            rate_limit: RateLimit::NONE,
            faults: FaultRules::default(),
            price_address: Ipv4Addr::LOCALHOST.into(),
            price_port: 0,
            state: None,
        }
    }
}

/// Why a sandbox does not start, or refuses a call.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A port is taken, most likely.
    #[error("cannot listen on {address} for {what}: {source}; choose another port, or 0 for any")]
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The pipe, socket or file of closed ledgers cannot be made.
    #[error("cannot open {output:?} for closed ledgers: {source}; the directory must exist, and the file must not")]
    Meta {
        /// Which.
        output: MetaOutput,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread for {what}: {source}; the limit of processes is reached")]
    Thread {
        /// What for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Intervals of zero.
    #[error("ledgers cannot close every zero seconds: give an interval, such as 1s")]
    ZeroInterval,
    /// The world cannot be.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The kept world cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The world makes the prices.
    #[error("reference prices are made by the world: start the sandbox with Ticks::Pushed to push them")]
    TicksAreAutomatic,
    /// The price or its market is none.
    #[error("cannot push {mid} to market {market}: a positive price and one of {markets} markets are wanted", market = market.0)]
    NoReference {
        /// The market.
        market: MarketId,
        /// The price.
        mid: f64,
        /// How many markets there are.
        markets: usize,
    },
}

/// Connections and clients that were turned away, each for reaching a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Connections to the faces beyond 16,384 at once, or beyond what the system lets one process open.
    pub connections: u64,
    /// Requests that had not arrived ten seconds after they began.
    pub slow_requests: u64,
    /// Requests whose head (16 KB, a transaction in the URL 128 KB) or body (1 MB) was too long.
    pub oversized: u64,
    /// Clients that took none of an answer for 30 s, or were 256 KB behind their stream.
    pub slow_readers: u64,
    /// Connections ended because all together held more than 128 MB.
    pub over_memory: u64,
    /// Price clients beyond 32 at once.
    pub price: u64,
    /// Price clients that did not keep up.
    pub slow_price: u64,
    /// Readers of closed ledgers beyond 8 at once, or for which the history no longer reached back far enough.
    pub meta: u64,
}

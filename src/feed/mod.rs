//! Stage 1: bytes in, ledger changes and reference prices out.
//!
//! ```text
//! core's pipe ── record marks ── skim ─▶ collected, whole ─▶ continuity ─▶ LedgerBegin … LedgerEnd
//! exchanges ──── WebSocket ───── JSON ─▶ checked ─────────────────────────▶ ReferencePrice
//! CoinGecko ──── HTTP ────────── JSON ─▶ checked ─────────────────────────▶ ReferencePrice
//! Horizon ────── event streams ─ JSON ─▶ checked ─────────────────────────▶ ReferencePrice, Fault(UnseenChange)
//! ```
//!
//! # What of a bad message comes through: nothing
//!
//! A ledger is walked over once, and what it says is kept until its last byte has been checked; only then is it handed
//! down. (Checking by a pass of its own and handing down in a second would cost the walk twice; the kept events cost
//! one copy of what concerns us, a small part of a ledger.) A message of prices is checked whole before its first price
//! goes out.
//!
//! # Faults, and what follows
//!
//! | what came | events | the connection |
//! |---|---|---|
//! | a record mark that lies, a WebSocket frame or an HTTP answer that is none | `Fault`, `FeedDown` | its place is lost: reset |
//! | a stream that ends inside a message | `Fault(Truncated)`, `FeedDown` | is gone anyway |
//! | a message that is none, in a frame that is one | `Fault` | stays |
//! | a ledger of a newer protocol | `Fault(UnknownProtocol)`, each time | stays |
//! | a ledger number too far | `Fault(Gap)`, **then the ledger**: what it says is true, only what lay between is not known | stays |
//! | the next number, but another previous hash | `Fault(Gap)`, `FeedDown`, the chain is forgotten | reset |
//! | the same of RPC, while another source vouches for the chain | `Fault(OtherChain)`, `FeedDown` | reset, and put aside |
//! | the same of core's stream, while RPC brings another chain | `Fault(Gap)`, then the ledger: core is our own | stays |
//! | a ledger that came before | nothing; it is counted | stays |
//! | a number of a price source's messages (of its book's updates) that does not follow | `Fault(Gap)` | Coinbase: reset; Binance: stays, that book waits for a snapshot |
//! | silence of a price source, or of a stream of Horizon | `FeedDown` | reset |
//! | a change of our account that Horizon shows, and the ledgers do not | `Fault(UnseenChange)` | stays |
//!
//! `FeedUp` comes with the first ledger, or price, of a connection (of Horizon's streams with the greeting, since they are
//! silent while nothing changes): a source that merely accepts connections is not up.
//! `FeedDown` comes once, when a source that was up is not any more; what it told then grows stale.

mod account_states;
mod accounts;
mod binance;
mod cadence;
mod coinbase;
mod coingecko;
mod collector;
mod config;
mod core_meta;
mod counters;
mod depth_book;
mod failover;
mod horizon;
mod horizon_stream;
mod horizon_sweep;
mod http;
mod kraken;
mod ledgers;
mod own_transactions;
mod pace;
mod pools;
mod port;
mod rpc;
mod source;
mod subscriber;

pub use config::{
    BinanceConfig, CoinGeckoConfig, FeedConfig, FeedConfigError, FeedLimits, HorizonStreamConfig, HorizonSweepConfig,
    HttpPlace, PriceStreamConfig, RpcConfig, Secret, SourceConfig,
};
pub use counters::SourceCounters;

use crate::events::{ConnId, FeedEvent, MonoNanos, NetEvent, NetPort, Now, Outbox, Sink, Stage, Stamped};
use binance::Binance;
use coinbase::Coinbase;
use coingecko::CoinGecko;
use core_meta::CoreMeta;
use horizon::Horizon;
use horizon_stream::HorizonStream;
use horizon_sweep::HorizonSweep;
use kraken::Kraken;
use ledgers::Ledgers;
use port::Port;
use rpc::Rpc;
use source::{Machine, Tools};

/// The stage.
#[derive(Debug)]
pub struct Feed {
    ledgers: Ledgers,
    horizon: Horizon,
    ports: Vec<Port>,
    sources: Vec<Seat>,
    /// Whose each port is: its place in `sources`.
    owners: Vec<usize>,
}

/// A source, and which ports are its own.
#[derive(Debug)]
struct Seat {
    source: Source,
    ports: core::ops::Range<usize>,
}

#[derive(Debug)]
enum Source {
    CoreMeta(Box<CoreMeta>),
    Rpc(Box<Rpc>),
    HorizonSweep(Box<HorizonSweep>),
    HorizonStream(Box<HorizonStream>),
    Kraken(Box<Kraken>),
    Coinbase(Box<Coinbase>),
    Binance(Box<Binance>),
    CoinGecko(Box<CoinGecko>),
}

/// Calls the same of whichever source it is.
macro_rules! each {
    ($source:expr, $machine:ident => $call:expr) => {
        match $source {
            Source::CoreMeta($machine) => $call,
            Source::Rpc($machine) => $call,
            Source::HorizonSweep($machine) => $call,
            Source::HorizonStream($machine) => $call,
            Source::Kraken($machine) => $call,
            Source::Coinbase($machine) => $call,
            Source::Binance($machine) => $call,
            Source::CoinGecko($machine) => $call,
        }
    };
}

impl Source {
    fn new(source: &SourceConfig, feed: &FeedConfig) -> Result<Self, FeedConfigError> {
        Ok(match source {
            SourceConfig::CoreMeta => Self::CoreMeta(Box::new(CoreMeta::new(feed))),
            SourceConfig::Rpc(config) => Self::Rpc(Box::new(Rpc::new(config, feed))),
            SourceConfig::HorizonSweep(config) => Self::HorizonSweep(Box::new(HorizonSweep::new(config, feed))),
            SourceConfig::HorizonStream(config) => Self::HorizonStream(Box::new(HorizonStream::new(config, feed))),
            SourceConfig::Kraken(config) => Self::Kraken(Box::new(Kraken::new(config)?)),
            SourceConfig::Coinbase(config) => Self::Coinbase(Box::new(Coinbase::new(config)?)),
            SourceConfig::Binance(config) => Self::Binance(Box::new(Binance::new(config)?)),
            SourceConfig::CoinGecko(config) => Self::CoinGecko(Box::new(CoinGecko::new(config))),
        })
    }

    /// Room for what waits to be sent on one of its connections, bytes.
    const fn outbox_bytes(&self) -> usize {
        match self {
            Self::CoreMeta(_) => 0,
            Self::Rpc(_) | Self::HorizonSweep(_) | Self::HorizonStream(_) => 16 << 10,
            Self::Kraken(_) | Self::Coinbase(_) | Self::Binance(_) | Self::CoinGecko(_) => PRICES_OUTBOX_BYTES,
        }
    }
}

/// Room for a price source's words: a handshake, a subscription to a few thousand symbols, some hundred pongs.
const PRICES_OUTBOX_BYTES: usize = 128 << 10;

impl Feed {
    /// A feed of these sources.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn new(config: &FeedConfig) -> Result<Self, FeedConfigError> {
        config.check()?;
        let (mut ports, mut owners, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for (place, wanted) in config.sources.iter().enumerate() {
            let source = Source::new(wanted, config)?;
            let first = ports.len();
            for (conn, _) in (first..u8::MAX.into()).zip(0..wanted.connections()) {
                // `FeedConfig::check` has bounded it.
                let conn = ConnId(u8::try_from(conn).unwrap_or(u8::MAX));
                ports.push(Port::new(conn, source.outbox_bytes()));
                owners.push(place);
            }
            sources.push(Seat { source, ports: first..ports.len() });
        }
        Ok(Self { ledgers: Ledgers::new(config), horizon: Horizon::new(config), ports, sources, owners })
    }

    /// What a connection has been counted to do. Plain numbers: who drives the stage publishes them.
    ///
    /// # Panics
    /// If there is no such connection.
    #[must_use]
    pub fn counters(&self, conn: ConnId) -> &SourceCounters {
        &self.ports[usize::from(conn.0)].counters
    }

    /// The source that a connection belongs to, the connection's number there, and what the source works with.
    fn seat<'a, S>(&'a mut self, conn: ConnId, sink: &'a mut S) -> (&'a mut Source, usize, Tools<'a, S>) {
        let at = usize::from(conn.0);
        let Seat { source, ports } = &mut self.sources[self.owners[at]];
        let leg = at - ports.start;
        let (ledgers, horizon) = (&mut self.ledgers, &mut self.horizon);
        (source, leg, Tools { ports: &mut self.ports[ports.clone()], ledgers, horizon, sink })
    }
}

impl Stage for Feed {
    type Input<'a> = NetEvent<'a>;
    type Output = Stamped<FeedEvent>;

    fn on_event(&mut self, now: Now, input: NetEvent<'_>, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        match input {
            NetEvent::Opened(conn) => {
                let (source, leg, mut tools) = self.seat(conn, sink);
                tools.ports[leg].opened(now.mono);
                each!(source, machine => machine.opened(leg, &mut tools));
            }
            NetEvent::Bytes(conn, bytes) => {
                let (source, leg, mut tools) = self.seat(conn, sink);
                if tools.ports[leg].takes_bytes(bytes.len(), now.mono) {
                    each!(source, machine => machine.bytes(leg, bytes, &mut tools));
                }
            }
            NetEvent::Closed(conn) => {
                let (source, leg, mut tools) = self.seat(conn, sink);
                tools.ports[leg].at = now.mono;
                if tools.ports[leg].is_open() {
                    each!(source, machine => machine.closed(leg, &mut tools));
                }
                tools.ports[leg].closed(tools.sink);
                self.ledgers.lost(conn);
            }
        }
    }

    fn on_time(&mut self, now: Now, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        for Seat { source, ports } in &mut self.sources {
            let ports = &mut self.ports[ports.clone()];
            ports.iter_mut().for_each(|port| port.at = now.mono);
            let mut tools = Tools { ports, ledgers: &mut self.ledgers, horizon: &mut self.horizon, sink };
            each!(source, machine => machine.on_time(&mut tools));
        }
    }

    fn next_deadline(&self) -> Option<MonoNanos> {
        let deadline = |Seat { source, ports }: &Seat| {
            let ports = &self.ports[ports.clone()];
            each!(source, machine => machine.deadline(ports))
        };
        self.sources.iter().filter_map(deadline).min()
    }
}

impl NetPort for Feed {
    fn connections(&self) -> u8 {
        // `FeedConfig::check` has bounded it.
        u8::try_from(self.ports.len()).unwrap_or(u8::MAX)
    }

    fn outbox(&mut self, conn: ConnId) -> &mut Outbox {
        &mut self.ports[usize::from(conn.0)].outbox
    }

    fn take_reset(&mut self, conn: ConnId) -> bool {
        self.ports[usize::from(conn.0)].take_reset()
    }
}

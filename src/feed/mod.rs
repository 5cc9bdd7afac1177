//! Stage 1: bytes in, ledger changes and reference prices out.
//!
//! ```text
//! core's pipe ── record marks ── skim ─▶ collected, whole ─▶ continuity ─▶ LedgerBegin … LedgerEnd
//! Kraken ─────── WebSocket ───── JSON ─▶ checked ─────────────────────────▶ ReferencePrice
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
//! | a ledger that came before | nothing; it is counted | stays |
//! | silence of a price source | `FeedDown` | reset |
//!
//! `FeedUp` comes with the first ledger, or price, of a connection: a source that merely accepts connections is not up.
//! `FeedDown` comes once, when a source that was up is not any more; what it told then grows stale.

mod account_states;
mod accounts;
mod collector;
mod config;
mod core_meta;
mod counters;
mod kraken;
mod own_transactions;
mod pools;
mod port;

pub use config::{FeedConfig, FeedConfigError, FeedLimits, KrakenConfig, SourceConfig};
pub use counters::SourceCounters;

use crate::events::{ConnId, FeedEvent, MonoNanos, NetEvent, NetPort, Now, Outbox, Sink, Stage, Stamped};
use core_meta::CoreMeta;
use kraken::Kraken;
use port::Port;

/// The stage.
#[derive(Debug)]
pub struct Feed {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    port: Port,
    source: Source,
}

#[derive(Debug)]
enum Source {
    CoreMeta(Box<CoreMeta>),
    Kraken(Box<Kraken>),
}

/// Room for a price source's words: a handshake, a subscription to a few thousand symbols, some hundred pongs.
const KRAKEN_OUTBOX_BYTES: usize = 128 << 10;

impl Feed {
    /// A feed of these sources.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn new(config: &FeedConfig) -> Result<Self, FeedConfigError> {
        config.check()?;
        let mut slots = Vec::with_capacity(config.sources.len());
        for (source, conn) in config.sources.iter().zip(0_u8..) {
            let (source, outbox_bytes) = match source {
                SourceConfig::CoreMeta => (Source::CoreMeta(Box::new(CoreMeta::new(config))), 0),
                SourceConfig::Kraken(kraken) => (Source::Kraken(Box::new(Kraken::new(kraken)?)), KRAKEN_OUTBOX_BYTES),
            };
            slots.push(Slot { port: Port::new(ConnId(conn), outbox_bytes), source });
        }
        Ok(Self { slots })
    }

    /// What a source has been counted to do. Plain numbers: who drives the stage publishes them.
    ///
    /// # Panics
    /// If there is no such source.
    #[must_use]
    pub fn counters(&self, conn: ConnId) -> &SourceCounters {
        &self.slots[usize::from(conn.0)].port.counters
    }

    fn slot(&mut self, conn: ConnId) -> &mut Slot {
        &mut self.slots[usize::from(conn.0)]
    }
}

impl Stage for Feed {
    type Input<'a> = NetEvent<'a>;
    type Output = Stamped<FeedEvent>;

    fn on_event(&mut self, now: Now, input: NetEvent<'_>, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        match input {
            NetEvent::Opened(conn) => {
                let Slot { port, source } = self.slot(conn);
                port.opened(now.mono);
                match source {
                    Source::CoreMeta(core) => core.opened(),
                    Source::Kraken(kraken) => kraken.opened(port, sink),
                }
            }
            NetEvent::Bytes(conn, bytes) => {
                let Slot { port, source } = self.slot(conn);
                if !port.takes_bytes(bytes.len(), now.mono) {
                    return;
                }
                match source {
                    Source::CoreMeta(core) => core.bytes(bytes, port, sink),
                    Source::Kraken(kraken) => kraken.bytes(bytes, port, sink),
                }
            }
            NetEvent::Closed(conn) => {
                let Slot { port, source } = self.slot(conn);
                port.at = now.mono;
                if port.is_open() {
                    match source {
                        Source::CoreMeta(core) => core.closed(port, sink),
                        Source::Kraken(kraken) => kraken.closed(port, sink),
                    }
                }
                port.closed(sink);
            }
        }
    }

    fn on_time(&mut self, now: Now, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        for Slot { port, source } in &mut self.slots {
            if let Source::Kraken(kraken) = source {
                port.at = now.mono;
                kraken.on_time(port, sink);
            }
        }
    }

    fn next_deadline(&self) -> Option<MonoNanos> {
        let deadline = |Slot { port, source }: &Slot| match source {
            Source::CoreMeta(_) => None,
            Source::Kraken(kraken) => kraken.deadline(port),
        };
        self.slots.iter().filter_map(deadline).min()
    }
}

impl NetPort for Feed {
    fn connections(&self) -> u8 {
        // `FeedConfig::check` has bounded it.
        u8::try_from(self.slots.len()).unwrap_or(u8::MAX)
    }

    fn outbox(&mut self, conn: ConnId) -> &mut Outbox {
        &mut self.slot(conn).port.outbox
    }

    fn take_reset(&mut self, conn: ConnId) -> bool {
        self.slot(conn).port.take_reset()
    }
}

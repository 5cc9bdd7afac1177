//! Coinbase Advanced Trade's ticker over a WebSocket.
//!
//! Its messages are numbered over all channels of a connection, and its heartbeats are counted: if either jumps, a
//! message was lost, which nothing brings back but a fresh connection.

use super::config::PriceStreamConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use super::subscriber::{Subscriber, fault_of_message, hand_down};
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped, SymbolId};
use crate::wire::json::coinbase::{CoinbaseKind, CoinbaseParser, subscribe};
use crate::wire::websocket::{BadEndpoint, WebSocketEndpoint};

/// A connection after the other to one server.
#[derive(Debug)]
pub(super) struct Coinbase {
    subscriber: Subscriber,
    prices: Prices,
}

/// What becomes of whole messages.
#[derive(Debug)]
struct Prices {
    parser: CoinbaseParser,
    symbols: Vec<SymbolId>,
    /// The number of the connection's last message.
    sequence: Option<u64>,
    /// The count of its last heartbeat.
    heartbeat: Option<u64>,
}

impl Coinbase {
    pub(super) fn new(config: &PriceStreamConfig) -> Result<Self, BadEndpoint> {
        let names = || config.symbols.iter().map(|(name, _)| name.as_str());
        let endpoint = WebSocketEndpoint::new(&config.host, &config.path, config.max_message_bytes)?;
        let symbols = config.symbols.iter().map(|(_, id)| *id).collect();
        Ok(Self {
            subscriber: Subscriber::new(endpoint, subscribe(names()).into(), config.nonce, config.silence_ns),
            prices: Prices { parser: CoinbaseParser::new(names()), symbols, sequence: None, heartbeat: None },
        })
    }
}

impl Machine for Coinbase {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        (self.prices.sequence, self.prices.heartbeat) = (None, None);
        self.subscriber.opened(&mut tools.ports[leg], tools.sink);
    }

    fn bytes(&mut self, leg: usize, bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let Self { subscriber, prices } = self;
        subscriber.bytes(bytes, &mut tools.ports[leg], tools.sink, |text, port, sink| prices.message(text, port, sink));
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.subscriber.closed(&mut tools.ports[leg], tools.sink);
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.subscriber.on_time(&mut tools.ports[0], tools.sink);
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        self.subscriber.deadline(&ports[0])
    }
}

impl Prices {
    /// Hands a message's prices down; whether it was a message at all.
    ///
    /// A message that cannot be read leaves a hole in the numbers: the next one finds the gap, and the connection ends.
    fn message(&mut self, message: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) -> bool {
        let message = match self.parser.parse(message) {
            Ok(message) => message,
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                return false;
            }
        };
        let mut in_order = follows(&mut self.sequence, message.sequence);
        if let CoinbaseKind::Heartbeat(count) = message.kind {
            in_order &= follows(&mut self.heartbeat, count);
        }
        if !in_order {
            port.fault(FeedFault::Gap, sink);
            port.give_up(sink);
            return false;
        }
        if let CoinbaseKind::Ticker(ticks) = message.kind {
            hand_down(ticks, &self.symbols, port, sink);
        }
        true
    }
}

/// Whether a number is the next one, or the first.
fn follows(last: &mut Option<u64>, number: u64) -> bool {
    last.replace(number).is_none_or(|last| last.checked_add(1) == Some(number))
}

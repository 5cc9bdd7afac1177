//! Kraken's ticker: reference prices over a WebSocket.

use super::config::PriceStreamConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use super::subscriber::{Subscriber, fault_of_message, hand_down};
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped, SymbolId};
use crate::wire::json::kraken::{KrakenMessage, KrakenParser, subscribe};
use crate::wire::websocket::{BadEndpoint, WebSocketEndpoint};

/// A connection after the other to one server.
#[derive(Debug)]
pub(super) struct Kraken {
    subscriber: Subscriber,
    prices: Prices,
}

/// What becomes of whole messages.
#[derive(Debug)]
struct Prices {
    parser: KrakenParser,
    symbols: Vec<SymbolId>,
    /// Whether the exchange trades as usual. While it does not, its prices are not used.
    online: bool,
}

impl Kraken {
    pub(super) fn new(config: &PriceStreamConfig) -> Result<Self, BadEndpoint> {
        let names = || config.symbols.iter().map(|(name, _)| name.as_str());
        let endpoint = WebSocketEndpoint::new(&config.host, &config.path, config.max_message_bytes)?;
        let symbols = config.symbols.iter().map(|(_, id)| *id).collect();
        Ok(Self {
            subscriber: Subscriber::new(endpoint, vec![subscribe(names())], config.nonce, config.silence_ns),
            prices: Prices { parser: KrakenParser::new(names()), symbols, online: true },
        })
    }
}

impl Machine for Kraken {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        // The first word of a connection is the engine's status.
        self.prices.online = true;
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
    fn message(&mut self, message: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) -> bool {
        match self.parser.parse(message) {
            Ok(KrakenMessage::Ticker(ticks)) if self.online => hand_down(ticks, &self.symbols, port, sink),
            Ok(KrakenMessage::Status { online }) => {
                self.online = online;
                if !online {
                    port.down(sink);
                }
            }
            Ok(_) => {}
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                return false;
            }
        }
        true
    }
}

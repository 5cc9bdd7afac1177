//! Kraken's ticker: reference prices over a WebSocket.

use super::config::KrakenConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, FeedFault, MonoNanos, ReferencePrice, Sink, Stamped, SymbolId};
use crate::wire::json::kraken::{KrakenError, KrakenMessage, KrakenParser, subscribe};
use crate::wire::websocket::{BadEndpoint, WebSocketClient, WebSocketEndpoint, WebSocketError, WebSocketEvent};
use sha2::{Digest, Sha256};

/// A connection after the other to one server.
#[derive(Debug)]
pub(super) struct Kraken {
    client: WebSocketClient,
    prices: Prices,
    subscription: String,
    nonce: [u8; 16],
    /// Connections so far, so that no two handshakes have the same key.
    connections: u64,
    silence_ns: u64,
    /// When the server will have been silent for too long.
    silent_at: Option<MonoNanos>,
}

/// What becomes of whole messages.
#[derive(Debug)]
struct Prices {
    parser: KrakenParser,
    symbols: Vec<SymbolId>,
}

impl Kraken {
    pub(super) fn new(config: &KrakenConfig) -> Result<Self, BadEndpoint> {
        let names = || config.symbols.iter().map(|(name, _)| name.as_str());
        let endpoint = WebSocketEndpoint::new(&config.host, &config.path, config.max_message_bytes)?;
        let symbols = config.symbols.iter().map(|(_, id)| *id).collect();
        Ok(Self {
            client: WebSocketClient::new(endpoint),
            prices: Prices { parser: KrakenParser::new(names()), symbols },
            subscription: subscribe(names()),
            nonce: config.nonce,
            connections: 0,
            silence_ns: config.silence_ns,
            silent_at: None,
        })
    }

    /// Moves what the client wants to say into the outbox. A peer that does not read is of no use.
    fn send(&mut self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if port.is_open() && port.outbox.push(self.client.output()).is_err() {
            port.give_up(sink);
        }
        self.client.output_taken();
    }
}

impl Machine for Kraken {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (port, sink) = (&mut tools.ports[leg], &mut *tools.sink);
        self.connections += 1;
        let digest = Sha256::new().chain_update(self.nonce).chain_update(self.connections.to_be_bytes()).finalize();
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&digest[..16]);
        self.client.open(nonce);
        self.silent_at = Some(port.at.plus(self.silence_ns));
        self.send(port, sink);
    }

    fn bytes(&mut self, leg: usize, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (port, sink) = (&mut tools.ports[leg], &mut *tools.sink);
        while port.is_open() {
            match self.client.next(&mut bytes) {
                Ok(Some(WebSocketEvent::Text(text))) => {
                    if self.prices.message(text.as_bytes(), port, sink) {
                        self.silent_at = Some(port.at.plus(self.silence_ns));
                    }
                }
                Ok(Some(WebSocketEvent::Opened)) => {
                    if self.client.send_text(&self.subscription).is_err() {
                        port.give_up(sink);
                    }
                }
                Ok(Some(WebSocketEvent::Binary(_))) => port.fault(FeedFault::Malformed, sink),
                // The server is to end the connection now. Should it not, it will be found silent.
                Ok(Some(WebSocketEvent::Closed)) => port.down(sink),
                Ok(None) => break,
                Err(error) => {
                    port.fault(fault_of_socket(&error), sink);
                    port.give_up(sink);
                }
            }
        }
        self.send(port, sink);
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if self.client.closed().is_err() {
            tools.ports[leg].fault(FeedFault::Truncated, tools.sink);
        }
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (port, sink) = (&mut tools.ports[0], &mut *tools.sink);
        if port.is_open() && self.silent_at.is_some_and(|silent_at| silent_at <= port.at) {
            port.give_up(sink);
        }
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        self.silent_at.filter(|_| ports[0].is_open())
    }
}

impl Prices {
    /// Hands a message's prices down; whether it was a message at all.
    fn message(&mut self, message: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) -> bool {
        port.counters.messages += 1;
        match self.parser.parse(message) {
            Ok(KrakenMessage::Ticker(ticks)) => {
                if !ticks.is_empty() {
                    port.counters.handed_down += 1;
                    port.up(sink);
                }
                for tick in ticks {
                    let symbol = self.symbols[usize::from(tick.symbol)];
                    let (bid, ask, received) = (tick.bid, tick.ask, port.at);
                    let price = ReferencePrice { symbol, bid, ask, received, ..ReferencePrice::default() };
                    port.emit(FeedEvent::ReferencePrice(price), sink);
                }
                true
            }
            Ok(KrakenMessage::Heartbeat | KrakenMessage::Status | KrakenMessage::Acknowledged) => true,
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                false
            }
        }
    }
}

fn fault_of_message(error: KrakenError) -> FeedFault {
    match error {
        KrakenError::NotJson | KrakenError::Missing(_) | KrakenError::Refused => FeedFault::Malformed,
        KrakenError::BadPrice(_) => FeedFault::BadValue,
    }
}

fn fault_of_socket(error: &WebSocketError) -> FeedFault {
    match error {
        WebSocketError::Oversized(_) => FeedFault::Oversized,
        WebSocketError::Truncated => FeedFault::Truncated,
        _ => FeedFault::Malformed,
    }
}

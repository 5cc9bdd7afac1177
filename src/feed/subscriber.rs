//! What the price sources over WebSockets have in common: a connection, a subscription, and the server's silence.

use super::port::Port;
use crate::events::{FeedEvent, FeedFault, MonoNanos, ReferencePrice, Sink, Stamped, SymbolId};
use crate::wire::json::{PriceError, Tick};
use crate::wire::websocket::{WebSocketClient, WebSocketEndpoint, WebSocketError, WebSocketEvent};
use sha2::{Digest, Sha256};

/// One connection after the other to one server.
#[derive(Debug)]
pub(super) struct Subscriber {
    client: WebSocketClient,
    /// What is said once a connection stands.
    subscriptions: Vec<String>,
    nonce: [u8; 16],
    /// Connections so far, so that no two handshakes have the same key.
    connections: u64,
    silence_ns: u64,
    /// When the server will have been silent for too long.
    silent_at: Option<MonoNanos>,
}

impl Subscriber {
    pub(super) fn new(
        endpoint: WebSocketEndpoint,
        subscriptions: Vec<String>,
        nonce: [u8; 16],
        silence_ns: u64,
    ) -> Self {
        let client = WebSocketClient::new(endpoint);
        Self { client, subscriptions, nonce, connections: 0, silence_ns, silent_at: None }
    }

    pub(super) fn opened(&mut self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        self.connections += 1;
        let digest = Sha256::new().chain_update(self.nonce).chain_update(self.connections.to_be_bytes()).finalize();
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&digest[..16]);
        self.client.open(nonce);
        self.heard(port);
        self.send(port, sink);
    }

    /// Reads bytes. `message` is shown each text, and says whether it was a message at all.
    pub(super) fn bytes<S: Sink<Stamped<FeedEvent>>>(
        &mut self,
        mut bytes: &[u8],
        port: &mut Port,
        sink: &mut S,
        mut message: impl FnMut(&[u8], &mut Port, &mut S) -> bool,
    ) {
        while port.is_open() {
            match self.client.next(&mut bytes) {
                Ok(Some(WebSocketEvent::Text(text))) => {
                    port.counters.messages += 1;
                    if message(text.as_bytes(), port, sink) {
                        self.heard(port);
                    }
                }
                Ok(Some(WebSocketEvent::Opened)) => {
                    if self.subscriptions.iter().any(|text| self.client.send_text(text).is_err()) {
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

    pub(super) fn closed(&mut self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if self.client.closed().is_err() {
            port.fault(FeedFault::Truncated, sink);
        }
    }

    pub(super) fn on_time(&self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if self.deadline(port).is_some_and(|silent_at| silent_at <= port.at) {
            port.give_up(sink);
        }
    }

    pub(super) fn deadline(&self, port: &Port) -> Option<MonoNanos> {
        self.silent_at.filter(|_| port.is_open())
    }

    fn heard(&mut self, port: &Port) {
        self.silent_at = Some(port.at.plus(self.silence_ns));
    }

    /// Moves what the client wants to say into the outbox. A peer that does not read is of no use.
    fn send(&mut self, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if port.is_open() && port.outbox.push(self.client.output()).is_err() {
            port.give_up(sink);
        }
        self.client.output_taken();
    }
}

/// Hands a message's prices down.
pub(super) fn hand_down(
    ticks: &[Tick],
    symbols: &[SymbolId],
    port: &mut Port,
    sink: &mut impl Sink<Stamped<FeedEvent>>,
) {
    if ticks.is_empty() {
        return;
    }
    port.counters.handed_down += 1;
    port.up(sink);
    for &Tick { symbol, bid, ask, bid_amount, ask_amount, last } in ticks {
        let (symbol, received) = (symbols[usize::from(symbol)], port.at);
        let price = ReferencePrice { symbol, bid, ask, bid_amount, ask_amount, last, received };
        port.emit(FeedEvent::ReferencePrice(price), sink);
    }
}

pub(super) fn fault_of_message(error: PriceError) -> FeedFault {
    match error {
        PriceError::NotJson | PriceError::Missing(_) | PriceError::Refused => FeedFault::Malformed,
        PriceError::BadPrice(_) => FeedFault::BadValue,
    }
}

fn fault_of_socket(error: &WebSocketError) -> FeedFault {
    match error {
        WebSocketError::Oversized(_) => FeedFault::Oversized,
        WebSocketError::Truncated => FeedFault::Truncated,
        _ => FeedFault::Malformed,
    }
}

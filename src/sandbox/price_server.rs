//! The reference price over WebSocket, as Kraken's v2 ticker channel speaks.
//!
//! Publishing never waits for anyone: every client has a bounded queue and a thread that empties it into the socket. A
//! client whose queue is full is dropped; it will come back and get a snapshot.

use super::clock::utc_now;
use super::kraken::{self, Request, TickerRequest};
use super::reference::Tick;
use super::serve::{Server, Socket as _};
use crate::events::UtcNanos;
use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender, TrySendError};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

/// Clients at once; one more is closed without a byte.
pub(crate) const MAX_CLIENTS: usize = 32;
/// Messages that wait for a client before it is dropped.
const MAX_WAITING: usize = 1024;
/// The longest message that a client may send: a subscription to a thousand symbols fits.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// A client that takes longer over its handshake is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that takes no byte for this long is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two heartbeats.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// The running server. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct PriceServer {
    server: Server<TcpListener>,
    feed: Arc<Feed>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Feed {
    symbols: FxHashMap<String, usize>,
    state: Mutex<State>,
    dropped: AtomicU64,
    connections: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// The newest data object of each symbol.
    latest: Vec<String>,
    clients: Vec<Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    client: Arc<Client>,
    /// For each symbol, whether it wants it.
    wants: Vec<bool>,
}

#[derive(Debug)]
struct Client {
    id: u64,
    socket: Arc<TcpStream>,
    /// Whole frames, in order.
    out: Sender<Arc<[u8]>>,
    /// Whether it has subscribed to anything, and so gets heartbeats.
    subscribed: AtomicBool,
}

impl PriceServer {
    /// Serves these symbols, each with the data object that a snapshot shows until its first tick.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(listener: TcpListener, symbols: Vec<(String, String)>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (names, latest): (Vec<_>, Vec<_>) = symbols.into_iter().unzip();
        let feed = Arc::new(Feed {
            symbols: names.into_iter().zip(0..).collect(),
            state: Mutex::new(State { latest, clients: Vec::new() }),
            dropped: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let serving = Arc::clone(&feed);
        let server = Server::start("sandbox-price", listener, MAX_CLIENTS, move |socket| serving.serve(socket))?;
        Ok(Self { server, feed, address })
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a tick to whoever subscribed to its symbol. Waits for nobody.
    pub(crate) fn publish(&self, tick: Tick) {
        self.feed.publish(tick);
    }

    /// How many clients have subscribed to a symbol.
    pub(crate) fn subscribers(&self, symbol: usize) -> usize {
        self.feed.state.lock().clients.iter().filter(|subscriber| subscriber.wants[symbol]).count()
    }

    /// Clients that were dropped because they did not keep up.
    pub(crate) fn dropped(&self) -> u64 {
        self.feed.dropped.load(Ordering::Relaxed)
    }

    /// Clients that were turned away because there were too many.
    pub(crate) fn refused(&self) -> u64 {
        self.server.refused()
    }

    /// Closes every connection and waits for the threads.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}

impl Feed {
    fn publish(&self, tick: Tick) {
        let frame: Arc<[u8]> = frames([kraken::ticker("update", &tick.data)].iter()).into();
        let mut state = self.state.lock();
        state.clients.retain(|subscriber| {
            !subscriber.wants[tick.symbol] || self.hand_over(&subscriber.client, Arc::clone(&frame))
        });
        state.latest[tick.symbol] = tick.data;
    }

    /// Puts frames into a client's queue; false if it is dropped because it is full.
    fn hand_over(&self, client: &Client, frames: Arc<[u8]>) -> bool {
        match client.out.try_send(frames) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                client.socket.shut_down();
                false
            }
        }
    }

    fn serve(&self, socket: &Arc<TcpStream>) {
        let (out, waiting) = channel::bounded(MAX_WAITING);
        let client = Arc::new(Client {
            id: self.connections.fetch_add(1, Ordering::Relaxed) + 1,
            socket: Arc::clone(socket),
            out,
            subscribed: AtomicBool::new(false),
        });
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = thread::Builder::new()
                .name("sandbox-price-out".into())
                .spawn_scoped(scope, || write_out(&client, &waiting, &ended));
            if writer.is_ok() {
                // However the conversation ends, the connection is over.
                let _ = self.converse(&client);
            }
            self.state.lock().clients.retain(|other| other.client.id != client.id);
            ended.store(true, Ordering::Release);
            client.socket.shut_down();
            // Wakes the writer; if there is no room for it, the writer is awake.
            let _ = client.out.try_send([].into());
        });
    }

    /// Greets, then answers requests until the client leaves.
    fn converse(&self, client: &Arc<Client>) -> Result<(), Box<tungstenite::Error>> {
        let io_error = |error| Box::new(tungstenite::Error::Io(error));
        client.socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT)).map_err(io_error)?;
        client.socket.set_write_timeout(Some(WRITE_TIMEOUT)).map_err(io_error)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_REQUEST_BYTES))
            .max_frame_size(Some(MAX_REQUEST_BYTES));
        let Ok(mut peer) = tungstenite::accept_with_config(ClientIo { client }, Some(config)) else { return Ok(()) };
        client.socket.set_read_timeout(None).map_err(io_error)?;
        peer.send(Message::text(kraken::status(client.id)))?;
        let wants = vec![false; self.symbols.len()];
        self.state.lock().clients.push(Subscriber { client: Arc::clone(client), wants });
        loop {
            if let Message::Text(text) = peer.read()? {
                self.answer(client, &mut peer, &text)?;
            }
        }
    }

    fn answer(
        &self,
        client: &Client,
        peer: &mut WebSocket<ClientIo<'_>>,
        text: &str,
    ) -> Result<(), Box<tungstenite::Error>> {
        let at = utc_now();
        match kraken::parse_request(text) {
            Ok(Request::Ping { req_id }) => peer.send(Message::text(kraken::pong(req_id, at)))?,
            Ok(Request::Ticker(request)) => self.subscribe(client, &request, at),
            Err(refusal) => peer.send(Message::text(kraken::refused(&refusal, at)))?,
        }
        Ok(())
    }

    /// Acknowledges, shows the present state, and remembers what the client wants. All under one lock: no update can
    /// come before its snapshot, and none is lost after it.
    fn subscribe(&self, client: &Client, request: &TickerRequest, at: UtcNanos) {
        let mut state = self.state.lock();
        let State { latest, clients } = &mut *state;
        let Some(place) = clients.iter().position(|other| other.client.id == client.id) else { return };
        let mut messages = Vec::with_capacity(2 * request.symbols.len());
        let mut snapshots = Vec::new();
        for symbol in &request.symbols {
            let Some(&index) = self.symbols.get(symbol) else {
                messages.push(kraken::unknown_symbol(request, symbol, at));
                continue;
            };
            clients[place].wants[index] = request.subscribe;
            messages.push(kraken::acknowledged(request, symbol, at));
            if request.subscribe {
                client.subscribed.store(true, Ordering::Relaxed);
                if request.snapshot {
                    snapshots.push(kraken::ticker("snapshot", &latest[index]));
                }
            }
        }
        let reply = frames(messages.iter().chain(&snapshots));
        if !self.hand_over(client, reply.into()) {
            clients.swap_remove(place);
        }
    }
}

/// Empties a client's queue into its socket, with a heartbeat a second, until the connection is over.
fn write_out(client: &Client, waiting: &Receiver<Arc<[u8]>>, ended: &AtomicBool) {
    let heartbeat = frames([kraken::HEARTBEAT].iter());
    let mut socket = &*client.socket;
    let mut next_beat = Instant::now() + HEARTBEAT_EVERY;
    while !ended.load(Ordering::Acquire) {
        let mut result = match waiting.recv_deadline(next_beat) {
            Ok(frames) => socket.write_all(&frames),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if result.is_ok() && Instant::now() >= next_beat {
            next_beat += HEARTBEAT_EVERY;
            if client.subscribed.load(Ordering::Relaxed) {
                result = socket.write_all(&heartbeat);
            }
        }
        if result.is_err() {
            break;
        }
    }
    client.socket.shut_down();
}

/// Text frames, one a message, one behind the other.
fn frames<T: AsRef<str>>(messages: impl Iterator<Item = T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let payload = message.as_ref().as_bytes().to_vec();
        let formatted = Frame::message(payload, OpCode::Data(Data::Text), true).format(&mut bytes);
        debug_assert!(formatted.is_ok(), "writing to a vector failed");
    }
    bytes
}

/// A client's connection as tungstenite sees it: reads come from the socket, writes go through the queue, so that one
/// thread alone writes to the socket.
struct ClientIo<'c> {
    client: &'c Client,
}

impl Read for ClientIo<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.client.socket).read(buffer)
    }
}

impl Write for ClientIo<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.client.out.try_send(bytes.into()) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tungstenite::stream::MaybeTlsStream;

    type Peer = WebSocket<MaybeTlsStream<TcpStream>>;

    fn server(symbols: &[&str]) -> PriceServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let data = |name: &&str| ((*name).to_owned(), format!(r#"{{"symbol":"{name}","bid":1.0}}"#));
        PriceServer::start(listener, symbols.iter().map(data).collect()).unwrap()
    }

    fn tick(symbol: usize, number: usize) -> Tick {
        Tick { symbol, data: format!(r#"{{"symbol":"S{symbol}","number":{number}}}"#) }
    }

    fn connect(server: &PriceServer) -> Peer {
        let (peer, _) = tungstenite::connect(format!("ws://{}/v2", server.address())).unwrap();
        match peer.get_ref() {
            MaybeTlsStream::Plain(stream) => stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap(),
            _ => unreachable!(),
        }
        peer
    }

    /// The next message that is no heartbeat.
    fn next(peer: &mut Peer) -> Value {
        loop {
            if let Message::Text(text) = peer.read().unwrap() {
                let json: Value = serde_json::from_str(&text).unwrap();
                if json["channel"] != "heartbeat" {
                    return json;
                }
            }
        }
    }

    fn subscribe(peer: &mut Peer, symbols: &[&str]) {
        let request = serde_json::json!({"method": "subscribe", "params": {"channel": "ticker", "symbol": symbols}});
        peer.send(Message::text(request.to_string())).unwrap();
    }

    #[test]
    fn a_client_is_greeted_acknowledged_and_then_told_what_it_asked_for() {
        let server = server(&["S0", "S1"]);
        let mut peer = connect(&server);
        assert_eq!(next(&mut peer)["channel"], "status");
        subscribe(&mut peer, &["S1", "NOPE/USD"]);
        let ack = next(&mut peer);
        assert_eq!((&ack["success"], &ack["result"]["symbol"]), (&true.into(), &"S1".into()));
        let refusal = next(&mut peer);
        assert_eq!((&refusal["success"], &refusal["symbol"]), (&false.into(), &"NOPE/USD".into()));
        let snapshot = next(&mut peer);
        assert_eq!((&snapshot["type"], &snapshot["data"][0]["symbol"]), (&"snapshot".into(), &"S1".into()));
        server.publish(tick(0, 1));
        server.publish(tick(1, 2));
        let update = next(&mut peer);
        assert_eq!((&update["type"], &update["data"][0]["number"]), (&"update".into(), &2.into()));
        peer.send(Message::text(r#"{"method":"ping","req_id":7}"#)).unwrap();
        let pong = next(&mut peer);
        assert_eq!((&pong["method"], &pong["req_id"]), (&"pong".into(), &7.into()));
        peer.send(Message::text("nonsense")).unwrap();
        assert_eq!(next(&mut peer)["success"], false);
        peer.send(Message::Ping(vec![1, 2].into())).unwrap();
        while !matches!(peer.read().unwrap(), Message::Pong(payload) if payload[..] == [1, 2]) {}
    }

    #[test]
    fn heartbeats_come_once_something_is_subscribed() {
        let server = server(&["S0"]);
        let mut peer = connect(&server);
        subscribe(&mut peer, &["S0"]);
        while !matches!(peer.read().unwrap(), Message::Text(text) if text == kraken::HEARTBEAT) {}
    }

    #[test]
    fn a_client_that_does_not_read_is_dropped_and_the_others_miss_nothing() {
        const MOST_TICKS: usize = 200_000;
        let server = server(&["S0"]);
        let mut deaf = connect(&server);
        subscribe(&mut deaf, &["S0"]);
        let mut attentive = connect(&server);
        subscribe(&mut attentive, &["S0"]);
        while next(&mut attentive)["type"] != "snapshot" {}
        while server.subscribers(0) < 2 {
            thread::yield_now();
        }
        let padding = "x".repeat(1000);
        // The system's own buffers have to fill first.
        for number in 0..MOST_TICKS {
            server.publish(Tick { symbol: 0, data: format!(r#"{{"number":{number},"padding":"{padding}"}}"#) });
            assert_eq!(next(&mut attentive)["data"][0]["number"], number);
            if server.dropped() > 0 {
                break;
            }
        }
        assert_eq!(server.dropped(), 1);
        assert_eq!(server.subscribers(0), 1);
    }

    #[test]
    fn an_oversized_request_ends_the_connection() {
        let server = server(&["S0"]);
        let mut peer = connect(&server);
        let _ = peer.send(Message::text("x".repeat(MAX_REQUEST_BYTES + 1)));
        while peer.read().is_ok() {}
        assert_eq!(server.subscribers(0), 0);
    }
}

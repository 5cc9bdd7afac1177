//! Binance: the book ticker, or whole books, over a WebSocket.
//!
//! A whole book is a snapshot, asked for on a second connection, and the changes that follow it without a hole. A hole
//! is a fault, and that book has no price until another snapshot is in. The connection ends after 24 hours, which is no
//! fault.

use super::config::BinanceConfig;
use super::depth_book::{Change, DepthBook, MAX_LEVELS};
use super::http::{Exchange, fault_of_http, retry_after_ns};
use super::port::Port;
use super::source::{Machine, Tools};
use super::subscriber::{Subscriber, fault_of_message, hand_down};
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped, SymbolId};
use crate::wire::http1::{HttpLimits, Response};
use crate::wire::json::Tick;
use crate::wire::json::binance::{BinanceMessage, BinanceParser, subscribe};
use crate::wire::websocket::{BadEndpoint, WebSocketEndpoint};

/// Levels of a side that a snapshot has at most.
const SNAPSHOT_LEVELS: usize = 1_000;
/// The least and the most time between two requests for snapshots; it doubles while they fail.
const LEAST_WAIT_NS: u64 = 1_000_000_000;
const MOST_WAIT_NS: u64 = 64 * LEAST_WAIT_NS;
const SNAPSHOT_TIMEOUT_NS: u64 = 10 * LEAST_WAIT_NS;

/// A connection of streams, and maybe one of snapshots.
#[derive(Debug)]
pub(super) struct Binance {
    subscriber: Subscriber,
    prices: Prices,
    snapshots: Option<Snapshots>,
}

#[derive(Debug)]
struct Prices {
    parser: BinanceParser,
    symbols: Vec<SymbolId>,
    /// The last update of each symbol's book ticker.
    updates: Vec<u64>,
    /// The books, if they are followed; as many as symbols.
    books: Vec<DepthBook>,
}

#[derive(Debug)]
struct Snapshots {
    exchange: Exchange,
    /// What is asked for, for each symbol.
    paths: Vec<String>,
    /// The book whose snapshot is under way.
    asked: Option<usize>,
    next: usize,
    wait_ns: u64,
    not_before: MonoNanos,
}

impl Binance {
    pub(super) fn new(config: &BinanceConfig) -> Result<Self, BadEndpoint> {
        let from = &config.stream;
        let names = || from.symbols.iter().map(|(name, _)| name.as_str());
        let endpoint = WebSocketEndpoint::new(&from.host, &from.path, from.max_message_bytes)?;
        let symbols: Vec<_> = from.symbols.iter().map(|(_, id)| *id).collect();
        let stream = if config.depth.is_some() { "depth@100ms" } else { "bookTicker" };
        let books = config.depth.iter().flat_map(|_| symbols.iter().map(|id| DepthBook::new(*id, MAX_LEVELS)));
        let books = books.collect();
        let snapshots = config.depth.as_ref().map(|place| Snapshots {
            exchange: Exchange::new(place, "", HttpLimits::default(), SNAPSHOT_TIMEOUT_NS),
            paths: names().map(|name| format!("/api/v3/depth?symbol={name}&limit={SNAPSHOT_LEVELS}")).collect(),
            asked: None,
            next: 0,
            wait_ns: LEAST_WAIT_NS,
            not_before: MonoNanos::default(),
        });
        let subscriptions = vec![subscribe(names(), stream)];
        Ok(Self {
            subscriber: Subscriber::new(endpoint, subscriptions, from.nonce, from.silence_ns),
            prices: Prices { parser: BinanceParser::new(names()), updates: vec![0; symbols.len()], symbols, books },
            snapshots,
        })
    }

    /// Asks for the next snapshot that is wanted, if it is time.
    fn ask(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (Some(snapshots), [_, port, ..]) = (&mut self.snapshots, &mut *tools.ports) else { return };
        if !snapshots.exchange.is_free(port) || port.at < snapshots.not_before {
            return;
        }
        let books = &self.prices.books;
        let turn = (0..books.len()).map(|step| (snapshots.next + step) % books.len());
        let Some(book) = turn.into_iter().find(|book| books[*book].wants_snapshot()) else { return };
        if snapshots.exchange.get(&snapshots.paths[book], port).is_err() {
            port.give_up(tools.sink);
            return;
        }
        (snapshots.asked, snapshots.next) = (Some(book), book + 1);
        snapshots.not_before = port.at.plus(snapshots.wait_ns);
    }

    /// Reads from the second connection.
    fn snapshot_bytes(&mut self, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (Some(snapshots), [stream, port, ..]) = (&mut self.snapshots, &mut *tools.ports) else { return };
        match snapshots.exchange.answer(&mut bytes) {
            Ok(None) => {}
            Ok(Some(answer)) => {
                port.counters.messages += 1;
                let keep_alive = answer.keep_alive;
                let taken = snapshots
                    .asked
                    .take()
                    .is_some_and(|book| self.prices.snapshot(book, &answer, stream, port, tools.sink));
                let longer = snapshots.wait_ns.saturating_mul(2).min(MOST_WAIT_NS);
                let asked_to_wait = retry_after_ns(&answer);
                snapshots.wait_ns = if taken { LEAST_WAIT_NS } else { longer };
                snapshots.not_before = port.at.plus(snapshots.wait_ns.max(asked_to_wait));
                if !keep_alive {
                    port.renew();
                }
            }
            Err(error) => {
                port.fault(fault_of_http(&error), tools.sink);
                port.give_up(tools.sink);
            }
        }
    }
}

impl Machine for Binance {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if leg == 0 {
            self.prices.updates.fill(0);
            self.prices.books.iter_mut().for_each(DepthBook::forget);
            self.subscriber.opened(&mut tools.ports[leg], tools.sink);
        } else if let Some(snapshots) = &mut self.snapshots {
            snapshots.exchange.reset();
            snapshots.asked = None;
            self.ask(tools);
        }
    }

    fn bytes(&mut self, leg: usize, bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if leg == 0 {
            let Self { subscriber, prices, .. } = self;
            let read = |text: &[u8], port: &mut Port, sink: &mut _| prices.message(text, port, sink);
            subscriber.bytes(bytes, &mut tools.ports[leg], tools.sink, read);
        } else {
            self.snapshot_bytes(bytes, tools);
        }
        // What comes on one connection is the other's moment too.
        let at = tools.ports[leg].at;
        tools.ports.iter_mut().for_each(|port| port.at = at);
        self.ask(tools);
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if leg == 0 {
            self.subscriber.closed(&mut tools.ports[leg], tools.sink);
        } else if let Some(snapshots) = &mut self.snapshots {
            if let Err(error) = snapshots.exchange.closed() {
                tools.ports[leg].fault(fault_of_http(&error), tools.sink);
            }
            snapshots.asked = None;
        }
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.subscriber.on_time(&mut tools.ports[0], tools.sink);
        if let (Some(snapshots), [_, port, ..]) = (&mut self.snapshots, &mut *tools.ports)
            && port.is_open()
            && snapshots.exchange.is_late(port.at)
        {
            port.give_up(tools.sink);
        }
        self.ask(tools);
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        let silent = self.subscriber.deadline(&ports[0]);
        let snapshots = self.snapshots.as_ref().zip(ports.get(1)).filter(|(_, port)| port.is_open());
        let asking = snapshots.and_then(|(snapshots, _)| {
            let wanted = self.prices.books.iter().any(DepthBook::wants_snapshot);
            snapshots.exchange.deadline().or(wanted.then_some(snapshots.not_before))
        });
        silent.into_iter().chain(asking).min()
    }
}

impl Prices {
    /// Hands a message's prices down; whether it was a message at all.
    fn message(&mut self, message: &[u8], port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) -> bool {
        match self.parser.parse(message) {
            Ok(BinanceMessage::BookTicker { update, tick }) => {
                let last = &mut self.updates[usize::from(tick.symbol)];
                if update < *last {
                    port.fault(FeedFault::Gap, sink);
                } else {
                    *last = update;
                    hand_down(&[tick], &self.symbols, port, sink);
                }
            }
            Ok(BinanceMessage::Depth(symbol, depth)) => {
                if let Some(book) = self.books.get_mut(usize::from(symbol)) {
                    match book.change(depth) {
                        Change::Right => tell(book, port, sink),
                        Change::Waits => {}
                        Change::Broken => {
                            port.fault(FeedFault::Gap, sink);
                            port.down(sink);
                        }
                    }
                }
            }
            Ok(BinanceMessage::Other) => {}
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                return false;
            }
        }
        true
    }

    /// Takes an answer to a request for a snapshot; whether the book is right now.
    fn snapshot(
        &mut self,
        book: usize,
        answer: &Response<'_>,
        stream: &mut Port,
        port: &mut Port,
        sink: &mut impl Sink<Stamped<FeedEvent>>,
    ) -> bool {
        if answer.status != 200 {
            return false;
        }
        let book = &mut self.books[book];
        match self.parser.parse_snapshot(answer.body) {
            // The stream may have begun anew since it was asked for.
            Ok(_) if !book.wants_snapshot() => true,
            Ok(depth) => {
                let whole = book.snapshot(depth, SNAPSHOT_LEVELS);
                stream.at = port.at;
                if whole {
                    tell(book, stream, sink);
                }
                whole
            }
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                false
            }
        }
    }
}

/// Hands the best of a book down.
fn tell(book: &DepthBook, port: &mut Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
    if let Some(tick) = book.best() {
        hand_down(&[Tick { symbol: 0, ..tick }], &[book.symbol], port, sink);
    }
}

//! Horizon's streams of server-sent events: order books and trades of markets, as reference prices; our own accounts, as
//! witnesses that the ledgers show what befalls them.
//!
//! Each stream stands by itself: it has a connection to each server, of which one is used, and its own patience with
//! them ([`Failover`](super::failover::Failover)). What it costs comes off the budget that snapshots live on too: a server
//! counts a stream when it is opened, and once for every ledger while it is.

mod meaning;
mod stream;
mod witness;

use super::FeedConfig;
use super::config::HorizonStreamConfig;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped};
use crate::stellar::AccountIndex;
use crate::wire::json::horizon;
use meaning::{Meaning, Prices};
use stream::{Place, Stream};
use witness::Witness;

/// Levels of a side that are asked for: a price is of the best.
const LEVELS: usize = 1;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HorizonStream {
    servers: usize,
    place: Place,
    streams: Vec<Stream>,
    prices: Prices,
    /// The last ledger that the streams were charged for.
    charged: Option<u32>,
}

impl HorizonStream {
    pub(super) fn new(config: &HorizonStreamConfig, feed: &FeedConfig) -> Self {
        let mut wanted = Vec::with_capacity(config.streams());
        for (at, (market, _)) in config.order_books.iter().enumerate() {
            let market = feed.markets.market(*market);
            wanted.push((horizon::order_book_path(market, LEVELS), false, Meaning::order_book(at, LEVELS)));
            if config.trades {
                wanted.push((horizon::trades_path(market), true, Meaning::trades(at)));
            }
        }
        for (account, at) in feed.accounts.iter().zip(0..).take(config.accounts) {
            let witness = Witness::new(AccountIndex(at));
            wanted.push((format!("/accounts/{account}"), false, Meaning::account(witness)));
        }
        let stream = |((path, has_cursor, meaning), seed)| Stream::new(path, has_cursor, meaning, config, seed);
        Self {
            servers: config.servers.len(),
            place: Place::new(config),
            streams: wanted.into_iter().zip(config.seed..).map(stream).collect(),
            prices: Prices::new(config.order_books.iter().map(|(_, symbol)| *symbol)),
            charged: None,
        }
    }

    /// Has the stream of a leg do something, with its own ports.
    fn with<S: Sink<Stamped<FeedEvent>>>(
        &mut self,
        leg: usize,
        tools: &mut Tools<'_, S>,
        act: impl FnOnce(&mut Stream, usize, &mut Context<'_, '_, S>),
    ) {
        self.charge(tools);
        let (at, server) = (leg / self.servers, leg % self.servers);
        let ports = &mut tools.ports[at * self.servers..][..self.servers];
        let tools = Tools { ports, ledgers: tools.ledgers, horizon: tools.horizon, sink: tools.sink };
        let mut context = Context { tools, place: &self.place, prices: &mut self.prices };
        act(&mut self.streams[at], server, &mut context);
    }

    /// What servers have counted since: each ledger, on each stream.
    fn charge(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let Some(last) = tools.ledgers.last() else { return };
        let ledgers = last.saturating_sub(self.charged.replace(last).unwrap_or(last));
        if ledgers > 0 {
            let streams = self.streams.iter().filter(|stream| stream.is_open()).count() as u64;
            tools.horizon.budget.charge(u64::from(ledgers).saturating_mul(streams), tools.ports[0].at);
        }
    }
}

/// What a stream works with: ports are its own, one a server.
struct Context<'a, 't, S> {
    tools: Tools<'t, S>,
    place: &'a Place,
    prices: &'a mut Prices,
}

impl Machine for HorizonStream {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.with(leg, tools, |stream, _, context| stream.go_on(context));
    }

    fn bytes(&mut self, leg: usize, bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.with(leg, tools, |stream, server, context| {
            stream.bytes(server, bytes, context);
            stream.go_on(context);
        });
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.with(leg, tools, |stream, server, context| stream.closed(server, context));
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        for at in 0..self.streams.len() {
            self.with(at * self.servers, tools, |stream, _, context| {
                stream.on_time(context);
                stream.go_on(context);
            });
        }
    }

    fn deadline(&self, _ports: &[Port]) -> Option<MonoNanos> {
        self.streams.iter().filter_map(Stream::deadline).min()
    }
}

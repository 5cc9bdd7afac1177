//! CoinGecko: prices of coins in currencies, by asking.
//!
//! A price is handed down when the server has a newer one than before: one that is merely told again is not fresher for
//! that, and grows stale.

use super::config::CoinGeckoConfig;
use super::http::{Exchange, fault_of_http, retry_after_ns};
use super::pace::Pace;
use super::port::Port;
use super::source::{Machine, Tools};
use super::subscriber::{fault_of_message, hand_down};
use crate::events::{FeedEvent, MonoNanos, Sink, Stamped, SymbolId};
use crate::wire::http1::{HttpLimits, Response};
use crate::wire::json::Tick;
use crate::wire::json::coingecko::{CoinGeckoParser, path};

/// The host of those who pay, whose keys go by another name.
const PRO_HOST: &str = "pro-api.coingecko.com";

/// A connection after the other to one server.
#[derive(Debug)]
pub(super) struct CoinGecko {
    exchange: Exchange,
    path: String,
    pace: Pace,
    next_at: MonoNanos,
    prices: Prices,
}

#[derive(Debug)]
struct Prices {
    parser: CoinGeckoParser,
    symbols: Vec<SymbolId>,
    /// When the server found each pair's last price.
    updated_s: Vec<u64>,
    fresh: Vec<Tick>,
}

impl CoinGecko {
    pub(super) fn new(config: &CoinGeckoConfig) -> Self {
        let name = if config.server.host == PRO_HOST { "x-cg-pro-api-key" } else { "x-cg-demo-api-key" };
        let header = config.api_key.as_ref().map(|key| format!("{name}: {}\r\n", key.0));
        let pairs: Vec<_> = config.pairs.iter().map(|(pair, _)| pair.clone()).collect();
        Self {
            exchange: Exchange::new(
                &config.server,
                &header.unwrap_or_default(),
                HttpLimits::default(),
                config.answer_timeout_ns,
            ),
            path: path(&pairs),
            pace: Pace::new(config.every_ns, 1, config.seed),
            next_at: MonoNanos(0),
            prices: Prices {
                updated_s: vec![0; pairs.len()],
                fresh: Vec::with_capacity(pairs.len()),
                parser: CoinGeckoParser::new(pairs),
                symbols: config.pairs.iter().map(|(_, symbol)| *symbol).collect(),
            },
        }
    }

    /// Asks, if it is time.
    fn ask(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[0];
        if !self.exchange.is_free(port) {
            return;
        }
        match self.pace.may_ask(port.at) {
            Ok(()) => {
                if self.exchange.get(&self.path, port).is_err() {
                    port.give_up(tools.sink);
                }
            }
            Err(at) => self.next_at = at,
        }
    }
}

impl Machine for CoinGecko {
    fn opened(&mut self, _leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.exchange.reset();
        self.ask(tools);
    }

    fn bytes(&mut self, _leg: usize, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[0];
        match self.exchange.answer(&mut bytes) {
            Ok(None) => return,
            Ok(Some(answer)) => {
                self.prices.answer(&answer, &mut self.pace, port, tools.sink);
                if !answer.keep_alive {
                    port.renew();
                }
            }
            Err(error) => {
                port.fault(fault_of_http(&error), tools.sink);
                port.give_up(tools.sink);
                self.pace.back_off(port.at);
            }
        }
        self.ask(tools);
    }

    fn closed(&mut self, _leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[0];
        match self.exchange.closed() {
            Ok(None) => {}
            Ok(Some(answer)) => self.prices.answer(&answer, &mut self.pace, port, tools.sink),
            Err(error) => {
                port.fault(fault_of_http(&error), tools.sink);
                self.pace.back_off(port.at);
            }
        }
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[0];
        if port.is_open() && self.exchange.is_late(port.at) {
            port.give_up(tools.sink);
            self.exchange.reset();
            self.pace.back_off(port.at);
        }
        self.ask(tools);
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        ports[0].is_open().then(|| self.exchange.deadline().unwrap_or(self.next_at))
    }
}

impl Prices {
    fn answer(
        &mut self,
        answer: &Response<'_>,
        pace: &mut Pace,
        port: &mut Port,
        sink: &mut impl Sink<Stamped<FeedEvent>>,
    ) {
        port.counters.messages += 1;
        if answer.status != 200 {
            pace.back_off(port.at);
            pace.wait_until(port.at.plus(retry_after_ns(answer)));
            port.down(sink);
            return;
        }
        match self.parser.parse(answer.body) {
            Ok(prices) => {
                pace.all_is_well();
                self.fresh.clear();
                for found in prices {
                    let last = &mut self.updated_s[usize::from(found.pair)];
                    if found.updated_s > *last {
                        *last = found.updated_s;
                        let (symbol, price) = (found.pair, found.price);
                        self.fresh.push(Tick { symbol, bid: price, ask: price, last: price, ..Tick::default() });
                    }
                }
                hand_down(&self.fresh, &self.symbols, port, sink);
            }
            Err(error) => {
                port.fault(fault_of_message(error), sink);
                pace.back_off(port.at);
            }
        }
    }
}

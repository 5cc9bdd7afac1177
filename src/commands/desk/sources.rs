//! From a configuration to the feed's sources, and the connections that they have.

use super::DeskError;
use super::parts::nanos;
use super::prices::{Symbol, Venue, place_of};
use crate::config::{Config, Exchange, ExchangeKind, Horizon, HttpUrl, REFERENCE, WebSocketUrl, read_api_key};
use crate::events::SymbolId;
use crate::feed::{
    BinanceConfig, CoinGeckoConfig, HorizonStreamConfig, HorizonSweepConfig, HttpPlace, PriceStreamConfig, RpcConfig,
    Secret, SourceConfig,
};
use crate::net::{ConnSettings, Endpoint, Roots};
use crate::stellar::MarketId;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Messages of a price source longer than so many bytes are a fault.
const MAX_PRICE_MESSAGE_BYTES: usize = 1 << 20;
/// Answers of Stellar RPC longer than so many bytes are a fault: a page of ledgers in base64.
const MAX_RPC_ANSWER_BYTES: usize = 256 << 20;

/// A feed's sources, and of each connection, in the same order, what people call it and where it goes.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) sources: Vec<SourceConfig>,
    pub(super) names: Vec<String>,
    pub(super) connections: Vec<ConnSettings>,
}

impl Sources {
    /// The sources of a configuration: those of ledgers first, as the feed wants it.
    ///
    /// # Errors
    /// If the file of a key cannot be read.
    pub(super) fn of(config: &Config, symbols: &[Symbol], seed: u64) -> Result<Self, DeskError> {
        let mut all = Self::default();
        if let Some(endpoint) = &config.core.meta_stream {
            all.add(SourceConfig::CoreMeta, [("core metadata".to_owned(), endpoint.clone())]);
        }
        if let Some(rpc) = &config.rpc {
            let source = SourceConfig::Rpc(RpcConfig {
                endpoints: rpc.endpoints.iter().map(place).collect(),
                max_answer_bytes: MAX_RPC_ANSWER_BYTES,
                answer_timeout_ns: nanos(rpc.answer_timeout),
                least_interval_ns: nanos(rpc.least_interval),
                seed,
            });
            all.add(source, named("Stellar RPC", &rpc.endpoints, &rpc.roots));
        }
        if let Some(horizon) = &config.horizon {
            let servers: Vec<HttpPlace> = horizon.servers.iter().map(place).collect();
            let source = SourceConfig::HorizonSweep(HorizonSweepConfig {
                servers: servers.clone(),
                every_ns: nanos(horizon.check_every),
                requests_per_hour: horizon.requests_per_hour,
                seed,
                answer_timeout_ns: nanos(horizon.answer_timeout),
                return_after_ns: nanos(horizon.return_after),
            });
            all.add(source, named("Horizon", &horizon.servers, &horizon.roots));
            all.add_streams(config, horizon, servers, symbols, seed);
        }
        for (exchange, place) in config.exchanges.iter().zip(0..) {
            all.add_exchange(exchange, place, symbols, seed)?;
        }
        Ok(all)
    }

    /// An exchange, if any price is made of its symbols.
    fn add_exchange(
        &mut self,
        exchange: &Exchange,
        place: usize,
        symbols: &[Symbol],
        seed: u64,
    ) -> Result<(), DeskError> {
        let own = symbols.iter().zip((0..).map(SymbolId)).filter(|(symbol, _)| symbol.venue == Venue::Exchange(place));
        let own: Vec<_> = own.map(|(symbol, id)| (symbol.name.clone(), id)).collect();
        if own.is_empty() {
            return Ok(());
        }
        let nonce = nonce(seed, u8::try_from(place).unwrap_or(u8::MAX));
        let (source, endpoints) = of_exchange(exchange, own, nonce, seed)?;
        let name = if exchange.name == REFERENCE { "reference price" } else { &exchange.name };
        let names = [name.to_owned(), format!("{name}, snapshots")];
        self.add(source, names.into_iter().zip(endpoints));
        Ok(())
    }

    /// Horizon's streams, if any are wanted.
    fn add_streams(
        &mut self,
        config: &Config,
        horizon: &Horizon,
        servers: Vec<HttpPlace>,
        symbols: &[Symbol],
        seed: u64,
    ) {
        let streams = horizon.streams;
        let book = |(market, id)| Some((MarketId(id), place_of(&Symbol::of_horizon(market), symbols)?));
        let markets = config.markets.iter().zip(0..).filter(|_| streams.order_book);
        let order_books: Vec<_> = markets.filter_map(book).collect();
        let wanted = HorizonStreamConfig {
            servers,
            order_books,
            trades: streams.trades,
            accounts: usize::from(streams.accounts),
            requests_per_hour: horizon.requests_per_hour,
            seed,
            answer_timeout_ns: nanos(horizon.answer_timeout),
            silence_ns: nanos(horizon.stream_silence),
            return_after_ns: nanos(horizon.return_after),
        };
        if wanted.streams() > 0 {
            let connections = named("Horizon stream", &horizon.servers, &horizon.roots);
            let each = (0..wanted.streams()).flat_map(|_| connections.clone());
            let each: Vec<_> = each.collect();
            self.add(SourceConfig::HorizonStream(wanted), each);
        }
    }

    fn add(&mut self, source: SourceConfig, connections: impl IntoIterator<Item = (String, Endpoint)>) {
        let before = self.connections.len();
        for (name, endpoint) in connections {
            self.names.push(name);
            self.connections.push(ConnSettings::lasting(endpoint));
        }
        assert_eq!(self.connections.len() - before, source.connections(), "a connection for each that the source has");
        self.sources.push(source);
    }
}

/// An exchange's source for these symbols, and where its connections go.
fn of_exchange(
    exchange: &Exchange,
    symbols: Vec<(String, SymbolId)>,
    nonce: [u8; 16],
    seed: u64,
) -> Result<(SourceConfig, Vec<Endpoint>), DeskError> {
    let roots = &exchange.roots;
    let stream = |url: &WebSocketUrl, symbols| PriceStreamConfig {
        host: url.authority.clone(),
        path: url.path.clone(),
        symbols,
        max_message_bytes: MAX_PRICE_MESSAGE_BYTES,
        silence_ns: nanos(exchange.silent_after),
        nonce,
    };
    Ok(match &exchange.kind {
        ExchangeKind::Kraken(url) => (SourceConfig::Kraken(stream(url, symbols)), vec![web_socket(url, roots)]),
        ExchangeKind::Coinbase(url) => (SourceConfig::Coinbase(stream(url, symbols)), vec![web_socket(url, roots)]),
        ExchangeKind::Binance(url) => {
            let source = BinanceConfig { stream: stream(url, symbols), depth: None };
            (SourceConfig::Binance(source), vec![web_socket(url, roots)])
        }
        ExchangeKind::BinanceDepth(url, rest) => {
            let source = BinanceConfig { stream: stream(url, symbols), depth: Some(place(rest)) };
            (SourceConfig::Binance(source), vec![web_socket(url, roots), http(rest, roots)])
        }
        ExchangeKind::CoinGecko(url, every, key_file) => {
            let pair = |(symbol, id): (String, SymbolId)| {
                let (coin, currency) = symbol.split_once('/').unwrap_or((&symbol, ""));
                ((coin.to_owned(), currency.to_owned()), id)
            };
            let source = CoinGeckoConfig {
                server: place(url),
                api_key: key_file.as_deref().map(api_key).transpose()?,
                pairs: symbols.into_iter().map(pair).collect(),
                every_ns: nanos(*every),
                answer_timeout_ns: nanos(exchange.silent_after),
                seed,
            };
            (SourceConfig::CoinGecko(source), vec![http(url, roots)])
        }
    })
}

fn api_key(file: &Path) -> Result<Secret, DeskError> {
    Ok(Secret(std::mem::take(&mut *read_api_key(file).map_err(DeskError::ApiKey)?)))
}

/// The nonce from which a source makes the keys of its handshakes.
fn nonce(seed: u64, place: u8) -> [u8; 16] {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update([place]).finalize();
    digest[..16].try_into().unwrap_or_default()
}

fn place(url: &HttpUrl) -> HttpPlace {
    HttpPlace { host: url.authority.clone(), prefix: url.prefix.clone() }
}

fn named(name: &str, urls: &[HttpUrl], roots: &Roots) -> Vec<(String, Endpoint)> {
    let backup = |at: usize| if at == 0 { name.to_owned() } else { format!("{name}, backup") };
    urls.iter().enumerate().map(|(at, url)| (backup(at), http(url, roots))).collect()
}

fn http(url: &HttpUrl, roots: &Roots) -> Endpoint {
    endpoint(url.secure, &url.host, url.port, roots)
}

fn web_socket(url: &WebSocketUrl, roots: &Roots) -> Endpoint {
    endpoint(url.secure, &url.host, url.port, roots)
}

fn endpoint(secure: bool, host: &str, port: u16, roots: &Roots) -> Endpoint {
    let host = host.to_owned();
    if secure { Endpoint::Tls { host, port, roots: roots.clone() } } else { Endpoint::Tcp { host, port } }
}

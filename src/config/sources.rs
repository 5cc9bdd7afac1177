//! Where ledgers and prices come from.

use super::failure::ConfigError;
use super::source::Node;
use super::values::{self, HttpUrl, integer, parse_duration};
use super::{Exchange, ExchangeKind, Horizon, HorizonStreams, Market, REFERENCE, Rpc};
use crate::net::Roots;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Connections that streams may have: a feed has 255.
const MAX_STREAM_CONNECTIONS: usize = 200;
/// Ledgers close every five seconds.
const LEDGERS_PER_HOUR: usize = 720;
/// The most sections `[[exchange]]`: each has a connection or two, of 255 in all.
const MAX_EXCHANGES: usize = 64;

pub(super) fn rpc(node: &Node<'_>) -> Result<Option<Rpc>, ConfigError> {
    let endpoints = servers(node)?;
    let roots = roots(node, endpoints.iter().any(|url| url.secure))?;
    let (least_interval, answer_timeout) =
        (node.get("least_interval", parse_duration)?, node.get("answer_timeout", parse_duration)?);
    Ok((!endpoints.is_empty()).then_some(Rpc { endpoints, roots, least_interval, answer_timeout }))
}

pub(super) fn horizon(node: &Node<'_>) -> Result<Option<Horizon>, ConfigError> {
    let servers = servers(node)?;
    let roots = roots(node, servers.iter().any(|url| url.secure))?;
    let check_every = node.get("check_every", parse_duration)?;
    let requests_per_hour = node.get("requests_per_hour", integer(60..=1_000_000))?;
    let answer_timeout = node.get("answer_timeout", parse_duration)?;
    let return_after = node.get("return_after", parse_duration)?;
    let stream_silence = node.get("stream_silence", parse_duration)?;
    let streams = node.get("streams", streams)?;
    if servers.is_empty() && streams != HorizonStreams::default() {
        let why = "are asked of nobody: name url as well";
        return Err(node.place_of("streams").refuse_value("streams", why));
    }
    let some = !servers.is_empty();
    Ok(some.then_some(Horizon {
        servers,
        roots,
        check_every,
        requests_per_hour,
        answer_timeout,
        return_after,
        streams,
        stream_silence,
    }))
}

/// Whether the streams suit the markets, and what servers allow.
pub(super) fn check_streams(node: &Node<'_>, horizon: Option<&Horizon>, markets: &[Market]) -> Result<(), ConfigError> {
    let refuse = |why: String| Err(node.place_of("streams").refuse_value("streams", why));
    let streams = horizon.map_or_else(HorizonStreams::default, |horizon| horizon.streams);
    let Some(horizon) = horizon else { return Ok(()) };
    let connections = streams.count(markets.len()) * horizon.servers.len();
    if connections > MAX_STREAM_CONNECTIONS {
        return refuse(format!(
            "would need {connections} connections, one a stream and server: at most {MAX_STREAM_CONNECTIONS} are possible"
        ));
    }
    let counted = streams.count(markets.len()) * LEDGERS_PER_HOUR;
    if counted > horizon.requests_per_hour as usize / 2 {
        return refuse(format!(
            "would be counted as {counted} requests an hour, a ledger each, which is more than half of requests_per_hour: \
             hear less, or ask a server that allows more"
        ));
    }
    Ok(())
}

/// `none`, `all`, or a list.
fn streams(text: &str) -> Result<HorizonStreams, String> {
    let all = HorizonStreams { order_book: true, trades: true, accounts: true };
    let mut streams = HorizonStreams::default();
    for word in text.split(',').map(str::trim) {
        match word {
            "none" if text == word => {}
            "all" if text == word => streams = all,
            "order_book" => streams.order_book = true,
            "trades" => streams.trades = true,
            "accounts" => streams.accounts = true,
            _ => {
                return Err(format!("'{word}' is no stream: write none, all, or some of order_book, trades, accounts"));
            }
        }
    }
    if streams.trades && !streams.order_book {
        return Err("trades add a last price to that of the book: add order_book".to_owned());
    }
    Ok(streams)
}

/// A section's `url` and `backup_url`: none, one or both.
fn servers(node: &Node<'_>) -> Result<Vec<HttpUrl>, ConfigError> {
    let primary = node.maybe("url", values::http_url)?;
    let backup = node.maybe("backup_url", values::http_url)?;
    if backup.is_some() && primary.is_none() {
        let why = "is a backup of nothing: name url as well";
        return Err(node.place_of("backup_url").refuse_value("backup_url", why));
    }
    if backup.is_some() && backup == primary {
        let why = "is url once more: name another server, or none";
        return Err(node.place_of("backup_url").refuse_value("backup_url", why));
    }
    Ok(primary.into_iter().chain(backup).collect())
}

/// Whom to trust, in a section whose addresses go through TLS or not.
fn roots(node: &Node<'_>, secure: bool) -> Result<Roots, ConfigError> {
    let file: Option<PathBuf> = node.maybe("ca_file", str::parse)?;
    if file.is_some() && !secure {
        let why = "certificates are for https: and wss: addresses, and there is none: strike one or change the other";
        return Err(node.place_of("ca_file").refuse_value("ca_file", why));
    }
    Ok(file.map_or(Roots::System, Roots::PemFile))
}

pub(super) fn exchanges(root: &Node<'_>) -> Result<Vec<Exchange>, ConfigError> {
    let nodes = root.sections("exchange")?;
    if nodes.len() > MAX_EXCHANGES {
        let why = format!("{} are configured, at most {MAX_EXCHANGES} are possible", nodes.len());
        return Err(root.place().refuse_value("exchange", why));
    }
    let mut seen = BTreeMap::new();
    let mut exchanges = Vec::with_capacity(nodes.len() + 1);
    exchanges.extend(reference(&root.section("reference")?)?);
    for node in &nodes {
        let exchange = exchange(node)?;
        let place = node.place_of("name");
        if let Some(first) = seen.insert(exchange.name.clone(), place.clone()) {
            let why = format!("'{}' is taken, first at {first}: choose another name", exchange.name);
            return Err(place.refuse_value("name", why));
        }
        exchanges.push(exchange);
    }
    Ok(exchanges)
}

/// The exchange of `[reference]`, if it has one.
fn reference(node: &Node<'_>) -> Result<Option<Exchange>, ConfigError> {
    let Some(url) = node.maybe("url", values::web_socket)? else { return Ok(None) };
    Ok(Some(Exchange {
        name: REFERENCE.to_owned(),
        roots: roots(node, url.secure)?,
        kind: ExchangeKind::Kraken(url),
        stale_after: node.get("stale_after", parse_duration)?,
        silent_after: node.get("silent_after", parse_duration)?,
    }))
}

fn exchange(node: &Node<'_>) -> Result<Exchange, ConfigError> {
    let web_socket = || node.get("url", values::web_socket);
    let http = || node.get("url", values::http_url);
    let kind = node.get("kind", |text| Kind::of(text).ok_or_else(|| Kind::wanted(text)))?;
    let kind = match kind {
        Kind::Kraken => ExchangeKind::Kraken(web_socket()?),
        Kind::Coinbase => ExchangeKind::Coinbase(web_socket()?),
        Kind::Binance => ExchangeKind::Binance(web_socket()?),
        Kind::BinanceDepth => match node.maybe("rest_url", values::http_url)? {
            Some(rest) => ExchangeKind::BinanceDepth(web_socket()?, rest),
            None => {
                let why = "is missing: a book is a snapshot and what follows it, and this says where the snapshot is";
                return Err(node.place().refuse_value("rest_url", why));
            }
        },
        Kind::CoinGecko => {
            let file = node.maybe("api_key_file", str::parse)?;
            ExchangeKind::CoinGecko(http()?, node.get("every", parse_duration)?, file)
        }
    };
    Ok(Exchange {
        name: node.get("name", values::exchange_name)?,
        roots: roots(node, kind.is_secure())?,
        kind,
        stale_after: node.get("stale_after", parse_duration)?,
        silent_after: node.get("silent_after", parse_duration)?,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Kraken,
    Coinbase,
    Binance,
    BinanceDepth,
    CoinGecko,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("kraken", Self::Kraken),
        ("coinbase", Self::Coinbase),
        ("binance", Self::Binance),
        ("binance_depth", Self::BinanceDepth),
        ("coingecko", Self::CoinGecko),
    ];

    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    fn wanted(text: &str) -> String {
        let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
        format!("'{text}' is no exchange that is known: write one of {}", names.join(", "))
    }
}

impl ExchangeKind {
    /// Whether any of its connections goes through TLS.
    fn is_secure(&self) -> bool {
        match self {
            Self::Kraken(url) | Self::Coinbase(url) | Self::Binance(url) => url.secure,
            Self::BinanceDepth(url, rest) => url.secure || rest.secure,
            Self::CoinGecko(url, ..) => url.secure,
        }
    }
}

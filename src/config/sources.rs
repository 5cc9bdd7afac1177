//! Where ledgers and prices come from.

use super::failure::ConfigError;
use super::source::Node;
use super::values::{self, HttpUrl, integer, parse_duration};
use super::{Exchange, ExchangeKind, Horizon, Rpc};
use crate::net::Roots;
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let some = !servers.is_empty();
    Ok(some.then_some(Horizon { servers, roots, check_every, requests_per_hour, answer_timeout }))
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
    let mut exchanges = Vec::with_capacity(nodes.len());
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
        Kind::Horizon => ExchangeKind::Horizon(http()?),
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
    Horizon,
}

impl Kind {
    const ALL: [(&'static str, Self); 6] = [
        ("kraken", Self::Kraken),
        ("coinbase", Self::Coinbase),
        ("binance", Self::Binance),
        ("binance_depth", Self::BinanceDepth),
        ("coingecko", Self::CoinGecko),
        ("horizon", Self::Horizon),
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
            Self::CoinGecko(url, ..) | Self::Horizon(url) => url.secure,
        }
    }
}

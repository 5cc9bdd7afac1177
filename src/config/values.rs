//! From a value's text to what it means.

use crate::net::Endpoint;
use crate::stellar::{PUBLIC_PASSPHRASE, Price, STANDALONE_PASSPHRASE, Stroops, TESTNET_PASSPHRASE};
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Passphrase of the network on which what is to come is tried.
const FUTURENET_PASSPHRASE: &str = "Test SDF Future Network ; October 2022";
/// The networks that have a name.
const NETWORKS: [(&str, &str); 4] = [
    ("MAINNET", PUBLIC_PASSPHRASE),
    ("TESTNET", TESTNET_PASSPHRASE),
    ("FUTURENET", FUTURENET_PASSPHRASE),
    ("STANDALONE", STANDALONE_PASSPHRASE),
];
/// The networks that are nobody's own.
const SHARED_NETWORKS: [&str; 3] = [PUBLIC_PASSPHRASE, TESTNET_PASSPHRASE, FUTURENET_PASSPHRASE];
/// Core's command port.
const CORE_PORT: u16 = 11_626;
/// The longest time that a setting may be.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A network's passphrase: a passphrase has a space in it, a name has none.
pub(super) fn network(text: &str) -> Result<String, String> {
    if let Some((_, passphrase)) = NETWORKS.iter().find(|(name, _)| *name == text) {
        return Ok((*passphrase).to_owned());
    }
    if text.trim().contains(' ') {
        return Ok(text.to_owned());
    }
    let names = "MAINNET, TESTNET, FUTURENET or STANDALONE; another network's passphrase has a space in it";
    Err(format!("'{text}' is no network: write {names}"))
}

/// Whether the network with this passphrase has ledgers that others made.
pub(super) fn is_shared(passphrase: &str) -> bool {
    SHARED_NETWORKS.contains(&passphrase)
}

/// Reads a time, such as `30s`, `500ms` or `5m`: more than zero, a day at most.
///
/// # Errors
/// If it is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let wanted = || format!("'{text}' is no time: write it like 30s, 500ms or 5m, more than zero and a day at most");
    let number: u64 = number.parse().map_err(|_| wanted())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    ms.map(Duration::from_millis).filter(|time| !time.is_zero() && *time <= LONGEST).ok_or_else(wanted)
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

/// A whole number within a range.
pub(super) fn integer<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let wanted =
            || format!("{text} is out of range: a whole number from {} to {} is wanted", range.start(), range.end());
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(wanted)
    }
}

/// Basis points, at least 0; more than 0 if `positive`.
pub(super) fn basis_points(positive: bool) -> impl FnOnce(&str) -> Result<f64, String> {
    move |text| {
        let range = if positive { "more than 0" } else { "0 or more" };
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        let good = number.filter(|number| *number > 0.0 || (*number >= 0.0 && !positive));
        good.ok_or_else(|| format!("{text} is out of range: {range} is wanted"))
    }
}

/// An amount above zero.
pub(super) fn amount(text: &str) -> Result<Stroops, String> {
    let amount: Stroops = text.parse().map_err(|error: crate::stellar::AmountError| error.to_string())?;
    if amount > Stroops::ZERO { Ok(amount) } else { Err(format!("{text} is out of range: more than 0 is wanted")) }
}

/// An exact price: `3/100`, or a decimal, which is the fraction that it says.
pub(super) fn price(text: &str) -> Result<Price, String> {
    let wanted = || format!("'{text}' is no price: write a decimal like 0.05, or a fraction like 1/20");
    let (n, d) = match text.split_once('/') {
        Some((n, d)) => (n.trim().parse().map_err(|_| wanted())?, d.trim().parse().map_err(|_| wanted())?),
        None => decimal(text).ok_or_else(wanted)?,
    };
    if n == 0 || d == 0 {
        return Err(format!("'{text}' is no price: more than zero is wanted"));
    }
    let divisor = greatest_common_divisor(n, d);
    let part = |whole: u64| i32::try_from(whole / divisor).ok();
    let price = part(n).zip(part(d)).and_then(|(n, d)| Price::new(n, d).ok());
    price.ok_or_else(|| {
        format!(
            "'{text}' is no price of the ledger: numerator and denominator must be at most 2147483647 in lowest terms"
        )
    })
}

/// A decimal as a fraction.
fn decimal(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let denominator = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator = whole.parse::<u64>().ok()?.checked_mul(denominator)?.checked_add(fraction.parse().ok()?)?;
    Some((numerator, denominator))
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Reads where a stream of ledgers is: `pipe:/path`, `fd:N`, `unix:/path` or `tcp://host:port`.
///
/// # Errors
/// If it is none of them.
pub fn meta_stream(text: &str) -> Result<Endpoint, String> {
    let wanted = || format!("'{text}' is no stream: write pipe:/path, fd:N, unix:/path or tcp://host:port");
    if let Some(path) = text.strip_prefix("pipe:").filter(|path| path.starts_with('/')) {
        return Ok(Endpoint::Pipe { path: path.into() });
    }
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Ok(Endpoint::Unix { path: path.into() });
    }
    if let Some(number) = text.strip_prefix("fd:").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
        // Opened anew by its path, a pipe is the same pipe, and what is set on our opening is not set on the other.
        let number: u16 = number.parse().map_err(|_| wanted())?;
        return Ok(Endpoint::Pipe { path: format!("/dev/fd/{number}").into() });
    }
    let address = text.strip_prefix("tcp://").ok_or_else(wanted)?;
    let (host, port) = host_and_port(address, None).ok_or_else(wanted)?;
    Ok(Endpoint::Tcp { host, port })
}

/// An HTTP server: where it is, and what its `Host` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for HttpAddress {
    /// As in the `Host` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Core's command port.
pub(super) fn http_address(text: &str) -> Result<HttpAddress, String> {
    let wanted = || format!("'{text}' is no address of core's command port: write http://host:port, without a path");
    let address = text.strip_prefix("http://").ok_or_else(wanted)?;
    let (host, port) =
        host_and_port(address.strip_suffix('/').unwrap_or(address), Some(CORE_PORT)).ok_or_else(wanted)?;
    Ok(HttpAddress { host, port })
}

/// An HTTP server with a path, before which requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpUrl {
    /// Whether it goes through TLS.
    pub secure: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// As in the `Host` header: without the port, if it was left out.
    pub authority: String,
    /// The path, without a `/` at its end: empty, or it begins with one.
    pub prefix: String,
}

/// An HTTP server, with or without a path.
pub(super) fn http_url(text: &str) -> Result<HttpUrl, String> {
    let wanted = || format!("'{text}' is no web address: write http://host:port/path or https://host:port/path");
    let (secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(wanted()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority, Some(if secure { 443 } else { 80 })).ok_or_else(wanted)?;
    if path.contains(['#', '?']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wanted());
    }
    let prefix = path.trim_end_matches('/').to_owned();
    Ok(HttpUrl { secure, host, port, authority: authority.to_owned(), prefix })
}

/// How an exchange is called in expressions.
pub(super) fn exchange_name(text: &str) -> Result<String, String> {
    let good = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match good {
        true if text == "reference" => Err("'reference' is the exchange of [reference]: choose another name".into()),
        true if text == "horizon" => Err("'horizon' is the one of [horizon]: choose another name".into()),
        true => Ok(text.to_owned()),
        false => Err(format!("'{text}' is no name: write letters, digits, - and _, 32 at most")),
    }
}

/// A WebSocket's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocketUrl {
    /// Whether it goes through TLS.
    pub secure: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// As in the `Host` header: without the port, if it was left out.
    pub authority: String,
    /// Path and query, at least `/`.
    pub path: String,
}

pub(super) fn web_socket(text: &str) -> Result<WebSocketUrl, String> {
    let wanted = || format!("'{text}' is no WebSocket: write ws://host:port/path or wss://host:port/path");
    let (secure, rest) = match (text.strip_prefix("ws://"), text.strip_prefix("wss://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(wanted()),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority, Some(if secure { 443 } else { 80 })).ok_or_else(wanted)?;
    if path.contains('#') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wanted());
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(WebSocketUrl { secure, host, port, authority: authority.to_owned(), path: path.to_owned() })
}

/// `host`, `host:port` or `[address]:port`; ports count from 1.
fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let literal = text.starts_with('[');
    if host.is_empty() || !(literal || host.bytes().all(named)) {
        return None;
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port > 0)?,
        None => default?,
    };
    Some((host.to_owned(), port))
}

pub(super) fn ip_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("'{text}' is no address to listen on: write an IP address, such as 0.0.0.0 or ::"))
}

/// Not empty, and without what would break the subscription's line.
pub(super) fn symbol(text: &str) -> Result<String, String> {
    let good = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if good { Ok(text.to_owned()) } else { Err(format!("'{text}' is no symbol: write it like XLM/USD")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_price_is_the_fraction_that_it_says() {
        for (text, n, d) in
            [("0.1", 1, 10), ("0.05", 1, 20), ("3", 3, 1), ("1/3", 1, 3), ("12.50", 25, 2), ("2/4", 1, 2)]
        {
            assert_eq!(price(text), Ok(Price::new(n, d).unwrap()), "{text}");
        }
        for text in
            ["0", "0.000", "0/1", "1/0", "-1", "1e3", "NaN", "", ".5", "5.", "0.00000000001", "4294967296", "1/2/3"]
        {
            assert!(price(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        let tcp = |host: &str, port| Ok(Endpoint::Tcp { host: host.into(), port });
        assert_eq!(meta_stream("tcp://core:1"), tcp("core", 1));
        assert_eq!(meta_stream("tcp://[::1]:17"), tcp("::1", 17));
        assert_eq!(meta_stream("pipe:/run/meta"), Ok(Endpoint::Pipe { path: "/run/meta".into() }));
        assert_eq!(meta_stream("unix:/run/meta"), Ok(Endpoint::Unix { path: "/run/meta".into() }));
        assert_eq!(meta_stream("fd:17"), Ok(Endpoint::Pipe { path: "/dev/fd/17".into() }));
        for text in [
            "",
            "fd:",
            "fd:-1",
            "fd:1/2",
            "fd:70000",
            "/run/meta",
            "pipe:meta",
            "tcp://core",
            "tcp://:1",
            "tcp://core:0",
            "tcp://core:65536",
            "tcp://a b:1",
        ] {
            assert!(meta_stream(text).is_err(), "{text}");
        }
        let core = http_address("http://core/").unwrap();
        assert_eq!((core.to_string(), core.port), ("core:11626".into(), 11_626));
        assert_eq!(http_address("http://[::1]:5").unwrap().to_string(), "[::1]:5");
        for text in ["https://core:1", "core:1", "http://", "http://core:1/tx", "http://user@core:1"] {
            assert!(http_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_web_socket_has_host_port_and_path() {
        let kraken = web_socket("wss://ws.kraken.com/v2").unwrap();
        let parts = (kraken.secure, kraken.host.as_str(), kraken.port, kraken.authority.as_str(), kraken.path.as_str());
        assert_eq!(parts, (true, "ws.kraken.com", 443, "ws.kraken.com", "/v2"));
        let local = web_socket("ws://127.0.0.1:9/").unwrap();
        assert_eq!((local.secure, local.port, local.authority.as_str()), (false, 9, "127.0.0.1:9"));
        assert_eq!(web_socket("ws://a").unwrap().path, "/");
        for text in ["http://a/", "ws://", "ws:///v2", "wss://a:x/", "ws://a/b c", "ws://a/#b"] {
            assert!(web_socket(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_web_address_has_a_path_to_go_before_others() {
        let horizon = http_url("https://horizon.stellar.org/").unwrap();
        let parts = (horizon.secure, horizon.port, horizon.authority.as_str(), horizon.prefix.as_str());
        assert_eq!(parts, (true, 443, "horizon.stellar.org", ""));
        let gecko = http_url("http://127.0.0.1:9/api/v3/").unwrap();
        assert_eq!((gecko.port, gecko.authority.as_str(), gecko.prefix.as_str()), (9, "127.0.0.1:9", "/api/v3"));
        for text in ["ws://a/", "https://", "http://a/?b", "http://a/#b", "http://a b/", "https://user@a/"] {
            assert!(http_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_have_names_or_passphrases() {
        assert_eq!(network("MAINNET"), Ok(PUBLIC_PASSPHRASE.to_owned()));
        assert_eq!(network("My own ; network"), Ok("My own ; network".to_owned()));
        for text in ["MAINET", "mainnet", "", " "] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}

//! The messages of Kraken's WebSocket v2, as its ticker channel uses them; no sockets here.
//!
//! Source: docs.kraken.com, "Spot WebSocket v2" (ticker, status, heartbeat, ping), with the order of keys and the
//! number of decimals as live captures show them.

use super::clock::civil_date;
use crate::events::UtcNanos;
use serde::Deserialize;
use std::fmt::Write as _;

/// Sent about once a second to whoever has subscribed to something.
pub(crate) const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;

/// Symbols that one request may name.
pub(crate) const MAX_SYMBOLS: usize = 1000;

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Subscribe to the ticker of symbols, or leave it.
    Ticker(TickerRequest),
    /// Are you there?
    Ping {
        /// The client's own number.
        req_id: Option<u64>,
    },
}

/// A subscription, or its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TickerRequest {
    /// False to unsubscribe.
    pub(crate) subscribe: bool,
    /// Which.
    pub(crate) symbols: Vec<String>,
    /// Whether the present state is wanted first.
    pub(crate) snapshot: bool,
    /// What triggers an update: `trades` or `bbo`; only echoed.
    event_trigger: String,
    /// The client's own number.
    req_id: Option<u64>,
}

impl TickerRequest {
    fn method(&self) -> &'static str {
        if self.subscribe { "subscribe" } else { "unsubscribe" }
    }
}

/// Why a request is answered with an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The method, if it could be read.
    pub(crate) method: Option<String>,
    /// In Kraken's words where they are known.
    pub(crate) error: &'static str,
    /// The client's own number.
    pub(crate) req_id: Option<u64>,
}

#[derive(Deserialize)]
struct RawRequest {
    method: String,
    #[serde(default)]
    params: RawParams,
    req_id: Option<u64>,
}

#[derive(Default, Deserialize)]
struct RawParams {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    symbol: Vec<String>,
    snapshot: Option<bool>,
    event_trigger: Option<String>,
}

/// Reads a client's message.
pub(crate) fn parse_request(text: &str) -> Result<Request, Refusal> {
    let raw: RawRequest =
        serde_json::from_str(text).map_err(|_| Refusal { method: None, error: "Malformed request", req_id: None })?;
    let refuse = |error| Refusal { method: Some(raw.method.clone()), error, req_id: raw.req_id };
    let subscribe = match raw.method.as_str() {
        "ping" => return Ok(Request::Ping { req_id: raw.req_id }),
        "subscribe" => true,
        "unsubscribe" => false,
        _ => return Err(refuse("Unknown method")),
    };
    if raw.params.channel != "ticker" {
        return Err(refuse("Unknown channel"));
    }
    if raw.params.symbol.is_empty() || raw.params.symbol.len() > MAX_SYMBOLS {
        return Err(refuse("Symbol(s) not found"));
    }
    let event_trigger = raw.params.event_trigger.clone().unwrap_or_else(|| "trades".into());
    if event_trigger != "trades" && event_trigger != "bbo" {
        return Err(refuse("Event trigger not supported"));
    }
    Ok(Request::Ticker(TickerRequest {
        subscribe,
        symbols: raw.params.symbol,
        snapshot: raw.params.snapshot.unwrap_or(true),
        event_trigger,
        req_id: raw.req_id,
    }))
}

/// The first message of a connection.
pub(crate) fn status(connection_id: u64) -> String {
    format!(
        r#"{{"channel":"status","type":"update","data":[{{"version":"2.0.10","system":"online","api_version":"v2","connection_id":{connection_id}}}]}}"#
    )
}

/// The acknowledgement of one symbol's subscription, or of its end.
pub(crate) fn acknowledged(request: &TickerRequest, symbol: &str, at: UtcNanos) -> String {
    let snapshot = if request.subscribe { format!(r#""snapshot":{},"#, request.snapshot) } else { String::new() };
    format!(
        r#"{{"method":"{}",{}"result":{{"channel":"ticker","event_trigger":"{}",{snapshot}"symbol":{}}},"success":true,{}}}"#,
        request.method(),
        req_id_member(request.req_id),
        request.event_trigger,
        quoted(symbol),
        times(at),
    )
}

/// The answer to a symbol that is not traded here.
pub(crate) fn unknown_symbol(request: &TickerRequest, symbol: &str, at: UtcNanos) -> String {
    format!(
        r#"{{"error":{},"method":"{}",{}"success":false,"symbol":{},{}}}"#,
        quoted(&format!("Currency pair not supported {symbol}")),
        request.method(),
        req_id_member(request.req_id),
        quoted(symbol),
        times(at),
    )
}

/// The answer to a request that is none.
pub(crate) fn refused(refusal: &Refusal, at: UtcNanos) -> String {
    let method = refusal.method.as_ref().map_or_else(String::new, |method| format!(r#""method":{},"#, quoted(method)));
    format!(r#"{{"error":"{}",{method}{}"success":false,{}}}"#, refusal.error, req_id_member(refusal.req_id), times(at),)
}

/// The answer to a ping.
pub(crate) fn pong(req_id: Option<u64>, at: UtcNanos) -> String {
    format!(r#"{{"method":"pong",{}{}}}"#, req_id_member(req_id), times(at))
}

/// A ticker message around one symbol's data object.
pub(crate) fn ticker(kind: &str, data: &str) -> String {
    format!(r#"{{"channel":"ticker","type":"{kind}","data":[{data}]}}"#)
}

fn req_id_member(req_id: Option<u64>) -> String {
    req_id.map_or_else(String::new, |id| format!(r#""req_id":{id},"#))
}

fn times(at: UtcNanos) -> String {
    let at = rfc3339_micros(at);
    format!(r#""time_in":"{at}","time_out":"{at}""#)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `2026-10-03T20:58:30.560234Z`.
pub(crate) fn rfc3339_micros(at: UtcNanos) -> String {
    let seconds = at.seconds();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = at.0 % 1_000_000_000 / 1000;
    let mut text = String::with_capacity(27);
    // Writing to a string cannot fail.
    let _ = write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UtcNanos = UtcNanos(1_791_061_110_560_234_567);

    fn ticker_request(subscribe: bool) -> TickerRequest {
        let event_trigger = "trades".into();
        TickerRequest { subscribe, symbols: vec!["XLM/USD".into()], snapshot: true, event_trigger, req_id: None }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds: u64| rfc3339_micros(UtcNanos(seconds * 1_000_000_000));
        assert_eq!(at(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59.000000Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000000Z");
        assert_eq!(rfc3339_micros(AT), "2026-10-03T20:58:30.560234Z");
    }

    #[test]
    fn acknowledgements_are_byte_for_byte_what_was_captured() {
        assert_eq!(
            acknowledged(&ticker_request(true), "BTC/USD", AT),
            r#"{"method":"subscribe","result":{"channel":"ticker","event_trigger":"trades","snapshot":true,"symbol":"BTC/USD"},"success":true,"time_in":"2026-10-03T20:58:30.560234Z","time_out":"2026-10-03T20:58:30.560234Z"}"#
        );
        assert_eq!(
            status(3_364_750_901_719_990_046),
            r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":3364750901719990046}]}"#
        );
    }

    #[test]
    fn whatever_a_client_sends_the_answer_is_json() {
        let hostile = "\"}{\u{7}\\";
        for text in [
            unknown_symbol(&ticker_request(true), hostile, AT),
            acknowledged(&ticker_request(false), hostile, AT),
            refused(&Refusal { method: Some(hostile.into()), error: "Unknown method", req_id: Some(7) }, AT),
            refused(&Refusal { method: None, error: "Malformed request", req_id: None }, AT),
            pong(Some(101), AT),
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn requests_are_read_and_what_is_none_is_named() {
        let subscribe = r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["XLM/USD"]},"req_id":5}"#;
        let expected = TickerRequest { req_id: Some(5), ..ticker_request(true) };
        assert_eq!(parse_request(subscribe), Ok(Request::Ticker(expected)));
        assert_eq!(parse_request(r#"{"method":"ping"}"#), Ok(Request::Ping { req_id: None }));
        let error = |text| parse_request(text).unwrap_err().error;
        assert_eq!(error("{"), "Malformed request");
        assert_eq!(error(r#"{"method":"add_order"}"#), "Unknown method");
        assert_eq!(error(r#"{"method":"subscribe","params":{"channel":"book","symbol":["A"]}}"#), "Unknown channel");
        assert_eq!(error(r#"{"method":"subscribe","params":{"channel":"ticker"}}"#), "Symbol(s) not found");
        let too_many = serde_json::json!({"channel": "ticker", "symbol": vec!["XLM/USD"; MAX_SYMBOLS + 1]});
        let too_many = serde_json::json!({"method": "subscribe", "params": too_many}).to_string();
        assert_eq!(error(&too_many), "Symbol(s) not found");
    }
}

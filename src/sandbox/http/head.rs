//! The head of a request: where it ends, what it says, how the body comes.

use super::request::{Method, Query, Request, percent_decode};
use std::net::{IpAddr, SocketAddr};

/// The longest head.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The longest head of a transaction for core, which comes in the URL: one of a hundred operations is about 30 KB.
pub(super) const MAX_TX_HEAD_BYTES: usize = 128 * 1024;
/// How such a head begins.
const TX_PREFIX: &[u8] = b"GET /tx?blob=";
/// Header lines.
const MAX_HEADERS: usize = 64;

/// A head, and how its body comes.
#[derive(Debug)]
pub(super) struct Head {
    /// The request, whose body is still empty.
    pub(super) request: Request,
    pub(super) framing: Framing,
    /// Whether the client wants the connection to stay open.
    pub(super) keep_alive: bool,
    /// Whether it speaks HTTP/1.1.
    pub(super) modern: bool,
    /// Whether it waits for a 100 before it sends the body.
    pub(super) expects_continue: bool,
}

/// How a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(usize),
    /// In chunks.
    Chunked,
}

/// The status to refuse a head with.
pub(super) type Refusal = u16;

/// Takes a whole head from the front of `input`, or `None` if there is none yet. `searched` is how far it was looked
/// through before.
pub(super) fn take(
    input: &mut Vec<u8>,
    searched: &mut usize,
    peer: IpAddr,
    local: SocketAddr,
) -> Result<Option<Head>, Refusal> {
    skip_blanks(input);
    let limit = if input.starts_with(TX_PREFIX) { MAX_TX_HEAD_BYTES } else { MAX_HEAD_BYTES };
    let end = end_of_head(input, *searched);
    *searched = input.len().saturating_sub(3);
    if end.unwrap_or(input.len()) > limit {
        let first_line_ends = input[..limit].contains(&b'\n');
        return Err(if first_line_ends { 431 } else { 414 });
    }
    let Some(end) = end else { return Ok(None) };
    let head = parse(&input[..end], peer, local)?;
    input.drain(..end);
    *searched = 0;
    Ok(Some(head))
}

/// Takes away the blank lines before a request, which some clients send after a body (RFC 9112, section 2.2).
pub(super) fn skip_blanks(input: &mut Vec<u8>) {
    let blank = input.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    input.drain(..blank);
}

fn end_of_head(input: &[u8], searched: usize) -> Option<usize> {
    let searched = searched.min(input.len());
    let unseen = &input[searched..];
    unseen.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| match unseen[at + 1..] {
        [b'\n', ..] => Some(searched + at + 2),
        [b'\r', b'\n', ..] => Some(searched + at + 3),
        _ => None,
    })
}

fn parse(bytes: &[u8], peer: IpAddr, local: SocketAddr) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        _ => return Err(400),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(400);
    };
    let modern = version == 1;
    let fields = Fields(parsed.headers);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = fields.get("host").filter(|host| is_host(host)).map_or_else(|| local.to_string(), str::to_owned);
    let request = Request {
        method: Method::of(method),
        path: percent_decode(path).unwrap_or_else(|| path.to_owned()),
        query: Query::parse(query),
        target: target.to_owned(),
        wants_events: wants_events(fields.get("accept").unwrap_or("")),
        last_event_id: fields.get("last-event-id").filter(|id| !id.is_empty()).map(str::to_owned),
        content_type: fields.get("content-type").unwrap_or("").to_owned(),
        base_url: format!("http://{host}"),
        peer,
        body: Vec::new(),
    };
    let connection = fields.get("connection").unwrap_or("").to_ascii_lowercase();
    let says = |word: &str| connection.split(',').any(|part| part.trim() == word);
    Ok(Head {
        request,
        framing: fields.framing()?,
        keep_alive: if modern { !says("close") } else { says("keep-alive") },
        modern,
        expects_continue: modern && fields.get("expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue")),
    })
}

/// Header lines.
struct Fields<'h>(&'h [httparse::Header<'h>]);

impl<'h> Fields<'h> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    fn get(&self, name: &'static str) -> Option<&'h str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    /// Two lengths, or a length and chunks, are how requests are smuggled: refused.
    fn framing(&self) -> Result<Framing, Refusal> {
        let (lengths, codings) = (self.all("content-length").count(), self.all("transfer-encoding").count());
        match (lengths, codings) {
            (0, 0) => Ok(Framing::Length(0)),
            (1, 0) => {
                let digits = self.get("content-length").unwrap_or("");
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                // What does not fit a number is too long in any case.
                if plain { Ok(Framing::Length(digits.parse().unwrap_or(usize::MAX))) } else { Err(400) }
            }
            (0, 1) if self.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) => {
                Ok(Framing::Chunked)
            }
            (0, 1) => Err(501),
            _ => Err(400),
        }
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a stream is what the client would like best, of what there is: Horizon's JSON, and streams.
fn wants_events(accept: &str) -> bool {
    let known = accept.split(',').filter_map(|range| match range.split(';').next().unwrap_or("").trim() {
        "text/event-stream" => Some(true),
        "application/hal+json" | "application/json" | "application/*" | "*/*" => Some(false),
        _ => None,
    });
    known.into_iter().next().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn read(text: &str) -> Result<Option<Head>, Refusal> {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        take(&mut text.as_bytes().to_vec(), &mut 0, Ipv4Addr::LOCALHOST.into(), local)
    }

    fn head(text: &str) -> Head {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_read_as_it_was_meant() {
        let get = head("\r\nGET /a%2Fb?x=1+2 HTTP/1.1\r\nHost: here:8\r\nAccept: text/event-stream\r\n\r\n");
        assert_eq!((get.request.method, get.request.path.as_str()), (Method::Get, "/a/b"));
        assert_eq!(get.request.query.get("x"), Some("1 2"));
        assert_eq!(get.request.base_url, "http://here:8");
        assert!(get.request.wants_events && get.keep_alive && get.modern);
        let post = head("POST / HTTP/1.0\nContent-Length: 3\nAccept: */*, text/event-stream\nHost: a b\n\n");
        assert_eq!((post.request.method, post.framing), (Method::Post, Framing::Length(3)));
        assert_eq!(post.request.base_url, "http://127.0.0.1:80");
        assert!(!post.request.wants_events && !post.keep_alive && !post.modern);
        assert!(head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
        assert_eq!(head("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").framing, Framing::Chunked);
        assert!(read("GET / HTTP/1.1\r\n").unwrap().is_none());
    }

    #[test]
    fn what_is_no_head_is_refused_with_the_reason() {
        let refused = |text: &str| read(text).unwrap_err();
        assert_eq!(refused("nonsense\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
        let many: String = (0..65).map(|number| format!("A{number}: x\r\n")).collect();
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{many}\r\n")), 431);
        let long = "x".repeat(MAX_HEAD_BYTES);
        assert_eq!(refused(&format!("GET /{long}")), 414);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n")), 431);
        let blob = "A".repeat(MAX_TX_HEAD_BYTES - 200);
        assert!(read(&format!("GET /tx?blob={blob} HTTP/1.1\r\n\r\n")).unwrap().is_some());
        assert_eq!(refused(&format!("GET /tx?blob={blob}{blob}")), 414);
    }
}

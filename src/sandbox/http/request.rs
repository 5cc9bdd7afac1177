//! A request as the faces see it.

use std::net::IpAddr;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Other,
}

impl Method {
    /// The method of this name.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

/// A whole request; its sizes were bounded when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query as they were sent: core decodes them in a way of its own.
    pub(crate) target: String,
    /// The path, percent-decoded.
    pub(crate) path: String,
    pub(crate) query: Query,
    /// Whether `text/event-stream` is accepted: Horizon then streams.
    pub(crate) wants_events: bool,
    /// `Last-Event-ID`: where a stream that broke off goes on.
    pub(crate) last_event_id: Option<String>,
    pub(crate) content_type: String,
    /// `http://` and the host that the client addressed: links lead there.
    pub(crate) base_url: String,
    pub(crate) peer: IpAddr,
    pub(crate) body: Vec<u8>,
}

/// The parameters of a query or a form, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`, percent-encoded, `+` a space. What cannot be decoded stays as it is.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same with this value under this name, in place of any other.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Every parameter, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Percent-decoding of a form's name or value.
fn decode(text: &str) -> String {
    let plain = text.replace('+', " ");
    percent_decode(&plain).unwrap_or(plain)
}

/// Percent-decoding; `None` if a `%` is not followed by two hexadecimal digits, or the result is no UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => *hex::decode([bytes.next()?, bytes.next()?]).ok()?.first()?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_keeps_its_order() {
        let query = Query::parse("tx=a%2Bb+c&cursor=now&flag&bad=%zz&cursor=2");
        assert_eq!(query.get("tx"), Some("a+b c"));
        assert_eq!(query.get("cursor"), Some("now"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("bad"), Some("%zz"));
        assert_eq!(query.get("none"), None);
        assert_eq!(query.pairs().count(), 5);
    }
}

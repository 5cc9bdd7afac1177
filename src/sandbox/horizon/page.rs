//! Pages: a cursor, an order, a limit, and the links to what comes before and after.

use super::problem::Problem;
use crate::sandbox::http::Query;
use serde_json::{Map, Value, json};

/// Records of a page unless asked otherwise, and at most.
const DEFAULT_LIMIT: usize = 10;
pub(crate) const MAX_LIMIT: usize = 200;

/// Oldest first, or newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Asc,
    Desc,
}

/// Which records are asked for. A cursor is the `paging_token` of the last record that the client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) cursor: Option<String>,
    pub(crate) order: Order,
    pub(crate) limit: usize,
}

impl Page {
    /// Reads `cursor`, `order` and `limit`. The cursor's form is for each collection to judge; `now` was resolved before.
    pub(crate) fn parse(query: &Query) -> Result<Self, Problem> {
        let order = match query.get("order") {
            None | Some("" | "asc") => Order::Asc,
            Some("desc") => Order::Desc,
            Some(_) => return Err(Problem::bad_request("order", "order: invalid value")),
        };
        let limit = match query.get("limit") {
            None | Some("") => DEFAULT_LIMIT,
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
                Ok(0) => return Err(Problem::bad_request("limit", "invalid limit: non-positive value provided")),
                Ok(_) => {
                    return Err(Problem::bad_request(
                        "limit",
                        format!("invalid limit: value provided that is over limit max of {MAX_LIMIT}"),
                    ));
                }
                Err(_) => return Err(Problem::bad_request("limit", "unparseable value")),
            },
        };
        let cursor = query.get("cursor").filter(|cursor| !cursor.is_empty()).map(str::to_owned);
        Ok(Self { cursor, order, limit })
    }

    /// The cursor as one whole number that is not negative, which most collections have.
    pub(crate) fn number(&self) -> Result<Option<i64>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        match cursor.parse::<i64>() {
            Ok(number) if number >= 0 => Ok(Some(number)),
            _ => Err(Problem::bad_request("cursor", "cursor must contain exactly one colon or be a whole number")),
        }
    }

    /// The cursor as `number-index`, or `number` alone (then the index is the last possible, in either order).
    pub(crate) fn pair(&self) -> Result<Option<(i64, i64)>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let (number, index) = match cursor.split_once('-') {
            Some((number, index)) => (number.parse::<i64>(), index.parse::<i64>()),
            None => (cursor.parse::<i64>(), Ok(i64::from(i32::MAX))),
        };
        match (number, index) {
            (Ok(number), Ok(index)) if number >= 0 && index >= 0 => Ok(Some((number, index))),
            _ => Err(Problem::bad_request("cursor", "cursor must be a number, or two with a dash between")),
        }
    }

    /// Of `all`, oldest first, what this page shows; `token` gives a record's place.
    pub(crate) fn of<T, K: Ord>(
        &self,
        cursor: Option<&K>,
        all: impl DoubleEndedIterator<Item = T>,
        token: impl Fn(&T) -> K,
    ) -> Vec<T> {
        match self.order {
            Order::Asc => {
                let after = |record: &T| cursor.is_none_or(|cursor| token(record) > *cursor);
                all.filter(after).take(self.limit).collect()
            }
            Order::Desc => {
                let before = |record: &T| cursor.is_none_or(|cursor| token(record) < *cursor);
                all.rev().filter(before).take(self.limit).collect()
            }
        }
    }

    /// The page's body. `path` is what was asked for, with the host; every parameter that is not the page's own stays in
    /// the links.
    pub(crate) fn body(&self, url: &str, query: &Query, records: Vec<Value>) -> Value {
        let token = |record: Option<&Value>| {
            record
                .and_then(|record| record["paging_token"].as_str())
                .or(self.cursor.as_deref())
                .unwrap_or("")
                .to_owned()
        };
        let (first, last) = (token(records.first()), token(records.last()));
        let (order, opposite) = match self.order {
            Order::Asc => ("asc", "desc"),
            Order::Desc => ("desc", "asc"),
        };
        let link = |cursor: &str, order: &str| {
            let own = ["cursor", "limit", "order"];
            let mut parameters =
                vec![format!("cursor={}", encode(cursor)), format!("limit={}", self.limit), format!("order={order}")];
            let others = query.pairs().filter(|(name, _)| !own.contains(name));
            parameters.extend(others.map(|(name, value)| format!("{}={}", encode(name), encode(value))));
            json!({"href": format!("{url}?{}", parameters.join("&"))})
        };
        let own = link(self.cursor.as_deref().unwrap_or(""), order);
        let links = json!({"self": own, "next": link(&last, order), "prev": link(&first, opposite)});
        // Records are moved: `json!` would clone each.
        let embedded = Map::from_iter([("records".to_owned(), Value::Array(records))]);
        Value::Object(Map::from_iter([("_links".to_owned(), links), ("_embedded".to_owned(), Value::Object(embedded))]))
    }
}

/// Percent-encoding of a parameter.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

//! Server-sent events, as Horizon sends them.
//!
//! A stream begins with `hello`, looks at every closed ledger, and says `byebye` after 55 seconds, or once it has sent
//! as many events as a page holds (objects: ten); the client then comes again with the last event's id. Many streams of
//! one thing cost one look a ledger: what was found is shared among them.

use super::face::{as_of, for_everyone, problem, target};
use super::page::encode;
use super::{Page, Problem, Resource, Target};
use crate::sandbox::chain::Chain;
use crate::sandbox::faces::{Behind, look};
use crate::sandbox::faults::{Face, Interruption};
use crate::sandbox::http::{Answer, Feed, Flow, Request, Response};
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HELLO: &str = "retry: 1000\nevent: open\ndata: \"hello\"\n\n";
const BYEBYE: &str = "retry: 10\nevent: close\ndata: \"byebye\"\n\n";
/// How long a stream lasts (Horizon's connection timeout).
const LASTS: Duration = Duration::from_secs(55);
/// Events of an object's stream.
const OBJECT_EVENTS: usize = 10;

/// What was found at one ledger, for all streams that ask the same.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    ledger: u32,
    bytes: usize,
    found: FxHashMap<String, Arc<Found>>,
}

/// Findings that are kept until the next ledger, in bytes of their JSON.
const MAX_SHOWN_BYTES: usize = 16 << 20;

/// What a look at a resource found.
#[derive(Debug)]
enum Found {
    /// Each record's place, and its JSON.
    Records(Vec<(String, String)>),
    /// Its JSON.
    Object(String),
    Problem(Problem),
}

impl Found {
    fn bytes(&self) -> usize {
        match self {
            Self::Records(records) => records.iter().map(|(place, json)| place.len() + json.len()).sum(),
            Self::Object(json) => json.len(),
            Self::Problem(_) => 0,
        }
    }
}

impl Shown {
    fn get(&self, ledger: u32, key: &str) -> Option<Arc<Found>> {
        self.found.get(key).filter(|_| self.ledger == ledger).cloned()
    }

    fn keep(&mut self, ledger: u32, key: String, found: &Arc<Found>) {
        if self.ledger != ledger {
            *self = Self { ledger, ..Self::default() };
        }
        let bytes = key.len() + found.bytes();
        if self.bytes + bytes <= MAX_SHOWN_BYTES {
            self.bytes += bytes;
            self.found.insert(key, Arc::clone(found));
        }
    }
}

/// A client's stream.
pub(crate) struct Stream {
    behind: Arc<Behind>,
    peer: IpAddr,
    resource: Resource,
    target: Target,
    /// What makes two streams ask the same, but for the cursor.
    key: String,
    /// Of records: where it is.
    page: Option<Page>,
    /// Events that it may still send.
    left: usize,
    /// The ledger that it has seen.
    ledger: u32,
    /// The object as it was sent last.
    last: Option<Arc<Found>>,
    ends: Instant,
    stalled_until: Option<Instant>,
}

impl Stream {
    /// Begins a stream, or says why there is none.
    pub(super) fn open(behind: &Arc<Behind>, request: &Request, now: Instant) -> Answer {
        let refuse =
            |refusal: &Problem| look(&*behind.host, |chain| for_everyone(as_of(chain, problem(refusal)))).into();
        let mut stream = match Self::new(behind, request, now) {
            Ok(stream) => stream,
            Err(refusal) => return refuse(&refusal),
        };
        if !stream.may_look(now) {
            return refuse(&Problem::rate_limit_exceeded());
        }
        let (ledger, found) = stream.look();
        if let Found::Problem(refusal) = &*found {
            return refuse(refusal);
        }
        stream.ledger = ledger;
        let mut opening = HELLO.as_bytes().to_vec();
        let flow = stream.tell(&found, &mut opening);
        let head = Response::new(200, "text/event-stream; charset=utf-8", "")
            .with("Cache-Control", "no-cache")
            .with("Latest-Ledger", ledger.to_string());
        let feed: Option<Box<dyn Feed>> = if flow == Flow::Open { Some(Box::new(stream)) } else { None };
        Answer::Stream { head: for_everyone(head), opening, feed }
    }

    fn new(behind: &Arc<Behind>, request: &Request, now: Instant) -> Result<Self, Problem> {
        let (resource, target) = look(&*behind.host, |chain| target(chain, request))?;
        if !is_streamable(&target.path) {
            return Err(Problem::not_acceptable());
        }
        let page = match resource {
            Resource::Object(_) => None,
            Resource::Records(_) => Some(Page::parse(&target.query)?),
        };
        let others = target.query.pairs().filter(|(name, _)| *name != "cursor");
        let others: Vec<String> = others.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        Ok(Self {
            behind: Arc::clone(behind),
            peer: request.peer,
            key: format!("{}{}?{}", target.base_url, target.path, others.join("&")),
            left: page.as_ref().map_or(OBJECT_EVENTS, |page| page.limit),
            resource,
            target,
            page,
            ledger: 0,
            last: None,
            ends: now + LASTS,
            stalled_until: None,
        })
    }

    fn may_look(&self, now: Instant) -> bool {
        self.behind.limiter.lock().take(self.peer, now).allowed
    }

    /// What there is, and as of which ledger.
    fn look(&self) -> (u32, Arc<Found>) {
        let cursor = self.page.as_ref().and_then(|page| page.cursor.as_deref()).unwrap_or("");
        let key = format!("{}#{cursor}", self.key);
        look(&*self.behind.host, |chain| {
            let ledger = chain.latest();
            let mut shown = self.behind.shown.lock();
            let found = shown.get(ledger, &key).unwrap_or_else(|| {
                let found = Arc::new(self.find(chain));
                shown.keep(ledger, key, &found);
                found
            });
            (ledger, found)
        })
    }

    fn find(&self, chain: &Chain<'_>) -> Found {
        let found = match (self.resource, &self.page) {
            (Resource::Records(records), Some(page)) => records(chain, &self.target, page).map(|records| {
                let place = |record: &serde_json::Value| record["paging_token"].as_str().unwrap_or("").to_owned();
                Found::Records(records.iter().map(|record| (place(record), record.to_string())).collect())
            }),
            (Resource::Object(object), _) => {
                object(chain, &self.target).map(|object| Found::Object(object.to_string()))
            }
            (Resource::Records(_), None) => unreachable!("records have a page"),
        };
        found.unwrap_or_else(Found::Problem)
    }

    /// Writes what is new of it, and moves on.
    fn tell(&mut self, found: &Arc<Found>, out: &mut Vec<u8>) -> Flow {
        match &**found {
            Found::Records(records) => {
                for (place, json) in records.iter().take(self.left) {
                    out.extend_from_slice(format!("id: {place}\ndata: {json}\n\n").as_bytes());
                }
                self.left -= records.len().min(self.left);
                self.pass_over(found);
            }
            Found::Object(json) => {
                if !self.has_sent(json) {
                    out.extend_from_slice(format!("data: {json}\n\n").as_bytes());
                    self.left -= 1;
                    self.pass_over(found);
                }
            }
            Found::Problem(problem) => {
                write_error(problem, out);
                return Flow::End;
            }
        }
        if self.left > 0 {
            return Flow::Open;
        }
        out.extend_from_slice(BYEBYE.as_bytes());
        Flow::End
    }

    /// Whether the object was sent as it is.
    fn has_sent(&self, json: &str) -> bool {
        matches!(self.last.as_deref(), Some(Found::Object(last)) if last == json)
    }

    /// Takes it as sent.
    fn pass_over(&mut self, found: &Arc<Found>) {
        match (&**found, &mut self.page) {
            (Found::Records(records), Some(page)) => {
                if let Some((place, _)) = records.last() {
                    page.cursor = Some(place.clone());
                }
            }
            _ => self.last = Some(Arc::clone(found)),
        }
    }

    /// What the ledger that has closed brings.
    fn go_on(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        let fault = self.behind.faults.on_ledger(Face::Horizon, &self.target.path);
        match fault {
            Some(Interruption::End) => return Flow::Cut,
            Some(Interruption::Stall(duration)) => {
                self.stalled_until = Some(now + duration);
                return Flow::Open;
            }
            Some(Interruption::Skip) | None => {}
        }
        self.catch_up(now, fault.is_some(), out)
    }

    fn catch_up(&mut self, now: Instant, in_silence: bool, out: &mut Vec<u8>) -> Flow {
        if !self.may_look(now) {
            write_error(&Problem::rate_limit_exceeded(), out);
            return Flow::End;
        }
        let (ledger, found) = self.look();
        self.ledger = ledger;
        if in_silence {
            self.pass_over(&found);
            return Flow::Open;
        }
        self.tell(&found, out)
    }
}

impl Feed for Stream {
    fn poll(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        match self.stalled_until {
            Some(until) if now < until => return Flow::Open,
            Some(_) => {
                self.stalled_until = None;
                return self.catch_up(now, false, out);
            }
            None => {}
        }
        if now >= self.ends {
            out.extend_from_slice(BYEBYE.as_bytes());
            return Flow::End;
        }
        if look(&*self.behind.host, |chain| chain.latest()) == self.ledger {
            return Flow::Open;
        }
        self.go_on(now, out)
    }

    fn due(&self) -> Instant {
        self.stalled_until.unwrap_or(self.ends)
    }
}

fn write_error(problem: &Problem, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("event: error\ndata: problem: {}\n\n", problem.kind).as_bytes());
}

/// Whether Horizon streams what this path leads to (its router).
fn is_streamable(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["order_book"] | ["accounts", _] | ["accounts", _, "data", _] => true,
        [] | ["accounts" | "offers" | "liquidity_pools" | "fee_stats" | "trade_aggregations"] => false,
        [_] => true,
        // One ledger, one transaction, one operation, one offer, one pool; paths.
        [_, _] => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_streams_is_what_horizons_router_lets_stream() {
        for path in ["/order_book", "/accounts/G", "/accounts/G/offers", "/trades", "/ledgers", "/effects", "/payments"]
        {
            assert!(is_streamable(path), "{path}");
        }
        for path in ["/", "/accounts", "/offers", "/offers/1", "/ledgers/1", "/paths/strict-send", "/fee_stats"] {
            assert!(!is_streamable(path), "{path}");
        }
    }

    #[test]
    fn findings_are_kept_for_one_ledger_and_up_to_a_bound() {
        let (mut shown, found) = (Shown::default(), Arc::new(Found::Object("x".repeat(1 << 20))));
        (0..100).for_each(|number| shown.keep(7, format!("{number}"), &found));
        assert!(shown.get(7, "0").is_some() && shown.get(7, "99").is_none());
        assert!(shown.bytes <= MAX_SHOWN_BYTES);
        assert!(shown.get(8, "0").is_none());
        shown.keep(8, "a".into(), &found);
        assert!(shown.get(7, "0").is_none() && shown.get(8, "a").is_some());
    }
}

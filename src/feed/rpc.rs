//! Stellar RPC's `getLedgers`, of several endpoints at once: each is asked for the ledger after the last one that anybody
//! brought, just after it is expected; whoever answers first is heard.

use super::FeedConfig;
use super::cadence::Cadence;
use super::config::RpcConfig;
use super::http::{Exchange, fault_of_http};
use super::pace::Pace;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::wire::http1::HttpLimits;
use crate::wire::json::rpc::{self, RpcError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Ledgers that are asked for at once: one is the rule, more are there after a pause.
const PAGE: u32 = 10;
/// Refusals of a ledger, while the server says that it has newer ones, after which it is taken for gone.
const PATIENCE: u32 = 3;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Rpc {
    legs: Vec<Leg>,
    cadence: Cadence,
    max_ledger_bytes: usize,
    /// A ledger, decoded. Kept, so that nothing is allocated for it once it has grown.
    xdr: Vec<u8>,
}

#[derive(Debug)]
struct Leg {
    exchange: Exchange,
    pace: Pace,
    asked: Asked,
    ask_at: MonoNanos,
    /// The ledger to begin with, where there is none to follow.
    begin_at: Option<u32>,
    /// How often in a row a ledger was refused.
    refused: u32,
    /// When the first byte of the answer came.
    first_byte: Option<MonoNanos>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Latest,
    Ledgers,
}

impl Rpc {
    pub(super) fn new(config: &RpcConfig, feed: &FeedConfig) -> Self {
        let limits = HttpLimits { max_body_bytes: config.max_answer_bytes, ..HttpLimits::default() };
        let leg = |(place, seed)| Leg {
            exchange: Exchange::new(place, "", limits, config.answer_timeout_ns),
            pace: Pace::new(config.least_interval_ns.max(1), 1, seed),
            asked: Asked::Latest,
            ask_at: MonoNanos(0),
            begin_at: None,
            refused: 0,
            first_byte: None,
        };
        Self {
            legs: config.endpoints.iter().zip(config.seed..).map(leg).collect(),
            cadence: Cadence::new(config.least_interval_ns),
            max_ledger_bytes: feed.limits.max_ledger_bytes,
            xdr: Vec::new(),
        }
    }

    /// Asks what is to be asked, if it is time.
    fn go_on(&mut self, at: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (leg, port) = (&mut self.legs[at], &mut tools.ports[at]);
        if !leg.exchange.is_free(port) || port.at < leg.ask_at {
            return;
        }
        if let Err(when) = leg.pace.may_ask(port.at) {
            leg.ask_at = when;
            return;
        }
        let from = leg.begin_at.or_else(|| tools.ledgers.last().map(|last| last + 1));
        leg.first_byte = None;
        let sent = match from.filter(|_| leg.refused == 0 || leg.asked == Asked::Latest) {
            Some(from) => {
                leg.asked = Asked::Ledgers;
                leg.exchange.post_json("", rpc::ledgers_request(from, PAGE).as_bytes(), port)
            }
            None => {
                leg.asked = Asked::Latest;
                leg.exchange.post_json("", rpc::LATEST_REQUEST, port)
            }
        };
        if sent.is_err() {
            port.give_up(tools.sink);
        }
    }

    fn failed(&mut self, at: usize, now: MonoNanos) {
        let leg = &mut self.legs[at];
        leg.exchange.reset();
        leg.pace.back_off(now);
    }

    /// Takes an answer. False if it is none that can be used.
    fn take(&mut self, at: usize, body: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) -> bool {
        tools.ports[at].counters.messages += 1;
        match self.legs[at].asked {
            Asked::Latest => match rpc::latest(body) {
                Ok(latest) => {
                    self.latest(at, latest, tools);
                    true
                }
                Err(_) => false,
            },
            Asked::Ledgers => match rpc::ledgers(body) {
                Ok(page) => self.ledgers(at, &page, tools),
                Err(RpcError::Refused(_)) => {
                    // Not there yet; or no more, which the newest one's number will tell.
                    let leg = &mut self.legs[at];
                    leg.refused += 1;
                    self.cadence.missed();
                    leg.ask_at = self.cadence.next_ask(tools.ports[at].at);
                    true
                }
                Err(RpcError::Shape(_)) => false,
            },
        }
    }

    fn latest(&mut self, at: usize, latest: u32, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (leg, now) = (&mut self.legs[at], tools.ports[at].at);
        match tools.ledgers.last() {
            None => leg.begin_at = Some(latest),
            // It has newer ones, and yet not the next: what lies between is lost.
            Some(last) if latest > last && leg.refused >= PATIENCE => (leg.begin_at, leg.refused) = (Some(latest), 0),
            Some(last) if latest > last => {}
            Some(_) => {
                leg.refused = 0;
                self.cadence.missed();
                leg.ask_at = self.cadence.next_ask(now);
            }
        }
    }

    fn ledgers(
        &mut self,
        at: usize,
        page: &rpc::Ledgers<'_>,
        tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>,
    ) -> bool {
        let port = &mut tools.ports[at];
        let leg = &mut self.legs[at];
        let first_byte = leg.first_byte.unwrap_or(port.at);
        let before = tools.ledgers.last();
        for ledger in &page.ledgers {
            self.xdr.clear();
            let room = self.xdr.capacity();
            if STANDARD.decode_vec(&*ledger.metadata_xdr, &mut self.xdr).is_err()
                || self.xdr.len() > self.max_ledger_bytes
            {
                return false;
            }
            port.counters.growths += u64::from(self.xdr.capacity() > room);
            tools.ledgers.ledger(&self.xdr, first_byte, port, tools.sink);
            if !port.is_open() {
                return true; // Given up, because it is of another chain.
            }
        }
        port.up(tools.sink);
        (leg.begin_at, leg.refused) = (None, 0);
        leg.pace.all_is_well();
        let after = tools.ledgers.last();
        if after != before {
            let new = after.zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
            self.cadence.seen(new, port.at);
        } else if page.ledgers.is_empty() {
            self.cadence.missed();
        }
        let behind = after.is_none_or(|after| page.latest > after);
        leg.ask_at = if behind { port.at } else { self.cadence.next_ask(port.at) };
        true
    }

    /// An answer is in, with this status.
    fn answered(&mut self, at: usize, took: bool, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if !took {
            let port = &mut tools.ports[at];
            port.fault(FeedFault::Malformed, tools.sink);
            port.give_up(tools.sink);
            self.failed(at, port.at);
        }
    }
}

/// What is to be done with an answer.
enum Answer {
    Body(Vec<u8>),
    Wait(u64),
    Failed,
}

impl Machine for Rpc {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.legs[leg].exchange.reset();
        self.go_on(leg, tools);
    }

    fn bytes(&mut self, at: usize, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let now = tools.ports[at].at;
        self.legs[at].first_byte.get_or_insert(now);
        let answered = match self.legs[at].exchange.answer(&mut bytes) {
            Ok(None) => return,
            Ok(Some(response)) => Ok((read(&response), response.keep_alive)),
            Err(error) => Err(fault_of_http(&error)),
        };
        match answered {
            Ok((answer, keep_alive)) => {
                if !keep_alive {
                    tools.ports[at].renew();
                }
                match answer {
                    Answer::Body(body) => {
                        let took = self.take(at, &body, tools);
                        self.answered(at, took, tools);
                    }
                    Answer::Wait(seconds) => {
                        self.legs[at].pace.wait_until(now.plus(seconds.min(3_600) * 1_000_000_000));
                    }
                    Answer::Failed => self.failed(at, now),
                }
            }
            Err(fault) => {
                tools.ports[at].fault(fault, tools.sink);
                tools.ports[at].give_up(tools.sink);
                self.failed(at, now);
            }
        }
        self.go_on(at, tools);
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.failed(leg, tools.ports[leg].at);
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        for at in 0..self.legs.len() {
            let now = tools.ports[at].at;
            if tools.ports[at].is_open() && self.legs[at].exchange.is_late(now) {
                tools.ports[at].give_up(tools.sink);
                self.failed(at, now);
            }
            self.go_on(at, tools);
        }
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        let open = self.legs.iter().zip(ports).filter(|(_, port)| port.is_open());
        open.map(|(leg, _)| leg.exchange.deadline().unwrap_or(leg.ask_at)).min()
    }
}

fn read(response: &crate::wire::http1::Response<'_>) -> Answer {
    match response.status {
        200 => Answer::Body(response.body.to_vec()),
        429 => {
            let after =
                response.header("Retry-After").and_then(|text| core::str::from_utf8(text).ok()?.trim().parse().ok());
            Answer::Wait(after.unwrap_or(1))
        }
        _ => Answer::Failed,
    }
}

//! Stellar RPC's `getLedgers`, of several endpoints at once: each is asked for the ledger after the last one that anybody
//! brought, just after it is expected; whoever answers first is heard. One that brings another chain than the others is put
//! aside for a while.

use super::FeedConfig;
use super::cadence::Cadence;
use super::config::RpcConfig;
use super::http::{Exchange, fault_of_http, number};
use super::pace::Pace;
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, FeedFault, MonoNanos, Sink, Stamped};
use crate::wire::http1::{HttpLimits, Response};
use crate::wire::json::rpc::{LATEST_REQUEST, write_ledgers_request};
use crate::wire::json::rpc_reader::{LedgerPage, RpcAnswerError, RpcReader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Ledgers that are asked for at once: one is the rule, more are there after a pause.
const PAGE: u32 = 10;
/// Refusals of a ledger, while the server says that it has newer ones, after which it is taken for gone.
const PATIENCE: u32 = 3;
/// How long an endpoint is left alone that brought another chain than the others.
const ASIDE_NS: u64 = 300_000_000_000;
/// The longest that a server's word to wait is obeyed, seconds.
const LONGEST_WAIT_S: u64 = 3_600;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Rpc {
    legs: Vec<Leg>,
    cadence: Cadence,
    max_ledger_bytes: usize,
    /// What answers are read in: their JSON, a ledger's XDR, a request. Kept, so that nothing is allocated once they have
    /// grown.
    reader: RpcReader,
    xdr: Vec<u8>,
    request: Vec<u8>,
}

#[derive(Debug)]
struct Leg {
    exchange: Exchange,
    pace: Pace,
    asked: Asked,
    ask_at: MonoNanos,
    /// The ledger to begin with, where there is none to follow.
    begin_at: Option<u32>,
    /// How often in a row a ledger was refused, and after which.
    refused: u32,
    refused_after: Option<u32>,
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
            refused_after: None,
            first_byte: None,
        };
        Self {
            legs: config.endpoints.iter().zip(config.seed..).map(leg).collect(),
            cadence: Cadence::new(config.least_interval_ns),
            max_ledger_bytes: feed.limits.max_ledger_bytes,
            reader: RpcReader::default(),
            xdr: Vec::new(),
            request: Vec::new(),
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
                write_ledgers_request(&mut self.request, from, PAGE);
                leg.exchange.post_json("", &self.request, port)
            }
            None => {
                leg.asked = Asked::Latest;
                leg.exchange.post_json("", LATEST_REQUEST, port)
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

    /// Takes the answer that was loaded. False if it is none that can be used.
    fn take(&mut self, at: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) -> bool {
        tools.ports[at].counters.messages += 1;
        match self.legs[at].asked {
            Asked::Latest => match self.reader.latest() {
                Ok(latest) => {
                    self.latest(at, latest, tools);
                    true
                }
                Err(_) => false,
            },
            Asked::Ledgers => {
                let before = tools.ledgers.last();
                match self.ledgers(at, tools) {
                    Ok(page) => page.is_none_or(|page| {
                        self.took(at, &page, before, tools);
                        true
                    }),
                    Err(RpcAnswerError::Refused(_)) => {
                        self.refused(at, before, tools.ports[at].at);
                        true
                    }
                    Err(_) => false,
                }
            }
        }
    }

    /// A ledger is not there yet; or no more, which the newest one's number will tell. Refusals count together only while
    /// nobody else brings ledgers either: a server that is of no use must not make the others' ledgers a gap.
    fn refused(&mut self, at: usize, last: Option<u32>, now: MonoNanos) {
        let leg = &mut self.legs[at];
        leg.refused = if leg.refused_after == last { leg.refused + 1 } else { 1 };
        leg.refused_after = last;
        self.cadence.missed();
        leg.ask_at = self.cadence.next_ask(now);
    }

    fn latest(&mut self, at: usize, latest: u32, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let (leg, now) = (&mut self.legs[at], tools.ports[at].at);
        match tools.ledgers.last() {
            None => leg.begin_at = Some(latest),
            // It has newer ones, and yet not the next: what lies between is lost.
            Some(last) if latest > last && leg.refused >= PATIENCE && leg.refused_after == Some(last) => {
                (leg.begin_at, leg.refused) = (Some(latest), 0);
            }
            Some(last) if latest > last => {}
            Some(_) => {
                leg.refused = 0;
                self.cadence.missed();
                leg.ask_at = self.cadence.next_ask(now);
            }
        }
    }

    /// Hands down the ledgers of the answer that was loaded. `None` if the endpoint is no longer asked.
    fn ledgers(
        &mut self,
        at: usize,
        tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>,
    ) -> Result<Option<LedgerPage>, RpcAnswerError> {
        let Self { reader, xdr, max_ledger_bytes, legs, .. } = self;
        let port = &mut tools.ports[at];
        let first_byte = legs[at].first_byte.unwrap_or(port.at);
        let mut outcome = Ok(());
        let page = reader.ledgers(|metadata| {
            xdr.clear();
            let room = xdr.capacity();
            if STANDARD.decode_vec(metadata, xdr).is_err() || xdr.len() > *max_ledger_bytes {
                outcome = Err(Refusal::Bad);
                return false;
            }
            port.counters.growths += u64::from(xdr.capacity() > room);
            if !tools.ledgers.ledger(xdr, first_byte, port, tools.sink) {
                outcome = Err(Refusal::OtherChain);
            } else if !port.is_open() {
                outcome = Err(Refusal::GivenUp);
            }
            outcome.is_ok()
        })?;
        match outcome {
            Ok(()) => Ok(Some(page)),
            Err(Refusal::Bad) => Err(RpcAnswerError::Bad("metadataXdr")),
            Err(Refusal::GivenUp) => Ok(None),
            Err(Refusal::OtherChain) => {
                legs[at].pace.wait_until(port.at.plus(ASIDE_NS));
                port.give_up(tools.sink);
                Ok(None)
            }
        }
    }

    /// A page was taken: when to ask for the next.
    fn took(
        &mut self,
        at: usize,
        page: &LedgerPage,
        before: Option<u32>,
        tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>,
    ) {
        let (port, leg) = (&mut tools.ports[at], &mut self.legs[at]);
        port.up(tools.sink);
        (leg.begin_at, leg.refused) = (None, 0);
        leg.pace.all_is_well();
        let after = tools.ledgers.last();
        if after != before {
            let new = after.zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
            self.cadence.seen(new, port.at);
        } else if page.ledgers == 0 {
            self.cadence.missed();
        }
        let behind = after.is_none_or(|after| page.latest > after);
        leg.ask_at = if behind { port.at } else { self.cadence.next_ask(port.at) };
    }

    /// An answer is in.
    fn answered(&mut self, at: usize, answer: Answer, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let now = tools.ports[at].at;
        match answer {
            Answer::Loaded if self.take(at, tools) => {}
            Answer::Loaded => self.wrong(at, FeedFault::Malformed, tools),
            Answer::Wait(seconds) => {
                self.legs[at].pace.wait_until(now.plus(seconds.min(LONGEST_WAIT_S) * 1_000_000_000));
            }
            Answer::Failed => self.failed(at, now),
        }
    }

    /// What came cannot be used, and nor can what would follow it.
    fn wrong(&mut self, at: usize, fault: FeedFault, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[at];
        port.fault(fault, tools.sink);
        port.give_up(tools.sink);
        self.failed(at, port.at);
    }
}

/// Why a page's ledgers are not read on.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Bad,
    OtherChain,
    GivenUp,
}

/// What is to be done with an answer.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// Its body was loaded.
    Loaded,
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
        let Self { legs, reader, .. } = self;
        legs[at].first_byte.get_or_insert(now);
        match legs[at].exchange.answer(&mut bytes).map(|answer| answer.map(|answer| read(&answer, reader))) {
            Ok(None) => return,
            Ok(Some((answer, keep_alive))) => {
                if !keep_alive {
                    tools.ports[at].renew();
                }
                self.answered(at, answer, tools);
            }
            Err(error) => self.wrong(at, fault_of_http(&error), tools),
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

/// What an answer is, and whether the connection takes another request. A body is loaded.
fn read(response: &Response<'_>, reader: &mut RpcReader) -> (Answer, bool) {
    let answer = match response.status {
        200 => {
            reader.load(response.body);
            Answer::Loaded
        }
        429 => Answer::Wait(number(response, "Retry-After").unwrap_or(1)),
        _ => Answer::Failed,
    };
    (answer, response.keep_alive)
}

//! Snapshots from Horizon: `/offers`, liquidity pools and accounts, page by page, as the events of
//! [`SnapshotEvent`]. One server is asked at a time, one request after the other.
//!
//! Accounts come first, then each market: at once at the start and after a gap, then once a period. A page that is older
//! than the ledger at which its snapshot began is asked for again; what cannot be used gives the snapshot up. Which server
//! is asked is [`Failover`]'s to say.

mod job;

use super::FeedConfig;
use super::accounts::OwnAccounts;
use super::config::HorizonSweepConfig;
use super::failover::Failover;
use super::http::{Exchange, fault_of_http, number};
use super::port::Port;
use super::source::{Machine, Tools};
use crate::events::{FeedEvent, MonoNanos, Sink, SnapshotEvent, Stamped};
use crate::stellar::{AccountId, MarketTable};
use crate::wire::http1::{HttpLimits, Response};
use job::{Job, Page, Step};
use std::sync::Arc;

/// A page of 200 offers measures some 200 KB.
const LIMITS: HttpLimits = HttpLimits { max_head_bytes: 16 << 10, max_body_bytes: 2 << 20 };
/// Between two looks at whether ledgers have come, or are missing.
const LOOK_NS: u64 = 250_000_000;
/// A server that is behind the ledgers is asked again after this.
const BEHIND_NS: u64 = 500_000_000;
/// The longest that a server's word to wait is obeyed, seconds.
const LONGEST_WAIT_S: u64 = 3_600;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct HorizonSweep {
    servers: Vec<Exchange>,
    failover: Failover,
    subject: Subject,
    job: Option<Job>,
    /// The next one begins when the ledgers have come to this, so that the last one is used before.
    not_before: u32,
    /// What comes next in this round: 0 the accounts, then the markets; past the last, the round is over.
    place: usize,
    round_began: MonoNanos,
    every_ns: u64,
    /// Gaps of the chain of ledgers when the round began.
    gaps: u64,
    /// When something is to be done next.
    next_at: MonoNanos,
}

/// What is asked for.
#[derive(Debug)]
struct Subject {
    markets: Arc<MarketTable>,
    accounts: Vec<AccountId>,
    own: OwnAccounts,
}

impl HorizonSweep {
    pub(super) fn new(config: &HorizonSweepConfig, feed: &FeedConfig) -> Self {
        let server = |place| Exchange::new(place, "", LIMITS, config.answer_timeout_ns);
        Self {
            servers: config.servers.iter().map(server).collect(),
            failover: Failover::new(config.servers.len(), config.return_after_ns, config.seed),
            subject: Subject {
                markets: Arc::clone(&feed.markets),
                accounts: feed.accounts.clone(),
                own: OwnAccounts::new(&feed.accounts),
            },
            job: None,
            not_before: 0,
            place: 0,
            round_began: MonoNanos(0),
            every_ns: config.every_ns,
            gaps: 0,
            next_at: MonoNanos(0),
        }
    }

    fn abandon(&mut self, port: &Port, sink: &mut impl Sink<Stamped<FeedEvent>>) {
        if self.job.take().is_some() {
            port.emit(FeedEvent::Snapshot(SnapshotEvent::Abandoned), sink);
        }
    }

    /// A server gave no answer that can be used.
    fn failed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        if leg != self.failover.active() {
            return;
        }
        let port = &mut tools.ports[leg];
        self.abandon(port, tools.sink);
        port.down(tools.sink);
        self.failover.failed(port.at);
    }

    /// Does what there is to do: begins a round, a snapshot, or asks for the next page.
    fn go_on(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let now = tools.ports[0].at;
        self.next_at = now.plus(LOOK_NS);
        let Some(last) = tools.ledgers.last() else { return };
        if tools.ledgers.gaps() != self.gaps {
            self.gaps = tools.ledgers.gaps();
            self.abandon(&tools.ports[self.failover.active()], tools.sink);
            (self.place, self.round_began, self.not_before) = (0, now, 0);
        }
        if self.job.is_none() && !self.begin(last, now, tools) {
            return;
        }
        let active = self.failover.active();
        let port = &mut tools.ports[active];
        let Some(job) = &mut self.job else { return };
        let exchange = &mut self.servers[active];
        let ask_at = job.ask_at.max(self.failover.pause_ends());
        if !exchange.is_free(port) || now < ask_at {
            self.next_at = now.plus(LOOK_NS).min(ask_at.max(MonoNanos(now.0 + 1)));
            return;
        }
        match tools.horizon.budget.take(now) {
            Ok(()) => {
                if exchange.get(&job.path(&self.subject), port).is_err() {
                    port.give_up(tools.sink);
                    self.failed(active, tools);
                }
            }
            Err(at) => self.next_at = self.next_at.min(at),
        }
    }

    /// Begins the next snapshot; false if none is due.
    fn begin(&mut self, last: u32, now: MonoNanos, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) -> bool {
        if last < self.not_before {
            return false;
        }
        if self.place > self.subject.markets.markets().len() {
            let is_wanted = core::mem::take(&mut tools.horizon.check_wanted);
            if now < self.round_began.plus(self.every_ns) && !is_wanted {
                return false;
            }
            (self.place, self.round_began) = (0, now);
        }
        self.failover.try_primary(tools.ports[0].is_open(), now);
        let job = Job::new(self.place, last);
        tools.ports[self.failover.active()].emit(FeedEvent::Snapshot(job.begins()), tools.sink);
        self.job = Some(job);
        true
    }

    fn answer(&mut self, leg: usize, page: &Page, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let port = &mut tools.ports[leg];
        port.counters.messages += 1;
        let Some(job) = self.job.as_mut().filter(|_| leg == self.failover.active()) else { return };
        match page {
            Page::Wait(seconds) => {
                let wait_ns = (*seconds).min(LONGEST_WAIT_S) * 1_000_000_000;
                self.failover.asked_to_wait(port.at.plus(wait_ns), port.at);
            }
            Page::Failed => self.failed(leg, tools),
            Page::Wrong(fault) => {
                port.fault(*fault, tools.sink);
                self.failed(leg, tools);
            }
            Page::Behind => job.ask_at = port.at.plus(BEHIND_NS),
            Page::Good(step) => {
                port.up(tools.sink);
                port.counters.handed_down += 1;
                self.failover.well();
                match step {
                    Step::More => {}
                    Step::Done(end) => {
                        port.emit(FeedEvent::Snapshot(*end), tools.sink);
                        self.not_before = job.newest();
                        self.job = None;
                        self.place += 1;
                    }
                }
            }
        }
    }
}

impl Machine for HorizonSweep {
    fn opened(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        self.servers[leg].reset();
        self.go_on(tools);
    }

    fn bytes(&mut self, leg: usize, mut bytes: &[u8], tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let answered = match self.servers[leg].answer(&mut bytes) {
            Ok(None) => return,
            Ok(Some(response)) => {
                let page = read(&response, self.job.as_mut(), &self.subject, &tools.ports[leg], tools.sink);
                Ok((page, response.keep_alive))
            }
            Err(error) => Err(fault_of_http(&error)),
        };
        match answered {
            Ok((page, keep_alive)) => {
                if !keep_alive {
                    tools.ports[leg].renew();
                }
                self.answer(leg, &page, tools);
            }
            Err(fault) => {
                tools.ports[leg].fault(fault, tools.sink);
                tools.ports[leg].give_up(tools.sink);
                self.failed(leg, tools);
            }
        }
        self.go_on(tools);
    }

    fn closed(&mut self, leg: usize, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        let page = match self.servers[leg].closed() {
            Ok(None) => return,
            Ok(Some(response)) => read(&response, self.job.as_mut(), &self.subject, &tools.ports[leg], tools.sink),
            Err(_) => Page::Failed,
        };
        self.answer(leg, &page, tools);
    }

    fn on_time(&mut self, tools: &mut Tools<'_, impl Sink<Stamped<FeedEvent>>>) {
        for leg in 0..self.servers.len() {
            if tools.ports[leg].is_open() && self.servers[leg].is_late(tools.ports[leg].at) {
                tools.ports[leg].give_up(tools.sink);
                self.servers[leg].reset();
                self.failed(leg, tools);
            }
        }
        let active = self.failover.active();
        let port = &mut tools.ports[active];
        if self.failover.look(port.is_open(), port.at) {
            self.abandon(port, tools.sink);
        }
        self.go_on(tools);
    }

    fn deadline(&self, ports: &[Port]) -> Option<MonoNanos> {
        let late = self.servers.iter().zip(ports).filter(|(_, port)| port.is_open());
        late.filter_map(|(server, _)| server.deadline()).chain([self.next_at]).min()
    }
}

/// Reads an answer, and tells its rows.
fn read(
    response: &Response<'_>,
    job: Option<&mut Job>,
    subject: &Subject,
    port: &Port,
    sink: &mut impl Sink<Stamped<FeedEvent>>,
) -> Page {
    match response.status {
        200 | 404 => match job {
            Some(job) => job.read(response, subject, |event| port.emit(FeedEvent::Snapshot(event), sink)),
            None => Page::Failed,
        },
        429 => Page::Wait(number(response, "Retry-After").or(number(response, "X-RateLimit-Reset")).unwrap_or(10)),
        _ => Page::Failed,
    }
}

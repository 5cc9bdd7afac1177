//! Three questions that a supervisor asks: is it alive, has it started, may work be sent to it?
//!
//! *Alive* is about the program alone: a stage that no longer turns. *Started* is about what it needs to begin.
//! *Ready* is about having had whole books once, and not shutting down. An upstream that is down is told in the
//! bodies, and never makes the program unready: restarting or bypassing every replica would not bring it back.

use super::publish::StatusHandle;
use crate::events::MonoNanos;
use crossbeam::utils::CachePadded;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A stage, and how long it may take between two turns (parked waits included).
#[derive(Clone, Copy, Debug)]
pub struct StageDeadline {
    /// Its name.
    pub stage: &'static str,
    /// Nanoseconds between two turns beyond which it counts as stuck.
    pub deadline_ns: u64,
}

/// What must be loaded before the program has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The configuration is read and valid.
    Configuration,
    /// The keys can sign.
    Keys,
    /// What was kept from before (or nothing, if nothing was) is read.
    State,
}

impl Part {
    const ALL: [Self; 3] = [Self::Configuration, Self::Keys, Self::State];

    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Keys => "keys",
            Self::State => "state",
        }
    }
}

struct Beat {
    stage: StageDeadline,
    /// When it last turned; zero before its first turn.
    turned_at: CachePadded<AtomicU64>,
}

/// The program's health, as told by those who know and asked for by probes.
pub struct Health {
    beats: Box<[Beat]>,
    loaded: [AtomicBool; Part::ALL.len()],
    /// When the last part was loaded; zero before.
    started_at: AtomicU64,
    whole_once: AtomicBool,
    draining: AtomicBool,
    clock: Box<dyn Fn() -> MonoNanos + Send + Sync>,
    status: StatusHandle,
}

/// Shared by runners, integrator and server.
pub type HealthHandle = Arc<Health>;

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("live", &self.live().ok()).field("ready", &self.ready().ok()).finish()
    }
}

/// A stage's own end: says that the stage turned.
#[derive(Clone, Debug)]
pub struct Pulse {
    health: HealthHandle,
    index: usize,
}

impl Pulse {
    /// The stage turned at `now`: one relaxed store to a cache line of its own.
    pub fn beat(&self, now: MonoNanos) {
        self.health.beats[self.index].turned_at.store(now.0.max(1), Ordering::Relaxed);
    }
}

impl Health {
    /// Health of a program with these stages. `clock` is the one whose time stages are handed; `status` tells of feeds.
    #[must_use]
    pub fn new(
        stages: &[StageDeadline],
        clock: impl Fn() -> MonoNanos + Send + Sync + 'static,
        status: StatusHandle,
    ) -> HealthHandle {
        let beat = |&stage| Beat { stage, turned_at: CachePadded::new(AtomicU64::new(0)) };
        Arc::new(Self {
            beats: stages.iter().map(beat).collect(),
            loaded: Default::default(),
            started_at: AtomicU64::new(0),
            whole_once: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            clock: Box::new(clock),
            status,
        })
    }

    /// The end for the stage of this name; `None` if it was not given to [`new`](Self::new).
    #[must_use]
    pub fn pulse(self: &Arc<Self>, stage: &str) -> Option<Pulse> {
        let index = self.beats.iter().position(|beat| beat.stage.stage == stage)?;
        Some(Pulse { health: Arc::clone(self), index })
    }

    /// A part is loaded. With the last one the program has started, and stages that never turned begin to be missed.
    pub fn loaded(&self, part: Part) {
        self.loaded[part as usize].store(true, Ordering::Release);
        if Part::ALL.iter().all(|&part| self.is_loaded(part)) {
            let now = (self.clock)().0.max(1);
            let _ = self.started_at.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Every configured book is whole; that it was so once is remembered.
    pub fn books_whole(&self) {
        self.whole_once.store(true, Ordering::Release);
    }

    /// The program is shutting down: from now on it is not ready.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    fn is_loaded(&self, part: Part) -> bool {
        self.loaded[part as usize].load(Ordering::Acquire)
    }

    /// Whether every stage turned within its deadline.
    pub(super) fn live(&self) -> Report {
        let now = (self.clock)();
        let started_at = self.started_at.load(Ordering::Acquire);
        let checks = self.beats.iter().map(|beat| beat.check(now, started_at)).collect();
        Report::new("live", checks, Vec::new())
    }

    /// Whether everything that is needed is loaded.
    pub(super) fn startup(&self) -> Report {
        let check = |&part: &Part| {
            let loaded = self.is_loaded(part);
            Check { name: part.name(), ok: loaded, detail: if loaded { "loaded" } else { "not loaded yet" }.into() }
        };
        Report::new("startup", Part::ALL.iter().map(check).collect(), Vec::new())
    }

    /// Whether books were whole once, and the program is not shutting down.
    pub(super) fn ready(&self) -> Report {
        let started = self.started_at.load(Ordering::Acquire) != 0;
        let whole = self.whole_once.load(Ordering::Acquire);
        let draining = self.draining.load(Ordering::Acquire);
        let pick = |ok: bool, yes: &str, no: &str| if ok { yes.to_owned() } else { no.to_owned() };
        let checks = vec![
            Check { name: "started", ok: started, detail: pick(started, "yes", "see /health/startup") },
            Check { name: "books", ok: whole, detail: pick(whole, "have been whole", "have not been whole yet") },
            Check { name: "draining", ok: !draining, detail: pick(!draining, "no", "shutting down") },
        ];
        Report { markets: self.markets(), ..Report::new("ready", checks, self.feeds()) }
    }

    /// Which markets may be quoted on, of those that the status has.
    fn markets(&self) -> Vec<MarketHealth> {
        let status = self.status.latest().status;
        let health = |market: &super::status::Market| MarketHealth {
            name: market.name.clone(),
            tradable: market.tradable,
            detail: match (market.tradable, market.whole) {
                (true, _) => "whole and fresh",
                (false, true) => "ledgers are late",
                (false, false) => "the book is not whole",
            },
        };
        status.markets.iter().map(health).collect()
    }

    fn feeds(&self) -> Vec<FeedHealth> {
        let status = self.status.latest().status;
        let health = |feed: &super::status::Feed| FeedHealth {
            name: feed.name.clone(),
            up: feed.up,
            last_message_age_ms: feed.last_message_age_ms,
        };
        status.feeds.iter().map(health).collect()
    }
}

impl Beat {
    fn check(&self, now: MonoNanos, started_at: u64) -> Check {
        let turned_at = self.turned_at.load(Ordering::Relaxed);
        let deadline_ms = self.stage.deadline_ns / 1_000_000;
        let name = self.stage.stage;
        if turned_at == 0 && started_at == 0 {
            return Check { name, ok: true, detail: "not started yet".into() };
        }
        let silent_ns = now.since(MonoNanos(if turned_at == 0 { started_at } else { turned_at }));
        let ok = silent_ns <= self.stage.deadline_ns;
        let since = if turned_at == 0 { "never turned; started" } else { "turned" };
        Check { name, ok, detail: format!("{since} {} ms ago, deadline {deadline_ms} ms", silent_ns / 1_000_000) }
    }
}

/// The answer to a probe.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    probe: &'static str,
    status: &'static str,
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    feeds: Vec<FeedHealth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    markets: Vec<MarketHealth>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Debug, Serialize)]
struct MarketHealth {
    name: String,
    tradable: bool,
    detail: &'static str,
}

#[derive(Debug, Serialize)]
struct FeedHealth {
    name: String,
    up: bool,
    last_message_age_ms: Option<u64>,
}

impl Report {
    fn new(probe: &'static str, checks: Vec<Check>, feeds: Vec<FeedHealth>) -> Self {
        let status = if checks.iter().all(|check| check.ok) { "ok" } else { "failing" };
        Self { probe, status, checks, feeds, markets: Vec::new() }
    }

    /// Whether the answer is yes.
    pub(super) fn ok(&self) -> bool {
        self.status == "ok"
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Feed, Status};
    use super::*;

    const FEED: StageDeadline = StageDeadline { stage: "feed", deadline_ns: 1_000 };
    const BOOK: StageDeadline = StageDeadline { stage: "book", deadline_ns: 1_000 };

    fn at_our_time() -> (Arc<AtomicU64>, HealthHandle, StatusHandle) {
        let time = Arc::new(AtomicU64::new(10));
        let status = StatusHandle::new();
        let read = Arc::clone(&time);
        let clock = move || MonoNanos(read.load(Ordering::Relaxed));
        (time, Health::new(&[FEED, BOOK], clock, status.clone()), status)
    }

    fn load_all(health: &Health) {
        Part::ALL.iter().for_each(|&part| health.loaded(part));
    }

    #[test]
    fn a_stage_that_stops_turning_is_missed_at_its_deadline() {
        let (time, health, _) = at_our_time();
        load_all(&health);
        let (feed, book) = (health.pulse("feed").unwrap(), health.pulse("book").unwrap());
        feed.beat(MonoNanos(10));
        book.beat(MonoNanos(10));
        time.store(1_010, Ordering::Relaxed);
        assert!(health.live().ok(), "at the deadline it still lives");
        feed.beat(MonoNanos(1_010));
        time.store(1_011, Ordering::Relaxed);
        let report = health.live();
        assert!(!report.ok());
        assert_eq!(report.checks.iter().map(|check| check.ok).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_stage_that_never_turned_is_missed_once_the_program_has_started() {
        let (time, health, _) = at_our_time();
        time.store(1_000_000, Ordering::Relaxed);
        assert!(health.live().ok(), "loading may take its time");
        load_all(&health);
        assert!(health.live().ok());
        time.store(1_001_001, Ordering::Relaxed);
        assert!(!health.live().ok());
    }

    #[test]
    fn startup_names_what_is_missing() {
        let (_, health, _) = at_our_time();
        health.loaded(Part::Configuration);
        health.loaded(Part::State);
        let report = health.startup();
        let missing: Vec<_> = report.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
        assert_eq!((report.ok(), missing), (false, vec!["keys"]));
        health.loaded(Part::Keys);
        assert!(health.startup().ok());
    }

    #[test]
    fn a_dead_feed_is_told_but_does_not_make_the_program_unready() {
        let (_, health, status) = at_our_time();
        load_all(&health);
        assert!(!health.ready().ok(), "no book was whole yet");
        health.books_whole();
        let feed = Feed { name: "core".into(), up: false, ..Feed::default() };
        status.publish(Status { feeds: vec![feed], ..Status::default() });
        let report = health.ready();
        assert!(report.ok());
        assert!(!report.feeds[0].up);
        health.draining();
        assert!(!health.ready().ok());
    }
}

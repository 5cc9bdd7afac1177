//! Faults to order: what goes wrong between the sandbox and its clients, when, and how often.
//!
//! Rules are JSON, given at the start or at run time (`GET`, `PUT`, `DELETE /sandbox/faults`):
//!
//! ```json
//! {"seed": 7, "rules": [
//!   {"face": "horizon", "path": "/transactions", "fault": "status_after_accept", "status": 504, "next": 1},
//!   {"face": "core", "fault": "delay", "ms": 250, "probability": 0.1},
//!   {"face": "meta", "fault": "skip", "every": 100}
//! ]}
//! ```
//!
//! A rule without `probability`, `every` or `next` always applies. One seed draws the same faults for the same requests.

use super::http::{Mishap, Reply};
use super::random::Random;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Rules at once.
const MAX_RULES: usize = 64;
/// The longest delay or stall.
const MAX_MS: u64 = 600_000;
/// The statuses that servers are known to fail with.
const STATUSES: [u16; 4] = [429, 500, 503, 504];
/// The random stream of a seed that faults draw from.
const FAULTS_STREAM: u64 = 3;

/// What a client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Face {
    Horizon,
    Rpc,
    Core,
    Friendbot,
    /// The stream of closed ledgers.
    Meta,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// The connection ends without an answer; nothing was done.
    Drop,
    /// The answer comes later by `ms`.
    Delay,
    /// The answer is sent twice.
    Duplicate,
    /// The connection ends in the middle of the answer.
    Truncate,
    /// The answer is this `status`; nothing was done.
    Status,
    /// The transaction was accepted, and the connection ends without an answer.
    DropAfterAccept,
    /// The transaction was accepted, and the answer is this `status`.
    StatusAfterAccept,
    /// A stream says nothing for `ms`, and then goes on.
    Stall,
    /// A stream breaks off.
    End,
    /// A stream leaves a ledger out.
    Skip,
}

/// A rule as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(skip_serializing_if = "Option::is_none")]
    face: Option<Face>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    fault: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesText {
    #[serde(default)]
    seed: u64,
    rules: Vec<RuleText>,
}

/// Rules that were found to make sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultRules {
    seed: u64,
    rules: Vec<Rule>,
}

/// Why rules make no sense.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// They are not written as they should be.
    #[error(
        "fault rules are JSON such as {{\"rules\": [{{\"face\": \"core\", \"fault\": \"drop\", \"next\": 1}}]}}: {0}"
    )]
    Json(#[from] serde_json::Error),
    /// There are too many.
    #[error("{0} fault rules: {MAX_RULES} are possible at once")]
    TooMany(usize),
    /// One of them cannot be.
    #[error("fault rule {index}: {what}")]
    Rule {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it, and what would be right.
        what: &'static str,
    },
}

impl FaultRules {
    /// Reads rules.
    ///
    /// # Errors
    /// If they are no JSON, have a member that is not known, or make no sense. Then none of them applies.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let text: RulesText = serde_json::from_str(text)?;
        if text.rules.len() > MAX_RULES {
            return Err(FaultError::TooMany(text.rules.len()));
        }
        let rules = text.rules.into_iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::new(rule).map_err(|what| FaultError::Rule { index, what }));
        Ok(Self { seed: text.seed, rules: rules.collect::<Result<_, _>>()? })
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    text: RuleText,
    fault: Fault,
    when: When,
    /// How often it could have applied, and how often it did.
    seen: u64,
    done: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Request(Before),
    Accepted(After),
    Stream(Interruption),
}

/// What happens to a request, or to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Delay(Duration),
    Mishap(Mishap),
    Status(u16),
}

/// What happens once a transaction was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Drop,
    Status(u16),
}

/// What happens to a stream at a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    Stall(Duration),
    End,
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Always,
    Probability(f64),
    Every(u64),
    Next(u64),
}

impl Rule {
    fn new(text: RuleText) -> Result<Self, &'static str> {
        let fault = fault(&text)?;
        let streams = matches!(fault, Fault::Stream(_));
        match text.face {
            Some(Face::Meta) if !streams => return Err("the meta stream knows stall, end and skip only"),
            Some(Face::Meta) if text.path.is_some() => return Err("the meta stream has no paths: leave path out"),
            Some(Face::Rpc | Face::Core | Face::Friendbot) if streams => {
                return Err("stall, end and skip are for streams: the face is horizon or meta");
            }
            Some(Face::Friendbot) if matches!(fault, Fault::Accepted(_)) => {
                return Err(
                    "friendbot hands in its own transactions: drop_after_accept and status_after_accept are for others",
                );
            }
            _ => {}
        }
        if text.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err("path is a prefix that begins with /");
        }
        let when = when(&text)?;
        Ok(Self { text, fault, when, seen: 0, done: 0 })
    }

    fn concerns(&self, face: Face, path: &str) -> bool {
        // The meta stream is not among those that a rule without a face speaks of: a hole in it stops an engine.
        let face = self.text.face.map_or(face != Face::Meta, |wanted| wanted == face);
        face && self.text.path.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()))
    }

    /// Whether it applies this time.
    fn strikes(&mut self, random: &mut Random) -> bool {
        self.seen += 1;
        let strikes = match self.when {
            When::Always => true,
            When::Probability(probability) => random.chance(probability),
            When::Every(every) => self.seen.is_multiple_of(every),
            When::Next(next) => self.done < next,
        };
        self.done += u64::from(strikes);
        strikes
    }
}

fn fault(text: &RuleText) -> Result<Fault, &'static str> {
    let needs_ms = matches!(text.fault, Kind::Delay | Kind::Stall);
    let needs_status = matches!(text.fault, Kind::Status | Kind::StatusAfterAccept);
    let duration = match text.ms {
        Some(ms) if needs_ms && (1..=MAX_MS).contains(&ms) => Duration::from_millis(ms),
        None if !needs_ms => Duration::ZERO,
        Some(_) if needs_ms => return Err("ms is 1 to 600000"),
        Some(_) => return Err("ms goes with delay and stall only"),
        None => return Err("delay and stall need ms"),
    };
    let status = match text.status {
        Some(status) if needs_status && STATUSES.contains(&status) => status,
        None if !needs_status => 0,
        Some(_) if needs_status => return Err("status is 429, 500, 503 or 504"),
        Some(_) => return Err("status goes with status and status_after_accept only"),
        None => return Err("status and status_after_accept need a status: 429, 500, 503 or 504"),
    };
    Ok(match text.fault {
        Kind::Drop => Fault::Request(Before::Mishap(Mishap::Dropped)),
        Kind::Delay => Fault::Request(Before::Delay(duration)),
        Kind::Duplicate => Fault::Request(Before::Mishap(Mishap::Duplicated)),
        Kind::Truncate => Fault::Request(Before::Mishap(Mishap::Truncated)),
        Kind::Status => Fault::Request(Before::Status(status)),
        Kind::DropAfterAccept => Fault::Accepted(After::Drop),
        Kind::StatusAfterAccept => Fault::Accepted(After::Status(status)),
        Kind::Stall => Fault::Stream(Interruption::Stall(duration)),
        Kind::End => Fault::Stream(Interruption::End),
        Kind::Skip => Fault::Stream(Interruption::Skip),
    })
}

fn when(text: &RuleText) -> Result<When, &'static str> {
    match (text.probability, text.every, text.next) {
        (None, None, None) => Ok(When::Always),
        (Some(probability), None, None) if (0.0..=1.0).contains(&probability) => Ok(When::Probability(probability)),
        (Some(_), None, None) => Err("probability is 0 to 1"),
        (None, Some(0), None) => Err("every is 1 or more"),
        (None, Some(every), None) => Ok(When::Every(every)),
        (None, None, Some(next)) => Ok(When::Next(next)),
        _ => Err("give one of probability, every and next, or none of them"),
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// It is answered with this status, and nothing is done.
    pub(crate) status: Option<u16>,
    pub(crate) delay: Duration,
    pub(crate) mishap: Mishap,
}

impl Treatment {
    /// What becomes of an answer.
    pub(crate) fn of(self, reply: Reply) -> Reply {
        let mishap = if self.mishap == Mishap::None { reply.mishap } else { self.mishap };
        Reply { delay: reply.delay + self.delay, mishap, ..reply }
    }

    /// Whether it leaves an answer as it is.
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// The rules that apply now.
#[derive(Debug)]
pub(crate) struct Faults(Mutex<Drawn>);

#[derive(Debug)]
struct Drawn {
    rules: FaultRules,
    random: Random,
}

impl Faults {
    /// Begins with these.
    pub(crate) fn new(rules: FaultRules) -> Self {
        Self(Mutex::new(Drawn { random: Random::new(rules.seed, FAULTS_STREAM), rules }))
    }

    /// Goes on with these; counters begin anew.
    pub(crate) fn replace(&self, rules: FaultRules) {
        *self.0.lock() = Drawn { random: Random::new(rules.seed, FAULTS_STREAM), rules };
    }

    /// What happens to a request. Of several rules, delays add up, and the first of each other kind counts.
    pub(crate) fn on_request(&self, face: Face, path: &str) -> Treatment {
        let mut treatment = Treatment::default();
        self.strike(
            face,
            path,
            |fault| {
                let Fault::Request(before) = fault else { return };
                match before {
                    Before::Delay(delay) => treatment.delay += delay,
                    Before::Mishap(mishap) if treatment.mishap == Mishap::None => treatment.mishap = mishap,
                    Before::Status(status) => treatment.status = treatment.status.or(Some(status)),
                    Before::Mishap(_) => {}
                }
            },
            |fault| matches!(fault, Fault::Request(_)),
        );
        treatment
    }

    /// What happens now that a transaction was accepted.
    pub(crate) fn on_accepted(&self, face: Face, path: &str) -> Option<After> {
        let mut after = None;
        self.strike(
            face,
            path,
            |fault| {
                if let Fault::Accepted(what) = fault {
                    after = after.or(Some(what));
                }
            },
            |fault| matches!(fault, Fault::Accepted(_)),
        );
        after
    }

    /// What happens to a stream at a ledger.
    pub(crate) fn on_ledger(&self, face: Face, path: &str) -> Option<Interruption> {
        let mut interruption = None;
        self.strike(
            face,
            path,
            |fault| {
                if let Fault::Stream(what) = fault {
                    interruption = interruption.or(Some(what));
                }
            },
            |fault| matches!(fault, Fault::Stream(_)),
        );
        interruption
    }

    fn strike(&self, face: Face, path: &str, mut happens: impl FnMut(Fault), is_asked: impl Fn(Fault) -> bool) {
        let mut drawn = self.0.lock();
        let Drawn { rules, random } = &mut *drawn;
        for rule in rules.rules.iter_mut().filter(|rule| is_asked(rule.fault) && rule.concerns(face, path)) {
            if rule.strikes(random) {
                happens(rule.fault);
            }
        }
    }

    /// The rules with their counters: `seen`, how often each could have applied, and `done`, how often it did.
    pub(crate) fn show(&self) -> Value {
        let drawn = self.0.lock();
        let rules = drawn.rules.rules.iter().map(|rule| {
            let mut shown = json!(rule.text);
            shown["seen"] = json!(rule.seen);
            shown["done"] = json!(rule.done);
            shown
        });
        json!({"seed": drawn.rules.seed, "rules": rules.collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::http::Response;

    fn faults(text: &str) -> Faults {
        Faults::new(FaultRules::parse(text).unwrap())
    }

    #[test]
    fn a_rule_applies_where_and_as_often_as_it_says() {
        let faults = faults(
            r#"{"rules": [
                {"face": "horizon", "path": "/order_book", "fault": "status", "status": 429, "next": 2},
                {"face": "core", "fault": "drop", "every": 3},
                {"fault": "delay", "ms": 5}
            ]}"#,
        );
        let book = || faults.on_request(Face::Horizon, "/order_book?x").status;
        assert_eq!([book(), book(), book()], [Some(429), Some(429), None]);
        let core = || faults.on_request(Face::Core, "/tx").mishap;
        assert_eq!([core(), core(), core(), core()].map(|it| it == Mishap::Dropped), [false, false, true, false]);
        let other = faults.on_request(Face::Rpc, "/");
        assert_eq!((other.delay, other.status, other.mishap), (Duration::from_millis(5), None, Mishap::None));
        let reply = other.of(Response::new(200, "text/plain", "x").into());
        assert_eq!(reply.delay, Duration::from_millis(5));
        let shown = faults.show();
        let counts = |index: usize| (shown["rules"][index]["seen"].clone(), shown["rules"][index]["done"].clone());
        assert_eq!(counts(0), (json!(3), json!(2)));
        assert_eq!(counts(1), (json!(4), json!(1)));
        assert_eq!(counts(2), (json!(8), json!(8)));
    }

    #[test]
    fn one_seed_draws_the_same_faults() {
        let text = r#"{"seed": 9, "rules": [{"face": "horizon", "fault": "truncate", "probability": 0.5}]}"#;
        let draw = || {
            let faults = faults(text);
            (0..100).map(|_| faults.on_request(Face::Horizon, "/").mishap == Mishap::Truncated).collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
        let struck = draw().into_iter().filter(|struck| *struck).count();
        assert!((20..80).contains(&struck), "{struck}");
    }

    #[test]
    fn each_kind_is_drawn_where_it_belongs() {
        let faults = faults(
            r#"{"rules": [
                {"fault": "status_after_accept", "status": 504, "next": 1}, {"fault": "drop_after_accept", "next": 1},
                {"face": "meta", "fault": "skip"}, {"face": "horizon", "fault": "stall", "ms": 7}, {"fault": "end"}
            ]}"#,
        );
        assert!(faults.on_request(Face::Core, "/tx").is_none());
        assert_eq!(faults.on_accepted(Face::Core, "/tx"), Some(After::Status(504)));
        assert_eq!(faults.on_accepted(Face::Core, "/tx"), None);
        assert_eq!(faults.on_ledger(Face::Meta, ""), Some(Interruption::Skip));
        assert_eq!(faults.on_ledger(Face::Horizon, "/"), Some(Interruption::Stall(Duration::from_millis(7))));
        faults.replace(FaultRules::default());
        assert_eq!(faults.on_ledger(Face::Meta, ""), None);
    }

    #[test]
    fn rules_that_make_no_sense_say_why() {
        let refused = |rule: &str| FaultRules::parse(&format!(r#"{{"rules": [{rule}]}}"#)).unwrap_err().to_string();
        assert!(refused(r#"{"fault": "drop", "often": 1}"#).contains("unknown field `often`"));
        assert!(refused(r#"{"fault": "explode"}"#).contains("unknown variant `explode`"));
        assert!(refused(r#"{"fault": "delay"}"#).contains("fault rule 0: delay and stall need ms"));
        assert!(refused(r#"{"fault": "drop", "ms": 1}"#).contains("ms goes with delay and stall only"));
        assert!(refused(r#"{"fault": "delay", "ms": 600001}"#).contains("ms is 1 to 600000"));
        assert!(refused(r#"{"fault": "status", "status": 418}"#).contains("429, 500, 503 or 504"));
        assert!(refused(r#"{"fault": "drop", "every": 0}"#).contains("every is 1 or more"));
        assert!(refused(r#"{"fault": "drop", "every": 1, "next": 1}"#).contains("give one of"));
        assert!(refused(r#"{"fault": "drop", "probability": 1.5}"#).contains("probability is 0 to 1"));
        assert!(refused(r#"{"fault": "drop", "path": "tx"}"#).contains("begins with /"));
        assert!(refused(r#"{"fault": "drop", "face": "meta"}"#).contains("stall, end and skip only"));
        assert!(refused(r#"{"fault": "skip", "face": "rpc"}"#).contains("horizon or meta"));
        assert!(FaultRules::parse("[]").is_err() && FaultRules::parse(r#"{"rules": [], "x": 1}"#).is_err());
        let many = vec![r#"{"fault": "drop"}"#; MAX_RULES + 1].join(",");
        assert!(refused(&many).contains("65 fault rules"));
    }
}

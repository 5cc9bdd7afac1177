//! Which path gets which answer. Pure: no socket here.

use super::health::{HealthHandle, Report};
use super::latency::table;
use super::metrics::MetricsHandle;
use super::publish::StatusHandle;
use super::status::Status;
use serde::Serialize;
use std::borrow::Cow;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The status page's files: in the binary, so that it needs nothing beside it.
const FILES: [(&str, &str, &str); 6] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/app.css", "text/css; charset=utf-8", include_str!("page/app.css")),
    ("/app.js", SCRIPT, include_str!("page/app.js")),
    ("/view.js", SCRIPT, include_str!("page/view.js")),
    ("/format.js", SCRIPT, include_str!("page/format.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

const INDEX: &str = "nothing here; there are: / /status.json /latency /metrics /health/live /health/ready \
                     /health/startup\n";

/// What answers are made from.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) status: StatusHandle,
    pub(super) health: HealthHandle,
    pub(super) metrics: MetricsHandle,
}

/// An answer without its transport.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) code: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Cow<'static, str>,
}

/// The status, and how long ago it was published: what tells a page that the engine has stopped.
#[derive(Serialize)]
struct Aged<'s> {
    age_ms: u64,
    #[serde(flatten)]
    status: &'s Status,
}

impl Sources {
    /// The answer to a request for `target` (its query, if any, is ignored).
    pub(super) fn page(&self, target: &str) -> Page {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        match path {
            "/health/live" => probe(&self.health.live()),
            "/health/ready" => probe(&self.health.ready()),
            "/health/startup" => probe(&self.health.startup()),
            "/metrics" => self.metrics(),
            "/status.json" => self.status(),
            "/latency" => self.latency(),
            _ => file(path),
        }
    }

    fn status(&self) -> Page {
        let latest = self.status.latest();
        let age_ms = u64::try_from(latest.age.as_millis()).unwrap_or(u64::MAX);
        json(200, &Aged { age_ms, status: &latest.status })
    }

    fn metrics(&self) -> Page {
        match self.metrics.render() {
            Ok(text) => Page { code: 200, content_type: prometheus::TEXT_FORMAT, body: text.into() },
            Err(error) => failure(&error),
        }
    }

    fn latency(&self) -> Page {
        let status = self.status.latest().status;
        let body = table(status.latency.iter().chain(&status.tick_to_wire).chain(&status.lateness));
        Page { code: 200, content_type: TEXT, body: body.into() }
    }
}

fn probe(report: &Report) -> Page {
    json(if report.ok() { 200 } else { 503 }, report)
}

fn json(code: u16, value: &impl Serialize) -> Page {
    match serde_json::to_string(value) {
        Ok(body) => Page { code, content_type: JSON, body: body.into() },
        Err(error) => failure(&error),
    }
}

fn file(path: &str) -> Page {
    match FILES.iter().find(|(name, ..)| *name == path) {
        Some(&(_, content_type, body)) => Page { code: 200, content_type, body: body.into() },
        None => Page { code: 404, content_type: TEXT, body: INDEX.into() },
    }
}

fn failure(error: &dyn std::error::Error) -> Page {
    Page { code: 500, content_type: TEXT, body: format!("{error}\n").into() }
}

#[cfg(test)]
mod tests {
    use super::super::status::{Level, Market, OwnOffer, Point, ProfitLoss};
    use super::super::visitor::MAX_ANSWER;
    use super::super::{Health, Metrics};
    use super::*;
    use crate::events::MonoNanos;
    use crate::stellar::{OfferId, Price, Side, Stroops};

    /// As many markets as there can be, each with as much in it as there can be, in its longest words.
    fn fullest() -> Status {
        let price = Price::new(i32::MAX, i32::MAX - 1).unwrap();
        let level = Level { price, amount: Stroops::MAX, own_amount: Stroops::MAX };
        let offer = OwnOffer { id: OfferId(i64::MAX), side: Side::Ask, price, amount: Stroops::MAX };
        let market = |index: usize| Market {
            name: format!("ABCDEFGHIJKL/MNOPQRSTUVWX {index}"),
            bids: vec![level; Status::MAX_LEVELS],
            asks: vec![level; Status::MAX_LEVELS],
            own_offers: vec![offer; Status::MAX_OWN_OFFERS],
            spread_bp: Some(1.0 / 3.0),
            ..Market::default()
        };
        let profit = |index: usize| ProfitLoss {
            pair: format!("ABCDEFGHIJKL/MNOPQRSTUVWX {index}"),
            history: vec![Point { ledger: u32::MAX, total: Stroops::MAX }; Status::MAX_POINTS],
            ..ProfitLoss::default()
        };
        Status {
            markets: (0..Status::MAX_MARKETS).map(market).collect(),
            profit_loss: (0..Status::MAX_MARKETS).map(profit).collect(),
            ..Status::default()
        }
    }

    #[test]
    fn the_fullest_status_fits_an_answer_several_times() {
        let status = StatusHandle::new();
        let health = Health::new(&[], || MonoNanos(0), status.clone());
        let sources = Sources { metrics: Metrics::new(status.clone()).unwrap(), health, status: status.clone() };
        status.publish(fullest());
        for target in ["/status.json", "/metrics"] {
            let page = sources.page(target);
            assert_eq!(page.code, 200);
            assert!(page.body.len() * 2 < MAX_ANSWER, "{target} has {} bytes", page.body.len());
            println!("{target} has {} bytes of {MAX_ANSWER}", page.body.len());
        }
        let shown: serde_json::Value = serde_json::from_str(&sources.page("/status.json").body).unwrap();
        assert_eq!(shown["markets"].as_array().unwrap().len(), Status::SHOWN_MARKETS);
    }
}

//! Horizon behind HTTP: what a request is answered with.

use super::stream::Stream;
use super::{Page, Problem, Resource, Target, route, submit};
use crate::sandbox::chain::Chain;
use crate::sandbox::faces::{Behind, Host, look};
use crate::sandbox::history::Toid;
use crate::sandbox::http::{Answer, Method, Quota, Reply, Request, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

const HAL: &str = "application/hal+json; charset=utf-8";
const PROBLEM: &str = "application/problem+json; charset=utf-8";

/// An object or a page.
pub(crate) fn hal(status: u16, body: &Value) -> Response {
    Response::new(status, HAL, body.to_string()).with("Content-Disposition", "inline")
}

/// An error.
pub(crate) fn problem(problem: &Problem) -> Response {
    Response::new(problem.status, PROBLEM, problem.body().to_string()).with("Content-Disposition", "inline")
}

/// Answers. What is handed in goes to `host`; what is looked at later, is looked at behind.
pub(crate) fn answer(behind: &Arc<Behind>, host: &dyn Host, request: &Request, now: Instant) -> Answer {
    let path = request.path.trim_end_matches('/');
    if request.wants_events && request.method == Method::Get {
        // A stream counts each of its wakes, this one too.
        return Stream::open(behind, request, now);
    }
    let quota = behind.limiter.lock().take(request.peer, now);
    let finish = move |response| with_quota(for_everyone(response), quota);
    if !quota.allowed {
        return finish(problem(&Problem::rate_limit_exceeded())).into();
    }
    match (request.method, path) {
        (Method::Post, "/transactions") => submit::wait(host, Arc::clone(&behind.host), request, now)
            .map(move |reply| Reply { response: finish(reply.response), ..reply }),
        (Method::Post, "/transactions_async") => finish(submit::pass_on(host, request)).into(),
        (Method::Get, "/health") => finish(healthy()).into(),
        (Method::Get, _) => finish(look(host, |chain| as_of(chain, get(chain, request)))).into(),
        (Method::Options, _) => finish(preflight()).into(),
        _ => {
            let known = route(path).is_some() || path == "/transactions_async";
            finish(problem(&Problem::of_status(if known { 405 } else { 404 }))).into()
        }
    }
}

fn get(chain: &Chain<'_>, request: &Request) -> Response {
    match found(chain, request) {
        Ok(body) => hal(200, &body),
        Err(refusal) => problem(&refusal),
    }
}

fn found(chain: &Chain<'_>, request: &Request) -> Result<Value, Problem> {
    let (resource, target) = target(chain, request)?;
    match resource {
        Resource::Object(object) => object(chain, &target),
        Resource::Records(records) => {
            let page = Page::parse(&target.query)?;
            let records = records(chain, &target, &page)?;
            let url = format!("{}{}", target.base_url, target.path);
            Ok(page.body(&url, &target.query, records))
        }
    }
}

/// What a request leads to. The cursor `now` becomes the last place of the last ledger, and `Last-Event-ID` goes before
/// any cursor.
pub(super) fn target(chain: &Chain<'_>, request: &Request) -> Result<(Resource, Target), Problem> {
    let Some((resource, variables)) = route(&request.path) else { return Err(Problem::not_found()) };
    let mut query = request.query.clone();
    if query.get("cursor") == Some("now") {
        let last_place = Toid::new(chain.latest() + 1, 0, 0).0 - 1;
        query = query.with("cursor", last_place.to_string());
    }
    if let Some(id) = &request.last_event_id {
        query = query.with("cursor", id.as_str());
    }
    let path = request.path.trim_end_matches('/').to_owned();
    Ok((resource, Target { variables, query, base_url: request.base_url.clone(), path }))
}

/// Says as of which ledger an answer holds.
pub(super) fn as_of(chain: &Chain<'_>, response: Response) -> Response {
    response.with("Latest-Ledger", chain.latest().to_string())
}

/// Lets pages from anywhere read the answer.
pub(super) fn for_everyone(response: Response) -> Response {
    response.with("Access-Control-Allow-Origin", "*").with("Access-Control-Expose-Headers", "Date, Latest-Ledger")
}

fn with_quota(response: Response, quota: Quota) -> Response {
    let response = response
        .with("X-RateLimit-Limit", quota.limit.to_string())
        .with("X-RateLimit-Remaining", quota.remaining.to_string())
        .with("X-RateLimit-Reset", quota.reset_s.to_string());
    match quota.retry_after_s {
        Some(seconds) => response.with("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// What a browser asks before it asks.
fn preflight() -> Response {
    Response::new(204, "", "")
        .with("Access-Control-Allow-Methods", "GET, POST")
        .with("Access-Control-Allow-Headers", "*")
}

fn healthy() -> Response {
    let well = serde_json::json!({"database_connected": true, "core_up": true, "core_synced": true});
    Response::json(200, &well)
}

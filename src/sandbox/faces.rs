//! What the sandbox shows on its one port, and who answers what.
//!
//! * `GET /tx?blob=…`, `GET /info`: stellar-core's commands.
//! * `POST /`, `POST /rpc`, `POST /soroban/rpc`: Stellar RPC.
//! * `/friendbot?addr=G…`: an account with ten thousand lumens.
//! * `/sandbox/faults`: what goes wrong, to order.
//! * Everything else: Horizon.

use super::chain::Chain;
use super::core_http;
use super::faults::{After, Face, FaultRules, Faults};
use super::friendbot::{self, Friendbot};
use super::horizon::{self, Problem, Shown, problem_response};
use super::http::{Answer, Method, Mishap, RateLimiter, Reply, Request, Response, Service};
use super::rpc;
use super::world::Submission;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What stands behind the faces: a chain to look at, and a way in for transactions.
pub(crate) trait Host: Send + Sync + 'static {
    /// Shows the ledger and its past, both of one ledger number. No ledger closes meanwhile: look, and go.
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>));

    /// Takes a transaction envelope in XDR.
    fn submit(&self, envelope: &[u8]) -> Submission;

    /// The network's passphrase.
    fn passphrase(&self) -> &str;

    /// Someone waits for the next ledger, and has submitted nothing that says so.
    fn hurry(&self) {}
}

/// What a look at the chain finds.
pub(crate) fn look<T>(host: &dyn Host, at: impl FnOnce(&Chain<'_>) -> T) -> T {
    let (mut at, mut found) = (Some(at), None);
    host.chain(&mut |chain| {
        if let Some(at) = at.take() {
            found = Some(at(chain));
        }
    });
    let Some(found) = found else { unreachable!("a host shows its chain whenever it is asked") };
    found
}

/// What the faces share.
pub(crate) struct Behind {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) friendbot: Arc<Friendbot>,
    pub(crate) limiter: Mutex<RateLimiter>,
    pub(crate) shown: Mutex<Shown>,
}

/// All faces.
pub(crate) struct Faces(Arc<Behind>);

impl Faces {
    /// Over this host.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        faults: Arc<Faults>,
        friendbot: Arc<Friendbot>,
        limiter: RateLimiter,
    ) -> Self {
        let (limiter, shown) = (Mutex::new(limiter), Mutex::default());
        Self(Arc::new(Behind { host, faults, friendbot, limiter, shown }))
    }
}

impl Service for Faces {
    fn answer(&mut self, request: &Request, now: Instant) -> Answer {
        if request.path == "/sandbox/faults" {
            return control(&self.0.faults, request).into();
        }
        let face = face_of(request);
        let treatment = self.0.faults.on_request(face, &request.path);
        if treatment.mishap == Mishap::Dropped {
            return Answer::Now(treatment.of(Response::new(500, "", "").into()));
        }
        let answer = match treatment.status {
            Some(status) => failure(face, status).into(),
            None => self.0.answer(face, request, now),
        };
        if treatment.is_none() { answer } else { answer.map(move |reply| treatment.of(reply)) }
    }

    fn refuse(&mut self, status: u16) -> Response {
        problem_response(&Problem::of_status(status))
    }
}

impl Behind {
    fn answer(self: &Arc<Self>, face: Face, request: &Request, now: Instant) -> Answer {
        let noting = Noting { host: Arc::clone(&self.host), accepted: AtomicBool::new(false) };
        let answer = match face {
            Face::Core => core_http::answer(&noting, &request.target).into(),
            Face::Rpc => Answer::from(rpc::answer(&noting, &request.base_url, &request.body)).map(for_browsers),
            Face::Friendbot => friendbot::answer(self, request, now).map(for_browsers),
            Face::Horizon | Face::Meta => horizon::answer(self, &noting, request, now),
        };
        if !noting.accepted.load(Ordering::Relaxed) {
            return answer;
        }
        match self.faults.on_accepted(face, &request.path) {
            None => answer,
            Some(After::Status(status)) => failure(face, status).into(),
            Some(After::Drop) => {
                let response = Response::new(500, "", "");
                Answer::Now(Reply { response, delay: Duration::ZERO, mishap: Mishap::Dropped })
            }
        }
    }
}

/// Pages of any origin may read it.
fn for_browsers(mut reply: Reply) -> Reply {
    reply.response = reply.response.with("Access-Control-Allow-Origin", "*");
    reply
}

/// A host that notes whether it accepted a transaction.
struct Noting {
    host: Arc<dyn Host>,
    accepted: AtomicBool,
}

impl Host for Noting {
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
        self.host.chain(look);
    }

    fn submit(&self, envelope: &[u8]) -> Submission {
        let answer = self.host.submit(envelope);
        if answer == Submission::Pending {
            self.accepted.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn passphrase(&self) -> &str {
        self.host.passphrase()
    }

    fn hurry(&self) {
        self.host.hurry();
    }
}

fn face_of(request: &Request) -> Face {
    let path = request.path.trim_end_matches('/');
    match request.method {
        _ if core_http::is_command(&request.target) => Face::Core,
        // A browser asks first, and hears the same of every path.
        Method::Options => Face::Horizon,
        Method::Post if ["", "/rpc", "/soroban/rpc"].contains(&path) => Face::Rpc,
        _ if path == "/friendbot" => Face::Friendbot,
        _ => Face::Horizon,
    }
}

/// A failure to order, as its face would word it.
fn failure(face: Face, status: u16) -> Response {
    match face {
        Face::Horizon | Face::Friendbot => problem_response(&Problem::of_status(status)),
        // No JSON: what stands in front of a service answers so, and the SDKs tell it from the service's own words.
        Face::Rpc => Response::new(status, "text/plain", "a fault, as ordered"),
        Face::Core | Face::Meta => {
            Response { last: true, ..Response::new(status, "text/plain", "a fault, as ordered") }
        }
    }
}

/// Shows, replaces or ends the faults.
fn control(faults: &Faults, request: &Request) -> Response {
    match request.method {
        Method::Get => Response::json(200, &faults.show()),
        Method::Put => match FaultRules::parse(&String::from_utf8_lossy(&request.body)) {
            Ok(rules) => {
                faults.replace(rules);
                Response::json(200, &faults.show())
            }
            Err(error) => Response::json(400, &json!({"error": error.to_string()})),
        },
        Method::Delete => {
            faults.replace(FaultRules::default());
            Response::json(200, &faults.show())
        }
        _ => Response::json(405, &json!({"error": "GET shows the faults, PUT replaces them, DELETE ends them"})),
    }
}

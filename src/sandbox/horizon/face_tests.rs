//! Horizon's streams and submissions against a lively world in virtual time, each second of which the tests decide.

use crate::sandbox::actor::{self, Actor};
use crate::sandbox::chain::Chain;
use crate::sandbox::faces::{Faces, Host, look};
use crate::sandbox::faults::{FaultRules, Faults};
use crate::sandbox::fixture::Fixture;
use crate::sandbox::friendbot::Friendbot;
use crate::sandbox::http::{Answer, Feed, Flow, Later, Method, Query, RateLimiter, Reply, Request, Response, Service};
use crate::sandbox::world::{Submission, ledger_sequence};
use crate::stellar::{AccountId, NetworkId, STANDALONE_PASSPHRASE, Stroops};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stellar_xdr::{Limits, OperationBody, WriteXdr as _};

struct World(Mutex<Fixture>);

impl Host for World {
    fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
        look(&self.0.lock().chain());
    }

    fn submit(&self, envelope: &[u8]) -> Submission {
        self.0.lock().submit(envelope)
    }

    fn passphrase(&self) -> &str {
        STANDALONE_PASSPHRASE
    }
}

struct Scene {
    world: Arc<World>,
    faces: Faces,
    faults: Arc<Faults>,
    friendbot: Arc<Friendbot>,
    now: Instant,
}

impl Scene {
    fn new(limiter: RateLimiter) -> Self {
        let world = Arc::new(World(Mutex::new(Fixture::lively(3))));
        let faults = Arc::new(Faults::new(FaultRules::default()));
        let friendbot = Arc::new(Friendbot::new(NetworkId::from_passphrase(STANDALONE_PASSPHRASE)));
        let host: Arc<dyn Host> = Arc::<World>::clone(&world);
        let faces = Faces::new(host, Arc::clone(&faults), Arc::clone(&friendbot), limiter);
        Self { world, faces, faults, friendbot, now: Instant::now() }
    }

    fn unlimited() -> Self {
        Self::new(RateLimiter::new(0, 100))
    }

    fn close(&self) {
        let mut fixture = self.world.0.lock();
        self.friendbot.give(&mut fixture.world);
        fixture.close();
    }

    fn latest(&self) -> u32 {
        look(&*self.world, |chain| chain.latest())
    }

    fn ask(&mut self, request: &Request) -> Answer {
        self.faces.answer(request, self.now)
    }

    fn get(&mut self, target: &str) -> Response {
        match self.ask(&request(Method::Get, target)) {
            Answer::Now(reply) => reply.response,
            _ => panic!("{target} was not answered at once"),
        }
    }

    fn stream(&mut self, target: &str) -> (String, Option<Box<dyn Feed>>) {
        match self.ask(&Request { wants_events: true, ..request(Method::Get, target) }) {
            Answer::Stream { head, opening, feed } => {
                assert_eq!(head.content_type, "text/event-stream; charset=utf-8");
                (String::from_utf8(opening).unwrap(), feed)
            }
            Answer::Now(reply) => panic!("{target} does not stream: {:?}", body(&reply.response)),
            Answer::Later(_) => panic!("{target} is answered later"),
        }
    }

    /// A transaction of the root account, in base64, percent-encoded as in a form.
    fn signed(&self, ahead: i64, operations: Vec<OperationBody>) -> String {
        let fixture = self.world.0.lock();
        let root = Actor::new(fixture.world.ledger().root_key());
        let sequence = ledger_sequence(fixture.world.ledger(), root.id()) + ahead;
        let tx = actor::transaction(root.id(), sequence, 1000, operations);
        let envelope = root.sign(fixture.world.ledger().network(), tx).unwrap();
        let raw = BASE64.encode(envelope.to_xdr(Limits::none()).unwrap());
        raw.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    fn post(&mut self, path: &str, tx: &str) -> Answer {
        self.ask(&form(path, &format!("tx={tx}")))
    }
}

fn request(method: Method, target: &str) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method,
        target: target.into(),
        path: path.into(),
        query: Query::parse(query),
        wants_events: false,
        last_event_id: None,
        content_type: String::new(),
        base_url: "http://horizon".into(),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        body: Vec::new(),
    }
}

fn form(path: &str, text: &str) -> Request {
    let content_type = "application/x-www-form-urlencoded; charset=utf-8".into();
    Request { content_type, body: text.as_bytes().to_vec(), ..request(Method::Post, path) }
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn now_of(answer: Answer) -> Response {
    let Answer::Now(Reply { response, .. }) = answer else { panic!("not answered at once") };
    response
}

fn later_of(answer: Answer) -> Box<dyn Later> {
    let Answer::Later(later) = answer else { panic!("answered at once") };
    later
}

fn said(feed: &mut Option<Box<dyn Feed>>, now: Instant) -> (Flow, String) {
    let mut out = Vec::new();
    let flow = feed.as_mut().unwrap().poll(now, &mut out);
    (flow, String::from_utf8(out).unwrap())
}

/// The ids of a stream's events.
fn ids(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

fn new_account(number: u8) -> OperationBody {
    actor::create_account(AccountId([number; 32]), Stroops(20_000_000))
}

#[test]
fn answers_bear_horizons_headers() {
    let mut scene = Scene::unlimited();
    let latest = scene.latest().to_string();
    let found = scene.get("/ledgers?limit=1");
    assert_eq!((found.status, found.content_type), (200, "application/hal+json; charset=utf-8"));
    let missing = scene.get("/accounts/GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF");
    assert_eq!((missing.status, missing.content_type), (404, "application/problem+json; charset=utf-8"));
    for response in [&found, &missing] {
        assert_eq!(header(response, "Latest-Ledger"), Some(latest.as_str()));
        assert_eq!(header(response, "Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(header(response, "X-RateLimit-Limit"), Some("101"));
        assert_eq!(header(response, "X-RateLimit-Remaining"), Some("100"));
        assert_eq!(header(response, "X-RateLimit-Reset"), Some("1"));
    }
    for (method, target, status) in [
        (Method::Head, "/ledgers", 405),
        (Method::Delete, "/transactions_async", 405),
        (Method::Put, "/nowhere", 404),
        (Method::Get, "/nowhere", 404),
        (Method::Options, "/transactions", 204),
    ] {
        assert_eq!(now_of(scene.ask(&request(method, target))).status, status, "{target}");
    }
}

#[test]
fn a_cursor_from_nowhere_is_a_bad_request_and_now_is_where_nothing_follows() {
    let mut scene = Scene::unlimited();
    for path in ["/ledgers", "/transactions", "/operations", "/payments", "/effects", "/trades"] {
        for cursor in ["nowhere", "-1", "99999999999999999999999"] {
            let response = scene.get(&format!("{path}?cursor={cursor}"));
            assert_eq!(response.status, 400, "{path}?cursor={cursor}");
            assert_eq!(body(&response)["extras"]["invalid_field"], "cursor");
        }
        let none = body(&scene.get(&format!("{path}?cursor=now")));
        assert_eq!(none["_embedded"]["records"], serde_json::json!([]), "{path}");
    }
    scene.close();
    assert_eq!(scene.get("/ledgers?limit=0").status, 400);
}

#[test]
fn a_stream_of_records_says_hello_and_then_what_each_ledger_brings() {
    let mut scene = Scene::unlimited();
    let (opening, mut feed) = scene.stream("/ledgers?cursor=now");
    assert_eq!(opening, "retry: 1000\nevent: open\ndata: \"hello\"\n\n");
    assert_eq!(said(&mut feed, scene.now), (Flow::Open, String::new()));
    for _ in 0..3 {
        scene.close();
        let (flow, text) = said(&mut feed, scene.now);
        assert_eq!(flow, Flow::Open);
        let (id, data) = text.strip_suffix("\n\n").unwrap().split_once("\ndata: ").unwrap();
        let ledger: Value = serde_json::from_str(data).unwrap();
        assert_eq!(ledger["sequence"], scene.latest());
        assert_eq!(id.strip_prefix("id: "), ledger["paging_token"].as_str());
    }
    let (flow, text) = said(&mut feed, scene.now + Duration::from_secs(55));
    assert_eq!((flow, text.as_str()), (Flow::End, "retry: 10\nevent: close\ndata: \"byebye\"\n\n"));
}

#[test]
fn a_stream_ends_with_its_page_and_goes_on_after_the_last_event() {
    let mut scene = Scene::unlimited();
    let (opening, feed) = scene.stream("/ledgers?limit=2");
    assert!(feed.is_none());
    let first = ids(&opening);
    assert_eq!(first.len(), 2);
    assert!(opening.ends_with("event: close\ndata: \"byebye\"\n\n"), "{opening}");
    // The client comes back, with the cursor it began with and the last event that it got.
    let again = Request {
        wants_events: true,
        last_event_id: Some(first[1].to_owned()),
        ..request(Method::Get, "/ledgers?limit=2&cursor=1")
    };
    let Answer::Stream { opening, .. } = scene.ask(&again) else { panic!("no stream") };
    let next = String::from_utf8(opening).unwrap();
    let sequence = |id: &str| id.parse::<i64>().unwrap() >> 32;
    assert_eq!(sequence(ids(&next)[0]), sequence(first[1]) + 1);
}

#[test]
fn a_stream_of_an_object_sends_it_when_it_is_another_ten_times_at_most() {
    let mut scene = Scene::unlimited();
    let root = Actor::new(scene.world.0.lock().world.ledger().root_key()).id();
    let address = stellar_strkey::ed25519::PublicKey(root.0).to_string();
    let (opening, mut feed) = scene.stream(&format!("/accounts/{}", address.as_str()));
    assert_eq!(opening.matches("\ndata: {").count(), 1);
    assert!(ids(&opening).is_empty());
    // Nothing happened to the account.
    scene.close();
    assert_eq!(said(&mut feed, scene.now), (Flow::Open, String::new()));
    for number in 1..=9 {
        let tx = scene.signed(1, vec![new_account(number)]);
        scene.post("/transactions", &tx);
        scene.close();
        let (flow, text) = said(&mut feed, scene.now);
        assert!(text.starts_with("data: {"), "{text}");
        assert_eq!(flow, if number == 9 { Flow::End } else { Flow::Open }, "{number}");
    }
}

#[test]
fn what_does_not_stream_or_does_not_exist_is_a_problem_instead() {
    let mut scene = Scene::unlimited();
    let mut status =
        |target: &str| now_of(scene.ask(&Request { wants_events: true, ..request(Method::Get, target) })).status;
    assert_eq!(status("/offers"), 406);
    assert_eq!(status("/ledgers/2"), 406);
    assert_eq!(status("/nowhere"), 404);
    assert_eq!(status("/ledgers?cursor=nowhere"), 400);
    assert_eq!(status("/ledgers?limit=201"), 400);
}

#[test]
fn faults_stall_end_and_thin_out_streams() {
    let mut scene = Scene::unlimited();
    let rules = |fault: &str| {
        FaultRules::parse(&format!(r#"{{"rules": [{{"face": "horizon", "path": "/ledgers", {fault}, "next": 1}}]}}"#))
    };
    let (_, mut feed) = scene.stream("/ledgers?cursor=now&limit=200");
    scene.faults.replace(rules(r#""fault": "skip""#).unwrap());
    scene.close();
    assert_eq!(said(&mut feed, scene.now), (Flow::Open, String::new()));
    scene.close();
    let (_, text) = said(&mut feed, scene.now);
    assert_eq!(ids(&text).len(), 1, "the ledger that was left out came after all");
    scene.faults.replace(rules(r#""fault": "stall", "ms": 500"#).unwrap());
    scene.close();
    let stalled = scene.now;
    assert_eq!(said(&mut feed, stalled), (Flow::Open, String::new()));
    assert_eq!(feed.as_ref().unwrap().due(), stalled + Duration::from_millis(500));
    scene.close();
    assert_eq!(said(&mut feed, stalled), (Flow::Open, String::new()));
    let (_, text) = said(&mut feed, stalled + Duration::from_millis(500));
    assert_eq!(ids(&text).len(), 2, "{text}");
    scene.faults.replace(rules(r#""fault": "end""#).unwrap());
    scene.close();
    assert_eq!(said(&mut feed, scene.now), (Flow::Cut, String::new()));
}

#[test]
fn requests_and_the_wakes_of_streams_count_against_the_limit() {
    let mut scene = Scene::new(RateLimiter::new(3600, 2));
    let (_, mut feed) = scene.stream("/ledgers?cursor=now");
    assert_eq!(header(&scene.get("/ledgers"), "X-RateLimit-Remaining"), Some("1"));
    scene.close();
    assert_eq!(said(&mut feed, scene.now).0, Flow::Open);
    let refused = scene.get("/ledgers");
    assert_eq!((refused.status, header(&refused, "Retry-After")), (429, Some("1")));
    assert_eq!(body(&refused)["type"], "https://stellar.org/horizon-errors/rate_limit_exceeded");
    scene.close();
    let (flow, text) = said(&mut feed, scene.now);
    assert_eq!((flow, text.as_str()), (Flow::End, "event: error\ndata: problem: rate_limit_exceeded\n\n"));
    // Core's commands know no limit.
    assert_eq!(scene.get("/info").status, 200);
    scene.now += Duration::from_secs(10);
    assert_eq!(scene.get("/ledgers").status, 200);
}

#[test]
fn a_transaction_is_answered_when_a_ledger_has_it_and_again_when_it_comes_again() {
    let mut scene = Scene::unlimited();
    let tx = scene.signed(1, vec![new_account(1)]);
    let mut later = later_of(scene.post("/transactions", &tx));
    let mut second = later_of(scene.post("/transactions", &tx));
    assert!(later.poll(scene.now).is_none());
    scene.close();
    let response = later.poll(scene.now).unwrap().response;
    assert_eq!(response.status, 200);
    let resource = body(&response);
    assert_eq!((&resource["successful"], &resource["ledger"]), (&Value::Bool(true), &scene.latest().into()));
    assert!(header(&response, "X-RateLimit-Limit").is_some());
    assert_eq!(body(&second.poll(scene.now).unwrap().response), resource);
    assert_eq!(body(&now_of(scene.post("/transactions", &tx))), resource);
}

#[test]
fn a_transaction_that_fails_says_how() {
    let mut scene = Scene::unlimited();
    let tx = scene.signed(1, vec![new_account(1), new_account(1)]);
    let mut later = later_of(scene.post("/transactions", &tx));
    scene.close();
    let failed = later.poll(scene.now).unwrap().response;
    let problem = body(&failed);
    assert_eq!((failed.status, &problem["title"]), (400, &"Transaction Failed".into()));
    let codes = serde_json::json!({"transaction": "tx_failed", "operations": ["op_success", "op_already_exists"]});
    assert_eq!(problem["extras"]["result_codes"], codes);
    assert!(["envelope_xdr", "result_xdr", "hash"].iter().all(|name| problem["extras"][name].is_string()));
    let early = scene.signed(0, vec![new_account(2)]);
    let refused = body(&now_of(scene.post("/transactions", &early)));
    assert_eq!(refused["extras"]["result_codes"], serde_json::json!({"transaction": "tx_bad_seq"}));
}

#[test]
fn a_transaction_that_no_ledger_takes_times_out_with_its_hash() {
    let mut scene = Scene::unlimited();
    let tx = scene.signed(1, vec![new_account(1)]);
    let mut later = later_of(scene.post("/transactions", &tx));
    assert_eq!(later.due(), scene.now + Duration::from_secs(30));
    assert!(later.poll(scene.now + Duration::from_secs(29)).is_none());
    let response = later.poll(scene.now + Duration::from_secs(30)).unwrap().response;
    assert_eq!(response.status, 504);
    assert_eq!(body(&response)["extras"]["hash"].as_str().unwrap().len(), 64);
    // Another of the same account: core says to try again later, and Horizon waits.
    let next = scene.signed(2, vec![new_account(2)]);
    later_of(scene.post("/transactions", &next));
}

#[test]
fn what_is_no_transaction_is_refused_as_horizon_refuses_it() {
    let mut scene = Scene::unlimited();
    for tx in ["", "AAAA", "****", "AAAAAgAAAAA%3D"] {
        for path in ["/transactions", "/transactions_async"] {
            let response = now_of(scene.post(path, tx));
            let problem = body(&response);
            assert_eq!((response.status, &problem["title"]), (400, &"Transaction Malformed".into()), "{tx}");
            assert_eq!(problem["extras"]["envelope_xdr"], tx.replace("%3D", "="));
        }
    }
    let json = Request { content_type: "application/json".into(), ..form("/transactions", "{}") };
    assert_eq!(now_of(scene.ask(&json)).status, 415);
}

#[test]
fn who_does_not_wait_is_told_what_core_says() {
    let mut scene = Scene::unlimited();
    let tx = scene.signed(1, vec![new_account(1)]);
    let said = |scene: &mut Scene, tx: &str| {
        let response = now_of(scene.post("/transactions_async", tx));
        let body = body(&response);
        assert_eq!(body["hash"].as_str().unwrap().len(), 64);
        (response.status, body["tx_status"].as_str().unwrap().to_owned(), body["error_result_xdr"].is_string())
    };
    assert_eq!(said(&mut scene, &tx), (201, "PENDING".into(), false));
    assert_eq!(said(&mut scene, &tx), (409, "DUPLICATE".into(), false));
    let next = scene.signed(2, vec![new_account(2)]);
    assert_eq!(said(&mut scene, &next), (503, "TRY_AGAIN_LATER".into(), false));
    let old = scene.signed(0, vec![new_account(2)]);
    assert_eq!(said(&mut scene, &old), (400, "ERROR".into(), true));
}

#[test]
fn friendbot_opens_an_account_once() {
    let mut scene = Scene::unlimited();
    let key = stellar_strkey::ed25519::PublicKey([77; 32]).to_string();
    let target = format!("/friendbot?addr={}", key.as_str());
    let ask = request(Method::Get, &target);
    let (mut first, mut second) = (later_of(scene.ask(&ask)), later_of(scene.ask(&ask)));
    assert!(first.poll(scene.now).is_none());
    scene.close();
    let resource = body(&first.poll(scene.now).unwrap().response);
    assert_eq!(resource["successful"], true);
    assert_eq!(body(&second.poll(scene.now).unwrap().response), resource);
    let account = body(&scene.get(&format!("/accounts/{}", key.as_str())));
    assert_eq!(account["balances"][0]["balance"], "10000.0000000");
    let again = now_of(scene.ask(&ask));
    assert_eq!(again.status, 400);
    let problem = body(&again);
    assert_eq!(problem["detail"], "account already funded to starting balance");
    assert_eq!(problem["extras"]["result_codes"]["operations"][0], "op_already_exists");
    let nobody = now_of(scene.ask(&request(Method::Post, "/friendbot?addr=GNOBODY")));
    assert_eq!((nobody.status, &body(&nobody)["extras"]["invalid_field"]), (400, &"addr".into()));
    let mut unlucky = later_of(scene.ask(&form(
        "/friendbot",
        &format!("addr={}", {
            let other = stellar_strkey::ed25519::PublicKey([78; 32]).to_string();
            other.as_str().to_owned()
        }),
    )));
    assert_eq!(unlucky.poll(scene.now + Duration::from_secs(30)).unwrap().response.status, 504);
}

#[test]
fn a_gift_whose_transaction_another_gift_spoilt_is_given_again() {
    let mut scene = Scene::unlimited();
    let ask = |number: u8| {
        let key = stellar_strkey::ed25519::PublicKey([number; 32]).to_string();
        request(Method::Get, &format!("/friendbot?addr={}", key.as_str()))
    };
    let (mut taken, mut lucky) = (later_of(scene.ask(&ask(81))), later_of(scene.ask(&ask(82))));
    // Someone else opens the account in the ledger before the gift's, after the gift was handed in.
    {
        let mut fixture = scene.world.0.lock();
        scene.friendbot.give(&mut fixture.world);
    }
    let opened = scene.signed(1, vec![new_account(81)]);
    assert_eq!(now_of(scene.post("/transactions_async", &opened)).status, 503, "the root account's turn is taken");
    scene.close();
    assert_eq!(taken.poll(scene.now).unwrap().response.status, 200);
    assert_eq!(lucky.poll(scene.now).unwrap().response.status, 200);
    // The bot pays by itself now, so that the root account's transaction and the gift meet in one ledger.
    let (mut taken, mut lucky) = (later_of(scene.ask(&ask(83))), later_of(scene.ask(&ask(84))));
    let opened = scene.signed(1, vec![new_account(83)]);
    assert_eq!(now_of(scene.post("/transactions_async", &opened)).status, 201);
    scene.close();
    let taken = taken.poll(scene.now).unwrap_or_else(|| {
        // The order in a ledger is the protocol's to choose: the gift may come first.
        scene.close();
        taken.poll(scene.now).unwrap()
    });
    assert!([200, 400].contains(&taken.response.status));
    let lucky = lucky.poll(scene.now).unwrap_or_else(|| {
        scene.close();
        lucky.poll(scene.now).unwrap()
    });
    assert_eq!(lucky.response.status, 200);
}

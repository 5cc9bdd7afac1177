//! The server of probes, metrics and the status page, asked over real sockets, by well-behaved clients and others.

#![allow(clippy::unwrap_used, reason = "the helpers of tests, too, fail by panicking")]

#[path = "browser/sample.rs"]
mod status_sample;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stellar_connector::events::MonoNanos;
use stellar_connector::observe::{
    Health, HealthHandle, Metrics, ObserveError, Observer, Part, StageDeadline, Status, StatusHandle,
};

/// Generous: these machines are shared. What is asserted is that an answer comes at all while others block.
const PATIENCE: Duration = Duration::from_secs(5);

struct House {
    observer: Observer,
    status: StatusHandle,
    health: HealthHandle,
    time_ns: Arc<AtomicU64>,
}

impl House {
    fn open() -> Self {
        Self::open_at("127.0.0.1:0".parse().unwrap())
    }

    fn open_at(address: SocketAddr) -> Self {
        let status = StatusHandle::new();
        let time_ns = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&time_ns);
        let stages = [StageDeadline { stage: "feed", deadline_ns: 1_000_000_000 }];
        let health = Health::new(&stages, move || MonoNanos(clock.load(Ordering::Relaxed)), status.clone());
        let metrics = Metrics::new(status.clone()).unwrap();
        let observer = Observer::start(address, status.clone(), Arc::clone(&health), metrics).unwrap();
        Self { observer, status, health, time_ns }
    }

    /// Loaded, turning, with books that were whole.
    fn make_healthy(&self) {
        [Part::Configuration, Part::Keys, Part::State].iter().for_each(|&part| self.health.loaded(part));
        self.health.pulse("feed").unwrap().beat(MonoNanos(1));
        self.health.books_whole();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.observer.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(stream)
    }
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { code, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[test]
fn every_page_has_its_type_its_length_and_the_headers_that_keep_it_safe() {
    let house = House::open();
    house.make_healthy();
    house.status.publish(status_sample::at(5));
    for (target, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/view.js", "text/javascript; charset=utf-8"),
        ("/format.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/status.json", "application/json"),
        ("/status.json?t=1", "application/json"),
        ("/latency", "text/plain; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/health/live", "application/json"),
        ("/health/ready", "application/json"),
        ("/health/startup", "application/json"),
    ] {
        let answer = house.get(target);
        assert_eq!((answer.code, answer.header("Content-Type")), (200, Some(content_type)), "{target}");
        assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()), "{target}");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{target}");
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{target}: {policy}");

        let head = house.ask(&format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!((head.code, head.body.as_str()), (200, ""), "{target}");
        assert_eq!(head.header("Content-Type"), Some(content_type), "{target}");
    }
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let house = House::open();
    for target in ["/", "/app.css", "/app.js", "/view.js", "/format.js", "/icon.svg"] {
        let body = house.get(target).body.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http://", "https://", "@import", "url(", "style=\"", "onclick"] {
            assert!(!body.contains(elsewhere), "{target} has {elsewhere}");
        }
    }
}

#[test]
fn what_is_not_there_and_what_is_not_allowed_is_said() {
    let house = House::open();
    let missing = house.get("/nothing");
    assert_eq!(missing.code, 404);
    assert!(missing.body.contains("/health/live"), "the answer says what there is: {}", missing.body);
    for request in ["POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "DELETE /metrics HTTP/1.1\r\n\r\n"] {
        let refused = house.ask(request);
        assert_eq!((refused.code, refused.header("Allow")), (405, Some("GET, HEAD")), "{request}");
    }
    assert_eq!(house.ask("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").code, 400);
    assert_eq!(house.ask("GET \r\n\r\n").code, 400);
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9_000));
    assert_eq!(house.ask(&endless).code, 431);
}

#[test]
fn probes_tell_what_is_wrong() {
    let house = House::open();
    let startup = house.get("/health/startup");
    assert_eq!(startup.code, 503);
    assert_eq!(startup.json()["checks"][1]["detail"], "not loaded yet");
    assert_eq!(house.get("/health/ready").code, 503);
    assert_eq!(house.get("/health/live").code, 200, "a program that loads is alive");

    house.make_healthy();
    house.status.publish(status_sample::at(5));
    assert_eq!(house.get("/health/startup").code, 200);
    let ready = house.get("/health/ready");
    assert_eq!(ready.code, 200, "with one feed down: {}", ready.body);
    let feeds = ready.json()["feeds"].clone();
    assert!(feeds.as_array().unwrap().iter().any(|feed| feed["up"] == false), "the sample has a feed that is down");

    house.time_ns.store(2_000_000_000, Ordering::Relaxed);
    let live = house.get("/health/live");
    assert_eq!((live.code, live.json()["status"].as_str()), (503, Some("failing")));
    assert_eq!(live.json()["checks"][0]["detail"], "turned 1999 ms ago, deadline 1000 ms");

    house.health.draining();
    assert_eq!(house.get("/health/ready").code, 503);
}

#[test]
fn the_status_is_the_newest_with_exact_amounts_and_its_age() {
    let house = House::open();
    house.status.publish(status_sample::at(5));
    house.status.publish(status_sample::at(6));
    let status = house.get("/status.json").json();
    assert_eq!(status["ledger"]["seq"], status_sample::FIRST_LEDGER + 6);
    assert_eq!(status["markets"][0]["bids"][0]["amount"], "1200.0000000");
    assert!(status["age_ms"].as_u64().unwrap() < 60_000);
    assert!(house.get("/latency").body.contains("tick_to_wire"));
}

#[test]
fn metrics_have_the_promised_names_and_the_statuss_numbers() {
    let house = House::open();
    house.status.publish(status_sample::at(5));
    let text = house.get("/metrics").body;
    let samples: Vec<(&str, f64)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').map(|(series, value)| (series, value.parse().unwrap())).unwrap())
        .collect();
    let value = |series: &str| {
        let found: Vec<_> = samples.iter().filter(|(name, _)| *name == series).collect();
        assert_eq!(found.len(), 1, "{series} in\n{text}");
        found[0].1
    };
    let is = |series: &str, wanted: f64| {
        let found = value(series);
        assert!((found - wanted).abs() < 1e-9, "{series} is {found}, not {wanted}");
    };
    is("stellar_ledger_sequence", f64::from(status_sample::FIRST_LEDGER + 5));
    is("stellar_transactions_total{result=\"applied\"}", 10.0);
    is("stellar_transactions_total{result=\"failed\"}", 1.0);
    is("stellar_concurrent_operations", 1.0);
    is("stellar_orders_placed_total{pair=\"XLM/USDC\",side=\"buy\",status=\"placed\"}", 10.0);
    is("stellar_trading_volume_total{pair=\"XLM/USDC\",asset=\"USDC\"}", 25.0);
    is("stellar_account_balance{account=\"maker\",asset=\"XLM\"}", 10_005.5);
    is("stellar_active_offers{pair=\"XLM/USDC\"}", 6.0);
    is("stellar_endpoint_up{endpoint=\"core\"}", 1.0);
    is("stellar_endpoint_up{endpoint=\"backup\"}", 0.0);
    is("stellar_data_freshness_seconds{feed=\"core\"}", 0.12);
    is("stellar_feed_faults_total{feed=\"backup\",kind=\"truncated\"}", 3.0);
    is("stellar_queue_length{ring=\"feed-book\"}", 2.0);
    is("stellar_dropped_events_total{ring=\"feed-book\"}", 0.0);
    is("stellar_fees_paid_stroops_total", 1_000.0);
    is("stellar_refusals_total{reason=\"position_limit\"}", 2.0);
    is("stellar_trading_halted", 0.0);
    is("stellar_pipeline_utilization_ratio{stage=\"feed\"}", 0.2);
    assert!(value("stellar_profit_loss{pair=\"XLM/USDC\",strategy=\"market_maker\"}").is_finite());
    assert!(value("stellar_order_book_spread_ratio{pair=\"XLM/USDC\"}") > 0.0);

    let all = value("stellar_tick_to_wire_seconds_count");
    is("stellar_tick_to_wire_seconds_bucket{le=\"+Inf\"}", all);
    assert!(value("stellar_tick_to_wire_seconds_bucket{le=\"0.00001\"}") < all);
    assert!(value("stellar_stage_latency_seconds_sum{stage=\"book\"}") > 0.0);
    assert!(value("stellar_ledger_view_lateness_seconds_sum{span=\"close_to_view\"}") > 0.0);

    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(name.starts_with("stellar_"), "{name}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    assert_eq!(text.matches("# TYPE").count(), 31, "every metric has a value in the sample");
    let mut series: Vec<_> = samples.iter().map(|(name, _)| name).collect();
    series.sort_unstable();
    let before = series.len();
    series.dedup();
    assert_eq!(series.len(), before, "a series occurs twice, and Prometheus would refuse the scrape");
}

#[test]
fn two_markets_of_one_name_do_not_break_the_scrape() {
    let house = House::open();
    let mut status = status_sample::at(5);
    status.markets.push(status.markets[0].clone());
    house.status.publish(status);
    let text = house.get("/metrics").body;
    let active = text.lines().filter(|line| line.starts_with("stellar_active_offers{pair=\"XLM/USDC\"}"));
    assert_eq!(active.count(), 1);
}

#[test]
fn probes_answer_while_others_read_slowly_or_say_nothing() {
    let house = House::open();
    house.make_healthy();
    house.status.publish(status_sample::at(600));
    let slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = house.connect();
            stream.write_all(b"GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let silent: Vec<TcpStream> = (0..100)
        .map(|index| {
            let mut stream = house.connect();
            stream.write_all(&b"GET /health/live HT"[..index % 20]).unwrap();
            stream
        })
        .collect();
    for target in ["/health/live", "/health/ready", "/health/startup", "/metrics", "/"] {
        let asked = Instant::now();
        assert_eq!(house.get(target).code, 200, "{target}");
        println!("{target} after {:?}, beside {} slow and {} silent", asked.elapsed(), slow.len(), silent.len());
    }
}

#[test]
fn more_connections_than_there_is_room_for_cost_the_oldest_not_the_newest() {
    let house = House::open();
    house.make_healthy();
    let mut oldest = house.connect();
    let crowd: Vec<TcpStream> = (0..600).map(|_| house.connect()).collect();
    assert_eq!(house.get("/health/live").code, 200, "beside {} silent connections", crowd.len());
    let ended = oldest.read(&mut [0; 16]);
    assert!(matches!(ended, Ok(0)) || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
}

#[test]
fn a_request_that_does_not_come_is_told_so() {
    let house = House::open();
    let mut stream = house.connect();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(Answer::read(stream).code, 408);
}

#[test]
fn a_client_that_takes_its_time_gets_the_whole_answer() {
    let house = House::open();
    house.status.publish(status_sample::at(600));
    let mut stream = house.connect();
    for byte in b"GET /status.json HTTP/1.1\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let answer = Answer::read(stream);
    assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(answer.json()["profit_loss"][0]["history"].as_array().unwrap().len(), Status::MAX_POINTS);
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let house = House::open();
    let address = house.observer.address();
    let status = StatusHandle::new();
    let health = Health::new(&[], || MonoNanos(0), status.clone());
    let metrics = Metrics::new(status.clone()).unwrap();
    let error = Observer::start(address, status, health, metrics).unwrap_err();
    assert!(matches!(error, ObserveError::PortTaken { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("METRICS_PORT"), "{text}");
}

#[test]
fn a_stopped_server_leaves_its_port_free() {
    let house = House::open();
    let address = house.observer.address();
    house.observer.stop();
    assert!(TcpStream::connect(address).is_err());
    House::open_at(address).observer.stop();
}

/// Not a test: serves a moving sample for the browser test and for those who work on the page.
/// `STATUS_PAGE_ADDRESS=127.0.0.1:8000 STATUS_PAGE_SECONDS=600 cargo test --test status_page -- --ignored serve`
#[test]
#[ignore = "serves a moving sample for a browser"]
fn serve_a_moving_sample() {
    let setting = |name, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.into());
    let house = House::open_at(setting("STATUS_PAGE_ADDRESS", "127.0.0.1:8000").parse().unwrap());
    house.make_healthy();
    println!("http://{}/", house.observer.address());
    let seconds: u32 = setting("STATUS_PAGE_SECONDS", "60").parse().unwrap();
    for tick in 0..seconds * 5 {
        house.status.publish(status_sample::at(200 + tick / 5));
        std::thread::sleep(Duration::from_millis(200));
    }
}

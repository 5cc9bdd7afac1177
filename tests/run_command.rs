//! `run` as an operator has it: the binary, a configuration file, a key file, signals; on a sandbox that it reaches by
//! sockets alone.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use stellar_connector::sandbox::{CloseRule, EngineAccount, Sandbox, SandboxConfig, WorldConfig};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::{MarketId, TxHash};

/// Machines are slow at times; nothing here waits for so long on one that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn signer() -> LocalSigner {
    LocalSigner::from_seed(&[77; 32])
}

/// A sandbox of two markets, and a directory with a key and a configuration that lead to it.
struct Bench {
    sandbox: Sandbox,
    directory: PathBuf,
    page: u16,
}

impl Bench {
    fn new(name: &str, more: &str) -> Self {
        let account = EngineAccount::with_trustlines(signer().public_key(), |hash| signer().sign_hash(&TxHash(*hash)));
        let mut world = WorldConfig::new(7, account);
        world.markets = 2;
        let mut config = SandboxConfig::new(world);
        config.close = CloseRule::Every(Duration::from_millis(500));
        let sandbox = Sandbox::start(config).unwrap();
        let directory = std::env::temp_dir().join(format!("connector-run-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut key = std::fs::OpenOptions::new();
        let mut key = key.write(true).create(true).truncate(true).mode(0o600).open(directory.join("key")).unwrap();
        writeln!(key, "{}", *signer().expose_strkey()).unwrap();
        let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bench = Self { sandbox, directory, page };
        std::fs::write(bench.file(), bench.configuration(more)).unwrap();
        bench
    }

    fn file(&self) -> PathBuf {
        self.directory.join("connector.toml")
    }

    fn configuration(&self, more: &str) -> String {
        let sandbox = &self.sandbox;
        let mut text = format!(
            "network = \"{}\"\ntrading_enabled = true\nstarts_whole_at = 2\n{more}\n\
             [core]\nmeta_stream = \"unix:{}\"\nhttp = \"http://{}\"\n\
             [reference]\nurl = \"ws://{}/v2\"\n\
             [account]\nsecret_key_file = {:?}\n\
             [observe]\nlisten = \"127.0.0.1:{}\"\n",
            sandbox.network_passphrase(),
            sandbox.meta_path().display(),
            sandbox.core_address(),
            sandbox.price_address(),
            self.directory.join("key"),
            self.page,
        );
        for (market, reference) in sandbox.markets().iter().zip(sandbox.symbols()) {
            text += &format!(
                "[[market]]\nbase = \"{}\"\nquote = \"{}\"\nreference = \"{reference}\"\n\
                 strategy = {{ bid_spread_bp = 10, ask_spread_bp = 10, order_amount = 20, refresh_tolerance_bp = 2 }}\n\
                 limits = {{ max_order_amount = 20, max_side_amount = 20 }}\n",
                market.base, market.quote,
            );
        }
        text
    }

    fn start(&self, variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stellar-connector"));
        command.arg("run").arg("--config").arg(self.file()).envs(variables.iter().copied());
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    fn status(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.get("/status.json")?).ok()
    }

    /// Whether both markets show a quote of ours on both sides of the ledger's book.
    fn quotes_stand(&self) -> bool {
        let offers = self.sandbox.engine().offers;
        (0..2).all(|market| offers.iter().filter(|offer| offer.market == MarketId(market)).count() >= 2)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The running binary, which does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// How it ended, and what it said on standard error.
    fn ended(&mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the binary has ended", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.unwrap(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn it_quotes_every_market_and_takes_the_quotes_down_when_told_to_end() {
    let bench = Bench::new("quotes", "");
    let mut running = bench.start(&[("LOG_FORMAT", "json"), ("LOG_LEVEL", "INFO")]);
    until("quotes stand in both markets", || bench.quotes_stand());
    until("it is ready", || bench.get("/health/ready").is_some());
    until("the page shows both", || {
        let status = bench.status().unwrap_or_default();
        (0..2).all(|market| status["markets"][market]["active_offers"].as_u64() >= Some(2))
    });
    let status = bench.status().unwrap();
    assert_eq!(status["program"]["mode"], "run");
    assert_eq!(status["program"]["network"], bench.sandbox.network_passphrase());
    assert_eq!(status["balances"][0]["account"], signer().public_key().to_string());
    assert_eq!(status["markets"][0]["name"], "XLM/USDC");

    running.signal(rustix::process::Signal::TERM);
    let (status, said) = running.ended();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(bench.sandbox.engine().offers, []);
    for line in said.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "a line of the log is not JSON: {line}");
    }
    assert!(said.contains("told to end"), "{said}");
    assert!(!said.contains(signer().expose_strkey().as_str()), "the log shows the key");
}

#[test]
fn the_fast_signer_signs_and_every_signature_of_it_is_checked() {
    let bench = Bench::new("fast", "");
    let text = std::fs::read_to_string(bench.file()).unwrap();
    std::fs::write(bench.file(), text.replace("[account]", "[account]\nsigner = \"precomputed\"")).unwrap();
    let mut running = bench.start(&[]);
    let signatures = |kinds: [&str; 2]| {
        let metrics = bench.get("/metrics").unwrap_or_default();
        kinds.map(|kind| {
            let name = format!("stellar_signatures_total{{kind=\"{kind}\"}} ");
            metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or(0)
        })
    };
    until("it has signed ten times, and all were checked", || {
        let [signed, checked] = signatures(["precomputed", "checked"]);
        signed >= 10 && checked == signed
    });
    until("quotes stand in both markets", || bench.quotes_stand());
    running.signal(rustix::process::Signal::TERM);
    let (status, said) = running.ended();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(bench.sandbox.engine().offers, []);
}

/// Configured markets beyond the sandbox's two, in which nobody has an offer.
fn more_markets(count: usize) -> String {
    let issuer = LocalSigner::from_seed(&[78; 32]).public_key();
    let market = |number| {
        format!(
            "[[market]]\nbase = \"XLM\"\nquote = \"M{number:05}:{issuer}\"\nreference = \"XLM/USD\"\n\
             strategy = {{ bid_spread_bp = 10, ask_spread_bp = 10, order_amount = 20, refresh_tolerance_bp = 2 }}\n\
             limits = {{ max_order_amount = 20, max_side_amount = 20 }}\n"
        )
    };
    (0..count).map(market).collect()
}

/// The most memory that a process ever had, bytes.
fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn ten_thousand_markets_fit_into_500_megabytes_and_two_of_them_are_quoted() {
    let bench = Bench::new("many", "");
    let mut file = std::fs::OpenOptions::new().append(true).open(bench.file()).unwrap();
    file.write_all(more_markets(9_998).as_bytes()).unwrap();
    let running = bench.start(&[]);
    until("quotes stand in both markets", || bench.quotes_stand());
    until("the page counts all", || bench.status().is_some_and(|status| status["markets_configured"] == 10_000));
    let ledger = bench.sandbox.engine().ledger;
    until("five more ledgers have closed", || bench.sandbox.engine().ledger.0 > ledger.0 + 5);
    let peak = peak_bytes(running.0.id());
    assert!(peak <= 500_000_000, "{peak} bytes");
    println!("10,000 markets: {peak} bytes at the most");
}

#[test]
fn with_trading_disabled_it_follows_the_ledger_and_signs_nothing() {
    let bench = Bench::new("disabled", "");
    let before = bench.sandbox.engine().sequence;
    let mut running = bench.start(&[("TRADING_ENABLED", "false"), ("LOG_LEVEL", "TRACE")]);
    let refused = |status: &serde_json::Value| {
        let refusals = status["refusals"].as_array().cloned().unwrap_or_default();
        refusals.iter().any(|refusal| refusal["name"] == "trading_disabled" && refusal["count"].as_u64() > Some(3))
    };
    until("it has refused quotes", || bench.status().is_some_and(|status| refused(&status)));
    let ledger = bench.sandbox.engine().ledger;
    until("two more ledgers have closed", || bench.sandbox.engine().ledger.0 > ledger.0 + 2);
    running.signal(rustix::process::Signal::INT);
    let (status, said) = running.ended();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(bench.sandbox.engine().sequence, before, "a transaction was signed");
    assert!(said.contains("trading_enabled is false"), "{said}");
    assert!(!said.contains(signer().expose_strkey().as_str()), "the log shows the key");
}

#[test]
fn an_unknown_setting_is_refused_and_nothing_is_signed() {
    let bench = Bench::new("unknown", "fee_per_operaton = 100");
    let before = bench.sandbox.engine().sequence;
    let (status, said) = bench.start(&[]).ended();
    assert_eq!((status.code(), status.signal()), (Some(1), None), "{said}");
    let place =
        format!("error: {}:4: unknown key fee_per_operaton: did you mean fee_per_operation?", bench.file().display());
    assert!(said.starts_with(&place), "{said}");
    let ledger = bench.sandbox.engine().ledger;
    until("two more ledgers have closed", || bench.sandbox.engine().ledger.0 > ledger.0 + 2);
    assert_eq!(bench.sandbox.engine().sequence, before, "a transaction was signed");
}

#[test]
fn the_example_is_printed_and_a_file_is_checked() {
    let bench = Bench::new("check", "");
    let config = |more: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stellar-connector"));
        let output = command.arg("config").args(more).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (good, example, _) = config(&[]);
    assert!(good);
    assert_eq!(example, stellar_connector::config::example());
    let (good, said, _) = config(&[Path::new("--check"), &bench.file()]);
    assert!(good && said.contains(&format!("good; account {}, 2 markets", signer().public_key())), "{said}");
    std::fs::write(bench.file(), example).unwrap();
    let (good, _, said) = config(&[Path::new("--check"), &bench.file()]);
    assert!(!good && said.contains("STELLAR_SECRET_KEY_FILE or STELLAR_SECRET_KEY"), "{said}");
}

#[test]
fn on_a_network_older_than_its_stream_snapshots_from_horizon_make_it_quote_and_checks_agree() {
    let bench = Bench::new("snapshot", "");
    let horizon = format!(
        "[horizon]\nurl = \"http://{}/\"\ncheck_every = \"1s\"\nrequests_per_hour = 1_000_000\n[reference]",
        bench.sandbox.core_address()
    );
    let text = bench.configuration("").replace("starts_whole_at = 2\n", "").replace("[reference]", &horizon);
    std::fs::write(bench.file(), text).unwrap();
    let mut running = bench.start(&[]);
    until("quotes stand on both markets", || bench.quotes_stand());
    // Traders trade, we requote, and every second each market is compared, offer for offer.
    let ledger = || bench.status().and_then(|status| status["ledger"]["seq"].as_u64()).unwrap_or(0);
    let checked = ledger() + 12;
    until("a dozen ledgers have closed", || ledger() >= checked);
    let metrics = bench.get("/metrics").unwrap();
    for line in metrics.lines().filter(|line| line.starts_with("stellar_order_book_differences_total{")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    let tradable = metrics.lines().filter(|line| line.starts_with("stellar_market_tradable{") && line.ends_with(" 1"));
    assert_eq!(tradable.count(), 2, "{metrics}");
    assert!(bench.get("/health/ready").unwrap().contains("whole and fresh"));
    running.signal(rustix::process::Signal::TERM);
    assert!(running.ended().0.success());
}

#[test]
fn a_market_is_quoted_around_its_own_book_as_horizon_streams_it() {
    let bench = Bench::new("streams", "");
    let horizon = format!(
        "[horizon]\nurl = \"http://{}/\"\nbackup_url = \"http://localhost:{}/\"\nrequests_per_hour = 1_000_000\n\
         streams = \"all\"\n[reference]",
        bench.sandbox.core_address(),
        bench.sandbox.core_address().port(),
    );
    let text = bench.configuration("").replace("[reference]", &horizon);
    let market = bench.sandbox.markets()[0];
    let own = format!("reference = \"exchange(horizon, {}/{}, ask)\"", market.base, market.quote);
    std::fs::write(bench.file(), text.replacen("reference = \"XLM/USD\"", &own, 1)).unwrap();
    let mut running = bench.start(&[]);
    until("quotes stand on both markets", || bench.quotes_stand());
    let ledger = || bench.status().and_then(|status| status["ledger"]["seq"].as_u64()).unwrap_or(0);
    // Streams of objects end after ten events: each is heard over several.
    let heard = ledger() + 25;
    until("two dozen ledgers have closed", || ledger() >= heard);
    let metrics = bench.get("/metrics").unwrap();
    for line in metrics.lines().filter(|line| line.starts_with("stellar_feed_faults_total{")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    let status = bench.status().unwrap();
    let names = status["feeds"].as_array().unwrap().iter().map(|feed| feed["name"].as_str().unwrap().to_owned());
    // A book and trades a market, and the account, at two servers.
    assert_eq!(names.filter(|name| name.starts_with("Horizon stream")).count(), 10);
    let reference = &status["markets"][0]["reference"];
    assert!(reference["mid"].as_f64() > Some(0.0), "{reference}");
    assert!(reference["age_ms"].as_u64() < Some(5_000), "{reference}");
    running.signal(rustix::process::Signal::TERM);
    let (status, said) = running.ended();
    assert!(status.success(), "{said}");
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn ledgers_from_stellar_rpc_alone_do_as_well() {
    let bench = Bench::new("rpc", "");
    let address = bench.sandbox.core_address();
    let sources = format!(
        "[rpc]\nurl = \"http://{address}/rpc\"\nbackup_url = \"http://localhost:{}/rpc\"\nleast_interval = \"20ms\"\n\
         [horizon]\nurl = \"http://{address}/\"\ncheck_every = \"1s\"\nrequests_per_hour = 1_000_000\n[reference]",
        address.port()
    );
    let stream = format!("meta_stream = \"unix:{}\"\n", bench.sandbox.meta_path().display());
    let text = bench.configuration("").replace("starts_whole_at = 2\n", "").replace(&stream, "");
    std::fs::write(bench.file(), text.replace("[reference]", &sources)).unwrap();
    let mut running = bench.start(&[]);
    until("quotes stand on both markets", || bench.quotes_stand());
    let ledger = || bench.status().and_then(|status| status["ledger"]["seq"].as_u64()).unwrap_or(0);
    let followed = ledger() + 12;
    until("a dozen ledgers have closed", || ledger() >= followed);
    let metrics = bench.get("/metrics").unwrap();
    for line in metrics.lines().filter(|line| {
        line.starts_with("stellar_order_book_differences_total{") || line.starts_with("stellar_feed_faults_total{")
    }) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    running.signal(rustix::process::Signal::TERM);
    let (status, said) = running.ended();
    assert!(status.success(), "{said}");
}

#[test]
fn markets_are_quoted_around_prices_made_of_several() {
    let bench = Bench::new("expressions", "");
    let other = format!(
        "[[exchange]]\nname = \"other\"\nkind = \"kraken\"\nurl = \"ws://{}/v2\"\nstale_after = \"3s\"\n[account]",
        bench.sandbox.price_address()
    );
    let mut text = bench.configuration("").replace("[account]", &other);
    let (market, symbols) = (bench.sandbox.markets()[0], bench.sandbox.symbols());
    let of_both = format!(
        "median({first}, exchange(other, {first}, micro, stale=2s), sdex({}, {}, vwap=1))",
        market.base,
        market.quote,
        first = symbols[0]
    );
    let turned = format!("invert(times(2, invert(exchange(other, {}, bid)), 0.5))", symbols[1]);
    for (symbol, price) in symbols.iter().zip([&of_both, &turned]) {
        text = text.replace(&format!("reference = \"{symbol}\""), &format!("reference = \"{price}\""));
    }
    std::fs::write(bench.file(), text).unwrap();
    let mut running = bench.start(&[]);
    until("quotes stand on both markets", || bench.quotes_stand());
    let status = bench.status().unwrap();
    let feeds: Vec<_> = status["feeds"].as_array().unwrap().iter().filter_map(|feed| feed["name"].as_str()).collect();
    assert!(feeds.contains(&"reference price") && feeds.contains(&"other"), "{feeds:?}");
    for market in status["markets"].as_array().unwrap() {
        assert!(market["reference"]["mid"].as_f64().unwrap() > 0.0, "{market}");
    }
    running.signal(rustix::process::Signal::TERM);
    assert!(running.ended().0.success());
}

//! The sandbox as a person runs it, killed and started again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use stellar_xdr::{
    LedgerCloseMeta, LedgerCloseMetaV2, LedgerEntry, LedgerEntryChange, LedgerEntryChanges, LedgerEntryData, LedgerKey,
    Limits, ReadXdr, TransactionMeta, WriteXdr,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of a test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sandbox-command-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A sandbox in a process of its own, killed with the test.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Its first line.
    told: Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stellar-connector"));
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, out, told }
    }

    fn address(&self) -> String {
        self.told["core"].as_str().unwrap().trim_start_matches("http://").to_owned()
    }

    /// Calls a method of Stellar RPC.
    fn rpc(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /rpc HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address(),
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        body["result"].clone()
    }

    fn latest(&self) -> u64 {
        self.rpc("getLatestLedger", &json!({}))["sequence"].as_u64().unwrap()
    }

    fn wait_for(&self, ledger: u64) {
        let started = Instant::now();
        while self.latest() < ledger {
            assert!(started.elapsed() < PATIENCE, "ledger {ledger} does not close");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as Kubernetes does; gives its last line.
    fn terminate(mut self) -> Value {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(rest.lines().last().unwrap()).unwrap()
    }

    /// Ends it as a power cut does.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The ledgers of a file of record-marked ledgers; what is cut off at its end is left out.
fn ledgers(path: &str) -> Vec<LedgerCloseMetaV2> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut all) = (bytes.as_slice(), Vec::new());
    while let Some((mark, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*mark) & !(1 << 31)).unwrap();
        let Some(meta) = after.get(..length) else { break };
        let LedgerCloseMeta::V2(meta) = LedgerCloseMeta::from_xdr(meta, Limits::none()).unwrap() else { panic!() };
        all.push(meta);
        rest = &after[length..];
    }
    all
}

/// Whether each ledger names the one before it.
fn assert_chained(ledgers: &[LedgerCloseMetaV2]) {
    assert_eq!(ledgers[0].ledger_header.header.ledger_seq, 2);
    for pair in ledgers.windows(2) {
        let (before, after) = (&pair[0].ledger_header, &pair[1].ledger_header);
        assert_eq!(after.header.ledger_seq, before.header.ledger_seq + 1);
        assert_eq!(after.header.previous_ledger_hash, before.hash, "at ledger {}", after.header.ledger_seq);
    }
}

/// The entries that these ledgers leave behind, as far as they touched them.
fn entries_after(ledgers: &[LedgerCloseMetaV2], until: u64) -> BTreeMap<LedgerKey, LedgerEntry> {
    let mut entries = BTreeMap::new();
    let mut apply = |changes: &LedgerEntryChanges| {
        for change in changes.iter() {
            match change {
                LedgerEntryChange::Created(entry) | LedgerEntryChange::Updated(entry) => {
                    entries.insert(entry.to_key(), entry.clone());
                }
                LedgerEntryChange::Removed(key) => drop(entries.remove(key)),
                _ => {}
            }
        }
    };
    for meta in ledgers.iter().filter(|meta| u64::from(meta.ledger_header.header.ledger_seq) <= until) {
        meta.tx_processing.iter().for_each(|tx| apply(&tx.fee_processing));
        for tx in meta.tx_processing.iter() {
            let TransactionMeta::V4(meta) = &tx.tx_apply_processing else { panic!() };
            apply(&meta.tx_changes_before);
            meta.operations.iter().for_each(|operation| apply(&operation.changes));
            apply(&meta.tx_changes_after);
        }
        meta.tx_processing.iter().for_each(|tx| apply(&tx.post_tx_apply_fee_processing));
    }
    entries
}

/// What the ledger says of so many entries, and after which ledger.
fn asked(sandbox: &Running, keys: &[LedgerKey]) -> (u64, BTreeMap<String, String>) {
    let keys: Vec<String> = keys.iter().map(|key| key.to_xdr_base64(Limits::none()).unwrap()).collect();
    let answer = sandbox.rpc("getLedgerEntries", &json!({"keys": keys}));
    let found = answer["entries"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = found.map(|entry| (text(&entry["key"]), text(&entry["xdr"])));
    (answer["latestLedger"].as_u64().unwrap(), found.collect())
}

#[test]
fn what_was_seen_before_a_kill_stands_after_it_and_the_next_ledger_follows() {
    let directory = Directory::new("killed");
    let (state, file) = (directory.file("state"), directory.file("ledgers.xdr"));
    let run = |every: &str| {
        Running::start(&["--close-every", every, "--state", &state, "--meta", "file", &file, "--reference", "jump"])
    };
    let mut seen = Vec::new();
    for round in 0..3 {
        let sandbox = run("100ms");
        assert_eq!(sandbox.told["resumed"], round > 0);
        let from = sandbox.told["ledger"].as_u64().unwrap();
        sandbox.wait_for(from + 12);
        let last = sandbox.rpc("getLatestLedger", &json!({}));
        seen.push((last["sequence"].as_u64().unwrap(), last["id"].as_str().unwrap().to_owned()));
        sandbox.kill();
    }
    // The last run is calm enough to be asked while nothing closes.
    let sandbox = run("1s");
    for (ledger, hash) in &seen {
        let page = sandbox.rpc("getLedgers", &json!({"startLedger": ledger, "pagination": {"limit": 1}}));
        assert_eq!(page["ledgers"][0]["hash"].as_str().unwrap(), hash, "ledger {ledger}");
    }
    sandbox.wait_for(sandbox.told["ledger"].as_u64().unwrap() + 1);
    let so_far = ledgers(&file);
    let keys: Vec<LedgerKey> = entries_after(&so_far, u64::MAX).into_keys().take(200).collect();
    assert!(keys.len() > 60, "{}", keys.len());
    let (at, entries) = asked(&sandbox, &keys);
    let ended = sandbox.terminate();
    let all = ledgers(&file);
    assert_chained(&all);
    assert_eq!(ended["ledger"], all.last().unwrap().ledger_header.header.ledger_seq);
    for (ledger, hash) in &seen {
        let header = &all[usize::try_from(*ledger).unwrap() - 2].ledger_header;
        assert_eq!((u64::from(header.header.ledger_seq), hex::encode(header.hash.0)), (*ledger, hash.clone()));
    }
    let text = |value: &LedgerEntryData| value.to_xdr_base64(Limits::none()).unwrap();
    let replayed = entries_after(&all, at);
    let replayed = keys.iter().filter_map(|key| {
        let entry = replayed.get(key)?;
        Some((key.to_xdr_base64(Limits::none()).unwrap(), text(&entry.data)))
    });
    assert_eq!(entries, replayed.collect());
}

#[test]
fn kept_state_is_one_worlds_and_one_process_at_a_time() {
    let directory = Directory::new("kept");
    let state = directory.file("state");
    let sandbox = Running::start(&["--close-every", "100ms", "--state", &state, "--traders", "none"]);
    let refused = |arguments: &[&str], wanted: &str| {
        let output = output(&[&["--state", &state, "--for", "1s"], arguments].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains(wanted), "{arguments:?}: {errors}");
    };
    refused(&["--traders", "none"], "is in use by another sandbox");
    sandbox.wait_for(sandbox.told["ledger"].as_u64().unwrap() + 3);
    let last = sandbox.terminate()["ledger"].as_u64().unwrap();
    refused(&["--traders", "none", "--seed", "8"], "whose seed is 7, not 8");
    refused(&["--traders", "none", "--passphrase", "Another"], "passphrase");
    refused(&["--traders", "all"], "traders");
    let sandbox = Running::start(&["--close-every", "10s", "--state", &state, "--traders", "none"]);
    assert_eq!((&sandbox.told["resumed"], &sandbox.told["ledger"]), (&json!(true), &json!(last)));
    // A pipe or a socket goes on with the next ledger: this one has nothing yet.
    let mut stream = std::os::unix::net::UnixStream::connect(sandbox.told["meta"].as_str().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn everything_is_told_and_the_end_comes_within_a_second() {
    let sandbox = Running::start(&["--markets", "3", "--traders", "noise,maker", "--rate-limit", "3600"]);
    let told = &sandbox.told;
    for key in ["horizon", "rpc", "core", "friendbot", "faults"] {
        assert!(told[key].as_str().unwrap().starts_with(&format!("http://{}", sandbox.address())), "{told}");
    }
    assert!(told["price"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
    assert!(Path::new(told["meta"].as_str().unwrap()).exists());
    assert_eq!(told["markets"].as_array().unwrap().len(), 3);
    let (account, secret) = (told["account"].as_str().unwrap(), told["secret"].as_str().unwrap());
    assert!(account.starts_with('G') && secret.starts_with('S') && secret.len() == 56);
    let network = sandbox.rpc("getNetwork", &json!({}));
    assert_eq!((&network["passphrase"], &network["friendbotUrl"]), (&told["passphrase"], &told["friendbot"]));
    let started = Instant::now();
    let ended = sandbox.terminate();
    // The promise is a second; a busy machine may take longer, but not for an idle connection or a waiting ledger.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(ended["ledger"].is_u64() && ended["refused"]["meta"] == 0);
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_was_wanted() {
    for (arguments, code, wanted) in [
        (&["--close-every", "0s"][..], 2, "'0s'"),
        (&["--close-every", "2m"], 2, "100ms to 10s"),
        (&["--traders", "whales"], 2, "noise,takers,maker,arbitrage"),
        (&["--reference", "sideways"], 2, "still, wander, trend, jump"),
        (&["--markets", "0"], 1, "1 to 1000"),
        (&["--meta", "file"], 1, "--meta file PATH"),
        (&["--meta", "file", "/nonexistent/ledgers.xdr"], 1, "/nonexistent/ledgers.xdr"),
        (&["--fault", "{}"], 1, "--fault"),
        (&["--state", "/nonexistent/state/of"], 1, "/nonexistent/state/of"),
    ] {
        let output = output(&[arguments, &["--for", "1s"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(wanted), "{arguments:?}: {errors}");
    }
}

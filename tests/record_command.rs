//! `record`, and `replay` of what it has recorded, as processes: against streams of ledgers that a stellar-core made,
//! and against the sandbox.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "record_command/peers.rs"]
mod peers;
mod recorded;

use peers::{Authority, Directory, FileServer, TcpStreamer, write_lake};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use stellar_connector::archive::Index;

/// Far longer than anything here takes: it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ledgers of one of the project's recordings, from ledger 2 on.
fn ledgers(seed: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/recordings/seed-{seed}.xdr.zst", env!("CARGO_MANIFEST_DIR"));
    let mut ledgers = Vec::new();
    recorded::ledgers_of(Path::new(&path), |_, ledger| ledgers.push(ledger.to_vec()));
    ledgers
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stellar-connector"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Loopback is reached without anybody's proxy.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A command that must fail: its standard error.
fn refused(arguments: &[&str]) -> String {
    let output = output(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    error
}

fn list(dir: &str) -> Value {
    let output = output(&["record", "--list", "--check", "--json", "--dir", dir]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A recorder, killed with the test.
struct Running(Child);

impl Running {
    fn record(from: &str, dir: &str, more: &[&str]) -> Self {
        Self(command(&["record", "--from", from, "--dir", dir]).args(more).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Ends it as Kubernetes does; gives its exit code and standard error.
    fn terminate(mut self) -> (i32, String) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut error = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (self.0.wait().unwrap().code().unwrap(), error)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a folder holds while a recorder is at work.
fn ranges(dir: &str) -> Vec<(u32, u32)> {
    Index::read(Path::new(dir)).map(|index| index.ranges()).unwrap_or_default()
}

/// The content of all files of a folder, in order, unpacked whole.
fn unpacked(dir: &str) -> Vec<u8> {
    let index = Index::read(Path::new(dir)).unwrap();
    let content = |path: &Path| zstd::decode_all(fs::File::open(path).unwrap()).unwrap();
    index.files.iter().flat_map(|file| content(&file.path)).collect()
}

fn marked(ledgers: &[Vec<u8>]) -> Vec<u8> {
    ledgers.iter().flat_map(|ledger| recorded::marked(ledger)).collect()
}

/// Kills a recorder again and again while a core goes on: what is sent while nobody listens is lost. After each kill
/// every ledger that is there can be read; at the end nothing is missing, and everything is as it was sent.
fn survives_kills(backfill: &str, core: &TcpStreamer, sent: &[Vec<u8>]) {
    let scratch = Directory::new("kills");
    let dir = scratch.file("kept");
    let from = core.address();
    let options = ["--backfill", backfill, "--file-ledgers", "9"];
    let mut held = 0;
    for kill in 0..6_u64 {
        let running = Running::record(&from, &dir, &options);
        let before = core.sent();
        wait_until("the stream is recorded", || {
            ranges(&dir).last().is_some_and(|(_, last)| *last >= before.max(held) + 5)
        });
        // At another place of a ledger's way each time.
        std::thread::sleep(Duration::from_micros(700 * kill));
        running.kill();
        let listed = list(&dir);
        let last = listed["ranges"].as_array().unwrap().last().unwrap()[1].as_u64().unwrap();
        held = u32::try_from(last).unwrap();
        assert_eq!(listed["checked"].as_u64().unwrap(), count(&ranges(&dir)));
        let lost_from = core.sent();
        wait_until("ledgers are lost", || core.sent() >= lost_from + 4);
    }
    let running = Running::record(&from, &dir, &options);
    core.hurry();
    let last = u32::try_from(sent.len()).unwrap() + 1;
    let first = ranges(&dir)[0].0;
    wait_until("nothing is missing", || ranges(&dir) == [(first, last)]);
    assert_eq!(running.terminate().0, 0);
    let listed = list(&dir);
    assert_eq!((listed["gaps"].as_array().unwrap().len(), ranges(&dir).len()), (0, 1));
    assert!(listed["files"].as_array().unwrap().iter().all(|file| file["open"] == false));
    assert_eq!(unpacked(&dir), marked(&sent[first as usize - 2..]));
    assert!(core.lost() > 0, "nothing was lost: the test tests nothing");
}

fn count(ranges: &[(u32, u32)]) -> u64 {
    ranges.iter().map(|(first, last)| u64::from(last - first + 1)).sum()
}

#[test]
fn killed_again_and_again_it_misses_nothing_that_a_lake_in_a_folder_has() {
    let (sent, lake) = (ledgers("01"), Directory::new("lake"));
    write_lake(&lake.0, &sent, 64_000);
    let core = TcpStreamer::start(sent.clone());
    survives_kills(lake.0.to_str().unwrap(), &core, &sent);
}

#[test]
fn killed_again_and_again_it_misses_nothing_that_a_lake_behind_http_has() {
    let (sent, lake) = (ledgers("04"), Directory::new("http-lake"));
    write_lake(&lake.0, &sent, 10);
    let server = FileServer::start(&lake.0, None);
    // Every fifth request fails: it is asked again.
    server.fail_every(5);
    let core = TcpStreamer::start(sent.clone());
    survives_kills(&format!("lake:http://{}", server.address()), &core, &sent);
    assert!(server.failed() > 0);
}

#[test]
fn a_lake_behind_https_is_read_with_the_certificates_that_are_named_and_no_others() {
    let (sent, lake) = (ledgers("02"), Directory::new("https-lake"));
    write_lake(&lake.0, &sent[..40], 64_000);
    let authority = Authority::new();
    let server = FileServer::start(&lake.0, Some(authority.server()));
    let url = format!("https://localhost:{}/", server.port());
    let pem = authority.root.file("root.pem");
    let replay = |more: &[&str]| output(&[&["replay", "--lake", &url, "--from", "2", "--json"], more].concat());
    let good = replay(&["--to", "41", "--ca-file", &pem]);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let summary: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((&summary["first_ledger"], &summary["last_ledger"]), (&2.into(), &41.into()));
    // To the lake's end, which shows when an object is not there.
    let all = replay(&["--ca-file", &pem]);
    assert_eq!(all.stdout, good.stdout);
    let distrusted = replay(&["--to", "3"]);
    let error = String::from_utf8(distrusted.stderr).unwrap();
    assert!(!distrusted.status.success() && error.contains(&url) && error.contains("certificate"), "{error}");
    let error = refused(&["replay", "--lake", &url, "--from", "40", "--to", "60", "--ca-file", &pem]);
    assert!(error.contains("--42.xdr.zst does not have ledger 42"), "{error}");
    let error = refused(&["replay", "--lake", &url, "--ca-file", &pem]);
    assert!(error.contains("say where to begin (--from)"), "{error}");
}

#[test]
fn a_ledger_of_pubnet_is_read_as_it_lies_in_its_lake() {
    let Some(object) = recorded::beside().into_iter().find(|file| file.ends_with("FCD285FF--53312000.xdr.zstd")) else {
        return;
    };
    let lake = Directory::new("pubnet");
    let partition = lake.0.join("FCD285FF--53312000-53375999");
    fs::create_dir(&partition).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(&object).unwrap(), partition.join(object.file_name().unwrap()))
        .unwrap();
    write_lake(&lake.0, &[], 64_000);
    let replayed = output(&["replay", "--lake", lake.0.to_str().unwrap(), "--json"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    assert_eq!(replayed.stdout, output(&["replay", object.to_str().unwrap(), "--json"]).stdout);
}

/// The sandbox as a process, killed with the test.
struct Sandbox {
    child: Child,
    rpc: String,
    meta: String,
}

impl Sandbox {
    fn start(meta: &[&str], close_every: &str) -> Self {
        let fixed = ["sandbox", "--listen", "127.0.0.1:0", "--json", "--close-every", close_every, "--meta"];
        let mut child = command(&fixed).args(meta).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let rpc = format!("{}/rpc", told["core"].as_str().unwrap());
        Self { child, rpc, meta: told["meta"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole ledgers of a file that is being written.
fn ledgers_so_far(path: &str) -> Vec<Vec<u8>> {
    let content = fs::read(path).unwrap_or_default();
    let (mut rest, mut found) = (&content[..], Vec::new());
    while let Some(mark) = rest.first_chunk::<4>() {
        let length = (u32::from_be_bytes(*mark) & 0x7fff_ffff) as usize;
        let Some(ledger) = rest.get(4..4 + length) else { break };
        found.push(ledger.to_vec());
        rest = &rest[4 + length..];
    }
    found
}

#[test]
fn what_is_missed_is_fetched_from_an_rpc_and_is_what_the_stream_would_have_brought() {
    let scratch = Directory::new("rpc");
    let (world, dir) = (scratch.file("world.xdr"), scratch.file("kept"));
    let sandbox = Sandbox::start(&["file", &world], "200ms");
    wait_until("40 ledgers", || ledgers_so_far(&world).len() >= 40);
    let sent = ledgers_so_far(&world);
    // A core whose stream lacks the ledgers from 7 to 36: more than a page of them.
    let core = TcpStreamer::start([&sent[..5], &sent[35..]].concat());
    core.hurry();
    let running = Running::record(&core.address(), &dir, &["--backfill", &format!("rpc:{}", sandbox.rpc)]);
    let last = u32::try_from(sent.len()).unwrap() + 1;
    wait_until("nothing is missing", || ranges(&dir) == [(2, last)]);
    let (code, log) = running.terminate();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("ledgers are missing: ledgers 7 to 36") && log.contains("a gap is filled"), "{log}");
    assert_eq!(unpacked(&dir), marked(&sent));
    // A ledger that the RPC does not have yet: the gap stays, it is asked again, and the recording goes on.
    let error = refused(&["replay", "--recordings", &dir, "--from", "2", "--to", "9999"]);
    assert!(error.contains(&format!("does not have ledger {}", last + 1)), "{error}");
}

#[test]
fn a_pipe_is_recorded_as_core_writes_to_it() {
    let (scratch, sent) = (Directory::new("pipe"), ledgers("05"));
    let (pipe, dir) = (scratch.file("meta.pipe"), scratch.file("kept"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let running = Running::record(&format!("pipe:{pipe}"), &dir, &["--file-bytes", "20K"]);
    // Opening waits for the reader.
    let mut core = fs::File::options().write(true).open(&pipe).unwrap();
    core.write_all(&marked(&sent[..50])).unwrap();
    // Core dies in the middle of a ledger, and another goes on.
    let next = recorded::marked(&sent[50]);
    core.write_all(&next[..next.len() / 2]).unwrap();
    wait_until("the first core's ledgers", || ranges(&dir) == [(2, 51)]);
    drop(core);
    std::thread::sleep(Duration::from_millis(300));
    let mut core = fs::File::options().write(true).open(&pipe).unwrap();
    core.write_all(&marked(&sent[50..])).unwrap();
    let last = u32::try_from(sent.len()).unwrap() + 1;
    wait_until("the second core's ledgers", || ranges(&dir) == [(2, last)]);
    assert_eq!(running.terminate().0, 0);
    assert_eq!(unpacked(&dir), marked(&sent));
    let files = list(&dir)["files"].as_array().unwrap().clone();
    assert!(files.len() > 5 && files.iter().all(|file| file["bytes"].as_u64().unwrap() <= 40_000), "{files:?}");
    // The summary is that of the recording itself.
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/seed-05.xdr.zst");
    let kept = output(&["replay", "--recordings", &dir, "--json"]);
    assert_eq!(kept.stdout, output(&["replay", original, "--json"]).stdout);
}

#[test]
fn another_network_is_refused_by_name_wherever_it_comes_from() {
    let (scratch, ours, theirs) = (Directory::new("chains"), ledgers("01"), ledgers("02"));
    let dir = scratch.file("kept");
    let core = TcpStreamer::start(ours[..10].to_vec());
    core.hurry();
    let running = Running::record(&core.address(), &dir, &[]);
    wait_until("ten ledgers", || ranges(&dir) == [(2, 11)]);
    // A second recorder is kept out.
    let error = refused(&["record", "--from", &core.address(), "--dir", &dir, "--for", "1s"]);
    assert!(error.contains("is being recorded into by another process"), "{error}");
    assert_eq!(running.terminate().0, 0);

    // The stream of another network ends the recording.
    let other = TcpStreamer::start(theirs[8..].to_vec());
    let error = refused(&["record", "--from", &other.address(), "--dir", &dir, "--for", "30s"]);
    let wrong = error.contains("there are two ledgers 10") || error.contains("there are two ledgers 11");
    assert!(error.contains(&format!("error: the stream {}", other.address())), "{error}");
    assert!(wrong || error.contains("ledger 12 names"), "{error}");
    assert_eq!(ranges(&dir), [(2, 11)]);

    // A lake of another network fills nothing; the stream goes on being recorded, and the end says so.
    let lake = Directory::new("wrong-lake");
    write_lake(&lake.0, &theirs, 64_000);
    let core = TcpStreamer::start(ours[20..30].to_vec());
    core.hurry();
    let running = Running::record(&core.address(), &dir, &["--backfill", &format!("lake:{}", lake.0.display())]);
    wait_until("the stream's ledgers", || ranges(&dir) == [(2, 11), (22, 31)]);
    std::thread::sleep(Duration::from_millis(600));
    let (code, error) = running.terminate();
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("error: ledgers are still missing, because --backfill was given up: lake:"), "{error}");
    assert!(error.contains("ledger 12 names") && error.contains("they are of two networks"), "{error}");
    assert_eq!(ranges(&dir), [(2, 11), (22, 31)]);
}

#[test]
fn a_damaged_file_is_named_with_the_place_and_what_to_do() {
    let (scratch, sent) = (Directory::new("damage"), ledgers("01"));
    let dir = scratch.file("kept");
    let core = TcpStreamer::start(sent[..30].to_vec());
    core.hurry();
    let running = Running::record(&core.address(), &dir, &["--file-ledgers", "10"]);
    wait_until("thirty ledgers", || ranges(&dir) == [(2, 31)]);
    running.terminate();
    let file = format!("{dir}/ledgers-0000000012-0000000021.xdr.zst");
    let good = fs::read(&file).unwrap();
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 0xff;
    let bomb = zstd::encode_all(Read::take(std::io::repeat(0x80), 1 << 28), 1).unwrap();
    for content in [&damaged, &good[..good.len() - 3], &bomb] {
        fs::write(&file, content).unwrap();
        for arguments in [&["replay", "--recordings", &dir][..], &["record", "--list", "--check", "--dir", &dir]] {
            let error = refused(arguments);
            assert!(error.contains(&format!("{file}: the frame at byte ")), "{error}");
            assert!(error.contains("move the file away, and let --backfill bring its ledgers again"), "{error}");
        }
    }
    // Which is what is done.
    fs::remove_file(&file).unwrap();
    let lake = Directory::new("damage-lake");
    write_lake(&lake.0, &sent, 64_000);
    let running = Running::record(&core.address(), &dir, &["--backfill", lake.0.to_str().unwrap()]);
    wait_until("the file's ledgers", || ranges(&dir) == [(2, 31)]);
    assert_eq!(running.terminate().0, 0);
    assert_eq!(unpacked(&dir), marked(&sent[..30]));
}

/// From the first ledger's line to the last one's.
fn paced(dir: &str, speed: &str) -> (Duration, usize) {
    let mut child = command(&["replay", "--recordings", dir, "--speed", speed]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let times: Vec<Instant> = lines.filter(|line| line.starts_with("ledger ")).map(|_| Instant::now()).collect();
    assert!(child.wait().unwrap().success());
    (*times.last().unwrap() - times[0], times.len())
}

#[test]
fn at_recorded_speed_ledgers_come_as_they_closed_and_at_ten_times_ten_times_as_fast() {
    let scratch = Directory::new("speeds");
    let dir = scratch.file("kept");
    let sandbox = Sandbox::start(&["socket"], "500ms");
    let running = Running::record(&format!("unix:{}", sandbox.meta), &dir, &[]);
    wait_until("twelve ledgers", || ranges(&dir).first().is_some_and(|(_, last)| *last >= 13));
    assert_eq!(running.terminate().0, 0);
    // Half a second each, though close times are whole seconds: twelve ledgers lie five or six seconds apart.
    let (recorded, count) = paced(&dir, "recorded");
    let (tenfold, _) = paced(&dir, "10x");
    let (full, none) = (output(&["replay", "--recordings", &dir]), "ledger ");
    assert!(count >= 12 && !String::from_utf8(full.stdout).unwrap().starts_with(none));
    let ratio = recorded.as_secs_f64() / tenfold.as_secs_f64();
    assert!((5.0..=15.0).contains(&ratio), "{recorded:?} recorded, {tenfold:?} at ten times: {ratio}");
}

//! `relay` as a process, between a pipe into which ledgers are written that a stellar-core made, and those who read them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything here takes: it only keeps a failing test from hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ledgers of one of the project's recordings, each with its mark.
fn records() -> Vec<Vec<u8>> {
    let path = format!("{}/tests/recordings/seed-01.xdr.zst", env!("CARGO_MANIFEST_DIR"));
    let mut records = Vec::new();
    recorded::ledgers_of(Path::new(&path), |_, ledger| records.push(recorded::marked(ledger)));
    assert!(records.len() > 100);
    records
}

/// A folder of a test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("relay-command-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stellar-connector"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A command that must fail: its standard error.
fn refused(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?}: {error}");
    error
}

/// A relay that serves, killed with the test.
struct Relay {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    log: Log,
    /// Where it says that it serves.
    places: Vec<String>,
}

impl Relay {
    fn start(from: &str, options: &[&str]) -> Self {
        Self::spawn(command(&["relay", "--from", from]).args(options))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (_, places) = line.trim_end().split_once(" at ").unwrap_or_else(|| panic!("{line:?}, {}", log.text()));
        let places = places.split(" and ").map(str::to_owned).collect();
        Self { child, output, log, places }
    }

    fn unix(&self) -> UnixStream {
        let path = self.places.iter().find_map(|place| place.strip_prefix("unix:")).unwrap();
        let reader = UnixStream::connect(path).unwrap();
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        reader
    }

    fn tcp(&self) -> TcpStream {
        let address = self.places.iter().find_map(|place| place.strip_prefix("tcp://")).unwrap();
        let reader = TcpStream::connect(address).unwrap();
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        reader
    }

    /// Ends it as Kubernetes does; gives its last words.
    fn terminate(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.log.text());
        rest
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process says, as it says it.
struct Log(std::sync::Arc<std::sync::Mutex<String>>);

impl Log {
    fn of(error: ChildStderr) -> Self {
        let text = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let writing = std::sync::Arc::clone(&text);
        std::thread::spawn(move || {
            for line in BufReader::new(error).lines().map_while(Result::ok) {
                let mut text = writing.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self(text)
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn wait_for(&self, words: &str) {
        let started = Instant::now();
        while !self.text().contains(words) {
            assert!(started.elapsed() < PATIENCE, "not said: {words}; but {}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Reads as many bytes as these records have, and compares.
fn reads(reader: &mut impl Read, records: &[Vec<u8>]) {
    let expected = records.concat();
    let mut found = vec![0; expected.len()];
    reader.read_exact(&mut found).unwrap();
    assert!(found == expected, "not the bytes that core wrote");
}

/// Core: it opens the pipe, which waits for a reader.
fn core(pipe: &str) -> File {
    OpenOptions::new().write(true).open(pipe).unwrap()
}

#[test]
fn readers_come_and_go_and_core_notices_nothing() {
    let (scratch, records) = (Scratch::new("readers"), records());
    let (pipe, socket) = (scratch.file("meta.pipe"), scratch.file("meta.sock"));
    let serve = format!("unix:{socket}");
    let options = ["--serve", &serve, "--serve", "tcp://127.0.0.1:0", "--keep-ledgers", "3"];
    let relay = Relay::start(&format!("pipe:{pipe}"), &options);
    let made = fs::metadata(&pipe).unwrap();
    assert!(made.file_type().is_fifo());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let mut core = core(&pipe);
    let mut lasting = relay.unix();
    relay.log.wait_for("a reader has come client=0");
    // An engine an era: each is killed in the middle of a ledger, and the next one begins with a whole ledger.
    for era in 0..10 {
        let mut engine = relay.tcp();
        relay.log.wait_for(&format!("a reader has come client={}", era + 1));
        core.write_all(&records[era]).unwrap();
        reads(&mut lasting, &records[era..=era]);
        reads(&mut engine, &records[era.saturating_sub(3)..era]);
        engine.read_exact(&mut [0; 5]).unwrap();
    }
    drop(lasting);
    // Nobody is there.
    for record in &records[10..20] {
        core.write_all(record).unwrap();
    }
    let mut late = relay.unix();
    reads(&mut late, &records[17..20]);
    core.write_all(&records[20]).unwrap();
    reads(&mut late, &records[20..21]);
    let last_words = relay.terminate();
    assert!(last_words.contains("relayed 21 ledgers") && last_words.contains("0 gaps, 0 spoilt"), "{last_words}");
    assert!(!Path::new(&socket).exists());
    let error = core.write_all(&records[21]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "while the relay lives, and not after it");
}

#[test]
fn a_reader_that_does_not_read_is_dropped_and_core_and_the_others_wait_for_nothing() {
    let (scratch, records) = (Scratch::new("slow"), records());
    let (pipe, socket) = (scratch.file("meta.pipe"), scratch.file("meta.sock"));
    let serve = format!("unix:{socket}");
    let relay = Relay::start(&format!("pipe:{pipe}"), &["--serve", &serve, "--keep-bytes", "1M"]);
    let mut deaf = relay.unix();
    let mut quick = relay.unix();
    relay.log.wait_for("a reader has come client=1");
    let mut core = core(&pipe);
    // Several times over what the socket and the relay hold for one that is behind.
    let turns = 16_000_000 / records.concat().len() + 1;
    for _ in 0..turns {
        for record in &records {
            core.write_all(record).unwrap();
            reads(&mut quick, std::slice::from_ref(record));
        }
    }
    relay.log.wait_for("a reader is dropped: it is too slow client=0");
    // What it had got so far ends in the middle, or between two, and nothing comes after it.
    let mut got = Vec::new();
    deaf.read_to_end(&mut got).unwrap();
    assert!(records.concat().repeat(turns).starts_with(&got));
    let last_words = relay.terminate();
    assert!(last_words.contains("dropped 1 of them"), "{last_words}");
}

#[test]
fn a_core_that_dies_in_the_middle_of_a_ledger_leaves_nothing_behind() {
    let (scratch, records) = (Scratch::new("death"), records());
    let (pipe, socket) = (scratch.file("meta.pipe"), scratch.file("meta.sock"));
    let serve = format!("unix:{socket}");
    let relay = Relay::start(&format!("pipe:{pipe}"), &["--serve", &serve]);
    let mut reader = relay.unix();
    for (life, record) in records[..8].iter().enumerate() {
        let mut dying = core(&pipe);
        dying.write_all(record).unwrap();
        dying.write_all(&records[life + 1][..1 + life * 30]).unwrap();
        drop(dying);
        let started = Instant::now();
        while relay.log.text().matches("in the middle of a ledger").count() <= life {
            assert!(started.elapsed() < PATIENCE, "{}", relay.log.text());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    core(&pipe).write_all(&records[8]).unwrap();
    reads(&mut reader, &records[..=8]);
    let last_words = relay.terminate();
    assert!(last_words.contains("0 gaps, 8 spoilt"), "{last_words}");
}

#[test]
fn an_inherited_pipe_is_read_by_the_relay_and_by_who_records() {
    let (scratch, records) = (Scratch::new("inherited"), records());
    let socket = scratch.file("meta.sock");
    let mut relay =
        Relay::spawn(command(&["relay", "--from", "fd:0", "--serve", &format!("unix:{socket}")]).stdin(Stdio::piped()));
    let mut core = relay.child.stdin.take().unwrap();
    let mut reader = relay.unix();
    relay.log.wait_for("a reader has come client=0");
    core.write_all(&records[..50].concat()).unwrap();
    reads(&mut reader, &records[..50]);
    drop(core);
    relay.log.wait_for("core has gone");

    let kept = scratch.file("kept");
    let mut recorder = command(&["record", "--from", "fd:0", "--dir", &kept, "--for", "2s"]);
    let mut recorder = recorder.stdin(Stdio::piped()).spawn().unwrap();
    let mut core = recorder.stdin.take().unwrap();
    core.write_all(&records[..50].concat()).unwrap();
    let output = recorder.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("recorded 50 ledgers"), "{said}");
}

#[test]
fn a_dead_relays_socket_is_replaced_and_nothing_else_is() {
    let scratch = Scratch::new("socket");
    let (pipe, socket) = (format!("pipe:{}", scratch.file("meta.pipe")), scratch.file("meta.sock"));
    let serve = format!("unix:{socket}");
    let try_it = || refused(&["relay", "--from", &pipe, "--serve", &serve, "--for", "1ms"]);

    fs::write(&socket, "something else").unwrap();
    assert!(try_it().contains("no socket"), "{}", try_it());
    assert_eq!(fs::read(&socket).unwrap(), b"something else");
    fs::remove_file(&socket).unwrap();

    let living = UnixListener::bind(&socket).unwrap();
    assert!(try_it().contains("another process serves there"), "{}", try_it());
    drop(living);
    let relay = Relay::start(&pipe, &["--serve", &serve]);
    drop(relay.unix());
    relay.terminate();

    fs::write(scratch.file("file"), "").unwrap();
    let file = format!("pipe:{}", scratch.file("file"));
    assert!(refused(&["relay", "--from", &file, "--serve", &serve]).contains("not a named pipe"));
    assert!(refused(&["relay", "--from", &pipe, "--serve", "tcp://0.0.0.0:0"]).contains("--expose"));
}

#[test]
fn one_reader_too_many_is_turned_away() {
    let scratch = Scratch::new("many");
    let pipe = scratch.file("meta.pipe");
    let relay = Relay::start(&format!("pipe:{pipe}"), &["--serve", "tcp://127.0.0.1:0", "--readers", "2"]);
    let mut readers = [relay.tcp(), relay.tcp()];
    relay.log.wait_for("a reader has come client=1");
    assert_eq!(relay.tcp().read(&mut [0]).unwrap(), 0);
    let records = records();
    core(&pipe).write_all(&records[0]).unwrap();
    readers.iter_mut().for_each(|reader| reads(reader, &records[..1]));
    assert!(relay.terminate().contains("turned 1 away"));
}

//! The flight recorder against what it is for: a process that is killed while it records.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use stellar_connector::events::{ConnId, MonoNanos, NetEvent, Now, UtcNanos};
use stellar_connector::pipeline::flight::{self, FlightEntry, FlightInput, FlightLog, FlightSettings, Replayed, Run};
use stellar_connector::pipeline::placement::StageName;

/// Set in the child: the folder to record into.
const FOLDER: &str = "FLIGHT_RECORDER_TEST_FOLDER";

/// Every record's payload tells its number, so that a mixed-up one is found.
fn entry(number: u64, payload: &mut [u8; 3_000]) -> FlightEntry<'_> {
    let length = 8 + usize::try_from(number * 37 % 2_900).unwrap();
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload[8..length].fill(number.to_le_bytes()[0]);
    let now = Now { mono: MonoNanos(number), utc: UtcNanos(number) };
    FlightEntry { stage: StageName::Feed, now, input: FlightInput::Net(NetEvent::Bytes(ConnId(1), &payload[..length])) }
}

/// Not a test of its own: what the child does until it is killed. It says after each write how far it got.
#[test]
fn child_that_records_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let settings = FlightSettings {
        folder: folder.into(),
        segment_bytes: 1_000_000,
        ring_bytes: 1_000_000,
        configuration: b"the child".to_vec(),
    };
    let (mut recorders, thread) = flight::start(&settings, 1).unwrap();
    let status = thread.status();
    let mut written = status.written_bytes();
    for number in 0..1_000_000 {
        recorders[0].record(entry(number, &mut [0; 3_000]));
        assert_eq!(status.lost_records(), 0);
        if number % 50 == 49 {
            // This record's bytes are among those written once as many more are as this batch has.
            written += (number - 49..=number).map(|one| 28 + 8 + one * 37 % 2_900).sum::<u64>();
            while status.written_bytes() < written {
                std::thread::yield_now();
            }
            println!("written {number}");
            std::io::stdout().flush().unwrap();
        }
    }
}

fn record_and_kill(folder: &Path, after_lines: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_records_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let progress = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("written ")?.parse().ok());
    let reached: u64 = progress.take(after_lines).last().unwrap();
    // On Unix this is SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    reached
}

#[test]
fn what_was_written_before_a_kill_can_be_replayed() {
    for after_lines in [1, 7, 40, 400] {
        let folder = std::env::temp_dir().join(format!("flight-kill-{}-{after_lines}", std::process::id()));
        let reached = record_and_kill(&folder, after_lines);
        let log = FlightLog::open(&folder, Run::Last).unwrap();
        assert_eq!(log.configuration(), b"the child");
        let mut numbers = Vec::new();
        let mut is_cut = false;
        for found in log.records() {
            match found {
                Replayed::Entry(recorded) => {
                    assert!(!is_cut, "only the end can be cut");
                    let number = recorded.now.mono.0;
                    assert_eq!(recorded, entry(number, &mut [0; 3_000]));
                    numbers.push(number);
                }
                Replayed::CutTail { .. } => is_cut = true,
                Replayed::Gap { .. } => panic!("the child lost none"),
            }
        }
        let first = numbers[0];
        assert_eq!(first == 0, log.is_from_start());
        assert!(numbers.iter().copied().eq(first..first + numbers.len() as u64), "in order and without a hole");
        assert!(*numbers.last().unwrap() >= reached, "{reached} was written before the kill");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

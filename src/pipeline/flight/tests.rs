use super::*;
use crate::events::{ConnId, Control, MonoNanos, NetEvent, Now, UtcNanos};
use crate::pipeline::allocations::allocations_on_this_thread;
use crate::pipeline::placement::StageName;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A folder of one test, gone after it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flight-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn settings(&self) -> FlightSettings {
        FlightSettings {
            folder: self.0.clone(),
            segment_bytes: 400_000,
            ring_bytes: 200_000,
            configuration: b"{\"market\":\"XLM/USDC\"}".to_vec(),
        }
    }

    fn file(&self, index: u64) -> PathBuf {
        self.0.join(format!("flight-{index}.bin"))
    }

    fn log(&self) -> FlightLog {
        FlightLog::open(&self.0, Run::Last).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn at(time: u64) -> Now {
    Now { mono: MonoNanos(time), utc: UtcNanos(time + 1_000) }
}

fn bytes(time: u64, payload: &[u8]) -> FlightEntry<'_> {
    FlightEntry { stage: StageName::Feed, now: at(time), input: FlightInput::Net(NetEvent::Bytes(ConnId(3), payload)) }
}

/// Records as if the hot thread always waited for room.
fn record_patiently(recorder: &mut FlightRecorder, status: &FlightStatus, entry: FlightEntry<'_>) {
    let before = status.written_bytes();
    recorder.record(entry);
    let length = if let FlightInput::Net(NetEvent::Bytes(_, bytes)) = entry.input { bytes.len() } else { 0 };
    while status.written_bytes() < before + length as u64 {
        std::thread::yield_now();
    }
}

#[test]
fn every_kind_of_input_comes_back_as_it_went_in() {
    let folder = Folder::new("kinds");
    let conn = ConnId(254);
    let inputs = [
        FlightInput::Net(NetEvent::Opened(conn)),
        FlightInput::Net(NetEvent::Bytes(conn, b"")),
        FlightInput::Net(NetEvent::Bytes(conn, b"HTTP/1.1 200 OK\r\n")),
        FlightInput::Net(NetEvent::Closed(conn)),
        FlightInput::Time,
        FlightInput::Control(Control::CancelAll),
    ];
    let entries =
        || StageName::ALL.into_iter().flat_map(|stage| inputs.map(|input| FlightEntry { stage, now: at(5), input }));
    let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
    entries().for_each(|entry| recorders[0].record(entry));
    drop(thread);
    let log = folder.log();
    assert_eq!(log.records().collect::<Vec<_>>(), entries().map(Replayed::Entry).collect::<Vec<_>>());
    assert_eq!(log.configuration(), b"{\"market\":\"XLM/USDC\"}");
    assert!(log.is_from_start());
    assert_eq!(fs::metadata(folder.file(0)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn two_bounded_files_keep_the_newest() {
    let folder = Folder::new("rotation");
    let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
    let status = thread.status();
    for time in 0..100 {
        record_patiently(&mut recorders[0], &status, bytes(time, &[7; 20_000]));
    }
    drop(thread);
    assert_eq!((status.lost_records(), status.last_error()), (0, String::new()));
    for index in 0..2 {
        assert!(fs::metadata(folder.file(index)).unwrap().len() <= 400_000);
    }
    let log = folder.log();
    assert!(!log.is_from_start());
    let times: Vec<u64> = log
        .records()
        .map(|found| match found {
            Replayed::Entry(entry) => entry.now.mono.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(times.len() >= 19, "a whole segment is always there, and this one holds 19");
    assert_eq!(times, (100 - times.len() as u64..100).collect::<Vec<_>>());
}

#[test]
fn a_full_ring_drops_whole_records_and_says_how_many() {
    let folder = Folder::new("gap");
    let settings = folder.settings();
    let status = FlightStatus::default();
    // Without the thread nothing is drained.
    let (producer, mut ring) = rtrb::RingBuffer::new(settings.ring_bytes);
    let mut recorder = FlightRecorder::new(producer, std::sync::Arc::default());
    let payload = [1; 60_000];
    let before = allocations_on_this_thread();
    (0..5).for_each(|time| recorder.record(bytes(time, &payload)));
    assert_eq!(allocations_on_this_thread(), before);
    let mut drained = vec![0; 60_000 + record::HEADER_BYTES];
    ring.pop_entire_slice(&mut drained).unwrap();
    recorder.record(bytes(5, &payload[..100]));
    let mut rest = vec![0; ring.slots()];
    ring.pop_entire_slice(&mut rest).unwrap();
    let mut found = Vec::new();
    let mut left = &mut rest[..];
    while !left.is_empty() {
        let (header, payload) = left.split_first_chunk_mut::<{ record::HEADER_BYTES }>().unwrap();
        let length = record::payload_length(header);
        record::seal(header, &payload[..length]);
        let (_, used) = record::Record::decode(left).unwrap();
        let (one, more) = left.split_at_mut(used);
        found.push(match record::Record::decode(one).unwrap().0 {
            record::Record::Entry(entry) => (entry.now.mono.0, 0),
            record::Record::Gap { now, records, .. } => (now.mono.0, records),
        });
        left = more;
    }
    assert_eq!(found, [(1, 0), (2, 0), (5, 2), (5, 0)]);
    assert_eq!(status.lost_records(), 0);
}

#[test]
fn a_payload_longer_than_the_bound_is_a_gap() {
    let folder = Folder::new("long");
    let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
    let status = thread.status();
    recorders[0].record(bytes(1, &vec![0; LONGEST_PAYLOAD + 1]));
    record_patiently(&mut recorders[0], &status, bytes(2, &vec![0; LONGEST_PAYLOAD]));
    drop(thread);
    assert_eq!(status.lost_records(), 1);
    let log = folder.log();
    let found: Vec<_> = log.records().collect();
    assert_eq!(found[0], Replayed::Gap { stage: StageName::Feed, records: 1 });
    assert_eq!(found[1], Replayed::Entry(bytes(2, &vec![0; LONGEST_PAYLOAD])));
}

#[test]
fn a_start_keeps_the_run_before_it() {
    let folder = Folder::new("previous");
    for run in 1..=3 {
        let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
        recorders[0].record(bytes(run, b"x"));
        drop(thread);
    }
    let times = |run| -> Vec<u64> {
        let log = FlightLog::open(&folder.0, run).unwrap();
        log.records().map(|one| if let Replayed::Entry(entry) = one { entry.now.mono.0 } else { 0 }).collect()
    };
    assert_eq!((times(Run::Last), times(Run::Previous)), (vec![3], vec![2]));
}

#[test]
fn each_hot_thread_keeps_its_order() {
    let folder = Folder::new("threads");
    let (recorders, thread) = start(&folder.settings(), 2).unwrap();
    std::thread::scope(|scope| {
        for (mut recorder, stage) in recorders.into_iter().zip([StageName::Feed, StageName::Execution]) {
            scope.spawn(move || {
                for time in 0..2_000 {
                    recorder.record(FlightEntry { stage, now: at(time), input: FlightInput::Time });
                }
            });
        }
    });
    drop(thread);
    let log = folder.log();
    for wanted in [StageName::Feed, StageName::Execution] {
        let of_stage = log.records().filter_map(|one| match one {
            Replayed::Entry(entry) if entry.stage == wanted => Some(entry.now.mono.0),
            _ => None,
        });
        assert_eq!(of_stage.collect::<Vec<_>>(), (0..2_000).collect::<Vec<_>>());
    }
}

#[test]
fn a_disk_that_refuses_stops_nothing_and_is_said() {
    let folder = Folder::new("refused");
    let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
    let status = thread.status();
    record_patiently(&mut recorders[0], &status, bytes(0, &[1; 60_000]));
    // The second file cannot be made.
    fs::create_dir_all(folder.file(1)).unwrap();
    for time in 1..12 {
        recorders[0].record(bytes(time, &[1; 60_000]));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(thread);
    assert!(status.last_error().contains("directory"), "{}", status.last_error());
    assert!(status.lost_records() > 0);
    fs::remove_dir(folder.file(1)).unwrap();
    assert!(folder.log().records().count() >= 5);
}

#[test]
fn what_is_no_record_is_refused_by_name() {
    let folder = Folder::new("refusals");
    let refused = || FlightLog::open(&folder.0, Run::Last).unwrap_err().to_string();
    assert!(refused().starts_with("there is no flight record of the last run in "));
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.file(0), "short").unwrap();
    assert!(refused().contains("shorter than a header"));
    fs::write(folder.file(0), [b'x'; 500]).unwrap();
    assert!(refused().contains("it does not begin as one"));
    let (_, thread) = start(&folder.settings(), 0).unwrap();
    drop(thread);
    let good = fs::read(folder.file(0)).unwrap();
    for (at, why) in [(8, "another version"), (12, "damaged"), (26, "damaged")] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(folder.file(0), bad).unwrap();
        assert!(refused().contains(why), "{}", refused());
    }
    let too_small = FlightSettings { segment_bytes: 1_000, ..folder.settings() };
    assert!(matches!(start(&too_small, 1), Err(FlightError::TooSmall { what: "a segment", .. })));
    let too_small = FlightSettings { ring_bytes: 1_000, ..folder.settings() };
    assert!(matches!(start(&too_small, 1), Err(FlightError::TooSmall { what: "a ring", .. })));
    let nowhere = FlightSettings { folder: Path::new("/dev/null/flight").into(), ..folder.settings() };
    assert!(matches!(start(&nowhere, 1), Err(FlightError::Io { .. })));
}

proptest! {
    #[test]
    fn any_cut_and_any_flipped_bit_ends_in_a_cut_tail_after_whole_records(cut: prop::sample::Index, flip: Option<u8>) {
        let folder = Folder::new("cut");
        let (mut recorders, thread) = start(&folder.settings(), 1).unwrap();
        let payloads: Vec<Vec<u8>> = (0..20_u8).map(|one| vec![one; usize::from(one) * 7]).collect();
        payloads.iter().zip(0..).for_each(|(payload, time)| recorders[0].record(bytes(time, payload)));
        drop(thread);
        let mut file = fs::read(folder.file(0)).unwrap();
        let start_of_records = file.len() - payloads.iter().map(|p| p.len() + record::HEADER_BYTES).sum::<usize>();
        let place = start_of_records + cut.index(file.len() - start_of_records);
        match flip {
            Some(bit) => file[place] ^= 1 << (bit % 8),
            None => file.truncate(place),
        }
        fs::write(folder.file(0), &file).unwrap();
        let log = folder.log();
        let mut whole = start_of_records;
        let mut expected = Vec::new();
        for (payload, time) in payloads.iter().zip(0..) {
            let end = whole + record::HEADER_BYTES + payload.len();
            if end > place {
                break;
            }
            expected.push(Replayed::Entry(bytes(time, payload)));
            whole = end;
        }
        let path = folder.file(0);
        if whole < file.len() {
            expected.push(Replayed::CutTail { path: &path, at: whole, bytes: file.len() - whole });
        }
        prop_assert_eq!(log.records().collect::<Vec<_>>(), expected);
    }
}

//! The room against ledgers that a stellar-core has made.

use super::*;
use crate::wire::recording::Recording;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use stellar_xdr::WriteXdr as _;

/// A folder that goes with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("archive-{}-{number}", std::process::id()));
        let _old = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first ledgers of a recording, from ledger 2 on.
fn recorded(seed: &str, count: usize) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/recordings/seed-{seed}.xdr.zst", env!("CARGO_MANIFEST_DIR"));
    let mut recording = Recording::open(File::open(path).unwrap(), 1 << 24).unwrap();
    let mut ledgers = Vec::new();
    while let Some(ledger) = recording.next_ledger().unwrap().filter(|_| ledgers.len() < count) {
        ledgers.push(ledger.to_vec());
    }
    assert_eq!(ledgers.len(), count);
    ledgers
}

const KEEPING: Keeping = Keeping { rotation: Rotation { ledgers: 5, bytes: u64::MAX }, keep_bytes: None };

fn recorder(folder: &Path) -> Recorder {
    Recorder::open(folder, KEEPING).unwrap().0
}

/// Records ledgers as one run does.
fn record(folder: &Path, ledgers: &[Vec<u8>]) {
    let mut pen = recorder(folder).pen().unwrap();
    for ledger in ledgers {
        pen.keep("here", ledger).unwrap();
    }
    pen.finish().unwrap();
}

fn read(origin: &Origin, range: Range) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let mut ledgers = origin.open(&Access::default(), range)?;
    let mut found = Vec::new();
    while let Some((_, ledger)) = ledgers.next_ledger()? {
        found.push(ledger.to_vec());
    }
    Ok(found)
}

fn kept(folder: &Path) -> Result<Vec<Vec<u8>>, ArchiveError> {
    read(&Origin::Recordings(folder.to_owned()), Range::default())
}

fn range(from: u32, to: u32) -> Range {
    Range { from: Some(from), to: Some(to) }
}

#[test]
fn what_is_recorded_is_read_again_to_the_byte_and_files_are_streams_of_core() {
    let (scratch, ledgers) = (Scratch::new(), recorded("01", 23));
    record(&scratch.0, &ledgers);
    assert_eq!(kept(&scratch.0).unwrap(), ledgers);
    assert_eq!(read(&Origin::Recordings(scratch.0.clone()), range(6, 17)).unwrap(), ledgers[4..16]);
    let index = Index::read(&scratch.0).unwrap();
    let ends: Vec<_> = index.files.iter().map(|file| (file.first, file.last, file.open)).collect();
    assert_eq!(ends, [(2, 6, false), (7, 11, false), (12, 16, false), (17, 21, false), (22, 24, false)]);
    // Each file is what core wrote, compressed.
    for file in &index.files {
        let mut recording = Recording::open(File::open(&file.path).unwrap(), 1 << 24).unwrap();
        for seq in file.first..=file.last {
            assert_eq!(recording.next_ledger().unwrap(), Some(&ledgers[seq as usize - 2][..]));
        }
        assert_eq!(recording.next_ledger().unwrap(), None);
    }
    assert_eq!(check(&scratch.0).unwrap(), 23);
}

#[test]
fn wherever_a_file_is_torn_every_whole_ledger_is_read_and_the_rest_is_cut_off() {
    let (scratch, ledgers) = (Scratch::new(), recorded("01", 4));
    record(&scratch.0, &ledgers);
    let finished = Index::read(&scratch.0).unwrap().files.remove(0).path;
    let content = fs::read(&finished).unwrap();
    fs::remove_file(&finished).unwrap();
    let frames: Vec<usize> = (1..=4)
        .map(|count| {
            let one = Scratch::new();
            record(&one.0, &ledgers[..count]);
            usize::try_from(Index::read(&one.0).unwrap().bytes()).unwrap()
        })
        .collect();
    let open = scratch.0.join("ledgers-0000000002.open.xdr.zst");
    let mut places: Vec<usize> = (0..content.len()).step_by(61).collect();
    places.extend(frames.iter().flat_map(|end| end - 1..=(end + 1).min(content.len())));
    for end in places {
        fs::write(&open, &content[..end]).unwrap();
        let whole = frames.iter().filter(|frame| **frame <= end).count();
        // A reader beside a recorder, or before it starts again.
        match kept(&scratch.0) {
            Ok(found) => assert_eq!(found, ledgers[..whole], "{end} bytes"),
            Err(error) => assert!(whole == 0 && error.to_string().contains("no recording"), "{end} bytes: {error}"),
        }
        let (recorder, mended) = Recorder::open(&scratch.0, KEEPING).unwrap();
        assert_eq!(mended.len(), 1);
        assert_eq!(mended[0].cut.is_some(), !frames.contains(&end) && end > 0, "{end} bytes: {mended:?}");
        let mut pen = recorder.pen().unwrap();
        for ledger in &ledgers {
            pen.keep("here", ledger).unwrap();
        }
        pen.finish().unwrap();
        assert_eq!(kept(&scratch.0).unwrap(), ledgers, "{end} bytes");
        for file in Index::read(&scratch.0).unwrap().files {
            zstd::decode_all(File::open(&file.path).unwrap()).unwrap();
            fs::remove_file(file.path).unwrap();
        }
    }
}

#[test]
fn a_flipped_byte_never_gives_another_ledger_and_is_named_with_its_file_and_place() {
    let (scratch, ledgers) = (Scratch::new(), recorded("01", 4));
    record(&scratch.0, &ledgers);
    let file = Index::read(&scratch.0).unwrap().files.remove(0).path;
    let content = fs::read(&file).unwrap();
    for at in (0..content.len()).step_by(37) {
        let mut damaged = content.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        match kept(&scratch.0) {
            // A bit of zstd's frame header may mean nothing for the content.
            Ok(found) => assert_eq!(found, ledgers, "byte {at}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(file.to_str().unwrap()), "{error}");
                assert!(error.contains("the frame at byte"), "{error}");
            }
        }
    }
}

#[test]
fn a_frame_that_announces_or_unpacks_to_too_much_is_refused_before_it_is_unpacked() {
    let scratch = Scratch::new();
    let path = scratch.0.join("ledgers-0000000002-0000000002.xdr.zst");
    let mark = (0x8000_0000_u32 | (1 << 30)).to_be_bytes();
    fs::write(&path, zstd::encode_all(&mark[..], 1).unwrap()).unwrap();
    let error = kept(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("announces 1073741824 bytes, more than"), "{error}");
    // Sixteen bytes are announced; what follows is not unpacked.
    let long = [&0x8000_0010_u32.to_be_bytes()[..], &vec![0; 1 << 24]].concat();
    fs::write(&path, zstd::encode_all(&long[..], 1).unwrap()).unwrap();
    let error = kept(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("more than the 16 bytes it announces"), "{error}");
}

#[test]
fn the_oldest_files_go_and_what_is_left_is_within_its_bound_and_whole() {
    let (scratch, ledgers) = (Scratch::new(), recorded("01", 188));
    let keeping = Keeping { keep_bytes: Some(60_000), ..KEEPING };
    let recorder = Recorder::open(&scratch.0, keeping).unwrap().0;
    let mut pen = recorder.pen().unwrap();
    let mut deleted = 0;
    for ledger in &ledgers {
        deleted += pen.keep("here", ledger).unwrap().deleted.len();
        let bytes: u64 = fs::read_dir(&scratch.0).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 60_000, "{bytes} bytes");
    }
    pen.finish().unwrap();
    assert!(deleted > 2);
    let ranges = Index::read(&scratch.0).unwrap().ranges();
    assert_eq!((ranges.len(), ranges[0].1), (1, 189));
    assert!(ranges[0].0 > 2, "{ranges:?}");
    assert_eq!((recorder.ranges(), recorder.gaps()), (ranges.clone(), vec![]));
    assert_eq!(kept(&scratch.0).unwrap(), ledgers[ranges[0].0 as usize - 2..]);
    // What was deleted is not taken again.
    assert!(!pen.keep("here", &ledgers[0]).unwrap().new);
}

#[test]
fn one_process_records_into_a_folder() {
    let scratch = Scratch::new();
    let first = recorder(&scratch.0);
    let error = Recorder::open(&scratch.0, KEEPING).unwrap_err();
    assert!(matches!(error, ArchiveError::Locked(_)), "{error}");
    drop(first);
    Recorder::open(&scratch.0, KEEPING).unwrap();
}

#[test]
fn ledgers_of_another_network_are_not_taken() {
    let (scratch, ours, theirs) = (Scratch::new(), recorded("01", 12), recorded("02", 12));
    record(&scratch.0, &ours[..5]);
    let mut pen = recorder(&scratch.0).pen().unwrap();
    let error = pen.keep("tcp://core:1", &theirs[5]).unwrap_err().to_string();
    assert!(error.starts_with("tcp://core:1: ledger 7 names") && error.contains("two networks"), "{error}");
    let error = pen.keep("tcp://core:1", &theirs[4]).unwrap_err().to_string();
    assert!(error.contains("there are two ledgers 6"), "{error}");
    let mut changed = ours[5].clone();
    changed[45] ^= 1;
    let error = pen.keep("tcp://core:1", &changed).unwrap_err().to_string();
    assert!(error.contains("ledger 7: its header hashes to"), "{error}");
    drop(pen);
    assert_eq!(kept(&scratch.0).unwrap(), ours[..5]);
}

#[test]
fn a_gap_is_named_with_what_to_do() {
    let (scratch, ledgers) = (Scratch::new(), recorded("01", 20));
    record(&scratch.0, &ledgers[..5]);
    record(&scratch.0, &ledgers[9..14]);
    let error = kept(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("does not have ledger 7: 7 to 10 are missing there"), "{error}");
    let origin = Origin::Recordings(scratch.0.clone());
    assert_eq!(read(&origin, range(11, 15)).unwrap(), ledgers[9..14]);
    let error = read(&origin, range(14, 30)).unwrap_err().to_string();
    assert!(error.contains("does not have ledger 16: it ends there, and ledgers up to 30"), "{error}");
    let error = read(&origin, range(30, 14)).unwrap_err().to_string();
    assert!(error.contains("the first is after the last"), "{error}");
}

/// Writes ledgers, the first of them ledger 2, as a data lake.
fn lake(folder: &Path, ledgers: &[Vec<u8>], per_batch: u32, per_partition: u32, extension: &str) {
    let config = format!(
        r#"{{"networkPassphrase": "a network", "version": "1.0", "compression": "zstd",
            "ledgersPerBatch": {per_batch}, "batchesPerPartition": {per_partition}}}"#
    );
    fs::write(folder.join(".config.json"), &config).unwrap();
    let schema = Schema::read("here", config.as_bytes()).unwrap();
    let mut rest = ledgers;
    let mut next = 2;
    while !rest.is_empty() {
        let (_, last) = schema.batch_of(next);
        let (now, later) = rest.split_at((last + 1 - next).min(u32::try_from(rest.len()).unwrap()) as usize);
        let path = folder.join(format!("{}{extension}", schema.object_of(next)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, zstd::encode_all(&batch(next, now)[..], 3).unwrap()).unwrap();
        (rest, next) = (later, last + 1);
    }
}

fn batch(first: u32, ledgers: &[Vec<u8>]) -> Vec<u8> {
    use stellar_xdr::{LedgerCloseMeta, LedgerCloseMetaBatch, Limits, ReadXdr};
    let decoded = |ledger: &Vec<u8>| LedgerCloseMeta::from_xdr(ledger, Limits::none()).unwrap();
    let metas: Vec<_> = ledgers.iter().map(decoded).collect();
    let end_sequence = first + u32::try_from(ledgers.len()).unwrap() - 1;
    let ledger_close_metas = metas.try_into().unwrap();
    LedgerCloseMetaBatch { start_sequence: first, end_sequence, ledger_close_metas }.to_xdr(Limits::none()).unwrap()
}

#[test]
fn lakes_of_every_layout_give_what_was_put_into_them() {
    let ledgers = recorded("01", 44);
    for (per_batch, per_partition, extension) in
        [(1, 64_000, ".xdr.zst"), (1, 10, ".xdr.zst"), (8, 2, ".xdr.zstd"), (16, 1, ".xdr.zst"), (1, 1, ".xdr.zst")]
    {
        let scratch = Scratch::new();
        // The last batch of a lake is whole: 44 ledgers from 2 to 45, or as many as whole batches have.
        let whole = (46 / per_batch * per_batch - 2) as usize;
        lake(&scratch.0, &ledgers[..whole], per_batch, per_partition, extension);
        let origin = Origin::Lake(scratch.0.display().to_string());
        assert_eq!(read(&origin, Range::default()).unwrap(), ledgers[..whole], "{per_batch}, {per_partition}");
        assert_eq!(read(&origin, range(5, 27)).unwrap(), ledgers[3..26]);
        assert_eq!(scratch.0.to_str().unwrap().parse(), Ok(origin));
    }
}

#[test]
fn what_is_wrong_with_a_lake_is_named_with_its_object() {
    let (scratch, ledgers, others) = (Scratch::new(), recorded("01", 30), recorded("02", 30));
    lake(&scratch.0, &ledgers, 1, 64_000, ".xdr.zst");
    let origin = Origin::Lake(scratch.0.display().to_string());
    let object = |ledger: u32| {
        let name = format!("FFFFFFFF--0-63999/{:08X}--{ledger}.xdr.zst", u32::MAX - ledger);
        scratch.0.join(name)
    };
    let says = |ledger: u32, content: &[u8], says: &str| {
        let good = fs::read(object(ledger)).unwrap();
        File::create(object(ledger)).unwrap().write_all(content).unwrap();
        let error = read(&origin, range(2, 31)).unwrap_err().to_string();
        let place = object(ledger).display().to_string();
        assert!(error.starts_with(&place) && error.contains(says), "{error}");
        fs::write(object(ledger), good).unwrap();
    };
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    says(9, b"not zstd", "cannot be unpacked");
    says(9, &packed(&batch(9, &ledgers[7..8]))[..50], "cannot be unpacked");
    says(9, &packed(b"nor this is a batch"), "not a LedgerCloseMetaBatch");
    says(9, &packed(&batch(8, &ledgers[6..7])), "begins with ledger 8, but ledger 9 belongs there");
    says(9, &packed(&batch(9, &ledgers[6..7])), "ledger 8 stands where ledger 9 was expected");
    says(9, &packed(&batch(9, &others[7..8])), "they are of two networks");
    // 300 million zeros in a few thousand bytes.
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(0), 300 << 20), 1).unwrap();
    assert!(bomb.len() < 100_000);
    says(9, &bomb, "unpacks to more than the 268435456 bytes");
    fs::remove_file(object(9)).unwrap();
    let error = read(&origin, range(2, 31)).unwrap_err().to_string();
    assert!(error.contains("FFFFFFF6--9.xdr.zst does not have ledger 9: there is no such object"), "{error}");
    fs::remove_file(scratch.0.join(".config.json")).unwrap();
    let error = read(&origin, range(2, 31)).unwrap_err().to_string();
    assert!(error.contains(".config.json: is not there"), "{error}");
}

#[test]
fn a_gap_is_filled_and_a_place_of_another_network_is_given_up() {
    let (scratch, ledgers, others) = (Scratch::new(), recorded("01", 30), recorded("02", 30));
    let (good, bad) = (Scratch::new(), Scratch::new());
    lake(&good.0, &ledgers, 1, 64_000, ".xdr.zst");
    record(&bad.0, &others);
    record(&scratch.0, &ledgers[..5]);
    record(&scratch.0, &ledgers[20..]);
    let recorder = recorder(&scratch.0);
    assert_eq!(recorder.gaps(), [(7, 21)]);
    let filled_from = |place: &Scratch| {
        let origin = place.0.to_str().unwrap().parse().unwrap();
        let backfill = Backfill::start(&recorder, origin, Access::default()).unwrap();
        let news = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            backfill.news().next()
        });
        let told = news.take(4_000).flatten().next().unwrap();
        let _last = backfill.stop();
        told
    };
    match filled_from(&bad) {
        News::GivenUp(error) => assert!(error.to_string().contains("two networks"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(recorder.gaps(), [(7, 21)]);
    assert!(matches!(filled_from(&good), News::Filled(7, 21, 15)));
    assert_eq!(kept(&scratch.0).unwrap(), ledgers);
}

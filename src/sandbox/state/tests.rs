//! Worlds that are kept, stopped at any moment, and go on.

use super::super::engine::EngineAccount;
use super::super::traders::{Activity, Crowd};
use super::super::world::{World, WorldConfig, close_time_s};
use super::{StateConfig, StateDir, StateError, log};
use crate::events::UtcNanos;
use crate::stellar::{AccountId, MarketId};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use stellar_xdr::{Hash, LedgerEntry, Limits, WriteXdr};

const SECOND: u64 = 1_000_000_000;

/// A directory of a test's own, removed with it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sandbox-state-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn config(&self) -> StateConfig {
        StateConfig { snapshot_every: 10, ..StateConfig::new(self.0.join("state")) }
    }

    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.join("state")).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(seed: u64) -> WorldConfig {
    let mut config = WorldConfig::new(seed, EngineAccount::without_trustlines(AccountId([7; 32])));
    config.activity = Activity::Of(Crowd::ALL);
    config.markets = 2;
    config
}

/// A world that is kept as a sandbox keeps it.
struct Run {
    world: World,
    state: StateDir,
    /// What was logged before this run.
    before: usize,
}

impl Run {
    fn start(keep: StateConfig, config: &WorldConfig) -> Result<Self, StateError> {
        let (mut state, kept) = StateDir::open(keep, &config.identity())?;
        let before = kept.as_ref().map_or(0, |kept| kept.ledgers.len());
        let world = match kept {
            Some(kept) => World::resume(config, kept).unwrap(),
            None => {
                let mut world = World::new(config).unwrap();
                for (meta, ledger) in world.take_founding().iter().zip(2..) {
                    state.keep_founding(ledger, meta)?;
                }
                state.snapshot(world.ledger(), &world.notes())?;
                world
            }
        };
        Ok(Self { world, state, before })
    }

    fn new(directory: &Directory, seed: u64) -> Self {
        fs::create_dir_all(&directory.0).unwrap();
        Self::start(directory.config(), &config(seed)).unwrap()
    }

    fn close_many(&mut self, count: usize) {
        for _ in 0..count {
            self.close();
        }
    }

    fn close(&mut self) -> Hash {
        next(&mut self.world, |world, meta| {
            let ledger = world.ledger().header().ledger_seq;
            self.state.keep(ledger, meta, &world.notes()).unwrap();
            if self.state.wants_snapshot(ledger) {
                self.state.snapshot(world.ledger(), &world.notes()).unwrap();
            }
        })
    }
}

/// Moves the reference and closes a ledger, five seconds after the last.
fn next(world: &mut World, keep: impl FnOnce(&World, &[u8])) -> Hash {
    let from = close_time_s(world.ledger());
    let swing = f64::from(u32::try_from(from / 5 % 17).unwrap()) - 8.0;
    world.set_reference(MarketId(0), 0.1 * (1.0 + swing / 1000.0));
    world.set_reference(MarketId(1), 7.0 * (1.0 - swing / 700.0));
    let closed = world.close(from + 5).unwrap();
    keep(world, &closed.bytes);
    world.ledger().hash()
}

fn entries(world: &World) -> Vec<Vec<u8>> {
    let xdr = |entry: LedgerEntry| entry.to_xdr(Limits::none()).unwrap();
    let mut all: Vec<_> = world.ledger().entries().map(xdr).collect();
    all.sort();
    all
}

fn log_bytes(directory: &Directory) -> u64 {
    directory.files("ledgers").iter().map(|file| fs::metadata(file).unwrap().len()).sum()
}

fn chop(path: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

#[test]
fn a_world_that_was_stopped_goes_on_to_the_last_hash_as_one_that_was_not() {
    let directory = Directory::new();
    let mut whole = World::new(&config(3)).unwrap();
    let mut expected: Vec<Hash> = Vec::new();
    let mut seen = Vec::new();
    for ledgers in [17, 1, 25, 10] {
        let mut run = Run::new(&directory, 3);
        assert_eq!(run.world.ledger().hash(), whole.ledger().hash());
        assert_eq!(entries(&run.world), entries(&whole));
        for _ in 0..ledgers {
            expected.push(next(&mut whole, |_, _| {}));
            seen.push(run.close());
        }
    }
    assert_eq!(seen.len(), 53);
    let first = seen.iter().zip(&expected).position(|(seen, expected)| seen != expected);
    assert_eq!(first, None, "the worlds part here");
}

#[test]
fn prices_and_random_streams_go_on_where_they_were() {
    let directory = Directory::new();
    let mut run = Run::new(&directory, 3);
    let from = close_time_s(run.world.ledger());
    for quarter in 0..100 {
        while run.world.reference_tick(UtcNanos(from * SECOND + quarter * SECOND / 4)).is_some() {}
    }
    next(&mut run.world, |world, meta| {
        run.state.keep(world.ledger().header().ledger_seq, meta, &world.notes()).unwrap();
    });
    let notes = run.world.notes();
    drop(run);
    assert_eq!(Run::new(&directory, 3).world.notes(), notes);
}

#[test]
fn what_was_logged_is_shown_again_from_the_founding_on() {
    let directory = Directory::new();
    let mut run = Run::new(&directory, 3);
    run.close_many(12);
    let last = run.world.ledger().header().ledger_seq;
    drop(run);
    assert_eq!(Run::new(&directory, 3).before, usize::try_from(last - 1).unwrap());
}

#[test]
fn a_founding_that_was_cut_off_begins_anew() {
    let directory = Directory::new();
    drop(Run::new(&directory, 3));
    for snapshot in directory.files("snapshot") {
        fs::remove_file(snapshot).unwrap();
    }
    chop(&directory.files("ledgers")[0], 100);
    let mut run = Run::new(&directory, 3);
    assert_eq!(run.before, 0);
    run.close();
}

#[test]
fn another_seed_number_of_markets_or_passphrase_is_refused_and_harms_nothing() {
    let directory = Directory::new();
    let mut run = Run::new(&directory, 3);
    let last = run.close();
    drop(run);
    let refusal = |change: fn(&mut WorldConfig)| {
        let mut other = config(3);
        change(&mut other);
        match Run::start(directory.config(), &other).map(|_| ()) {
            Err(StateError::Differs { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(|config| config.seed = 4), "seed");
    assert_eq!(refusal(|config| config.markets = 3), "number of markets");
    assert_eq!(refusal(|config| config.network_passphrase = "Another".into()), "passphrase");
    assert_eq!(refusal(|config| config.activity = Activity::None), "traders");
    assert_eq!(Run::new(&directory, 3).world.ledger().hash(), last);
}

#[test]
fn one_process_at_a_time_and_nobody_elses_files() {
    let directory = Directory::new();
    let run = Run::new(&directory, 3);
    let again = Run::start(directory.config(), &config(3)).map(|_| ());
    assert!(matches!(again, Err(StateError::InUse(_))), "{again:?}");
    drop(run);
    let foreign = StateConfig::new(directory.0.join("foreign"));
    fs::create_dir(&foreign.directory).unwrap();
    fs::write(foreign.directory.join("letter.txt"), "dear").unwrap();
    let refused = Run::start(foreign, &config(3)).map(|_| ());
    assert!(matches!(refused, Err(StateError::Foreign { .. })), "{refused:?}");
    let nowhere = Run::start(StateConfig::new("/nonexistent/state".into()), &config(3)).map(|_| ());
    assert!(matches!(nowhere, Err(StateError::Io { what: "make", .. })), "{nowhere:?}");
    for file in directory.files("") {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
    }
}

#[test]
fn what_is_on_the_disk_stays_within_its_bound() {
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    let bounded = StateConfig { max_log_bytes: 200_000, ..directory.config() };
    let mut run = Run::start(bounded.clone(), &config(3)).unwrap();
    let mut sizes = vec![log_bytes(&directory)];
    for _ in 0..150 {
        let mut size = 0;
        next(&mut run.world, |world, meta| {
            size = meta.len() as u64 + 4;
            run.state.keep(world.ledger().header().ledger_seq, meta, &world.notes()).unwrap();
        });
        if run.state.wants_snapshot(run.world.ledger().header().ledger_seq) {
            run.state.snapshot(run.world.ledger(), &run.world.notes()).unwrap();
        }
        sizes.push(size);
        assert!(directory.files("snapshot").len() <= 2);
        // What the older of two snapshots needs, and the segment that grows; or the bound, and that segment.
        let recent = |count: usize| sizes.iter().rev().take(count).sum::<u64>();
        let bound = recent(30).max(bounded.max_log_bytes + recent(10));
        assert!(log_bytes(&directory) <= bound, "{} bytes, {bound} are allowed", log_bytes(&directory));
    }
    let (last, hash) = (run.world.ledger().header().ledger_seq, run.world.ledger().hash());
    drop(run);
    // With the newest snapshot gone bad, the older one and the log lead to the same.
    let newest = directory.files("snapshot").pop().unwrap();
    chop(&newest, 1);
    let run = Run::start(bounded, &config(3)).unwrap();
    assert_eq!((run.world.ledger().header().ledger_seq, run.world.ledger().hash()), (last, hash));
    assert!((10..100).contains(&run.before), "{}", run.before);
}

#[test]
fn a_snapshot_whose_ledgers_are_lost_goes_on_alone_and_so_does_the_run_after() {
    let directory = Directory::new();
    let mut run = Run::new(&directory, 3);
    run.close_many(10);
    let (ledger, hash) = (run.world.ledger().header().ledger_seq, run.world.ledger().hash());
    drop(run);
    fs::remove_file(directory.files("ledgers").pop().unwrap()).unwrap();
    let mut run = Run::start(directory.config(), &config(3)).unwrap();
    assert_eq!((run.before, run.world.ledger().hash()), (0, hash));
    run.close_many(3);
    let hash = run.world.ledger().hash();
    drop(run);
    let run = Run::start(directory.config(), &config(3)).unwrap();
    assert_eq!((run.before, run.world.ledger().header().ledger_seq), (3, ledger + 3));
    assert_eq!(run.world.ledger().hash(), hash);
}

#[test]
fn ledgers_that_do_not_follow_one_another_are_refused() {
    let directory = Directory::new();
    let mut run = Run::new(&directory, 3);
    run.close_many(14);
    drop(run);
    let segments = directory.files("ledgers");
    assert!(segments.len() > 1);
    let opened = |spoil: &dyn Fn()| {
        let saved: Vec<_> = segments.iter().map(|path| fs::read(path).unwrap()).collect();
        spoil();
        let result = Run::start(directory.config(), &config(3)).map(|_| ());
        segments.iter().zip(saved).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        result
    };
    let missing_end = opened(&|| chop(&segments[0], 5));
    assert!(matches!(missing_end, Err(StateError::Damaged { .. })), "{missing_end:?}");
    let flipped = opened(&|| {
        // In the header of the segment's first ledger.
        let mut bytes = fs::read(&segments[1]).unwrap();
        bytes[60] ^= 1;
        fs::write(&segments[1], bytes).unwrap();
    });
    assert!(matches!(flipped, Err(StateError::Unchained { .. })), "{flipped:?}");
    let missing = opened(&|| fs::write(&segments[1], b"").unwrap());
    assert!(matches!(missing, Err(StateError::Unchained { .. })), "{missing:?}");
    assert!(opened(&|| {}).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever part of the last record reached the disk: the ledger before it is the last, and the next one follows.
    #[test]
    fn a_torn_record_is_cut_off(closed in 1_usize..25, torn in any::<prop::sample::Index>()) {
        let directory = Directory::new();
        let mut run = Run::new(&directory, 5);
        let mut hashes = vec![run.world.ledger().hash()];
        hashes.extend((0..closed).map(|_| run.close()));
        let before = entries(&run.world);
        // The next ledger's write does not come to its end.
        let (last, mut size) = (run.world.ledger().header().ledger_seq, 0);
        next(&mut run.world, |world, meta| {
            run.state.keep(last + 1, meta, &world.notes()).unwrap();
            size = meta.len() as u64 + 4;
        });
        drop(run);
        chop(&directory.files("ledgers").pop().unwrap(), 1 + torn.index(usize::try_from(size).unwrap()) as u64);
        let mut run = Run::new(&directory, 5);
        prop_assert_eq!(run.world.ledger().hash(), hashes.last().unwrap().clone());
        prop_assert_eq!(entries(&run.world), before);
        run.close();
        prop_assert_eq!(&run.world.ledger().header().previous_ledger_hash, hashes.last().unwrap());
        drop(run);
        let (_, logged) = log::Log::open(&directory.0.join("state")).unwrap();
        prop_assert_eq!(logged.len(), usize::try_from(last).unwrap());
    }
}

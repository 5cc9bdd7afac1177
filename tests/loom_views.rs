//! The views' sequence lock under loom, which runs every interleaving, and every value that the memory model lets a
//! relaxed load return, up to a bound on preemptions.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release --test loom_views`
#![cfg(loom)]

use loom::thread;
use stellar_connector::events::views::{ViewLimits, ViewsHeader, views};

/// The header alone, of five words: enough to be torn.
const LIMITS: ViewLimits = ViewLimits { markets: 0, accounts: 0, assets: 0, offers_per_account: 0 };

const PREEMPTIONS: usize = 3;

fn header(ledger: u32) -> ViewsHeader {
    let close_time_s = u64::from(ledger);
    ViewsHeader {
        ledger,
        protocol: ledger,
        close_time_s,
        base_fee: ledger,
        base_reserve: ledger,
        whole: ledger,
        reserved: 0,
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

#[test]
fn loom_a_reader_never_sees_torn_data() {
    explore(|| {
        let (mut writer, reader) = views(LIMITS);
        let writing = thread::spawn(move || (1..=2).for_each(|ledger| writer.publish(|p| p.header(&header(ledger)))));
        if let Some(seen) = reader.read(|r| r.header()) {
            assert_eq!(seen, header(seen.ledger), "all words are of one ledger");
        }
        writing.join().unwrap();
        assert_eq!(reader.read(|r| r.header()), Some(header(2)), "what was published is seen once the writer is done");
    });
}

#[test]
fn loom_a_reader_never_goes_back() {
    explore(|| {
        let (mut writer, reader) = views(LIMITS);
        let writing = thread::spawn(move || writer.publish(|p| p.header(&header(1))));
        let first = reader.read(|r| r.header().ledger);
        let second = reader.read(|r| r.header().ledger);
        if let (Some(first), Some(second)) = (first, second) {
            assert!(first <= second);
        }
        writing.join().unwrap();
    });
}

#[test]
fn loom_an_equal_even_version_means_equal_views() {
    explore(|| {
        let (mut writer, reader) = views(LIMITS);
        let writing = thread::spawn(move || writer.publish(|p| p.header(&header(1))));
        let before = reader.version();
        let first = reader.read(|r| r.header());
        let second = reader.read(|r| r.header());
        if reader.version() == before && before % 2 == 0 {
            assert_eq!(first, second);
        }
        writing.join().unwrap();
    });
}

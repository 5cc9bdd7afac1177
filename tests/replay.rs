//! `replay` against recordings whose content is known, and against a plain decoding of the same bytes by `stellar-xdr`.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

mod decoded;
mod recorded;

use decoded::Decoded;
use serde_json::Value;
use std::path::{Path, PathBuf};
use stellar_connector::commands::replay::{Args, InputArgs, ReplayError, Summary, replay, run};

const SEED_01: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/seed-01.xdr.zst");

fn seed_01() -> PathBuf {
    PathBuf::from(SEED_01)
}

fn replayed(files: &[PathBuf]) -> Summary {
    let (summary, stopped) = replay(files);
    stopped.unwrap();
    summary
}

fn json(files: &[PathBuf]) -> Value {
    let mut out = Vec::new();
    run(&Args { files: files.to_vec(), input: InputArgs::default(), json: true, flight: None }, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// What a summary says, in the words of the plain decoding.
fn as_decoded(summary: &Summary) -> Decoded {
    let mut decoded = Decoded {
        ledgers: summary.ledgers,
        transactions: summary.transactions,
        failed: summary.failed_transactions,
        undone: (summary.undone.book, summary.undone.pool),
        ..Decoded::default()
    };
    for market in &summary.markets {
        let name = (market.market.base.to_string(), market.market.quote.to_string());
        decoded.markets.insert(
            name,
            decoded::Market {
                book_claims: market.traded.book_claims,
                pool_claims: market.traded.pool_claims,
                base: market.traded.base,
                quote: market.traded.quote,
                last_trade: market.last_trade.map(|trade| (trade.base.0, trade.quote.0)),
            },
        );
    }
    decoded
}

#[test]
fn the_pubnet_ledger_holds_exactly_what_is_known_of_it() {
    let Some(file) = recorded::beside().into_iter().find(|file| file.ends_with("FCD285FF--53312000.xdr.zstd")) else {
        return;
    };
    let found = json(&[file]);
    let counts = ["ledgers", "transactions", "failed_transactions", "book_claims", "pool_claims"];
    assert_eq!(counts.map(|key| found[key].as_u64().unwrap()), [1, 163, 62, 12, 18]);
    assert_eq!((&found["first_ledger"], &found["last_ledger"]), (&53_312_000.into(), &53_312_000.into()));
    let trades: u64 =
        found["markets"].as_array().unwrap().iter().map(|market| market["trades"].as_u64().unwrap()).sum();
    // One of the book claims stands in the results of a transaction that failed at a later operation.
    assert_eq!((trades, &found["undone_book_claims"], &found["undone_pool_claims"]), (29, &1.into(), &0.into()));
}

#[test]
fn every_recording_is_counted_as_a_plain_decoding_counts_it() {
    for file in recorded::committed().into_iter().chain(recorded::beside()) {
        let summary = replayed(std::slice::from_ref(&file));
        let decoded = Decoded::of(&file);
        let mut found = as_decoded(&summary);
        // Markets that have offers and no trades are found too; the decoding counts trades only.
        found.markets.retain(|_, market| market.book_claims + market.pool_claims > 0);
        assert_eq!(found, decoded, "{}", file.display());
    }
}

#[test]
fn at_the_end_of_a_recording_from_the_beginning_stand_the_offers_that_core_left() {
    for file in recorded::committed() {
        let summary = replayed(std::slice::from_ref(&file));
        let standing = decoded::standing_offers(&file);
        assert_eq!(summary.offers, standing.len() as u64, "{}", file.display());
        for market in &summary.markets {
            let name = |asset: stellar_connector::stellar::Asset| asset.to_string();
            let best = |selling: String, buying: String| {
                let offers = standing.values().filter(|offer| offer.selling == selling && offer.buying == buying);
                offers.map(|offer| offer.price).min_by(|a, b| a.cmp_exact(*b))
            };
            let (base, quote) = (name(market.market.base), name(market.market.quote));
            let lowest_terms = |price: Option<stellar_connector::stellar::Price>| price.map(decoded::reduced);
            assert_eq!(lowest_terms(market.best_ask), lowest_terms(best(base.clone(), quote.clone())));
            assert_eq!(lowest_terms(market.best_bid), lowest_terms(best(quote, base).map(|price| price.inverse())));
        }
    }
}

/// Our own recordings that are not committed, where they are to be had.
fn core_19() -> Vec<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors");
    let folder =
        std::env::var_os("STELLAR_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from).join("core-19");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no recordings in {}; set STELLAR_VECTORS", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "zst"));
    files.sort();
    files
}

#[test]
fn what_the_recorder_noted_is_what_a_replay_finds() {
    for file in recorded::committed().into_iter().chain(core_19()) {
        let manifest = file.to_str().unwrap().replace(".xdr.zst", ".manifest.json");
        let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
        let noted = |keys: &[&str]| keys.iter().fold(&manifest, |value, key| &value[key]).as_u64().unwrap_or(0);
        let claims = |fate| {
            let kind = |kind| noted(&["claim_atoms", fate, kind]);
            (kind("CLAIM_ATOM_TYPE_ORDER_BOOK"), kind("CLAIM_ATOM_TYPE_LIQUIDITY_POOL"))
        };
        let summary = replayed(std::slice::from_ref(&file));
        let (first, last) = summary.range.unwrap();
        assert_eq!((u64::from(first.0), u64::from(last.0)), (noted(&["first_ledger"]), noted(&["last_ledger"])));
        assert_eq!((summary.ledgers, summary.transactions), (noted(&["ledgers"]), noted(&["txs"])));
        assert_eq!(summary.offers, noted(&["final", "offers"]), "{}", file.display());
        let (all, undone) = (summary.claims(), summary.undone);
        assert_eq!((all.book - undone.book, all.pool - undone.pool), claims("committed"), "{}", file.display());
        assert_eq!((undone.book, undone.pool), claims("rolled_back"), "{}", file.display());
    }
}

/// A recording's content, and where each of its records begins.
fn plain(file: &Path) -> (Vec<u8>, Vec<usize>) {
    let content = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    let mut starts = Vec::new();
    let mut at = 0;
    while at < content.len() {
        starts.push(at);
        let mark = u32::from_be_bytes(content[at..at + 4].try_into().unwrap());
        at += 4 + usize::try_from(mark & 0x7fff_ffff).unwrap();
    }
    (content, starts)
}

/// A file that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("replay-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_plain_recording_in_two_files_is_one_recording() {
    let (content, starts) = plain(&seed_01());
    let half = starts[starts.len() / 2];
    let first = Scratch::new("first.xdr", &content[..half]);
    let second = Scratch::new("second.xdr", &content[half..]);
    assert_eq!(json(&[first.path(), second.path()]), json(&[seed_01()]));
}

#[test]
fn recordings_that_have_nothing_to_do_with_each_other_are_added_up() {
    let twice = json(&[seed_01(), seed_01()]);
    let once = json(&[seed_01()]);
    for key in ["ledgers", "transactions", "failed_transactions", "book_claims", "pool_claims"] {
        assert_eq!(twice[key].as_u64().unwrap(), once[key].as_u64().unwrap() * 2, "{key}");
    }
    for (two, one) in twice["markets"].as_array().unwrap().iter().zip(once["markets"].as_array().unwrap()) {
        assert_eq!(two["trades"].as_u64().unwrap(), one["trades"].as_u64().unwrap() * 2);
        assert_eq!((&two["best_bid"], &two["best_ask"]), (&one["best_bid"], &one["best_ask"]));
    }
}

/// Replays damaged content: what is summarised must be what stands before the damage, and the error must name the place.
fn assert_damage(name: &str, content: &[u8], good: usize, offset: usize, says: &str) {
    let damaged = Scratch::new(name, content);
    let (summary, stopped) = replay(&[damaged.path()]);
    let error = stopped.unwrap_err().to_string();
    let last = good + 1;
    let file = damaged.path().display().to_string();
    let place = format!("ledger {} (after {last}, at byte {offset})", last + 1);
    for part in [file.as_str(), place.as_str(), says] {
        assert!(error.contains(part), "'{error}' lacks '{part}'");
    }
    assert_eq!(summary.ledgers, good as u64);
    let (whole, starts) = plain(&seed_01());
    let intact = Scratch::new(&format!("{name}.intact"), &whole[..starts[good]]);
    let mut found = as_decoded(&summary);
    let mut wanted = as_decoded(&replayed(&[intact.path()]));
    found.markets.retain(|_, market| *market != decoded::Market::default());
    wanted.markets.retain(|_, market| *market != decoded::Market::default());
    assert_eq!(found, wanted);
}

#[test]
fn a_truncated_recording_is_summarised_as_far_as_it_goes() {
    let (content, starts) = plain(&seed_01());
    assert_damage("cut.xdr", &content[..starts[100] + 1000], 100, starts[100], "ended inside the record");
    assert_damage("cut-mark.xdr", &content[..starts[100] + 2], 100, starts[100], "ended inside the record");
}

#[test]
fn a_corrupt_ledger_is_named_and_nothing_of_it_is_counted() {
    let (mut content, starts) = plain(&seed_01());
    // The number of SCP entries, near the ledger's end: all that was traded in it has been read by then.
    content[starts[101] - 4..starts[101]].fill(0xff);
    assert_damage("corrupt.xdr", &content, 100, starts[100], "not a LedgerCloseMeta");
}

#[test]
fn a_ledger_that_the_feed_refuses_is_named() {
    use stellar_xdr::{LedgerEntryData, Limits, WriteXdr};
    let (mut content, starts) = plain(&seed_01());
    // An offer's price becomes zero, wherever the ledger tells it: XDR that decodes, of a ledger that cannot be.
    let ledger = content[starts[100] + 4..starts[101]].to_vec();
    let offer = decoded::offers_changed(&ledger).pop().unwrap();
    let entry = LedgerEntryData::Offer(offer.clone()).to_xdr(Limits::none()).unwrap();
    let price_at = entry.len() - 16; // Price, flags and extension are its last 16 bytes.
    let found = (starts[100]..starts[101] - entry.len()).filter(|at| content[*at..].starts_with(&entry));
    for at in found.collect::<Vec<_>>() {
        content[at + price_at..at + price_at + 4].fill(0);
    }
    assert_damage("price.xdr", &content, 100, starts[100], "the feed refused the ledger (bad_value)");
}

#[test]
fn a_lying_record_mark_is_named() {
    let (mut content, starts) = plain(&seed_01());
    content[starts[100]] = 0x7f;
    assert_damage("mark.xdr", &content, 100, starts[100], "record mark");
}

#[test]
fn truncated_compression_is_named() {
    let compressed = std::fs::read(SEED_01).unwrap();
    let cut = Scratch::new("cut.xdr.zst", &compressed[..compressed.len() / 2]);
    let (summary, stopped) = replay(&[cut.path()]);
    assert!(matches!(stopped, Err(ReplayError::Recording { .. })));
    assert!(summary.ledgers > 0 && summary.ledgers < 188);
}

#[test]
fn what_is_no_recording_is_refused_with_its_name() {
    let cases: [(&str, &[u8], &str); 3] =
        [("empty", b"", "empty"), ("text", b"{\"ledgers\": 1}  ", "LedgerCloseMetaBatch"), ("short", b"ab", "")];
    for (name, content, says) in cases {
        let file = Scratch::new(name, content);
        let error = replay(&[file.path()]).1.unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()) && error.contains(says), "{error}");
    }
    let (summary, stopped) = replay(&[PathBuf::from("/nowhere/at-all.xdr")]);
    assert!(matches!(stopped, Err(ReplayError::Open { .. })));
    assert_eq!(summary.ledgers, 0);
}

#[test]
fn the_object_has_the_promised_keys_and_exact_numbers() {
    let found = json(&[seed_01()]);
    let market = &found["markets"][0];
    for key in ["ledgers", "transactions", "failed_transactions", "book_claims", "pool_claims"] {
        assert!(found[key].is_u64(), "{key}");
    }
    for key in ["base", "quote", "base_volume", "quote_volume", "last_price"] {
        assert!(market[key].is_string(), "{key}: {market}");
    }
    assert!(market["trades"].is_u64());
    assert!(market.get("best_bid").is_some() && market.get("best_ask").is_some());
    let (n, d) = market["last_price"].as_str().unwrap().split_once('/').unwrap();
    assert!(n.parse::<i64>().unwrap() > 0 && d.parse::<i64>().unwrap() > 0);
}

#[test]
fn people_get_a_header_and_a_market_a_line() {
    let mut out = Vec::new();
    run(&Args { files: vec![seed_01()], input: InputArgs::default(), json: false, flight: None }, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "188 ledgers (2 to 189), 993 transactions (272 failed), 1435 book claims, 228 pool claims (449 undone with failed transactions)"
    );
    assert!(lines[1].starts_with("market ") && lines[1].ends_with("best ask"));
    assert_eq!(lines.len(), 2 + replayed(&[seed_01()]).markets.len());
}

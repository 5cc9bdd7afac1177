//! The demo as a person runs it: the summary, a stage that panics, a flight that is replayed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

fn engine(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stellar-connector")).args(arguments).output().unwrap()
}

fn demo(more: &[&str]) -> Output {
    engine(&[&["demo", "--listen", "127.0.0.1:0", "--close-every", "200ms"], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last_line(output: &Output) -> Value {
    serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap()
}

#[test]
fn the_summary_has_what_was_promised_and_no_quote_is_left() {
    for placement in ["fused", "split"] {
        let output = demo(&["--for", "6s", "--json", "--placement", placement]);
        assert!(output.status.success(), "{placement}: {}", text(&output.stderr));
        let summary = last_line(&output);
        assert_eq!(summary["seed"], 7);
        for counted in ["/ledgers", "/transactions/submitted", "/transactions/applied", "/fills"] {
            assert!(summary.pointer(counted).unwrap().as_u64().unwrap() > 0, "{placement}: {counted} in {summary}");
        }
        assert!(summary["transactions"]["failed"].is_u64());
        assert!(summary["quoted_time_ratio"].as_f64().unwrap() > 0.3, "{placement}: {summary}");
        assert!(summary["profit_loss"].as_str().unwrap().parse::<f64>().is_ok());
        for percentile in ["p50", "p99", "max", "count"] {
            assert!(summary["tick_to_wire_ns"][percentile].as_u64().unwrap() > 0, "{placement}: {percentile}");
        }
    }
}

#[test]
fn when_a_stage_panics_a_process_of_its_own_takes_the_quotes_down() {
    for (stage, placement) in [("feed", "split"), ("book", "fused"), ("strategy", "split"), ("execution", "fused")] {
        let fault = format!("{stage}@3s");
        let output = demo(&["--for", "60s", "--placement", placement, "--fault", &fault]);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{stage}: {said}{errors}");
        assert!(errors.contains("a stage found a state that must never be"), "{stage}: {errors}");
        assert!(errors.contains("cancel-all has taken its quotes down"), "{stage}: {errors}");
        assert!(said.contains("no offer stands"), "{stage}: {said}");
    }
}

#[test]
fn when_the_signer_is_not_to_be_trusted_the_quotes_are_taken_down_and_it_ends() {
    let output = demo(&["--for", "60s", "--fault", "signer@3s"]);
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{errors}");
    let wanted = "a signature does not verify; the quotes were cancelled by the stock signer, and 0 still stand";
    assert!(errors.contains(wanted), "{errors}");
    assert!(said.contains("our bid 0.") && said.lines().last().unwrap().contains("our bid -"), "{said}");
}

#[test]
fn a_flight_is_replayed_to_the_same_transactions() {
    let folder: PathBuf = std::env::temp_dir().join(format!("demo-flight-{}", std::process::id()));
    let output = demo(&["--for", "4s", "--json", "--placement", "fused", "--flight", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let flown = engine(&["replay", "--json", "--flight", folder.to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(flown.status.success(), "{}", text(&flown.stderr));
    let (summary, flown) = (last_line(&output), last_line(&flown));
    assert_eq!((&flown["from_start"], &flown["missing"]), (&Value::Bool(true), &Value::from(0)));
    let transactions = flown["transactions"].as_array().unwrap();
    assert_eq!(transactions.len() as u64, summary["transactions"]["submitted"].as_u64().unwrap());
    assert!(transactions.len() > 3);
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_was_wanted() {
    for (arguments, wanted) in [
        (&["--for", "soon"][..], "'soon'"),
        (&["--close-every", "0s"], "'0s'"),
        (&["--placement", "sideways"], "sideways"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--fault", "nothing"], "feed, book, strategy, execution, signer"),
    ] {
        let output = engine(&[&["demo"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(wanted), "{arguments:?}: {}", text(&output.stderr));
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = engine(&["demo", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&address), "{}", text(&output.stderr));
    assert_eq!(engine(&["replay", "--flight", "/nowhere/at/all"]).status.code(), Some(1));
}

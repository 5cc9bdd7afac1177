//! A flight recorder's record of an engine that ran on real threads, behind real sockets, makes the same stages send the
//! same unsigned transactions again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};
use stellar_connector::commands::demo::{demo_signer, parts};
use stellar_connector::commands::engine::Engine;
use stellar_connector::commands::flight::replay;
use stellar_connector::events::{Control, ExecutionEvent};
use stellar_connector::pipeline::flight::{FlightLog, FlightSettings, Run, start};
use stellar_connector::pipeline::placement::{PlanRequest, Spread};
use stellar_connector::pipeline::run::Observation;
use stellar_connector::sandbox::{CloseRule, EngineAccount, Sandbox, SandboxConfig, WorldConfig};
use stellar_connector::signer::Signer;
use stellar_connector::stellar::TxHash;

const SEED: u64 = 5;
const CLOSE_EVERY: Duration = Duration::from_millis(100);

fn sandbox() -> Sandbox {
    let key = demo_signer(SEED).public_key();
    let account = EngineAccount::with_trustlines(key, |hash| demo_signer(SEED).sign_hash(&TxHash(*hash)));
    let mut config = SandboxConfig::new(WorldConfig::new(SEED, account));
    config.close = CloseRule::Every(CLOSE_EVERY);
    Sandbox::start(config).unwrap()
}

/// Runs an engine until it has sent so many transactions, and gives their hashes.
fn fly(spread: Spread, folder: &std::path::Path, sandbox: &Sandbox, wanted: usize) -> Vec<TxHash> {
    let request = PlanRequest { spread, wait: None };
    let parts = parts(SEED, CLOSE_EVERY, &request, sandbox).unwrap();
    let settings = FlightSettings {
        folder: folder.to_owned(),
        segment_bytes: 64 << 20,
        ring_bytes: 4 << 20,
        configuration: b"test".to_vec(),
    };
    let (recorders, flight) = start(&settings, parts.plan.threads.len()).unwrap();
    let mut engine = Engine::start(parts, recorders, |_| Box::new(|_| {})).unwrap();
    let begin = Instant::now();
    let (mut sent, mut stopping) = (Vec::new(), None);
    while begin.elapsed() < Duration::from_secs(60) {
        while let Some(observation) = engine.observations.pop() {
            if let Observation::Execution(ExecutionEvent::Submitted(submission)) = observation {
                sent.push(submission.hash);
            }
        }
        if sent.len() >= wanted && stopping.is_none() {
            engine.tell(Control::CancelAll);
            stopping = Some(Instant::now());
        }
        if stopping.is_some_and(|since| since.elapsed() > CLOSE_EVERY * 6) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    engine.stop().unwrap();
    assert_eq!(flight.status().lost_records(), 0);
    drop(flight);
    assert!(sent.len() >= wanted, "only {} transactions were sent in a minute", sent.len());
    sent
}

fn what_was_flown_flies_again(spread: Spread) {
    let folder = std::env::temp_dir().join(format!("flight-replay-{}-{spread:?}", std::process::id()));
    let sandbox = sandbox();
    let sent = fly(spread, &folder, &sandbox, 12);
    let log = FlightLog::open(&folder, Run::Last).unwrap();
    assert!(log.is_from_start());
    let request = PlanRequest { spread: Spread::Fused, wait: None };
    let again = parts(SEED, CLOSE_EVERY, &request, &sandbox).unwrap();
    let flown = replay(&log, again, sandbox.engine_account()).unwrap();
    sandbox.stop();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(flown.missing, 0);
    let hashes: Vec<_> = flown.submissions.iter().map(|submission| submission.hash).collect();
    match spread {
        // The order of inputs is the order in which one thread took them: everything follows from it.
        Spread::Fused => assert_eq!(hashes, sent),
        // Threads overtake each other by microseconds: an answer may be seen before or after the decision beside it, and
        // what follows then differs. Every input is there, and the same stages trade on it.
        _ => assert!(hashes.len() * 2 >= sent.len(), "{} of {} transactions", hashes.len(), sent.len()),
    }
}

#[test]
fn a_fused_engines_flight_sends_the_same_unsigned_transactions() {
    what_was_flown_flies_again(Spread::Fused);
}

#[test]
fn a_split_engines_flight_is_replayed_fused() {
    what_was_flown_flies_again(Spread::Split);
}

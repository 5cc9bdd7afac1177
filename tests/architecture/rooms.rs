//! The rooms under `src`: who may know whom, what a stage must not ask for, and where `unsafe` stands.

use super::source::{Source, library};

/// What a room may know of the others.
enum Knows {
    /// These rooms.
    Only(&'static [&'static str]),
    /// All: it puts the house together.
    All,
}
use Knows::{All, Only};

/// The arrows. A stage reads what `book` and `account` publish through `events::views`, so it needs no arrow to them;
/// `book` and `account` are one box of the picture, and `execution` alone signs.
const ROOMS: &[(&str, Knows)] = &[
    // The words.
    ("stellar", Only(&[])),
    ("events", Only(&["stellar"])),
    ("wire", Only(&["stellar"])),
    // The stages.
    ("feed", Only(&["stellar", "events", "wire", "net"])),
    ("book", Only(&["stellar", "events", "wire", "account"])),
    ("account", Only(&["stellar", "events", "wire"])),
    ("strategy", Only(&["stellar", "events", "wire"])),
    ("risk", Only(&["stellar", "events", "wire"])),
    ("execution", Only(&["stellar", "events", "wire", "net", "signer"])),
    // What carries them. The pipeline knows stages through their trait, which is in `events`.
    ("signer", Only(&["stellar", "events"])),
    ("net", Only(&["stellar", "events"])),
    ("pipeline", Only(&["stellar", "events", "net"])),
    // What stands beside the line.
    // Configuration gives out endpoints, and a signer instead of a secret.
    ("config", Only(&["stellar", "events", "pipeline", "net", "signer"])),
    // Kept ledgers: files, and servers that are asked by a blocking client.
    ("archive", Only(&["wire"])),
    ("observe", Only(&["stellar", "events", "pipeline"])),
    ("sandbox", Only(&["stellar", "events", "wire", "net", "signer", "pipeline"])),
    ("commands", All),
];

/// Rooms whose code gets everything handed in: the same input gives the same output, on a thread, fused, or in a
/// simulation.
const DETERMINISTIC: &[&str] =
    &["stellar", "events", "wire", "feed", "book", "account", "strategy", "risk", "execution"];

/// What those rooms must not mention, and what they do instead.
const AMBIENT: &[(&str, &str)] = &[
    ("std::time::Instant", "time is handed in as `events::Now`"),
    ("std::time::SystemTime", "time is handed in as `events::Now`"),
    ("std::time::UNIX_EPOCH", "time is handed in as `events::Now`"),
    ("std::thread", "`pipeline` starts threads"),
    ("std::net", "`net` holds sockets; a stage gets and gives bytes"),
    ("mio", "`net` holds sockets; a stage gets and gives bytes"),
    ("rustls", "`net` holds sockets; a stage gets and gives bytes"),
    ("rustix", "`pipeline` and `net` talk to the system"),
    ("core_affinity", "`pipeline` talks to the system"),
    ("std::env", "`config` reads the environment"),
    ("std::process", "`commands` ends the process"),
    ("std::sync::Mutex", "a stage owns its state; nothing on the line locks"),
    ("std::sync::RwLock", "a stage owns its state; nothing on the line locks"),
    ("std::sync::Condvar", "a stage owns its state; nothing on the line locks"),
    ("parking_lot", "a stage owns its state; nothing on the line locks"),
    ("rand", "randomness is handed in as a seed"),
    ("rand_chacha", "randomness is handed in as a seed"),
    ("getrandom", "randomness is handed in as a seed"),
    ("std::hash::RandomState", "the order must be the same in every run: `rustc_hash`"),
    ("std::collections::hash_map::RandomState", "the order must be the same in every run: `rustc_hash`"),
    ("std::collections::HashMap", "the order must be the same in every run: `rustc_hash::FxHashMap`"),
    ("std::collections::HashSet", "the order must be the same in every run: `rustc_hash::FxHashSet`"),
    ("print!", "a stage counts, `observe` tells"),
    ("println!", "a stage counts, `observe` tells"),
    ("eprint!", "a stage counts, `observe` tells"),
    ("eprintln!", "a stage counts, `observe` tells"),
    ("tracing", "a stage counts, `observe` tells"),
];

/// The only files with `unsafe`, each with its reason.
const UNSAFE: &[(&str, &str)] = &[
    ("src/pipeline/allocations.rs", "a global allocator that counts can only be written with it"),
    ("src/signer/precomputed/vault.rs", "memory that a fork finds empty and a dump leaves out is mapped with it"),
];

fn strangers(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    let Some((_, knows)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: the room `{room}` is not in the table of who may know whom", source.file)];
    };
    let Only(known) = knows else { return Vec::new() };
    let ours = source.mentions().into_iter().filter(|mention| mention.ours);
    ours.filter_map(|mention| {
        let other = mention.path.first()?;
        let allowed = other == room || known.contains(&other.as_str());
        (!allowed).then(|| format!("{}:{}: `{room}` must not know `{other}`", source.file, mention.line))
    })
    .collect()
}

fn ambient(source: &Source) -> Vec<String> {
    if !source.room().is_some_and(|room| DETERMINISTIC.contains(&room)) {
        return Vec::new();
    }
    let theirs = source.mentions().into_iter().filter(|mention| !mention.ours);
    theirs
        .filter_map(|mention| {
            let (banned, instead) = AMBIENT.iter().find(|(banned, _)| reaches(&mention.path, banned))?;
            Some(format!("{}:{}: {banned} has no place here: {instead}", source.file, mention.line))
        })
        .collect()
}

/// Whether a path is the banned thing, lies within it, or brings it under another name (`use std::time;`). A single
/// word may be anybody's variable; only a macro is banned by it.
fn reaches(path: &[String], banned: &str) -> bool {
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    let banned: Vec<_> = banned.split("::").collect();
    match path.as_slice() {
        [name] | ["std", name] if name.ends_with('!') => banned == [*name],
        [_] => false,
        path => path.starts_with(&banned) || banned.starts_with(path),
    }
}

fn unsafe_code(source: &Source) -> Vec<String> {
    if UNSAFE.iter().any(|(file, _)| *file == source.file) {
        return Vec::new();
    }
    let lines = source.unsafe_lines().into_iter();
    lines.map(|line| format!("{}:{line}: `unsafe` in a file that is not in the list", source.file)).collect()
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_room_knows_only_whom_it_may_know() {
    let sources = library();
    assert!(sources.len() > ROOMS.len(), "too few sources were found: {}", sources.len());
    assert_none(&sources.iter().flat_map(strangers).collect::<Vec<_>>());
}

#[test]
fn every_room_of_the_table_is_there() {
    let sources = library();
    for (room, _) in ROOMS {
        assert!(sources.iter().any(|source| source.room() == Some(*room)), "there is no room `{room}` under src");
    }
}

#[test]
fn a_stage_asks_for_no_clock_thread_socket_lock_or_randomness_and_prints_nothing() {
    assert_none(&library().iter().flat_map(ambient).collect::<Vec<_>>());
}

#[test]
fn unsafe_stands_only_where_the_list_says() {
    let sources = library();
    assert_none(&sources.iter().flat_map(unsafe_code).collect::<Vec<_>>());
    for (file, reason) in UNSAFE {
        let needs_it = sources.iter().any(|source| source.file == *file && !source.unsafe_lines().is_empty());
        assert!(needs_it, "{file} is in the list ({reason}), but has no `unsafe`: strike it");
    }
}

#[test]
fn the_arrows_of_the_design_are_in_the_table() {
    let stages = ["feed", "book", "account", "strategy", "risk", "execution"];
    for (room, knows) in ROOMS {
        let Only(known) = knows else { continue };
        assert!(!known.contains(&"commands"), "`{room}` knows `commands`, which puts the house together");
        assert!(!known.contains(&"sandbox"), "`{room}` knows `sandbox`, which only `commands` may");
        let of_stages: Vec<_> = known.iter().filter(|other| stages.contains(*other)).collect();
        assert!(of_stages.is_empty() || *room == "book", "`{room}` knows the stages {of_stages:?}");
        let sockets = stages.contains(room) && known.contains(&"net");
        assert!(!sockets || ["feed", "execution"].contains(room), "the stage `{room}` knows `net`");
    }
}

#[test]
fn a_planted_arrow_is_found() {
    for (file, code) in [
        ("src/stellar/price.rs", "use crate::events::Now;"),
        ("src/events/views.rs", "fn f() -> crate::book::Book { loop {} }"),
        ("src/wire/http.rs", "use crate::{stellar::Price, events::ConnId};"),
        ("src/book/levels.rs", "use super::super::feed::Feed;"),
        ("src/strategy/mod.rs", "use super::risk;"),
        ("src/risk/mod.rs", "mod inner { use super::super::book::Book; }"),
        ("src/strategy/mod.rs", "use crate::net::Connections;"),
        ("src/feed/mod.rs", "macro_rules! m { () => { $crate::sandbox::Ledger } }"),
        ("src/pipeline/placement.rs", "use crate::execution::Execution;"),
        ("src/observe/page.rs", "use crate::sandbox;"),
        ("src/cellar/mod.rs", ""),
    ] {
        assert_eq!(strangers(&Source::new(file, code)).len(), 1, "{file}: {code}");
    }
    assert_eq!(
        strangers(&Source::new("src/book/levels.rs", "\n\nuse crate::feed::X;")),
        ["src/book/levels.rs:3: `book` must not know `feed`"]
    );
}

#[test]
fn an_arrow_that_the_design_has_is_let_through() {
    for (file, code) in [
        (
            "src/book/mod.rs",
            "use crate::{account::A, events::*, stellar::Price}; use crate::book::levels; pub(crate) fn f() {}",
        ),
        ("src/execution/mod.rs", "use crate::signer::Key; use crate::net::Port;"),
        ("src/risk/mod.rs", "#[cfg(test)] mod tests { use crate::sandbox::Ledger; }"),
        ("src/commands/demo.rs", "use crate::{sandbox, feed, execution};"),
    ] {
        assert_none(&strangers(&Source::new(file, code)));
    }
}

#[test]
fn a_planted_clock_thread_socket_lock_random_number_or_print_is_found() {
    for code in [
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "use std::{io, time::Instant as Clock};",
        "use std::time;",
        "use std::time::*;",
        "fn f() { std::thread::sleep(d) }",
        "fn f(s: std::net::TcpStream) {}",
        "use std::sync::{Arc, Mutex};",
        "use std::collections::HashMap;",
        "use parking_lot::Mutex;",
        "fn f() -> u64 { rand::random() }",
        "fn f() { println!(\"a\") }",
        "fn f() { std::eprintln!(\"a\") }",
        "fn f() { if true { tracing::info!(\"a\") } }",
        "use tracing::info;",
    ] {
        assert_eq!(ambient(&Source::new("src/book/mod.rs", code)).len(), 1, "{code}");
    }
}

#[test]
fn time_as_a_value_tests_and_other_rooms_are_let_through() {
    for (file, code) in [
        ("src/book/mod.rs", "use std::time::Duration; use std::sync::Arc; use std::collections::BTreeMap;"),
        ("src/book/mod.rs", "#[cfg(test)] mod tests { use std::time::Instant; fn f() { println!(\"a\") } }"),
        ("src/book/mod.rs", "fn f(print: bool, rand: u8) -> bool { print != (rand == 1) }"),
        ("src/pipeline/clock.rs", "use std::time::Instant;"),
    ] {
        assert_none(&ambient(&Source::new(file, code)));
    }
}

#[test]
fn a_planted_unsafe_block_is_found_in_tests_too() {
    let code = "#![expect(unsafe_code)]\n#[cfg(test)] mod tests { fn f() { unsafe { g() } } }";
    let found = unsafe_code(&Source::new("src/book/mod.rs", code));
    assert_eq!(found, ["src/book/mod.rs:2: `unsafe` in a file that is not in the list"]);
    assert_none(&unsafe_code(&Source::new("src/book/mod.rs", "// unsafe\nconst A: &str = \"unsafe\";")));
}

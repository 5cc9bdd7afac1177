//! The resolved dependency tree: no async runtime anywhere in it, whatever brings it.

use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::process::Command;

/// What `deny.toml` bans: async runtimes, executors and reactors among it.
fn banned() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let deny: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let names = deny["bans"]["deny"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// What `cargo` resolves for a manifest: all features, all platforms, build and test dependencies.
fn metadata(manifest: &Path) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every package of the tree with the shortest way to it from the root.
fn ways(metadata: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: HashMap<_, _> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let needs: HashMap<_, Vec<_>> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (text(&node["id"]), node["deps"].as_array().unwrap().iter().map(|d| text(&d["pkg"])).collect()))
        .collect();
    let root = text(&metadata["resolve"]["root"]);
    let mut ways = HashMap::from([(root.clone(), vec![names[&root].clone()])]);
    let mut queue = VecDeque::from([root]);
    while let Some(package) = queue.pop_front() {
        let way = ways[&package].clone();
        for need in &needs[&package] {
            if !ways.contains_key(need) {
                ways.insert(need.clone(), way.iter().chain([&names[need]]).cloned().collect());
                queue.push_back(need.clone());
            }
        }
    }
    ways.into_values().collect()
}

/// The ways that end at a banned package.
fn ways_to_banned(ways: &[Vec<String>]) -> Vec<String> {
    let banned = banned();
    let ends_badly = |way: &&Vec<String>| way.last().is_some_and(|name| banned.contains(name));
    ways.iter().filter(ends_badly).map(|way| way.join(" → ")).collect()
}

#[test]
fn no_async_runtime_is_in_the_dependency_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The fuzz targets are a workspace of their own.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"].map(|name| root.join(name)).iter().filter(|path| path.exists()) {
        let ways = ways(&metadata(manifest));
        for known in ["mio", "rustls", "stellar-xdr"] {
            assert!(ways.iter().any(|way| way.last().is_some_and(|name| name == known)), "the tree lacks {known}");
        }
        let found = ways_to_banned(&ways);
        assert!(found.is_empty(), "banned by deny.toml, but in the dependency tree:\n{}", found.join("\n"));
    }
}

#[test]
fn the_runtimes_that_everybody_knows_are_banned() {
    let banned = banned();
    for name in [
        "tokio",
        "async-std",
        "smol",
        "async-io",
        "async-executor",
        "futures-executor",
        "actix-rt",
        "glommio",
        "monoio",
        "embassy-executor",
    ] {
        assert!(banned.iter().any(|other| other == name), "deny.toml does not ban {name}");
    }
}

#[test]
fn a_runtime_deep_in_the_tree_is_named_with_the_way_to_it() {
    let package = |name: &str| json!({ "id": format!("{name} 1"), "name": name });
    let node = |name: &str, deps: &[&str]| {
        let deps: Vec<_> = deps.iter().map(|dep| json!({ "pkg": format!("{dep} 1") })).collect();
        json!({ "id": format!("{name} 1"), "deps": deps })
    };
    let metadata = json!({
        "packages": [package("house"), package("client"), package("hyper"), package("tokio"), package("mio")],
        "resolve": {
            "root": "house 1",
            "nodes": [
                node("house", &["mio", "client"]),
                node("client", &["hyper"]),
                node("hyper", &["tokio", "mio"]),
                node("tokio", &["mio"]),
                node("mio", &[]),
            ],
        },
    });
    assert_eq!(ways_to_banned(&ways(&metadata)), ["house → client → hyper → tokio"]);
}

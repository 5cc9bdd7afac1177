//! What lies where at the top, and what no tracked file may hold.

use std::path::Path;
use std::process::Command;

/// The top level, as the design names it.
const TOP_LEVEL: &[&str] = &[
    ".ci/run",
    ".editorconfig",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "benches/README.md",
    "clippy.toml",
    "deny.toml",
    "fuzz/Cargo.toml",
    "hummingbot/README.md",
    "k8s/base/kustomization.yaml",
    "k8s/overlays/development/kustomization.yaml",
    "k8s/overlays/production/kustomization.yaml",
    "rustfmt.toml",
    "scripts/test.sh",
    "src/lib.rs",
    "src/main.rs",
    "tests",
    "tuning/README.md",
];

/// Folders of the machine that a file was written on. In two parts, so that this file does not hold them itself.
const MACHINE_FOLDERS: &[[&str; 2]] = &[["/wo", "rk/"], ["/ro", "ot/"]];

fn tracked_files() -> Vec<String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let files = String::from_utf8(output.stdout).unwrap();
    files.split_terminator('\0').map(str::to_owned).collect()
}

/// The first machine folder in `content` that stands as an absolute path (and not within another path or an address).
fn machine_folder(content: &[u8]) -> Option<String> {
    MACHINE_FOLDERS.iter().map(|parts| parts.concat()).find(|folder| {
        let places = content.windows(folder.len()).enumerate().filter(|(_, window)| window == &folder.as_bytes());
        places
            .map(|(at, _)| at.checked_sub(1).map(|before| content[before]))
            .any(|before| !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"._-/~$})".contains(&byte)))
    })
}

#[test]
fn everything_that_the_design_names_is_at_the_top() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let missing: Vec<_> = TOP_LEVEL.iter().filter(|name| !root.join(name).exists()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn no_tracked_file_holds_a_path_of_the_machine_it_was_written_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = tracked_files();
    assert!(files.iter().any(|file| file == "Cargo.toml"), "git lists {} files, and no Cargo.toml", files.len());
    let found: Vec<_> = files
        .iter()
        .filter_map(|file| Some((file, machine_folder(&std::fs::read(root.join(file)).ok()?)?)))
        .map(|(file, folder)| format!("{file}: {folder}"))
        .collect();
    assert!(found.is_empty(), "paths of a machine in tracked files:\n{}", found.join("\n"));
}

#[test]
fn a_planted_path_is_found_and_an_address_is_not() {
    let [work, root] = [MACHINE_FOLDERS[0].concat(), MACHINE_FOLDERS[1].concat()];
    assert_eq!(machine_folder(format!("see {work}main/x").as_bytes()), Some(work.clone()));
    assert_eq!(machine_folder(format!("{root}x").as_bytes()), Some(root.clone()));
    assert_eq!(machine_folder(format!("\"{root}.cargo\"").as_bytes()), Some(root));
    assert_eq!(machine_folder(format!("https://example.org{work}x").as_bytes()), None);
    assert_eq!(machine_folder(b"$HOME/work, ~/work/x"), None);
}

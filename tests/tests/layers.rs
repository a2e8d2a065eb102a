//! The house as its source shows it: who may use whom, and which file alone imports what.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn crates_use_only_what_is_left_of_them() {
    let order = ["policy", "protocol", "sim", "node"];
    for (at, name) in order.iter().enumerate() {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for right in &order[at..] {
            let package = if *right == "node" {
                "datacoop.workspace".into()
            } else {
                format!("datacoop-{right}.workspace")
            };
            assert!(!manifest.contains(&package), "{name} uses {right}");
        }
    }
}

#[test]
fn one_place_imports_each_heavy_library() {
    for (library, file) in [
        ("libp2p", "node/src/net.rs"),
        ("sled", "node/src/index.rs"),
        ("datafusion", "node/src/engine"),
        ("opendp", "node/src/noise.rs"),
        ("prio", "protocol/src/secagg.rs"),
        ("hpke", "protocol/src/seal.rs"),
        ("bincode", "protocol/src/wire.rs"),
    ] {
        let mut found = vec![];
        for folder in ["policy/src", "protocol/src", "sim/src", "node/src"] {
            sources(&root().join(folder), &mut found);
        }
        let uses = |path: &&PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.contains(&format!("{library}::")) || line.starts_with(&format!("use {library}")))
            })
        };
        let users: Vec<_> =
            found.iter().filter(uses).map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect();
        let besides_tests: Vec<_> =
            users.iter().filter(|path| !path.to_string_lossy().ends_with("_tests.rs")).collect();
        // A folder stands for all of its files.
        assert!(!besides_tests.is_empty(), "{library}");
        for user in besides_tests {
            assert!(user.starts_with(file), "{library}: {}", user.display());
        }
    }
}

#[test]
fn the_pure_crates_know_no_clock_dice_file_or_socket() {
    for folder in ["policy/src", "protocol/src", "sim/src"] {
        let mut found = vec![];
        sources(&root().join(folder), &mut found);
        for path in found {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                for banned in [
                    "Instant::now",
                    "SystemTime",
                    "HashMap",
                    "HashSet",
                    "std::fs",
                    "std::net",
                    "async fn",
                    "thread_rng",
                    "getrandom",
                ] {
                    assert!(!line.contains(banned), "{}: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_release_build_never_wraps_a_sum() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let profile = manifest.split("[profile.release]").nth(1).unwrap();
    assert!(profile.split("\n[").next().unwrap().contains("overflow-checks = true"));
}

#[test]
fn noise_comes_with_the_systems_randomness_and_exact_numerics() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(
        lock.contains("name = \"openssl-src\""),
        "opendp without use-openssl would draw from a thread's generator"
    );
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("opendp")).unwrap();
    assert!(line.contains("use-openssl"));
    for banned in ["idealized-numerics", "honest-but-curious", "untrusted", "floating-point"] {
        assert!(!line.contains(banned), "{banned}");
    }
}

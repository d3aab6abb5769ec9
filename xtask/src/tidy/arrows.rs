//! Which crate may stand on which, and what comes along with the small ones.

use std::process::Command;

use super::{files, read, root};

/// For each crate those of ours that it may name.
const MAY: &[(&str, &[&str])] = &[
    ("untrusted", &[]),
    ("metrics", &[]),
    ("kernels", &[]),
    ("optimizer", &[]),
    ("photo-weights", &[]),
    ("dataset", &["untrusted"]),
    ("hub", &["untrusted"]),
    ("model", &["kernels", "untrusted"]),
    ("lines", &["dataset"]),
    ("reader", &["dataset"]),
    ("pretrained", &["hub", "model", "dataset", "untrusted"]),
    ("classifier", &["pretrained", "model", "dataset", "untrusted"]),
    ("run-folder", &["metrics", "untrusted"]),
    ("report", &["run-folder", "metrics", "dataset", "untrusted"]),
    (
        "runner",
        &[
            "classifier",
            "optimizer",
            "metrics",
            "pretrained",
            "hub",
            "model",
            "dataset",
            "run-folder",
            "untrusted",
            "kernels",
        ],
    ),
    (
        "tune",
        &[
            "runner",
            "report",
            "dataset",
            "metrics",
            "optimizer",
            "run-folder",
            "model",
            "untrusted",
        ],
    ),
];

/// Crates, what asks for them, and what must not come along with them.
const SMALL: &[(&str, &[&str])] = &[
    ("taper-classifier", &["clap", "indicatif", "ureq", "taper-optimizer", "taper-metrics"]),
    ("taper-dataset", &["candle-core", "clap", "indicatif", "ureq"]),
    ("taper-metrics", &["candle-core", "rayon", "clap"]),
    ("taper-report", &["candle-core", "clap", "ureq"]),
    ("taper-run-folder", &["candle-core", "clap", "ureq"]),
    ("taper-reader", &["candle-core", "clap", "ureq"]),
    ("taper-lines", &["candle-core", "clap", "ureq"]),
    ("taper-optimizer", &["taper-model", "taper-dataset", "clap", "ureq"]),
];

/// Names of ours in the tables of dependencies that a build of the crate needs.
fn ours(manifest: &str) -> Vec<String> {
    let mut is_needed = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_needed = line == "[dependencies]";
        } else if let Some(rest) = line.strip_prefix("taper-").filter(|_| is_needed) {
            found.extend(rest.split(['.', ' ', '=']).next().map(str::to_string));
        }
    }
    found
}

pub fn arrows() -> Vec<String> {
    let mut found = Vec::new();
    for path in files("crates", "Cargo.toml") {
        let name = path.split('/').nth(1).unwrap_or_default();
        if name == "cli" {
            continue;
        }
        match MAY.iter().find(|(known, _)| *known == name) {
            None => found.push(format!("{path}: xtask/src/tidy/arrows.rs does not place it")),
            Some((_, may)) => {
                let bad = ours(&read(&path)).into_iter().filter(|d| !may.contains(&d.as_str()));
                found.extend(bad.map(|d| format!("{path}: {name} must not know {d}")));
            }
        }
    }
    found
}

pub fn small_trees() -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut found = Vec::new();
    for (package, unwanted) in SMALL {
        let args = ["tree", "--offline", "-e", "normal", "--prefix", "none", "-p", package];
        let tree = Command::new(&cargo).args(args).current_dir(root()).output();
        let tree = match tree {
            Ok(tree) if tree.status.success() => String::from_utf8_lossy(&tree.stdout).into_owned(),
            Ok(tree) => {
                found.push(format!("{package}: {}", String::from_utf8_lossy(&tree.stderr)));
                continue;
            }
            Err(error) => {
                found.push(format!("{package}: {error}"));
                continue;
            }
        };
        let has = |name: &&&str| tree.lines().any(|line| line.split(' ').next() == Some(name));
        let bad = unwanted.iter().filter(has);
        found.extend(bad.map(|name| format!("{package} brings {name} along")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_those_that_a_build_needs() {
        let manifest = "[dependencies]\nserde = \"1\"\ntaper-hub.workspace = true\n\
            taper-model = { path = \"x\" }\n[dev-dependencies]\ntaper-lines.workspace = true\n";
        assert_eq!(ours(manifest), ["hub", "model"]);
    }
}

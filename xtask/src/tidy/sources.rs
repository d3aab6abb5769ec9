//! Checks of the sources, file by file and line by line.

use super::{is_test, read, sources, without_tests};

/// Files that are longer than 500 lines, and why.
const LONG: &[(&str, &str)] =
    &[("crates/untrusted/src/pickle.rs", "one machine, and the table of its instructions")];

/// Names that say nothing, or that have meant too much here.
const ODD_NAMES: &[&str] =
    &["Manager", "Handler", "Utils", "Util", "Helper", "Base", "Said", "Told", "InHand"];

/// A line of a source with its place, without what stands behind `//`.
fn code_lines(path: &str) -> Vec<(String, String)> {
    let text = read(path);
    let lines = without_tests(&text).lines().enumerate().map(|(at, line)| {
        let code = line.split("//").next().unwrap_or_default();
        (format!("{path}:{}", at + 1), code.to_string())
    });
    lines.collect()
}

pub fn module_docs() -> Vec<String> {
    let is_silent = |path: &String| {
        let text = read(path);
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        !first.starts_with("//!") && !first.starts_with("#![")
    };
    let silent = sources().into_iter().filter(|path| !is_test(path)).filter(is_silent);
    silent.map(|path| format!("{path} does not begin with what it is for (`//!`)")).collect()
}

pub fn printing() -> Vec<String> {
    let writes = ["println!", "eprintln!", "print!(", "io::stdout()", "io::stderr()", "dbg!"];
    let may = |path: &str| {
        let may = ["crates/cli/", "crates/runner/src/observe/"];
        may.iter().any(|folder| path.starts_with(folder))
            || path.contains("/examples/")
            || path.ends_with("/build.rs")
    };
    let mut found = Vec::new();
    for path in sources() {
        if !path.starts_with("crates/") || is_test(&path) || may(&path) {
            continue;
        }
        for (place, code) in code_lines(&path) {
            if writes.iter().any(|word| code.contains(word)) && !code.contains("is_terminal") {
                found.push(format!("{place}: a library prints nothing"));
            }
        }
    }
    found
}

pub fn unsafe_code() -> Vec<String> {
    let mut found = Vec::new();
    for path in sources().into_iter().filter(|path| !path.starts_with("crates/kernels/")) {
        for (place, code) in code_lines(&path) {
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if !code.contains('"') && words.into_iter().any(|word| word == "unsafe") {
                found.push(format!("{place}: `unsafe` is for crates/kernels"));
            }
        }
    }
    found
}

pub fn long_files() -> Vec<String> {
    let is_excused = |path: &str| LONG.iter().any(|(known, _)| *known == path);
    // Of tests, whose cases stand one after the other, a little more.
    let most = |path: &str| if is_test(path) { 650 } else { 500 };
    let long = sources().into_iter().filter(|path| !is_excused(path));
    let long = long.map(|path| (read(&path).lines().count(), path)).filter(|(n, p)| *n > most(p));
    long.map(|(lines, path)| format!("{path} has {lines} lines; split it")).collect()
}

pub fn odd_names() -> Vec<String> {
    let mut found = Vec::new();
    for path in sources() {
        for (place, code) in code_lines(&path) {
            let mut words = code.split_whitespace();
            let declares = words.any(|word| ["struct", "enum", "trait", "type"].contains(&word));
            let name = words.next().unwrap_or_default();
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if declares && ODD_NAMES.iter().any(|odd| name.ends_with(odd)) {
                found.push(format!("{place}: `{name}` says little; see docs/style.md"));
            }
        }
    }
    found
}

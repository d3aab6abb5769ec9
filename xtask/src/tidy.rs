//! `tidy`: the habits of `docs/style.md` and `docs/architecture.md` that a program can look at.
//!
//! Each check gives a line for each fault. `cargo xtask tidy` prints them, and a test asks for none.

mod arrows;
mod circles;
mod packages;
mod pages;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// What looks for one kind of fault.
type Check = fn() -> Vec<String>;

/// All checks, by what they look for.
const CHECKS: &[(&str, Check)] = &[
    ("module docs", sources::module_docs),
    ("printing in libraries", sources::printing),
    ("unsafe outside kernels", sources::unsafe_code),
    ("files over 500 lines", sources::long_files),
    ("odd names", sources::odd_names),
    ("circles of imports", circles::circles),
    ("arrows between crates", arrows::arrows),
    ("what small crates bring along", arrows::small_trees),
    ("packages that no registry takes", packages::too_large),
    ("lines of prose", pages::long_lines),
    ("odd words", pages::odd_words),
    ("marks of code blocks", pages::unmarked_blocks),
    ("links", pages::links),
    ("the book's pages", pages::book),
];

/// Prints what is wrong.
pub fn run() -> Result<()> {
    let mut count = 0;
    for (what, check) in CHECKS {
        for fault in check() {
            println!("{what}: {fault}");
            count += 1;
        }
    }
    match count {
        0 => Ok(()),
        _ => bail!("{count} faults"),
    }
}

/// All files below a folder of the checkout with one of the endings, in order, as paths below the checkout.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root().join(folder)];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                left.push(path);
            } else if name.ends_with(ending) {
                let path = path.strip_prefix(root()).unwrap_or(&path).to_path_buf();
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// A file of the checkout.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The sources of the workspace.
fn sources() -> Vec<String> {
    let all = ["crates", "xtask", "tests"].map(|folder| files(folder, ".rs"));
    all.concat()
}

/// A source without its module of tests, which stands last.
fn without_tests(text: &str) -> &str {
    let at = text.find("\n#[cfg(test)]\nmod ").or_else(|| text.find("\n#[cfg(test)]\n#[path"));
    &text[..at.unwrap_or(text.len())]
}

/// Whether a file holds tests alone.
fn is_test(path: &str) -> bool {
    let is_folder = |part: &str| ["tests", "end_to_end", "benches", "cuda"].contains(&part);
    let name = path.rsplit('/').next().unwrap_or_default();
    path.split('/').any(is_folder) || ["tests.rs", "golden.rs", "laws.rs"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_tidy() {
        let faults: Vec<String> = CHECKS
            .iter()
            .flat_map(|(what, check)| check().into_iter().map(move |f| format!("{what}: {f}")))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn files_are_found_below_the_checkout() {
        assert!(sources().contains(&"xtask/src/tidy.rs".to_string()));
        assert!(sources().len() > 300 && !sources().iter().any(|path| path.contains("target/")));
        assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n}\n"), "a");
        assert!(is_test("crates/model/tests/golden.rs") && !is_test("crates/model/src/lora.rs"));
    }
}

//! Files of a crate that import each other, directly or in a circle.
//!
//! What is read are the `use` statements outside tests. A name that a module passes on (`pub use`) counts as an import
//! of the file that it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, is_test, read, without_tests};

/// A module's path below its crate, such as `["recipe", "keys"]`.
type Module = Vec<String>;

/// Paths that a file imports, with the name that each gets.
type Imports = Vec<(String, Vec<String>)>;

pub fn circles() -> Vec<String> {
    let mut found = Vec::new();
    let folders: BTreeSet<String> = files("crates", "Cargo.toml")
        .iter()
        .filter_map(|path| Some(path.strip_suffix("Cargo.toml")?.to_string() + "src"))
        .chain(["xtask/src".to_string()])
        .collect();
    for folder in folders {
        let modules: BTreeMap<Module, Imports> = files(&folder, ".rs")
            .into_iter()
            .filter(|path| !is_test(path))
            .map(|path| {
                let module = module_of(path.strip_prefix(&folder).unwrap_or(&path));
                let text = read(&path);
                let imports = imports(without_tests(&text), &module);
                (module, imports)
            })
            .collect();
        let edges: BTreeMap<&Module, BTreeSet<Module>> = modules
            .iter()
            .map(|(module, imports)| {
                let to = imports.iter().filter_map(|(_, path)| target(path, &modules, 0));
                (module, to.filter(|to| to != module).collect())
            })
            .collect();
        found.extend(in_circles(&edges).into_iter().map(|circle| {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            format!("{folder}: {}", names.join(" <-> "))
        }));
    }
    found
}

fn module_of(path: &str) -> Module {
    let path = path.trim_start_matches('/').trim_end_matches(".rs");
    let parts = path.split('/').map(str::to_string);
    parts.filter(|part| !["lib", "main"].contains(&part.as_str())).collect()
}

/// What the `use` statements of a module name, from the crate's root on.
fn imports(text: &str, module: &Module) -> Imports {
    let mut found = Vec::new();
    let mut statement = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let begins = line.starts_with("use ")
            || line.starts_with("pub") && line.split_whitespace().any(|word| word == "use");
        if begins || !statement.is_empty() {
            statement += line.trim();
            statement.push(' ');
        }
        if statement.contains(';') {
            let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
            let tree = tree.split(';').next().unwrap_or_default();
            expand(tree, &[], &mut |path| found.extend(absolute(path, module)));
            statement.clear();
        }
    }
    found
}

/// Each path of a tree of imports.
fn expand(tree: &str, before: &[String], each: &mut impl FnMut(Vec<String>)) {
    let tree = tree.trim();
    match tree.split_once('{') {
        None => {
            let parts = tree.split("::").map(|part| part.trim().to_string());
            each(before.iter().cloned().chain(parts.filter(|part| !part.is_empty())).collect());
        }
        Some((head, rest)) => {
            let parts = head.split("::").map(|part| part.trim().to_string());
            let before: Vec<String> =
                before.iter().cloned().chain(parts.filter(|part| !part.is_empty())).collect();
            let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
            let (mut depth, mut start) = (0, 0);
            for (at, c) in inner.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        expand(&inner[start..at], &before, each);
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            if !inner[start..].trim().is_empty() {
                expand(&inner[start..], &before, each);
            }
        }
    }
}

/// A path from the crate's root on, with the name that it has here.
fn absolute(mut path: Vec<String>, module: &Module) -> Option<(String, Vec<String>)> {
    let last = path.last()?.clone();
    let (item, name) = last.split_once(" as ").unwrap_or((&last, &last));
    *path.last_mut()? = item.to_string();
    let mut base: Vec<String> = Vec::new();
    let first = path.first()?.clone();
    let rest = match first.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => {
            base = module.clone();
            path[1..].to_vec()
        }
        "super" => {
            base = module.clone();
            let ups = path.iter().take_while(|part| *part == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            path[ups..].to_vec()
        }
        // A child of this module, or another crate.
        _ => {
            base = module.clone();
            path
        }
    };
    let name = match (name, rest.len()) {
        ("self", n) if n > 1 => rest[n - 2].clone(),
        _ => name.to_string(),
    };
    let rest = rest.into_iter().filter(|part| part != "self");
    Some((name, base.into_iter().chain(rest).collect()))
}

/// The file that a path leads to, what it passes on followed.
fn target(path: &[String], modules: &BTreeMap<Module, Imports>, depth: usize) -> Option<Module> {
    let longest = (0..=path.len()).rev().find(|&n| modules.contains_key(&path[..n]))?;
    let module = path[..longest].to_vec();
    // The first part that is no file is an item of the module, or one that it passes on.
    if let Some(item) = path.get(longest).filter(|_| depth < 8) {
        let passed = modules[&module].iter().find(|(name, _)| name == item);
        match passed.map(|(_, path)| path).filter(|to| to.as_slice() != path) {
            Some(to) => return target(to, modules, depth + 1),
            // An item of this very file, or another crate's.
            None if longest == 0 && path.len() > 1 => return None,
            None => {}
        }
    }
    (!module.is_empty() || path.len() == 1).then_some(module)
}

/// Modules that are reached from themselves, each circle once.
fn in_circles(edges: &BTreeMap<&Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reached = |from: &Module| {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&Module> = edges.get(from).into_iter().flatten().collect();
        while let Some(module) = left.pop() {
            if seen.insert(module.clone()) {
                left.extend(edges.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|&module| (module, reached(module))).collect();
    let circle = |module: &&&Module| reach[**module].contains(**module);
    let circles = edges.keys().filter(circle).map(|&module| {
        let back = |other: &&Module| reach.get(*other).is_some_and(|r| r.contains(module));
        reach[module].iter().filter(back).cloned().collect::<BTreeSet<Module>>()
    });
    circles.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        module_of(path)
    }

    #[test]
    fn a_circle_is_found_also_through_a_name_that_is_passed_on() {
        let file = |path: &str, text: &str| (module(path), imports(text, &module(path)));
        let modules = BTreeMap::from([
            file("lib.rs", "mod a;\nmod b;\npub use b::{B, other as Other};\nuse serde::X;\n"),
            file("a.rs", "use crate::{B};\nuse std::fmt;\n"),
            file("b.rs", "mod c;\nuse self::c::C;\n"),
            file("b/c.rs", "use crate::a::A;\n"),
        ]);
        let to = |from: &str| {
            let imports = &modules[&module(from)];
            let to = imports.iter().filter_map(|(_, path)| target(path, &modules, 0));
            let to: BTreeSet<_> = to.filter(|to| *to != module(from)).collect();
            to.into_iter().map(|module| module.join("::")).collect::<Vec<_>>()
        };
        assert_eq!(to("a.rs"), ["b"]);
        assert_eq!(to("b.rs"), ["b::c"]);
        assert_eq!(to("b/c.rs"), ["a"]);
        let edges: BTreeMap<&Module, BTreeSet<Module>> = modules
            .iter()
            .map(|(from, imports)| {
                let to = imports.iter().filter_map(|(_, path)| target(path, &modules, 0));
                (from, to.filter(|to| to != from).collect())
            })
            .collect();
        let circle = BTreeSet::from([module("a.rs"), module("b.rs"), module("b/c.rs")]);
        assert_eq!(in_circles(&edges), [circle]);
    }
}

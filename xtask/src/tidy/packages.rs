//! What a registry takes.

use std::collections::BTreeMap;

use super::{files, root};

/// The most bytes that crates.io takes of one package, compressed. Weights and archives hardly get smaller, so
/// that a crate's files may have as many.
const LIMIT: u64 = 10 << 20;

/// Crates whose files are more than a registry takes.
pub fn too_large() -> Vec<String> {
    let length = |path: &String| std::fs::metadata(root().join(path)).map_or(0, |file| file.len());
    above(files("crates", "").into_iter().map(|path| (length(&path), path)), LIMIT)
}

fn above(files: impl Iterator<Item = (u64, String)>, limit: u64) -> Vec<String> {
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for (length, path) in files {
        let folder = path.split('/').take(2).collect::<Vec<_>>().join("/");
        *sizes.entry(folder).or_default() += length;
    }
    let large = sizes.into_iter().filter(|(_, bytes)| *bytes > limit);
    let told = |(folder, bytes)| {
        format!(
            "{folder} has files of {bytes} bytes, a registry takes {limit}; move some to a crate of their own"
        )
    };
    large.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_crate_count_together() {
        let files = [(6, "crates/a/src/lib.rs"), (5, "crates/a/assets/x"), (10, "crates/b/y")];
        let files = files.map(|(length, path)| (length, path.to_string()));
        let found = above(files.into_iter(), 10);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/a has files of 11 bytes"), "{}", found[0]);
    }
}

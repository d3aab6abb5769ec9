//! The corpora of the fuzz targets as plain tests: files that were hostile, and small ones that are right.

mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::TARGETS;

/// The files of a target's corpus, each with its bytes.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    let file = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    paths.into_iter().map(file).collect()
}

#[test]
fn no_file_of_a_corpus_makes_a_reader_panic() {
    for (name, target) in TARGETS {
        // Whether a file that is right has been there, and one that is refused.
        let (mut right, mut refused) = (false, false);
        for (path, bytes) in corpus(name) {
            println!("{}", path.display());
            let is_read = target(&bytes);
            refused |= !is_read;
            if path.file_name().unwrap().to_string_lossy().starts_with("right") {
                assert!(is_read, "{}", path.display());
                right = true;
            }
            // Cut anywhere, and with a bit changed anywhere, of which a few hundred are tried.
            for place in (0..bytes.len()).step_by(bytes.len().div_ceil(100).max(1)) {
                target(&bytes[..place]);
                let mut changed = bytes.clone();
                changed[place] ^= 1 << (place % 8);
                target(&changed);
            }
        }
        assert!(right && refused, "{name} lacks a file that is right, or one that is refused");
    }
}

/// Blind, and so no match for the fuzzer, but of the usual compiler: `TAPER_FUZZ_SECONDS` says how long for each target,
/// `TAPER_FUZZ` which one; by default a moment for all. What makes one panic lies in the folder for temporary files.
#[test]
fn no_file_that_is_changed_at_random_makes_a_reader_panic() {
    let seconds = std::env::var("TAPER_FUZZ_SECONDS").map(|text| text.parse().unwrap());
    let chosen = std::env::var("TAPER_FUZZ").ok();
    let is_chosen = |name: &str| chosen.as_deref().is_none_or(|chosen| chosen == name);
    assert!(TARGETS.iter().any(|(name, _)| is_chosen(name)), "no target is called {chosen:?}");
    for (name, target) in TARGETS.iter().filter(|(name, _)| is_chosen(name)) {
        let files: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
        let last = std::env::temp_dir().join(format!("taper-fuzz-{name}-{}", std::process::id()));
        let began = Instant::now();
        let mut random = Random(if seconds.is_ok() { u64::from(std::process::id()) } else { 1 });
        let (mut runs, mut read) = (0u64, 0u64);
        while match &seconds {
            Ok(seconds) => began.elapsed() < Duration::from_secs(*seconds),
            Err(_) => runs < 100,
        } {
            let changed = random.changed(&files);
            let ran = std::panic::catch_unwind(|| target(&changed));
            let is_read = ran.unwrap_or_else(|panic| {
                std::fs::write(&last, &changed).unwrap();
                println!("{name}: {} makes it panic", last.display());
                std::panic::resume_unwind(panic)
            });
            (runs, read) = (runs + 1, read + u64::from(is_read));
        }
        println!("{name}: {runs} in {} s, {read} read", began.elapsed().as_secs());
    }
}

/// Numbers without pattern (xorshift).
struct Random(u64);

/// Bytes, and ends of ranges of numbers, that readers take amiss.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\"{}[],:\n-9";

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }

    /// One of the files, changed in one to eight places.
    fn changed(&mut self, files: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = files[self.below(files.len())].clone();
        for _ in 0..=self.below(8) {
            let place = self.below(bytes.len());
            let end = (place + 1 + self.below(16)).min(bytes.len());
            let byte = BYTES[self.below(BYTES.len())];
            match self.below(8) {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[place] ^= 1 << self.below(8),
                1 => bytes[place] = byte,
                2 => bytes[place..end].fill(byte),
                3 => drop(bytes.drain(place..end)),
                4 => bytes.insert(place, byte),
                5 => bytes.truncate(place),
                // A part of this file, or of another, again.
                choice => {
                    let other = &files[self.below(files.len())];
                    let from = if choice == 6 { &bytes } else { other };
                    let start = self.below(from.len());
                    let part = from[start..from.len().min(start + 1 + self.below(64))].to_vec();
                    bytes.splice(place..place, part);
                }
            }
        }
        bytes
    }
}

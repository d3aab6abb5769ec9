//! The corpora of the fuzz targets as plain tests: files that were hostile, and small ones that are right.

mod targets;

use std::path::Path;

use targets::TARGETS;

#[test]
fn no_file_of_a_corpus_makes_a_reader_panic() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let files: Vec<_> = std::fs::read_dir(corpora.join(name)).unwrap().collect();
        // Whether a file that is right has been there, and one that is refused.
        let (mut right, mut refused) = (false, false);
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            let bytes = std::fs::read(&path).unwrap();
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

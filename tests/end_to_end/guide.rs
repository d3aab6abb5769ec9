//! The guide's commands: each block of a page that is marked `sh run` is run as it stands, the blocks of a page one
//! after the other in a folder of their own.
//!
//! In that folder lies what the guide says a reader has: `photos/`, a folder of colour photos in two classes, and
//! `digit.png`, a picture of a digit. `taper` is on the path.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::stderr;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The blocks of a page that are to be run, with their lines.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (at, line) in page.lines().enumerate() {
        match (is_open, line) {
            (false, "```sh run") => {
                found.push((at + 1, String::new()));
                is_open = true;
            }
            (true, "```") => is_open = false,
            (true, line) => found.last_mut().unwrap().1.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    found
}

/// Photos of skies and of grass, none like another.
fn photos(folder: &Path) {
    for (class, colour) in [("grass", [60, 140, 40]), ("sky", [90, 150, 230])] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for i in 0..12u32 {
            let photo = image::RgbImage::from_fn(96, 80, |x, y| {
                let waves = ((x * (3 + i) + y * (7 + i * i)) % 37) as u8;
                image::Rgb(colour.map(|c: u8| c.saturating_add(waves) - i as u8))
            });
            photo.save(folder.join(class).join(format!("{i:02}.jpg"))).unwrap();
        }
    }
}

#[test]
fn the_guide_s_commands_run_as_they_stand() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(docs())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    pages.sort();
    let mut count = 0;
    for path in pages {
        let page = std::fs::read_to_string(&path).unwrap();
        let found = blocks(&page);
        if found.is_empty() {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_taper-under-test"), bin.join("taper"))
            .unwrap();
        let work = place.path().join("work");
        photos(&work.join("photos"));
        let digit = image::GrayImage::from_fn(20, 28, |x, y| {
            image::Luma([if (8..12).contains(&x) && (4..24).contains(&y) { 20 } else { 235 }])
        });
        digit.save(work.join("digit.png")).unwrap();
        let search = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        for (line, block) in found {
            let mut shell = Command::new("sh");
            let run = shell.args(["-e", "-c", &block]).current_dir(&work).env("PATH", &search);
            let output = run.output().unwrap();
            assert!(
                output.status.success(),
                "{}:{line}: {}\n{block}\n{}{}",
                path.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                stderr(&output)
            );
            count += 1;
        }
    }
    assert_eq!(count, BLOCKS, "blocks that are run");
}

/// Blocks that are run, so that a mark spelt otherwise is noticed.
const BLOCKS: usize = 12;

#[test]
fn blocks_are_those_that_are_marked() {
    let page = "```sh\nno\n```\n```sh run\na\nb\n```\n```text\nc\n```\n```sh run\nd\n```\n";
    assert_eq!(blocks(page), [(4, "a\nb\n".to_string()), (11, "d\n".to_string())]);
}

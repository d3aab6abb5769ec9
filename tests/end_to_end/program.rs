//! Starts the program and makes small inputs for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use taper_dataset::idx::{Elements, Idx};

/// The program, with arguments.
pub fn taper(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taper-under-test"));
    command.args(args);
    command
}

/// Runs it and expects it to end well; the JSON object that it prints.
pub fn json(args: &[&str]) -> Value {
    let output = taper(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Runs it and expects an error: one line on stderr, nothing on stdout, exit code 1. The line.
pub fn error(args: &[&str]) -> String {
    let output = taper(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = stderr(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_string()
}

/// What it wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with an IDX data set of `n` images of 28x28 in two of its ten classes: bright above,
/// bright below.
pub fn idx_folder(folder: &Path, n: usize) -> PathBuf {
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
    let pixels = labels.iter().enumerate().flat_map(|(i, &label)| {
        (0..784).map(move |p| {
            let bright = (p / 28 < 14) == (label == 0);
            if bright { 200 + (i * 7 + p) as u8 % 50 } else { (i * 3 + p) as u8 % 30 }
        })
    });
    write_idx(&data.join("train-images-idx3-ubyte"), vec![n, 28, 28], pixels.collect());
    write_idx(&data.join("train-labels-idx1-ubyte"), vec![n], labels);
    data
}

/// A folder with `n` PNG files of 28x28 in each of the folders `cat` and `dog`.
pub fn image_folder(folder: &Path, n: usize) -> PathBuf {
    let data = folder.join("data");
    for (class, grey) in [("cat", 200), ("dog", 50)] {
        std::fs::create_dir_all(data.join(class)).unwrap();
        for i in 0..n {
            let pixels = image::GrayImage::from_pixel(28, 28, image::Luma([grey + i as u8]));
            pixels.save(data.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
    data
}

/// Writes an IDX file of bytes.
pub fn write_idx(path: &Path, shape: Vec<usize>, elements: Vec<u8>) {
    let idx = Idx { shape, elements: Elements::U8(elements) };
    std::fs::write(path, idx.to_bytes().unwrap()).unwrap();
}

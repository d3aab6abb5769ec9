//! What is larger, longer or stranger than anybody expects: an answer, or an error in a line.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use taper_model::weights::TensorFile;
use tempfile::tempdir;

use crate::program::{arg, error, json, stderr, taper};
use crate::small::begin;

/// A list of `n` images of 28x28, each of the class that `class` gives its number.
fn list(folder: &Path, n: usize, class: impl Fn(usize) -> String) -> PathBuf {
    let mut text = "path,label\n".to_string();
    for i in 0..n {
        let pixels = image::GrayImage::from_fn(28, 28, |x, y| {
            image::Luma([(x as usize * y as usize * (i + 3)) as u8])
        });
        pixels.save(folder.join(format!("{i}.png"))).unwrap();
        text += &format!("{i}.png,\"{}\"\n", class(i));
    }
    let path = folder.join("list.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn trained<'a>(data: &'a Path, run: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let train = ["train", "--net", "lenet5", "--max-steps", "2", "-q", "--data"];
    [&train[..], &[arg(data), "--out", arg(run)], more].concat()
}

#[test]
fn a_class_name_of_any_length_is_trained_on_and_told() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let data =
        list(folder.path(), 8, |i| if i % 2 == 0 { "b".to_string() } else { "x".repeat(70_000) });
    let out = folder.path().join("inspected");
    let output = taper(&["inspect", "--data", arg(&data), "--out", arg(&out)]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = taper(&trained(&data, &run, &[])).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for file in ["metrics.json", "README.md", "report.html"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    // The name stands in the page a few times at its beginning, not in each cell.
    assert!(std::fs::metadata(run.join("report.html")).unwrap().len() < 1_000_000);
    let again = json(&["evaluate", "--run", arg(&run)]);
    assert!(again["n"].as_u64().unwrap() > 0, "{again}");
}

#[test]
fn a_history_with_a_line_that_is_no_text_is_shown_without_it_and_says_so() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    begin(&[], &run, Vec::new()).unwrap();
    let history = run.join("history.jsonl");
    let mut bytes = std::fs::read(&history).unwrap();
    bytes[40] = 0xff;
    std::fs::write(&history, bytes).unwrap();
    let message = error(&["report", arg(&run)]);
    assert!(message.contains("history.jsonl: it is not the file that was written"), "{message}");
    std::fs::remove_file(run.join("SHA256SUMS")).unwrap();
    let output = taper(&["report", arg(&run)]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("1 lines of history.jsonl cannot be read"), "{page}");
}

#[cfg(unix)]
#[test]
fn a_file_that_reaches_the_limit_of_its_size_is_an_error_that_names_it() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let limited = |blocks: &str| {
        let train = ["train", "--data", "digits", "--net", "mlp", "--epochs", "1", "-q", "--out"];
        let mut command = std::process::Command::new("bash");
        let program = taper(&[]).get_program().to_owned();
        command.args(["-c", "ulimit -f \"$0\"; exec \"$@\"", blocks]).arg(program);
        command.args(train).arg(&run).arg("--resume").output().unwrap()
    };
    let output = limited("1000");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("File too large") && told.contains("step-0000000"), "{told}");
    let output = limited("unlimited");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn more_threads_than_anybody_has_are_refused() {
    let output = taper(&["models"]).env("RAYON_NUM_THREADS", "20000").output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: RAYON_NUM_THREADS is 20000, expected at most "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn an_answer_that_is_no_number_is_an_error() {
    let folder = tempdir().unwrap();
    let [run, copy] = ["run", "copy"].map(|name| folder.path().join(name));
    let data = list(folder.path(), 8, |i| (i % 2).to_string());
    json(&trained(&data, &run, &[]));
    let file = TensorFile::read(run.join("model.safetensors")).unwrap();
    let large = |name: &str| (name.to_string(), (file.get(name).unwrap() * 1e30).unwrap());
    let tensors: HashMap<String, Tensor> = file.names().map(large).collect();
    std::fs::create_dir(&copy).unwrap();
    candle_core::safetensors::save(&tensors, copy.join("model.safetensors")).unwrap();
    std::fs::copy(run.join("config.json"), copy.join("config.json")).unwrap();
    let images = [0, 1].map(|i| folder.path().join(format!("{i}.png")));
    let predict = ["predict", "--weights", arg(&copy)];
    let output = taper(&[&predict[..], &[arg(&images[0])]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("error: {}: the net's answer is not a number: ", images[0].display());
    assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
    let csv = [&predict[..], &[arg(&images[0]), arg(&images[1]), "--format", "csv"]].concat();
    let output = taper(&csv).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!text.to_lowercase().contains("nan,"), "{text}");
    assert!(stderr(&output).starts_with("error: 2 of 2 images"), "{}", stderr(&output));
}

#[test]
fn no_cell_of_a_table_is_a_formula_and_no_name_steers_a_card() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("a`b<script>![x](y)|**c**");
    std::fs::create_dir(&data).unwrap();
    let run = folder.path().join("run");
    let names = ["=HYPERLINK(1)", "-1", "```", "@x"];
    let data = list(&data, 16, |i| names[i % 4].to_string());
    json(&trained(&data, &run, &["--set", "data.test_fraction=0.25"]));
    let image = data.with_file_name("0.png");
    let output = taper(&["predict", "--run", arg(&run), "--format", "csv", "--top-k", "4"])
        .arg(&image)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for cell in [",'=HYPERLINK(1),", ",-1,", ",```,", ",'@x,"] {
        assert!(text.contains(cell), "{cell}: {text}");
    }
    let card = std::fs::read_to_string(run.join("README.md")).unwrap();
    // A class called as a fence ends none.
    assert!(card.contains("\n````text\n"), "{card}");
    let (_, body) = card.split_once("\n---\n").unwrap();
    let (before, _) = body.split_once("```").unwrap();
    assert!(!before.contains("<script>") && !before.contains("![x]"), "{before}");
}

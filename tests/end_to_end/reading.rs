//! `read`: the digits of a line, from the command line.

use std::path::{Path, PathBuf};

use serde_json::Value;
use taper_dataset::{ImageLimits, source::read_image};
use taper_lines::{Generator, Kind, Level, Part, Settings, write};
use tempfile::tempdir;

use crate::program::{arg, error, idx_folder, json, stderr, taper};

/// A folder of generated lines; the list of what they show.
fn lines(folder: &Path, settings: Settings, count: usize) -> PathBuf {
    let set = folder.join(format!("{:?}", settings.kind));
    write(&Generator::new(settings, "mnist-sample").unwrap(), count, &set).unwrap();
    set.join("lines.jsonl")
}

/// Printed lines in fonts that the shipped weights have not seen.
fn printed(kind: Kind) -> Settings {
    Settings { kind, part: Part::Test, level: Level::Clean, seed: 5, ..Settings::default() }
}

#[test]
fn printed_and_handwritten_lines_are_read_with_the_shipped_weights() {
    let folder = tempdir().unwrap();
    let hand = Settings { level: Level::Clean, seed: 5, ..Settings::default() };
    for (settings, count, least) in
        [(printed(Kind::Printed), 12, 11), (printed(Kind::Card), 4, 3), (hand, 12, 11)]
    {
        let pattern = match settings.kind {
            Kind::Card => "dddd dddd dddd dddd",
            _ => "ddddd",
        };
        let truth = lines(folder.path(), settings, count);
        for pattern in [&["--pattern", pattern][..], &[]] {
            let mut args = vec!["read", "--truth", arg(&truth)];
            args.extend(pattern);
            let result = json(&args);
            assert_eq!(result["lines"], count);
            assert!(result["whole"].as_u64().unwrap() >= least, "{pattern:?}: {result}");
        }
    }
}

#[test]
fn an_answer_tells_each_digit_its_confidence_and_the_check_of_a_card() {
    let folder = tempdir().unwrap();
    let truth = lines(folder.path(), printed(Kind::Card), 1);
    let picture = truth.with_file_name("00000.png");
    let shown = folder.path().join("shown.png");
    let command =
        ["read", arg(&picture), "--pattern", "dddd dddd dddd dddd", "--annotated", arg(&shown)];
    let result = json(&command);
    let reading = &result["readings"][0];
    let list = std::fs::read_to_string(&truth).unwrap();
    let record: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    assert_eq!(reading["text"], record["text"]);
    assert_eq!(reading["luhn"], true);
    assert_eq!(reading["digits"].as_array().unwrap().len(), 16);
    for digit in reading["digits"].as_array().unwrap() {
        let confidence = digit["confidence"].as_f64().unwrap();
        assert!((0.5..=1.0).contains(&confidence) && digit["told"] == true, "{digit}");
    }
    let limits = ImageLimits::default();
    let (before, after) =
        (read_image(&picture, &limits).unwrap(), read_image(&shown, &limits).unwrap());
    assert_eq!(after.width, before.width);
    assert!(after.height > before.height);

    let output = taper(&command).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(record["text"].as_str().unwrap()), "{text}");
    assert!(text.contains("the Luhn check holds") && text.contains(" %"), "{text}");
}

#[test]
fn a_digit_below_the_asked_confidence_is_not_guessed() {
    let folder = tempdir().unwrap();
    let hard = Settings { level: Level::Degraded, seed: 5, ..Settings::default() };
    let truth = lines(folder.path(), hard, 1);
    let picture = truth.with_file_name("00000.png");
    let read = |least: f64| {
        let least = least.to_string();
        let result = json(&["read", arg(&picture), "--min-confidence", &least]);
        let reading = &result["readings"][0];
        let confidence = |digit: &Value| digit["confidence"].as_f64().unwrap();
        let digits = reading["digits"].as_array().unwrap().iter().map(confidence).collect();
        let text = reading["text"].as_str().unwrap().replace(' ', "");
        (text, digits)
    };
    let (all, confidences): (String, Vec<f64>) = read(0.0);
    assert!(!all.contains('?') && all.len() == confidences.len(), "{all}");
    // Between the two digits that are least sure.
    let mut sorted = confidences.clone();
    sorted.sort_by(f64::total_cmp);
    assert!(sorted[0] < sorted[1], "{confidences:?}");
    let least = (sorted[0] + sorted[1]) / 2.0;
    let withheld = all.char_indices().map(|(at, digit)| match confidences[at] < least {
        true => '?',
        false => digit,
    });
    assert_eq!(read(least).0, withheld.collect::<String>());
}

#[test]
fn a_model_of_digits_alone_is_refused() {
    let folder = tempdir().unwrap();
    let truth = lines(folder.path(), printed(Kind::Printed), 1);
    let picture = truth.with_file_name("00000.png");
    let said = error(&["read", arg(&picture), "--weights", "keras-cnn-mnist"]);
    assert!(said.contains("the model has no class `none` (it tells apart 0, 1, 2, 3"), "{said}");
    assert!(said.contains("fine-tune one with --recipe reading"), "{said}");

    let data = idx_folder(folder.path(), 20);
    let run = folder.path().join("run");
    let net = ["train", "--net", "mlp", "--epochs", "1", "--data", arg(&data), "--out", arg(&run)];
    json(&[&net[..], &["--quiet"]].concat());
    let said = error(&["read", arg(&picture), "--run", arg(&run)]);
    assert!(said.contains("the model has no class `none`"), "{said}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = tempdir().unwrap();
    let blank = folder.path().join("blank.png");
    image::GrayImage::from_pixel(200, 60, image::Luma([230])).save(&blank).unwrap();
    let output = taper(&["read", arg(&blank)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(said.contains("can't be read: no line of digits found"), "{said}");
    assert_eq!(stderr(&output), "error: none of the pictures can be read\n");

    // Beside one that can be read it is no failure.
    let truth = lines(folder.path(), printed(Kind::Printed), 1);
    let picture = truth.with_file_name("00000.png");
    let result = json(&["read", arg(&blank), arg(&picture)]);
    assert!(result["readings"][0]["error"].as_str().unwrap().contains("no line of digits found"));
    assert!(result["readings"][1]["text"].is_string());

    let result = taper(&["read", arg(&picture), "--pattern", "ddddddddd ddddddddd"]);
    let output = { result }.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("cannot be read as \"ddddddddd ddddddddd\""), "{said}");
}

#[test]
fn bad_input_is_told_in_one_line() {
    let folder = tempdir().unwrap();
    let broken = folder.path().join("broken.png");
    std::fs::write(&broken, b"no picture").unwrap();
    assert!(error(&["read", arg(&broken)]).contains("broken.png is no readable image"));
    let missing = folder.path().join("missing.png");
    assert!(error(&["read", arg(&missing)]).contains("missing.png"));
    assert!(error(&["read", arg(&broken), "--pattern", "99999"]).contains("has a '9'"));
    let list = folder.path().join("list.jsonl");
    std::fs::write(&list, "{\"image\": \"a.png\"}\n").unwrap();
    let said = error(&["read", "--truth", arg(&list)]);
    assert!(said.contains("list.jsonl, line 1: expected a text `text`"), "{said}");

    let small = folder.path().join("small.png");
    image::GrayImage::from_pixel(200, 8, image::Luma([230])).save(&small).unwrap();
    let output = taper(&["read", arg(&small)]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("a picture of 8x200 pixels shows no line"), "{said}");
    let said = error(&["read", arg(&small), arg(&small), "--annotated", "seen.png"]);
    assert!(said.contains("--annotated names one file, but there are 2 pictures"), "{said}");
}

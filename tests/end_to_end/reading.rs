//! `read`: the digits of a line, from the command line.

use std::path::{Path, PathBuf};

use serde_json::Value;
use taper_dataset::{ImageLimits, source::read_image};
use taper_lines::{
    Generator, Kind, Level, Part, SceneGenerator, SceneKind, SceneSettings, Settings, View, write,
    write_scenes,
};
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
    let times = after.width / before.width;
    assert!(times >= 2 && after.height > times * before.height);

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
fn plain_weights_with_their_net_read_as_those_that_say_it() {
    let folder = tempdir().unwrap();
    let (picture, _, text) = postcode(folder.path());
    let shipped =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/assets/digit-cnn-reading.safetensors");
    let tensors = candle_core::safetensors::load(shipped, &candle_core::Device::Cpu).unwrap();
    let plain = folder.path().join("plain.safetensors");
    candle_core::safetensors::save(&tensors, &plain).unwrap();
    let mut command = vec!["read", arg(&picture), "--weights", arg(&plain)];
    assert!(error(&command).contains("nothing says what net "));
    command.extend(["--net", "digit-cnn-large", "--set", "image.placement=asis"]);
    command.extend(["--set", "image.mean=[0.1307]", "--set", "image.std=[0.3081]"]);
    command.extend(["--set", "image.filter=bilinear"]);
    let (named, said) = (json(&command), json(&["read", arg(&picture)]));
    assert_eq!(named["readings"][0]["text"], text.as_str());
    assert_eq!(named["readings"], said["readings"]);
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
    assert!(error(&["read", arg(&broken)]).contains("broken.png is not a readable image"));
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

/// Five printed digits in black, transparent around them where they are so.
fn postcode(folder: &Path) -> (PathBuf, image::GrayImage, String) {
    let truth = lines(folder, printed(Kind::Printed), 1);
    let picture = truth.with_file_name("00000.png");
    let list = std::fs::read_to_string(&truth).unwrap();
    let record: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let grey = image::open(&picture).unwrap().into_luma8();
    (picture, grey, record["text"].as_str().unwrap().to_string())
}

#[test]
fn a_file_that_cannot_be_opened_stops_neither_the_others_nor_the_measuring() {
    let folder = tempdir().unwrap();
    let (picture, _, text) = postcode(folder.path());
    let broken = folder.path().join("broken.png");
    std::fs::write(&broken, b"no picture").unwrap();
    let missing = folder.path().join("missing.png");
    for json in [true, false] {
        let mut command = vec!["read", arg(&broken), arg(&picture), arg(&missing), arg(&picture)];
        command.extend(json.then_some("--json"));
        let output = taper(&command).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        // As JSON each is the answer and one of the numbers that are there.
        assert_eq!(said.matches(&text).count(), if json { 4 } else { 2 }, "{said}");
        let said = stderr(&output);
        assert!(said.contains("2 of 4 pictures cannot be opened:\n  "), "{said}");
        assert!(said.contains("broken.png is not a readable image"), "{said}");
        assert!(said.contains("missing.png"), "{said}");
    }

    let list = folder.path().join("list.jsonl");
    let line = |image: &Path| format!("{{\"image\": {image:?}, \"text\": \"{text}\"}}\n");
    std::fs::write(&list, line(&broken) + &line(&picture)).unwrap();
    let output = taper(&["read", "--truth", arg(&list)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(said.contains("whole strings right: 1 of 1"), "{said}");
    assert!(said.contains("with the right blanks, too: 1 of 1"), "{said}");
    assert!(stderr(&output).contains("1 of 2 pictures cannot be opened"), "{}", stderr(&output));
}

#[test]
fn a_folder_stands_for_its_pictures_and_each_is_shown_in_a_file_of_its_own() {
    let folder = tempdir().unwrap();
    let (picture, _, text) = postcode(folder.path());
    let scans = folder.path().join("scans");
    std::fs::create_dir_all(scans.join("more")).unwrap();
    std::fs::copy(&picture, scans.join("a.png")).unwrap();
    std::fs::copy(&picture, scans.join("more/a.png")).unwrap();
    std::fs::write(scans.join("notes.txt"), "no picture").unwrap();
    let out = folder.path().join("out");
    let result = json(&["read", arg(&scans), "--out", arg(&out)]);
    let readings = result["readings"].as_array().unwrap();
    assert_eq!(readings.len(), 2);
    for (reading, name) in readings.iter().zip(["a-read.png", "a-2-read.png"]) {
        assert_eq!(reading["text"], text.as_str());
        assert_eq!(reading["annotated"], arg(&out.join(name)));
        assert!(out.join(name).is_file());
    }
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(error(&["read", arg(&empty)]).contains("there is no picture in"));
    let said = error(&["read", arg(&picture), "--annotated", arg(&picture)]);
    assert!(said.contains("is the picture that is read; choose another file"), "{said}");
    let said = error(&["read", arg(&picture), "--annotated", "seen.jpg"]);
    assert!(said.contains("--annotated writes a PNG file, but seen.jpg does not end so"), "{said}");
}

#[test]
fn what_is_transparent_is_laid_on_white() {
    let folder = tempdir().unwrap();
    let (_, grey, text) = postcode(folder.path());
    let paper = grey.iter().copied().max().unwrap();
    let path = folder.path().join("transparent.png");
    let alpha = |pixel: &image::Luma<u8>| image::LumaA([0, paper - pixel.0[0]]);
    let picture = image::ImageBuffer::from_fn(grey.width(), grey.height(), |x, y| {
        alpha(grey.get_pixel(x, y))
    });
    picture.save(&path).unwrap();
    assert_eq!(json(&["read", arg(&path)])["readings"][0]["text"], text.as_str());
}

/// A page with pictures at places.
fn page(width: u32, height: u32, pieces: &[(&image::GrayImage, u32, u32)]) -> image::GrayImage {
    let mut page = image::GrayImage::from_pixel(width, height, image::Luma([230]));
    for (piece, x, y) in pieces {
        image::imageops::replace(&mut page, *piece, i64::from(*x), i64::from(*y));
    }
    page
}

#[test]
fn a_pattern_finds_its_line_among_others_and_refuses_to_choose_between_two() {
    let folder = tempdir().unwrap();
    let settings = Settings { gap: Some((7.0, 7.0)), ..printed(Kind::Printed) };
    let make = |length, index| {
        let generator = Generator::new(Settings { length, ..settings.clone() }, "").unwrap();
        let line = generator.line(index).unwrap();
        let (width, height) = (line.picture.width as u32, line.picture.height as u32);
        // Its ink alone, on paper that is the same all over the page.
        let grey = line.ink.iter().map(|ink| (230.0 - 200.0 * ink) as u8).collect();
        (image::GrayImage::from_raw(width, height, grey).unwrap(), line.text)
    };
    let (five, code) = make(5, 0);
    let (seven, longer) = make(7, 1);
    let path = folder.path().join("page.png");
    page(360, 220, &[(&five, 20, 10), (&seven, 20, 110)]).save(&path).unwrap();
    let read = |pattern: &[&str]| {
        let result = json(&[&["read", arg(&path)][..], pattern].concat());
        result["readings"][0].clone()
    };
    let with = read(&["--pattern", "ddddd"]);
    assert_eq!((&with["text"], &with["unread"]), (&code.as_str().into(), &1.into()), "{with}");
    let without = read(&[]);
    assert_eq!(without["text"], longer.as_str(), "{without}");
    let output = taper(&["read", arg(&path)]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("one more piece of writing was not read"), "{said}");

    page(360, 220, &[(&five, 20, 10), (&five, 40, 110)]).save(&path).unwrap();
    let output = taper(&["read", arg(&path), "--pattern", "ddddd"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("crop the picture to one of them"), "{said}");
}

#[test]
fn a_line_is_read_at_any_of_four_quarter_turns() {
    let folder = tempdir().unwrap();
    let generator = Generator::new(printed(Kind::Printed), "").unwrap();
    let path = folder.path().join("turned.png");
    // 03041 and 82922.
    for index in [1, 3] {
        let line = generator.line(index).unwrap();
        let (width, height) = (line.picture.width as u32, line.picture.height as u32);
        let mut grey = image::GrayImage::from_raw(width, height, line.picture.pixels).unwrap();
        for turns in [0, 3, 2, 1] {
            grey.save(&path).unwrap();
            let reading = json(&["read", arg(&path), "--pattern", "ddddd"])["readings"][0].clone();
            assert_eq!(reading["text"], line.text.as_str(), "{turns}: {reading}");
            assert_eq!(reading["turns"], turns, "{reading}");
            grey = image::imageops::rotate90(&grey);
        }
    }
}

#[test]
fn a_stamp_or_a_chip_changes_nothing() {
    let folder = tempdir().unwrap();
    let (_, five, text) = postcode(folder.path());
    let path = folder.path().join("page.png");
    for side in [0, 40, 60, 100, 130] {
        let mut page = page(600, 300, &[(&five, 200, 180)]);
        for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
            page.put_pixel(570 - x, 20 + y, image::Luma([90]));
        }
        page.save(&path).unwrap();
        let reading = json(&["read", arg(&path), "--pattern", "ddddd"])["readings"][0].clone();
        assert_eq!(reading["text"], text.as_str(), "{side}: {reading}");
    }
}

#[test]
fn envelopes_and_cards_are_read_as_they_lie() {
    let folder = tempdir().unwrap();
    for (kind, view, least) in [
        (SceneKind::Envelope, View::Plain, 4),
        (SceneKind::Envelope, View::Photo, 3),
        (SceneKind::Card, View::Plain, 4),
        (SceneKind::Card, View::Photo, 3),
        (SceneKind::Form, View::Plain, 3),
        (SceneKind::Label, View::Plain, 4),
    ] {
        let settings = SceneSettings { kind, view, part: Part::Tuning, seed: 5 };
        let set = folder.path().join(format!("{kind:?}-{view:?}"));
        write_scenes(&SceneGenerator::new(settings, "mnist-sample").unwrap(), 6, &set).unwrap();
        let truth = set.join("scenes.jsonl");
        let result = json(&["read", "--truth", arg(&truth), "--own-patterns"]);
        assert!(result["whole"].as_u64().unwrap() >= least, "{kind:?} {view:?}: {result}");
        assert!(!result["reliability"].as_array().unwrap().is_empty(), "{result}");
    }
}

#[test]
fn blanks_that_the_gaps_do_not_show_are_told_and_so_is_a_check_that_lacks_a_digit() {
    let folder = tempdir().unwrap();
    let (picture, _, text) = postcode(folder.path());
    let result = json(&["read", arg(&picture), "--pattern", "ddd dd"]);
    assert_eq!(result["readings"][0]["grouped"], text.as_str());
    let output = taper(&["read", arg(&picture), "--pattern", "ddd dd"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("do not show these groups, but"), "{said}");
    assert!(said.contains(" for the line; ") && !said.contains("100.0 %"), "{said}");

    let card = lines(folder.path(), printed(Kind::Card), 1).with_file_name("00000.png");
    let output = taper(&["read", arg(&card), "--min-confidence", "1"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the Luhn check needs every digit"), "{said}");
}

//! `predict` on files as people have them.

use tempfile::tempdir;

use crate::program::{arg, image_folder, json, stderr, taper};

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    let output = taper(args).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.code(), said, stderr(&output))
}

#[test]
fn predict_sees_images_as_the_run_did() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let run = folder.path().join("run");
    // Another size than the files', a normalization of the data's own.
    let settings = [
        "--set",
        "image.height=20",
        "--set",
        "image.width=16",
        "--set",
        "image.fit_normalization=true",
        "--set",
        "image.placement=fit",
    ];
    let mut command = taper(&["train", "--net", "mlp", "--epochs", "2", "--quiet"]);
    command.args(["--data", arg(&data), "--out", arg(&run)]).args(settings);
    let trained = command.output().unwrap();
    assert!(trained.status.success(), "{}", stderr(&trained));

    let evaluated = json(&["evaluate", "--run", arg(&run), "--part", "all", "--quiet"]);
    let answers = json(&["predict", "--run", arg(&run), "--top-k", "2", "--quiet", arg(&data)]);
    let mut loss = 0.0;
    for answer in answers["predictions"].as_array().unwrap() {
        let truth = if answer["image"].as_str().unwrap().contains("/cat/") { "cat" } else { "dog" };
        let classes = answer["classes"].as_array().unwrap();
        let class = classes.iter().find(|class| class["class_name"] == truth).unwrap();
        loss -= class["probability"].as_f64().unwrap().ln() / 24.0;
    }
    // The same logits to the bit; the probabilities are printed as f32.
    let expected = evaluated["loss"].as_f64().unwrap();
    assert!((loss - expected).abs() < 1e-5 * expected.max(1.0), "{loss} {expected}");
}

#[test]
fn answers_are_a_table_csv_or_json_lines() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 1);
    let odd = data.join("dog").join("a,\"b\".png");
    std::fs::rename(data.join("dog/0.png"), &odd).unwrap();
    let predict = ["predict", "--weights", "keras-cnn-mnist", "--quiet", "--top-k", "2"];
    let form = |format: &str| {
        let (code, said, error) =
            output(&[&predict[..], &["--format", format, arg(&data)]].concat());
        assert_eq!((code, error.lines().count()), (Some(0), 1), "{format}: {error}");
        assert!(error.starts_with("warning: 1 of 2 images are light at the border"), "{error}");
        said
    };
    let table = form("table");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.lines().next().unwrap().contains("cat/0.png  "), "{table}");

    let csv = form("csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "image,class,probability,class_2,probability_2,withheld,error");
    assert_eq!(lines.len(), 3, "{csv}");
    assert_eq!(lines[1].split(',').count(), 7, "{csv}");
    assert!(lines[2].starts_with('"') && lines[2].contains("a,\"\"b\"\".png\","), "{csv}");

    let lines = form("jsonl");
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["classes"].as_array().unwrap().len(), 2, "{lines}");
    assert!(first.get("error").is_none() && lines.lines().count() == 2, "{lines}");

    let (code, _, error) = output(&[&predict[..], &["--json", "--format", "csv", "x"]].concat());
    assert!(code == Some(2) && error.contains("cannot be used with"), "{error}");
}

#[test]
fn broken_files_are_reported_and_the_others_answered() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 2);
    std::fs::write(data.join("cat/0.png"), "no image").unwrap();
    let missing = folder.path().join("missing.png");
    let predict = ["predict", "--weights", "keras-cnn-mnist", "--quiet"];
    let files = [arg(&data), arg(&missing)];
    let (code, said, error) = output(&[&predict[..], &files].concat());
    assert_eq!((code, said.lines().count()), (Some(1), 3), "{said}");
    let lines: Vec<&str> = error.lines().filter(|line| !line.starts_with("warning")).collect();
    assert_eq!(lines[0], "error: 2 of 5 images cannot be read:");
    assert!(lines[1].contains("cat/0.png is not a readable image"), "{error}");
    assert!(lines[2].contains("cannot read ") && lines[2].contains("missing.png"), "{error}");
    assert_eq!(lines.len(), 3, "{error}");

    let format = ["--format", "jsonl"];
    let (code, said, _) = output(&[&predict[..], &format, &files].concat());
    assert_eq!((code, said.lines().count()), (Some(1), 5), "{said}");
    let broken: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(broken["error"].as_str().unwrap().contains("0.png is not a readable image"), "{said}");
    assert_eq!(broken["classes"], serde_json::json!([]));

    // One file alone: one line.
    let line = crate::program::error(&[&predict[..], &[arg(&missing)]].concat());
    assert!(line.starts_with("error: cannot read "), "{line}");
}

#[test]
fn negatives_of_what_the_model_knows_are_told_and_can_be_inverted() {
    let folder = tempdir().unwrap();
    let (white, black) = (folder.path().join("white.png"), folder.path().join("black.png"));
    // A one: ink in the middle.
    let stroke = |x: u32, y: u32| (12..16).contains(&x) && (4..24).contains(&y);
    let picture = |ink: u8, paper: u8| {
        image::GrayImage::from_fn(28, 28, |x, y| {
            image::Luma([if stroke(x, y) { ink } else { paper }])
        })
    };
    picture(255, 0).save(&white).unwrap();
    picture(0, 255).save(&black).unwrap();
    let answer = |model: &[&str], file: &std::path::Path, more: &[&str]| {
        let args = [&["predict"], model, &["--quiet", "--format", "csv", arg(file)], more].concat();
        let (code, said, error) = output(&args);
        assert_eq!(code, Some(0), "{error}");
        let line = said.lines().nth(1).unwrap().split_once(',').unwrap().1.to_string();
        (line, error)
    };
    let shipped = ["--weights", "keras-cnn-mnist"];
    let (right, error) = answer(&shipped, &white, &[]);
    assert!(right.starts_with("1,") && error.is_empty(), "{right} {error}");
    let (_, error) = answer(&shipped, &black, &[]);
    assert_eq!(
        error,
        "warning: 1 of 1 images are light at the border, and those that the model was trained on \
         are dark; if these are their negatives, such as dark ink on paper, give --invert\n"
    );
    assert_eq!(answer(&shipped, &black, &["--invert"]), (right, String::new()));

    // A run knows how its images were.
    let data = folder.path().join("data");
    for (class, height) in [("a", 8), ("b", 20)] {
        std::fs::create_dir_all(data.join(class)).unwrap();
        for item in 0..6 {
            let page = image::GrayImage::from_fn(28, 28, |x, y| {
                image::Luma([if x == 14 && y > 3 && y < height + item { 0 } else { 250 }])
            });
            page.save(data.join(class).join(format!("{item}.png"))).unwrap();
        }
    }
    let run = folder.path().join("run");
    json(&[
        "train",
        "--net",
        "mlp",
        "--epochs",
        "1",
        "--quiet",
        "--data",
        arg(&data),
        "--out",
        arg(&run),
    ]);
    let config = std::fs::read_to_string(run.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["border"], 0.98, "{config}");
    let (_, error) = answer(&["--run", arg(&run)], &black, &[]);
    assert_eq!(error, "");
    let (_, error) = answer(&["--run", arg(&run)], &white, &[]);
    assert!(error.starts_with("warning: 1 of 1 images are dark at the border"), "{error}");
}

#[test]
fn a_probability_is_written_alike_in_every_format() {
    let folder = tempdir().unwrap();
    let picture = folder.path().join("a.png");
    let stroke = |x: u32| if (12..16).contains(&x) { 255 } else { 0 };
    image::GrayImage::from_fn(28, 28, |x, _| image::Luma([stroke(x)])).save(&picture).unwrap();
    let predict =
        ["predict", "--weights", "keras-cnn-mnist", "--quiet", "--top-k", "10", arg(&picture)];
    let said = |more: &[&str]| output(&[&predict[..], more].concat()).1;
    let (one, line) = (said(&["--json"]), said(&["--format", "jsonl"]));
    let csv = said(&["--format", "csv"]);
    let values: Vec<&str> = csv.lines().nth(1).unwrap().split(',').skip(1).take(20).collect();
    for probability in values.chunks(2).map(|pair| pair[1]) {
        let written = format!("\"probability\":{probability}}}");
        assert!(probability.len() < 16, "{csv}");
        assert!(one.contains(&written) && line.contains(&written), "{written} {one} {line}");
    }
}

/// A PNG file with a palette of four bytes, over which its decoder panics.
const PALETTE: &[u8] =
    b"\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x08\x00\x00\
    \x00\x08\x08\x03\x00\x00\x00\xf3\xd1\x4e\xb9\x00\x00\x00\x04\x50\x4c\x54\x45\x00\x00\x00\
    \x00\xb4\xa3\xae\x7a\x00\x00\x00\x0c\x49\x44\x41\x54\x78\x9c\x63\x60\xa0\x0e\x00\x00\x00\
    \x48\x00\x01\x2e\xb8\x3c\x7e\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\x82";

#[cfg(unix)]
#[test]
fn files_that_are_none_and_a_decoder_that_panics_are_told_of_and_all_others_answered() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 4);
    std::fs::write(data.join("cat/palette.png"), PALETTE).unwrap();
    let pipe = data.join("cat/pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", data.join("dog/zero.png")).unwrap();
    let run = folder.path().join("run");
    let train = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--out", arg(&run)];
    let skip = ["--data", arg(&data), "--set", "data.broken=skip"];
    let trained = json(&[&train[..], &skip].concat());
    assert_eq!(trained["left_out"]["images that cannot be read"], 3, "{trained}");

    let output = taper(&["predict", "--run", arg(&run), arg(&data), "--quiet"]).output().unwrap();
    let (answers, said) = (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output));
    assert_eq!(answers.lines().count(), 8, "{answers}");
    for line in [
        "3 of 11 images cannot be read:",
        "palette.png is not a readable image: its decoder failed: ",
        "pipe.png: it is a pipe, expected a file",
        "zero.png: it is a device, expected a file",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    let look = ["inspect", "--data", arg(&data), "--set", "data.test_fraction=0"];
    let look = json(&[&look[..], &["--out", arg(&folder.path().join("look"))]].concat());
    let part = &look["inspection"]["parts"][0];
    assert_eq!(part["faults"].as_array().unwrap().len(), 3, "{part}");
    assert_eq!(part["description"]["count"], 8, "{part}");
}

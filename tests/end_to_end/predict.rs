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
        assert_eq!((code, error.as_str()), (Some(0), ""), "{format}");
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
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "error: 2 of 5 images cannot be read:");
    assert!(lines[1].contains("cat/0.png is no readable image"), "{error}");
    assert!(lines[2].contains("cannot read ") && lines[2].contains("missing.png"), "{error}");
    assert_eq!(lines.len(), 3, "{error}");

    let format = ["--format", "jsonl"];
    let (code, said, _) = output(&[&predict[..], &format, &files].concat());
    assert_eq!((code, said.lines().count()), (Some(1), 5), "{said}");
    let broken: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(broken["error"].as_str().unwrap().contains("0.png is no readable image"), "{said}");
    assert_eq!(broken["classes"], serde_json::json!([]));

    // One file alone: one line.
    let line = crate::program::error(&[&predict[..], &[arg(&missing)]].concat());
    assert!(line.starts_with("error: cannot read "), "{line}");
}

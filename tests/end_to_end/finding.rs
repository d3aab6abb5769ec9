//! Commands that help to find settings: `lr-find`, `cross-validate`, `search`.

use std::path::Path;

use tempfile::tempdir;

use crate::program::{arg, error, json, stderr, taper};

const SMALL: [&str; 5] = ["--net", "mlp", "--set", "data.limit=300", "--quiet"];

fn scratch(command: &str, more: &[&str]) -> Vec<String> {
    // Without weights and without the default's recipe: from random ones.
    let words = [&[command][..], &["--recipe", "keras-mnist", "--optimizer", "adam"], &SMALL, more];
    words.concat().iter().map(|word| word.to_string()).collect()
}

fn as_json(words: &[String]) -> serde_json::Value {
    json(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn as_error(words: &[String]) -> String {
    error(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_sweep_suggests_a_rate_and_draws_it() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("sweep");
    let found = as_json(&scratch("lr-find", &["--steps", "60", "--out", arg(&out)]));
    let rate = found["suggestion"].as_f64().unwrap();
    // Adam on an MLP: any rate below this is far too small, any above far too large.
    assert!((1e-5..1e-1).contains(&rate), "{rate}");
    assert!(found["lowest"].as_f64().unwrap() > rate);
    assert!(found["points"].as_array().unwrap().len() > 20);
    let page = std::fs::read_to_string(out.join("lr-find.html")).unwrap();
    assert!(page.contains("Loss by learning rate") && page.contains("class=\"mark\""));
}

#[test]
fn a_sweep_is_made_again_where_one_is_only_if_that_is_asked_for() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("sweep");
    let sweep = |more: &[&str]| {
        scratch(
            "lr-find",
            &[&["--steps", "12", "--limit", "64", "--out", arg(&out)], more].concat(),
        )
    };
    let found = as_json(&sweep(&[]));
    assert_eq!(
        (&found["warnings"], &found["left_out"]),
        (&serde_json::json!([]), &serde_json::json!({}))
    );
    let said = as_error(&sweep(&[]));
    assert!(said.contains("holds a sweep already") && said.contains("--overwrite"), "{said}");
    let said = as_error(&sweep(&["--resume"]));
    assert!(said.contains("a sweep is not resumed"), "{said}");
    as_json(&sweep(&["--overwrite"]));
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    as_error(&sweep(&["--overwrite"]));
    assert!(out.join("lr-find.html").exists());
}

#[test]
fn a_sweep_of_rates_that_fall_is_an_error() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("sweep");
    let said = as_error(&scratch("lr-find", &["--low", "1", "--high", "0.1", "--out", arg(&out)]));
    assert!(said.contains("--low is 1.0 and --high 0.1, expected two rising"), "{said}");
    assert!(!out.exists());
}

#[test]
fn cross_validation_judges_every_image_once_and_compares_recipes() {
    let folder = tempdir().unwrap();
    let other = folder.path().join("short.toml");
    std::fs::write(&other, "[train]\nepochs = 1").unwrap();
    let out = folder.path().join("cv");
    let more = [
        "--folds",
        "3",
        "--epochs",
        "2",
        "--against",
        arg(&other),
        "--out",
        arg(&out),
        "--set",
        "image.fit_normalization=true",
    ];
    let found = as_json(&scratch("cross-validate", &more));
    // The limit is for each part: 300 to train on and 300 of each fold, of 1438.
    let images = found["images"].as_u64().unwrap();
    assert_eq!(images, 900);
    let candidates = found["candidates"].as_array().unwrap();
    assert_eq!((candidates.len(), candidates[0]["folds"].as_array().unwrap().len()), (2, 3));
    assert_eq!(candidates[1]["name"], "short");
    let accuracy = &candidates[0]["metrics"][0];
    assert_eq!(accuracy["metric"], "accuracy");
    let folds = candidates[0]["folds"].as_array().unwrap();
    let mean = folds.iter().map(|fold| fold["accuracy"].as_f64().unwrap()).sum::<f64>() / 3.0;
    assert!((accuracy["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    let tested = &found["comparisons"][0];
    assert!(tested["mcnemar"]["p_value"].is_f64() && tested["t_test"]["p_value"].is_f64());

    let table = std::fs::read_to_string(out.join("keras-mnist/out-of-fold.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("index,item,fold,label,predicted,p(0),p(1)"), "{}", lines[0]);
    let mut indices: Vec<u64> =
        lines[1..].iter().map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(indices.len() as u64, images);
    indices.dedup();
    assert_eq!(indices.len() as u64, images, "an image is judged twice");
    let right = lines[1..].iter().filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        cells[3] == cells[4]
    });
    assert!((right.count() as f64 / images as f64 - mean).abs() < 1e-9);
    // Each fold has its own mean and deviation, of its own training part.
    let recipe = |fold: &str| {
        let path = out.join("keras-mnist").join(fold).join("recipe.toml");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().find(|line| line.starts_with("mean = ")).unwrap().to_string()
    };
    assert_ne!(recipe("fold-1"), recipe("fold-2"));
    assert_ne!(recipe("fold-1"), "mean = [0.0]");
}

#[test]
fn a_cross_validation_that_was_killed_goes_on_and_one_that_is_there_is_not_overwritten() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("cv"));
    let words = |out: &Path, more: &[&str]| {
        let shared = ["--folds", "2", "--epochs", "2", "--out", out.to_str().unwrap()];
        scratch("cross-validate", &[&shared[..], more].concat())
    };
    let expected = as_json(&words(&whole, &[]));
    let died = taper(&words(&out, &["--resume"]).iter().map(String::as_str).collect::<Vec<_>>())
        .env("TAPER_TEST_DIE", "prune:3")
        .output()
        .unwrap();
    assert!(!died.status.success(), "{}", stderr(&died));
    let said = as_error(&words(&out, &[]));
    assert!(said.contains("not empty"), "{said}");
    let resumed = as_json(&words(&out, &["--resume"]));
    assert_eq!(resumed["candidates"][0]["folds"], expected["candidates"][0]["folds"]);
    let answers = |out: &Path| std::fs::read(out.join("keras-mnist/out-of-fold.csv")).unwrap();
    assert!(answers(&whole) == answers(&out));
    // Once more: nothing is left to do, and the result is the same.
    let again = as_json(&words(&out, &["--resume"]));
    assert_eq!(again["candidates"][0]["folds"], expected["candidates"][0]["folds"]);
}

#[test]
fn recipes_with_other_data_cannot_be_compared() {
    let folder = tempdir().unwrap();
    let other = folder.path().join("other.toml");
    std::fs::write(&other, "[data]\nsplit_seed = 9").unwrap();
    let out = folder.path().join("cv");
    let said =
        as_error(&scratch("cross-validate", &["--against", arg(&other), "--out", arg(&out)]));
    assert!(said.starts_with("error: `data` is other for other than for keras-mnist"), "{said}");
}

const SPACE: &str = "
[search]
trials = 4
method = \"halving\"
min_epochs = 1
factor = 2

[space]
\"optimizer.learning_rate\" = { low = 1e-5, high = 1e-2, log = true }
\"train.batch_size\" = { choices = [32, 64] }
";

#[test]
fn a_search_ends_with_a_table_whose_first_row_is_the_best_and_can_be_resumed() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("space.toml");
    std::fs::write(&file, SPACE).unwrap();
    let words = |out: &Path| {
        let set = ["--set", "data.validation_fraction=0.2", "--epochs", "4", "--resume"];
        let mut words = scratch("search", &[&set[..], &["--out", out.to_str().unwrap()]].concat());
        words.insert(1, arg(&file).to_string());
        words
    };
    let (whole, out) = (folder.path().join("whole"), folder.path().join("search"));
    let expected = as_json(&words(&whole));
    let trials = expected["trials"].as_array().unwrap();
    // 4 trials of 1 epoch, 2 of 2, 1 of 4.
    let epochs: Vec<u64> = trials.iter().map(|trial| trial["epochs"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [4, 2, 2, 1, 1, 1, 1]);
    let accuracy = |i: usize| trials[i]["validation"]["accuracy"].as_f64().unwrap();
    assert!(accuracy(1) >= accuracy(2) && accuracy(3) >= accuracy(4) && accuracy(5) >= accuracy(6));
    assert_eq!(trials[0]["number"], trials[1]["number"]);
    // The two of the second round are the first two of the first, in whatever order.
    let numbers = |of: [usize; 2]| {
        let mut numbers = of.map(|i| trials[i]["number"].as_u64().unwrap());
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers([1, 2]), numbers([3, 4]));
    let best = std::fs::read_to_string(whole.join("best.toml")).unwrap();
    let rate = trials[0]["settings"]["optimizer.learning_rate"].as_f64().unwrap();
    assert!(best.contains(&format!("learning_rate = {rate}")), "{rate}: {best}");

    let died = taper(&words(&out).iter().map(String::as_str).collect::<Vec<_>>())
        .env("TAPER_TEST_DIE", "sync:4")
        .output()
        .unwrap();
    assert!(!died.status.success(), "{}", stderr(&died));
    let resumed = as_json(&words(&out));
    let scores = |value: &serde_json::Value| -> Vec<serde_json::Value> {
        value["trials"].as_array().unwrap().iter().map(|t| t["validation"].clone()).collect()
    };
    assert_eq!(scores(&resumed), scores(&expected));
}

#[test]
fn a_search_needs_a_validation_part_and_keys_that_there_are() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("space.toml");
    std::fs::write(&file, "[space]\n\"train.speed\" = { low = 1, high = 2 }").unwrap();
    let mut words = scratch("search", &["--out", arg(&folder.path().join("a"))]);
    words.insert(1, arg(&file).to_string());
    let said = as_error(&words);
    assert!(said.contains("`train.speed`"), "{said}");
    std::fs::write(&file, "[space]\nseed = { low = 1, high = 2 }").unwrap();
    let said = as_error(&words);
    assert!(said.contains("`data.validation_fraction` is 0, expected above 0"), "{said}");
}

//! Searches and folds that several processes share.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;

use crate::program::{arg, error, json, taper};

const SMALL: [&str; 8] =
    ["--recipe", "keras-mnist", "--net", "mlp", "--optimizer", "adam", "--epochs", "3"];

fn words<'a>(command: &[&'a str], out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [
        command,
        &SMALL,
        &["--limit", "200", "--set", "data.validation_fraction=0.2", "--quiet", "--out", arg(out)],
        more,
    ]
    .concat()
}

/// A result without where its runs lie.
fn without_folders(mut result: Value) -> Value {
    for list in ["trials", "candidates"] {
        for one in result[list].as_array_mut().into_iter().flatten() {
            one.as_object_mut().unwrap().retain(|key, _| key != "run" && key != "out_of_fold");
        }
    }
    result
}

fn search_file(folder: &Path, trials: usize, method: &str) -> String {
    let path = folder.join("space.toml");
    let text = format!(
        "[search]\ntrials = {trials}\nmethod = \"{method}\"\n[space]\nseed = {{ low = 0, high = 999 }}\n\
         \"optimizer.learning_rate\" = {{ low = 1e-4, high = 1e-1, log = true }}\n"
    );
    std::fs::write(&path, text).unwrap();
    arg(&path).to_string()
}

fn start(words: &[&str]) -> Child {
    taper(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_that_share_a_search_and_are_killed_end_with_the_result_of_one_alone() {
    let folder = tempdir().unwrap();
    let file = search_file(folder.path(), 6, "halving");
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    let expected = without_folders(json(&words(&["search", &file], &alone, &[])));
    let share = words(&["search", &file], &shared, &["--resume"]);
    let (mut killed, mut other) = (start(&share), start(&share));
    // Once it has a claim, so that there is one to take over.
    let begun = Instant::now();
    while std::fs::read_dir(shared.join("trials")).map_or(0, Iterator::count) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing begins");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(without_folders(json(&share)), expected);
    assert!(other.wait().unwrap().success());
    let left = std::fs::read_dir(shared.join("trials")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.contains("claim")).count() == 0);
    assert!(shared.join("best.toml").is_file());
}

#[test]
fn trials_done_one_by_one_are_gathered_by_another_call() {
    let folder = tempdir().unwrap();
    let file = search_file(folder.path(), 3, "random");
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    let expected = without_folders(json(&words(&["search", &file], &alone, &[])));
    for trial in ["2", "0"] {
        let found = json(&words(&["search", &file], &shared, &["--trial", trial]));
        assert_eq!(found["number"].to_string(), trial);
    }
    assert!(!shared.join("search.json").exists());
    let all = json(&words(&["search", &file], &shared, &["--resume"]));
    assert_eq!(without_folders(all), expected);
    let said = error(&words(&["search", &file], &shared, &["--trial", "3"]));
    assert!(said.contains("`trial` is 3, expected a number below `search.trials`, 3"), "{said}");
    let file = search_file(folder.path(), 3, "halving");
    let said = error(&words(&["search", &file], &shared, &["--trial", "1"]));
    assert!(said.contains("expected random where trials are done one by one"), "{said}");
}

#[test]
fn folds_done_one_by_one_are_gathered_by_another_call() {
    let folder = tempdir().unwrap();
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    let three = ["cross-validate", "--folds", "3"];
    let expected = without_folders(json(&words(&three, &alone, &[])));
    let found = json(&words(&three, &shared, &["--fold", "3"]));
    assert!(found["runs"][0].as_str().unwrap().ends_with("fold-3"), "{found}");
    let all = json(&words(&three, &shared, &["--resume"]));
    assert_eq!(without_folders(all), expected);
    let read = |out: &Path| std::fs::read(out.join("keras-mnist/out-of-fold.csv")).unwrap();
    assert!(read(&alone) == read(&shared));
    let said = error(&words(&three, &shared, &["--fold", "4"]));
    assert!(said.contains("--fold is 4, expected 1 to 3"), "{said}");
}

#[test]
fn a_trial_that_failed_is_not_tried_again() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("space.toml");
    let text =
        "[search]\ntrials = 1\n[space]\n\"optimizer.learning_rate\" = { choices = [1e300] }\n";
    std::fs::write(&path, text).unwrap();
    let out = folder.path().join("out");
    let search = words(&["search", arg(&path)], &out, &["--resume"]);
    let first = json(&search);
    assert!(first["trials"][0]["failure"].as_str().unwrap().contains("not finite"), "{first}");
    let history = std::fs::read(out.join("trials/000-3-epochs/history.jsonl")).unwrap();
    assert_eq!(json(&search), first);
    assert!(history == std::fs::read(out.join("trials/000-3-epochs/history.jsonl")).unwrap());
}

//! `evaluate` on data of people's own, and on weights of others.

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::program::{arg, error, json, stderr, taper};

/// Images of a class of its own bright place out of sixteen.
fn class(folder: &Path, name: &str, place: u32, count: u8) {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for i in 0..count {
        let is_bright = |x: u32, y: u32| (x / 7, y / 7) == (place % 4, place / 4);
        let grey = |x, y| if is_bright(x, y) { 200 + i } else { i };
        let image = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([grey(x, y)]));
        image.save(folder.join(format!("{i}.png"))).unwrap();
    }
}

/// A folder with images of each class; the place of a class's light is its place in the list.
fn classes(folder: PathBuf, names: &[&str], count: u8) -> PathBuf {
    names.iter().zip(0..).for_each(|(name, place)| class(&folder, name, place, count));
    folder
}

const ANIMALS: [&str; 4] = ["ant", "bee", "cat", "dog"];

/// A run on ten images of each class.
fn trained(folder: &TempDir, names: &[&str], more: &[&str]) -> PathBuf {
    let data = classes(folder.path().join("data"), names, 10);
    let run = folder.path().join("run");
    let short = ["--net", "mlp", "--epochs", "25", "--batch-size", "8", "-q"];
    let command = ["train", "--data", arg(&data), "--out", arg(&run), "--set", STRETCH];
    json(&[&command[..], &short, more].concat());
    run
}

const STRETCH: &str = "image.placement=stretch";

fn evaluated(run: &Path, data: &Path, more: &[&str]) -> Value {
    json(&[&["evaluate", "--run", arg(run), "--data", arg(data), "-q"], more].concat())
}

fn refused(run: &Path, data: &Path, more: &[&str]) -> String {
    error(&[&["evaluate", "--run", arg(run), "--data", arg(data), "-q"], more].concat())
}

#[test]
fn data_that_is_not_the_run_s_counts_whole() {
    let folder = tempdir().unwrap();
    let own = ["--limit", "24", "--per-class", "6", "--set", "data.validation_fraction=0.2"];
    let run = trained(&folder, &ANIMALS, &own);
    let data = folder.path().join("data");
    let new = classes(folder.path().join("new"), &ANIMALS, 7);
    let whole = evaluated(&run, &new, &[]);
    assert_eq!((&whole["n"], &whole["accuracy"]), (&28.into(), &1.0.into()));
    assert!(whole["data"].as_str().unwrap().ends_with("new: 4 classes, 28 images"), "{whole}");
    assert_eq!(whole["warnings"], serde_json::json!([]));

    // What is asked for counts; a fraction is one of its settings, too.
    for (flags, n) in [
        (&["--part", "all"][..], 28),
        (&["--part", "train"], 28),
        (&["--limit", "6"], 6),
        (&["--per-class", "2"], 8),
        (&["--classes", "dog,ant"], 14),
        (&["--classes", "dog", "--limit", "3"], 3),
        (&["--set", "data.test_fraction=0.25"], 7),
    ] {
        assert_eq!(evaluated(&run, &new, flags)["n"], n, "{flags:?}");
    }
    let message = refused(&run, &new, &["--part", "test"]);
    let expected = "new has no test part; it has 28 images in one part; --part says which is meant";
    assert!(message.ends_with(expected), "{message}");

    // The run's own data under another spelling is divided as the run did.
    let after = &json(&["evaluate", "--run", arg(&run), "-q"])["n"];
    assert_eq!(*after, 8);
    for own in [data.clone(), new.join("../data")] {
        assert_eq!(evaluated(&run, &own, &[])["n"], *after);
        assert_eq!(evaluated(&run, &own, &["--part", "validation"])["n"], 8);
    }
    // So it is where the run's weights are named in place of the run.
    for weights in [run.clone(), run.join("model.safetensors")] {
        let scores = json(&["evaluate", "--weights", arg(&weights), "--data", arg(&data), "-q"]);
        assert_eq!(scores["n"], *after);
    }
    assert_eq!(json(&["evaluate", "--weights", "keras-cnn-mnist", "-q"])["n"], 1797);
}

#[test]
fn data_with_parts_of_its_own_is_evaluated_on_its_test_part_else_on_its_validation_part() {
    let folder = tempdir().unwrap();
    let run = trained(&folder, &ANIMALS, &[]);
    let new = folder.path().join("new");
    for (part, count) in [("train", 4), ("val", 3), ("test", 2)] {
        classes(new.join(part), &ANIMALS, count);
    }
    let n = |flags: &[&str]| evaluated(&run, &new, flags)["n"].as_u64().unwrap();
    assert_eq!(n(&[]), 8);
    assert_eq!(n(&["--part", "validation"]), 12);
    assert_eq!(n(&["--part", "all"]), 36);
    // What is not asked for is not opened.
    std::fs::write(new.join("train/ant/0.png"), "no image").unwrap();
    std::fs::write(new.join("test/dog/1.png"), "no image").unwrap();
    assert!(refused(&run, &new, &[]).contains("test/dog/1.png"));
    assert_eq!(n(&["--limit", "4"]), 4);
    std::fs::remove_dir_all(new.join("test")).unwrap();
    let scores = evaluated(&run, &new, &[]);
    assert_eq!(scores["n"], 12);
    let data = scores["data"].as_str().unwrap();
    assert!(data.ends_with("new: 4 classes, 12 images of its validation part"), "{data}");
}

#[test]
fn classes_are_found_by_name_and_some_may_be_missing() {
    let folder = tempdir().unwrap();
    let run = trained(&folder, &ANIMALS, &[]);
    let new = folder.path().join("new");
    class(&new, "dog", 3, 6);
    class(&new, "bee", 1, 2);
    let scores = evaluated(&run, &new, &[]);
    // Of what is there all is right: the macro average is of these.
    assert_eq!((&scores["n"], &scores["macro_f1"]), (&8.into(), &1.0.into()));
    let data = scores["data"].as_str().unwrap();
    assert!(data.ends_with("; no image of 2 of the model's 4 classes (ant, cat)"), "{data}");
    assert_eq!(scores["report"]["classes"].as_array().unwrap().len(), 4);

    // One that the model does not have is an error that says what to do.
    class(&new, "emu", 4, 2);
    class(&new, "Cat", 2, 3);
    let message = refused(&run, &new, &[]);
    for part in [
        "new has images of classes that the model does not have: Cat, emu;",
        "the model's are ant, bee, cat, dog (`Cat` may be `cat`).",
        "with `data.classes` (--classes bee,dog)",
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
    let scores = evaluated(&run, &new, &["--classes", "bee,dog"]);
    assert_eq!((&scores["n"], &scores["accuracy"]), (&8.into(), &1.0.into()));
    let message = refused(&run, &new, &["--classes", "bee,owl"]);
    assert!(message.contains("`data.classes` is owl, expected classes of the data"), "{message}");
    let message = refused(&run, &new, &["--classes", "ant"]);
    assert!(message.contains("new has no image of the classes ant"), "{message}");
    let message = refused(&run, &new, &["--classes", "emu"]);
    assert!(message.contains("the model does not have: emu;"), "{message}");

    // The run's own test part, some of its classes: images that were held out.
    let scores = json(&["evaluate", "--run", arg(&run), "--classes", "cat,ant", "-q"]);
    assert_eq!((&scores["n"], &scores["accuracy"]), (&4.into(), &1.0.into()));
}

#[test]
fn class_numbers_are_matched_by_value_and_against_names_with_a_warning() {
    let names: Vec<String> = "abcdefghijkl".chars().map(|c| c.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let numbered = |form: fn(usize) -> String| (0..12).map(form).collect::<Vec<_>>();
    let folder = tempdir().unwrap();
    let run = trained(&folder, &names, &[]);
    let set = |folder: &TempDir, name: &str, names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        classes(folder.path().join(name), &names, 2)
    };
    let plain = set(&folder, "plain", &numbered(|n| n.to_string()));
    let zeros = set(&folder, "zeros", &numbered(|n| format!("{n:03}")));
    // Numbers say which class of the model each folder is, not which folder of how many.
    for data in [&plain, &zeros] {
        let scores = evaluated(&run, data, &[]);
        assert_eq!(scores["accuracy"], 1.0, "{data:?}");
        let warning = scores["warnings"][0].as_str().unwrap();
        assert!(warning.contains("match by number alone: `"), "{warning}");
        assert_eq!(scores["report"]["classes"][10]["name"], "k");
    }
    std::fs::remove_dir_all(plain.join("3")).unwrap();
    assert_eq!(evaluated(&run, &plain, &[])["accuracy"], 1.0);
    assert_eq!(evaluated(&run, &plain, &["--classes", "10,11"])["n"], 4);
    let output = taper(&["evaluate", "--run", arg(&run), "--data", arg(&zeros), "-q"]).output();
    let output = output.unwrap();
    assert!(
        stderr(&output).starts_with("warning: the classes of the data (000, 001,"),
        "{output:?}"
    );
    class(&plain, "12", 12, 1);
    assert!(refused(&run, &plain, &[]).contains("the model does not have: 12;"));

    // Numbers on both sides: by value, and nothing to warn of.
    let folder = tempdir().unwrap();
    let data = numbered(|n| n.to_string());
    let run = trained(&folder, &data.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let labels = numbered(|n| format!("LABEL_{n}"));
    for data in [&zeros, &set(&folder, "labels", &labels)] {
        let scores = evaluated(&run, data, &[]);
        assert_eq!((&scores["accuracy"], &scores["n"]), (&1.0.into(), &24.into()), "{data:?}");
        assert_eq!(scores["warnings"], serde_json::json!([]));
    }
}

#[test]
fn plain_weights_are_evaluated_asked_and_read_with_a_net() {
    let folder = tempdir().unwrap();
    let run = trained(&folder, &ANIMALS, &[]);
    let new = classes(folder.path().join("new"), &ANIMALS, 3);
    let plain = folder.path().join("plain.safetensors");
    let tensors = candle_core::safetensors::load(run.join("model.safetensors"), &Device::Cpu);
    candle_core::safetensors::save(&tensors.unwrap(), &plain).unwrap();
    let weights = ["--weights", arg(&plain), "-q"];
    let message = error(&[&["evaluate"], &weights[..]].concat());
    assert!(
        message.contains("nothing says what net ") && message.ends_with("of `mlp` (--net mlp)"),
        "{message}"
    );

    let net = ["--net", "mlp", "--layout", "pytorch", "--set", STRETCH];
    let scores = json(&[&["evaluate", "--data", arg(&new)], &weights[..], &net].concat());
    assert_eq!((&scores["n"], &scores["accuracy"]), (&12.into(), &1.0.into()));
    // The data has the names that the weights lack.
    assert_eq!(scores["report"]["classes"][3]["name"], "dog");
    assert_eq!(scores["warnings"].as_array().unwrap().len(), 1);
    let image = new.join("cat/0.png");
    let answer = json(&[&["predict", arg(&image)], &weights[..], &net].concat());
    assert_eq!(answer["predictions"][0]["classes"][0]["class_name"], "2");

    // As a training tool writes them.
    let wrapped = folder.path().join("wrapped.safetensors");
    let tensors = candle_core::safetensors::load(&plain, &Device::Cpu).unwrap();
    let tensors: std::collections::HashMap<_, _> =
        tensors.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    candle_core::safetensors::save(&tensors, &wrapped).unwrap();
    let flags = [&["--data", arg(&new), "--weights", arg(&wrapped), "-q"], &net[..]].concat();
    assert_eq!(json(&[&["evaluate"], &flags[..]].concat())["accuracy"], 1.0);

    // A folder as the Hub has it, with a configuration that says something else.
    let hub = folder.path().join("hub");
    std::fs::create_dir(&hub).unwrap();
    std::fs::copy(&plain, hub.join("model.safetensors")).unwrap();
    std::fs::write(hub.join("config.json"), r#"{"task": "x", "id2label": {}}"#).unwrap();
    let flags = [&["--data", arg(&new), "--weights", arg(&hub), "-q"], &net[..]].concat();
    assert_eq!(json(&[&["evaluate"], &flags[..]].concat())["accuracy"], 1.0);

    // What a run says of itself is not set beside it.
    let message = error(&["evaluate", "--run", arg(&run), "--net", "mlp", "-q"]);
    assert!(message.contains("`model.net` is for --weights"), "{message}");
    let message =
        error(&["predict", "--run", arg(&run), arg(&image), "--set", "data.limit=1", "-q"]);
    assert!(message.contains("`data.limit` has no effect here"), "{message}");
    let message = error(&[&["read", arg(&image)], &weights[..], &net].concat());
    assert!(message.contains("the model has no class `4`"), "{message}");
}

#[test]
fn a_head_that_is_kept_by_number_alone_is_a_warning_of_the_run() {
    let folder = tempdir().unwrap();
    let data = classes(folder.path().join("data"), &ANIMALS, 5);
    let numbers = classes(folder.path().join("numbers"), &["0", "1", "2", "3"], 5);
    let short = ["--epochs", "1", "--set", STRETCH, "-q"];
    let run = |name: &str| folder.path().join(name);
    let first = run("first");
    json(
        &[&["train", "--net", "mlp", "--data", arg(&data), "--out", arg(&first)], &short[..]]
            .concat(),
    );
    let finetune = |out: &str, data: &Path| {
        let command = ["finetune", "--weights", arg(&first), "--data", arg(data), "--out"];
        json(&[&command[..], &[arg(&run(out))], &short].concat())["warnings"].clone()
    };
    assert_eq!(finetune("run-same", &data), serde_json::json!([]));
    let warning = finetune("run-numbers", &numbers)[0].as_str().unwrap().to_string();
    assert!(warning.contains("match by number alone: `3` is taken for `dog`"), "{warning}");
    let metrics = std::fs::read(run("run-numbers").join("metrics.json")).unwrap();
    let metrics: Value = serde_json::from_slice(&metrics).unwrap();
    assert_eq!(metrics["warnings"][0], warning);
    for page in ["report.html", "README.md"] {
        let page = std::fs::read_to_string(run("run-numbers").join(page)).unwrap();
        assert!(page.contains("Warning:") && page.contains("match by number alone"), "{page}");
    }
    // Once, whatever command it is and however many runs it makes.
    let out = run("folds");
    for command in [&["lr-find", "--steps", "10"][..], &["cross-validate", "--folds", "2"]] {
        let start = ["--weights", arg(&first), "--data", arg(&numbers), "--out", arg(&out)];
        let output = taper(&[command, &start, &short[2..]].concat()).output().unwrap();
        let text = stderr(&output);
        assert!(output.status.success(), "{text}");
        assert_eq!(text.matches("match by number alone").count(), 1, "{text}");
        std::fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn the_run_s_own_data_is_known_by_its_folder_and_told_where_it_has_changed() {
    let folder = tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    classes(here.join("data"), &ANIMALS, 10);
    classes(there.join("data"), &ANIMALS, 7);
    let run = folder.path().join("run");
    let from = |at: &Path, args: &[&str]| -> Value {
        let output = taper(&[args, &["-q", "--json"]].concat()).current_dir(at).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let train = ["train", "--data", "data", "--out", arg(&run), "--net", "mlp", "--epochs", "1"];
    let n = &from(&here, &train)["after"]["n"];
    assert!(n.as_u64().unwrap() < 20, "{n}");
    let evaluate = ["evaluate", "--run", arg(&run)];
    let named = [&evaluate[..], &["--data", "data"]].concat();
    for own in [from(&here, &evaluate), from(&here, &named), from(&there, &evaluate)] {
        assert_eq!((&own["n"], &own["warnings"]), (n, &serde_json::json!([])), "{own}");
    }
    // Another folder by the same words.
    assert_eq!(from(&there, &named)["n"], 28);
    // A table is as its keys.
    let set = [&evaluate[..], &["--set", "data={test_fraction=0.5}"]].concat();
    assert_eq!(from(&here, &set)["n"], 20);
    class(&here.join("data"), "ant", 0, 20);
    let warnings = from(&here, &evaluate)["warnings"].to_string();
    assert!(warnings.contains("may hold images that were trained on"), "{warnings}");
}

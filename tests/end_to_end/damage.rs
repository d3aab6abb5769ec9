//! Whatever bit of a run's folder changes: an error that names the file, or the same answers.

use std::path::{Path, PathBuf};

use candle_core::Device;
use taper_dataset::Image;
use taper_runner::checkpoint::Checkpoints;
use taper_runner::{Registry, Results, open_run};
use tempfile::tempdir;

use crate::program::{arg, error, json};
use crate::small::{begin, registry};

/// All that other commands believe of a run, as text: what the model answers, the recipe, the results, the page and
/// the newest checkpoint that is whole. An error is told with the file that it names.
fn answers(run: &Path, registry: &Registry) -> Result<String, String> {
    let (model, recipe) =
        open_run(run, &Device::Cpu, registry).map_err(|error| error.to_string())?;
    let images = (0..4).map(|n| Image::new(4, 4, 1, (0..16).map(|p| 13 * (p + n)).collect()));
    let images = images.collect::<Result<Vec<_>, _>>().unwrap();
    let probabilities = model.probabilities(images).map_err(|error| error.to_string())?;
    let classes = (&model.config.label_names, model.temperature());
    let folder = taper_runner::RunFolder::finished(run).map_err(|error| error.to_string())?;
    let results = Results::read(&folder).map_err(|error| error.to_string())?;
    taper_report::report(run).map_err(|error| error.to_string())?;
    let page = std::fs::read_to_string(folder.report()).unwrap();
    // A picture that changed is no reason for no page.
    if let Some((_, told)) =
        page.split_once("<p class=\"note\">").filter(|(_, told)| told.contains("its SHA-256"))
    {
        return Err(told.to_string());
    }
    let newest = Checkpoints::newest(&folder.checkpoints()).map_err(|error| error.to_string())?;
    if let Some((path, reason)) = newest.broken.first() {
        return Err(format!("{}: {reason}", path.display()));
    }
    let step = newest.found.map(|(_, checkpoint)| checkpoint.header.position.step);
    Ok(format!("{probabilities:?} {classes:?} {recipe:?} {results:?} {step:?}\n{page}"))
}

/// The files of a folder and those below it; not what others make of them anew.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.retain(|path| !path.ends_with("report.html") && !path.ends_with("README.md"));
    found.sort();
    found
}

/// Flips a bit of every `every`-th byte of every file, of each the next one of its eight bits. Gives how many were
/// told of, and how many left all as it was.
fn flip(run: &Path, registry: &Registry, every: usize) -> (usize, usize) {
    let whole = answers(run, registry).unwrap();
    let (mut told, mut same, mut n) = (0, 0, 0);
    for path in files(run) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        for place in (n % every..bytes.len()).step_by(every) {
            n += 1;
            let mut bytes = bytes.clone();
            bytes[place] ^= 1 << (n % 8);
            std::fs::write(&path, &bytes).unwrap();
            match answers(run, registry) {
                Ok(answers) => {
                    assert!(answers == whole, "{name}, byte {place}: other answers");
                    same += 1;
                }
                Err(message) => {
                    // A list names the files that it speaks of.
                    let names = message.contains(name) || name == "SHA256SUMS";
                    assert!(names, "{name}, byte {place}: {message}");
                    told += 1;
                }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(answers(run, registry).unwrap(), whole);
    (told, same)
}

/// `TAPER_FLIPS` says of how many bytes one is flipped; default 41, 1 for all.
#[test]
fn a_flipped_bit_is_an_error_with_the_file_or_changes_no_answer() {
    let every = std::env::var("TAPER_FLIPS").map_or(41, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let registry = registry();
    let [run, adapted] = ["run", "adapted"].map(|name| folder.path().join(name));
    let calibrated = ("calibration.temperature", "true");
    begin(&[calibrated], &run, Vec::new()).unwrap();
    let lora = [("method", "lora"), ("model.weights", arg(&run)), calibrated];
    begin(&lora, &adapted, Vec::new()).unwrap();
    assert!(adapted.join("adapter_model.safetensors").is_file());
    for run in [run, adapted] {
        let (told, same) = flip(&run, &registry, every);
        assert!(told > 100 && same > 0, "{told} {same}");
        let name = run.file_name().unwrap().to_str().unwrap();
        println!("{name}: {} flips, {told} told of, {same} without effect", told + same);
    }
}

#[test]
fn a_model_that_is_copied_out_of_its_run_works_and_goes_by_what_it_carries() {
    let folder = tempdir().unwrap();
    let [run, copy] = ["run", "copy"].map(|name| folder.path().join(name));
    let train = ["train", "--data", "digits", "--net", "lenet5", "--max-steps", "2", "-q"];
    let calibrated =
        ["--set", "calibration.temperature=true", "--set", "data.validation_fraction=0.2"];
    json(&[&train[..], &calibrated, &["--limit", "200", "--out", arg(&run)]].concat());
    std::fs::create_dir(&copy).unwrap();
    let at = |name: &str| copy.join(name);
    for name in ["model.safetensors", "config.json"] {
        std::fs::copy(run.join(name), at(name)).unwrap();
    }
    let evaluate =
        ["evaluate", "--weights", arg(&copy), "--data", "digits", "--set", "data.limit=200"];
    let whole = json(&evaluate);
    assert!(whole["n"].as_u64().unwrap() > 0, "{whole}");

    let config = std::fs::read_to_string(at("config.json")).unwrap();
    let mut names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    names.swap(0, 1);
    let swapped = |value: &mut serde_json::Value| value["label_names"] = names.clone().into();
    type Change<'a> = &'a dyn Fn(&mut serde_json::Value);
    let without = |key: &'static str| {
        move |value: &mut serde_json::Value| {
            let keys = value.as_object_mut().unwrap();
            let said = keys.remove(key).unwrap();
            keys.insert(format!("{key}x"), said);
        }
    };
    let changes: [(&str, Change<'_>); 9] = [
        ("label_names, class 0, is \"1\", but ", &swapped),
        ("num_classes is 9, but ", &|value| {
            value["num_classes"] = 9.into();
        }),
        ("architecture is mlp, but ", &|value| value["architecture"] = "mlp".into()),
        ("the preparation of images is ", &|value| {
            value["pretrained_cfg"]["mean"] = serde_json::json!([0.25]);
        }),
        ("calibration.temperature is -1, expected a number from 0.001 to 1000", &|value| {
            value["calibration"] = serde_json::json!({"temperature": -1});
        }),
        ("calibration is {\"temperature\":2.0}, but ", &|value| {
            value["calibration"] = serde_json::json!({"temperature": 2});
        }),
        // A key that is misspelt is one that is missing. (Without names classes are numbers, as these are.)
        ("calibration is missing, but ", &without("calibration")),
        ("border is missing, but ", &without("border")),
        ("the preparation of images is ", &without("pretrained_cfg")),
    ];
    for (expected, change) in changes {
        let mut value: serde_json::Value = serde_json::from_str(&config).unwrap();
        change(&mut value);
        std::fs::write(at("config.json"), value.to_string()).unwrap();
        let message = error(&evaluate);
        assert!(message.contains(arg(&at("config.json"))), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    // Without it the weights say it all themselves.
    std::fs::remove_file(at("config.json")).unwrap();
    let file = copy.join("model.safetensors");
    for weights in [&file, &copy] {
        let alone = json(&[&["evaluate", "--weights", arg(weights)], &evaluate[3..]].concat());
        assert_eq!(alone["accuracy"], whole["accuracy"]);
        assert_eq!(alone["loss"], whole["loss"]);
    }
}

#[test]
fn a_change_that_is_meant_is_one_once_its_line_is_gone() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    begin(&[], &run, Vec::new()).unwrap();
    let recipe = run.join("recipe.toml");
    let text = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, format!("# mine\n{text}")).unwrap();
    let opened = || open_run(&run, &Device::Cpu, &registry()).map(|_| ());
    let message = opened().unwrap_err().to_string();
    let expected = format!("{}: it is not the file that was written: its SHA-256", arg(&recipe));
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.ends_with("if the change is meant, remove its line there"), "{message}");
    let list = run.join("SHA256SUMS");
    let lines = std::fs::read_to_string(&list).unwrap();
    assert_eq!(lines.lines().count(), 5, "{lines}");
    let kept = lines.lines().filter(|line| !line.ends_with("recipe.toml"));
    std::fs::write(&list, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    opened().unwrap();
}

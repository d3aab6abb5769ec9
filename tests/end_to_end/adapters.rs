//! Runs that end in an adapter, and what every run leaves for other programs.

use std::path::{Path, PathBuf};

use taper_model::weights::TensorFile;
use tempfile::tempdir;

use crate::program::{arg, error, json, stderr, taper};
use crate::small::{begin, plan};

/// The shipped weights as a file of one's own.
fn base(folder: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/cli/assets/keras-cnn-mnist.safetensors");
    let base = folder.join("base.safetensors");
    std::fs::copy(shipped, &base).unwrap();
    base
}

fn finetune(weights: &Path, out: &Path, more: &[&str]) -> serde_json::Value {
    let command = ["finetune", "--weights", arg(weights), "--out", arg(out), "--quiet"];
    let short = ["--epochs", "1", "--set", "data.limit=200"];
    json(&[&command[..], &short, more].concat())
}

const LORA: &[&str] = &["--method", "lora", "--set", "method.rank=4"];

#[test]
fn a_run_that_ends_in_an_adapter_is_a_model_like_any_other() {
    let folder = tempdir().unwrap();
    let base = base(folder.path());
    let run = folder.path().join("run");
    let result = finetune(&base, &run, LORA);
    let trained = &result["trained"];
    // Ranks of 4 beside conv1, conv2 and fc1, and the head.
    let adapters = 4 * (9 + 32) + 4 * (288 + 64) + 4 * (9216 + 128);
    assert_eq!(trained["trainable"], adapters + 1290);
    assert_eq!(trained["parameters"], 1_199_882 + adapters);
    assert!(run.join("adapter_model.safetensors").is_file());
    assert!(run.join("adapter_config.json").is_file());
    assert!(!run.join("model.safetensors").exists());

    // Worked into the weights it started from, up to rounding.
    let same = |scores: &serde_json::Value, what: &str| {
        assert_eq!(scores["accuracy"], result["after"]["accuracy"], "{what}");
        let loss = |scores: &serde_json::Value| scores["loss"].as_f64().unwrap();
        assert!((loss(scores) - loss(&result["after"])).abs() < 1e-5, "{what} {scores}");
    };
    same(&json(&["evaluate", "--run", arg(&run)]), "evaluated");
    let merged = folder.path().join("merged");
    same(&finetune(&base, &merged, &[LORA, &["--merge"]].concat())["after"], "merged");
    same(&json(&["evaluate", "--run", arg(&merged)]), "merged and evaluated");
    let file = TensorFile::read(merged.join("model.safetensors")).unwrap();
    assert_eq!(file.names().count(), 8);

    // As the start of another run.
    let next = finetune(&run, &folder.path().join("next"), &["--method", "head"]);
    same(&next["before"], "as weights");
    assert_eq!(next["load_report"]["loaded"].as_array().unwrap().len(), 8);

    // Beside other weights it is of no use.
    let other = finetune(&base, &folder.path().join("other"), &[]);
    assert!(other["after"]["n"].as_u64().unwrap() > 0);
    std::fs::copy(folder.path().join("other/model.safetensors"), &base).unwrap();
    let message = error(&["evaluate", "--run", arg(&run)]);
    let expected = "has other weights than those it was trained beside";
    assert!(
        message.contains("adapter_model.safetensors") && message.ends_with(expected),
        "{message}"
    );
    std::fs::remove_file(&base).unwrap();
    let message = error(&["evaluate", "--run", arg(&run)]);
    assert!(message.contains("base.safetensors"), "{message}");
}

#[test]
fn an_adapter_finds_its_weights_from_another_folder() {
    let folder = tempdir().unwrap();
    base(folder.path());
    let command = ["finetune", "--weights", "base.safetensors", "--out", "run", "--quiet"];
    let short = ["--epochs", "1", "--set", "data.limit=100"];
    let output = taper(&[&command[..], &short, LORA].concat()).current_dir(folder.path()).output();
    assert!(output.as_ref().unwrap().status.success(), "{}", stderr(&output.unwrap()));
    let run = folder.path().join("run");
    assert!(json(&["evaluate", "--run", arg(&run)])["accuracy"].as_f64().unwrap() > 0.5);
    std::fs::remove_file(folder.path().join("base.safetensors")).unwrap();
    let message = error(&["evaluate", "--run", arg(&run)]);
    let expected = "is an adapter beside `base.safetensors`, which cannot be read: ";
    assert!(message.contains(arg(&run)) && message.contains(expected), "{message}");
}

#[test]
fn adapters_that_cannot_be_are_told_of_in_a_line() {
    let at = |more: &[&str]| error(&[&["finetune", "--method", "lora"], more].concat());
    let message = at(&["--set", "method.rank=0"]);
    assert!(message.ends_with("`method.rank` is 0, expected 1 or more"), "{message}");
    let message = at(&["--set", "method.dropout=1.0"]);
    assert!(message.ends_with("`method.dropout` is 1, expected 0 to below 1"), "{message}");
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let message = at(&["--set", "method.targets=[\"conv9\"]", "--out", arg(&out)]);
    assert!(message.contains("`conv9` stands for no dense layer or convolution"), "{message}");
    assert!(message.ends_with("its layers are like `conv1`"), "{message}");
    assert!(!out.exists());
    let message = plan(&[("method", "lora")]).err().unwrap().to_string();
    assert!(message.contains("no weights to adapt"), "{message}");
}

#[test]
fn a_run_has_a_model_card_and_a_configuration_for_others() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    begin(&[("card.license", "apache-2.0"), ("method", "head")], &out, Vec::new()).unwrap();
    taper_report::complete(&out).unwrap();
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    let (front, body) = card.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    for line in [
        "license: \"apache-2.0\"",
        "library_name: taper",
        "pipeline_tag: image-classification",
        "- name: \"small trained on stripes\"",
        "    - type: accuracy",
    ] {
        assert!(front.lines().any(|l| l == line), "{line}\n{front}");
    }
    for text in [
        "\n# small trained on stripes\n",
        "| Licence of the model | apache-2.0 |",
        "| Licence of the data | unknown |",
        "| Method | `head`: 18 trainable parameters, 10.59 % |",
        "| after | ",
        "macro",
        "name = \"head\"",
    ] {
        assert!(body.contains(text), "{text}\n{body}");
    }

    let out = folder.path().join("digits");
    json(&["train", "--net", "lenet5", "--fast-dev-run", "--out", arg(&out), "-q"]);
    let card = std::fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card.contains("license: \"unknown\"") && card.contains("| cc-by-4.0 |"), "{card}");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["architecture"], "lenet5");
    assert_eq!(config["label_names"][9], "9");
    assert_eq!(config["model_args"]["in_chans"], 1);
    let said = &config["pretrained_cfg"];
    assert_eq!(said["crop_mode"], "squash");
    assert_eq!(said["input_size"], serde_json::json!([1, 28, 28]));
    assert!(said.get("placement").is_none() && said.get("license").is_none());
}

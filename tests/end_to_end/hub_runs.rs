//! Fine-tuning from the Hub, end to end, against a server on loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use taper_model::nets;
use taper_model::rng::RngKey;
use taper_model::weights::{Weights, WeightsConfig};
use tempfile::tempdir;

use crate::hub_server::{COMMIT, HubServer};
use crate::program::{arg, json, stderr, taper};

/// The shipped digit weights as a repository: `finetune --weights hub:…` takes net, preprocessing and
/// tensors from there, and the recipe says which commit it was.
#[test]
fn fine_tuning_starts_from_the_hub_and_pins_the_commit() {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/cli/assets/keras-cnn-mnist.safetensors");
    let config = br#"{"architecture": "keras-cnn", "num_classes": 10, "pretrained_cfg": {
        "input_size": [1, 28, 28], "mean": [0.0], "std": [1.0], "interpolation": "bicubic",
        "placement": "digit", "first_conv": "conv1", "classifier": "fc2"}}"#;
    let files = BTreeMap::from([
        ("config.json".to_string(), config.to_vec()),
        ("model.safetensors".to_string(), std::fs::read(weights).unwrap()),
    ]);
    let server = HubServer::start(files);
    let folder = tempdir().unwrap();
    let finetune = |out: &str, weights: &str, endpoint: &str, offline: &str| {
        let out = folder.path().join(out);
        let command = ["finetune", "--weights", weights, "--epochs", "1", "--out", arg(&out), "-q"];
        let output = taper(&command)
            .env("HF_HOME", folder.path())
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HUB_OFFLINE", offline)
            .env_remove("HF_HUB_CACHE")
            .env_remove("HF_TOKEN")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(output.stderr.is_empty(), "{}", stderr(&output));
        std::fs::read(out.join("model.safetensors")).unwrap()
    };
    let first = finetune("first", "hub:taper/test", &server.endpoint, "0");
    let recipe = std::fs::read_to_string(folder.path().join("first/recipe.toml")).unwrap();
    let pinned = format!("hub:taper/test@{COMMIT}");
    assert!(recipe.contains(&format!("weights = \"{pinned}\"")), "{recipe}");
    assert!(recipe.contains("net = \"keras-cnn\"") && recipe.contains("placement = \"digit\""));

    // The same again, from the cache alone.
    let second = finetune("second", &pinned, "http://127.0.0.1:1", "1");
    assert!(first == second);
    let scores = json(&["evaluate", "--run", arg(&folder.path().join("first"))]);
    assert!(scores["accuracy"].as_f64().unwrap() > 0.9, "{scores}");
}

/// A folder of PNG digits, a folder per class, from the data set that ships.
fn png_digits(folder: &Path) -> PathBuf {
    let digits = taper_dataset::open("digits").unwrap().train;
    let data = folder.join("digits-png");
    for i in 0..digits.len() {
        let class = data.join(&digits.class_names()[digits.label(i) as usize]);
        std::fs::create_dir_all(&class).unwrap();
        let image = digits.decode(i).unwrap();
        let (width, height) = (image.width as u32, image.height as u32);
        let image = image::GrayImage::from_raw(width, height, image.pixels).unwrap();
        image.save(class.join(format!("{i:04}.png"))).unwrap();
    }
    data
}

/// The bytes of a ResNet-18 with 1000 classes and random weights.
fn random_resnet18() -> Vec<u8> {
    let info = nets::find("resnet18").unwrap();
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    (info.build)(&info.config(), vb, &RngKey::new(0)).unwrap();
    let (params, _) = weights.finish().unwrap();
    taper_model::weights::to_bytes(&params, &BTreeMap::new(), DType::F32).unwrap()
}

/// A ResNet-18 with 1000 classes, as timm puts it on the Hub, becomes one for ten digits.
#[test]
fn a_resnet_from_the_hub_learns_the_digits() {
    let config = br#"{"architecture": "resnet18", "num_classes": 1000, "pretrained_cfg": {
        "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 1.0,
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        "first_conv": "conv1", "classifier": "fc"}}"#;
    let server = HubServer::start(BTreeMap::from([
        ("config.json".to_string(), config.to_vec()),
        ("model.safetensors".to_string(), random_resnet18()),
    ]));
    let folder = tempdir().unwrap();
    let data = png_digits(folder.path());
    let out = folder.path().join("run");
    let command =
        ["finetune", "--weights", "hub:taper/test", "--data", arg(&data), "--out", arg(&out)];
    // Small images, so that the test takes seconds.
    let size = ["--set", "image.height=24", "--set", "image.width=24", "--epochs", "3"];
    let steps =
        ["--batch-size", "64", "--learning-rate", "2e-3", "--set", "checkpoint.enabled=false"];
    let output = taper(&command)
        .args(size)
        .args(steps)
        .arg("--json")
        .env("HF_HOME", folder.path().join("hf"))
        .env("HF_ENDPOINT", &server.endpoint)
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .env_remove("HF_TOKEN")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &result["load_report"];
    // Where the cache is on this machine is not said, the model card and the page being uploaded.
    assert_eq!(report["source"], format!("hub:taper/test@{COMMIT}, model.safetensors"));
    let progress = stderr(&output);
    let (before, after) = (progress.find("weights from hub:"), progress.find("epoch 1/3"));
    assert!(before.unwrap() < after.unwrap(), "{progress}");
    for file in ["metrics.json", "report.html", "README.md", "config.json"] {
        let text = std::fs::read_to_string(out.join(file)).unwrap();
        assert!(!text.contains(arg(&folder.path().join("hf"))), "{file}");
    }
    let heads: Vec<_> = report["initialized"].as_array().unwrap().iter().collect();
    assert_eq!(heads.len(), 2, "{report}");
    assert_eq!(heads[1]["name"], "fc.weight");
    assert_eq!(heads[1]["note"], "head replaced: the file has [1000, 512]");
    assert_eq!(report["loaded"].as_array().unwrap().len(), 60 + 40, "{report}");
    for list in ["missing", "mismatched", "unused"] {
        assert!(report[list].as_array().unwrap().is_empty(), "{list}");
    }
    let accuracy = result["after"]["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");
}

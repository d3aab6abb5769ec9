//! Checkpoints as training programs leave them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use taper_model::nets;
use taper_model::rng::RngKey;
use taper_model::weights::{Weights, WeightsConfig};
use tempfile::tempdir;

use crate::program::{arg, idx_folder, json, stderr, taper};

/// The parameters of an untrained `mlp`, their names behind a prefix.
fn mlp(seed: u64, prefix: &str) -> HashMap<String, Tensor> {
    let info = nets::find("mlp").unwrap();
    let config = WeightsConfig { seed, ..WeightsConfig::default() };
    let build = |vb| (info.build)(&info.config(), vb, &RngKey::new(0));
    let (_, params, _) = Weights::load(config, DType::F32, &Device::Cpu, build).unwrap();
    let tensors = params.to_tensors().unwrap().into_iter();
    tensors.map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

fn save(folder: &Path, tensors: &HashMap<String, Tensor>) -> PathBuf {
    let path = folder.join("weights.safetensors");
    candle_core::safetensors::save(tensors, &path).unwrap();
    path
}

/// The arguments that fine-tune an `mlp` by a step.
fn finetune<'a>(weights: &'a Path, data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let steps = ["--max-steps", "1", "--overwrite", "--set", "checkpoint.enabled=false"];
    let start = ["finetune", "--net", "mlp", "--weights", arg(weights), "--data", arg(data)];
    [&start[..], &["--out", arg(out)], &steps].concat()
}

#[test]
fn prefixes_of_a_compiled_and_parallel_net_are_taken_off() {
    let folder = tempdir().unwrap();
    let (data, out) = (idx_folder(folder.path(), 20), folder.path().join("run"));
    let plain = json(&finetune(&save(folder.path(), &mlp(3, "")), &data, &out));
    for renames in ["[]", "[{from='_orig_mod.*',to='*'}]", "[{from='module.*',to='*'}]"] {
        let weights = save(folder.path(), &mlp(3, "_orig_mod.module."));
        let renames = format!("model.renames={renames}");
        let found = json(&[finetune(&weights, &data, &out), vec!["--set", &renames]].concat());
        assert_eq!(found["before"], plain["before"], "{renames}");
        let note = "the prefix `_orig_mod.module.` is taken off the file's names";
        assert!(renames.ends_with("'*'}]") || found["load_report"]["notes"][0] == note);
    }
}

#[test]
fn averaged_weights_go_first_and_a_key_chooses_others() {
    let folder = tempdir().unwrap();
    let (data, out) = (idx_folder(folder.path(), 20), folder.path().join("run"));
    let loss = |found: Value| found["before"]["loss"].as_f64().unwrap();
    let alone = |seed| loss(json(&finetune(&save(folder.path(), &mlp(seed, "")), &data, &out)));
    let (trained, averaged) = (alone(3), alone(4));
    assert_ne!(trained, averaged);

    let mut both = mlp(3, "model.");
    both.extend(mlp(4, "model_ema."));
    let weights = save(folder.path(), &both);
    let found = json(&finetune(&weights, &data, &out));
    let note = found["load_report"]["notes"][0].as_str().unwrap();
    assert!(note.contains("`model_ema.`") && note.contains("`model.state_key`"), "{note}");
    assert_eq!(loss(found), averaged);
    let key = ["--set", "model.state_key=model"];
    assert_eq!(loss(json(&[finetune(&weights, &data, &out), key.to_vec()].concat())), trained);

    let mut both = mlp(3, "student.");
    both.extend(mlp(4, "teacher."));
    // A warning stands before it: of ten digits two are there.
    let output = taper(&finetune(&save(folder.path(), &both), &data, &out)).output().unwrap();
    let text = stderr(&output);
    let line = text.lines().last().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(line.contains("under `student`, `teacher`: `model.state_key` chooses"), "{text}");
}

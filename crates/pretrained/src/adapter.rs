//! Runs that end in an adapter: what is written, and how it is merged into the weights beside which it was
//! trained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use taper_model::lora::{self, Adapters, LoraConfig};
use taper_model::nets::{NetConfig, NetInfo};
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{
    self, ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, TensorFile, Weights, WeightsConfig,
    WeightsError, read_adapter,
};
use taper_untrusted::checksums::{self, SETTINGS};

use crate::error::PretrainedError;
use crate::fit::Fit;

/// The key of the adapter's metadata under which the fingerprint of the frozen weights stands.
const FROZEN: &str = "frozen_sha256";

/// The key under which the way from the run's folder to the base's weights stands, where they are files.
const BASE: &str = "base_from_run";

/// The file of a run's recipe.
const RECIPE: &str = "recipe.toml";

/// A run that ended in an adapter.
pub(crate) struct AdapterRun {
    run: PathBuf,
    config: AdapterConfig,
    adapter: TensorFile,
    recipe: Recipe,
}

/// What a run's recipe says of its start.
#[derive(Deserialize)]
struct Recipe {
    seed: u64,
    model: Start,
}

#[derive(Deserialize)]
struct Start {
    weights: String,
    #[serde(flatten)]
    fit: Fit,
}

impl AdapterRun {
    /// Whether a folder is that of a run whose net's own weights are elsewhere.
    pub fn is_one(folder: &Path) -> bool {
        let is_there = |name: &str| folder.join(name).is_file();
        is_there(RECIPE) && is_there(ADAPTER_WEIGHTS) && !is_there("model.safetensors")
    }

    /// Reads the adapter, and how its run started.
    ///
    /// # Errors
    /// A file is missing, or is not what it should be.
    pub fn open(run: &Path) -> Result<Self, PretrainedError> {
        let (config, adapter) = read_adapter(run)?;
        let path = run.join(RECIPE);
        let text = checksums::read_text(&path, SETTINGS).map_err(PretrainedError::io(&path))?;
        let recipe = toml::from_str(&text)
            .map_err(|error| PretrainedError::config(&path)(error.message().to_string()))?;
        Ok(Self { run: run.to_path_buf(), config, adapter, recipe })
    }

    /// The name of the weights that it stands beside: as the recipe has it, from where the program runs or,
    /// if nothing is there, from the run's own folder.
    pub fn base(&self) -> Result<String, WeightsError> {
        let weights = &self.recipe.model.weights;
        let way = self.adapter.metadata()?.remove(BASE);
        let from_run = way.as_ref().and_then(Value::as_str).map(|way| self.run.join(way));
        match from_run.filter(|path| !Path::new(weights).exists() && path.exists()) {
            Some(path) => path.into_os_string().into_string().map_err(|path| {
                let reason = format!("the path of its base, {}, is not UTF-8", path.display());
                WeightsError::Adapter { path: self.run.clone(), reason }
            }),
            None => Ok(weights.clone()),
        }
    }

    /// The adapter's tensors, and what its file says of itself.
    pub fn tensors(&self) -> &TensorFile {
        &self.adapter
    }

    /// The key of the base's weights in its file.
    pub fn state_key(&self) -> &str {
        &self.recipe.model.fit.state_key
    }

    /// That its base cannot be had.
    pub fn without_base(&self, error: &PretrainedError) -> PretrainedError {
        PretrainedError::AdapterBase {
            run: self.run.clone(),
            weights: self.recipe.model.weights.clone(),
            reason: error.to_string(),
        }
    }

    /// The net's weights with the adapter merged into those that it was trained beside.
    ///
    /// # Errors
    /// The weights are others than they were; the adapter lacks a tensor.
    pub fn merge(
        &self,
        base: TensorFile,
        built_for: Option<(usize, usize)>,
        info: &NetInfo,
        net_config: &NetConfig,
    ) -> Result<TensorFile, PretrainedError> {
        let Recipe { seed, model } = &self.recipe;
        let lora = self.config.lora(&self.run.join(ADAPTER_CONFIG))?;
        let key = RngKey::new(*seed);
        let config = WeightsConfig {
            trainable: lora::trainable(info.head),
            adapters: Some(Adapters { lora: lora.clone(), head: info.head.to_string(), key }),
            seed: *seed,
            ..model.fit.weights_config(info, net_config, Some(base), built_for)?
        };
        let build = |vb| (info.build)(net_config, vb, &RngKey::new(*seed));
        let (_, params, _) = Weights::load(config, DType::F32, &Device::Cpu, build)?;

        let path = self.run.join(ADAPTER_WEIGHTS);
        let wrong = |reason: String| WeightsError::Adapter { path: path.clone(), reason };
        let expected = self.adapter.metadata()?.remove(FROZEN);
        let found = fingerprint(&params)?;
        if expected.as_ref().and_then(Value::as_str).is_some_and(|expected| expected != found) {
            let reason =
                format!("`{}` has other weights than those it was trained beside", model.weights);
            return Err(wrong(reason).into());
        }
        let mut trained = params.of_kind(ParamKind::Trainable).map(|(name, _)| name);
        if let Some(name) = trained.find(|name| self.adapter.get(name).is_none()) {
            return Err(wrong(format!("`{name}` is missing")).into());
        }
        let tensors = self.adapter.names().filter_map(|name| {
            self.adapter.get(name).map(|tensor| (name.to_string(), tensor.clone()))
        });
        params.set_some(&tensors.collect())?;
        let merged = lora::merge(&params, &lora)?;
        let origin = self.run.display().to_string();
        Ok(TensorFile::from_tensors(merged.to_tensors()?, &origin)?.with_metadata_of(&self.adapter))
    }
}

/// Writes what a run has trained beside the weights called `base`, as `peft` reads it: the adapters
/// `lora`, and the head by its prefix.
///
/// # Errors
/// Values that are not finite; whatever the file system says.
pub fn save_adapter(
    run: &Path,
    params: &Params,
    lora: &LoraConfig,
    head: &str,
    base: &str,
    mut metadata: BTreeMap<String, Value>,
) -> Result<(), PretrainedError> {
    let name = base.strip_prefix("hub:").map_or(base, |id| {
        // Without the commit, which `peft` takes apart from the name.
        id.split_once('@').map_or(id, |(name, _)| name)
    });
    let config = AdapterConfig::new(params, lora, head, name);
    if let Some(way) = way_to(base, run) {
        metadata.insert(BASE.to_string(), way.into());
    }
    metadata.insert(FROZEN.to_string(), fingerprint(params)?.into());
    Ok(weights::save_adapter(run, params, &config, &metadata)?)
}

/// The way from the folder `run` to the file or folder `weights`, `None` where there is none there, or its
/// names are not UTF-8.
fn way_to(weights: &str, run: &Path) -> Option<String> {
    let to = std::fs::canonicalize(weights).ok()?;
    let from = std::fs::canonicalize(run).ok()?;
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Some(".."));
    let down = to.components().skip(shared).map(|name| name.as_os_str().to_str());
    Some(up.chain(down).collect::<Option<Vec<_>>>()?.join("/"))
}

/// SHA-256 over the names and values of what is not trained.
fn fingerprint(params: &Params) -> candle_core::Result<String> {
    let mut hash = Sha256::new();
    for (name, param) in params.iter().filter(|(_, p)| p.kind != ParamKind::Trainable) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        for value in param.var.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()? {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(checksums::hex(&hash.finalize()))
}

//! Runs that end in an adapter: what is written, and the net with it worked in.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device};
use serde_json::Value;
use sha2::{Digest, Sha256};
use taper_model::lora;
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{
    self, ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, TensorFile, Weights, WeightsError,
    read_adapter,
};
use taper_run_folder::RunFolder;

use crate::config::ModelConfig;
use crate::error::RunnerError;
use crate::fit::{know, weights_config};
use crate::plan::Plan;
use crate::pretrained::Pretrained;
use crate::recipe::{Method, read_resolved};
use crate::registry::Registry;

/// The key of the adapter's metadata under which the fingerprint of the frozen weights stands.
const FROZEN: &str = "frozen_sha256";

/// The key under which the way from the run's folder to the base's weights stands, where they are files.
const BASE: &str = "base_from_run";

/// The way from the folder `run` to the file or folder `weights`, `None` where there is none there.
fn way_to(weights: &str, run: &Path) -> Option<String> {
    let to = std::fs::canonicalize(weights).ok()?;
    let from = std::fs::canonicalize(run).ok()?;
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_string());
    let down = to.components().skip(shared).map(|c| c.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// The weights that an adapter stands beside: as the recipe names them, from where the program runs or,
/// if nothing is there, from the run's own folder.
fn base_of(
    run: &Path,
    adapter: &TensorFile,
    weights: &str,
    registry: &Registry,
) -> Result<Pretrained, RunnerError> {
    let way = adapter.metadata()?.remove(BASE);
    let from_run = way.as_ref().and_then(Value::as_str).map(|way| run.join(way));
    let name = match from_run.filter(|path| !Path::new(weights).exists() && path.exists()) {
        Some(path) => path.to_string_lossy().into_owned(),
        None => weights.to_string(),
    };
    Pretrained::open(&name, registry)
}

/// Writes the adapter of a run; with `merge`, gives the parameters of the net with it worked in.
pub(crate) fn save(
    plan: &Plan,
    folder: &RunFolder,
    params: &Params,
    mut metadata: BTreeMap<String, Value>,
) -> Result<Option<Params>, RunnerError> {
    let (Method::Lora { merge, .. }, Some(adapters)) =
        (&plan.recipe.method, &plan.weights.adapters)
    else {
        return Ok(None);
    };
    let base = &plan.recipe.model.weights;
    let base = base.strip_prefix("hub:").map_or(base.as_str(), |id| {
        // Without the commit, which `peft` takes apart from the name.
        id.split_once('@').map_or(id, |(name, _)| name)
    });
    let config = AdapterConfig::new(params, &adapters.lora, plan.net.head, base);
    if let Some(way) = way_to(&plan.recipe.model.weights, folder.path()) {
        metadata.insert(BASE.to_string(), way.into());
    }
    metadata.insert(FROZEN.to_string(), fingerprint(params)?.into());
    weights::save_adapter(folder.path(), params, &config, &metadata)?;
    match merge {
        true => Ok(Some(lora::merge(params, &adapters.lora)?)),
        false => Ok(None),
    }
}

/// The weights of a run that ended in an adapter, worked into those that it started from.
///
/// # Errors
/// The adapter or what it started from is missing, or is not what it was.
pub(crate) fn merged(run: &Path, registry: &Registry) -> Result<TensorFile, RunnerError> {
    let folder = RunFolder::begun(run)?;
    let (about, adapter) = read_adapter(run)?;
    let config = ModelConfig::read(&folder.config())?;
    let recipe = read_resolved(&folder.recipe())?;
    let info = *registry.net(&config.architecture)?;
    let net_config = config.net_config();
    let weights = &recipe.model.weights;
    let missing = |error: RunnerError| RunnerError::AdapterBase {
        run: run.to_path_buf(),
        weights: weights.clone(),
        reason: error.to_string(),
    };
    let pretrained = base_of(run, &adapter, weights, registry).map_err(missing)?;
    let base = pretrained.read().map_err(missing)?;
    let mut config = weights_config(&recipe, &info, &net_config, Some(base))?;
    know(&mut config, &info, pretrained.said.and_then(|said| said.built_for));
    let weights = Weights::new(config)?;
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let built = (info.build)(&net_config, vb, &RngKey::new(recipe.seed));
    let (params, _) = weights.finish()?;
    built?;

    let path = run.join(ADAPTER_WEIGHTS);
    let wrong = |reason: String| WeightsError::Adapter { path: path.clone(), reason };
    let expected = adapter.metadata()?.remove(FROZEN);
    let found = fingerprint(&params)?;
    if expected.as_ref().and_then(Value::as_str).is_some_and(|expected| expected != found) {
        let weights = &recipe.model.weights;
        let reason = format!("`{weights}` has other weights than those it was trained beside");
        return Err(wrong(reason).into());
    }
    let trained: Vec<&str> = params.of_kind(ParamKind::Trainable).map(|(name, _)| name).collect();
    if let Some(name) = trained.iter().find(|name| adapter.get(name).is_none()) {
        return Err(wrong(format!("`{name}` is missing")).into());
    }
    let tensors = adapter
        .names()
        .filter_map(|name| adapter.get(name).map(|tensor| (name.to_string(), tensor.clone())));
    params.set_some(&tensors.collect())?;
    let merged = lora::merge(&params, &about.lora(&run.join(ADAPTER_CONFIG))?)?;
    let origin = run.display().to_string();
    Ok(TensorFile::from_tensors(merged.to_tensors()?, &origin)?.with_metadata_of(&adapter))
}

/// SHA-256 over the names and values of what is not trained.
fn fingerprint(params: &Params) -> Result<String, RunnerError> {
    let mut hash = Sha256::new();
    for (name, param) in params.iter().filter(|(_, p)| p.kind != ParamKind::Trainable) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        for value in param.var.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()? {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

//! The net of a plan, built from the plan's weights.

use candle_core::DType;
use taper_model::nets::Net;
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{KeyMap, LoadReport, Weights, WeightsConfig, WeightsError};

use crate::error::{RunnerError, TrainingError};
use crate::last_batch::batch_norm_of_one_value;
use crate::plan::Plan;

/// A net with its parameters.
pub struct Loaded {
    /// The net.
    pub net: Net,
    /// Its parameters by name.
    pub params: Params,
    /// What became of each tensor of the weights.
    pub report: LoadReport,
    /// The randomness of its dropout.
    pub rng: RngKey,
    /// Whether the last batch of an epoch, of one image, is taken into the one before, because a batch norm
    /// would have one value a channel of it.
    pub joins_last_batch: bool,
    /// What is worth knowing before the run begins: the plan's notes and its own.
    pub notes: Vec<String>,
}

/// An error of loading, with the key map of the net that the weights' names need, if there is one.
fn with_key_map(plan: &Plan, error: WeightsError) -> RunnerError {
    if !plan.recipe.model.key_map.is_empty() || plan.weights.source.is_none() {
        return error.into();
    }
    let fits = |(_, key_map): &&(&str, KeyMap)| {
        let rng = RngKey::new(plan.recipe.seed);
        let (net, config) = (plan.config.net_config(), plan.weights.clone());
        let config = WeightsConfig { key_map: key_map.clone(), adapters: None, ..config };
        let build = |vb| (plan.net.build)(&net, vb, &rng);
        Weights::load(config, DType::F32, &plan.device, build).is_ok()
    };
    match plan.net.key_maps.iter().find(fits) {
        Some(&(key_map, _)) => TrainingError::KeyMap { error: Box::new(error), key_map }.into(),
        None => error.into(),
    }
}

/// Builds the plan's net from the plan's weights, on the plan's device.
///
/// # Errors
/// Tensors that are missing, left over or of another shape; nothing left to train; batches of one image for a
/// batch norm that has one value a channel of them.
pub fn load(plan: &Plan) -> Result<Loaded, RunnerError> {
    let rng = RngKey::new(plan.recipe.seed);
    let mut config = plan.weights.clone();
    if let Some(adapters) = &mut config.adapters {
        adapters.key = rng.clone();
    }
    let net_config = plan.config.net_config();
    let build = |vb| (plan.net.build)(&net_config, vb, &rng);
    let (net, params, report) = Weights::load(config, DType::F32, &plan.device, build)
        .map_err(|error| with_key_map(plan, error))?;
    let frozen = |name: &str| params.get(name).is_some_and(|p| p.kind == ParamKind::Frozen);
    let new_head = |name: &String| report.new_head.contains(name);
    if let Some(entry) = report.initialized.iter().find(|e| new_head(&e.name) && frozen(&e.name)) {
        let (name, note) = (entry.name.clone(), entry.note.clone());
        return Err(TrainingError::FrozenHead { name, note }.into());
    }
    if params.trainable().is_empty() {
        return Err(TrainingError::AllFrozen { frozen: params.len() }.into());
    }
    let mut notes = plan.notes.clone();
    if plan.recipe.train.recompute && !net.recomputes() {
        let name = plan.net.name;
        notes.push(format!("`train.recompute` has no effect: `{name}` has too few layers"));
    }
    let layer = batch_norm_of_one_value(plan, &net, &params)?;
    if let Some(layer) = &layer {
        notes.push(format!(
            "the last batch of an epoch would have one image, and batch norm `{layer}` one value a channel of it: \
             the image is taken into the batch before"
        ));
    }
    Ok(Loaded { net, params, report, rng, joins_last_batch: layer.is_some(), notes })
}

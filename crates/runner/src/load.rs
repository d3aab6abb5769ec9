//! The net of a plan, built from the plan's weights.

use candle_core::DType;
use taper_model::nets::Net;
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{LoadReport, Weights};

use crate::error::{RunnerError, TrainingError};
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
}

/// Builds the plan's net from the plan's weights, on the plan's device.
///
/// # Errors
/// Tensors that are missing, left over or of another shape; nothing left to train.
pub fn load(plan: &Plan) -> Result<Loaded, RunnerError> {
    let rng = RngKey::new(plan.recipe.seed);
    let mut config = plan.weights.clone();
    if let Some(adapters) = &mut config.adapters {
        adapters.key = rng.clone();
    }
    let net_config = plan.config.net_config();
    let build = |vb| (plan.net.build)(&net_config, vb, &rng);
    let (net, params, report) = Weights::load(config, DType::F32, &plan.device, build)?;
    let frozen = |name: &str| params.get(name).is_some_and(|p| p.kind == ParamKind::Frozen);
    let new_head = |name: &String| report.new_head.contains(name);
    if let Some(entry) = report.initialized.iter().find(|e| new_head(&e.name) && frozen(&e.name)) {
        let (name, note) = (entry.name.clone(), entry.note.clone());
        return Err(TrainingError::FrozenHead { name, note }.into());
    }
    if params.trainable().is_empty() {
        return Err(TrainingError::AllFrozen { frozen: params.len() }.into());
    }
    Ok(Loaded { net, params, report, rng })
}

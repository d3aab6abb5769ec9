//! A plan carried out: evaluate, train, evaluate again, save.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device};
use taper_model::nets::Net;
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::weights::{self, LoadReport, Weights};
use taper_optimizer::Optimizer;

use crate::error::RunnerError;
use crate::evaluate::{Evaluation, Scores, evaluate};
use crate::observe::{History, Listener};
use crate::plan::Plan;
use crate::run_folder::{RunFolder, write_whole};
use crate::seen;
use crate::train::{Trained, Training, train};

/// What a run did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// What became of each tensor of the weights.
    pub load_report: LoadReport,
    /// Scores on the held-out part before training.
    pub before: Scores,
    /// Scores on the held-out part after training.
    pub after: Scores,
    /// The answers behind `after`.
    pub evaluation: Evaluation,
    /// How training went.
    pub trained: Trained,
}

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

/// Builds the plan's net from the plan's weights.
///
/// # Errors
/// Tensors that are missing, left over or of another shape; nothing left to train.
pub fn load(plan: &Plan, device: &Device) -> Result<Loaded, RunnerError> {
    let rng = RngKey::new(plan.recipe.seed);
    let weights = Weights::new(plan.weights.clone())?;
    let built =
        (plan.net.build)(&plan.config.net_config(), weights.var_builder(DType::F32, device), &rng);
    // A fault of the weights says more than what it led to in the net.
    let (params, report) = weights.finish()?;
    let net = built?;
    if params.trainable().is_empty() {
        return Err(RunnerError::AllFrozen { frozen: params.len() });
    }
    Ok(Loaded { net, params, report, rng })
}

/// Carries out a plan and writes its run folder.
///
/// The held-out part is evaluated before and after training; it steers nothing in between.
///
/// # Errors
/// Whatever [`load`], [`train()`] and [`evaluate()`] report; a folder that cannot be written.
pub fn run(
    plan: &Plan,
    out: PathBuf,
    overwrite: bool,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Outcome, RunnerError> {
    let device = Device::Cpu;
    let loaded = load(plan, &device)?;
    let batch_size = plan.recipe.train.eval_batch_size;
    let before = Scores::of(&evaluate(&loaded.net, &plan.data.test, batch_size, &device)?)?;

    let folder = RunFolder::create(&out, &plan.recipe, overwrite)?;
    listeners.push(Box::new(History::create(&folder.history())?));
    let trained = train_loaded(plan, &loaded, &device, &mut listeners)?;

    let evaluation = evaluate(&loaded.net, &plan.data.test, batch_size, &device)?;
    let after = Scores::of(&evaluation)?;
    weights::save(folder.model(), &loaded.params, &metadata(plan))?;
    plan.config.write(&folder.config())?;
    write_metrics(&folder, &before, &after, &evaluation)?;
    Ok(Outcome { run: out, load_report: loaded.report, before, after, evaluation, trained })
}

/// Trains the plan's net from weights drawn from the seed, with the same budget, and scores it;
/// nothing is written.
///
/// # Errors
/// As [`run`].
pub fn from_scratch(
    plan: &Plan,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Scores, RunnerError> {
    let device = Device::Cpu;
    let plan = plan.without_weights();
    let loaded = load(&plan, &device)?;
    train_loaded(&plan, &loaded, &device, &mut listeners)?;
    let batch_size = plan.recipe.train.eval_batch_size;
    Scores::of(&evaluate(&loaded.net, &plan.data.test, batch_size, &device)?)
}

fn train_loaded(
    plan: &Plan,
    loaded: &Loaded,
    device: &Device,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Trained, RunnerError> {
    let mut optimizer = Optimizer::new(
        loaded.params.trainable(),
        plan.recipe.optimizer.build(),
        &plan.recipe.groups,
    )?;
    let training = Training {
        net: &loaded.net,
        optimizer: &mut optimizer,
        schedule: &plan.recipe.schedule,
        loss: &plan.loss(),
        rng: &loaded.rng,
        recipe: &plan.recipe.train,
        train: &plan.data.train,
        validation: plan.data.validation.as_ref(),
        device,
    };
    train(training, listeners)
}

/// What the model file says of itself: no time, no path.
fn metadata(plan: &Plan) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([
        ("config".to_string(), serde_json::json!(plan.config)),
        ("seed".to_string(), plan.recipe.seed.into()),
        (seen::KEY.to_string(), plan.seen.clone().into()),
        ("taper_version".to_string(), plan.recipe.taper_version.clone().into()),
    ])
}

fn write_metrics(
    folder: &RunFolder,
    before: &Scores,
    after: &Scores,
    evaluation: &Evaluation,
) -> Result<(), RunnerError> {
    let names: Vec<&str> = evaluation.class_names.iter().map(String::as_str).collect();
    let confusion = evaluation.confusion()?;
    let report = confusion.report(&names, taper_metrics::ZeroDivision::Zero)?;
    let value = serde_json::json!({ "before": before, "after": after, "report": report });
    let mut text = serde_json::to_string_pretty(&value)
        .map_err(|e| RunnerError::Config { path: folder.metrics(), reason: e.to_string() })?;
    text.push('\n');
    write_whole(&folder.metrics(), text.as_bytes())
}

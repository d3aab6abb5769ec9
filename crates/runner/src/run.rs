//! A plan carried out: evaluate, train, evaluate again, save.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::DType;
use taper_model::nets::Net;
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{self, LoadReport, Weights};
use taper_run_folder::{
    LoadText, NetFacts, ParameterCounts, Results, RunFolder, Scores, StartFacts, Trained,
    write_whole,
};

use crate::adapted;
use crate::calibrate::{CalibrationConfig, calibrate};
use crate::card::card;
use crate::checkpoint::{Checkpoint, Checkpoints, Identity};
use crate::data::Part;
use crate::error::RunnerError;
use crate::evaluate::{Evaluation, evaluate};
use crate::machine::this_machine;
use crate::memory;
use crate::observe::{self, EarlyStopping, Event, History, Limit, Listener, Plateau, TensorBoard};
use crate::others;
use crate::plan::Plan;
use crate::recipe::{Method, Recipe};
use crate::report;
use crate::results::{calibration_of, parameter_counts, report_of};
use crate::seen;
use crate::train::{Saving, Training, train};

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
    /// Temperature and threshold that were fitted, if they were asked for; `after` is by them.
    pub calibration: Option<CalibrationConfig>,
    /// How training went.
    pub trained: Trained,
    /// How many numbers were trained, at some time of the run, and how many were not.
    pub parameters: ParameterCounts,
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
    let weights = Weights::new(config)?;
    let vb = weights.var_builder(DType::F32, &plan.device);
    let built = (plan.net.build)(&plan.config.net_config(), vb, &rng);
    // A fault of the weights says more than what it led to in the net.
    let (params, report) = weights.finish()?;
    let net = built?;
    let frozen = |name: &str| params.get(name).is_some_and(|p| p.kind == ParamKind::Frozen);
    let head = |note: &str| note.starts_with("head replaced") || note == "the file has no head";
    if let Some(entry) = report.initialized.iter().find(|e| head(&e.note) && frozen(&e.name)) {
        return Err(RunnerError::FrozenHead { name: entry.name.clone(), note: entry.note.clone() });
    }
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
    let loaded = load(plan)?;
    memory::check(plan, &loaded)?;
    // Without a file everything is drawn from the seed, and there is nothing to say.
    let weights = loaded.report.source.as_ref().map(|_| loaded.report.to_string());
    let (weights, notes) = (weights.unwrap_or_default(), plan.notes.clone());
    observe::tell(&mut listeners, &Event::Loaded { weights, notes })?;
    let batch_size = plan.recipe.train.eval_batch_size;
    let before = evaluate(&loaded.net, &plan.data.test, batch_size, &plan.device)?.scores()?;
    let folder = RunFolder::create(&out, &plan.recipe.to_toml()?, overwrite)?;
    carry_out(plan, &folder, loaded, before, None, listeners)
}

/// What a run goes on from.
pub(crate) struct From {
    /// The checkpoint's file.
    pub path: PathBuf,
    /// What is in it.
    pub checkpoint: Checkpoint,
}

/// Trains in a run's folder, from its beginning or from a checkpoint, and finishes the run.
pub(crate) fn carry_out(
    plan: &Plan,
    folder: &RunFolder,
    loaded: Loaded,
    before: Scores,
    from: Option<From>,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Outcome, RunnerError> {
    let recipe = &plan.recipe;
    listeners.extend(of_recipe(recipe));
    let (every, is_new) = (recipe.log.every_steps, from.is_none());
    let history = match from {
        None => History::create(&folder.history())?,
        Some(_) => History::resume(&folder.history())?,
    };
    listeners.push(Box::new(history.every(every)));
    if recipe.log.tensorboard {
        let board = match from {
            None => TensorBoard::create(&folder.tensorboard())?,
            Some(_) => TensorBoard::resume(&folder.tensorboard())?,
        };
        listeners.push(Box::new(board.every(every)));
    }
    let mut training = Training::new(plan, &loaded)?.keep_features(folder.path())?;
    if recipe.checkpoint.enabled {
        let checkpoints = Checkpoints::open(&folder.checkpoints(), &recipe.checkpoint)?;
        let last = from.as_ref();
        let last = last.map(|from| (from.path.clone(), from.checkpoint.about.position.step));
        let identity = Identity::of(&plan.data, &plan.device)?;
        let saving = Saving::new(checkpoints, identity, recipe.clone(), before.clone(), last);
        training = training.save_to(saving);
    }
    if let Some(From { checkpoint, .. }) = from {
        observe::restore(&mut listeners, &checkpoint.about.listeners)?;
        training.restore(checkpoint)?;
    }
    let reasons = &plan.data.left_out;
    if is_new && !reasons.is_empty() {
        let left_out = Event::LeftOut { images: reasons.len(), reasons: reasons.clone() };
        observe::tell(&mut listeners, &left_out)?;
    }
    let trained = train(training, &mut listeners)?;
    finish(plan, folder, loaded, before, trained)
}

/// Scores what was trained and writes the run's files, `metrics.json` after all that a run needs.
fn finish(
    plan: &Plan,
    folder: &RunFolder,
    loaded: Loaded,
    before: Scores,
    trained: Trained,
) -> Result<Outcome, RunnerError> {
    let recipe = &plan.recipe;
    let answer =
        |part: &Part| evaluate(&loaded.net, part, recipe.train.eval_batch_size, &plan.device);
    let validation = plan.data.validation.as_ref().map(answer).transpose()?;
    let mut config = plan.config.clone();
    if let Some(validation) = &validation {
        config.calibration = calibrate(&recipe.calibration, validation)?;
    }
    let temperature = config.calibration.map_or(1.0, |calibration| calibration.temperature);
    let evaluation = answer(&plan.data.test)?.tempered(temperature);
    let validation = validation.map(|validation| validation.tempered(temperature));

    let after = evaluation.scores()?;
    match (&recipe.method, adapted::save(plan, folder, &loaded.params, metadata(plan))?) {
        (Method::Lora { .. }, None) => {}
        (_, merged) => {
            let params = merged.as_ref().unwrap_or(&loaded.params);
            weights::save(folder.model(), params, &metadata(plan))?;
            others::write(plan, &folder.transformers(), params)?;
        }
    }
    config.write(&folder.config())?;
    let results = Results {
        before: before.clone(),
        after: after.clone(),
        validation: validation.as_ref().map(Evaluation::scores).transpose()?,
        report: report_of(&evaluation)?,
        confusion: evaluation.confusion()?,
        calibration: calibration_of(&evaluation)?,
        evaluation_seconds: evaluation.seconds,
        trained: trained.clone(),
        data: plan.data.results(),
        parameters: parameter_counts(&loaded.params),
        net: NetFacts {
            description: plan.net.description.to_string(),
            in_timm: plan.net.hub.is_some_and(|hub| hub.starts_with("timm/")),
            fixed_size: plan.net.patches.is_some(),
        },
        start: StartFacts {
            is_folder: Path::new(&recipe.model.weights).is_dir(),
            seen_data: plan.seen.clone(),
        },
        load_report: serde_json::to_value(&loaded.report).unwrap_or_default(),
        load_text: LoadText {
            summary: loaded.report.to_string(),
            tensors: format!("{:#}", loaded.report),
        },
        machine: this_machine(&plan.device),
    };
    let outcome = Outcome {
        run: folder.path().to_path_buf(),
        load_report: loaded.report,
        before,
        after,
        evaluation,
        calibration: config.calibration,
        trained,
        parameters: results.parameters,
    };
    write_whole(&folder.card(), card(plan, &outcome)?.as_bytes())?;
    results.write(folder)?;
    if recipe.log.report {
        report::write(folder, plan, &loaded.net, &outcome.evaluation)?;
    }
    Ok(outcome)
}

/// The listeners that a recipe asks for.
fn of_recipe(recipe: &Recipe) -> Vec<Box<dyn Listener>> {
    let Recipe { train, early_stopping, plateau, .. } = recipe;
    let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
    if train.max_steps > 0 || train.max_minutes > 0.0 {
        listeners.push(Box::new(Limit::new(train.max_steps, train.max_minutes)));
    }
    if early_stopping.patience > 0 {
        listeners.push(Box::new(EarlyStopping::new(*early_stopping)));
    }
    if plateau.factor < 1.0 {
        listeners.push(Box::new(Plateau::new(*plateau)));
    }
    listeners
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
    let plan = plan.without_weights();
    let loaded = load(&plan)?;
    listeners.extend(of_recipe(&plan.recipe));
    train(Training::new(&plan, &loaded)?, &mut listeners)?;
    let batch_size = plan.recipe.train.eval_batch_size;
    evaluate(&loaded.net, &plan.data.test, batch_size, &plan.device)?.scores()
}

/// What the model file says of itself: no time, no path.
fn metadata(plan: &Plan) -> BTreeMap<String, serde_json::Value> {
    BTreeMap::from([
        ("config".to_string(), plan.config.to_value()),
        ("seed".to_string(), plan.recipe.seed.into()),
        (seen::KEY.to_string(), plan.seen.clone().into()),
        ("taper_version".to_string(), plan.recipe.taper_version.clone().into()),
    ])
}

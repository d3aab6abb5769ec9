//! A plan carried out: evaluate, train, evaluate again, save.

use std::path::Path;

use taper_classifier::evaluate;
use taper_pretrained::read_config;
use taper_run_folder::{Results, RunFolder, Scores};

use crate::checkpoint::{Checkpoints, Identity};
use crate::error::RunnerError;
use crate::finish::finish;
use crate::load::load;
use crate::memory;
use crate::observe::{
    self, EarlyStopping, Event, History, Limit, Listener, Plateau, TensorBoard, Verdicts, notify,
};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::recipe::{Recipe, check_recipe};
use crate::resume::{ResumePoint, Resumed};
use crate::scores::scores;
use crate::train::{CheckpointWriter, Training, train};

/// What is done where the folder holds a run already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is done. The default.
    #[default]
    Refuse,
    /// It is removed, and the run begins.
    Overwrite,
    /// It goes on from its newest checkpoint that is whole, or from its beginning where there is
    /// none; what is finished is taken as it is. Where there is no run, one begins.
    Resume {
        /// Go on by this plan even where data, program, machine or recipe differ from the run's.
        force: bool,
    },
}

/// Carries out a plan in a run's folder: begins a run, goes on with one, or finds it finished.
///
/// The held-out part is evaluated before and after training; it steers nothing in between. A run that
/// goes on ends with the bits of one that never stopped, provided that recipe, data, version of Taper,
/// device and kind of machine are the same, which is checked. The model card and the page of a run are not
/// written here: `taper_report::complete(folder)` leaves them.
///
/// # Errors
/// A run in the folder that may not be touched, that differs from the plan ([`ResumeError::Differs`](crate::ResumeError::Differs)) or
/// whose checkpoints are all broken; whatever [`load`], [`train()`] and [`evaluate()`] report; a folder
/// that cannot be written.
pub fn run(
    plan: &Plan,
    folder: &Path,
    existing: Existing,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Outcome, RunnerError> {
    let resumed = match (existing, RunFolder::begun(folder)) {
        (Existing::Resume { .. }, Ok(begun)) if begun.is_finished() => return reuse(plan, &begun),
        (Existing::Resume { force }, Ok(begun)) => Some(Resumed::open(begun, plan, force)?),
        _ => None,
    };
    let overwrite = existing == Existing::Overwrite;
    if resumed.is_none() {
        RunFolder::check(folder, overwrite)?;
    }
    let loaded = load(plan)?;
    memory::check(plan, &loaded)?;
    let before = || {
        let batch_size = plan.recipe.train.eval_batch_size;
        scores(&evaluate(&loaded.net, &plan.data.test, batch_size, &plan.device)?)
    };
    let mut verdicts = Verdicts::default();
    let (folder, before, point) = match resumed {
        Some(Resumed { folder, broken, point }) => {
            for (path, reason) in broken {
                let event = Event::BrokenCheckpoint { path, reason };
                verdicts = verdicts.and(notify(&mut listeners, &event)?);
            }
            let known = point.as_ref().map(|point| point.checkpoint.header.before.clone());
            (folder, known.map_or_else(before, Ok)?, point)
        }
        None => {
            // Without a file everything is drawn from the seed, and there is nothing to say.
            let weights = loaded.report.source.as_ref().map(|_| loaded.report.to_string());
            let (weights, notes) = (weights.unwrap_or_default(), plan.notes.clone());
            verdicts = notify(&mut listeners, &Event::Loaded { weights, notes })?;
            let before = before()?;
            (RunFolder::create(folder, &plan.recipe.to_toml()?, overwrite)?, before, None)
        }
    };
    follow(&folder, &plan.recipe, point.is_some(), &mut listeners)?;
    let mut training = Training::new(plan, &loaded)?.cache_features(folder.path())?;
    if plan.recipe.checkpoint.enabled {
        let writer = checkpoint_writer(plan, &folder, before.clone(), point.as_ref())?;
        training = training.save_to(writer);
    }
    let is_new = point.is_none();
    if let Some(ResumePoint { checkpoint, .. }) = point {
        observe::restore(&mut listeners, &checkpoint.header.listeners)?;
        training.restore(checkpoint)?;
    }
    let reasons = &plan.data.left_out;
    if is_new && !reasons.is_empty() {
        let left_out = Event::LeftOut { images: reasons.len(), reasons: reasons.clone() };
        verdicts = verdicts.and(notify(&mut listeners, &left_out)?);
    }
    training.apply(verdicts)?;
    let trained = train(training, &mut listeners)?;
    finish(plan, &folder, loaded, before, trained)
}

/// A run that was finished before, by the same recipe.
fn reuse(plan: &Plan, folder: &RunFolder) -> Result<Outcome, RunnerError> {
    check_recipe(folder, &plan.recipe)?;
    let results = Results::read(folder)?;
    let config = read_config(folder.path())?;
    let calibration = config.and_then(|config| config.calibration);
    Ok(Outcome { run: folder.path().to_path_buf(), results, evaluation: None, calibration })
}

fn checkpoint_writer(
    plan: &Plan,
    folder: &RunFolder,
    before: Scores,
    point: Option<&ResumePoint>,
) -> Result<CheckpointWriter, RunnerError> {
    let checkpoints = Checkpoints::open(&folder.checkpoints(), &plan.recipe.checkpoint)?;
    let last = point.map(|point| (point.path.clone(), point.checkpoint.header.position.step));
    let identity = Identity::of(&plan.data, &plan.device)?;
    Ok(CheckpointWriter::new(checkpoints, identity, plan.recipe.clone(), before, last))
}

/// Adds the listeners that write the run's files and those that the recipe asks for.
fn follow(
    folder: &RunFolder,
    recipe: &Recipe,
    resumed: bool,
    listeners: &mut Vec<Box<dyn Listener>>,
) -> Result<(), RunnerError> {
    listeners.extend(of_recipe(recipe));
    let every = recipe.log.every_steps;
    let history = match resumed {
        false => History::create(&folder.history())?,
        true => History::resume(&folder.history())?,
    };
    listeners.push(Box::new(history.every(every)));
    if recipe.log.tensorboard {
        let board = match resumed {
            false => TensorBoard::create(&folder.tensorboard())?,
            true => TensorBoard::resume(&folder.tensorboard())?,
        };
        listeners.push(Box::new(board.every(every)));
    }
    Ok(())
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
    scores(&evaluate(&loaded.net, &plan.data.test, batch_size, &plan.device)?)
}

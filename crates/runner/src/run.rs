//! A plan carried out: evaluate, train, evaluate again, save.

use std::path::Path;

use taper_dataset::LeftOut;
use taper_pretrained::read_config;
use taper_run_folder::{FolderLock, Results, RunFolder, RunFolderError, Scores};

use crate::agreement::{Start, check_same, check_same_weights};
use crate::checkpoint::{Checkpoints, Header, Identity, Newest};
use crate::error::{RunnerError, setting};
use crate::finish::{answers, finish};
use crate::load::{Loaded, load};
use crate::memory;
use crate::observe::{
    self, EarlyStopping, Event, History, Limit, Listener, Plateau, TensorBoard, Verdicts, When,
    check_names, notify, notify_warnings, show_scored,
};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::resume::resume_point;
use crate::scores::{evaluate_told, scores};
use crate::train::{Training, check_readable, told, train};

/// What is done where the folder holds a run already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// It stays, and nothing is done. The default.
    #[default]
    Refuse,
    /// It is removed, and the run begins.
    Overwrite,
    /// It goes on from its newest checkpoint that is whole, or from its beginning where there is
    /// none; what is finished is taken as it is. Where there is no run, one begins.
    Resume {
        /// Go on by this plan even where data, program, machine or recipe differ from the run's; a finished run has
        /// the epochs that the plan has more.
        force: bool,
    },
}

impl Existing {
    /// The run of a folder that is to go on; none where one begins.
    ///
    /// # Errors
    /// A run that may not be touched; a folder of other things.
    pub fn run_in(self, folder: &FolderLock) -> Result<Option<RunFolder>, RunFolderError> {
        match (self, folder.run()?) {
            (Existing::Refuse, Some(run)) => {
                Err(RunFolderError::RunExists(run.path().to_path_buf()))
            }
            (Existing::Overwrite, _) => Ok(None),
            (_, run) => Ok(run),
        }
    }
}

/// Carries out a plan in a run's folder: begins a run, goes on with one, or finds it finished.
///
/// The part that is scored ([`Data::scored`](crate::Data::scored)) is evaluated before and after training; the
/// held-out part steers nothing in between. A run that
/// goes on ends with the bits of one that never stopped, provided that recipe, data, version of Taper,
/// device and kind of machine are the same, which is checked. A run that is there is touched once all that can be
/// tried before the first step has been. The model card and the page of a run are not
/// written here: `taper_report::complete(folder)` leaves them. Beside `listeners` those of the registry that the plan
/// was made with follow it.
///
/// # Errors
/// A run in the folder that may not be touched, that differs from the plan ([`ResumeError::Differs`](crate::ResumeError::Differs)) or
/// whose checkpoints are all broken; whatever [`load`], [`train()`] and evaluation report; a folder
/// that cannot be written.
pub fn run(
    plan: &Plan,
    folder: &FolderLock,
    existing: Existing,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Outcome, RunnerError> {
    check_same(plan)?;
    listeners.extend(plan.listeners());
    let of_recipe = of_recipe(&plan.recipe);
    let named = listeners.iter().chain(&of_recipe).map(|listener| listener.name());
    check_names(named.chain(observe::OF_FILES))?;
    let processes = &plan.processes;
    let Newest { found: point, broken } = match (existing, existing.run_in(folder)?) {
        (Existing::Resume { force }, Some(run)) => match resume_point(&run, plan, force)? {
            Some(newest) => newest,
            None => {
                Start::Finished.tell(processes)?;
                return reuse(plan, &run);
            }
        },
        _ => Newest::default(),
    };
    match &point {
        Some((_, checkpoint)) => Start::From(checkpoint),
        None => Start::Beginning,
    }
    .tell(processes)?;
    if point.is_none() {
        check_inputs(plan, folder)?;
    }
    let toml = plan.recipe.to_toml()?;
    let loaded = load_together(plan)?;
    let mut verdicts = notify_warnings(plan, &mut listeners)?;
    for (path, reason) in broken {
        let event = Event::BrokenCheckpoint { path, reason };
        verdicts = verdicts.and(notify(&mut listeners, &event)?);
    }
    let before = match &point {
        Some((_, checkpoint)) => checkpoint.header.before.clone(),
        None => {
            // Without a file everything is drawn from the seed, and there is nothing to say.
            let weights = loaded.report.source.as_ref().map(|_| loaded.report.to_string());
            let (weights, notes) = (weights.unwrap_or_default(), loaded.notes.clone());
            let event = Event::Loaded { weights, notes };
            verdicts = verdicts.and(notify(&mut listeners, &event)?);
            let (net, part) = (&loaded.net, plan.data.scored().1);
            let evaluation = evaluate_told(plan, net, part, "evaluates", &mut listeners)?;
            let before = scores(&evaluation, &plan.metrics)?;
            let answers = (&evaluation, &before);
            let wanted = show_scored(&mut listeners, When::Before, plan, &loaded, answers)?;
            verdicts = verdicts.and(wanted);
            before
        }
    };
    listeners.extend(of_recipe);
    let mut training = Training::new(plan, &loaded)?.cache_features(folder.path())?;
    check_readable(&training)?;
    let is_saved = plan.recipe.checkpoint.enabled;
    let identity = is_saved.then(|| Identity::of(&plan.data, &plan.device)).transpose()?;
    let mut last = None;
    let mut states = None;
    if let Some((path, checkpoint)) = point {
        last = Some((path, checkpoint.header.position.step));
        observe::restore(&mut listeners, &checkpoint.header.listeners)?;
        states = Some(checkpoint.header.listeners.clone());
        training.restore(checkpoint)?;
    }
    // A run that is there is touched from here on.
    let folder = if last.is_some() { folder.go_on(&toml)? } else { folder.begin(&toml)? };
    let files = listeners.len();
    write_files(&folder, &plan.recipe, &mut listeners)?;
    if let Some(identity) = identity {
        let header = Header::new(identity, plan.recipe.clone(), before.clone());
        training = training.save_to(Checkpoints::new(folder.checkpoints(), header, last)?);
    }
    let LeftOut(counts) = &plan.data.left_out;
    match states {
        Some(states) => observe::restore(&mut listeners[files..], &states)?,
        None if !counts.is_empty() => {
            let faults = told(&plan.data.faults);
            let left_out = Event::LeftOut { counts: counts.clone(), faults };
            verdicts = verdicts.and(notify(&mut listeners, &left_out)?);
        }
        None => {}
    }
    training.apply(verdicts.of_first(processes)?)?;
    let trained = train(training, &mut listeners)?;
    finish(plan, &folder, loaded, before, trained, &mut listeners)
}

/// Carries out a plan as one of several processes ([`Plan::processes`]), all but the first of which have neither
/// folder nor listeners: they compute what the first, which calls [`run()`], writes.
///
/// # Errors
/// Those of [`run()`] that concern no folder. A process that fails has to end the others.
pub fn follow(plan: &Plan) -> Result<(), RunnerError> {
    check_same(plan)?;
    let processes = &plan.processes;
    let start = Start::hear(processes)?;
    if let Start::Finished = start {
        return Ok(());
    }
    let loaded = load_together(plan)?;
    if let Start::Beginning = start {
        evaluate_told(plan, &loaded.net, plan.data.scored().1, "evaluates", &mut [])?;
    }
    let cache = std::env::temp_dir();
    let mut training = Training::new(plan, &loaded)?
        .cache_features(&cache)?
        .saved_elsewhere(plan.recipe.checkpoint.enabled);
    if let Start::From(checkpoint) = start {
        training.restore(*checkpoint)?;
    }
    training.apply(Verdicts::default().of_first(processes)?)?;
    train(training, &mut [])?;
    answers(plan, &loaded.net)
}

/// What every process loads, and whether all have the same and room for it.
fn load_together(plan: &Plan) -> Result<Loaded, RunnerError> {
    let loaded = load(plan)?;
    check_same_weights(&plan.processes, &loaded.params)?;
    memory::check(plan, &loaded)?;
    Ok(loaded)
}

/// A run that was finished before, by the same recipe.
fn reuse(plan: &Plan, folder: &RunFolder) -> Result<Outcome, RunnerError> {
    let results = Results::read(folder)?;
    let config = read_config(folder.path())?;
    let calibration = config.and_then(|config| config.calibration);
    let (run, notes) = (folder.path().to_path_buf(), plan.notes.clone());
    Ok(Outcome { run, results, evaluation: None, notes, calibration })
}

/// A run that is overwritten may not be what the new one is made from.
fn check_inputs(plan: &Plan, folder: &FolderLock) -> Result<(), RunnerError> {
    let Recipe { data, model, .. } = &plan.recipe;
    let Ok(out) = folder.path().canonicalize() else { return Ok(()) };
    for (key, input) in [("data.source", &data.source), ("model.weights", &model.weights)] {
        if Path::new(input).canonicalize().is_ok_and(|input| input.starts_with(&out)) {
            return Err(setting(key, input, "something outside the run that is overwritten"));
        }
    }
    Ok(())
}

/// Adds the listeners that write the run's files.
fn write_files(
    folder: &RunFolder,
    recipe: &Recipe,
    listeners: &mut Vec<Box<dyn Listener>>,
) -> Result<(), RunnerError> {
    let every = recipe.log.every_steps;
    listeners.push(Box::new(History::open(&folder.history(), every)?));
    if recipe.log.tensorboard {
        listeners.push(Box::new(TensorBoard::open(&folder.tensorboard(), every)?));
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
        listeners.push(Box::new(EarlyStopping::new(early_stopping.clone())));
    }
    if plateau.factor < 1.0 {
        listeners.push(Box::new(Plateau::new(plateau.clone())));
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
    listeners.extend(plan.listeners());
    listeners.extend(of_recipe(&plan.recipe));
    train(Training::new(&plan, &loaded)?, &mut listeners)?;
    let evaluation = evaluate_told(&plan, &loaded.net, plan.data.scored().1, "evaluates", &mut [])?;
    scores(&evaluation, &plan.metrics)
}

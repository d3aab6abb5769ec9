//! A run that goes on where it was left off.

use std::path::{Path, PathBuf};

use taper_run_folder::RunFolder;
use toml::{Table, Value};

use crate::checkpoint::{Checkpoints, Difference, Identity};
use crate::error::RunnerError;
use crate::evaluate::evaluate;
use crate::memory;
use crate::observe::Listener;
use crate::plan::Plan;
use crate::recipe::{Recipe, read_resolved};
use crate::registry::Registry;
use crate::run::{From, Outcome, carry_out, load};

/// A run that was killed or left off, ready to go on.
///
/// From the newest checkpoint that is whole it goes on at the next batch; without one it begins
/// again. Either way it ends with the bits of a run that was never stopped, provided that recipe,
/// data, version of Taper, device and kind of machine are the same, which is checked.
pub struct Resumption {
    /// The run's plan.
    pub plan: Plan,
    /// Newer checkpoints that are broken, each with what is wrong.
    pub broken: Vec<(PathBuf, String)>,
    folder: RunFolder,
    from: Option<From>,
}

impl Resumption {
    /// Opens a run by the recipe in its folder.
    ///
    /// # Errors
    /// A folder without a run, [`RunnerError::Finished`], and as [`Resumption::of`].
    pub fn open(run: &Path, registry: &Registry, force: bool) -> Result<Self, RunnerError> {
        let folder = unfinished(run)?;
        let recipe = read_resolved(&folder.recipe())?;
        Self::of(run, Plan::new(recipe, registry)?, force)
    }

    /// Opens a run by a plan, which should be that of the run.
    ///
    /// # Errors
    /// A folder without a run, [`RunnerError::Finished`]; [`RunnerError::Differs`] unless `force`:
    /// then the run goes on by this plan; [`RunnerError::NoCheckpoint`] where all are broken.
    pub fn of(run: &Path, plan: Plan, force: bool) -> Result<Self, RunnerError> {
        let folder = unfinished(run)?;
        let newest = Checkpoints::newest(&folder.checkpoints())?;
        let from = newest.found.map(|(path, checkpoint)| From { path, checkpoint });
        let differences = match &from {
            Some(From { checkpoint, .. }) => {
                let about = &checkpoint.about;
                let mut differences =
                    about.identity.differences(&Identity::of(&plan.data, &plan.device)?);
                differences.extend(recipe_differences(&about.recipe, &plan.recipe));
                differences
            }
            None => recipe_differences(&read_resolved(&folder.recipe())?, &plan.recipe),
        };
        if !differences.is_empty() {
            if !force {
                return Err(RunnerError::Differs { path: run.to_path_buf(), differences });
            }
            folder.write_recipe(&plan.recipe.to_toml()?)?;
        }
        Ok(Self { plan, broken: newest.broken, folder, from })
    }

    /// Updates that are behind.
    pub fn step(&self) -> u64 {
        self.from.as_ref().map_or(0, |from| from.checkpoint.about.position.step)
    }

    /// Goes on, to the end of the run.
    ///
    /// # Errors
    /// As [`run`](crate::run()).
    pub fn run(self, listeners: Vec<Box<dyn Listener>>) -> Result<(Plan, Outcome), RunnerError> {
        let Self { plan, folder, from, .. } = self;
        let loaded = load(&plan)?;
        memory::check(&plan, &loaded)?;
        let before = match &from {
            Some(from) => from.checkpoint.about.before.clone(),
            None => {
                let batch_size = plan.recipe.train.eval_batch_size;
                evaluate(&loaded.net, &plan.data.test, batch_size, &plan.device)?.scores()?
            }
        };
        let outcome = carry_out(&plan, &folder, loaded, before, from, listeners)?;
        Ok((plan, outcome))
    }
}

fn unfinished(run: &Path) -> Result<RunFolder, RunnerError> {
    let folder = RunFolder::begun(run)?;
    match folder.is_finished() {
        true => Err(RunnerError::Finished(run.to_path_buf())),
        false => Ok(folder),
    }
}

/// Checks that a run has been made by a recipe.
///
/// # Errors
/// [`RunnerError::Differs`].
pub(crate) fn check_recipe(folder: &RunFolder, recipe: &Recipe) -> Result<(), RunnerError> {
    let differences = recipe_differences(&read_resolved(&folder.recipe())?, recipe);
    match differences.is_empty() {
        true => Ok(()),
        false => Err(RunnerError::Differs { path: folder.path().to_path_buf(), differences }),
    }
}

/// The keys in which two recipes differ. When checkpoints are written, how many stay, and what is
/// logged, is free: it changes nothing in the result.
fn recipe_differences(before: &Recipe, now: &Recipe) -> Vec<Difference> {
    let table = |recipe: &Recipe| {
        let mut table = Table::try_from(recipe).unwrap_or_default();
        table.remove("taper_version");
        table.remove("checkpoint");
        table.remove("log");
        Value::Table(table)
    };
    let mut differences = Vec::new();
    compare("", Some(&table(before)), Some(&table(now)), &mut differences);
    differences
}

fn compare(key: &str, before: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, now) {
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for name in keys {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                compare(&key, a.get(name), b.get(name), found);
            }
        }
        (before, now) if before != now => {
            let text = |value: Option<&Value>| value.map_or("unset".to_string(), Value::to_string);
            let what = format!("`{key}`");
            found.push(Difference { what, before: text(before), now: text(now) });
        }
        _ => {}
    }
}

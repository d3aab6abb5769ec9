//! What a run's folder tells: its recipe, its history, its results.

use std::path::Path;

use taper_run_folder::{Epoch, Event, Results, RunFolder, Step, read_history};

use crate::error::RunnerError;
use crate::recipe::{Recipe, read_resolved};

/// A finished run as its files tell it.
pub(super) struct Record {
    /// The folder's name.
    pub name: String,
    /// The same with the name of the folder that it is in.
    pub long_name: String,
    /// The recipe.
    pub recipe: Recipe,
    /// The recipe as it was written.
    pub recipe_text: String,
    /// What it came to.
    pub results: Results,
    /// The steps that were recorded.
    pub steps: Vec<Step>,
    /// The epochs.
    pub epochs: Vec<Epoch>,
}

impl Record {
    /// Reads a finished run's folder.
    pub fn read(run: &Path) -> Result<Self, RunnerError> {
        let folder = RunFolder::finished(run)?;
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| RunnerError::Io { path, source }
        };
        let recipe_text = std::fs::read_to_string(folder.recipe()).map_err(io(&folder.recipe()))?;
        let (mut steps, mut epochs) = (Vec::new(), Vec::new());
        for event in read_history(&folder.history())? {
            match event {
                Event::Step(step) => steps.push(step),
                Event::Epoch(epoch) => epochs.push(epoch),
                _ => {}
            }
        }
        let full = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_path_buf());
        let name = full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned();
        let parent = full.parent().and_then(Path::file_name).unwrap_or_default();
        Ok(Self {
            long_name: format!("{}/{name}", parent.to_string_lossy()),
            name,
            recipe: read_resolved(&folder.recipe())?,
            recipe_text,
            results: Results::read(&folder)?,
            steps,
            epochs,
        })
    }

    /// Updates an epoch, as far as the history tells.
    pub fn steps_per_epoch(&self) -> f64 {
        let first = self.epochs.first().map_or(1, |epoch| epoch.step);
        first.max(1) as f64
    }
}

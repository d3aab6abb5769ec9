//! What a run's folder tells: its recipe, its history, its results, its mistakes.

use std::path::Path;

use taper_run_folder::{
    Epoch, Event, Mistake, Results, RunFolder, RunFolderError, Step, read_history,
};
use taper_untrusted::checksums::{self, SETTINGS};

use crate::error::ReportError;
use crate::recipe::Recipe;

/// A finished run as its files tell it.
pub(crate) struct Record {
    /// The folder.
    pub folder: RunFolder,
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
    /// Lines of the history that cannot be read.
    pub broken_lines: usize,
    /// Of the recorded steps one in so many is there.
    pub every: usize,
    /// The most confident mistakes, where they were recorded.
    pub mistakes: Option<Vec<Mistake>>,
}

impl Record {
    /// Reads a finished run's folder.
    pub fn read(run: &Path) -> Result<Self, ReportError> {
        let folder = RunFolder::finished(run)?;
        let path = folder.recipe();
        let recipe_text =
            checksums::read_text(&path, SETTINGS).map_err(RunFolderError::io(&path))?;
        let (mut steps, mut epochs) = (Vec::new(), Vec::new());
        let history = read_history(&folder.history())?;
        for event in history.events {
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
            recipe: Recipe::parse(&recipe_text, &path)?,
            recipe_text,
            results: Results::read(&folder)?,
            steps,
            epochs,
            broken_lines: history.broken_lines,
            every: history.every,
            mistakes: Mistake::read_all(&folder)?,
            folder,
        })
    }

    /// Updates an epoch, as far as the history tells.
    pub fn steps_per_epoch(&self) -> f64 {
        let first = self.epochs.first().map_or(1, |epoch| epoch.step);
        first.max(1) as f64
    }
}

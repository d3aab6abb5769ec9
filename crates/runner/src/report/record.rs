//! What a run's folder tells: its recipe, its history, its results.

use std::path::Path;

use serde::Deserialize;

use crate::error::RunnerError;
use crate::evaluate::Scores;
use crate::recipe::{Recipe, read_resolved};
use crate::results::Results;
use crate::run_folder::RunFolder;

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

/// A line of the history about a step. A loss that is no number is written as null.
#[derive(Deserialize)]
pub(super) struct Step {
    pub step: u64,
    pub loss: Option<f64>,
    pub learning_rate: Option<f64>,
    pub gradient_norm: Option<f64>,
}

/// A line of the history about an epoch.
#[derive(Deserialize)]
pub(super) struct Epoch {
    pub epoch: usize,
    pub step: u64,
    pub loss: Option<f64>,
    pub learning_rate: Option<f64>,
    pub validation: Option<Scores>,
    pub seconds: f64,
    pub images_per_second: f64,
    pub data_wait: f64,
}

impl Record {
    /// Reads a finished run's folder.
    pub fn read(run: &Path) -> Result<Self, RunnerError> {
        let folder = RunFolder::open(run)?;
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| RunnerError::Io { path, source }
        };
        if !folder.is_finished() {
            return Err(RunnerError::NoRun { path: run.to_path_buf(), file: "metrics.json" });
        }
        let recipe_text = std::fs::read_to_string(folder.recipe()).map_err(io(&folder.recipe()))?;
        let history = std::fs::read_to_string(folder.history()).map_err(io(&folder.history()))?;
        let (steps, epochs) = lines(&history);
        let full = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_path_buf());
        let name = full.file_name().unwrap_or(full.as_os_str()).to_string_lossy().into_owned();
        let parent = full.parent().and_then(Path::file_name).unwrap_or_default();
        Ok(Self {
            long_name: format!("{}/{name}", parent.to_string_lossy()),
            name,
            recipe: read_resolved(&folder.recipe())?,
            recipe_text,
            results: Results::read(&folder.metrics())?,
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

/// The steps and epochs of a history; lines that are neither, or are broken, are passed over.
fn lines(history: &str) -> (Vec<Step>, Vec<Epoch>) {
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    for line in history.lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        match value["event"].as_str() {
            Some("step") => steps.extend(serde_json::from_value::<Step>(value).ok()),
            Some("epoch") => epochs.extend(serde_json::from_value::<Epoch>(value).ok()),
            _ => {}
        }
    }
    (steps, epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_no_number_and_a_broken_line_leave_the_rest() {
        let history = "{\"event\":\"step\",\"epoch\":0,\"step\":10,\"loss\":null,\"learning_rate\":0.1,\
                       \"gradient_norm\":1.0,\"images\":5}\n\
                       {\"event\":\"epoch\",\"epoch\":0,\"step\":12,\"loss\":0.5,\"learning_rate\":0.1,\
                       \"validation\":null,\"seconds\":1,\"images_per_second\":9,\"data_wait\":0}\n\
                       {\"event\":\"epo";
        let (steps, epochs) = lines(history);
        assert_eq!((steps.len(), steps[0].loss), (1, None));
        assert_eq!((epochs.len(), epochs[0].loss), (1, Some(0.5)));
    }
}

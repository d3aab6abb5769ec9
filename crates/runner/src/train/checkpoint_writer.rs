//! When checkpoints are saved, and what in them the loop does not know.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use taper_run_folder::Scores;
use toml::Value;

use crate::checkpoint::{Checkpoint, Checkpoints, EpochValue, FORMAT, Header, Identity, Tensors};
use crate::error::RunnerError;
use crate::position::Position;
use crate::recipe::Recipe;

/// The checkpoints of a run, and what every one of them says.
#[derive(Debug)]
pub(crate) struct CheckpointWriter {
    checkpoints: Checkpoints,
    identity: Identity,
    recipe: Recipe,
    before: Scores,
    last: Option<PathBuf>,
    last_step: u64,
    last_time: Instant,
}

impl CheckpointWriter {
    /// Saves into a folder; `last` is the checkpoint that the run goes on from, and its step.
    pub fn new(
        checkpoints: Checkpoints,
        identity: Identity,
        recipe: Recipe,
        before: Scores,
        last: Option<(PathBuf, u64)>,
    ) -> Self {
        let last_step = last.as_ref().map_or(0, |(_, step)| *step);
        let last = last.map(|(path, _)| path);
        let last_time = Instant::now();
        Self { checkpoints, identity, recipe, before, last, last_step, last_time }
    }

    /// Whether it is time for one within the epoch.
    pub fn is_due(&self, position: &Position) -> bool {
        let recipe = &self.recipe.checkpoint;
        let steps = position.step - self.last_step;
        let minutes = self.last_time.elapsed().as_secs_f64() / 60.0;
        (recipe.every_steps > 0 && steps >= recipe.every_steps)
            || (recipe.every_minutes > 0.0 && minutes >= recipe.every_minutes)
    }

    /// The header of a checkpoint at a position.
    pub fn header(
        &self,
        position: &Position,
        listeners: BTreeMap<String, Value>,
        epochs: &[EpochValue],
        best: &Option<(EpochValue, Tensors)>,
    ) -> Header {
        Header {
            format: FORMAT,
            identity: self.identity.clone(),
            recipe: self.recipe.clone(),
            position: position.clone(),
            listeners,
            before: self.before.clone(),
            epochs: epochs.to_vec(),
            best: best.as_ref().map(|(value, _)| *value),
        }
    }

    /// Writes a checkpoint.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), RunnerError> {
        self.last = Some(self.checkpoints.save(checkpoint)?);
        self.last_step = checkpoint.header.position.step;
        self.last_time = Instant::now();
        Ok(())
    }

    /// The last checkpoint, if there is one.
    pub fn last(&self) -> Option<PathBuf> {
        self.last.clone()
    }
}

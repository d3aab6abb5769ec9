//! What a long run needs: checkpoints, guards, averages, what validation decides.

use serde::{Deserialize, Serialize};
use taper_run_folder::Metric;

/// When the run's state is written to `checkpoints/`, and how many of the files stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointRecipe {
    /// Write the state at all: at the end of each epoch, and as the next two say. Default true.
    pub enabled: bool,
    /// Updates between two checkpoints within an epoch; 0: not by updates. Default 0.
    pub every_steps: u64,
    /// Minutes between two checkpoints within an epoch; 0: not by time. Default 5.
    pub every_minutes: f64,
    /// How many of the newest stay; 1 or more. Default 2: should one be broken, there is another.
    pub keep_last: usize,
    /// How many of the best epochs' stay besides, by `select.metric`. Default 0.
    pub keep_best: usize,
}

impl Default for CheckpointRecipe {
    fn default() -> Self {
        Self { enabled: true, every_steps: 0, every_minutes: 5.0, keep_last: 2, keep_best: 0 }
    }
}

/// Which epoch's weights the run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectRecipe {
    /// End with the weights of the epoch that was best on the validation part, not with those of
    /// the last. Default false.
    pub best: bool,
    /// What is best: `loss`, `accuracy`, `macro_precision`, `macro_recall`, `macro_f1`. Default
    /// `loss`.
    pub metric: Metric,
}

impl Default for SelectRecipe {
    fn default() -> Self {
        Self { best: false, metric: Metric::Loss }
    }
}

/// When a run that no longer gets better ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStoppingRecipe {
    /// Epochs in a row without an improvement on the validation part; 0: never stop early.
    /// Default 0.
    pub patience: usize,
    /// What has to improve. Default `loss`.
    pub metric: Metric,
    /// By how much, at least. Default 0: by anything.
    pub min_delta: f64,
}

impl Default for EarlyStoppingRecipe {
    fn default() -> Self {
        Self { patience: 0, metric: Metric::Loss, min_delta: 0.0 }
    }
}

/// When the learning rate of a run that no longer gets better is lowered, on top of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlateauRecipe {
    /// What the rate is multiplied with, from 0 to 1; 1: the rate is never lowered. Default 1.
    pub factor: f64,
    /// Epochs in a row without an improvement on the validation part that are put up with.
    /// Default 10.
    pub patience: usize,
    /// What has to improve. Default `loss`.
    pub metric: Metric,
    /// By how much, at least. Default 0: by anything.
    pub min_delta: f64,
    /// Epochs after lowering in which nothing is counted. Default 0.
    pub cooldown: usize,
    /// The smallest product of all factors. Default 0.
    pub min_scale: f64,
}

impl Default for PlateauRecipe {
    fn default() -> Self {
        Self {
            factor: 1.0,
            patience: 10,
            metric: Metric::Loss,
            min_delta: 0.0,
            cooldown: 0,
            min_scale: 0.0,
        }
    }
}

/// What a run tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogRecipe {
    /// Updates between two lines of `history.jsonl`, and two points of TensorBoard's curves; 0: the
    /// epochs alone. Default 10.
    pub every_steps: u64,
    /// Write event files for TensorBoard to `tensorboard/`. Default false.
    pub tensorboard: bool,
    /// Write `report.html` at the end. Default true.
    pub report: bool,
}

impl Default for LogRecipe {
    fn default() -> Self {
        Self { every_steps: 10, tensorboard: false, report: true }
    }
}

/// What is fitted on the validation part at the end of a run, and saved with the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationRecipe {
    /// Fit a temperature that makes the probabilities as sure as they are right. Default false.
    pub temperature: bool,
    /// Withhold answers below the confidence at which this share of the others is right; 0: answer
    /// always. Default 0.
    pub precision: f64,
}

/// What happens when loss or gradient is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardRecipe {
    /// `stop` the run, or `skip` the update. Default `stop`.
    pub non_finite: NonFinite,
    /// With `skip`: how many updates of a run may be skipped before it stops. Default 10.
    pub skip_limit: u64,
    /// Refuse a run that will not fit into the memory that is free. Default true.
    pub memory: bool,
}

impl Default for GuardRecipe {
    fn default() -> Self {
        Self { non_finite: NonFinite::Stop, skip_limit: 10, memory: true }
    }
}

/// What to do about a loss or gradient that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonFinite {
    /// End the run with an error.
    Stop,
    /// Pass over the update, and count it.
    Skip,
}

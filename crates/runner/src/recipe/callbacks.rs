//! What watches over a run and closes it: checkpoints, guards, what validation decides, what is written.

use serde::{Deserialize, Serialize};
use taper_run_folder::Metric;

use super::keys::settings;

settings! {
/// When the run's state is written to `checkpoints/`, and how many of the files stay.
"checkpoint." => CheckpointRecipe {
    /// Write checkpoints: at the end of each epoch, and as the next two say.
    enabled: bool = true,
    /// Updates between two checkpoints within an epoch; 0: not by updates.
    every_steps: u64 = 0,
    /// Minutes between two checkpoints within an epoch; 0: not by time.
    every_minutes: f64 = 5.0,
    /// How many of the newest are kept, 1 or more; two, so that there is another should one be
    /// corrupt.
    keep_last: usize = 2,
    /// How many of the best epochs' are kept besides, by `select.metric`.
    keep_best: usize = 0,
}
}

settings! {
/// What happens when loss or gradient is not finite, and when memory is short.
#[derive(Copy)]
"guard." => GuardRecipe {
    /// When loss or gradient is not finite: `stop` the run, or `skip` the update.
    non_finite: NonFinite = NonFinite::Stop,
    /// With `skip`: how many updates of a run may be skipped before it stops.
    skip_limit: u64 = 10,
    /// Refuse a run that will not fit into the memory that is free.
    memory: bool = true,
}
}

/// What to do about a loss or gradient that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NonFinite {
    /// End the run with an error.
    Stop,
    /// Leave out the update, and count it.
    Skip,
}

settings! {
/// Which epoch's weights the run ends with.
"select." => SelectRecipe {
    /// End with the weights of the epoch that was best on the validation part, not with those of the
    /// last.
    best: bool = false,
    /// What is best: `loss`, `accuracy`, `macro_precision`, `macro_recall`, `macro_f1`, or
    /// a metric of the program's own.
    metric: Metric = Metric::LOSS,
}
}

settings! {
/// When a run that no longer gets better ends.
"early_stopping." => EarlyStoppingRecipe {
    /// Epochs in a row without an improvement on the validation part before the run ends; 0: never.
    patience: usize = 0,
    /// What has to improve, as in `select.metric`.
    metric: Metric = Metric::LOSS,
    /// The least improvement that counts; 0: any.
    min_delta: f64 = 0.0,
}
}

settings! {
/// When the learning rate of a run that no longer gets better is lowered, on top of the schedule.
"plateau." => PlateauRecipe {
    /// What the learning rate is multiplied with, from 0 to 1; 1: it is never lowered.
    factor: f64 = 1.0,
    /// Epochs in a row without an improvement on the validation part that are tolerated.
    patience: usize = 10,
    /// What has to improve, as in `select.metric`.
    metric: Metric = Metric::LOSS,
    /// The least improvement that counts; 0: any.
    min_delta: f64 = 0.0,
    /// Epochs after lowering in which nothing is counted.
    cooldown: usize = 0,
    /// The smallest product of all factors.
    min_scale: f64 = 0.0,
}
}

settings! {
/// What is fitted on the validation part at the end of a run, and saved with the model.
#[derive(Copy)]
"calibration." => CalibrationRecipe {
    /// Fit a temperature, so that the probabilities are as sure as they are right.
    temperature: bool = false,
    /// Withhold answers below the confidence at which this share of the others is right; 0: answer
    /// always.
    precision: f64 = 0.0,
}
}

settings! {
/// What a run writes about itself.
#[derive(Copy)]
"log." => LogRecipe {
    /// Updates between two lines of `history.jsonl`, and two points of TensorBoard's curves; 0: the
    /// epochs alone.
    every_steps: u64 = 10,
    /// Write event files for TensorBoard to the run's folder.
    tensorboard: bool = false,
    /// Write `report.html` at the end.
    report: bool = true,
}
}

settings! {
/// What goes into the model card, `README.md`, beside what the run knows.
#[derive(Eq)]
"card." => CardRecipe {
    /// The model's licence, by its id on the Hub (`apache-2.0`, `cc-by-4.0`, …); empty: that of the
    /// weights it started from, if they say, else `unknown`.
    license: String = "",
    /// The licence of the images; empty: what is known of the data sets that come with Taper, else
    /// `unknown`.
    data_license: String = "",
}
}

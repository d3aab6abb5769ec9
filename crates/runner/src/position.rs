//! Where in a run the loop is.

use serde::{Deserialize, Serialize};

/// Where in a run the loop is, between two updates; what a checkpoint holds of the loop itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: usize,
    /// Batches of the epoch that are behind.
    pub batch: usize,
    /// Updates that are behind, skipped ones included: the schedule's step.
    pub step: u64,
    /// Updates that were skipped because loss or gradient was not finite.
    pub skipped: u64,
    /// Images seen, repeats counted.
    pub images: usize,
    /// What listeners have made of the learning rate, as a factor.
    pub rate_scale: f64,
    /// Time in training steps before this epoch, in seconds.
    pub seconds: f64,
    /// The sums of this epoch.
    pub sums: EpochSums,
    /// Why the run ends before its last epoch, where it does.
    pub stopped: Option<String>,
}

/// What is summed over the steps of an epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochSums {
    /// Images.
    pub images: usize,
    /// Each image's loss, as seen while training; skipped steps not included.
    pub loss: f64,
    /// Images in that sum.
    pub counted: usize,
    /// Training time in seconds.
    pub seconds: f64,
    /// Of that, time in which training waited for data.
    pub waited: f64,
    /// The rate of the last step.
    pub learning_rate: f64,
}

impl Position {
    /// Before the first step.
    pub fn start() -> Self {
        Self {
            epoch: 0,
            batch: 0,
            step: 0,
            skipped: 0,
            images: 0,
            rate_scale: 1.0,
            seconds: 0.0,
            sums: EpochSums::default(),
            stopped: None,
        }
    }

    /// Goes on to the next epoch.
    pub(crate) fn next_epoch(&mut self) {
        self.seconds += self.sums.seconds;
        self.sums = EpochSums::default();
        self.epoch += 1;
        self.batch = 0;
    }
}

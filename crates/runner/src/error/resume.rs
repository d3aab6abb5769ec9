//! What can keep a run from being saved, or from going on.

use std::path::PathBuf;

/// What can keep a run from being saved, or from going on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// A checkpoint could not be written.
    #[error("{}: {source}{}", path.display(), last_checkpoint(.last))]
    Save {
        /// The checkpoint.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// The last checkpoint that is there.
        last: Option<PathBuf>,
    },
    /// A state cannot be a checkpoint.
    #[error("{}: {reason}", path.display())]
    Unsavable {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A run has checkpoints, and none can be used.
    #[error(
        "{}: {reason}; all {broken} checkpoints are corrupt; start the run again",
        path.display()
    )]
    NoneWhole {
        /// The newest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How many there are.
        broken: usize,
    },
    /// A finished run of which no checkpoint is left.
    #[error(
        "{} is finished and has no checkpoint to train on from; start another run from its weights \
         (`model.weights`)",
        .0.display()
    )]
    NoCheckpoint(PathBuf),
    /// A finished run that has had all epochs that are asked for.
    #[error("{} is finished after {epochs} epochs; set `train.epochs` higher to train on", path.display())]
    NoEpochLeft {
        /// The run.
        path: PathBuf,
        /// The epochs that it has had.
        epochs: usize,
    },
    /// A finished run that has had all updates that are asked for.
    #[error("{} is finished after {steps} updates; set `train.max_steps` higher to train on", path.display())]
    NoStepLeft {
        /// The run.
        path: PathBuf,
        /// The updates that it has had.
        steps: u64,
    },
    /// Data, program, machine or recipe are not those of the run to be resumed.
    #[error(
        "{} cannot resume exactly: {}",
        path.display(),
        differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs {
        /// The run.
        path: PathBuf,
        /// What differs.
        differences: Vec<Difference>,
    },
}

/// One thing in which two runs, or two recipes, differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is: `data`, `version`, `machine`, or a key of the recipe.
    pub what: String,
    /// Then.
    pub before: String,
    /// Now.
    pub now: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was {}, is {}", self.what, self.before, self.now)
    }
}

/// Where to go on from, as the end of a message.
pub(super) fn last_checkpoint(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or(String::new(), |path| format!("; go on from {}", path.display()))
}

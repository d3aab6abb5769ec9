//! What can go wrong in a run.

use std::path::PathBuf;

use taper_classifier::ClassifierError;
use taper_metrics::MetricsError;
use taper_model::loss::LossError;
use taper_model::weights::WeightsError;
use taper_optimizer::OptimizerError;
use taper_pretrained::PretrainedError;
use taper_run_folder::RunFolderError;

/// What can go wrong between a recipe and a trained model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A recipe could not be read.
    #[error("recipe {origin}: {reason}")]
    Recipe {
        /// The recipe's name or path.
        origin: String,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A setting is outside what it may be.
    #[error("`{key}` is {found}, expected {expected}")]
    Setting {
        /// The dotted key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A name that nothing is registered under.
    #[error("unknown {what} `{name}`, expected one of: {known}")]
    Unknown {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// `config.json` of a model could not be read.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// The data has other classes than the model.
    #[error(
        "the classes of {data} are {found}, those of the model {expected}; a score would say nothing: \
         give data with the model's classes"
    )]
    OtherClasses {
        /// The data's name.
        data: String,
        /// The data's classes.
        found: String,
        /// The model's classes.
        expected: String,
    },
    /// The Hub's files could not be had.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(Box<taper_hub::HubError>),
    /// Loss or gradient stopped being a number.
    #[error(
        "{what} at step {step} (epoch {epoch}, learning rate {learning_rate:e}){}; \
         try a lower `optimizer.learning_rate` or `train.clip_norm = 1`",
        last_checkpoint(.checkpoint)
    )]
    NotFinite {
        /// What was found, and in which layers.
        what: String,
        /// Updates done before it.
        step: u64,
        /// From 1.
        epoch: usize,
        /// The rate at that step.
        learning_rate: f64,
        /// The last checkpoint, from before.
        checkpoint: Option<PathBuf>,
    },
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
    /// A state cannot be a checkpoint, or a checkpoint does not fit the run.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A run has checkpoints, and none can be used.
    #[error(
        "{}: {reason}; of the {broken} checkpoints none is whole; \
         start the run again with --overwrite", path.display()
    )]
    NoCheckpoint {
        /// The newest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How many there are.
        broken: usize,
    },
    /// A run would not fit into memory.
    #[error(
        "training needs about {needed} of memory ({weights} for weights and the optimizer, {activations} for \
         batches of {batch_size}), and {free} are free; lower `train.batch_size` (with \
         `train.accumulate` the updates stay the same), set `train.recompute = true`, or go on all \
         the same with `guard.memory = false`"
    )]
    Memory {
        /// What is needed.
        needed: String,
        /// Of that, for weights, gradients and the optimizer's state.
        weights: String,
        /// Of that, for one batch.
        activations: String,
        /// Images in a batch.
        batch_size: usize,
        /// What is free.
        free: String,
    },
    /// The saved state of a listener is not what it saves.
    #[error("the saved state of `{listener}` cannot be used: {reason}")]
    ListenerState {
        /// The listener's name.
        listener: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Another process works on the run.
    #[error("{}: another process is at work on this run; wait for it, or end it", .0.display())]
    Busy(PathBuf),
    /// Data, program, machine or recipe are not those of the run to be resumed.
    #[error(
        "{} would not go on to the same result: {}; resume it all the same with --force",
        path.display(),
        differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs {
        /// The run.
        path: PathBuf,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// The run was asked to leave off; it can be resumed.
    #[error("{reason} after step {step}{}", last_checkpoint(.checkpoint))]
    Suspended {
        /// Who asked.
        reason: String,
        /// Updates done.
        step: u64,
        /// The checkpoint to go on from.
        checkpoint: Option<PathBuf>,
    },
    /// Nothing to train on or to evaluate.
    #[error(
        "the {part} part of {source_name} is empty; give more images, or another \
         `data.test_fraction`"
    )]
    Empty {
        /// Which part.
        part: &'static str,
        /// The data's name.
        source_name: String,
    },
    /// There is nothing to tell apart.
    #[error("{data} has {found} class, expected 2 or more: a folder, or a label, for each")]
    FewClasses {
        /// The data's name.
        data: String,
        /// Classes in the data.
        found: usize,
    },
    /// No parameter is left to train.
    #[error("`model.freeze` leaves nothing to train: all {frozen} parameters are frozen")]
    AllFrozen {
        /// Parameters that are frozen.
        frozen: usize,
    },
    /// A head that is made anew and then frozen.
    #[error(
        "`model.freeze` freezes `{name}`, which the weights do not bring ({note}): the head would stay random"
    )]
    FrozenHead {
        /// The parameter.
        name: String,
        /// Why it is initialized.
        note: String,
    },
    /// The data has another number of classes than the model.
    #[error("{data} has {found} classes, the model was trained on {expected}")]
    Classes {
        /// The data's name.
        data: String,
        /// Classes in the data.
        found: usize,
        /// Classes of the model.
        expected: usize,
    },
    /// The weights were trained on the data that is to judge them.
    #[error(
        "the weights have been trained on the images of `{data}`: a score on it would say nothing; \
         choose other data or other weights"
    )]
    SeenData {
        /// The data's name.
        data: String,
    },
    /// A run's folder cannot be used, read or written.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// A checkpoint could not be found, read or fitted to the net.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// A model could not be opened or asked.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// Data could not be read.
    #[error(transparent)]
    Dataset(#[from] taper_dataset::Error),
    /// Weights could not be read, mapped or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Values that do not fit the net's parameters.
    #[error(transparent)]
    Params(#[from] taper_model::ParamsError),
    /// Optimizer settings or state are unusable.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// The loss cannot be computed.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// Metrics cannot be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A tensor operation failed.
    #[error("{}", taper_model::tensor_message(.0))]
    Tensor(#[from] candle_core::Error),
}

/// Where to go on from, as the end of a message.
fn last_checkpoint(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or(String::new(), |path| {
        let run = path.parent().and_then(|folder| folder.parent()).unwrap_or(path);
        format!("; go on from {} with `resume {}`", path.display(), run.display())
    })
}

#[cfg(feature = "hub")]
impl From<taper_hub::HubError> for RunnerError {
    fn from(error: taper_hub::HubError) -> Self {
        RunnerError::Hub(Box::new(error))
    }
}

/// One thing in which two identities, or two recipes, differ.
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

/// A setting that is outside what it may be.
pub(crate) fn setting(
    key: &'static str,
    found: impl ToString,
    expected: impl Into<String>,
) -> RunnerError {
    RunnerError::Setting { key, found: found.to_string(), expected: expected.into() }
}

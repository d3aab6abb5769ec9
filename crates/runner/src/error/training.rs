//! What can end a training.

use std::path::PathBuf;

use taper_model::weights::WeightsError;

use super::resume::{Difference, last_checkpoint};

/// What can end a training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Loss or gradient stopped being a number.
    #[error(
        "{what} at step {step} (epoch {epoch}, learning rate {learning_rate:e}); \
         try a lower `optimizer.learning_rate` or `train.clip_norm = 1`{}",
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
    /// Weights that do not fit the net by their names, and do by one of its key maps.
    #[error(
        "{error}; the net's key map `{key_map}` fits all of them: set `model.key_map = \"{key_map}\"`"
    )]
    KeyMap {
        /// How they do not fit.
        error: Box<WeightsError>,
        /// The key map.
        key_map: &'static str,
    },
    /// A run would not fit into memory.
    #[error(
        "training needs about {needed} of memory ({parts}), and {free} are free; lower `train.batch_size` (with \
         `train.accumulate` the updates stay the same), set `train.recompute = true`, take fewer images or \
         classes (`data.limit`, `data.classes`), or go on all the same with `guard.memory = false`"
    )]
    Memory {
        /// What is needed.
        needed: String,
        /// What for.
        parts: String,
        /// What is free.
        free: String,
    },
    /// A batch norm that cannot be trained, because each batch has one image.
    #[error(
        "batch norm `{layer}` would have one value a channel of a batch of one image, and {}; or give larger \
         images, or keep its statistics with `model.freeze_statistics = true`",
        match images {
            1 => "there is one image to train on: give more",
            _ => "`train.batch_size` is 1, or cut into `train.pieces` of 1: take 2 or more a piece",
        }
    )]
    OneValue {
        /// The batch norm.
        layer: String,
        /// Images to train on.
        images: usize,
    },
    /// A process that would not compute what the others compute.
    #[error(
        "process {process} is not like process 0: {}",
        differences.iter().map(|one| format!("{} is {}, not {}", one.what, one.now, one.before)).collect::<Vec<_>>().join("; ")
    )]
    ProcessDiffers {
        /// Its number.
        process: usize,
        /// In what: `before` as in process 0, `now` as in this one.
        differences: Vec<Difference>,
    },
    /// What another process sent cannot be read.
    #[error(
        "processes do not understand each other: {reason}; start all of them with the same program"
    )]
    Processes {
        /// Why not.
        reason: String,
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
    /// A listener asked for the run to be suspended; it can be resumed.
    #[error("{reason} after step {step}{}", last_checkpoint(.checkpoint))]
    Suspended {
        /// Who asked.
        reason: String,
        /// Updates done.
        step: u64,
        /// The checkpoint to go on from.
        checkpoint: Option<PathBuf>,
    },
    /// Two listeners have one name, by which a checkpoint knows what each remembers.
    #[error(
        "two listeners of the run are called `{name}`; give one of them another name, by which checkpoints know it"
    )]
    SameListener {
        /// The name.
        name: &'static str,
    },
    /// The saved state of a listener is not what it saves.
    #[error("the saved state of `{listener}` cannot be used: {reason}")]
    ListenerState {
        /// The listener's name.
        listener: &'static str,
        /// What is wrong.
        reason: String,
    },
}

//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A [`Checkpoint`] is one safetensors file: parameters, buffers, the optimizer's state, averages,
//! and as TOML the position, the listeners' states, the recipe and what the run's result depends on
//! besides ([`Identity`]). No generator has a state to save: order, dropout and initialization are
//! functions of (seed, where, when). [`Checkpoints`] is the folder that holds a run's.

mod file;
mod folder;
mod identity;
mod stage;

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use taper_run_folder::Scores;
use toml::Value;

use crate::recipe::Recipe;
use crate::train::Position;

pub use file::CheckpointError;
pub use folder::{Checkpoints, Newest};
pub use identity::{Difference, Identity};
#[doc(hidden)]
pub use stage::{Stage, at_each_stage};

/// The version of the format that is written; others are not read.
pub const FORMAT: u32 = 1;

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// The state of a run between two updates.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// All that is no tensor.
    pub about: About,
    /// Every parameter, frozen ones and buffers included.
    pub params: Tensors,
    /// The optimizer's state.
    pub optimizer: Tensors,
    /// The average of the weights; empty where none is kept.
    pub average: Tensors,
    /// The weights of the best epoch so far; empty where none are kept.
    pub best: Tensors,
}

/// What the tensors of a checkpoint belong to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// [`FORMAT`].
    pub format: u32,
    /// What else the result depends on.
    pub identity: Identity,
    /// The complete recipe, the seed in it.
    pub recipe: Recipe,
    /// Where in the run this is.
    pub position: Position,
    /// The state of each listener that has one, by its name.
    pub listeners: BTreeMap<String, Value>,
    /// The scores before training.
    pub before: Scores,
    /// The epochs whose checkpoints may still be there, with their value of `select.metric`.
    pub epochs: Vec<EpochValue>,
    /// The epoch that the weights `best` are from.
    pub best: Option<EpochValue>,
}

/// How good the weights were at the end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochValue {
    /// From 0.
    pub epoch: usize,
    /// Updates done by its end.
    pub step: u64,
    /// The metric's value.
    pub value: f64,
}

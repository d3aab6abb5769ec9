//! What a checkpoint holds.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use taper_run_folder::Scores;
use toml::Value;

use super::identity::Identity;
use crate::position::Position;
use crate::recipe::Recipe;

/// The version of the format that is written; others are not read.
pub const FORMAT: u32 = 1;

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// The state of a run between two updates.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Where in the run it is, by which recipe, and what else is no tensor.
    pub header: Header,
    /// Every parameter, frozen ones and buffers included.
    pub params: Tensors,
    /// The optimizer's state.
    pub optimizer: Tensors,
    /// The average of the weights; empty where none is kept.
    pub average: Tensors,
    /// The weights of the best epoch so far; empty where none are kept.
    pub best: Tensors,
}

/// All of a checkpoint that is no tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
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

impl Header {
    /// Of a run before its first step.
    pub(crate) fn new(identity: Identity, recipe: Recipe, before: Scores) -> Self {
        let (format, position) = (FORMAT, Position::start());
        let (listeners, epochs, best) = (BTreeMap::new(), Vec::new(), None);
        Self { format, identity, recipe, position, listeners, before, epochs, best }
    }
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

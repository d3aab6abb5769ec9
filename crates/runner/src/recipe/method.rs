//! How pretrained weights are fine-tuned: what is trained, and at which rate.

use serde::{Deserialize, Serialize};

/// Which parameters are trained.
///
/// A net says as data what its blocks are and which layer is its head
/// ([`NetInfo::stages`](taper_model::nets::NetInfo::stages)).
///
/// `layer_decay` multiplies the learning rate of each block by that much for every block that is
/// nearer to the head, so that what sees the image changes the least: with 0.75, the block before
/// the head's has 0.75 of the rate, the one before that 0.5625. It goes on top of a group's
/// `learning_rate_scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Method {
    /// All parameters. The default.
    Full {
        /// From above 0 to 1. Default 1: one rate for all.
        #[serde(default = "one")]
        layer_decay: f64,
    },
    /// The head alone. The rest runs in evaluation mode, and what it makes of an image is computed
    /// once and kept, so that all epochs but the first are nearly free. Whether it is kept changes
    /// no bit of the result.
    Head {
        /// Where the features are kept. Default `auto`.
        #[serde(default)]
        cache: FeatureCache,
    },
    /// The head and the last blocks before it.
    LastN {
        /// How many blocks besides the head; 0 or more. Default 1.
        #[serde(default = "one_block")]
        blocks: usize,
        /// From above 0 to 1. Default 1: one rate for all.
        #[serde(default = "one")]
        layer_decay: f64,
    },
    /// First the head alone, then all, the blocks nearer to the image at lower rates: a new head's
    /// first gradients do not spoil what is before it (Howard and Ruder, "Universal Language Model
    /// Fine-tuning for Text Classification", 2018).
    Gradual {
        /// Epochs in which the head alone is trained, 1 or more. Default 1.
        #[serde(default = "one_block")]
        frozen_epochs: usize,
        /// Blocks that join in with each epoch after that, from the head on; 0: all at once.
        /// Default 0.
        #[serde(default)]
        blocks_per_epoch: usize,
        /// From above 0 to 1. Default 0.75.
        #[serde(default = "three_quarters")]
        layer_decay: f64,
    },
    /// The head, and low-rank adapters beside layers that stay as they are (Hu et al., "LoRA", 2021;
    /// see [`taper_model::lora`]). What is saved is the adapter, in the layout of Python's `peft`.
    Lora {
        /// Features between the two halves of an adapter, 1 or more. Default 8.
        #[serde(default = "eight")]
        rank: usize,
        /// An adapter's output is multiplied by `alpha / rank`. Default 16.
        #[serde(default = "sixteen")]
        alpha: f64,
        /// The probability that an element of an adapter's input is zeroed in training, from 0 to
        /// below 1. Default 0.
        #[serde(default)]
        dropout: f64,
        /// Patterns of the layers' names, or their last parts (`qkv`). Default empty: the net's own
        /// choice, for a vision transformer its attention, for a ResNet the blocks' convolutions.
        #[serde(default)]
        targets: Vec<String>,
        /// Also save the net with the adapters worked into its weights. Default false.
        #[serde(default)]
        merge: bool,
    },
}

fn eight() -> usize {
    8
}

fn sixteen() -> f64 {
    16.0
}

fn one() -> f64 {
    1.0
}

fn one_block() -> usize {
    1
}

fn three_quarters() -> f64 {
    0.75
}

impl Default for Method {
    fn default() -> Self {
        Self::Full { layer_decay: 1.0 }
    }
}

/// Where the features of a frozen net are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureCache {
    /// In memory up to 1 GiB, on disk above that; nowhere for a net that is not made of a body and
    /// a head.
    #[default]
    Auto,
    /// In memory.
    Memory,
    /// In a file in the run's folder without a name, which is gone when the run ends.
    Disk,
    /// Nowhere: they are computed again in each epoch.
    Off,
}

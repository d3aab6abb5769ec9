//! What is needed to use a model's weights; a run's `config.json`.

use serde::{Deserialize, Serialize};
use taper_dataset::Preprocessing;
use taper_model::nets::NetConfig;

/// A model's net, classes and preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Name of the net.
    pub architecture: String,
    /// Number of classes.
    pub num_classes: usize,
    /// Name of each class, in the order of the logits.
    pub label_names: Vec<String>,
    /// How an image becomes the net's input.
    pub preprocessing: Preprocessing,
    /// Name of the first convolution or linear layer.
    pub first_conv: String,
    /// Name of the last linear layer.
    pub classifier: String,
    /// The licence, by its id on the Hub; empty if nobody says.
    pub license: String,
    /// How logits become answers, where that was fitted.
    pub calibration: Option<CalibrationConfig>,
    /// How light the borders of the images were that it was trained on, 0 (black) to 1 (white), where
    /// that is known.
    pub border_brightness: Option<f64>,
}

/// How a model's logits become answers; stands in `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationConfig {
    /// What the logits are divided by before the softmax.
    pub temperature: f64,
    /// From which confidence on an answer is given, where that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
}

/// From which confidence on an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// The share of given answers that should be right.
    pub wanted_precision: f64,
    /// Answers with less confidence than this are withheld.
    pub threshold: f64,
    /// The share of given answers that were right on the validation part.
    pub precision: f64,
    /// The share of the validation part that was answered.
    pub coverage: f64,
}

impl ModelConfig {
    /// What the net is built for.
    pub fn net_config(&self) -> NetConfig {
        let [channels, height, width] = self.preprocessing.shape();
        NetConfig { num_classes: self.num_classes, channels, height, width }
    }
}

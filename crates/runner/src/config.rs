//! `config.json`: what is needed to use a model's weights.
//!
//! The keys are timm's where timm has one: `architecture`, `num_classes`, `label_names`, and in
//! `pretrained_cfg` the input size, mean, std, first convolution and classifier.

use std::path::Path;

use serde::{Deserialize, Serialize};
use taper_dataset::{Filter, Placement};

use crate::calibrate::CalibrationConfig;
use crate::error::RunnerError;
use crate::run_folder::write_whole;

/// A model's net, classes and preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Name of the net.
    pub architecture: String,
    /// Number of classes.
    pub num_classes: usize,
    /// Name of each class, in the order of the logits.
    pub label_names: Vec<String>,
    /// Preprocessing and the names of the ends of the net.
    pub pretrained_cfg: PretrainedConfig,
    /// How logits become answers, where that was fitted; not timm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationConfig>,
}

/// Preprocessing and the names of the ends of the net, in timm's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainedConfig {
    /// Channels, height, width.
    pub input_size: [usize; 3],
    /// Mean of each channel, after scaling to 0..1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, after scaling to 0..1.
    pub std: Vec<f64>,
    /// Name of the first convolution or linear layer.
    pub first_conv: String,
    /// Name of the last linear layer.
    pub classifier: String,
    /// How pixels are weighed when an image is resized.
    #[serde(default)]
    pub interpolation: Filter,
    /// How an image of another size is brought to the input size; not timm's.
    #[serde(default)]
    pub placement: Placement,
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// The file cannot be read, or is not what it should be.
    pub fn read(path: &Path) -> Result<Self, RunnerError> {
        let bytes = std::fs::read(path)
            .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
        let config: Self = serde_json::from_slice(&bytes)
            .map_err(|e| RunnerError::Config { path: path.to_path_buf(), reason: e.to_string() })?;
        if config.label_names.len() != config.num_classes {
            return Err(RunnerError::Config {
                path: path.to_path_buf(),
                reason: format!(
                    "num_classes is {}, but there are {} label_names",
                    config.num_classes,
                    config.label_names.len()
                ),
            });
        }
        Ok(config)
    }

    /// Writes a `config.json`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RunnerError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| RunnerError::Config { path: path.to_path_buf(), reason: e.to_string() })?;
        text.push('\n');
        write_whole(path, text.as_bytes())
    }
}

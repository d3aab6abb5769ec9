//! What a checkpoint says of itself, whoever's words it uses.

use std::path::Path;

use taper_dataset::{Filter, Placement};
use taper_model::nets::NetInfo;

use crate::error::PretrainedError;
use crate::model_config::{CalibrationConfig, ModelConfig, PretrainedConfig};

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointMetadata {
    /// The name of the net.
    pub net: String,
    /// The net's key map that its names need; empty for none.
    pub key_map: String,
    /// The number of classes; `None` for a net without a head.
    pub num_classes: Option<usize>,
    /// The classes' names in the order of the logits; empty if it does not say.
    pub label_names: Vec<String>,
    /// How images are prepared, if it says.
    pub image: Option<CheckpointPreprocessing>,
    /// Height and width of the images that its tensors are for, if it says: a vision transformer's
    /// positions belong to these.
    pub built_for: Option<(usize, usize)>,
    /// The licence, by its id on the Hub; empty if it does not say.
    pub license: String,
    /// How logits become answers, where that was fitted; ours alone say.
    pub calibration: Option<CalibrationConfig>,
    /// How light the borders of the images were that it was trained on; ours alone say.
    pub border: Option<f64>,
}

/// How a checkpoint wants its images.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointPreprocessing {
    /// Channels, height, width.
    pub input_size: [usize; 3],
    /// Mean of each channel, after scaling to 0..1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, after scaling to 0..1.
    pub std: Vec<f64>,
    /// How an image of another size is brought to the input size.
    pub placement: Placement,
    /// How pixels are weighed when an image is resized.
    pub filter: Filter,
}

impl CheckpointMetadata {
    /// As the configuration of a finished model of the net `info`; `origin` is what an error names.
    ///
    /// # Errors
    /// It does not say how many classes there are, or how images are prepared.
    pub fn model_config(
        &self,
        info: &NetInfo,
        origin: &Path,
    ) -> Result<ModelConfig, PretrainedError> {
        let wrong = |reason: &str| PretrainedError::config(origin)(reason.to_string());
        let num_classes = self.num_classes.ok_or_else(|| wrong("the net has no classifier"))?;
        let image = self.image.clone().ok_or_else(|| {
            wrong("nothing says how images are prepared: preprocessor_config.json is missing")
        })?;
        let label_names = match self.label_names.is_empty() {
            true => (0..num_classes).map(|class| class.to_string()).collect(),
            false => self.label_names.clone(),
        };
        if label_names.len() != num_classes {
            return Err(wrong(&format!(
                "num_classes is {num_classes}, but there are {} label_names",
                label_names.len()
            )));
        }
        Ok(ModelConfig {
            architecture: self.net.clone(),
            num_classes,
            label_names,
            calibration: self.calibration,
            border: self.border,
            pretrained_cfg: PretrainedConfig {
                input_size: image.input_size,
                mean: image.mean,
                std: image.std,
                first_conv: info.stem.to_string(),
                classifier: info.head.to_string(),
                interpolation: image.filter,
                placement: image.placement,
                license: self.license.clone(),
            },
        })
    }
}

impl CheckpointPreprocessing {
    /// Checks what a file could say and nobody could do.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let channels = self.input_size[0];
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels && values.len() != 1 {
                return Err(format!("{name} has {} values for {channels} channels", values.len()));
            }
        }
        match self.input_size.iter().find(|&&n| n == 0 || n > 1 << 14) {
            Some(n) => Err(format!("{n} is no size of an image")),
            None => Ok(self),
        }
    }
}

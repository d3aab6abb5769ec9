//! What a checkpoint says of itself, whoever's words it uses.

use std::path::Path;

use taper_dataset::Preprocessing;
use taper_model::nets::NetInfo;

use crate::classes::numbered;
use crate::error::PretrainedError;
use crate::model_config::{CalibrationConfig, ModelConfig};

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
    pub image: Option<Preprocessing>,
    /// Height and width of the images that its tensors are for, if it says: a vision transformer's
    /// positions belong to these.
    pub built_for: Option<(usize, usize)>,
    /// The licence, by its id on the Hub; empty if it does not say.
    pub license: String,
    /// How logits become answers, where that was fitted; ours alone say.
    pub calibration: Option<CalibrationConfig>,
    /// How light the borders of the images were that it was trained on; ours alone say.
    pub border_brightness: Option<f64>,
}

impl CheckpointMetadata {
    /// The classes' names; numbers where it has none.
    pub fn class_names(&self) -> Vec<String> {
        match self.label_names.is_empty() {
            true => numbered(self.num_classes.unwrap_or(0)),
            false => self.label_names.clone(),
        }
    }

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
        let preprocessing = self.image.clone().ok_or_else(|| {
            wrong("nothing says how images are prepared: preprocessor_config.json is missing")
        })?;
        let label_names = self.class_names();
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
            preprocessing,
            first_conv: info.stem.to_string(),
            classifier: info.head.to_string(),
            license: self.license.clone(),
            calibration: self.calibration,
            border_brightness: self.border_brightness,
        })
    }
}

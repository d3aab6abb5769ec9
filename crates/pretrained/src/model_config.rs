//! `config.json`: what is needed to use a model's weights.
//!
//! It is timm's: `timm.create_model("local-dir:RUN", pretrained=True)` reads a run's folder, where
//! timm has the net. Three keys on top are not timm's: `placement` says in our words what
//! `crop_pct` and `crop_mode` say in timm's, which has not all of them, `calibration` what was fitted, and `border`
//! how light the borders of training images were.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use taper_dataset::{Crop, Filter, Placement, Preprocessing};
use taper_model::nets::{self, NetConfig};

/// A model's net, classes and preprocessing.
#[derive(Debug, Clone, PartialEq)]
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
    pub calibration: Option<CalibrationConfig>,
    /// How light the borders of the images were that it was trained on, 0 (black) to 1 (white), where
    /// that is known; not timm's.
    pub border: Option<f64>,
}

/// Preprocessing and the names of the ends of the net, in timm's words.
#[derive(Debug, Clone, PartialEq)]
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
    pub interpolation: Filter,
    /// How an image of another size is brought to the input size.
    pub placement: Placement,
    /// The licence, by its id on the Hub; empty if nobody says.
    pub license: String,
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
        let [channels, height, width] = self.pretrained_cfg.input_size;
        NetConfig { num_classes: self.num_classes, channels, height, width }
    }

    /// How an image becomes the net's input.
    pub fn preprocessing(&self) -> Preprocessing {
        let cfg = &self.pretrained_cfg;
        let [channels, height, width] = cfg.input_size;
        Preprocessing {
            height,
            width,
            channels,
            placement: cfg.placement,
            filter: cfg.interpolation,
            mean: cfg.mean.clone(),
            std: cfg.std.clone(),
        }
    }

    /// As `config.json` has it.
    pub fn to_value(&self) -> Value {
        let cfg = &self.pretrained_cfg;
        // Of one number for all channels timm knows nothing.
        let each = |values: &[f64]| match values {
            [one] => vec![*one; cfg.input_size[0]],
            values => values.to_vec(),
        };
        let (crop_pct, crop_mode) = match cfg.placement {
            Placement::Crop(Crop::Share(share)) => (share, "center"),
            Placement::Crop(Crop::Edge { edge, of }) => (share_of(edge, of), "center"),
            Placement::AsIs => (1.0, "center"),
            Placement::Stretch => (1.0, "squash"),
            Placement::Fit | Placement::Digit => (1.0, "border"),
        };
        let interpolation = match cfg.interpolation {
            Filter::Area => "box",
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        };
        let mut value = json!({
            "architecture": self.architecture,
            "num_classes": self.num_classes,
            "label_names": self.label_names,
            "placement": cfg.placement,
            "pretrained_cfg": {
                "input_size": cfg.input_size,
                "mean": each(&cfg.mean),
                "std": each(&cfg.std),
                "interpolation": interpolation,
                "crop_pct": crop_pct,
                "crop_mode": crop_mode,
                "num_classes": self.num_classes,
                "first_conv": cfg.first_conv,
                "classifier": cfg.classifier,
            },
        });
        if !cfg.license.is_empty() {
            value["pretrained_cfg"]["license"] = cfg.license.clone().into();
        }
        if let Some(calibration) = &self.calibration {
            value["calibration"] = json!(calibration);
        }
        if let Some(border) = self.border {
            value["border"] = border.into();
        }
        let arguments = self.model_args();
        if !arguments.is_empty() {
            value["model_args"] = arguments.into();
        }
        value
    }

    /// What timm has to be told to build the net for images of this size.
    fn model_args(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        let Some(net) = nets::find(&self.architecture) else { return arguments };
        let [channels, height, width] = self.pretrained_cfg.input_size;
        if channels != 3 {
            arguments.insert("in_chans".to_string(), channels.into());
        }
        if net.patches.is_some() && (height, width) != (net.default_input.1, net.default_input.2) {
            arguments.insert("img_size".to_string(), json!([height, width]));
        }
        arguments
    }
}

/// The `crop_pct` for which timm resizes to `edge` before it cuts `of` out: it rounds `of / crop_pct`
/// down, which the nearest double of `of / edge` may bring one below.
fn share_of(edge: usize, of: usize) -> f64 {
    let share = of as f64 / edge as f64;
    match (of as f64 / share).floor() as usize == edge {
        true => share,
        false => of as f64 / (edge as f64 + 0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::share_of;

    #[test]
    fn timm_finds_every_edge_again() {
        for of in [1, 32, 64, 224, 288, 384] {
            for edge in of..4 * of {
                assert_eq!((of as f64 / share_of(edge, of)).floor() as usize, edge, "{of}");
            }
        }
        assert_eq!(share_of(256, 224), 0.875);
    }
}

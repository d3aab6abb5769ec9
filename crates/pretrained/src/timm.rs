//! timm's `config.json`, which is ours too: `timm.create_model("local-dir:RUN", pretrained=True)` reads a
//! run's folder, where timm has the net.
//!
//! Three keys on top are not timm's: `placement` says in our words what `crop_pct` and `crop_mode` say in
//! timm's, which has not all of them, `calibration` what was fitted, and `border` how light the borders of
//! training images were. Where a file is silent, timm's own defaults hold (`timm/data/config.py`).

use serde_json::{Map, Value, json};
use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};
use taper_model::nets;

use crate::json::{
    check_preprocessing, class_count, count, label_names, numbers, per_channel, side,
};
use crate::metadata::CheckpointMetadata;
use crate::model_config::{CalibrationConfig, ModelConfig, Rejection};

/// The mean and the deviation of ImageNet's channels.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
const CROP: f64 = 0.875;

/// The temperatures that are believed: more than is ever fitted.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 1e-3..=1e3;

/// timm's names of the filters.
const INTERPOLATIONS: [(&str, Filter); 3] =
    [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic), ("box", Filter::Area)];

/// Whether a configuration is timm's.
pub(crate) fn is_one(config: &Value) -> bool {
    config.get("architecture").is_some()
}

/// Reads it.
pub(crate) fn read(config: &Value) -> Result<CheckpointMetadata, String> {
    let net = config["architecture"].as_str().ok_or("architecture is not a name")?;
    // Older files have everything on top.
    let within = config.get("pretrained_cfg").unwrap_or(config);
    let get = |key: &str| within.get(key).or_else(|| config.get(key)).filter(|v| !v.is_null());
    // A net's own number of classes is on top; that of the pretrained one may differ.
    let num_classes = config.get("num_classes").filter(|v| !v.is_null()).or(get("num_classes"));
    let num_classes = num_classes.map(|n| class_count(n, "num_classes")).transpose()?;
    let image = image(&get)?;
    let Preprocessing { height, width, .. } = image;
    let arguments = config.get("model_args").and_then(|arguments| arguments.get("img_size"));
    let built_for = arguments.filter(|v| !v.is_null()).map(sides).transpose()?;
    // The part behind a dot says which weights, not which net.
    let net = net.split_once('.').map_or(net, |(net, _)| net);
    Ok(CheckpointMetadata {
        net: net.to_string(),
        key_map: String::new(),
        num_classes: num_classes.filter(|n| *n > 0),
        label_names: label_names(get("label_names").or_else(|| get("labels")))?,
        image: Some(image),
        built_for: Some(built_for.unwrap_or((height, width))),
        license: get("license").and_then(Value::as_str).unwrap_or_default().to_string(),
        calibration: calibration(config)?,
        border_brightness: config.get("border").filter(|v| !v.is_null()).map(border).transpose()?,
    })
}

fn border(value: &Value) -> Result<f64, String> {
    let border = value.as_f64().filter(|light| (0.0..=1.0).contains(light));
    border.ok_or_else(|| format!("border is {value}, expected a number from 0 to 1"))
}

fn calibration(config: &Value) -> Result<Option<CalibrationConfig>, String> {
    let calibration = config.get("calibration").filter(|v| !v.is_null());
    let Some(value) = calibration else { return Ok(None) };
    let calibration: CalibrationConfig =
        serde_json::from_value(value.clone()).map_err(|error| format!("calibration: {error}"))?;
    if !TEMPERATURES.contains(&calibration.temperature) {
        let (least, most) = (TEMPERATURES.start(), TEMPERATURES.end());
        return Err(format!(
            "calibration.temperature is {}, expected a number from {least} to {most}",
            calibration.temperature
        ));
    }
    let shares = calibration.rejection.iter().flat_map(|rejection| {
        let Rejection { wanted_precision, threshold, precision, coverage } = *rejection;
        [
            ("wanted_precision", wanted_precision),
            ("threshold", threshold),
            ("precision", precision),
            ("coverage", coverage),
        ]
    });
    for (key, share) in shares {
        if !(0.0..=1.0).contains(&share) {
            return Err(format!(
                "calibration.rejection.{key} is {share}, expected a number from 0 to 1"
            ));
        }
    }
    Ok(Some(calibration))
}

/// `img_size`: one number or two.
fn sides(size: &Value) -> Result<(usize, usize), String> {
    match size.as_array().map(Vec::as_slice) {
        Some([height, width]) => Ok((side(height, "img_size")?, side(width, "img_size")?)),
        _ => side(size, "img_size").map(|side| (side, side)),
    }
}

fn image<'a>(get: &impl Fn(&str) -> Option<&'a Value>) -> Result<Preprocessing, String> {
    let input_size = match get("input_size") {
        None => [3, 224, 224],
        Some(size) => {
            let sizes = size.as_array().map(Vec::as_slice).unwrap_or_default();
            let sizes: Result<Vec<usize>, _> =
                sizes.iter().map(|n| count(n, "input_size")).collect();
            <[usize; 3]>::try_from(sizes?)
                .map_err(|_| format!("input_size is {size}, expected channels, height, width"))?
        }
    };
    let list = |key: &str, default: [f64; 3]| {
        get(key).map_or(Ok(default.to_vec()), |value| numbers(value, key))
    };
    let filter = match get("interpolation").map(|v| v.as_str().unwrap_or_default()) {
        None => Filter::Bicubic,
        // timm draws one of two while training; this is what it evaluates with.
        Some("random") => Filter::Bilinear,
        Some("area") => Filter::Area,
        Some(name) => match INTERPOLATIONS.iter().find(|(known, _)| *known == name) {
            Some((_, filter)) => *filter,
            None => {
                let expected = "expected bilinear, bicubic or box";
                return Err(format!("interpolation is `{name}`, {expected}"));
            }
        },
    };
    let placement = match get("placement") {
        Some(placement) => serde_json::from_value(placement.clone())
            .map_err(|e| format!("placement is {placement}: {e}"))?,
        None => {
            let crop = get("crop_pct").map_or(Some(CROP), Value::as_f64);
            let crop = crop.filter(|crop| *crop > 0.0 && *crop <= 1.0);
            let crop = crop.ok_or("crop_pct is not a number above 0, up to 1")?;
            match get("crop_mode").map(|v| v.as_str().unwrap_or_default()) {
                None | Some("center") => ResizeMode::Crop(Crop::Share(crop)),
                Some("squash") if crop == 1.0 => ResizeMode::Stretch,
                Some("border") if crop == 1.0 => ResizeMode::Fit,
                Some(mode) => {
                    return Err(format!(
                        "crop_mode is `{mode}` with crop_pct {crop}, expected center"
                    ));
                }
            }
        }
    };
    let [channels, height, width] = input_size;
    let (mean, std) = (list("mean", MEAN)?, list("std", STD)?);
    let image = Preprocessing { height, width, channels, placement, filter, mean, std };
    check_preprocessing(&image).map_err(|error| error.to_string())?;
    Ok(image)
}

/// timm's name of a filter.
fn interpolation(filter: Filter) -> Option<&'static str> {
    INTERPOLATIONS.iter().find(|(_, known)| *known == filter).map(|(name, _)| *name)
}

impl ModelConfig {
    /// As `config.json` has it.
    pub fn to_value(&self) -> Value {
        let image = &self.preprocessing;
        let (crop_pct, crop_mode) = match image.placement {
            ResizeMode::Crop(Crop::Share(share)) => (share, "center"),
            ResizeMode::Crop(Crop::Edge { edge, of }) => (share_of(edge, of), "center"),
            ResizeMode::Crop(Crop::Stretch { stretch, of }) => (share_of(stretch, of), "squash"),
            ResizeMode::AsIs => (1.0, "center"),
            ResizeMode::Stretch => (1.0, "squash"),
            ResizeMode::Fit | ResizeMode::Digit => (1.0, "border"),
        };
        let mut value = json!({
            "architecture": self.architecture,
            "num_classes": self.num_classes,
            "label_names": self.label_names,
            "placement": image.placement,
            "pretrained_cfg": {
                "input_size": image.shape(),
                "mean": per_channel(&image.mean, image.channels),
                "std": per_channel(&image.std, image.channels),
                "interpolation": interpolation(image.filter),
                "crop_pct": crop_pct,
                "crop_mode": crop_mode,
                "num_classes": self.num_classes,
                "first_conv": self.first_conv,
                "classifier": self.classifier,
            },
        });
        if !self.license.is_empty() {
            value["pretrained_cfg"]["license"] = self.license.clone().into();
        }
        if let Some(calibration) = &self.calibration {
            value["calibration"] = json!(calibration);
        }
        if let Some(brightness) = self.border_brightness {
            value["border"] = brightness.into();
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
        let [channels, height, width] = self.preprocessing.shape();
        if channels != 3 {
            arguments.insert("in_chans".to_string(), channels.into());
        }
        // timm's own size is another for nets with registers.
        let usual = (net.default_input.1, net.default_input.2);
        if net.patches.is_some_and(|patches| patches.prefix == 0 || (height, width) != usual) {
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

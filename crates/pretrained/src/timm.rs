//! timm's `config.json`, which is ours too; ours has `placement`, `calibration` and `border` besides.
//!
//! Where it is silent, timm's own defaults hold (`timm/data/config.py`).

use serde_json::Value;
use taper_dataset::{Crop, Filter, Placement};

use crate::json::{count, label_names, numbers};
use crate::metadata::{CheckpointMetadata, CheckpointPreprocessing};
use crate::model_config::CalibrationConfig;

/// The mean and the deviation of ImageNet's channels.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
const CROP: f64 = 0.875;

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
    let num_classes = num_classes.map(|n| count(n, "num_classes")).transpose()?;
    let image = image(&get)?;
    let [_, height, width] = image.input_size;
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
        border: config.get("border").and_then(Value::as_f64),
    })
}

fn calibration(config: &Value) -> Result<Option<CalibrationConfig>, String> {
    let calibration = config.get("calibration").filter(|v| !v.is_null());
    let read = |value: &Value| serde_json::from_value(value.clone());
    calibration.map(read).transpose().map_err(|error| format!("calibration: {error}"))
}

/// `img_size`: one number or two.
fn sides(size: &Value) -> Result<(usize, usize), String> {
    match size.as_array().map(Vec::as_slice) {
        Some([height, width]) => Ok((count(height, "img_size")?, count(width, "img_size")?)),
        _ => count(size, "img_size").map(|side| (side, side)),
    }
}

fn image<'a>(get: &impl Fn(&str) -> Option<&'a Value>) -> Result<CheckpointPreprocessing, String> {
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
        None | Some("bicubic") => Filter::Bicubic,
        // timm draws one of two while training; this is what it evaluates with.
        Some("bilinear" | "random") => Filter::Bilinear,
        Some("area" | "box") => Filter::Area,
        Some(other) => {
            return Err(format!("interpolation is `{other}`, expected bilinear, bicubic or box"));
        }
    };
    let placement = match get("placement") {
        Some(placement) => serde_json::from_value(placement.clone())
            .map_err(|e| format!("placement is {placement}: {e}"))?,
        None => {
            let crop = get("crop_pct").map_or(Some(CROP), Value::as_f64);
            let crop = crop.filter(|crop| *crop > 0.0 && *crop <= 1.0);
            let crop = crop.ok_or("crop_pct is not a number above 0, up to 1")?;
            match get("crop_mode").map(|v| v.as_str().unwrap_or_default()) {
                None | Some("center") => Placement::Crop(Crop::Share(crop)),
                Some("squash") if crop == 1.0 => Placement::Stretch,
                Some("border") if crop == 1.0 => Placement::Fit,
                Some(mode) => {
                    return Err(format!(
                        "crop_mode is `{mode}` with crop_pct {crop}, expected center"
                    ));
                }
            }
        }
    };
    CheckpointPreprocessing {
        input_size,
        mean: list("mean", MEAN)?,
        std: list("std", STD)?,
        placement,
        filter,
    }
    .checked()
}

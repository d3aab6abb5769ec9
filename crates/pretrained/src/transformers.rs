//! transformers' `config.json` and `preprocessor_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};

use crate::error::PretrainedError;
use crate::json::{checked, count, label_names, numbers};
use crate::metadata::CheckpointMetadata;

/// Which net is which, by the sizes in `config.json`: for each `model_type` what transformers takes
/// where the file is silent, and for each net what differs from that.
const NETS: &str = include_str!("transformers.json");

#[derive(Deserialize)]
struct Family {
    defaults: Map<String, Value>,
    nets: BTreeMap<String, Map<String, Value>>,
}

/// Reads `config.json`.
pub(crate) fn read(config: &Value) -> Result<CheckpointMetadata, String> {
    let label_names = label_names(config.get("id2label"))?;
    let num_labels = config.get("num_labels").map(|n| count(n, "num_labels")).transpose()?;
    // Written only where it is not the default, which is two.
    let num_classes = match label_names.len() {
        0 => num_labels.unwrap_or(2),
        n => n,
    };
    Ok(CheckpointMetadata {
        net: net(config)?,
        key_map: "transformers".to_string(),
        num_classes: Some(num_classes),
        label_names,
        image: None,
        built_for: Some(match config.get("image_size").filter(|size| !size.is_null()) {
            None => (224, 224),
            Some(Value::Array(both)) if both.len() == 2 => {
                (count(&both[0], "image_size")?, count(&both[1], "image_size")?)
            }
            Some(side) => sides(side, "image_size")?,
        }),
        license: String::new(),
        calibration: None,
        border_brightness: None,
    })
}

/// The name of the net with the sizes of a configuration.
fn net(config: &Value) -> Result<String, String> {
    let families: BTreeMap<String, Family> =
        serde_json::from_str(NETS).map_err(|e| format!("transformers.json: {e}"))?;
    let model_type = config["model_type"].as_str().unwrap_or_default();
    let Some(family) = families.get(model_type) else {
        let known: Vec<_> = families.keys().cloned().collect();
        return Err(format!("unknown net of type `{model_type}`, expected {}", known.join(", ")));
    };
    let over = |values: &Map<String, Value>| {
        let mut sizes = family.defaults.clone();
        for (key, size) in &mut sizes {
            if let Some(value) = values.get(key) {
                *size = value.clone();
            }
        }
        sizes
    };
    let sizes = over(config.as_object().unwrap_or(&Map::new()));
    let same = |of: &Map<String, Value>| over(of) == sizes;
    match family.nets.iter().find(|(_, of)| same(of)) {
        Some((name, _)) => Ok(name.clone()),
        None => {
            let sizes: Vec<_> = sizes.iter().map(|(key, size)| format!("{key} {size}")).collect();
            let known: Vec<_> = family.nets.keys().cloned().collect();
            Err(format!(
                "unknown net: a {model_type} with {}; known are {}",
                sizes.join(", "),
                known.join(", ")
            ))
        }
    }
}

/// A net's sizes as `config.json` has them.
pub(crate) type Sizes = Map<String, Value>;

/// The `model_type` of a net, and its sizes.
pub(crate) fn sizes(net: &str) -> Result<Option<(String, Sizes)>, PretrainedError> {
    let families: BTreeMap<String, Family> = serde_json::from_str(NETS)
        .map_err(|e| PretrainedError::config(Path::new("transformers.json"))(e.to_string()))?;
    Ok(families.into_iter().find_map(|(model_type, family)| {
        let sizes = family.nets.get(net)?.clone();
        let mut all = family.defaults;
        all.extend(sizes);
        Some((model_type, all))
    }))
}

/// Pillow's numbers of the filters, which transformers takes over.
const RESAMPLE: [(u64, Filter); 3] =
    [(2, Filter::Bilinear), (3, Filter::Bicubic), (4, Filter::Area)];

/// transformers' number of a filter.
pub(crate) fn resample(filter: Filter) -> Option<u64> {
    RESAMPLE.iter().find(|(_, known)| *known == filter).map(|(number, _)| *number)
}

/// Reads `preprocessor_config.json`; the number of channels is in `config`.
pub(crate) fn read_preprocessor(file: &Value, config: &Value) -> Result<Preprocessing, String> {
    let get = |key: &str| file.get(key).filter(|v| !v.is_null());
    let flag = |key: &str, default| get(key).and_then(Value::as_bool).unwrap_or(default);
    let kind = get("image_processor_type").or_else(|| get("feature_extractor_type"));
    let kind = kind.and_then(Value::as_str).unwrap_or_default();
    let channels = config.get("num_channels").map_or(Ok(3), |n| count(n, "num_channels"))?;
    let resample = get("resample").map_or(Some(2), Value::as_u64);
    let filter = RESAMPLE.iter().find(|(number, _)| Some(*number) == resample);
    let Some(&(_, filter)) = filter else {
        let expected = "expected 2 (bilinear), 3 (bicubic) or 4 (box)";
        return Err(format!("resample is {resample:?}, {expected}"));
    };
    if !flag("do_rescale", true) || get("rescale_factor").is_some_and(|f| !is_one_255th(f)) {
        return Err("it does not scale pixels to 0..1".to_string());
    }
    let (mean, std) = match flag("do_normalize", true) {
        false => (vec![0.0], vec![1.0]),
        true => {
            let list = |key| get(key).map_or(Ok(vec![0.5]), |value| numbers(value, key));
            (list("image_mean")?, list("image_std")?)
        }
    };

    if !flag("do_resize", true) {
        return Err("do_resize is false; a net takes images of one size".to_string());
    }
    let size = get("size").ok_or("it has no size")?;
    let edge = match size {
        Value::Object(size) => size.get("shortest_edge"),
        // As ConvNeXT's and older files write it.
        size if kind.starts_with("ConvNext") || flag("do_center_crop", false) => Some(size),
        _ => None,
    };
    let edge = edge.map(|edge| count(edge, "shortest_edge")).transpose()?;
    let (height, width, placement) = match edge {
        None => {
            let (height, width) = sides(size, "size")?;
            match get("crop_size").filter(|_| flag("do_center_crop", false)) {
                Some(crop) if sides(crop, "crop_size")? != (height, width) => {
                    return Err("it cuts the image after stretching it".to_string());
                }
                _ => (height, width, ResizeMode::Stretch),
            }
        }
        // Below 384 ConvNeXT's cuts the centre out, from there on it stretches.
        Some(edge) if kind.starts_with("ConvNext") && edge >= 384 => {
            (edge, edge, ResizeMode::Stretch)
        }
        Some(edge) if kind.starts_with("ConvNext") => {
            let crop = get("crop_pct").map_or(Some(224.0 / 256.0), Value::as_f64);
            let crop = crop.filter(|c| *c > 0.0 && *c <= 1.0).ok_or("crop_pct is no share")?;
            let size = (edge as f64 / crop) as usize;
            (edge, edge, ResizeMode::Crop(Crop::Edge { edge: size, of: edge }))
        }
        Some(edge) => {
            if !flag("do_center_crop", true) {
                return Err("it keeps proportions and does not cut: sizes would differ".to_string());
            }
            let (height, width) = sides(get("crop_size").unwrap_or(size), "crop_size")?;
            if height.max(width) > edge {
                return Err(format!("crop_size is larger than shortest_edge, {edge}"));
            }
            (height, width, ResizeMode::Crop(Crop::Edge { edge, of: height.min(width) }))
        }
    };
    checked(Preprocessing { height, width, channels, placement, filter, mean, std })
}

fn is_one_255th(factor: &Value) -> bool {
    factor.as_f64().is_some_and(|factor| (factor * 255.0 - 1.0).abs() < 1e-6)
}

/// Height and width, of one number or two.
fn sides(size: &Value, name: &str) -> Result<(usize, usize), String> {
    match size {
        Value::Object(sides) => {
            let side = |key: &str| count(sides.get(key).unwrap_or(&Value::Null), name);
            match sides.get("shortest_edge") {
                Some(edge) => count(edge, name).map(|edge| (edge, edge)),
                None => Ok((side("height")?, side("width")?)),
            }
        }
        side => count(side, name).map(|side| (side, side)),
    }
}

//! transformers' `config.json` and `preprocessor_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};

use crate::error::PretrainedError;
use crate::json::{check_preprocessing, class_count, count, label_names, numbers, side};
use crate::metadata::CheckpointMetadata;

/// Which net is which, by the sizes in `config.json`: for each `model_type` what transformers takes
/// where the file is silent, and for each net what differs from that.
const NETS: &str = include_str!("transformers.json");

#[derive(Deserialize)]
struct Family {
    /// What stands before `ForImageClassification` in the name of its class.
    class: String,
    defaults: Map<String, Value>,
    nets: BTreeMap<String, Map<String, Value>>,
}

/// Reads `config.json`.
pub(crate) fn read(config: &Value) -> Result<CheckpointMetadata, String> {
    let label_names = label_names(config.get("id2label"))?;
    let num_labels = config.get("num_labels").map(|n| class_count(n, "num_labels")).transpose()?;
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
                (side(&both[0], "image_size")?, side(&both[1], "image_size")?)
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
    let same = |of: &Map<String, Value>| over(of).iter().zip(&sizes).all(|(a, b)| equal(a.1, b.1));
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

/// Whether two sizes are the same: 6 is 6.0.
fn equal(a: &Value, b: &Value) -> bool {
    a == b || a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

/// A net as `config.json` has it.
pub(crate) struct Entry {
    pub model_type: String,
    /// Its class for pictures.
    pub class: String,
    pub sizes: Map<String, Value>,
}

/// A net's entry, where transformers has it.
pub(crate) fn entry(net: &str) -> Result<Option<Entry>, PretrainedError> {
    let families: BTreeMap<String, Family> = serde_json::from_str(NETS)
        .map_err(|e| PretrainedError::config(Path::new("transformers.json"))(e.to_string()))?;
    Ok(families.into_iter().find_map(|(model_type, family)| {
        let mut sizes = family.defaults;
        sizes.extend(family.nets.get(net)?.clone());
        let class = format!("{}ForImageClassification", family.class);
        Some(Entry { model_type, class, sizes })
    }))
}

/// Pillow's numbers of the filters, which transformers takes over.
const RESAMPLE: [(u64, Filter); 3] =
    [(2, Filter::Bilinear), (3, Filter::Bicubic), (4, Filter::Area)];

/// transformers' number of a filter.
pub(crate) fn resample(filter: Filter) -> Option<u64> {
    RESAMPLE.iter().find(|(_, known)| *known == filter).map(|(number, _)| *number)
}

/// What a processor of transformers does where its file leaves out a key.
struct Processor {
    /// Its class's name before `ImageProcessor` or `FeatureExtractor`.
    name: &'static str,
    /// Whether a `size` of one number is that of a square (`default_to_square`); else it is the short
    /// edge's.
    square: bool,
    size: u64,
    /// `crop_size`, where it cuts the centre out.
    crop: Option<u64>,
    resample: u64,
    mean: [f64; 3],
    std: [f64; 3],
}

const HALF: [f64; 3] = [0.5; 3];
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

const fn processor(name: &'static str, square: bool, size: u64, crop: Option<u64>) -> Processor {
    Processor { name, square, size, crop, resample: 3, mean: HALF, std: HALF }
}

/// The processors whose defaults are known, of transformers 5.24 (`image_processing_*.py`).
const PROCESSORS: [Processor; 10] = [
    Processor { resample: 2, ..processor("ViT", true, 224, None) },
    processor("DeiT", true, 256, Some(224)),
    processor("Beit", true, 224, None),
    processor("Siglip", false, 224, None),
    Processor { mean: CLIP_MEAN, std: CLIP_STD, ..processor("Bit", false, 224, Some(224)) },
    Processor { mean: CLIP_MEAN, std: CLIP_STD, ..processor("CLIP", false, 224, Some(224)) },
    processor("ConvNext", false, 384, None),
    Processor {
        resample: 2,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..processor("DINOv3ViT", true, 224, None)
    },
    Processor { resample: 2, ..processor("MobileNetV1", false, 256, Some(224)) },
    Processor { resample: 2, ..processor("MobileNetV2", false, 256, Some(224)) },
];

/// The processor that a file is of; the one that belongs to the net where it does not say.
fn processor_of(file: &Value, config: &Value) -> (String, Option<&'static Processor>) {
    let kind = ["image_processor_type", "feature_extractor_type"].map(|key| file[key].as_str());
    let name = match kind.into_iter().flatten().next() {
        Some(kind) => kind,
        None => match config["model_type"].as_str() {
            Some("vit") => "ViTImageProcessor",
            Some("resnet" | "regnet" | "convnext" | "convnextv2") => "ConvNextImageProcessor",
            Some("dinov3_convnext" | "dinov3_vit") => "DINOv3ViTImageProcessor",
            Some("dinov2" | "dinov2_with_registers") => "BitImageProcessor",
            Some("mobilenet_v2") => "MobileNetV2ImageProcessor",
            Some("efficientnet") => "EfficientNetImageProcessor",
            _ => "",
        },
    };
    let stem = name.trim_end_matches("Fast").trim_end_matches("Pil");
    let stem = stem.trim_end_matches("ImageProcessor").trim_end_matches("FeatureExtractor");
    (name.to_string(), PROCESSORS.iter().find(|processor| processor.name == stem))
}

/// Reads `preprocessor_config.json`; the number of channels is in `config`.
pub(crate) fn read_preprocessor(file: &Value, config: &Value) -> Result<Preprocessing, String> {
    if !file.is_object() {
        return Err("it is no JSON object".to_string());
    }
    let get = |key: &str| file.get(key).filter(|v| !v.is_null());
    let flag = |key: &str, default| get(key).and_then(Value::as_bool).unwrap_or(default);
    let (name, processor) = processor_of(file, config);
    let known = |key: &str| {
        processor.ok_or_else(|| {
            let known = PROCESSORS.map(|processor| processor.name).join(", ");
            format!(
                "what `{name}` makes of {key} is not known here; expected a processor of {known}, or \
                 a file that names none, with `size` of `height` and `width` or of `shortest_edge`, `do_center_crop`, \
                 `resample`, `image_mean` and `image_std`"
            )
        })
    };
    let missing = |key: &str| known(&format!("its default of `{key}`"));
    if !name.is_empty() {
        // With every key there, its steps may still be others.
        known("an image")?;
    }
    let convnext = processor.is_some_and(|processor| processor.name == "ConvNext");
    let steps = ["do_flip_channel_order", "rescale_offset", "keep_aspect_ratio"];
    let step = steps.into_iter().find(|key| flag(key, false));
    if let Some(key) = step.or(get("crop_pct").filter(|_| !convnext).map(|_| "crop_pct")) {
        return Err(format!("it has the key `{key}`, whose effect is not known here"));
    }
    let channels = config.get("num_channels").map_or(Ok(3), |n| count(n, "num_channels"))?;
    let resample = match get("resample") {
        None => Some(missing("resample")?.resample),
        Some(number) => number.as_u64(),
    };
    let filter = RESAMPLE.iter().find(|(number, _)| Some(*number) == resample);
    let Some(&(_, filter)) = filter else {
        let expected = "expected 2 (bilinear), 3 (bicubic) or 4 (box)";
        return Err(format!("resample is {resample:?}, {expected}"));
    };
    if !flag("do_rescale", true) || get("rescale_factor").is_some_and(|f| !is_one_255th(f)) {
        return Err("it does not scale pixels to 0..1".to_string());
    }
    let list = |key: &str, default: fn(&Processor) -> [f64; 3]| match get(key) {
        Some(value) => numbers(value, key),
        // Of another number of channels only one that is the same for all.
        None => match default(missing(key)?) {
            values if channels == 3 => Ok(values.to_vec()),
            HALF => Ok(vec![0.5]),
            _ => Err(format!("it does not say {key}, and its images have {channels} channels")),
        },
    };
    let (mean, std) = match flag("do_normalize", true) {
        false => (vec![0.0], vec![1.0]),
        true => (list("image_mean", |p| p.mean)?, list("image_std", |p| p.std)?),
    };

    if !flag("do_resize", true) {
        return Err("do_resize is false; a net takes images of one size".to_string());
    }
    let size = match get("size") {
        Some(size) => size.clone(),
        None => match missing("size")? {
            // A single number would be its short edge's.
            Processor { name: "Siglip", size, .. } => json!({"height": size, "width": size}),
            Processor { size, .. } => json!(size),
        },
    };
    // The short edge, if proportions are kept.
    let edge = match &size {
        Value::Object(size) => size.get("shortest_edge").cloned(),
        size => (!known("its `size` of one number")?.square).then(|| size.clone()),
    };
    let edge = edge.map(|edge| side(&edge, "shortest_edge")).transpose()?;
    let cuts = match get("do_center_crop") {
        Some(cuts) => cuts.as_bool().ok_or("do_center_crop is neither true nor false")?,
        None => missing("do_center_crop")?.crop.is_some(),
    };
    let default = processor.and_then(|processor| processor.crop).map(Value::from);
    let crop = get("crop_size").cloned().or(default).unwrap_or_else(|| size.clone());
    let (height, width, placement) = match edge {
        None if cuts => {
            let ((height, width), from) = (sides(&crop, "crop_size")?, sides(&size, "size")?);
            let of = height.min(width);
            let stretch = if height <= width { from.0 } else { from.1 };
            let crop = Crop::Stretch { stretch, of };
            let placement = match from == (height, width) {
                true => ResizeMode::Stretch,
                false => ResizeMode::Crop(crop),
            };
            if height > from.0 || width > from.1 || crop.resized((1, 1), (height, width)) != from {
                let (rows, columns) = from;
                return Err(format!(
                    "it cuts {height}x{width} out of {rows}x{columns}, expected sides that are smaller \
                     by the same share"
                ));
            }
            (height, width, placement)
        }
        None => {
            let (height, width) = sides(&size, "size")?;
            (height, width, ResizeMode::Stretch)
        }
        // Below 384 ConvNeXT's cuts the centre out, from there on it stretches.
        Some(edge) if convnext && edge >= 384 => (edge, edge, ResizeMode::Stretch),
        Some(edge) if convnext => {
            let crop = get("crop_pct").map_or(Some(224.0 / 256.0), Value::as_f64);
            let crop = crop.filter(|c| *c > 0.0 && *c <= 1.0).ok_or("crop_pct is no share")?;
            let size = (edge as f64 / crop) as usize;
            (edge, edge, ResizeMode::Crop(Crop::Edge { edge: size, of: edge }))
        }
        Some(_) if !cuts => {
            return Err("it keeps proportions and does not cut: sizes would differ".to_string());
        }
        Some(edge) => {
            let (height, width) = sides(&crop, "crop_size")?;
            if height.max(width) > edge {
                return Err(format!("crop_size is larger than shortest_edge, {edge}"));
            }
            (height, width, ResizeMode::Crop(Crop::Edge { edge, of: height.min(width) }))
        }
    };
    let image = Preprocessing { height, width, channels, placement, filter, mean, std };
    check_preprocessing(&image).map_err(|error| error.to_string())?;
    Ok(image)
}

fn is_one_255th(factor: &Value) -> bool {
    factor.as_f64().is_some_and(|factor| (factor * 255.0 - 1.0).abs() < 1e-6)
}

/// Height and width, of one number or two.
fn sides(size: &Value, name: &str) -> Result<(usize, usize), String> {
    match size {
        Value::Object(sides) => {
            let of = |key: &str| side(sides.get(key).unwrap_or(&Value::Null), name);
            match sides.get("shortest_edge") {
                Some(edge) => side(edge, name).map(|edge| (edge, edge)),
                None => Ok((of("height")?, of("width")?)),
            }
        }
        both => side(both, name).map(|side| (side, side)),
    }
}

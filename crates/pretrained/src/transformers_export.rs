//! A net in the layout of transformers, for one that timm has not as it is.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use taper_dataset::{Crop, Preprocessing, ResizeMode};
use taper_hub::{CONFIG, PREPROCESSOR};
use taper_model::nets::NetInfo;
use taper_model::params::Params;
use taper_model::weights;

use crate::error::PretrainedError;
use crate::json::per_channel;
use crate::model_config::ModelConfig;
use crate::transformers::{Entry, entry, resample};

/// Writes the weights into `folder`, which is created, as transformers reads them, and gives the files that
/// it wants beside them, `config.json` and `preprocessor_config.json`; `None` for a net that has no names
/// there.
///
/// # Errors
/// Whatever the file system says; values that are not finite.
pub fn transformers_export(
    info: &NetInfo,
    model: &ModelConfig,
    params: &Params,
    folder: &Path,
) -> Result<Option<[(&'static str, Value); 2]>, PretrainedError> {
    let Some(map) = &info.export else { return Ok(None) };
    let Some(entry) = entry(info.name)? else { return Ok(None) };
    let features = entry.sizes.get("hidden_size").and_then(Value::as_u64);
    let is_dinov2 = entry.model_type == "dinov2";
    let config = config(model, entry);
    let files = [(CONFIG, config), (PREPROCESSOR, preprocessor(&model.preprocessing))];
    std::fs::create_dir_all(folder).map_err(PretrainedError::io(folder))?;
    let mut more = BTreeMap::new();
    if let (true, Some(features)) = (is_dinov2, features) {
        // Stands for a patch that is hidden in pretraining; without it transformers speaks of missing weights.
        let token = Tensor::zeros((1, features as usize), DType::F32, &Device::Cpu)?;
        more.insert("dinov2.embeddings.mask_token".to_string(), token);
    }
    weights::export(&folder.join("model.safetensors"), params, map, more)?;
    Ok(Some(files))
}

pub(crate) fn config(model: &ModelConfig, Entry { model_type, class, sizes }: Entry) -> Value {
    let ModelConfig { label_names, preprocessing, .. } = model;
    let [channels, height, width] = preprocessing.shape();
    let names = label_names.iter().enumerate();
    let id2label: BTreeMap<String, &String> =
        names.clone().map(|(class, name)| (class.to_string(), name)).collect();
    let label2id: BTreeMap<&String, usize> = names.map(|(class, name)| (name, class)).collect();
    let mut config = json!({
        "architectures": [class],
        "model_type": model_type,
        "image_size": if height == width { json!(height) } else { json!([height, width]) },
        "num_channels": channels,
        "id2label": id2label,
        "label2id": label2id,
        "problem_type": "single_label_classification",
    });
    for (key, size) in sizes {
        config[key] = size;
    }
    config
}

/// What transformers does to an image; of our ways to resize it knows two.
fn preprocessor(image: &Preprocessing) -> Value {
    let [channels, height, width] = image.shape();
    let mut value = json!({
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": per_channel(&image.mean, channels),
        "image_std": per_channel(&image.std, channels),
        "resample": resample(image.filter),
        "rescale_factor": 1.0 / 255.0,
    });
    let sides = json!({ "height": height, "width": width });
    match image.placement {
        ResizeMode::Crop(crop @ Crop::Stretch { .. }) => {
            let (height, width) = crop.resized((1, 1), (height, width));
            value["image_processor_type"] = "DeiTImageProcessor".into();
            value["size"] = json!({ "height": height, "width": width });
            value["do_center_crop"] = true.into();
            value["crop_size"] = sides;
        }
        ResizeMode::Crop(crop) => {
            let edge = match crop {
                Crop::Edge { edge, of } => height.min(width) * edge / of,
                Crop::Share(share) => (height.min(width) as f64 / share).floor() as usize,
                Crop::Stretch { stretch, .. } => stretch,
            };
            value["image_processor_type"] = "BitImageProcessor".into();
            value["size"] = json!({ "shortest_edge": edge });
            value["do_center_crop"] = true.into();
            value["crop_size"] = sides;
        }
        _ => {
            value["image_processor_type"] = "ViTImageProcessor".into();
            value["size"] = sides;
        }
    }
    value
}

//! Adapters as files, in the layout of Python's `peft`.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use taper_untrusted::checksums::{self, TEXT};
use taper_untrusted::json;

use super::error::WeightsError;
use super::save::{tensors_to_bytes, write_whole};
use super::tensor_file::TensorFile;
use crate::lora::{self, Adapters, LoraConfig, PARTS};
use crate::params::{ParamKind, Params};

/// The file of an adapter's tensors.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// The file that says what they are.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";
/// The key of the tensors' metadata under which [`AdapterConfig::lora_alpha`] stands, too.
const ALPHA: &str = "lora_alpha";
/// What stands before a tensor's name in the net.
const PREFIX: &str = "base_model.model.";

/// `adapter_config.json`: what `peft` needs to put an adapter on a net of the same names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// `LORA`.
    pub peft_type: String,
    /// Where the net's own weights are from.
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    /// The rank.
    pub r: usize,
    /// [`LoraConfig::alpha`].
    pub lora_alpha: f64,
    /// [`LoraConfig::dropout`].
    #[serde(default)]
    pub lora_dropout: f64,
    /// The names of the layers that are adapted.
    pub target_modules: Vec<String>,
    /// The layers that were trained themselves and are stored whole: the head.
    #[serde(default)]
    pub modules_to_save: Option<Vec<String>>,
    /// `none`: no other biases were trained.
    #[serde(default = "none")]
    pub bias: String,
    /// What else stands there.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

fn none() -> String {
    "none".to_string()
}

impl AdapterConfig {
    /// That of a net with adapters and a head by its prefix.
    pub fn new(params: &Params, lora: &LoraConfig, head: &str, base: &str) -> Self {
        let first = format!(".{}.weight", PARTS[0]);
        let targets = params.names().filter_map(|name| name.strip_suffix(&first));
        let head_is_trained = params.get(&format!("{head}.weight"));
        let head_is_trained = head_is_trained.is_some_and(|p| p.kind == ParamKind::Trainable);
        let others = [
            ("fan_in_fan_out", false.into()),
            ("inference_mode", true.into()),
            ("init_lora_weights", true.into()),
            ("task_type", Value::Null),
            ("use_dora", false.into()),
            ("use_rslora", false.into()),
        ];
        Self {
            peft_type: "LORA".to_string(),
            base_model_name_or_path: Some(base.to_string()),
            r: lora.rank,
            lora_alpha: lora.alpha,
            lora_dropout: lora.dropout,
            target_modules: targets.map(String::from).collect(),
            modules_to_save: head_is_trained.then(|| vec![head.to_string()]),
            bias: none(),
            others: others.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
        }
    }

    /// The adapters that it describes.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Adapter`]: it is of another kind than these.
    pub fn lora(&self, file: &Path) -> Result<LoraConfig, WeightsError> {
        let on = |key: &str| self.others.get(key).and_then(Value::as_bool) == Some(true);
        let filled = |key: &str| {
            self.others.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty())
        };
        let reason = if self.peft_type != "LORA" {
            format!("it is of the type {}, expected LORA", self.peft_type)
        } else if let Some(key) =
            ["use_dora", "use_rslora", "use_qalora", "fan_in_fan_out"].iter().find(|k| on(k))
        {
            format!("{key} is true, expected false")
        } else if let Some(key) = ["rank_pattern", "alpha_pattern"].iter().find(|k| filled(k)) {
            format!("{key} gives layers ranks or scales of their own, expected one for all")
        } else if self.bias != "none" {
            format!("bias is {}, expected none", self.bias)
        } else if self.r == 0 {
            "r is 0, expected 1 or more".to_string()
        } else if !self.lora_alpha.is_finite() || !(0.0..1.0).contains(&self.lora_dropout) {
            let (alpha, dropout) = (self.lora_alpha, self.lora_dropout);
            format!(
                "lora_alpha is {alpha}, lora_dropout {dropout}, expected numbers, the second from 0 to below 1"
            )
        } else {
            return Ok(LoraConfig {
                rank: self.r,
                alpha: self.lora_alpha,
                dropout: self.lora_dropout,
                targets: self.target_modules.clone(),
            });
        };
        Err(WeightsError::Adapter { path: file.to_path_buf(), reason })
    }
}

/// Writes what was trained of a net with adapters into a folder: [`ADAPTER_WEIGHTS`] and
/// [`ADAPTER_CONFIG`].
///
/// `PeftModel.from_pretrained(net, folder)` puts it on a net with the same names, such as timm's.
/// `metadata` goes where [`save`](crate::weights::save()) puts it, and `lora_alpha` with it, which no tensor shows.
///
/// # Errors
///
/// A value that is not finite; whatever the file system says.
pub fn save_adapter(
    folder: &Path,
    params: &Params,
    config: &AdapterConfig,
    metadata: &BTreeMap<String, Value>,
) -> Result<(), WeightsError> {
    let trained = params.of_kind(ParamKind::Trainable);
    let trained = trained.map(|(name, var)| (format!("{PREFIX}{name}"), var.as_detached_tensor()));
    let mut metadata = metadata.clone();
    metadata.insert(ALPHA.to_string(), config.lora_alpha.into());
    let bytes = tensors_to_bytes(trained, &metadata, DType::F32)?;
    write_whole(&folder.join(ADAPTER_WEIGHTS), &bytes)?;
    let mut text = serde_json::to_string_pretty(config).map_err(WeightsError::WriteMetadata)?;
    text.push('\n');
    write_whole(&folder.join(ADAPTER_CONFIG), text.as_bytes())
}

/// What a description says of the tensors beside it that is not so.
fn contradiction(config: &AdapterConfig, tensors: &BTreeMap<String, Tensor>) -> Option<String> {
    let [first, second] = PARTS;
    let is_target = |layer| config.target_modules.iter().any(|t| lora::is_target(t, layer));
    let saved = config.modules_to_save.iter().flatten();
    let is_saved = |name: &str| {
        saved.clone().any(|module| format!(".{name}").contains(&format!(".{module}.")))
    };
    let mut layers = Vec::new();
    for (name, tensor) in tensors {
        let Some(layer) = Adapters::layer_of(name) else {
            if is_saved(name) {
                continue;
            }
            return Some(format!("modules_to_save does not name the layer of `{name}`"));
        };
        let is_first = name.ends_with(&format!(".{first}.weight"));
        let (part, rank) = match is_first {
            true => (first, tensor.dims().first()),
            false => (second, tensor.dims().get(1)),
        };
        if rank != Some(&config.r) {
            let (r, shape) = (config.r, tensor.dims());
            return Some(format!("r is {r}, and {part} of `{layer}` has the shape {shape:?}"));
        }
        if !is_target(layer) {
            return Some(format!("target_modules do not name `{layer}`, which has an adapter"));
        }
        layers.push(layer);
    }
    let unmet = config.target_modules.iter().find(|target| {
        // Patterns stand for what is there.
        !target.contains('*') && !layers.iter().any(|layer| lora::is_target(target, layer))
    });
    unmet.map(|target| format!("target_modules name `{target}`, which has no adapter"))
}

/// Reads an adapter's description, and its tensors by the net's names.
///
/// # Errors
///
/// A file that is missing or broken, a tensor that is none of an adapter's, a description of other tensors.
pub fn read_adapter(folder: &Path) -> Result<(AdapterConfig, TensorFile), WeightsError> {
    let path = folder.join(ADAPTER_CONFIG);
    let bytes = checksums::read(&path, TEXT)
        .map_err(|source| WeightsError::Read { path: path.clone(), source })?;
    let wrong = |reason: String| WeightsError::Adapter { path: path.clone(), reason };
    let config = json::value(&bytes).and_then(serde_json::from_value::<AdapterConfig>);
    let config = config.map_err(|e| wrong(e.to_string()))?;
    config.lora(&path)?;
    let weights = folder.join(ADAPTER_WEIGHTS);
    let file = TensorFile::read(&weights)?;
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for name in file.names() {
        let ours = name.strip_prefix(PREFIX).zip(file.get(name));
        let (ours, tensor) = ours.ok_or_else(|| WeightsError::Adapter {
            path: weights.clone(),
            reason: format!("`{name}` is not a tensor of an adapter: expected {PREFIX}…, floats"),
        })?;
        tensors.insert(ours.to_string(), tensor.clone());
    }
    if let Some(reason) = contradiction(&config, &tensors) {
        return Err(wrong(reason));
    }
    let (said, written) = (config.lora_alpha, file.metadata()?.remove(ALPHA));
    if let Some(written) = written.filter(|written| written.as_f64() != Some(said)) {
        return Err(wrong(format!(
            "lora_alpha is {said}, but {ADAPTER_WEIGHTS} was written with {written}; one of the two was changed: \
             restore it"
        )));
    }
    let origin = weights.display().to_string();
    Ok((config, TensorFile::from_tensors(tensors, &origin)?.with_metadata_of(&file)))
}

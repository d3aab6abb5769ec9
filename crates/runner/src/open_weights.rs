//! A model opened by its weights, whoever wrote them.

use candle_core::Device;
use taper_classifier::Classifier;
use taper_pretrained::{ModelConfig, Pretrained, PretrainedError};
use toml::Value;

use crate::error::RunnerError;
use crate::pretrained::resolve_pretrained;
use crate::registry::Registry;

/// The recipe from which the preparation of images comes for nets that have no usual one: those for digits.
const DEFAULT_RECIPE: &str = "finetune-digits";

/// Opens a model by its weights, to compute on a device. What these say of themselves holds, unless
/// `overrides`, keys of a recipe's tables `model` and `image` with their values, say something else; plain
/// weights need `model.net`, and get what is usual for the net. Their classes are numbers.
///
/// # Errors
/// Nothing says what net the weights are of; they do not fit it.
pub fn open_weights(
    weights: &str,
    overrides: &[(String, String)],
    device: &Device,
    registry: &Registry,
) -> Result<Classifier, RunnerError> {
    let pretrained = Pretrained::open(weights, &registry.models)?;
    if overrides.is_empty() && pretrained.metadata.is_some() {
        return Ok(Classifier::of(&pretrained, device, &registry.models)?);
    }
    if pretrained.metadata.is_none() && !overrides.iter().any(|(key, _)| key == "model.net") {
        return Err(pretrained.no_net(&registry.models).into());
    }
    let mut keys = vec![("model.weights".to_string(), Value::from(weights).to_string())];
    keys.extend_from_slice(overrides);
    let mut recipe = resolve_pretrained(DEFAULT_RECIPE, None, &keys, registry)?;
    let net = registry.models.net(&recipe.model.net)?;
    recipe.image.complete(net)?;
    let metadata = pretrained.metadata.as_ref();
    let num_classes = metadata.and_then(|metadata| metadata.num_classes).unwrap_or(0);
    let label_names = metadata.map(|metadata| metadata.class_names()).unwrap_or_default();
    if label_names.len() != num_classes {
        let (path, names) = (pretrained.name.into(), label_names.len());
        let reason = format!("it has {num_classes} classes, but {names} names of classes");
        return Err(PretrainedError::Config { path, reason }.into());
    }
    let config = ModelConfig {
        architecture: net.name.to_string(),
        num_classes,
        label_names,
        preprocessing: recipe.image.preprocessing(),
        first_conv: net.stem.to_string(),
        classifier: net.head.to_string(),
        license: recipe.card.license.clone(),
        calibration: metadata.and_then(|metadata| metadata.calibration),
        border_brightness: metadata.and_then(|metadata| metadata.border_brightness),
    };
    let built_for = metadata.and_then(|metadata| metadata.built_for);
    let fit = recipe.model.fit();
    let file = pretrained.read(&fit.state_key)?;
    Ok(Classifier::from_tensors(file, &fit, config, built_for, device, &registry.models)?)
}

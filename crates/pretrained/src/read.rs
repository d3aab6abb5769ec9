//! Reading what a checkpoint says of itself: beside its weights, or inside them.

use std::path::Path;

use taper_hub::{CONFIG, PREPROCESSOR, is_transformers};
use taper_model::weights::TensorFile;

use crate::error::PretrainedError;
use crate::metadata::CheckpointMetadata;
use crate::{json, timm, transformers};

/// What a folder's `config.json`, and what belongs to it, say of the weights in it; `None` where there is none, or it is neither
/// timm's nor transformers'.
///
/// # Errors
/// A file cannot be read or understood.
pub fn read_config(folder: &Path) -> Result<Option<CheckpointMetadata>, PretrainedError> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Ok(None);
    }
    let config = json::read(&path)?;
    if timm::is_one(&config) {
        return timm::read(&config).map(Some).map_err(PretrainedError::config(&path));
    }
    if !is_transformers(&config) {
        return Ok(None);
    }
    let mut metadata = transformers::read(&config).map_err(PretrainedError::config(&path))?;
    let path = folder.join(PREPROCESSOR);
    if path.is_file() {
        let image = transformers::read_preprocessor(&json::read(&path)?, &config);
        metadata.image = Some(image.map_err(PretrainedError::config(&path))?);
    }
    Ok(Some(metadata))
}

/// Compares what a configuration beside weights says with what these carry, where they carry something:
/// one of the two was changed otherwise, and the answers would be others.
///
/// # Errors
/// The first thing in which they differ; `beside` is the configuration's file.
pub(crate) fn check_inside(
    said: &CheckpointMetadata,
    beside: &Path,
    file: &TensorFile,
) -> Result<(), PretrainedError> {
    let Some(inside) = in_file(file)? else { return Ok(()) };
    let differs = |what: &str, said: String, inside: String| {
        let carried = file.origin();
        let reason = format!(
            "{what} is {said}, but {carried}, which it belongs to, was written with {inside}; one of the two was \
             changed: restore it, or take config.json away to go by the weights"
        );
        Err(PretrainedError::config(beside)(reason))
    };
    if said.net != inside.net {
        return differs("architecture", said.net.clone(), inside.net);
    }
    // What one of the two does not say is no contradiction.
    if let (Some(a), Some(b)) = (said.num_classes, inside.num_classes)
        && a != b
    {
        return differs("num_classes", a.to_string(), b.to_string());
    }
    let mut names = said.label_names.iter().zip(&inside.label_names).enumerate();
    if let Some((class, (a, b))) = names.find(|(_, (a, b))| a != b) {
        return differs(
            &format!("label_names, class {class},"),
            format!("{a:?}"),
            format!("{b:?}"),
        );
    }
    if let (Some(a), Some(b)) = (&said.image, &inside.image)
        && a != b
    {
        return differs("the preparation of images", format!("{a:?}"), format!("{b:?}"));
    }
    if let (Some(a), Some(b)) = (said.built_for, inside.built_for)
        && a != b
    {
        return differs("img_size", format!("{a:?}"), format!("{b:?}"));
    }
    if let (Some(a), Some(b)) = (said.border_brightness, inside.border_brightness)
        && a != b
    {
        return differs("border", a.to_string(), b.to_string());
    }
    Ok(())
}

/// Reads what [`save`](taper_model::weights::save()) wrote into a file; `None` in others' files.
pub(crate) fn in_file(file: &TensorFile) -> Result<Option<CheckpointMetadata>, PretrainedError> {
    let config = file.metadata()?.remove("config");
    let wrong = PretrainedError::config(Path::new(file.origin()));
    config.map(|config| timm::read(&config)).transpose().map_err(wrong)
}

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

/// Reads what [`save`](taper_model::weights::save()) wrote into a file; `None` in others' files.
pub(crate) fn in_file(file: &TensorFile) -> Result<Option<CheckpointMetadata>, PretrainedError> {
    let config = file.metadata()?.remove("config");
    let wrong = PretrainedError::config(Path::new(file.origin()));
    config.map(|config| timm::read(&config)).transpose().map_err(wrong)
}

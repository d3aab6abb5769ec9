//! Reading what a checkpoint says of itself: beside its weights, or inside them.

use std::fmt::Debug;
use std::path::Path;

use taper_hub::{CONFIG, PREPROCESSOR, is_transformers};
use taper_model::weights::TensorFile;
use taper_untrusted::checksums::{SETTINGS, TEXT};

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
    if !is_there(&path) {
        return Ok(None);
    }
    let config = json::read(&path, TEXT)?;
    if timm::is_one(&config) {
        return timm::read(&config).map(Some).map_err(PretrainedError::config(&path));
    }
    if !is_transformers(&config) {
        return Ok(None);
    }
    let mut metadata = transformers::read(&config).map_err(PretrainedError::config(&path))?;
    let path = folder.join(PREPROCESSOR);
    if is_there(&path) {
        let image = transformers::read_preprocessor(&json::read(&path, SETTINGS)?, &config);
        metadata.image = Some(image.map_err(PretrainedError::config(&path))?);
    }
    Ok(Some(metadata))
}

/// Whether a file is there, or what is none and stands in its place: that is an error once it is read.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Compares what a configuration beside weights says with what these carry, where they carry something:
/// one of the two was changed otherwise, and the answers would be others. What the weights do not say is no
/// contradiction; what they say and the configuration does not is one, for a key that is misspelt is not read.
///
/// # Errors
/// The first thing in which they differ; `beside` is the configuration's file.
pub(crate) fn check_inside(
    said: &CheckpointMetadata,
    beside: &Path,
    file: &TensorFile,
) -> Result<(), PretrainedError> {
    let Some(inside) = in_file(file)? else { return Ok(()) };
    // The first class that is another.
    let names = [said.class_names(), inside.class_names()];
    let mut classes = 0..names[0].len().max(names[1].len());
    let name = |names: &[String], class: usize| told(&names.get(class));
    let differs = |class: &usize| names[0].get(*class) != names[1].get(*class);
    let class = classes.find(differs).unwrap_or(0);
    let calibration = |metadata: &CheckpointMetadata| {
        metadata.calibration.map(|calibration| serde_json::json!(calibration).to_string())
    };
    let compared = [
        ("architecture", Some(said.net.clone()), Some(inside.net.clone())),
        ("num_classes", told(&said.num_classes), told(&inside.num_classes)),
        (&format!("label_names, class {class},"), name(&names[0], class), name(&names[1], class)),
        ("the preparation of images", told(&said.image), told(&inside.image)),
        ("img_size", told(&said.built_for), told(&inside.built_for)),
        ("calibration", calibration(said), calibration(&inside)),
        ("border", told(&said.border_brightness), told(&inside.border_brightness)),
    ];
    for (what, said, inside) in compared {
        let Some(inside) = inside.filter(|inside| said.as_ref() != Some(inside)) else { continue };
        let (said, carried) = (said.unwrap_or_else(|| "missing".into()), file.origin());
        let reason = format!(
            "{what} is {said}, but {carried}, which it belongs to, was written with {inside}; one of the two was \
             changed: restore it, or take config.json away to go by the weights"
        );
        return Err(PretrainedError::config(beside)(reason));
    }
    Ok(())
}

fn told(value: &Option<impl Debug>) -> Option<String> {
    value.as_ref().map(|value| format!("{value:?}"))
}

/// Reads what [`save`](taper_model::weights::save()) wrote into a file; `None` in others' files.
pub(crate) fn in_file(file: &TensorFile) -> Result<Option<CheckpointMetadata>, PretrainedError> {
    let config = file.metadata()?.remove("config");
    let wrong = PretrainedError::config(Path::new(file.origin()));
    config.map(|config| timm::read(&config)).transpose().map_err(wrong)
}

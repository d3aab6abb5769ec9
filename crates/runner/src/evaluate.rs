//! A finished model opened again, and evaluated on labelled images.

use std::path::Path;

use candle_core::Device;
use taper_classifier::{Classifier, Evaluation};
use taper_dataset::split::Split;
use taper_pretrained::{ClassMatch, match_classes, shortened};
use taper_run_folder::RunFolder;

use crate::contamination;
use crate::data::Data;
use crate::error::{DataError, RunnerError};
use crate::recipe::{Recipe, read_resolved};
use crate::registry::Registry;

/// Opens the model of a run, to compute on a device, and the run's recipe.
///
/// # Errors
/// The folder holds no finished run, or its files are not what they should be.
pub fn open_run(
    run: &Path,
    device: &Device,
    registry: &Registry,
) -> Result<(Classifier, Recipe), RunnerError> {
    let folder = RunFolder::open(run)?;
    let recipe = read_resolved(&folder.recipe())?;
    let name = run.to_string_lossy();
    // A folder, also where weights are known by its name.
    let path = match registry.models.weights(&name) {
        Some(_) => Path::new(".").join(run),
        None => run.to_path_buf(),
    };
    Ok((Classifier::open(&path.to_string_lossy(), device, &registry.models)?, recipe))
}

/// Scores a model on one part of the data that a recipe names, or on all of it; gives the data in words and
/// the answers. `progress` is told how many images of how many of a part are done.
///
/// Classes that the data has in another order are taken in the model's.
///
/// # Errors
/// Data that cannot be read, that has other classes than the model, or that it was trained on.
pub fn evaluate_on(
    classifier: &Classifier,
    recipe: &Recipe,
    split: Option<Split>,
    registry: &Registry,
    mut progress: impl FnMut(usize, usize),
) -> Result<(String, Evaluation), RunnerError> {
    contamination::check(&classifier.trained_on, &recipe.data.source)?;
    let mut recipe = recipe.clone();
    recipe.image.set(&classifier.config.preprocessing);
    let mut data = Data::open(&recipe, registry)?;
    let mut unknown = String::new();
    let (found, expected) = (data.train.class_names(), &classifier.config.label_names);
    if found.len() != expected.len() {
        return Err(DataError::ClassCount {
            data: data.name.clone(),
            found: found.len(),
            expected: expected.len(),
        }
        .into());
    }
    match match_classes(found, expected) {
        ClassMatch::Same => {}
        ClassMatch::Unknown => {
            unknown = format!(
                "; its classes are {}, taken by their numbers for {}",
                shortened(found),
                shortened(expected)
            );
        }
        ClassMatch::Reordered(_) => {
            recipe.data.classes.clone_from(expected);
            data = Data::open(&recipe, registry)?;
        }
        ClassMatch::Others => {
            return Err(DataError::OtherClasses {
                data: data.name.clone(),
                found: shortened(found),
                expected: shortened(expected),
            }
            .into());
        }
    }
    let mut all: Option<Evaluation> = None;
    for part in data.parts(split) {
        let done = |images| progress(images, part.len());
        let some = classifier.evaluate(part, recipe.train.eval_batch_size, done)?;
        match &mut all {
            None => all = Some(some),
            Some(all) => all.append(some),
        }
    }
    match all {
        Some(evaluation) => Ok((data.describe() + &unknown, evaluation)),
        None => Err(DataError::Empty { part: "chosen", source_name: data.name }.into()),
    }
}

//! A finished model, from a run's folder or from weights by file or name.

use std::path::Path;

use anyhow::{Result, ensure};
use taper_runner::{
    Classifier, DataResults, Recipe, RecipeError, Registry, Results, RunFolder, RunFolderError,
    open_run, open_weights,
};

use crate::flags::{DeviceFlags, ModelFlags, ModelSettings};
use crate::print::note;

/// Opens the model that the flags name, on the device that they name, with the recipe of its run, if it is of
/// one; `views` of each image are averaged. `more` are the tables of a recipe that may be set beside the model's.
pub(crate) fn open(
    flags: &ModelFlags,
    settings: &ModelSettings,
    more: &[&str],
    device: &DeviceFlags,
    views: u64,
    registry: &Registry,
) -> Result<(Classifier, Option<Recipe>)> {
    let model = (flags.run.as_deref(), flags.weights.as_deref().unwrap_or_default());
    let (mut classifier, recipe) = open_model(model, settings, more, device, registry)?;
    let of_table = |(key, _): &&(String, String)| key == "augment" || key.starts_with("augment.");
    let augment: Vec<_> = settings.set.iter().filter(of_table).cloned().collect();
    classifier.tta = recipe.clone().unwrap_or_default().with(&augment)?.tta(views)?;
    Ok((classifier, recipe))
}

/// Opens the model of a run, or of weights; with the recipe of the run.
pub(crate) fn open_model(
    (run, weights): (Option<&Path>, &str),
    settings: &ModelSettings,
    more: &[&str],
    device: &DeviceFlags,
    registry: &Registry,
) -> Result<(Classifier, Option<Recipe>)> {
    let device = &device.device.open()?;
    let table = |key: &str| key.split('.').next().unwrap_or_default().to_string();
    let (model, others): (Vec<_>, Vec<_>) = settings
        .overrides()
        .cloned()
        .partition(|(key, _)| ["model", "image"].contains(&&*table(key)));
    if let Some((key, _)) = others.iter().find(|(key, _)| !more.contains(&&*table(key))) {
        let tables = ["model", "image"].iter().chain(more).map(|table| format!("`{table}`"));
        let tables = tables.collect::<Vec<_>>().join(", ");
        anyhow::bail!("`{key}` has no effect here; expected keys of {tables}");
    }
    match run {
        Some(run) => {
            ensure!(
                model.is_empty(),
                "`{}` is for --weights: a run has a net and a preparation of images of its own",
                model.first().map_or("", |(key, _)| key)
            );
            let (classifier, recipe) = open_run(run, device, registry)?;
            Ok((classifier, Some(recipe)))
        }
        None => {
            let classifier = open_weights(weights, &model, device, registry)?;
            classifier.notes.iter().for_each(|line| note(&format!("note: {line}")));
            Ok((classifier, recipe_beside(weights)?))
        }
    }
}

/// The recipe of the run that weights are of, by folder or file: what it held out counts then, too.
fn recipe_beside(weights: &str) -> Result<Option<Recipe>> {
    let Some(run) = run_beside(weights) else { return Ok(None) };
    match taper_runner::read_resolved(&run.recipe()) {
        // It was changed.
        Err(error @ RecipeError::Folder(_)) => Err(error.into()),
        // Another version's.
        read => Ok(read.ok()),
    }
}

fn run_beside(weights: &str) -> Option<RunFolder> {
    let path = Path::new(weights);
    let folder = if path.is_dir() { path } else { path.parent()? };
    let run = RunFolder::finished(folder).ok()?;
    let is_its = path.is_dir() || path.file_name() == run.model().file_name();
    is_its.then_some(run)
}

/// What the run was trained on that the flags name, or that is of the weights; none where it does not say.
pub(crate) fn data_of(flags: &ModelFlags) -> Result<Option<DataResults>> {
    let run = match &flags.run {
        Some(run) => RunFolder::finished(run).ok(),
        None => flags.weights.as_deref().and_then(run_beside),
    };
    let Some(run) = run else { return Ok(None) };
    match Results::read(&run) {
        Err(error @ RunFolderError::Io { .. }) => Err(error.into()),
        read => Ok(read.ok().map(|results| results.data)),
    }
}

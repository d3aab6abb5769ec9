//! A finished model, from a run's folder or from weights by file or name.

use anyhow::Result;
use taper_runner::{Classifier, Recipe, Registry, open_run};

use crate::flags::{DeviceFlags, ModelFlags};

/// Opens the model that the flags name, on the device that they name, with the recipe of its run, or the
/// defaults; `views` of each image are averaged.
pub(crate) fn open(
    flags: &ModelFlags,
    device: &DeviceFlags,
    views: u64,
    registry: &Registry,
) -> Result<(Classifier, Recipe)> {
    let device = device.device.open()?;
    let (mut classifier, recipe) = match (&flags.run, &flags.weights) {
        (Some(run), _) => open_run(run, &device, registry)?,
        (None, Some(weights)) => {
            (Classifier::open(weights, &device, &registry.models)?, Recipe::default())
        }
        // clap requires one of them.
        (None, None) => anyhow::bail!("name a model with --run or --weights"),
    };
    classifier.tta = recipe.tta(views)?;
    Ok((classifier, recipe))
}

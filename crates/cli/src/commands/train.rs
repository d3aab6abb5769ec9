//! `train`: random weights to a model.

use anyhow::Result;
use taper_runner::{Registry, resolve};

use super::{carry_out, print_outcome};
use crate::flags::TrainFlags;
use crate::overrides;

pub fn run(flags: &TrainFlags, registry: &Registry) -> Result<()> {
    let flags = &flags.recipe;
    let mut recipe = resolve(flags.recipe.as_deref(), &overrides::shared(flags))?;
    recipe.model.weights = String::new();
    match carry_out(recipe, "train", flags, registry)? {
        Some((plan, outcome)) => print_outcome(&plan, &outcome, None, &flags.output),
        None => Ok(()),
    }
}

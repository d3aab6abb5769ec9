//! `train`: random weights to a model.

use anyhow::Result;
use taper_runner::{Registry, resolve};

use crate::flags::{Output, TrainFlags};
use crate::launch::carry_out;
use crate::table;

pub(super) fn run(flags: &TrainFlags, output: Output, registry: &Registry) -> Result<()> {
    let flags = &flags.recipe;
    let mut recipe = resolve(flags.recipe.as_deref(), &flags.overrides())?;
    recipe.model.weights = String::new();
    flags.shorten(&mut recipe);
    match carry_out(recipe, "train", flags, output, registry)? {
        Some((plan, outcome)) => table::print_outcome(&plan, &outcome, None, output),
        None => Ok(()),
    }
}

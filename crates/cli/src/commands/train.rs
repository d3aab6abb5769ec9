//! `train`: random weights to a model.

use anyhow::Result;
use taper_runner::{Registry, resolve_untrained};

use crate::first_contact::{check_colours, tell_usual};
use crate::flags::{Output, TrainFlags};
use crate::launch::carry_out;
use crate::table;

pub(super) fn run(flags: &TrainFlags, output: Output, registry: &Registry) -> Result<()> {
    let flags = &flags.recipe;
    let (base, overrides) = (flags.recipe.as_deref(), flags.overrides());
    let mut recipe = resolve_untrained(base, &overrides, registry)?;
    flags.shorten(&mut recipe);
    check_colours(&recipe, base, &overrides, registry)?;
    tell_usual(&recipe, base, output, registry);
    match carry_out(recipe, "train", flags, output, registry)? {
        Some((plan, outcome)) => table::print_outcome(&plan, &outcome, None, output),
        None => Ok(()),
    }
}

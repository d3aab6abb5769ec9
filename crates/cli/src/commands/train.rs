//! `train`: random weights to a model.

use anyhow::Result;
use taper_runner::{Plan, Registry, RunFolder, resolve, run as carry_out};

use super::{out_folder, print, print_json, progress};
use crate::flags::TrainFlags;
use crate::{overrides, table};

pub fn run(flags: &TrainFlags, registry: &Registry) -> Result<()> {
    let flags = &flags.recipe;
    let mut recipe = resolve(flags.recipe.as_deref(), &overrides::shared(flags))?;
    recipe.model.weights = String::new();
    let out = out_folder(&flags.out, "train", &recipe.data.source);
    RunFolder::check(&out, flags.overwrite)?;
    let plan = Plan::new(recipe, registry)?;
    let outcome = carry_out(&plan, out, flags.overwrite, progress("train", &flags.output))?;
    if flags.output.json {
        return print_json(&table::outcome_json(&plan, &outcome, None)?);
    }
    print(&table::outcome(&plan, &outcome, None)?)
}

//! `recipe`: a recipe, complete, or what its keys set.

use anyhow::Result;
use taper_runner::{Registry, resolve};

use super::keys;
use crate::flags::{Output, ShowRecipeFlags};
use crate::print::{print, print_json};

pub(super) fn run(flags: &ShowRecipeFlags, output: Output, registry: &Registry) -> Result<()> {
    if flags.explain.is_some() {
        return keys::run(flags.explain.as_deref(), output);
    }
    let recipe = resolve(flags.recipe.as_deref(), &flags.set, registry)?;
    match output.json {
        true => print_json(&serde_json::to_value(&recipe)?),
        false => print(&recipe.to_toml()?),
    }
}

//! `finetune`: pretrained weights to a better model.

use anyhow::Result;
use taper_runner::{
    Plan, Registry, RunFolder, Scores, from_scratch, resolve_pretrained, run as carry_out,
};

use super::{out_folder, print, print_json, progress};
use crate::flags::FinetuneFlags;
use crate::{overrides, table};

/// The recipe that is fine-tuned by when none is named.
const DEFAULT_RECIPE: &str = "finetune-digits";

pub fn run(flags: &FinetuneFlags, registry: &Registry) -> Result<()> {
    let base = flags.recipe.recipe.as_deref();
    let recipe = resolve_pretrained(DEFAULT_RECIPE, base, &overrides::finetune(flags), registry)?;
    anyhow::ensure!(
        !recipe.model.weights.is_empty(),
        "no weights to fine-tune: name them with --weights, or use `train` to start from random ones"
    );
    let out = out_folder(&flags.recipe.out, "finetune", &recipe.data.source);
    RunFolder::check(&out, flags.recipe.overwrite)?;
    let plan = Plan::new(recipe, registry)?;

    let output = &flags.recipe.output;
    let outcome = carry_out(&plan, out, flags.recipe.overwrite, progress("finetune", output))?;
    let scratch: Option<Scores> = match flags.compare {
        true => Some(from_scratch(&plan, progress("from scratch", output))?),
        false => None,
    };
    if output.json {
        return print_json(&table::outcome_json(&plan, &outcome, scratch.as_ref())?);
    }
    print(&table::outcome(&plan, &outcome, scratch.as_ref())?)
}

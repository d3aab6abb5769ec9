//! `finetune`: pretrained weights to a better model.

use anyhow::Result;
use taper_runner::{Recipe, Registry, RunnerError, Scores, from_scratch, resolve_pretrained};

use crate::first_contact::{check_colours, tell_usual};
use crate::flags::{FinetuneFlags, Output};
use crate::launch::{carry_out, listeners};
use crate::table;

/// The recipe when none is named.
const DEFAULT_RECIPE: &str = "finetune-digits";

pub(super) fn run(flags: &FinetuneFlags, output: Output, registry: &Registry) -> Result<()> {
    let base = &flags.recipe.recipe;
    let set = &flags.pretrained.overrides;
    let sets = |key: &str, value: &str| set.iter().any(|(k, v)| k == key && v == value);
    anyhow::ensure!(
        base.is_some() || !sets("method.merge", "true") || sets("method", "\"lora\""),
        "--merge is for --method lora: other methods save the whole net anyway"
    );
    let recipe = recipe_of(flags, registry)?;
    let net = &recipe.model.net;
    let example = registry.models.net(net)?.hub.map_or(String::new(), |hub| format!(" hub:{hub}"));
    anyhow::ensure!(
        !recipe.model.weights.is_empty(),
        "no weights to fine-tune {net} from: name them with --weights{example}, or use `train` to start from \
         random ones"
    );
    tell_usual(&recipe, base.as_deref(), output, registry);
    let Some((plan, outcome)) = carry_out(recipe, "finetune", &flags.recipe, output, registry)?
    else {
        return Ok(());
    };
    let scratch: Option<Scores> = match flags.compare {
        true => Some(from_scratch(&plan, listeners("from scratch", output))?),
        false => None,
    };
    table::print_outcome(&plan, &outcome, scratch.as_ref(), output)
}

/// The recipe that a run by these flags carries out.
pub(super) fn recipe_of(flags: &FinetuneFlags, registry: &Registry) -> Result<Recipe> {
    let (base, overrides) = (flags.recipe.recipe.as_deref(), flags.overrides());
    let recipe = recipe(flags, base, &overrides, registry)?;
    check_colours(&recipe, base, &overrides, registry)?;
    Ok(recipe)
}

/// The same with another base or other single keys; without weights it starts from random ones.
pub(super) fn recipe(
    flags: &FinetuneFlags,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let mut recipe = resolve_pretrained(DEFAULT_RECIPE, base, overrides, registry)?;
    flags.recipe.shorten(&mut recipe);
    Ok(recipe)
}

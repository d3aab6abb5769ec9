//! `finetune`: pretrained weights to a better model.

use anyhow::Result;
use taper_runner::{Recipe, Registry, RunnerError, Scores, from_scratch, resolve_pretrained};

use crate::first_contact::{DIGITS, check_colours, chosen_recipe, tell_usual};
use crate::flags::{FinetuneFlags, Output};
use crate::launch::{carry_out, listeners};
use crate::table;

pub(super) fn run(flags: &FinetuneFlags, output: Output, registry: &Registry) -> Result<()> {
    let (base, recipe) = recipe_of(flags, output, registry)?;
    let set = &flags.pretrained.overrides;
    let sets = |key: &str, value: &str| set.iter().any(|(k, v)| k == key && v == value);
    anyhow::ensure!(
        base.is_some() || !sets("method.merge", "true") || sets("method", "\"lora\""),
        "--merge is for --method lora: other methods save the whole net anyway"
    );
    let net = &recipe.model.net;
    let example = registry
        .models
        .net(net)?
        .published
        .map_or(String::new(), |published| format!(" hub:{}", published.hub));
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

/// The recipe that stands below the flags: the one that is named, or the one that the images choose; `more` keys are
/// set beside the flags'.
pub(super) fn base_of(
    flags: &FinetuneFlags,
    more: &[(String, String)],
    output: Output,
    registry: &Registry,
) -> Result<Option<String>> {
    if flags.recipe.recipe.is_some() {
        return Ok(flags.recipe.recipe.clone());
    }
    let overrides = [&flags.overrides(), more].concat();
    let recipe = recipe(flags, None, &overrides, registry)?;
    Ok(chosen_recipe(&recipe, &overrides, output, registry)?.map(String::from))
}

/// The recipe that a run by these flags carries out, and the name of the one that stands below the flags.
pub(super) fn recipe_of(
    flags: &FinetuneFlags,
    output: Output,
    registry: &Registry,
) -> Result<(Option<String>, Recipe)> {
    let (base, overrides) = (base_of(flags, &[], output, registry)?, flags.overrides());
    let recipe = recipe(flags, base.as_deref(), &overrides, registry)?;
    check_colours(&recipe, base.as_deref(), &overrides, registry)?;
    Ok((base, recipe))
}

/// The same with another base or other single keys; without weights it starts from random ones.
pub(super) fn recipe(
    flags: &FinetuneFlags,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let mut recipe = resolve_pretrained(DIGITS, base, overrides, registry)?;
    flags.recipe.shorten(&mut recipe);
    Ok(recipe)
}

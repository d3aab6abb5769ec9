//! `finetune`: pretrained weights to a better model.

use anyhow::Result;
use taper_runner::{Recipe, Registry, RunnerError, Scores, from_scratch, resolve_pretrained};

use crate::first_contact::{Choice, DIGITS, PHOTOS, check_colours, choose, tell_usual};
use crate::flags::{FinetuneFlags, Output};
use crate::launch::{carry_out, listeners};
use crate::table;

pub(super) fn run(flags: &FinetuneFlags, output: Output, registry: &Registry) -> Result<()> {
    let set = &flags.pretrained.overrides;
    let sets = |key: &str, value: &str| set.iter().any(|(k, v)| k == key && v == value);
    anyhow::ensure!(
        flags.recipe.recipe.is_some()
            || !sets("method.merge", "true")
            || sets("method", "\"lora\""),
        "--merge is for --method lora: other methods save the whole net anyway"
    );
    anyhow::ensure!(
        !flags.compare || registry.processes.size() == 1,
        "--compare trains a second net: leave it out where several processes train one"
    );
    let (base, recipe) = recipe_of(flags, &[], output, registry)?;
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

/// The recipe that a run by these flags carries out, and the name of the one that stands below the flags: the one
/// that is named, or the one that the images choose. `more` keys are set beside the flags'.
pub(super) fn recipe_of(
    flags: &FinetuneFlags,
    more: &[(String, String)],
    output: Output,
    registry: &Registry,
) -> Result<(Option<String>, Recipe)> {
    let overrides = [&flags.overrides(), more].concat();
    let named = flags.recipe.recipe.as_deref();
    let found = recipe(flags, named, &overrides, registry)?;
    let choice = match named {
        Some(_) => Choice::Named,
        None => choose(&found, &overrides, output, registry)?,
    };
    match choice {
        Choice::Named => check_colours(&found, named, &overrides, registry)?,
        Choice::Photos => {
            let found = recipe(flags, Some(PHOTOS), &overrides, registry)?;
            return Ok((Some(PHOTOS.to_string()), found));
        }
        Choice::Digits => {}
    }
    Ok((named.map(String::from), found))
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

//! `evaluate`: scores of a finished model on labelled images.

use anyhow::Result;
use taper_dataset::split::Split;
use taper_runner::observe::Counter;
use taper_runner::{Registry, evaluate_on};

use crate::flags::{EvaluateFlags, Output, Part};
use crate::print::{print, print_json};
use crate::{model, table};

pub(super) fn run(flags: &EvaluateFlags, output: Output, registry: &Registry) -> Result<()> {
    let (classifier, mut recipe) = model::open(&flags.model, &flags.device, flags.tta, registry)?;
    recipe = recipe.with(&flags.subset.overrides)?;
    if let Some(source) = &flags.data {
        recipe.data.source.clone_from(source);
    }
    let split = match flags.part {
        Part::Train => Some(Split::Train),
        Part::Test => Some(Split::Test),
        Part::All => None,
    };
    let mut counter = None;
    let progress = |images, total| {
        let new = || Counter::new(!output.quiet && !output.json, "evaluate", total);
        counter.get_or_insert_with(new).set(images);
        if images == total {
            counter = None;
        }
    };
    let (data, evaluation) = evaluate_on(&classifier, &recipe, split, registry, progress)?;
    if output.json {
        return print_json(&table::evaluation_json(&evaluation, flags.tta)?);
    }
    print(&table::evaluation(&data, &evaluation, flags.tta)?)
}

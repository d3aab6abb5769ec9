//! `evaluate`: scores of a finished model on labelled images.

use anyhow::Result;
use taper_dataset::split::Split;
use taper_runner::Registry;

use crate::flags::{EvaluateFlags, Output, Part};
use crate::print::{print, print_json};
use crate::{model, table};

pub fn run(flags: &EvaluateFlags, output: Output, registry: &Registry) -> Result<()> {
    let mut model = model::open(&flags.model, &flags.device, registry)?;
    model.shows_progress = !output.quiet;
    model.views = flags.tta;
    let data = &mut model.recipe.data;
    if let Some(limit) = flags.subset.limit {
        data.limit = limit as usize;
    }
    if let Some(per_class) = flags.subset.per_class {
        data.per_class = per_class as usize;
    }
    if !flags.subset.classes.is_empty() {
        data.classes.clone_from(&flags.subset.classes);
    }
    let split = match flags.part {
        Part::Train => Some(Split::Train),
        Part::Test => Some(Split::Test),
        Part::All => None,
    };
    let (data, evaluation) = model.evaluate(flags.data.as_deref(), split, registry)?;
    if output.json {
        return print_json(&table::evaluation_json(&evaluation, flags.tta)?);
    }
    print(&table::evaluation(&data, &evaluation, flags.tta)?)
}

//! `evaluate`: scores of a finished model on labelled images.

use anyhow::Result;
use taper_runner::{PartName, Registry};

use super::{model, print, print_json};
use crate::flags::{EvaluateFlags, Part};
use crate::table;

pub fn run(flags: &EvaluateFlags, registry: &Registry) -> Result<()> {
    let mut model = model::open(&flags.model, &flags.device, registry)?;
    model.shows_progress = !flags.output.quiet;
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
    let part = match flags.part {
        Part::Train => PartName::Train,
        Part::Test => PartName::Test,
        Part::All => PartName::All,
    };
    let (data, evaluation) = model.evaluate(flags.data.as_deref(), part, registry)?;
    if flags.output.json {
        return print_json(&table::evaluation_json(&evaluation, flags.tta)?);
    }
    print(&table::evaluation(&data, &evaluation, flags.tta)?)
}

//! `predict`: the class of image files.

use anyhow::Result;
use taper_runner::Registry;

use super::{model, print, print_json};
use crate::flags::PredictFlags;
use crate::table;

pub fn run(flags: &PredictFlags, registry: &Registry) -> Result<()> {
    let mut model = model::open(&flags.model, registry)?;
    model.shows_progress = !flags.output.quiet;
    model.views = flags.tta;
    let predictions = model.predict(&flags.images, flags.top_k as usize)?;
    if flags.output.json {
        return print_json(&serde_json::json!({ "predictions": predictions }));
    }
    print(&table::predictions(&predictions))
}

//! `inspect`: a data set looked at.

use anyhow::Result;
use taper_report::{InspectConfig, inspect};
use taper_runner::{Registry, resolve, split_dataset};

use crate::flags::{InspectFlags, Output};
use crate::print::{print, print_json};

pub(super) fn run(flags: &InspectFlags, output: Output, registry: &Registry) -> Result<()> {
    let overrides = [&flags.images.overrides, &flags.subset.overrides, &flags.set];
    let overrides: Vec<_> = overrides.into_iter().flatten().cloned().collect();
    let recipe = resolve(flags.recipe.as_deref(), &overrides)?;
    let (dataset, left_out) = split_dataset(&recipe, registry)?;
    let config = InspectConfig {
        preprocessing: recipe.image.preprocessing(),
        augment: recipe.augment.policy()?,
        seed: recipe.seed,
    };
    let inspected = inspect(&dataset, left_out, &config)?;
    let written = inspected.write(&flags.out)?;
    if output.json {
        return print_json(&serde_json::json!({
            "inspection": inspected.inspection,
            "left_out": inspected.left_out,
            "written": written,
        }));
    }
    print(&inspected.to_string())?;
    let written = written.iter().map(|path| path.display().to_string());
    print(&format!("written: {}\n", written.collect::<Vec<_>>().join(", ")))
}

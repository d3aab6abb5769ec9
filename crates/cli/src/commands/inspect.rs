//! `inspect`: a data set looked at.

use anyhow::Result;
use taper_runner::{Registry, inspect, resolve};

use crate::flags::{InspectFlags, Output};
use crate::overrides;
use crate::print::{print, print_json};

pub fn run(flags: &InspectFlags, output: Output, registry: &Registry) -> Result<()> {
    let recipe = resolve(flags.recipe.as_deref(), &overrides::inspect(flags))?;
    let inspected = inspect(&recipe, registry)?;
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

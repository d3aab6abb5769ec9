//! `inspect`: a data set looked at.

use anyhow::Result;
use taper_runner::{Registry, inspect, resolve};

use super::{print, print_json};
use crate::flags::InspectFlags;
use crate::overrides;

pub fn run(flags: &InspectFlags, registry: &Registry) -> Result<()> {
    let recipe = resolve(flags.recipe.as_deref(), &overrides::inspect(flags))?;
    let inspected = inspect(&recipe, registry)?;
    let written = inspected.write(&flags.out)?;
    if flags.output.json {
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

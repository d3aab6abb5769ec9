//! `summary`: a net's layers, shapes, parameters and multiply-adds.

use std::path::Path;

use anyhow::Result;
use taper_runner::{DeviceChoice, Registry, open_run, summarize};

use crate::flags::{Output, SummaryFlags};
use crate::print::{print, print_json};

pub(super) fn run(flags: &SummaryFlags, output: Output, registry: &Registry) -> Result<()> {
    let path = Path::new(&flags.net);
    let summary = match path.is_dir() {
        true if flags.classes.is_some() => {
            anyhow::bail!("--classes is for a net by name; a run has its own classes")
        }
        true => {
            let device = DeviceChoice::Cpu.open()?;
            open_run(path, &device, registry)?.0.summary(&flags.freeze)?
        }
        false => {
            let classes = flags.classes.map(|classes| classes as usize);
            summarize(registry.models.net(&flags.net)?, classes, &flags.freeze)?
        }
    };
    if output.json {
        return print_json(&serde_json::to_value(&summary)?);
    }
    print(&format!("{summary}"))
}

//! `report`: the page of a run anew, or several runs on one page.

use std::path::Path;

use anyhow::Result;
use taper_report::{compare, report};

use crate::flags::{Output, ReportFlags};
use crate::print::{print, print_json};

pub(super) fn run(flags: &ReportFlags, output: Output) -> Result<()> {
    let path = match (flags.runs.as_slice(), &flags.out) {
        ([run], None) => report(run)?,
        (runs, out) => {
            let path = out.as_deref().unwrap_or(Path::new("comparison.html"));
            compare(runs, path)?;
            path.to_path_buf()
        }
    };
    match output.json {
        true => print_json(&serde_json::json!({ "report": path })),
        false => print(&format!("Report    {}\n", path.display())),
    }
}

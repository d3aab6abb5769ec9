//! `report`: the page of a run anew, or several runs on one page.

use std::path::Path;

use anyhow::{Result, ensure};
use taper_report::{KEPT_PAGE, compare, report};
use taper_runner::{FolderLock, Results, RunFolder};

use crate::flags::{Output, ReportFlags};
use crate::print::{is_input, note, print, print_json};

pub(super) fn run(flags: &ReportFlags, output: Output) -> Result<()> {
    let path = match (flags.runs.as_slice(), &flags.out) {
        ([run], None) => {
            let older = Results::read(&RunFolder::finished(run)?)?.is_older();
            let _lock = FolderLock::take(run)?;
            let path = report(run)?;
            if older {
                note(&format!(
                    "warning: an older version made this run: mistakes are not in its folder, and not on the page; the \
                     page that it had is kept as {KEPT_PAGE}"
                ));
            }
            path
        }
        (runs, out) => {
            let path = out.as_deref().unwrap_or(Path::new("comparison.html"));
            ensure!(
                !is_input(path, runs),
                "{} is a file of a run that is compared; choose another",
                path.display()
            );
            compare(runs, path)?;
            path.to_path_buf()
        }
    };
    match output.json {
        true => print_json(&serde_json::json!({ "report": path })),
        false => print(&format!("Report    {}\n", path.display())),
    }
}

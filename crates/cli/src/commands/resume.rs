//! `resume`: a run that was killed or left off goes on.

use anyhow::{Context, Result};
use taper_runner::{Existing, FolderLock, Plan, Registry, RunFolder, resolved};

use crate::flags::{Output, ResumeFlags};
use crate::launch::{follow, run_with_pages, tell_finished};
use crate::table::print_outcome;

pub(super) fn run(flags: &ResumeFlags, output: Output, registry: &Registry) -> Result<()> {
    let processes = &registry.processes;
    if !processes.is_first() {
        // The first alone has the folder.
        let recipe = processes.broadcast(Vec::new());
        return match recipe.is_empty() {
            true => Ok(()),
            false => follow(resolved(&String::from_utf8_lossy(&recipe), "process 0")?, registry),
        };
    }
    // Not a folder made for it.
    RunFolder::begun(&flags.run)?;
    let run = FolderLock::take(&flags.run)?;
    let folder = RunFolder::begun(&flags.run)?;
    if folder.is_finished() {
        processes.broadcast(Vec::new());
        return tell_finished(run.path(), output);
    }
    let plan = Plan::of_run(&flags.run, registry)?;
    let recipe = folder.recipe();
    let text = std::fs::read(&recipe).with_context(|| recipe.display().to_string())?;
    processes.broadcast(text);
    let existing = Existing::Resume { force: flags.force };
    let outcome = run_with_pages(&plan, &run, existing, "resume", output)?;
    print_outcome(&plan, &outcome, None, output)
}

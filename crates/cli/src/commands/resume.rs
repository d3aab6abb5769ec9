//! `resume`: a run that was killed or left off goes on.

use anyhow::Result;
use taper_runner::{Existing, FolderLock, Plan, Registry, RunFolder};

use crate::flags::{Output, ResumeFlags};
use crate::launch::{run_with_pages, tell_finished};
use crate::table::print_outcome;

pub(super) fn run(flags: &ResumeFlags, output: Output, registry: &Registry) -> Result<()> {
    // Not a folder made for it.
    RunFolder::begun(&flags.run)?;
    let run = FolderLock::take(&flags.run)?;
    if RunFolder::begun(&flags.run)?.is_finished() {
        return tell_finished(run.path(), output);
    }
    let plan = Plan::of_run(&flags.run, registry)?;
    let existing = Existing::Resume { force: flags.force };
    let outcome = run_with_pages(&plan, &run, existing, "resume", output)?;
    print_outcome(&plan, &outcome, None, output)
}

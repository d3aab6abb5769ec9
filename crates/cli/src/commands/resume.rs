//! `resume`: a run that was killed or left off goes on.

use anyhow::Result;
use taper_runner::{Existing, Plan, Registry, RunFolder};

use crate::flags::{Output, ResumeFlags};
use crate::launch::{run_with_pages, told_finished};
use crate::table::print_outcome;

pub(super) fn run(flags: &ResumeFlags, output: Output, registry: &Registry) -> Result<()> {
    if told_finished(&RunFolder::begun(&flags.run)?, output)? {
        return Ok(());
    }
    let plan = Plan::of_run(&flags.run, registry)?;
    let existing = Existing::Resume { force: flags.force };
    let outcome = run_with_pages(&plan, &flags.run, existing, "resume", output)?;
    print_outcome(&plan, &outcome, None, output)
}

//! `resume`: a run that was killed or left off goes on.

use anyhow::Result;
use taper_runner::{Existing, Plan, Registry, RunFolder, run as start};

use super::{listeners, print_outcome, told_finished};
use crate::flags::ResumeFlags;

pub fn run(flags: &ResumeFlags, registry: &Registry) -> Result<()> {
    if told_finished(&RunFolder::begun(&flags.run)?, &flags.output)? {
        return Ok(());
    }
    let plan = Plan::of_run(&flags.run, registry)?;
    let existing = Existing::Resume { force: flags.force };
    let outcome = start(&plan, &flags.run, existing, listeners("resume", &flags.output)?)?;
    print_outcome(&plan, &outcome, None, &flags.output)
}

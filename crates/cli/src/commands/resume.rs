//! `resume`: a run that was killed or left off goes on.

use anyhow::Result;
use taper_runner::{Registry, Resumption};

use super::{go_on, print_outcome};
use crate::flags::ResumeFlags;

pub fn run(flags: &ResumeFlags, registry: &Registry) -> Result<()> {
    let resumption = Resumption::open(&flags.run, registry, flags.force);
    match go_on(resumption, "resume", &flags.output)? {
        Some((plan, outcome)) => print_outcome(&plan, &outcome, None, &flags.output),
        None => Ok(()),
    }
}

//! A run with its model card and its page.

use taper_run_folder::FolderLock;
use taper_runner::observe::Listener;
use taper_runner::{Existing, Outcome, Plan, run};

use crate::error::TuneError;

/// Carries out a plan in a folder, as [`run()`] does, and leaves the run's model card and page.
///
/// # Errors
/// As [`run()`] and [`taper_report::complete`].
pub fn run_with_pages(
    plan: &Plan,
    folder: &FolderLock,
    existing: Existing,
    listeners: Vec<Box<dyn Listener>>,
) -> Result<Outcome, TuneError> {
    let outcome = run(plan, folder, existing, listeners)?;
    taper_report::complete(folder.path())?;
    Ok(outcome)
}

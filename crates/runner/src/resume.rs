//! Where a run goes on that was killed, suspended or finished.

use taper_run_folder::RunFolder;

use crate::checkpoint::{Checkpoints, Identity, Newest};
use crate::error::{ResumeError, RunnerError};
use crate::plan::Plan;
use crate::recipe::{read_resolved, recipe_differences};

/// The checkpoint from which a run goes on by a plan, which should be that of the run; none where the plan's
/// run is finished.
///
/// # Errors
/// [`ResumeError::Differs`](crate::ResumeError::Differs) unless `force`: then the run goes on by this plan, a
/// finished one if it has epochs left;
/// [`ResumeError::NoneWhole`](crate::ResumeError::NoneWhole) where all are broken.
pub(crate) fn resume_point(
    run: &RunFolder,
    plan: &Plan,
    force: bool,
) -> Result<Option<Newest>, RunnerError> {
    let (path, is_finished) = (|| run.path().to_path_buf(), run.is_finished());
    let mut of_recipe = recipe_differences(&read_resolved(&run.recipe())?, &plan.recipe);
    if is_finished && of_recipe.is_empty() {
        return Ok(None);
    }
    let mut differences = Vec::new();
    let mut newest = Newest::default();
    if force || !is_finished {
        newest = Checkpoints::newest(&run.checkpoints())?;
    }
    if let Some((_, checkpoint)) = &newest.found {
        let header = &checkpoint.header;
        differences = header.identity.differences(&Identity::of(&plan.data, &plan.device)?);
        of_recipe = recipe_differences(&header.recipe, &plan.recipe);
    }
    let differs = !differences.is_empty() || !of_recipe.is_empty();
    if differs && !force {
        differences.extend(of_recipe);
        return Err(ResumeError::Differs { path: path(), differences }.into());
    }
    match &mut newest.found {
        None if is_finished => return Err(ResumeError::NoCheckpoint(path()).into()),
        None => {}
        Some((_, checkpoint)) => {
            let position = &mut checkpoint.header.position;
            if is_finished && position.epoch >= plan.recipe.train.epochs {
                let (path, epochs) = (path(), position.epoch);
                return Err(ResumeError::NoEpochLeft { path, epochs }.into());
            }
            if !of_recipe.is_empty() {
                // What stopped it may be no reason by the other recipe.
                position.stopped = None;
            }
        }
    }
    Ok(Some(newest))
}

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
/// [`ResumeError::NoCheckpoint`](crate::ResumeError::NoCheckpoint),
/// [`ResumeError::NoEpochLeft`](crate::ResumeError::NoEpochLeft) and
/// [`ResumeError::NoStepLeft`](crate::ResumeError::NoStepLeft) where a finished run cannot go on;
/// [`ResumeError::Differs`](crate::ResumeError::Differs) unless `force`: then the run goes on by this plan;
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
    let mut newest = Checkpoints::newest(&run.checkpoints())?;
    if let Some((_, checkpoint)) = &newest.found {
        let header = &checkpoint.header;
        let (position, train) = (&header.position, &plan.recipe.train);
        if is_finished && position.epoch >= train.epochs {
            let (path, epochs) = (path(), position.epoch);
            return Err(ResumeError::NoEpochLeft { path, epochs }.into());
        }
        if is_finished && train.max_steps > 0 && position.step >= train.max_steps {
            let (path, steps) = (path(), position.step);
            return Err(ResumeError::NoStepLeft { path, steps }.into());
        }
        differences = header.identity.differences(&Identity::of(&plan.data, &plan.device)?);
        of_recipe = recipe_differences(&header.recipe, &plan.recipe);
    }
    if is_finished && newest.found.is_none() {
        return Err(ResumeError::NoCheckpoint(path()).into());
    }
    let differs = !differences.is_empty() || !of_recipe.is_empty();
    if differs && !force {
        differences.extend(of_recipe);
        return Err(ResumeError::Differs { path: path(), differences }.into());
    }
    if let (Some((_, checkpoint)), false) = (&mut newest.found, of_recipe.is_empty()) {
        // What stopped it may be no reason by the other recipe.
        checkpoint.header.position.stopped = None;
    }
    Ok(Some(newest))
}

//! Where a run goes on that was killed or suspended.

use std::path::PathBuf;

use taper_run_folder::RunFolder;

use crate::checkpoint::{Checkpoint, Checkpoints, Identity};
use crate::error::{ResumeError, RunnerError};
use crate::plan::Plan;
use crate::recipe::{read_resolved, recipe_differences};

/// A run that has begun and is not finished.
pub(crate) struct Resumed {
    /// Its folder.
    pub folder: RunFolder,
    /// Newer checkpoints that are broken, each with what is wrong.
    pub broken: Vec<(PathBuf, String)>,
    /// Where it goes on; without a checkpoint it begins again.
    pub point: Option<ResumePoint>,
}

/// A checkpoint to go on from.
pub(crate) struct ResumePoint {
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub checkpoint: Checkpoint,
}

impl Resumed {
    /// Opens a run by a plan, which should be that of the run.
    ///
    /// # Errors
    /// [`ResumeError::Differs`](crate::ResumeError::Differs) unless `force`: then the run goes on by this plan;
    /// [`ResumeError::NoneWhole`](crate::ResumeError::NoneWhole) where all are broken.
    pub fn open(folder: RunFolder, plan: &Plan, force: bool) -> Result<Self, RunnerError> {
        let newest = Checkpoints::newest(&folder.checkpoints())?;
        let point = newest.found.map(|(path, checkpoint)| ResumePoint { path, checkpoint });
        let differences = match &point {
            Some(ResumePoint { checkpoint, .. }) => {
                let header = &checkpoint.header;
                let now = Identity::of(&plan.data, &plan.device)?;
                let mut differences = header.identity.differences(&now);
                differences.extend(recipe_differences(&header.recipe, &plan.recipe));
                differences
            }
            None => recipe_differences(&read_resolved(&folder.recipe())?, &plan.recipe),
        };
        if !differences.is_empty() && !force {
            let path = folder.path().to_path_buf();
            return Err(ResumeError::Differs { path, differences }.into());
        }
        // Also what may differ, such as `log.report`: the run's page goes by it.
        let (path, text) = (folder.recipe(), plan.recipe.to_toml()?);
        if std::fs::read(&path).map_err(RunnerError::io(&path))? != text.as_bytes() {
            folder.write_recipe(&text)?;
        }
        Ok(Self { folder, broken: newest.broken, point })
    }
}

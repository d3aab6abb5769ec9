//! What the processes of a run agree on before its first step.

use serde::Serialize;
use toml::Value;

use crate::checkpoint::{Checkpoint, Identity};
use crate::error::{ResumeError, RunnerError, TrainingError};
use crate::plan::Plan;
use crate::processes::Processes;
use crate::recipe::{Recipe, differences};

/// What has to be the same for all processes.
#[derive(Serialize)]
struct Basis<'a> {
    #[serde(flatten)]
    identity: Identity,
    recipe: &'a Recipe,
}

/// Compares data, version, kind of machine and recipe of all processes.
///
/// # Errors
/// [`TrainingError::ProcessDiffers`](crate::TrainingError::ProcessDiffers), the same in all of them.
pub(crate) fn check_same(plan: &Plan) -> Result<(), RunnerError> {
    let processes = &plan.processes;
    if processes.size() == 1 {
        return Ok(());
    }
    let identity = Identity::of(&plan.data, &plan.device)?;
    let basis = Value::try_from(Basis { identity, recipe: &plan.recipe }).map_err(unreadable)?;
    let text = toml::to_string(&basis).map_err(unreadable)?;
    let all = processes.gather(text.as_bytes()).into_iter().map(|text| table(&text));
    let all: Vec<Value> = all.collect::<Result<_, _>>()?;
    for (process, found) in all.iter().enumerate().skip(1) {
        let differences = differences(&all[0], found);
        if !differences.is_empty() {
            return Err(TrainingError::ProcessDiffers { process, differences }.into());
        }
    }
    Ok(())
}

fn table(text: &[u8]) -> Result<Value, RunnerError> {
    String::from_utf8_lossy(text).parse::<toml::Table>().map(Value::Table).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> RunnerError {
    TrainingError::Processes { reason: error.to_string() }.into()
}

/// From where the run goes on, as process 0 finds it in the folder that it alone has.
pub(crate) enum Start {
    /// Nowhere: it is finished.
    Finished,
    /// From its beginning.
    Beginning,
    /// From a checkpoint.
    From(Box<Checkpoint>),
}

impl Start {
    /// Tells the other processes.
    ///
    /// # Errors
    /// The checkpoint cannot be told.
    pub fn tell(
        processes: &Processes,
        checkpoint: Option<Option<&Checkpoint>>,
    ) -> Result<(), RunnerError> {
        if processes.size() > 1 {
            let bytes = match checkpoint {
                None => Vec::new(),
                Some(None) => vec![0],
                Some(Some(checkpoint)) => checkpoint.to_bytes().map_err(broken)?,
            };
            processes.broadcast(bytes);
        }
        Ok(())
    }

    /// What process 0 tells.
    ///
    /// # Errors
    /// It is no checkpoint.
    pub fn hear(processes: &Processes) -> Result<Self, RunnerError> {
        Ok(match processes.broadcast(Vec::new()).as_slice() {
            [] => Start::Finished,
            [_] => Start::Beginning,
            bytes => Start::From(Box::new(Checkpoint::from_bytes(bytes).map_err(broken)?)),
        })
    }
}

fn broken(error: crate::checkpoint::CheckpointError) -> RunnerError {
    let (path, reason) = ("the checkpoint".into(), error.to_string());
    ResumeError::Unsavable { path, reason }.into()
}

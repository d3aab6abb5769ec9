//! What the processes of a run agree on before its first step.

use std::collections::BTreeMap;

use candle_core::DType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use taper_model::Params;
use taper_untrusted::checksums::hex;
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
    compare(processes, &Basis { identity, recipe: &plan.recipe })
}

/// Compares the parameters that all processes start from: a file of one name may differ from machine to machine.
///
/// # Errors
/// As [`check_same`].
pub(crate) fn check_same_weights(
    processes: &Processes,
    params: &Params,
) -> Result<(), RunnerError> {
    if processes.size() == 1 {
        return Ok(());
    }
    let mut hash = Sha256::new();
    for (name, tensor) in params.to_tensors().map_err(unreadable)? {
        let values =
            tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()?.to_vec1::<f32>());
        let bytes = values.map_err(unreadable)?.into_iter().flat_map(f32::to_le_bytes);
        hash.update(name.as_bytes());
        hash.update(bytes.collect::<Vec<u8>>());
    }
    compare(processes, &BTreeMap::from([("weights", hex(&hash.finalize()))]))
}

/// Compares what all processes have.
fn compare(processes: &Processes, own: &impl Serialize) -> Result<(), RunnerError> {
    let own = Value::try_from(own).map_err(unreadable)?;
    let text = toml::to_string(&own).map_err(unreadable)?;
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
pub(crate) enum Start<C> {
    /// Nowhere: it is finished.
    Finished,
    /// From its beginning.
    Beginning,
    /// From a checkpoint.
    From(C),
}

impl Start<&Checkpoint> {
    /// Tells the other processes.
    ///
    /// # Errors
    /// The checkpoint cannot be told.
    pub fn tell(self, processes: &Processes) -> Result<(), RunnerError> {
        if processes.size() > 1 {
            let bytes = match self {
                Start::Finished => Vec::new(),
                Start::Beginning => vec![0],
                Start::From(checkpoint) => checkpoint.to_bytes().map_err(broken)?,
            };
            processes.broadcast(bytes);
        }
        Ok(())
    }
}

impl Start<Box<Checkpoint>> {
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

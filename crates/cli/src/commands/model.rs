//! A finished model, from a run's folder or from weights by file or name.

use anyhow::Result;
use taper_runner::{FinishedModel, Registry};

use crate::flags::ModelFlags;

/// Opens the model that the flags name.
pub fn open(flags: &ModelFlags, registry: &Registry) -> Result<FinishedModel> {
    match (&flags.run, &flags.weights) {
        (Some(run), _) => Ok(FinishedModel::open_run(run, registry)?),
        (None, Some(weights)) => Ok(FinishedModel::open_weights(weights, registry)?),
        // clap requires one of them.
        (None, None) => anyhow::bail!("name a model with --run or --weights"),
    }
}

//! A finished model, from a run's folder or from weights by file or name.

use anyhow::Result;
use taper_runner::{FinishedModel, Registry};

use crate::flags::{DeviceFlags, ModelFlags};

/// Opens the model that the flags name, on the device that they name.
pub fn open(
    flags: &ModelFlags,
    device: &DeviceFlags,
    registry: &Registry,
) -> Result<FinishedModel> {
    let device = device.device.open()?;
    match (&flags.run, &flags.weights) {
        (Some(run), _) => Ok(FinishedModel::open_run(run, &device, registry)?),
        (None, Some(weights)) => Ok(FinishedModel::open_weights(weights, &device, registry)?),
        // clap requires one of them.
        (None, None) => anyhow::bail!("name a model with --run or --weights"),
    }
}

//! Our side: the same works through Taper's own crates.

use anyhow::Result;
use taper_runner::DeviceChoice;

use super::serve::{Hello, Measure, serve};
use super::work::{Task, Work};
use super::{kernel, net};

/// Answers works until stdin ends.
pub fn run(device: DeviceChoice) -> Result<()> {
    let kernels = std::env::var("TAPER_KERNELS").unwrap_or_else(|_| "auto".to_string());
    let hello = Hello {
        version: format!("taper {}", env!("CARGO_PKG_VERSION")),
        threads: rayon::current_num_threads(),
        settings: format!("profile {}, kernels {kernels}, {device}", super::profile()),
    };
    serve(&hello, |work| prepare(work, device))
}

fn prepare(work: &Work, device: DeviceChoice) -> Result<Option<Measure>> {
    let train = |net, side, batch, images, steps| {
        net::train(&net::plan(net, side, batch, images, device)?, steps)
    };
    Ok(Some(match &work.task {
        Task::Train { net, side, batch, images } => train(net, *side, *batch, *images, None)?,
        Task::FirstStep { net, side, batch, images } => {
            train(net, *side, *batch, *images, Some(1))?
        }
        Task::Memory { net, side, batch, images, steps } => {
            train(net, *side, *batch, *images, Some(*steps))?
        }
        Task::Evaluate { net, side, batch } => {
            net::evaluate(&net::plan(net, *side, *batch, *batch, device)?)?
        }
        kernel => kernel::prepare(kernel, &device.open()?)?,
    }))
}

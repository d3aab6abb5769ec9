//! Our side: the same works through Taper's own crates.

use anyhow::Result;

use super::serve::{Hello, Measure, serve};
use super::work::{Task, Work};
use super::{kernel, net};

/// Answers works until stdin ends.
pub fn run() -> Result<()> {
    let kernels = std::env::var("TAPER_KERNELS").unwrap_or_else(|_| "auto".to_string());
    let hello = Hello {
        version: format!("taper {}", env!("CARGO_PKG_VERSION")),
        threads: rayon::current_num_threads(),
        settings: format!("profile {}, kernels {kernels}", super::profile()),
    };
    serve(&hello, prepare)
}

fn prepare(work: &Work) -> Result<Option<Measure>> {
    Ok(Some(match &work.task {
        Task::Train { net, side, batch, images } => net::train(net, *side, *batch, *images, None)?,
        Task::FirstStep { net, side, batch, images } => {
            net::train(net, *side, *batch, *images, Some(1))?
        }
        Task::Memory { net, side, batch, images, steps } => {
            net::train(net, *side, *batch, *images, Some(*steps))?
        }
        Task::Evaluate { net, side, batch } => net::evaluate(net, *side, *batch)?,
        kernel => kernel::prepare(kernel)?,
    }))
}

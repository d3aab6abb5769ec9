//! Burn on its flex backend.

#[path = "../../../../xtask/src/bench/serve.rs"]
mod serve;
#[path = "../../../../xtask/src/bench/work.rs"]
mod work;

mod adadelta;
mod kernel;
mod net;

use anyhow::Result;
// Burn's derive looks for these in the crate's root.
use burn::optim::{RecordState, StateSink, StateSource};
use serve::{Hello, Measure, serve};
use work::{Task, Work};

fn main() -> Result<()> {
    let hello = Hello {
        version: "burn 0.22.1".to_string(),
        threads: rayon::current_num_threads(),
        settings: "release, flex, gemm with x86-v4".to_string(),
    };
    serve(&hello, prepare)
}

fn prepare(work: &Work) -> Result<Option<Measure>> {
    Ok(match &work.task {
        Task::Train { net, .. } | Task::Evaluate { net, .. } if net != "keras-cnn" => None,
        Task::Train { images, batch, .. } => Some(net::train(*images, *batch, None)),
        Task::FirstStep { images, batch, .. } => Some(net::train(*images, *batch, Some(1))),
        Task::Memory { images, batch, steps, .. } => {
            Some(net::train(*images, *batch, Some(*steps)))
        }
        Task::Evaluate { batch, .. } => Some(net::evaluate(*batch)),
        kernel => kernel::prepare(kernel),
    })
}

//! The loop.

mod batches;
mod checkpoint_writer;
mod training;

mod epoch;
mod step;
mod validation;
mod verdicts;

mod run;
mod sweep;

pub(crate) use checkpoint_writer::CheckpointWriter;
pub use run::train;
pub use sweep::{Sweep, SweepConfig, SweepPoint, sweep};
pub use training::Training;

//! The loop.

mod batches;
mod training;

mod epoch;
mod tree;

mod step;
mod validation;
mod verdicts;

mod run;
mod sweep;

pub use run::train;
pub use sweep::{Sweep, SweepConfig, SweepPoint, sweep};
pub use training::Training;

//! The loop.

mod batches;
mod training;

mod epoch;
mod message;
mod tree;

mod readable;
mod step;
mod validation;
mod verdicts;

mod run;
mod sweep;

pub(crate) use readable::{check as check_readable, told};
pub use run::train;
pub use sweep::{Sweep, SweepConfig, SweepPoint, sweep};
pub use training::Training;

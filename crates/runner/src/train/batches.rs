//! The batches of an epoch, and those of one update.

use taper_dataset::{Batch, Loader};

use crate::error::RunnerError;

/// The batches of an epoch, without images where their features are cached.
pub(super) enum Batches {
    Images(Loader),
    Cached(std::vec::IntoIter<Batch>),
}

impl Iterator for Batches {
    type Item = Result<Batch, RunnerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Images(loader) => loader.next().map(|batch| Ok(batch?)),
            Self::Cached(batches) => batches.next().map(Ok),
        }
    }
}

/// The batches of one update; none at the end of the epoch.
pub(super) fn next_group(
    batches: &mut Batches,
    accumulate: usize,
) -> Result<Vec<Batch>, RunnerError> {
    batches.take(accumulate).collect()
}

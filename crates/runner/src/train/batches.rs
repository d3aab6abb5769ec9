//! The batches of an epoch, and those of one update.

use taper_dataset::{Batch, Loader};

use crate::error::RunnerError;

/// Batches as they are made, without images where their features are cached.
pub(super) enum Source {
    Images(Loader),
    Cached(std::vec::IntoIter<Batch>),
}

impl Iterator for Source {
    type Item = Result<Batch, RunnerError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Images(loader) => loader.next().map(|batch| Ok(batch?)),
            Self::Cached(batches) => batches.next().map(Ok),
        }
    }
}

/// What is left of the batches of an epoch.
pub(super) struct Batches {
    pub source: Source,
    /// How many there are.
    pub left: usize,
    /// Whether the last one takes in the batch that the source has behind it.
    pub joins_last: bool,
}

impl Iterator for Batches {
    type Item = Result<Batch, RunnerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let batch = self.source.next()?;
        Some(match self.left == 0 && self.joins_last {
            true => batch.and_then(|batch| Ok(joined(batch, self.source.next().transpose()?))),
            false => batch,
        })
    }
}

/// The images of a batch, and behind them those of the next.
fn joined(mut batch: Batch, next: Option<Batch>) -> Batch {
    let Some(next) = next else { return batch };
    batch.images.extend(next.images);
    batch.shape[0] += next.shape[0];
    batch.labels.extend(next.labels);
    batch.indices.extend(next.indices);
    batch.targets = batch.targets.zip(next.targets).map(|(targets, more)| [targets, more].concat());
    batch
}

/// The batches of one update; none at the end of the epoch.
pub(super) fn next_group(
    batches: &mut Batches,
    accumulate: usize,
) -> Result<Vec<Batch>, RunnerError> {
    batches.take(accumulate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(indices: std::ops::Range<usize>) -> Batch {
        Batch {
            images: indices.clone().map(|index| index as f32).collect(),
            shape: [indices.len(), 1, 1, 1],
            labels: indices.clone().map(|index| index as u32).collect(),
            targets: Some(indices.clone().flat_map(|_| [0.5, 0.5]).collect()),
            indices: indices.collect(),
        }
    }

    #[test]
    fn the_last_batch_takes_in_the_one_behind_it_wherever_the_epoch_begins() {
        let all = || vec![batch(0..4), batch(4..8), batch(8..9)];
        let sizes = |first: usize, joins_last: bool| {
            let source =
                Source::Cached(all().into_iter().skip(first).collect::<Vec<_>>().into_iter());
            let left = 3 - usize::from(joins_last) - first;
            let batches = Batches { source, left, joins_last };
            batches
                .map(|batch| batch.map(|batch| batch.labels.len()))
                .collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(sizes(0, false).unwrap(), [4, 4, 1]);
        assert_eq!(sizes(0, true).unwrap(), [4, 5]);
        assert_eq!(sizes(1, true).unwrap(), [5]);
        // After the last update nothing is left, though the source has a batch more.
        assert!(sizes(2, true).unwrap().is_empty());
        assert_eq!(joined(batch(4..8), Some(batch(8..9))), batch(4..9));
    }
}

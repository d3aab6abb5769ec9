//! The batches of an epoch, and the pieces of one update.

use taper_dataset::{Batch, Loader, Pieces};

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
    /// This process's pieces of them.
    pub source: Source,
    pub cut: Pieces,
    /// Images of the epoch.
    pub images: usize,
    pub batch_size: usize,
    /// The next batch.
    pub next: usize,
}

/// A piece of a batch.
pub(super) struct Piece {
    /// Which of the update's batches it is of.
    pub batch: usize,
    /// Which of the batch's pieces it is.
    pub place: usize,
    pub images: Batch,
}

/// What one update is computed from.
pub(super) struct Group {
    /// This process's pieces: those of one place after those of the place before.
    pub pieces: Vec<Piece>,
    /// Images of each piece of each batch, whoever computes it.
    pub sizes: Vec<Vec<usize>>,
}

impl Group {
    /// Images of all batches.
    pub fn images(&self) -> usize {
        self.sizes.iter().flatten().sum()
    }

    /// Images of the pieces of a place.
    pub fn images_at(&self, place: usize) -> usize {
        self.sizes.iter().filter_map(|sizes| sizes.get(place)).sum()
    }

    /// The mean loss over all images of the mean loss of each piece, batch by batch for each place.
    pub fn mean(&self, losses: &[f32]) -> f64 {
        let (images, batches) = (self.images() as f64, self.sizes.len());
        let mut mean = 0.0;
        for (i, &loss) in losses.iter().enumerate() {
            if let Some(&size) = self.sizes[i % batches].get(i / batches) {
                mean += size as f64 / images * f64::from(loss);
            }
        }
        mean
    }
}

impl Batches {
    /// The pieces of the next batches, `accumulate` or what is left of them; none at the end of the epoch.
    pub fn next_group(&mut self, accumulate: usize) -> Result<Option<Group>, RunnerError> {
        let Self { source, cut, images, batch_size, next } = self;
        let batches = accumulate.min(cut.batches(*images, *batch_size).saturating_sub(*next));
        let mut group = Group { pieces: Vec::new(), sizes: Vec::with_capacity(batches) };
        for batch in 0..batches {
            let pieces = cut.of_batch(*next, *images, *batch_size);
            group.sizes.push(pieces.iter().map(|places| places.len()).collect());
            for place in cut.own.start..cut.own.end.min(pieces.len()) {
                let Some(images) = source.next().transpose()? else { return Ok(None) };
                group.pieces.push(Piece { batch, place, images });
            }
            *next += 1;
        }
        group.pieces.sort_by_key(|piece| piece.place);
        Ok((batches > 0).then_some(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(size: usize) -> Batch {
        let labels = vec![0; size];
        let shape = [size, 1, 1, 1];
        Batch { images: Vec::new(), shape, labels, indices: vec![0; size], targets: None }
    }

    #[test]
    fn a_group_has_the_pieces_of_its_batches_place_by_place() {
        let sizes = [2, 2, 2, 2, 2, 1];
        let source = Source::Cached(sizes.map(batch).to_vec().into_iter());
        let cut = Pieces { count: 2, own: 0..2, joins_last: false };
        let mut batches = Batches { source, cut, images: 11, batch_size: 4, next: 0 };
        let group = batches.next_group(2).unwrap().unwrap();
        let places: Vec<_> = group.pieces.iter().map(|piece| (piece.place, piece.batch)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!((group.images(), group.images_at(1)), (8, 4));
        let last = batches.next_group(2).unwrap().unwrap();
        assert_eq!(last.sizes, [[3]]);
        assert!(batches.next_group(2).unwrap().is_none());
    }

    #[test]
    fn a_process_without_a_piece_of_the_last_batch_knows_of_it() {
        let cut = Pieces { count: 2, own: 1..2, joins_last: false };
        let source = Source::Cached(vec![batch(2)].into_iter());
        let mut batches = Batches { source, cut, images: 6, batch_size: 4, next: 0 };
        assert_eq!(batches.next_group(1).unwrap().unwrap().pieces.len(), 1);
        let last = batches.next_group(1).unwrap().unwrap();
        assert_eq!((last.pieces.len(), last.images()), (0, 2));
    }
}

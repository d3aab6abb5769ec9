//! How the batches of an epoch are cut into pieces.

use std::ops::Range;

/// How each batch is cut into pieces, which are mixed and given one by one, and which of them are given.
///
/// A piece has a `count`-th of the batch size, rounded up: of a smaller last batch the last pieces are smaller, or
/// there are fewer. A last piece of one image is taken into the piece before, unless all have one.
///
/// ```
/// use taper_dataset::Pieces;
///
/// let pieces = Pieces { count: 4, own: 0..4, joins_last: false };
/// assert_eq!(pieces.of_batch(0, 14, 8), [0..2, 2..4, 4..6, 6..8]);
/// assert_eq!(pieces.of_batch(1, 14, 8), [8..10, 10..12, 12..14]);
/// assert_eq!(pieces.of_batch(1, 13, 8), [8..10, 10..13]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Pieces of a batch. Default 1.
    pub count: usize,
    /// Those that are given. Default all.
    pub own: Range<usize>,
    /// Whether a last batch of one image is taken into the batch before. Default false.
    pub joins_last: bool,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { count: 1, own: 0..1, joins_last: false }
    }
}

impl Pieces {
    /// The number of batches of an epoch of `images`.
    pub fn batches(&self, images: usize, batch_size: usize) -> usize {
        let batches = images.div_ceil(batch_size);
        let joins = self.joins_last && batches > 1 && images % batch_size == 1;
        batches - usize::from(joins)
    }

    /// Images of a piece of a whole batch.
    pub fn size(&self, batch_size: usize) -> usize {
        batch_size.div_ceil(self.count)
    }

    /// The pieces of a batch of an epoch of `images`, each as places in the epoch's order.
    pub fn of_batch(&self, batch: usize, images: usize, batch_size: usize) -> Vec<Range<usize>> {
        let size = self.size(batch_size);
        let last = batch + 1 >= self.batches(images, batch_size);
        let start = (batch * batch_size).min(images);
        let end = if last { images } else { start + batch_size };
        let mut pieces = (end - start).div_ceil(size).min(self.count);
        if size > 1 && pieces > 1 && end - start == (pieces - 1) * size + 1 {
            pieces -= 1;
        }
        let begin = |piece: usize| if piece < pieces { start + piece * size } else { end };
        (0..pieces).map(|piece| begin(piece)..begin(piece + 1)).collect()
    }

    /// The pieces of an epoch that are given, from a batch on: each with its number in the epoch and its places.
    pub(crate) fn of_epoch(
        &self,
        first_batch: usize,
        images: usize,
        batch_size: usize,
    ) -> impl Iterator<Item = (usize, Range<usize>)> {
        let of_batch = move |batch| {
            let pieces = self.of_batch(batch, images, batch_size).into_iter().enumerate();
            let own = pieces.filter(|(piece, _)| self.own.contains(piece));
            own.map(move |(piece, places)| (batch * self.count + piece, places))
        };
        (first_batch..self.batches(images, batch_size)).flat_map(of_batch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pieces_of_all_batches_are_the_epoch_whoever_has_them(
            (images, batch_size, owners) in (1usize..200, 1usize..40, 0u32..4),
            more in 0u32..3,
            joins_last: bool,
        ) {
            let (owners, count) = (1 << owners, 1 << (owners + more));
            let all = |own| Pieces { count, own, joins_last };
            let mut pieces: Vec<(usize, Range<usize>)> = (0..owners)
                .flat_map(|owner| {
                    let each = count / owners;
                    let pieces = all(owner * each..(owner + 1) * each);
                    pieces.of_epoch(0, images, batch_size).collect::<Vec<_>>()
                })
                .collect();
            pieces.sort_by_key(|(number, _)| *number);
            prop_assert_eq!(&pieces, &all(0..count).of_epoch(0, images, batch_size).collect::<Vec<_>>());
            let places: Vec<usize> = pieces.iter().flat_map(|(_, places)| places.clone()).collect();
            prop_assert_eq!(places, (0..images).collect::<Vec<_>>());
            let size = all(0..count).size(batch_size);
            for (_, places) in &pieces {
                let alone = places.len() == 1 && size > 1;
                prop_assert!(!alone || images % batch_size == 1, "{:?}", places);
                prop_assert!(places.len() <= size + 1);
            }
        }
    }

    #[test]
    fn a_last_batch_of_one_image_is_taken_into_the_batch_before_where_that_is_wanted() {
        let joins = Pieces { count: 2, own: 0..2, joins_last: true };
        assert_eq!(joins.batches(9, 4), 2);
        assert_eq!(joins.of_batch(1, 9, 4), [4..6, 6..9]);
        assert_eq!((joins.batches(1, 4), joins.of_batch(0, 1, 4).len()), (1, 1));
        let whole = |joins_last, batch| {
            let pieces = Pieces { joins_last, ..Pieces::default() };
            pieces.of_batch(batch, 9, 4).into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(whole(false, 2), [8]);
        assert_eq!(whole(true, 1), [4, 5, 6, 7, 8]);
    }
}

//! Many items prepared at once, by as many threads as it is worth.

use rayon::prelude::*;

use crate::augment::{Policy, Scratch};
use crate::error::Result;
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::resize_mode::ResizeMode;
use crate::source::Images;

/// Items to decode, bring to the net's size and change at random.
pub(crate) struct PrepareJob<'a> {
    pub source: &'a dyn Images,
    pub indices: &'a [usize],
    pub preprocessing: &'a Preprocessing,
    pub augment: &'a Policy,
    pub seed: u64,
    pub epoch: u64,
}

impl PrepareJob<'_> {
    /// Prepares the items and hands each to `write` with its piece of `out`; the first fault, in the
    /// order of the items, is returned.
    pub(crate) fn run<T: Send>(
        &self,
        out: &mut [T],
        write: impl Fn(&Image, &mut [T]) + Sync,
    ) -> Result<()> {
        let each = self.preprocessing.size().iter().product::<usize>();
        let one = |scratch: &mut Scratch, (out, &index): (&mut [T], &usize)| {
            let &PrepareJob { source, preprocessing, augment, seed, epoch, .. } = self;
            let image = augment.prepare(source, preprocessing, seed, epoch, index, scratch)?;
            write(&image, out);
            Ok(())
        };
        if self.is_little(each) {
            let mut scratch = Scratch::default();
            let mut items = out.chunks_exact_mut(each).zip(self.indices);
            return items.try_for_each(|item| one(&mut scratch, item));
        }
        let results: Vec<Result<()>> = out
            .par_chunks_exact_mut(each)
            .zip(self.indices.par_iter())
            .map_init(Scratch::default, one)
            .collect();
        results.into_iter().collect()
    }

    /// Whether an item of `each` values is so little work that waking threads would cost more.
    fn is_little(&self, each: usize) -> bool {
        let placed = self.preprocessing.placement == ResizeMode::AsIs && !self.augment.crops();
        self.source.in_memory() && placed && (each <= 4096 || !self.augment.changes_images())
    }
}

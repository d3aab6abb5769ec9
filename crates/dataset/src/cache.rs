//! Images that are decoded and placed once.

use std::sync::Arc;

use crate::augment::Policy;
use crate::error::Result;
use crate::image::Image;
use crate::prepare::PrepareJob;
use crate::preprocessing::Preprocessing;
use crate::resize_mode::ResizeMode;
use crate::source::{Images, Labelled, LeftOut, check_indices, with_all_faults};

/// A source whose images are prepared, and the preprocessing that goes on from there.
#[derive(Clone)]
pub struct Cached {
    /// The same items, prepared, those that were wanted in memory.
    pub source: Arc<dyn Labelled>,
    /// What is left to do.
    pub preprocessing: Preprocessing,
}

/// Decodes and places some items of a source once and keeps the bytes, if they take at most
/// `limit` bytes; gives source and preprocessing back as they are if not. Other items are neither opened nor
/// kept: they are prepared when they are asked for.
///
/// An epoch then costs no more than copying and normalizing. The batches are the same to the bit.
///
/// # Errors
///
/// When the preprocessing is not usable, an index is not below the number of items, or items cannot be
/// prepared; all that cannot be read are named.
pub fn cache(
    source: Arc<dyn Labelled>,
    indices: &[usize],
    preprocessing: &Preprocessing,
    limit: usize,
) -> Result<Cached> {
    preprocessing.check()?;
    check_indices(source.as_ref(), indices)?;
    let preprocessing = preprocessing.clone();
    let each = preprocessing.size().iter().product::<usize>(); // sides are at most 2^14
    if each.checked_mul(indices.len()).is_none_or(|bytes| bytes > limit) {
        return Ok(Cached { source, preprocessing });
    }
    let mut pixels = vec![0; each * indices.len()];
    let job = PrepareJob {
        source: source.as_ref(),
        indices,
        preprocessing: &preprocessing,
        augment: &Policy::default(),
        seed: 0,
        epoch: 0,
    };
    job.run(&mut pixels, |image, out| out.copy_from_slice(&image.pixels))
        .map_err(|first| with_all_faults(source.as_ref(), indices, first))?;
    let rest = Preprocessing { placement: ResizeMode::AsIs, ..preprocessing.clone() };
    let mut places = vec![None; source.len()];
    indices.iter().enumerate().for_each(|(place, &index)| places[index] = Some(place));
    let prepared = Prepared { original: source, preprocessing, places, pixels };
    Ok(Cached { source: Arc::new(prepared), preprocessing: rest })
}

/// The prepared images of another source, which still knows everything else.
struct Prepared {
    original: Arc<dyn Labelled>,
    preprocessing: Preprocessing,
    /// Where the pixels of each item stand, if they are kept.
    places: Vec<Option<usize>>,
    pixels: Vec<u8>,
}

impl Images for Prepared {
    fn len(&self) -> usize {
        self.original.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let Some(place) = self.places[index] else {
            return self.preprocessing.prepare(self.original.as_ref(), index);
        };
        let [height, width, channels] = self.preprocessing.size();
        let each = height * width * channels;
        let pixels = self.pixels[place * each..(place + 1) * each].to_vec();
        Ok(Image { height, width, channels, pixels })
    }

    fn item_name(&self, index: usize) -> String {
        self.original.item_name(index)
    }

    fn describe(&self) -> String {
        self.original.describe()
    }

    fn left_out(&self) -> LeftOut {
        self.original.left_out()
    }

    fn in_memory(&self) -> bool {
        true
    }
}

impl Labelled for Prepared {
    fn label(&self, index: usize) -> u32 {
        self.original.label(index)
    }

    fn class_names(&self) -> &[String] {
        self.original.class_names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::embedded;

    #[test]
    fn a_cache_changes_no_byte() {
        let source: Arc<dyn Labelled> = Arc::new(embedded::digits());
        let preprocessing = Preprocessing::mnist();
        // In another order than the source's, and not all.
        let kept: Vec<usize> = (0..source.len()).rev().filter(|index| index % 3 > 0).collect();
        let cached = cache(source.clone(), &kept, &preprocessing, usize::MAX).unwrap();
        assert_eq!(cached.preprocessing.placement, ResizeMode::AsIs);
        for index in (0..source.len()).step_by(100) {
            let now = cached.preprocessing.prepare(cached.source.as_ref(), index).unwrap();
            assert_eq!(now, preprocessing.prepare(source.as_ref(), index).unwrap());
        }
        assert_eq!(cached.source.item_name(5), source.item_name(5));
        assert_eq!(cached.source.labels(), source.labels());
    }

    /// Fails when another item than the first is decoded.
    struct First(Arc<dyn Labelled>);

    impl Images for First {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn decode(&self, index: usize) -> Result<Image> {
            assert_eq!(index, 0);
            self.0.decode(index)
        }

        fn item_name(&self, index: usize) -> String {
            self.0.item_name(index)
        }

        fn describe(&self) -> String {
            self.0.describe()
        }
    }

    impl Labelled for First {
        fn label(&self, index: usize) -> u32 {
            self.0.label(index)
        }

        fn class_names(&self) -> &[String] {
            self.0.class_names()
        }
    }

    #[test]
    fn items_that_are_not_wanted_are_not_opened() {
        let source = Arc::new(First(Arc::new(embedded::digits())));
        let cached = cache(source, &[0], &Preprocessing::mnist(), 784).unwrap();
        assert!(cached.source.in_memory() && cached.source.len() == 1797);
    }

    #[test]
    fn a_source_above_the_limit_is_not_cached() {
        let source: Arc<dyn Labelled> = Arc::new(embedded::digits());
        let all: Vec<usize> = (0..source.len()).collect();
        let cached = cache(source.clone(), &all, &Preprocessing::mnist(), 1797 * 784 - 1).unwrap();
        assert_eq!(cached.preprocessing, Preprocessing::mnist());
        assert!(cache(source, &[1797], &Preprocessing::mnist(), 1 << 20).is_err());
    }
}

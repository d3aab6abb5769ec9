//! Images that are decoded and placed once.

use std::sync::Arc;

use crate::augment::Policy;
use crate::error::Result;
use crate::image::Image;
use crate::prepare::PrepareJob;
use crate::preprocessing::Preprocessing;
use crate::resize_mode::ResizeMode;
use crate::source::{Images, Labelled, with_all_faults};

/// A source whose images are prepared, and the preprocessing that goes on from there.
#[derive(Clone)]
pub struct Cached {
    /// The same items, prepared, in memory.
    pub source: Arc<dyn Labelled>,
    /// What is left to do.
    pub preprocessing: Preprocessing,
}

/// Decodes and places every item of a source once and keeps the bytes, if they take at most
/// `limit` bytes; gives source and preprocessing back as they are if not.
///
/// An epoch then costs no more than copying and normalizing. The batches are the same to the bit.
///
/// # Errors
///
/// When the preprocessing is not usable, or items cannot be prepared; all that cannot be read are named.
pub fn cache(
    source: Arc<dyn Labelled>,
    preprocessing: &Preprocessing,
    limit: usize,
) -> Result<Cached> {
    preprocessing.check()?;
    let preprocessing = preprocessing.clone();
    let each = preprocessing.size().iter().product::<usize>(); // sides are at most 2^14
    if each.checked_mul(source.len()).is_none_or(|bytes| bytes > limit) {
        return Ok(Cached { source, preprocessing });
    }
    let mut pixels = vec![0; each * source.len()];
    let indices: Vec<usize> = (0..source.len()).collect();
    let job = PrepareJob {
        source: source.as_ref(),
        indices: &indices,
        preprocessing: &preprocessing,
        augment: &Policy::default(),
        seed: 0,
        epoch: 0,
    };
    job.run(&mut pixels, |image, out| out.copy_from_slice(&image.pixels))
        .map_err(|first| with_all_faults(source.as_ref(), &indices, first))?;
    let size = preprocessing.size();
    let rest = Preprocessing { placement: ResizeMode::AsIs, ..preprocessing };
    Ok(Cached {
        source: Arc::new(Prepared { original: source, size, pixels }),
        preprocessing: rest,
    })
}

/// The prepared images of another source, which still knows everything else.
struct Prepared {
    original: Arc<dyn Labelled>,
    size: [usize; 3],
    pixels: Vec<u8>,
}

impl Images for Prepared {
    fn len(&self) -> usize {
        self.original.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let [height, width, channels] = self.size;
        let each = height * width * channels;
        let pixels = self.pixels[index * each..(index + 1) * each].to_vec();
        Ok(Image { height, width, channels, pixels })
    }

    fn item_name(&self, index: usize) -> String {
        self.original.item_name(index)
    }

    fn describe(&self) -> String {
        self.original.describe()
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
        let cached = cache(source.clone(), &preprocessing, usize::MAX).unwrap();
        assert_eq!(cached.preprocessing.placement, ResizeMode::AsIs);
        for index in (0..source.len()).step_by(100) {
            let now = cached.preprocessing.prepare(cached.source.as_ref(), index).unwrap();
            assert_eq!(now, preprocessing.prepare(source.as_ref(), index).unwrap());
        }
        assert_eq!(cached.source.item_name(5), source.item_name(5));
        assert_eq!(cached.source.labels(), source.labels());
    }

    #[test]
    fn a_source_above_the_limit_is_not_cached() {
        let source: Arc<dyn Labelled> = Arc::new(embedded::digits());
        let cached = cache(source, &Preprocessing::mnist(), 1797 * 784 - 1).unwrap();
        assert_eq!(cached.preprocessing, Preprocessing::mnist());
    }
}

//! One random change to an image.

use std::fmt::Debug;
use std::sync::Arc;

use crate::augment::elastic::Field;
use crate::image::Image;
use crate::random::Random;

/// The last lane of random numbers that an augmentation of this crate may have.
pub const LAST_LANE: u32 = 127;

/// A random change to an image of the net's size, as bytes: (image, random numbers) to an image.
///
/// What is random comes from `random` alone, a stream of the item's and the epoch's own, so that
/// neither threads nor batches nor a resumed run change a pixel.
///
/// ```
/// use taper_dataset::augment::{Augmentation, Scratch};
/// use taper_dataset::random::Random;
/// use taper_dataset::{Augment, Image, Images, LoaderConfig};
///
/// /// Swaps light and dark, with a probability.
/// #[derive(Debug)]
/// struct Negative(f64);
///
/// impl Augmentation for Negative {
///     fn name(&self) -> &str {
///         "negative"
///     }
///
///     fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
///         if random.chance(self.0) {
///             image.pixels.iter_mut().for_each(|value| *value = 255 - *value);
///         }
///     }
/// }
///
/// // After what the policy `light` does.
/// let policy = Augment::preset("light").unwrap().policy()?.with(Negative(0.5));
/// let config = LoaderConfig { augment: policy, ..LoaderConfig::default() };
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub trait Augmentation: Debug + Send + Sync {
    /// What to call it, in errors.
    fn name(&self) -> &str;

    /// Which of the item's streams of random numbers it draws from: two augmentations of one lane
    /// draw the same numbers, two of different ones do not depend on each other. Those of this crate
    /// have lanes up to [`LAST_LANE`]; by default it is one above, by the name, which two names share once in 2^31.
    fn lane(&self) -> u32 {
        // FNV-1a, 32 bits.
        let hash = self.name().bytes().fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        hash | (LAST_LANE + 1)
    }

    /// Changes the image; its size stays.
    fn apply(&self, image: &mut Image, random: &mut Random, scratch: &mut Scratch);
}

impl<A: Augmentation + ?Sized> Augmentation for Arc<A> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn lane(&self) -> u32 {
        (**self).lane()
    }

    fn apply(&self, image: &mut Image, random: &mut Random, scratch: &mut Scratch) {
        (**self).apply(image, random, scratch);
    }
}

/// Memory that one thread uses for one image after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) pixels: Vec<u8>,
    pub(crate) field: Field,
}

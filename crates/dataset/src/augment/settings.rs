//! What a recipe says of augmentation: keys, defaults and bounds.

use serde::{Deserialize, Serialize};

use crate::augment::erase::EraseFill;
use crate::augment::warp::Border;
use crate::error::{Error, Result};

/// The settings: for each its doc, key, type, default and, for numbers, the least and the most.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr
        $(, $least:literal to $most:literal)?;)+) => {
        /// What is done to the images of the training part, and how strongly. The default is nothing.
        ///
        /// Angles are degrees, probabilities and shares 0 to 1. A pair is the least and the most. With
        /// serde the fields are the keys of a recipe's table `augment`.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Augment {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        /// The keys of a recipe's table `augment`, and what each sets.
        pub const KEYS: &[(&str, &str)] = &[$((stringify!($key), concat!($($doc),+))),+];

        impl Augment {
            /// Nothing is changed.
            pub const fn none() -> Self {
                Augment { $($key: $default),+ }
            }

            /// Whether all settings can be used.
            ///
            /// # Errors
            ///
            /// When a number is outside its range.
            pub fn check(&self) -> Result<()> {
                $($(self.$key.check(concat!("augment.", stringify!($key)), $least, $most)?;)?)+
                Ok(())
            }
        }
    };
}

settings! {
    /// Share of the image that a random crop shows, stretched to the net's size, in place of the
    /// recipe's placement. `[1, 1]`, the default: off. ImageNet's is `[0.08, 1]`.
    resized_crop: [f64; 2] = [1.0, 1.0], 0.001 to 1.0;
    /// Width over height of that crop. Default 3/4 to 4/3.
    resized_crop_ratio: [f64; 2] = [0.75, 4.0 / 3.0], 0.01 to 100.0;
    /// Probability of a mirror image. Digits are not flipped unless this is asked for. Default 0.
    horizontal_flip: f64 = 0.0, 0.0 to 1.0;
    /// Probability of an image upside down. Default 0.
    vertical_flip: f64 = 0.0, 0.0 to 1.0;
    /// Padding crop: the image moves by up to this many whole pixels in both directions. Default 0;
    /// 4 is usual for CIFAR.
    padding: usize = 0, 0.0 to 4096.0;
    /// Largest rotation, either way, in degrees. Default 0.
    rotation: f64 = 0.0, 0.0 to 180.0;
    /// Largest shift along each axis, either way, as a share of the side. Default 0.
    shift: f64 = 0.0, 0.0 to 1.0;
    /// Factor of the size. Default `[1, 1]`.
    scale: [f64; 2] = [1.0, 1.0], 0.01 to 100.0;
    /// Largest angle by which columns lean, either way, in degrees. Default 0.
    shear: f64 = 0.0, 0.0 to 80.0;
    /// Largest perspective: every corner moves inwards by up to this share of half a side.
    /// Default 0.
    perspective: f64 = 0.0, 0.0 to 1.0;
    /// Elastic distortion: Simard's alpha, in pixels. Default 0; 34 with a sigma of 4 is his for
    /// MNIST.
    elastic: f64 = 0.0, 0.0 to 1e4;
    /// Deviation of the Gaussian that smooths the displacements, in pixels. Default 4.
    elastic_sigma: f64 = 4.0, 0.3 to 100.0;
    /// Probability of all the above, flips and crops apart. Default 1.
    warp_probability: f64 = 1.0, 0.0 to 1.0;
    /// What comes in from outside. Default black.
    border: Border = Border::Black;
    /// Operations of RandAugment for each image. Default 0; 2 is usual.
    rand_augment: usize = 0, 0.0 to 100.0;
    /// Their magnitude, 0 to 30. Default 9.
    rand_augment_magnitude: f64 = 9.0, 0.0 to 30.0;
    /// Brightness times 1 ± this. Default 0.
    brightness: f64 = 0.0, 0.0 to 1.0;
    /// Contrast times 1 ± this. Default 0.
    contrast: f64 = 0.0, 0.0 to 1.0;
    /// Saturation times 1 ± this. Default 0.
    saturation: f64 = 0.0, 0.0 to 1.0;
    /// Hue turned by ± this share of the circle, up to 0.5. Default 0.
    hue: f64 = 0.0, 0.0 to 0.5;
    /// Probability of a blur. Default 0.
    blur: f64 = 0.0, 0.0 to 1.0;
    /// Its deviation in pixels. Default `[0.1, 2]`.
    blur_sigma: [f64; 2] = [0.1, 2.0], 0.05 to 100.0;
    /// Largest deviation of Gaussian noise, in units of value / 255. Default 0.
    noise: f64 = 0.0, 0.0 to 1.0;
    /// Probability that a rectangle is erased. Default 0.
    erase: f64 = 0.0, 0.0 to 1.0;
    /// Its share of the image. Default `[0.02, 0.33]`.
    erase_area: [f64; 2] = [0.02, 0.33], 0.0 to 1.0;
    /// Its height over its width. Default `[0.3, 3.3]`.
    erase_ratio: [f64; 2] = [0.3, 3.3], 0.01 to 100.0;
    /// What is in its place. Default black.
    erase_fill: EraseFill = EraseFill::Black;
    /// Mixup's alpha, of the Beta distribution. Default 0: off. 0.2 is usual.
    mixup: f64 = 0.0, 0.0 to 1000.0;
    /// CutMix's alpha. Default 0: off. 1 is usual. With both on, each mixes half of the batches.
    cutmix: f64 = 0.0, 0.0 to 1000.0;
    /// Probability that a batch is mixed at all. Default 1.
    mix_probability: f64 = 1.0, 0.0 to 1.0;
}

impl Default for Augment {
    fn default() -> Self {
        Augment::none()
    }
}

/// A setting with bounds.
trait Bounded {
    fn check(self, key: &'static str, least: f64, most: f64) -> Result<()>;
}

impl Bounded for f64 {
    fn check(self, key: &'static str, least: f64, most: f64) -> Result<()> {
        match (least..=most).contains(&self) {
            true => Ok(()),
            false => Err(Error::setting(key, format!("a number from {least} to {most}"), self)),
        }
    }
}

impl Bounded for usize {
    fn check(self, key: &'static str, least: f64, most: f64) -> Result<()> {
        (self as f64).check(key, least, most)
    }
}

impl Bounded for [f64; 2] {
    fn check(self, key: &'static str, least: f64, most: f64) -> Result<()> {
        let [low, high] = self;
        let expected = || format!("the least and the most, from {least} to {most}");
        match least <= low && low <= high && high <= most {
            true => Ok(()),
            false => Err(Error::setting(key, expected(), format!("[{low}, {high}]"))),
        }
    }
}

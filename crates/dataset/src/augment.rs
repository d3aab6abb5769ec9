//! Random changes to images, so that a net sees each in many ways.
//!
//! Everything drawn for an item is a pure function of (seed, epoch, index), each kind of change with
//! numbers of its own: neither threads, batches nor a resumed run change a pixel, and switching one
//! change on or off leaves what the others draw. All but mixing works on bytes, before
//! normalization.
//!
//! The order is fixed: resized crop; then flips, padding crop, rotation with scale, shear and shift,
//! perspective and elastic distortion, which are one look-up per pixel, bilinear, rounded once; then
//! RandAugment, colours, blur, noise, erasing; then, batch by batch, mixup and CutMix.

mod apply;
mod blur;
mod color;
mod crop;
mod elastic;
mod erase;
mod geometry;
mod mix;
mod noise;
mod presets;
mod rand_augment;
mod tone;
mod warp;

pub use apply::Scratch;
pub use erase::EraseFill;
pub(crate) use mix::mix;
pub use presets::PRESETS;
pub use warp::Border;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is done to the images of the training part, and how strongly. The default is nothing.
///
/// Angles are degrees, probabilities and shares 0 to 1. A pair is the least and the most.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Share of the image that a random crop shows, stretched to the net's size, in place of the
    /// recipe's placement. `[1, 1]`, the default: off. ImageNet's is `[0.08, 1]`.
    pub resized_crop: [f64; 2],
    /// Width over height of that crop. Default 3/4 to 4/3.
    pub resized_crop_ratio: [f64; 2],
    /// Probability of a mirror image. Digits are not flipped unless this is asked for. Default 0.
    pub horizontal_flip: f64,
    /// Probability of an image upside down. Default 0.
    pub vertical_flip: f64,
    /// Padding crop: the image moves by up to so many whole pixels in both directions. Default 0;
    /// 4 is usual for CIFAR.
    pub padding: usize,
    /// Largest rotation, either way, in degrees. Default 0.
    pub rotation: f64,
    /// Largest shift along each axis, either way, as a share of the side. Default 0.
    pub shift: f64,
    /// Factor of the size. Default `[1, 1]`.
    pub scale: [f64; 2],
    /// Largest angle by which columns lean, either way, in degrees. Default 0.
    pub shear: f64,
    /// Largest perspective: every corner moves inwards by up to this share of half a side.
    /// Default 0.
    pub perspective: f64,
    /// Elastic distortion: Simard's alpha, in pixels. Default 0; 34 with a sigma of 4 is his for
    /// MNIST.
    pub elastic: f64,
    /// Deviation of the Gaussian that smooths the displacements, in pixels. Default 4.
    pub elastic_sigma: f64,
    /// Probability of all the above, flips and crops apart. Default 1.
    pub warp_probability: f64,
    /// What comes in from outside. Default black.
    pub border: Border,
    /// Operations of RandAugment for each image. Default 0; 2 is usual.
    pub rand_augment: usize,
    /// Their magnitude, 0 to 30. Default 9.
    pub rand_augment_magnitude: f64,
    /// Brightness times 1 ± this. Default 0.
    pub brightness: f64,
    /// Contrast times 1 ± this. Default 0.
    pub contrast: f64,
    /// Saturation times 1 ± this. Default 0.
    pub saturation: f64,
    /// Hue turned by ± this share of the circle, up to 0.5. Default 0.
    pub hue: f64,
    /// Probability of a blur. Default 0.
    pub blur: f64,
    /// Its deviation in pixels. Default `[0.1, 2]`.
    pub blur_sigma: [f64; 2],
    /// Largest deviation of Gaussian noise, in units of value / 255. Default 0.
    pub noise: f64,
    /// Probability that a rectangle is erased. Default 0.
    pub erase: f64,
    /// Its share of the image. Default `[0.02, 0.33]`.
    pub erase_area: [f64; 2],
    /// Its height over its width. Default `[0.3, 3.3]`.
    pub erase_ratio: [f64; 2],
    /// What is in its place. Default black.
    pub erase_fill: EraseFill,
    /// Mixup's alpha, of the Beta distribution. Default 0: off. 0.2 is usual.
    pub mixup: f64,
    /// CutMix's alpha. Default 0: off. 1 is usual. With both on, each mixes half of the batches.
    pub cutmix: f64,
    /// Probability that a batch is mixed at all. Default 1.
    pub mix_probability: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Augment::none()
    }
}

impl Augment {
    /// Nothing is changed.
    pub const fn none() -> Self {
        Augment {
            resized_crop: [1.0, 1.0],
            resized_crop_ratio: [0.75, 4.0 / 3.0],
            horizontal_flip: 0.0,
            vertical_flip: 0.0,
            padding: 0,
            rotation: 0.0,
            shift: 0.0,
            scale: [1.0, 1.0],
            shear: 0.0,
            perspective: 0.0,
            elastic: 0.0,
            elastic_sigma: 4.0,
            warp_probability: 1.0,
            border: Border::Black,
            rand_augment: 0,
            rand_augment_magnitude: 9.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            blur: 0.0,
            blur_sigma: [0.1, 2.0],
            noise: 0.0,
            erase: 0.0,
            erase_area: [0.02, 0.33],
            erase_ratio: [0.3, 3.3],
            erase_fill: EraseFill::Black,
            mixup: 0.0,
            cutmix: 0.0,
            mix_probability: 1.0,
        }
    }

    /// Whether single images are changed.
    pub fn changes_images(&self) -> bool {
        let unmixed = Augment { mixup: 0.0, cutmix: 0.0, ..*self };
        unmixed.crops() || unmixed.moves() || unmixed.recolors() || unmixed.covers()
    }

    /// Whether batches are mixed, so that targets are soft.
    pub fn mixes(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0
    }

    /// Whether the resized crop takes the place of the placement, and so needs images that have not
    /// been placed.
    pub fn crops(&self) -> bool {
        self.resized_crop != [1.0, 1.0]
    }

    fn moves(&self) -> bool {
        let flips = self.horizontal_flip > 0.0 || self.vertical_flip > 0.0;
        flips || self.padding > 0 || self.turns() || self.elastic > 0.0
    }

    fn turns(&self) -> bool {
        let angles = self.rotation > 0.0 || self.shear > 0.0;
        angles || self.shift > 0.0 || self.scale != [1.0, 1.0] || self.perspective > 0.0
    }

    fn recolors(&self) -> bool {
        let tones = self.brightness > 0.0 || self.contrast > 0.0;
        let colors = self.saturation > 0.0 || self.hue > 0.0;
        tones || colors || self.rand_augment > 0
    }

    fn covers(&self) -> bool {
        self.blur > 0.0 || self.noise > 0.0 || self.erase > 0.0
    }

    /// Whether all settings can be used.
    ///
    /// # Errors
    ///
    /// When a number is outside its range.
    pub fn check(&self) -> Result<()> {
        let within = |name, value: f64, least: f64, most: f64| match (least..=most).contains(&value)
        {
            true => Ok(()),
            false => Err(Error::setting(name, format!("a number from {least} to {most}"), value)),
        };
        let pair = |name, [low, high]: [f64; 2], least: f64, most: f64| {
            let fits = least <= low && low <= high && high <= most;
            let expected = format!("the least and the most, from {least} to {most}");
            if fits {
                Ok(())
            } else {
                Err(Error::setting(name, expected, format!("[{low}, {high}]")))
            }
        };
        for (name, probability) in [
            ("augment.horizontal_flip", self.horizontal_flip),
            ("augment.vertical_flip", self.vertical_flip),
            ("augment.warp_probability", self.warp_probability),
            ("augment.perspective", self.perspective),
            ("augment.blur", self.blur),
            ("augment.noise", self.noise),
            ("augment.erase", self.erase),
            ("augment.mix_probability", self.mix_probability),
            ("augment.shift", self.shift),
            ("augment.brightness", self.brightness),
            ("augment.contrast", self.contrast),
            ("augment.saturation", self.saturation),
        ] {
            within(name, probability, 0.0, 1.0)?;
        }
        within("augment.hue", self.hue, 0.0, 0.5)?;
        within("augment.rotation", self.rotation, 0.0, 180.0)?;
        within("augment.shear", self.shear, 0.0, 80.0)?;
        within("augment.elastic", self.elastic, 0.0, 1e4)?;
        within("augment.elastic_sigma", self.elastic_sigma, 0.3, 100.0)?;
        within("augment.rand_augment_magnitude", self.rand_augment_magnitude, 0.0, 30.0)?;
        within("augment.rand_augment", self.rand_augment as f64, 0.0, 100.0)?;
        within("augment.padding", self.padding as f64, 0.0, 4096.0)?;
        within("augment.mixup", self.mixup, 0.0, 1000.0)?;
        within("augment.cutmix", self.cutmix, 0.0, 1000.0)?;
        pair("augment.resized_crop", self.resized_crop, 0.001, 1.0)?;
        pair("augment.resized_crop_ratio", self.resized_crop_ratio, 0.01, 100.0)?;
        pair("augment.scale", self.scale, 0.01, 100.0)?;
        pair("augment.blur_sigma", self.blur_sigma, 0.05, 100.0)?;
        pair("augment.erase_area", self.erase_area, 0.0, 1.0)?;
        pair("augment.erase_ratio", self.erase_ratio, 0.01, 100.0)
    }
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

//! A list of augmentations, and what makes it of a recipe's settings.

use std::sync::Arc;

use crate::augment::affine::Affine;
use crate::augment::augmentation::{Augmentation, Scratch};
use crate::augment::blur::Blur;
use crate::augment::color::ColorJitter;
use crate::augment::crop::ResizedCrop;
use crate::augment::elastic::Elastic;
use crate::augment::erase::Erase;
use crate::augment::flip::Flip;
use crate::augment::mix::Mix;
use crate::augment::noise::Noise;
use crate::augment::padding::PaddingCrop;
use crate::augment::perspective::Perspective;
use crate::augment::presets::LIGHT;
use crate::augment::rand_augment::RandAugment;
use crate::augment::settings::Augment;
use crate::augment::warp::Warp;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::random::{Purpose, Random};
use crate::source::{Images, sound};

/// What is done to images at random: a crop in place of resizing, a list of augmentations, and how
/// the batches are mixed. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    crop: Option<ResizedCrop>,
    augmentations: Vec<Arc<dyn Augmentation>>,
    pub(crate) mix: Option<Mix>,
}

impl Augment {
    /// The augmentations that are on, in their order.
    ///
    /// # Errors
    ///
    /// As [`Augment::check`].
    pub fn policy(&self) -> Result<Policy> {
        self.check()?;
        Ok(self.list())
    }

    /// As [`Augment::policy`], for test-time augmentation: without what hides something (erasing,
    /// noise, RandAugment, mixing); `light` where that leaves nothing.
    ///
    /// # Errors
    ///
    /// As [`Augment::check`].
    pub fn tta_policy(&self) -> Result<Policy> {
        let (mixup, cutmix, erase, noise) = (0.0, 0.0, 0.0, 0.0);
        let tta = Augment { mixup, cutmix, erase, noise, rand_augment: 0, ..*self }.policy()?;
        Ok(if tta.changes_images() { tta } else { LIGHT.list() })
    }

    /// As [`Augment::policy`], unchecked.
    pub(crate) fn list(&self) -> Policy {
        let crop = ResizedCrop { area: self.resized_crop, ratio: self.resized_crop_ratio };
        let warp = Warp {
            flip: Flip { horizontal: self.horizontal_flip, vertical: self.vertical_flip },
            padding: PaddingCrop { padding: self.padding },
            affine: Affine {
                rotation: self.rotation,
                shift: self.shift,
                scale: self.scale,
                shear: self.shear,
            },
            perspective: Perspective { most: self.perspective },
            elastic: Elastic { alpha: self.elastic, sigma: self.elastic_sigma },
            probability: self.warp_probability,
            border: self.border,
        };
        let rand_augment = RandAugment {
            count: self.rand_augment,
            magnitude: self.rand_augment_magnitude,
            border: self.border,
        };
        let color = ColorJitter {
            brightness: self.brightness,
            contrast: self.contrast,
            saturation: self.saturation,
            hue: self.hue,
        };
        let blur = Blur { probability: self.blur, sigma: self.blur_sigma };
        let noise = Noise { deviation: self.noise };
        let erase = Erase {
            probability: self.erase,
            area: self.erase_area,
            ratio: self.erase_ratio,
            fill: self.erase_fill,
        };
        let mix = Mix { mixup: self.mixup, cutmix: self.cutmix, probability: self.mix_probability };

        let mut policy = Policy {
            crop: crop.is_on().then_some(crop),
            augmentations: Vec::new(),
            mix: mix.is_on().then_some(mix),
        };
        policy.add_if(warp.is_on(), warp);
        policy.add_if(rand_augment.count > 0, rand_augment);
        policy.add_if(color.is_on(), color);
        policy.add_if(blur.probability > 0.0, blur);
        policy.add_if(noise.deviation > 0.0, noise);
        policy.add_if(erase.probability > 0.0, erase);
        policy
    }
}

impl Policy {
    fn add_if(&mut self, on: bool, augmentation: impl Augmentation + 'static) {
        if on {
            self.augmentations.push(Arc::new(augmentation));
        }
    }

    /// The same with one more augmentation, after the others and before mixing.
    pub fn with(mut self, augmentation: impl Augmentation + 'static) -> Self {
        self.add_if(true, augmentation);
        self
    }

    /// Whether single images are changed.
    pub fn changes_images(&self) -> bool {
        self.crops() || !self.augmentations.is_empty()
    }

    /// Whether batches are mixed, so that targets are soft.
    pub fn mixes(&self) -> bool {
        self.mix.is_some()
    }

    /// Whether a random crop takes the place of resizing, and so needs images as they are.
    pub fn crops(&self) -> bool {
        self.crop.is_some()
    }

    /// Decodes an item, brings it to the net's size and changes it, as (seed, epoch, index) say: the
    /// same three, the same pixels.
    ///
    /// # Errors
    ///
    /// As [`Preprocessing::prepare`]; an augmentation that makes an image of another size.
    ///
    /// ```
    /// use taper_dataset::augment::Scratch;
    /// use taper_dataset::{Augment, Preprocessing, source::embedded};
    ///
    /// let source = embedded::digits();
    /// let digits = Augment::preset("digits").unwrap().policy()?;
    /// let (mnist, mut scratch) = (Preprocessing::mnist(), Scratch::default());
    /// let mut image = |epoch| digits.prepare(&source, &mnist, 7, epoch, 3, &mut scratch);
    /// assert_eq!(image(0)?, image(0)?);
    /// assert_ne!(image(0)?, image(1)?);
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn prepare(
        &self,
        source: &dyn Images,
        preprocessing: &Preprocessing,
        seed: u64,
        epoch: u64,
        index: usize,
        scratch: &mut Scratch,
    ) -> Result<Image> {
        let random = Random::new(seed, Purpose::Augment, epoch, index as u64);
        let mut image = match &self.crop {
            None => preprocessing.prepare(source, index)?,
            Some(crop) => {
                let &Preprocessing { height, width, channels, filter, .. } = preprocessing;
                let image = sound(source, index, source.decode(index)?)?.into_channels(channels)?;
                crop.apply(&image, (height, width), filter, random.clone())
            }
        };
        let size = image.size();
        for augmentation in &self.augmentations {
            let random = &mut random.clone().lane(augmentation.lane());
            augmentation.apply(&mut image, random, scratch);
            if image.size() != size || image.pixels.len() != size.iter().product::<usize>() {
                let (name, expected) = (augmentation.name().to_owned(), size);
                return Err(Error::Augmentation { name, expected, found: image.size() });
            }
        }
        Ok(image)
    }
}

//! A policy applied to one item.

use crate::augment::elastic::Field;
use crate::augment::geometry::{Map, Motion};
use crate::augment::warp::warp;
use crate::augment::{Augment, blur, color, crop, erase, noise, rand_augment};
use crate::error::Result;
use crate::image::Image;
use crate::preprocessing::Preprocessing;
use crate::random::{Purpose, Random};
use crate::resize::{Edge, resize_part};
use crate::source::Images;

/// Memory that one thread uses for one image after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    pixels: Vec<u8>,
    field: Field,
}

/// What each kind of change takes its random numbers from.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Lane {
    Crop = 1,
    Flip = 2,
    Padding = 3,
    Motion = 4,
    Perspective = 5,
    Elastic = 6,
    RandAugment = 7,
    Color = 8,
    Blur = 9,
    Noise = 10,
    Erase = 11,
}

impl Augment {
    /// Decodes an item, brings it to the preprocessing's size and changes it, as (seed, epoch, index)
    /// say: the same three, the same pixels.
    ///
    /// # Errors
    ///
    /// As [`Preprocessing::prepare`].
    ///
    /// ```
    /// use taper_dataset::augment::Scratch;
    /// use taper_dataset::{Augment, Preprocessing, source::embedded};
    ///
    /// let source = embedded::digits();
    /// let digits = Augment::preset("digits").unwrap();
    /// let mut scratch = Scratch::default();
    /// let mut image = |epoch| digits.prepare(&source, &Preprocessing::mnist(), 7, epoch, 3, &mut scratch);
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
        let mut image = match self.crops() {
            false => preprocessing.prepare(source, index)?,
            true => {
                let image = source.decode(index)?.into_channels(preprocessing.channels)?;
                self.crop(&image, preprocessing, random.clone().lane(Lane::Crop as u8))
            }
        };
        self.apply(&mut image, &random, scratch);
        Ok(image)
    }

    fn crop(&self, image: &Image, preprocessing: &Preprocessing, mut random: Random) -> Image {
        let (area, ratio) = (self.resized_crop, self.resized_crop_ratio);
        let part = crop::draw(image.height, image.width, area, ratio, &mut random);
        let range = |start: usize, len: usize| (start as f64, (start + len) as f64);
        let (rows, columns) = (range(part.top, part.height), range(part.left, part.width));
        let size = (preprocessing.height, preprocessing.width);
        resize_part(image, rows, columns, size, preprocessing.filter, Edge::Cut)
    }

    /// All changes but crop and mixing.
    fn apply(&self, image: &mut Image, random: &Random, scratch: &mut Scratch) {
        let lane = |lane: Lane| random.clone().lane(lane as u8);
        if self.moves() {
            self.warp(image, lane, scratch);
        }
        if self.rand_augment > 0 {
            let (count, magnitude) = (self.rand_augment, self.rand_augment_magnitude);
            let random = &mut lane(Lane::RandAugment);
            let pixels = &mut scratch.pixels;
            rand_augment::apply(image, count, magnitude, self.border, random, pixels);
        }
        let strengths = color::Jitter {
            brightness: self.brightness,
            contrast: self.contrast,
            saturation: self.saturation,
            hue: self.hue,
        };
        if strengths != color::Jitter::NONE {
            color::jitter(image, &strengths, &mut lane(Lane::Color));
        }
        if self.blur > 0.0 {
            let mut random = lane(Lane::Blur);
            if random.chance(self.blur) {
                blur::blur(image, random.between(self.blur_sigma[0], self.blur_sigma[1]));
            }
        }
        if self.noise > 0.0 {
            let mut random = lane(Lane::Noise);
            let deviation = random.between(0.0, self.noise);
            noise::add(image, deviation, &mut random);
        }
        if self.erase > 0.0 {
            let mut random = lane(Lane::Erase);
            if random.chance(self.erase) {
                let (area, ratio) = (self.erase_area, self.erase_ratio);
                erase::erase(image, area, ratio, self.erase_fill, &mut random);
            }
        }
    }

    /// Everything that moves pixels, in one look-up.
    fn warp(&self, image: &mut Image, lane: impl Fn(Lane) -> Random, scratch: &mut Scratch) {
        let (height, width) = (image.height, image.width);
        let mut random = lane(Lane::Flip);
        let horizontal = random.chance(self.horizontal_flip);
        let vertical = random.chance(self.vertical_flip);
        let mut random = lane(Lane::Padding);
        let mut move_by = || random.below(2 * self.padding + 1) as f64 - self.padding as f64;
        let (right, down) = (move_by(), move_by());
        // Maps lead from the result to the image, so the last change comes first.
        let mut map =
            Map::shift(-right, -down).then(&Map::flip(height, width, horizontal, vertical));
        let mut field = None;
        if (self.turns() || self.elastic > 0.0) && lane(Lane::Motion).chance(self.warp_probability)
        {
            let motion = self.motion(height, width, &mut lane(Lane::Motion));
            map = Map::affine(height, width, &motion).then(&map);
            if let Some(perspective) = self.corners(height, width, &mut lane(Lane::Perspective)) {
                map = perspective.then(&map);
            }
            if self.elastic > 0.0 {
                let random = &mut lane(Lane::Elastic);
                scratch.field.draw(height, width, self.elastic, self.elastic_sigma, random);
                field = Some(&scratch.field);
            }
        }
        if map == Map::IDENTITY && field.is_none() {
            return;
        }
        warp(image, &map, field, self.border, &mut scratch.pixels);
        std::mem::swap(&mut image.pixels, &mut scratch.pixels);
    }

    fn motion(&self, height: usize, width: usize, random: &mut Random) -> Motion {
        random.uniform(); // whether anything moves at all
        let mut either_way = |most: f64| random.between(-most, most);
        let angle = either_way(self.rotation);
        let shift_x = either_way(self.shift * width as f64);
        let shift_y = either_way(self.shift * height as f64);
        let shear = either_way(self.shear);
        // Evenly spread on a logarithmic scale: as often half as twice the size.
        let scale = random.between(self.scale[0].ln(), self.scale[1].ln()).exp();
        Motion { angle, shift_x, shift_y, shear, scale }
    }

    /// The way back from an image whose corners have moved inwards.
    fn corners(&self, height: usize, width: usize, random: &mut Random) -> Option<Map> {
        if self.perspective == 0.0 {
            return None;
        }
        let (w, h) = (width as f64, height as f64);
        let corners = [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]];
        let moved = corners.map(|[x, y]| {
            let mut inwards = |place: f64, side: f64| {
                let by = random.between(0.0, 0.5 * self.perspective * side);
                if place == 0.0 { by } else { place - by }
            };
            [inwards(x, w), inwards(y, h)]
        });
        // Where corners have met there is no way back: it is left out.
        Map::perspective(moved, corners)
    }
}

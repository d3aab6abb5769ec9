//! RandAugment (Cubuk et al., 2020): some operations of a fixed list, all of the same magnitude.
//!
//! List and ranges are torchvision's `RandAugment`. Geometric ones fill with the policy's border.

use crate::augment::augmentation::{Augmentation, Scratch};
use crate::augment::geometry::{Map, Motion};
use crate::augment::warp::{Border, warp};
use crate::augment::{color, tone};
use crate::image::Image;
use crate::random::Random;

/// The largest magnitude.
const MOST: f64 = 30.0;

/// Applies `count` operations, drawn with repetition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RandAugment {
    pub count: usize,
    /// 0 to 30.
    pub magnitude: f64,
    pub border: Border,
}

impl Augmentation for RandAugment {
    fn name(&self) -> &str {
        "RandAugment"
    }

    fn lane(&self) -> u32 {
        7
    }

    fn apply(&self, image: &mut Image, random: &mut Random, scratch: &mut Scratch) {
        for _ in 0..self.count {
            let operation = draw(image, self.magnitude / MOST, random);
            let (height, width) = (image.height, image.width);
            let map = match operation {
                Operation::Move(motion) => Map::affine(height, width, &motion),
                // Rows lean as columns do when the axes change places.
                Operation::Lean(slope) => Map([
                    [1.0, 0.0, 0.0],
                    [slope, 1.0, -slope * width as f64 / 2.0],
                    [0.0, 0.0, 1.0],
                ]),
                _ => {
                    change(image, operation);
                    continue;
                }
            };
            warp(image, &map, None, self.border, &mut scratch.pixels);
            std::mem::swap(&mut image.pixels, &mut scratch.pixels);
        }
    }
}

/// One of the operations, with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Identity,
    Move(Motion),
    Lean(f64),
    Brightness(f64),
    Saturation(f64),
    Contrast(f64),
    Sharpness(f64),
    Posterize(u32),
    Solarize(f64),
    Autocontrast,
    Equalize,
}

fn draw(image: &Image, share: f64, random: &mut Random) -> Operation {
    let choice = random.below(14);
    let sign = if random.next_u32() & 1 == 0 { 1.0 } else { -1.0 };
    let factor = 1.0 + sign * 0.9 * share;
    let shift = sign * share * 150.0 / 331.0;
    let motion = Motion::NONE;
    match choice {
        0 => Operation::Identity,
        1 => {
            let shear = (sign * 0.3 * share).atan().to_degrees();
            Operation::Move(Motion { shear, ..motion })
        }
        2 => Operation::Lean(sign * 0.3 * share),
        3 => Operation::Move(Motion { shift_x: (shift * image.width as f64).trunc(), ..motion }),
        4 => Operation::Move(Motion { shift_y: (shift * image.height as f64).trunc(), ..motion }),
        5 => Operation::Move(Motion { angle: sign * 30.0 * share, ..motion }),
        6 => Operation::Brightness(factor),
        7 => Operation::Saturation(factor),
        8 => Operation::Contrast(factor),
        9 => Operation::Sharpness(factor),
        10 => Operation::Posterize(8 - (4.0 * share).round() as u32), // share is at most 1
        11 => Operation::Solarize(255.0 * (1.0 - share)),
        12 => Operation::Autocontrast,
        _ => Operation::Equalize,
    }
}

fn change(image: &mut Image, operation: Operation) {
    match operation {
        Operation::Identity | Operation::Move(_) | Operation::Lean(_) => {}
        Operation::Brightness(factor) => color::brightness(image, factor),
        Operation::Saturation(factor) => color::saturation(image, factor),
        Operation::Contrast(factor) => color::contrast(image, factor),
        Operation::Sharpness(factor) => tone::sharpen(image, factor),
        Operation::Posterize(bits) => tone::posterize(image, bits),
        Operation::Solarize(threshold) => tone::solarize(image, threshold),
        Operation::Autocontrast => tone::autocontrast(image),
        Operation::Equalize => tone::equalize(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn every_operation_is_drawn_about_equally_often_with_both_signs() {
        let image = Image::black(10, 10, 1);
        let mut seen = std::collections::BTreeMap::new();
        for index in 0..2800 {
            let mut random = Random::new(0, Purpose::Augment, 0, index);
            let name = format!("{:?}", draw(&image, 0.5, &mut random));
            *seen.entry(name).or_insert(0) += 1;
        }
        // Ten of the fourteen have a sign, posterize and solarize none: 10 * 2 - 1 + 5 names.
        let all = seen.values().sum::<i32>();
        assert_eq!((all, seen.len()), (2800, 9 * 2 + 5));
        assert!(seen.values().all(|&count| (60..280).contains(&count)), "{seen:?}");
    }

    #[test]
    fn magnitude_zero_moves_nothing() {
        let image = Image::black(10, 10, 1);
        for index in 0..50 {
            let mut random = Random::new(0, Purpose::Augment, 0, index);
            match draw(&image, 0.0, &mut random) {
                Operation::Move(motion) => assert_eq!(motion, Motion::NONE),
                Operation::Posterize(bits) => assert_eq!(bits, 8),
                _ => {}
            }
        }
    }
}

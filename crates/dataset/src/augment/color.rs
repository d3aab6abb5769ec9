//! Colour jitter: brightness, contrast, saturation and hue.
//!
//! The operations and their ranges are torchvision's `ColorJitter`, on bytes, rounded after each.

use crate::augment::augmentation::{Augmentation, Scratch};
use crate::image::{Image, luma};
use crate::random::Random;

/// How far each may go: a factor of 1 ± its strength; hue is turned by ± its share of the circle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ColorJitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    pub hue: f64,
}

impl ColorJitter {
    pub(crate) fn is_on(&self) -> bool {
        [self.brightness, self.contrast, self.saturation, self.hue].iter().any(|most| *most > 0.0)
    }
}

impl Augmentation for ColorJitter {
    fn name(&self) -> &str {
        "colour jitter"
    }

    fn lane(&self) -> u32 {
        8
    }

    /// All four in random order.
    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        let mut factor = |strength: f64| random.between((1.0 - strength).max(0.0), 1.0 + strength);
        let brightness_by = factor(self.brightness);
        let contrast_by = factor(self.contrast);
        let saturation_by = factor(self.saturation);
        let hue_by = random.between(-self.hue, self.hue);
        let mut order = [0, 1, 2, 3];
        random.shuffle(&mut order);
        for step in order {
            match step {
                0 if self.brightness > 0.0 => brightness(image, brightness_by),
                1 if self.contrast > 0.0 => contrast(image, contrast_by),
                2 if self.saturation > 0.0 => saturation(image, saturation_by),
                3 if self.hue > 0.0 => hue(image, hue_by),
                _ => {}
            }
        }
    }
}

/// `factor * value`.
pub(crate) fn brightness(image: &mut Image, factor: f64) {
    map(image, |value| factor * value);
}

/// `mean + factor * (value - mean)`, of the mean luma.
pub(crate) fn contrast(image: &mut Image, factor: f64) {
    let count = (image.height * image.width) as f64;
    let total: u64 = match image.channels {
        1 => image.pixels.iter().map(|&value| u64::from(value)).sum(),
        _ => image.pixels.chunks_exact(3).map(|p| u64::from(luma(p[0], p[1], p[2]))).sum(),
    };
    let mean = total as f64 / count;
    map(image, |value| mean + factor * (value - mean));
}

/// `grey + factor * (value - grey)`; nothing for a grey image.
pub(crate) fn saturation(image: &mut Image, factor: f64) {
    if image.channels == 3 {
        for pixel in image.pixels.chunks_exact_mut(3) {
            let grey = f64::from(luma(pixel[0], pixel[1], pixel[2]));
            for value in pixel {
                *value = byte(grey + factor * (f64::from(*value) - grey));
            }
        }
    }
}

/// Turns the hue by a share of the circle; nothing for a grey image.
pub(crate) fn hue(image: &mut Image, share: f64) {
    if image.channels == 3 {
        for pixel in image.pixels.chunks_exact_mut(3) {
            let turned = turn([pixel[0], pixel[1], pixel[2]], share);
            pixel.copy_from_slice(&turned);
        }
    }
}

/// By hue, saturation and value (Smith, 1978).
fn turn(pixel: [u8; 3], share: f64) -> [u8; 3] {
    let [red, green, blue] = pixel.map(f64::from);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let spread = most - least;
    if spread == 0.0 {
        return pixel;
    }
    // In sixths of the circle.
    let hue = if most == red {
        (green - blue) / spread
    } else if most == green {
        2.0 + (blue - red) / spread
    } else {
        4.0 + (red - green) / spread
    };
    let hue = (hue + 6.0 * share).rem_euclid(6.0);
    // Each channel is full within one sixth of its own place, and falls within the next.
    let channel = |place: f64| {
        let distance = (hue - place).abs();
        let distance = distance.min(6.0 - distance);
        byte(least + spread * (2.0 - distance).clamp(0.0, 1.0))
    };
    [channel(0.0), channel(2.0), channel(4.0)]
}

/// Every value through a table.
pub(crate) fn map(image: &mut Image, function: impl Fn(f64) -> f64) {
    let table: [u8; 256] = std::array::from_fn(|value| byte(function(value as f64)));
    for value in &mut image.pixels {
        *value = table[usize::from(*value)];
    }
}

/// Rounded half up, within 0 to 255.
fn byte(value: f64) -> u8 {
    (value + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours() -> Image {
        Image::new(1, 2, 3, vec![200, 100, 50, 10, 20, 30]).unwrap()
    }

    #[test]
    fn a_factor_of_one_changes_nothing() {
        let mut image = colours();
        brightness(&mut image, 1.0);
        contrast(&mut image, 1.0);
        saturation(&mut image, 1.0);
        hue(&mut image, 0.0);
        hue(&mut image, 1.0);
        assert_eq!(image, colours());
    }

    #[test]
    fn a_factor_of_zero_leaves_black_the_mean_and_grey() {
        let (mut black, mut mean, mut grey) = (colours(), colours(), colours());
        brightness(&mut black, 0.0);
        contrast(&mut mean, 0.0);
        saturation(&mut grey, 0.0);
        assert_eq!(black.pixels, [0; 6]);
        // Lumas 124 and 18.
        assert_eq!(mean.pixels, [71; 6]);
        assert_eq!(grey.pixels, [124, 124, 124, 18, 18, 18]);
    }

    #[test]
    fn a_third_of_the_circle_takes_red_to_green() {
        assert_eq!(turn([255, 0, 0], 1.0 / 3.0), [0, 255, 0]);
        assert_eq!(turn([0, 200, 100], 1.0 / 3.0), [100, 0, 200]);
        assert_eq!(turn([200, 100, 50], 0.5), [50, 150, 200]);
    }
}

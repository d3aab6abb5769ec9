//! Gaussian blur.

use crate::augment::augmentation::{Augmentation, Scratch};
use crate::augment::elastic::gaussian;
use crate::image::Image;
use crate::random::Random;

/// Blurs with a probability, by a random deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Blur {
    pub probability: f64,
    /// Least and largest deviation, in pixels.
    pub sigma: [f64; 2],
}

impl Augmentation for Blur {
    fn name(&self) -> &str {
        "blur"
    }

    fn lane(&self) -> u32 {
        9
    }

    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        if random.chance(self.probability) {
            blur(image, random.between(self.sigma[0], self.sigma[1]));
        }
    }
}

/// Blurs by a Gaussian of a deviation in pixels, cut off at three deviations; beyond the border the
/// image is mirrored without repeating its border pixels (`scipy.ndimage`'s `mirror`).
pub(crate) fn blur(image: &mut Image, sigma: f64) {
    let mut kernel = Vec::new();
    gaussian(sigma, &mut kernel);
    if kernel.len() < 2 {
        return;
    }
    let (height, width, channels) = (image.height, image.width, image.channels);
    let radius = kernel.len() / 2;
    // The values of a row side by side, with room for the kernel at both ends.
    let (stride, room) = (width * channels, radius * channels);
    let mut line = vec![0.0f32; stride + 2 * room];
    let mut blurred = vec![0.0f32; stride];
    let before = image.pixels.clone();
    for (row, out) in image.pixels.chunks_exact_mut(stride).enumerate() {
        // Each tap is added to a whole row, so that the compiler makes vectors of it.
        let middle = &mut line[room..room + stride];
        middle.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            let from = mirror((row + tap) as isize - radius as isize, height);
            let values = &before[from * stride..][..stride];
            middle.iter_mut().zip(values).for_each(|(sum, &v)| *sum += weight * f32::from(v));
        }
        for place in (0..radius).chain(radius + width..width + 2 * radius) {
            let from = radius + mirror(place as isize - radius as isize, width);
            line.copy_within(from * channels..(from + 1) * channels, place * channels);
        }
        blurred.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            let values = &line[tap * channels..][..stride];
            blurred.iter_mut().zip(values).for_each(|(sum, &value)| *sum += weight * value);
        }
        for (out, &value) in out.iter_mut().zip(&blurred) {
            *out = (value + 0.5) as u8;
        }
    }
}

/// The place inside `0..len` that stands for `place`.
fn mirror(place: isize, len: usize) -> usize {
    if len == 1 {
        return 0;
    }
    let period = 2 * (len as isize - 1);
    let place = place.rem_euclid(period);
    (if place < len as isize { place } else { period - place }) as usize // below len, not negative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_bell_of_the_same_mass() {
        let mut image = Image::black(11, 11, 1);
        image.pixels[5 * 11 + 5] = 255;
        blur(&mut image, 1.0);
        // 255 / (2 pi) is 40.6; the kernel is cut at three deviations.
        assert_eq!(image.pixels[5 * 11 + 5], 41);
        let total: u32 = image.pixels.iter().map(|&value| u32::from(value)).sum();
        assert!(total.abs_diff(255) < 20, "{total}");
    }

    #[test]
    fn a_plain_image_stays_plain_up_to_its_border() {
        let mut image = Image::new(3, 5, 3, [9, 99, 199].repeat(15)).unwrap();
        let before = image.clone();
        blur(&mut image, 2.0);
        assert_eq!(image, before);
    }
}

//! Gaussian noise.

use crate::augment::augmentation::{Augmentation, Scratch};
use crate::image::Image;
use crate::random::Random;

/// Adds normal noise of a random deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Noise {
    /// The largest deviation, in units of `value / 255`.
    pub deviation: f64,
}

impl Augmentation for Noise {
    fn name(&self) -> &str {
        "noise"
    }

    fn lane(&self) -> u32 {
        10
    }

    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        let deviation = random.between(0.0, self.deviation);
        add(image, deviation, random);
    }
}

/// Adds independent normal noise of a deviation in units of `value / 255` to every value, cut to 0
/// to 255.
fn add(image: &mut Image, deviation: f64, random: &mut Random) {
    let deviation = (255.0 * deviation) as f32;
    for pair in image.pixels.chunks_mut(2) {
        for (value, noise) in pair.iter_mut().zip(random.normals()) {
            *value = (f32::from(*value) + deviation * noise + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn the_noise_has_its_deviation() {
        let mut image = Image::new(100, 100, 1, vec![128; 10_000]).unwrap();
        add(&mut image, 0.05, &mut Random::new(0, Purpose::Augment, 0, 0));
        let errors = image.pixels.iter().map(|&value| f64::from(value) - 128.0);
        let deviation = (errors.map(|error| error * error).sum::<f64>() / 1e4).sqrt();
        // 12.75, and 1/12 for rounding; 5 standard deviations are 5 / sqrt 20000 = 3.5 %.
        assert!((deviation / 12.75 - 1.0).abs() < 0.04, "{deviation}");
    }
}

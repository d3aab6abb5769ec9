//! Random erasing (Zhong et al., 2017): a rectangle is covered.

use serde::{Deserialize, Serialize};

use crate::augment::augmentation::{Augmentation, Scratch};
use crate::image::Image;
use crate::random::Random;

/// What an erased rectangle is covered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EraseFill {
    /// Black. The default.
    #[default]
    Black,
    /// The image's own mean, channel by channel.
    Mean,
    /// Every value random, 0 to 255.
    Noise,
}

/// Covers a rectangle with a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Erase {
    pub probability: f64,
    /// Its least and largest share of the image.
    pub area: [f64; 2],
    /// Its least and largest height over width.
    pub ratio: [f64; 2],
    pub fill: EraseFill,
}

impl Augmentation for Erase {
    fn name(&self) -> &str {
        "erase"
    }

    fn lane(&self) -> u32 {
        11
    }

    fn apply(&self, image: &mut Image, random: &mut Random, _: &mut Scratch) {
        if random.chance(self.probability) {
            self.cover(image, random);
        }
    }
}

impl Erase {
    /// Covers a rectangle of a random share of the area and random proportions, as torchvision's
    /// `RandomErasing` draws it; nothing after ten that do not fit.
    fn cover(&self, image: &mut Image, random: &mut Random) {
        let Erase { area, ratio, fill, .. } = *self;
        let (height, width, channels) = (image.height, image.width, image.channels);
        for _ in 0..10 {
            let area = height as f64 * width as f64 * random.between(area[0], area[1]);
            let ratio = random.between(ratio[0].ln(), ratio[1].ln()).exp();
            let (h, w) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
            if !((1.0..height as f64).contains(&h) && (1.0..width as f64).contains(&w)) {
                continue;
            }
            let (h, w) = (h as usize, w as usize);
            let (top, left) = (random.below(height - h + 1), random.below(width - w + 1));
            let mean = match fill {
                EraseFill::Mean => mean(image),
                EraseFill::Black | EraseFill::Noise => [0; 3],
            };
            for row in top..top + h {
                let start = (row * width + left) * channels;
                for pixel in image.pixels[start..start + w * channels].chunks_exact_mut(channels) {
                    match fill {
                        EraseFill::Noise => pixel.fill_with(|| random.next_u32() as u8),
                        _ => pixel.copy_from_slice(&mean[..channels]),
                    }
                }
            }
            return;
        }
    }
}

fn mean(image: &Image) -> [u8; 3] {
    let count = image.height * image.width;
    std::array::from_fn(|channel| {
        let values = image.pixels.iter().skip(channel).step_by(image.channels);
        let total: usize = values.map(|&value| usize::from(value)).sum();
        ((total + count / 2) / count) as u8 // a mean of bytes; unused where the channel is missing
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn erase(area: [f64; 2], ratio: [f64; 2], fill: EraseFill) -> Erase {
        Erase { probability: 1.0, area, ratio, fill }
    }

    #[test]
    fn the_covered_share_is_within_bounds() {
        let mut total = 0;
        for index in 0..500 {
            let mut image = Image::new(40, 40, 1, vec![9; 1600]).unwrap();
            let mut random = Random::new(0, Purpose::Augment, 0, index);
            erase([0.1, 0.2], [0.5, 2.0], EraseFill::Black).cover(&mut image, &mut random);
            let covered = image.pixels.iter().filter(|&&value| value == 0).count();
            // Sides of at least 9 are rounded.
            assert!((140..350).contains(&covered), "{covered}");
            total += covered;
        }
        assert!((220..260).contains(&(total / 500)), "{total}");
    }

    #[test]
    fn each_fill_covers_its_way() {
        let covered = |fill| {
            let pixels = (0..300).map(|place| [10, 20, 30][place % 3]).collect();
            let mut image = Image::new(10, 10, 3, pixels).unwrap();
            let random = &mut Random::new(0, Purpose::Augment, 0, 0);
            erase([0.5, 0.5], [1.0, 1.0], fill).cover(&mut image, random);
            image.pixels
        };
        assert!(covered(EraseFill::Black).contains(&0));
        assert!(covered(EraseFill::Mean).iter().all(|value| [10, 20, 30].contains(value)));
        assert!(covered(EraseFill::Noise).iter().max() > Some(&200));
    }
}

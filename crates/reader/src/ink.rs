//! From grey values to ink: the light evened out, the paper taken away.

use image::{GrayImage, ImageBuffer, Luma};
use imageproc::contrast::otsu_level;
use imageproc::filter::{gaussian_blur_f32, median_filter};

use crate::error::{ReadError, Result};

/// How far ink must stand out of the noise, in standard deviations, to be there at all.
const STANDS_OUT: f32 = 4.0;

/// What differs less from its paper, relative to it, is taken for paper.
const FAINTEST: f32 = 0.04;

/// A map of the ink: 0 is paper, about 220 a stroke.
#[derive(Debug, Clone)]
pub(crate) struct Ink {
    pub map: GrayImage,
    /// From here on a pixel is ink.
    pub level: u8,
}

/// How each pixel differs from the paper around it, relative to the paper; above 0: darker.
pub(crate) struct Evened {
    width: u32,
    height: u32,
    values: Vec<f32>,
    /// Standard deviation of the paper.
    noise: f32,
}

/// Evens out the light of a picture: the median of a window takes the paper's place, where strokes
/// cover less than half of a window of `radius` pixels each way.
pub(crate) fn even_out(grey: &GrayImage, radius: u32) -> Evened {
    let smooth = gaussian_blur_f32(grey, 0.8);
    let paper = gaussian_blur_f32(&median_filter(grey, radius, radius), radius as f32 / 3.0);
    let values: Vec<f32> = (smooth.iter().zip(paper.iter()))
        .map(|(&value, &paper)| {
            let paper = f32::from(paper);
            (paper - f32::from(value)) / paper.max(16.0)
        })
        .collect();
    // The median of the distances from 0 is not moved by the ink, which is the smaller part.
    let mut distances: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let middle = distances.len() / 2;
    let (_, median, _) = distances.select_nth_unstable_by(middle, f32::total_cmp);
    let noise = *median * 1.4826;
    Evened { width: grey.width(), height: grey.height(), values, noise }
}

impl Evened {
    /// Whether ink is darker than paper; nothing where it is hard to say.
    pub fn is_dark(&self) -> Option<bool> {
        let floor = 3.0 * self.noise;
        let energy = |sign: f32| -> f32 {
            let strong = self.values.iter().map(|value| value * sign).filter(|v| *v > floor);
            strong.map(|value| value * value).sum()
        };
        let (dark, light) = (energy(1.0), energy(-1.0));
        match () {
            () if dark > 3.0 * light => Some(true),
            () if light > 3.0 * dark => Some(false),
            () => None,
        }
    }

    /// The ink that is darker, or lighter, than its paper.
    ///
    /// # Errors
    /// Nothing stands out of the noise.
    pub fn ink(&self, dark: bool) -> Result<Ink> {
        let sign = if dark { 1.0 } else { -1.0 };
        let nothing = ReadError::NoLine("nothing in the picture stands out of its background");
        let mut sorted: Vec<f32> = self.values.iter().map(|value| value * sign).collect();
        let most = sorted.len() - 1 - sorted.len() / 500;
        let (_, strongest, _) = sorted.select_nth_unstable_by(most, f32::total_cmp);
        let strongest = *strongest;
        if strongest < FAINTEST || strongest < STANDS_OUT * self.noise {
            return Err(nothing);
        }
        let bytes = |full: f32| -> GrayImage {
            let byte = |value: &f32| (value * sign / full * 255.0).round().clamp(0.0, 255.0) as u8;
            let bytes = self.values.iter().map(byte).collect();
            ImageBuffer::<Luma<u8>, _>::from_raw(self.width, self.height, bytes)
                .expect("a value a pixel")
        };
        let rough = bytes(strongest);
        let level = otsu_level(&rough);
        let strokes: Vec<f32> =
            rough.iter().filter(|value| **value > level).map(|value| f32::from(*value)).collect();
        if strokes.is_empty() {
            return Err(nothing);
        }
        let stroke = strokes.iter().sum::<f32>() / strokes.len() as f32 / 255.0 * strongest;
        let full = stroke * 255.0 / 220.0;
        // Half-way between paper and stroke, but above the noise.
        let level = (110.0f32).max(3.0 * self.noise / full * 255.0).min(180.0);
        Ok(Ink { map: bytes(full), level: level as u8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bar of 8x20 on paper whose light falls from left to right.
    fn bar(paper: f32, ink: f32) -> GrayImage {
        GrayImage::from_fn(80, 40, |x, y| {
            let inside = (30..38).contains(&x) && (10..30).contains(&y);
            let tone = if inside { ink } else { paper };
            Luma([(tone * (1.0 - 0.4 * x as f32 / 80.0)) as u8])
        })
    }

    #[test]
    fn dark_and_light_strokes_are_found_in_falling_light() {
        for (paper, stroke, dark) in [(220.0, 90.0, true), (60.0, 200.0, false)] {
            let evened = even_out(&bar(paper, stroke), 16);
            assert_eq!(evened.is_dark(), Some(dark));
            let ink = evened.ink(dark).unwrap();
            for (x, y, pixel) in ink.map.enumerate_pixels() {
                let inside = (31..37).contains(&x) && (11..29).contains(&y);
                let outside = !(28..40).contains(&x) || !(8..32).contains(&y);
                assert!(!inside || pixel.0[0] > ink.level, "{x} {y}: {}", pixel.0[0]);
                assert!(!outside || pixel.0[0] < ink.level / 2, "{x} {y}: {}", pixel.0[0]);
            }
        }
    }

    #[test]
    fn a_blank_page_has_no_ink() {
        let blank = GrayImage::from_fn(80, 40, |x, _| Luma([200 - x as u8]));
        assert!(even_out(&blank, 16).ink(true).is_err());
        let mut state = 1u32;
        let noisy = GrayImage::from_fn(80, 40, |_, _| {
            let mut sum = 0;
            for _ in 0..12 {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                sum += state >> 24;
            }
            Luma([(128 + sum / 12) as u8])
        });
        assert!(even_out(&noisy, 16).ink(true).is_err());
    }
}

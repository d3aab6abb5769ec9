//! Resizing, as Pillow does it.
//!
//! Each output value is a weighted mean of the input values below it; when shrinking, the filter is
//! widened by the scale (antialias). Rows first, then columns, each rounded to a byte, with Pillow's
//! fixed-point weights (`src/libImaging/Resample.c`), so the bytes are Pillow's own.

use serde::{Deserialize, Serialize};

use crate::image::Image;

/// How neighbouring values are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The mean of the area when shrinking, the nearest value when enlarging (Pillow's `BOX`).
    Area,
    /// Linear, support 1 (Pillow's `BILINEAR`). The default.
    #[default]
    Bilinear,
    /// Cubic with a = -0.5, support 2 (Pillow's `BICUBIC`).
    Bicubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Filter::Area => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let distance = x.abs();
        match self {
            // Open on the left as in Pillow, so that a value on the border counts once.
            Filter::Area if x > -0.5 && x <= 0.5 => 1.0,
            Filter::Bilinear if distance < 1.0 => 1.0 - distance,
            Filter::Bicubic if distance < 1.0 => {
                ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
            }
            Filter::Bicubic if distance < 2.0 => {
                (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A
            }
            _ => 0.0,
        }
    }
}

/// The image in another size; its own where the size is the same.
///
/// # Panics
///
/// When a side is 0: neither [`Image::new`] nor a checked pipeline gives one.
///
/// ```
/// use taper_dataset::{Filter, Image, resize};
///
/// let image = Image::new(2, 2, 1, vec![0, 100, 100, 200])?;
/// assert_eq!(resize(&image, 1, 1, Filter::Area).pixels, [100]);
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn resize(image: &Image, height: usize, width: usize, filter: Filter) -> Image {
    let mut image = image.clone();
    if width != image.width {
        let windows = windows(image.width, width, filter);
        let mut pixels = Vec::with_capacity(image.height * width * image.channels);
        for row in image.pixels.chunks_exact(image.width * image.channels) {
            for window in &windows {
                let start = window.start * image.channels;
                for channel in 0..image.channels {
                    let values = row[start + channel..].iter().step_by(image.channels);
                    pixels.push(window.mean(values));
                }
            }
        }
        image = Image { width, pixels, ..image };
    }
    if height != image.height {
        let stride = image.width * image.channels;
        let mut pixels = Vec::with_capacity(height * stride);
        for window in windows(image.height, height, filter) {
            for column in 0..stride {
                let start = window.start * stride + column;
                pixels.push(window.mean(image.pixels[start..].iter().step_by(stride)));
            }
        }
        image = Image { height, pixels, ..image };
    }
    image
}

/// The input values that make an output value, and their weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// Bits behind the point of a weight: 8 are left for the value and 2 for overshoot.
const PRECISION: u32 = 22;

impl Window {
    fn mean<'a>(&self, values: impl Iterator<Item = &'a u8>) -> u8 {
        let half = 1i64 << (PRECISION - 1);
        let terms = self.weights.iter().zip(values);
        let sum: i64 = terms.map(|(&weight, &value)| i64::from(weight) * i64::from(value)).sum();
        ((sum + half) >> PRECISION).clamp(0, 255) as u8
    }
}

fn windows(from: usize, to: usize, filter: Filter) -> Vec<Window> {
    assert!(from > 0 && to > 0, "no side of an image is 0");
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let window = |place: usize| {
        let center = (place as f64 + 0.5) * scale;
        // `as` cuts towards zero and stops at 0 from below, as Pillow's code does.
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (start..end)
            .map(|x| filter.weight((x as f64 - center + 0.5) * (1.0 / stretch)))
            .collect();
        let total: f64 = weights.iter().sum();
        let total = if total == 0.0 { 1.0 } else { total };
        let fixed = |weight: f64| {
            let scaled = weight / total * f64::from(1 << PRECISION);
            (scaled + 0.5f64.copysign(scaled)) as i32
        };
        Window { start, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests;

//! Resizing, as Pillow does it.
//!
//! Each output value is a weighted mean of the input values below it; when shrinking, the filter is
//! widened by the scale (antialias). Along the rows, then along the columns, each rounded to a byte,
//! with Pillow's fixed-point weights and, as since Pillow 13, in the other order when the height
//! shrinks by more than twice what the width does (`src/libImaging/Resample.c`): the bytes are
//! Pillow 13's own, and older versions' but for that order.

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
/// When a side is 0: neither [`Image::new`] nor a checked preprocessing gives one.
///
/// ```
/// use taper_dataset::{Filter, Image, resize};
///
/// let image = Image::new(2, 2, 1, vec![0, 100, 100, 200])?;
/// assert_eq!(resize(&image, 1, 1, Filter::Area).pixels, [100]);
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn resize(image: &Image, height: usize, width: usize, filter: Filter) -> Image {
    let whole = |from: usize, to| windows(from, 0.0, from as f64, to, filter, Edge::Cut);
    let along_rows = |image: Image| match width == image.width {
        true => image,
        false => resize_rows(&image, &whole(image.width, width)),
    };
    let along_columns = |image: Image| match height == image.height {
        true => image,
        false => resize_columns(&image, &whole(image.height, height)),
    };
    let height_lost = image.height.saturating_sub(height);
    let width_lost = image.width.saturating_sub(width);
    if height_lost > 2 * width_lost {
        along_rows(along_columns(image.clone()))
    } else {
        along_columns(along_rows(image.clone()))
    }
}

/// The part `rows` x `columns` (begin and end, in pixels of `image`) in another size. It may reach
/// beyond the image.
pub(crate) fn resize_part(
    image: &Image,
    rows: (f64, f64),
    columns: (f64, f64),
    (height, width): (usize, usize),
    filter: Filter,
    edge: Edge,
) -> Image {
    let columns = windows(image.width, columns.0, columns.1, width, filter, edge);
    let rows = windows(image.height, rows.0, rows.1, height, filter, edge);
    resize_columns(&resize_rows(image, &columns), &rows)
}

/// Each row by itself, one value per window.
fn resize_rows(image: &Image, windows: &[Window]) -> Image {
    let mut pixels = Vec::with_capacity(image.height * windows.len() * image.channels);
    for row in image.pixels.chunks_exact(image.width * image.channels) {
        for window in windows {
            let start = window.start * image.channels;
            for channel in 0..image.channels {
                pixels.push(window.mean(row, start + channel, image.channels));
            }
        }
    }
    Image { width: windows.len(), pixels, ..*image }
}

/// Each column by itself, one value per window.
fn resize_columns(image: &Image, windows: &[Window]) -> Image {
    let stride = image.width * image.channels;
    let mut pixels = Vec::with_capacity(windows.len() * stride);
    for window in windows {
        let start = window.start * stride;
        pixels.extend((0..stride).map(|column| window.mean(&image.pixels, start + column, stride)));
    }
    Image { height: windows.len(), pixels, ..*image }
}

/// The input values that make an output value, and their weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// Bits behind the point of a weight: 8 are left for the value and 2 for overshoot.
const PRECISION: u32 = 22;

impl Window {
    /// The weighted mean of every `stride`-th value from `start` on.
    fn mean(&self, values: &[u8], start: usize, stride: usize) -> u8 {
        let values = values.get(start..).unwrap_or_default().iter().step_by(stride);
        let half = 1i64 << (PRECISION - 1);
        let terms = self.weights.iter().zip(values);
        let sum: i64 = terms.map(|(&weight, &value)| i64::from(weight) * i64::from(value)).sum();
        ((sum + half) >> PRECISION).clamp(0, 255) as u8
    }
}

/// What lies beyond the border of an image.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Edge {
    /// Nothing: what is inside weighs more (Pillow).
    Cut,
    /// Black.
    Black,
}

/// The windows of `to` output values over the part `begin..end` of `from` input values.
fn windows(
    from: usize,
    begin: f64,
    end: f64,
    to: usize,
    filter: Filter,
    edge: Edge,
) -> Vec<Window> {
    assert!(from > 0 && to > 0, "no side of an image is 0");
    let scale = (end - begin) / to as f64;
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let window = |place: usize| {
        let center = begin + (place as f64 + 0.5) * scale;
        let inside = |x: f64| x.clamp(0.0, from as f64);
        // Pillow's code cuts towards zero and stops at 0: for what is inside, this is the same.
        let (first, last) = ((center - support + 0.5).floor(), (center + support + 0.5).floor());
        let weight = |x: f64| filter.weight((x - center + 0.5) * (1.0 / stretch));
        let weights = |first: f64, last: f64| {
            let count = (last - first).max(0.0) as usize;
            (0..count).map(move |step| weight(first + step as f64)).collect::<Vec<f64>>()
        };
        let kept = weights(inside(first), inside(last));
        let total: f64 = match edge {
            Edge::Cut => kept.iter().sum(),
            Edge::Black => weights(first, last).iter().sum(),
        };
        let total = if total == 0.0 { 1.0 } else { total };
        let fixed = |weight: f64| {
            let scaled = weight / total * f64::from(1 << PRECISION);
            (scaled + 0.5f64.copysign(scaled)) as i32
        };
        Window { start: inside(first) as usize, weights: kept.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests;

//! Resizing, as Pillow does it.
//!
//! Each output value is a weighted mean of the input values below it; when shrinking, the filter is
//! widened by the scale (antialias). Along the rows, then along the columns, each rounded to a byte,
//! with Pillow's fixed-point weights and, as since Pillow 13, in the other order when the height
//! shrinks by more than twice what the width does (`src/libImaging/Resample.c`): the bytes are
//! Pillow 13's own, and older versions' but for that order.

use std::ops::Range;

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
/// When a side is 0 or there are neither 1 nor 3 channels: neither [`Image::new`] nor a checked preprocessing
/// gives such.
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
    let along_rows = |image: &Image| match width == image.width {
        true => None,
        false => Some(resize_rows(image, 0..image.height, &whole(image.width, width))),
    };
    let along_columns = |image: &Image| match height == image.height {
        true => None,
        false => Some(resize_columns(image, 0, &whole(image.height, height))),
    };
    let height_lost = image.height.saturating_sub(height);
    let width_lost = image.width.saturating_sub(width);
    let (first, second);
    if height_lost > 2 * width_lost {
        first = along_columns(image);
        second = along_rows(first.as_ref().unwrap_or(image));
    } else {
        first = along_rows(image);
        second = along_columns(first.as_ref().unwrap_or(image));
    }
    second.or(first).unwrap_or_else(|| image.clone())
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
    // Only the rows that are looked at.
    let first = rows.iter().map(|window| window.start).min().unwrap_or(0);
    let last = rows.iter().map(|window| window.start + window.weights.len()).max().unwrap_or(0);
    resize_columns(&resize_rows(image, first..last, &columns), first, &rows)
}

/// Each of some rows by itself, one value per window.
fn resize_rows(image: &Image, rows: Range<usize>, windows: &[Window]) -> Image {
    let stride = image.width * image.channels;
    let height = rows.len();
    let values = &image.pixels[rows.start * stride..rows.end * stride];
    let pixels = match image.channels {
        1 => means::<1>(values, stride, windows),
        3 => means::<3>(values, stride, windows),
        channels => panic!("an image has 1 or 3 channels, found {channels}"),
    };
    Image { height, width: windows.len(), channels: image.channels, pixels }
}

/// The weighted mean of each row's pixels of `C` channels, one per window.
fn means<const C: usize>(values: &[u8], stride: usize, windows: &[Window]) -> Vec<u8> {
    let mut means = Vec::with_capacity(values.len() / stride * windows.len() * C);
    for row in values.chunks_exact(stride) {
        let (row, _) = row.as_chunks::<C>();
        for Window { start, weights } in windows {
            let mut sums = [HALF; C];
            for (&weight, pixel) in weights.iter().zip(&row[*start..start + weights.len()]) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * i32::from(value);
                }
            }
            means.extend(sums.map(byte));
        }
    }
    means
}

/// Each column by itself, one value per window; the image's first row is the row `first` of what the windows
/// are over.
fn resize_columns(image: &Image, first: usize, windows: &[Window]) -> Image {
    let stride = image.width * image.channels;
    let mut pixels = Vec::with_capacity(windows.len() * stride);
    let mut sums = vec![0; stride];
    for Window { start, weights } in windows {
        sums.fill(HALF);
        let rows = image.pixels[(start - first) * stride..].chunks_exact(stride);
        for (&weight, row) in weights.iter().zip(rows) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(value);
            }
        }
        pixels.extend(sums.iter().map(|&sum| byte(sum)));
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

/// A half, to round by.
const HALF: i32 = 1 << (PRECISION - 1);

/// The value that a sum of weighted values rounds to.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
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

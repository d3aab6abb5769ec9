//! Bringing an image to the size that a net takes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::pipeline::Pipeline;
use crate::resize::{Edge, Filter, resize, resize_part};

/// How an image of another size is brought to the net's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// It must have the size already; another one is an error.
    AsIs,
    /// Resized to the size, whatever becomes of its proportions. The default.
    #[default]
    Stretch,
    /// Resized to fit inside, proportions kept, centred on black.
    Fit,
    /// Resized to cover `1 / crop` times the size, proportions kept, the centre cut out: what timm
    /// and torchvision do before evaluation. `crop` is timm's `crop_pct`, above 0 up to 1: 0.875
    /// cuts 224 out of 256.
    Crop(f64),
    /// As MNIST places its digits, white on black; [`place_digit`] has the rule. An image that has
    /// the size already is taken as it is.
    Digit,
}

impl Placement {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Placement::Crop(crop) if !(crop > 0.0 && crop <= 1.0) => {
                Err(Error::setting("crop", "a number above 0, up to 1", crop))
            }
            _ => Ok(()),
        }
    }
}

/// The image in the pipeline's size; `None` where it is to be kept and has another.
pub(crate) fn place(image: Image, pipeline: &Pipeline) -> Option<Image> {
    let &Pipeline { height, width, placement, filter, .. } = pipeline;
    if (image.height, image.width) == (height, width) && !matches!(placement, Placement::Crop(_)) {
        return Some(image);
    }
    match placement {
        Placement::AsIs => None,
        Placement::Stretch => Some(resize(&image, height, width, filter)),
        Placement::Fit => {
            let (h, w) = fit_inside(&image, height, width);
            let (top, left) = ((height - h) / 2, (width - w) / 2);
            Some(paste(&resize(&image, h, w, filter), height, width, top, left))
        }
        Placement::Crop(crop) => Some(center_crop(&image, height, width, crop, filter)),
        Placement::Digit => Some(place_digit(&image, height, width, filter)),
    }
}

/// Places a digit, white on black, as MNIST places its digits.
///
/// Of MNIST it is known that digits were fitted into a box of 20x20, proportions kept, and placed
/// into 28x28 with their centre of mass in the centre (LeCun et al., 1998). So: the ink, which is all
/// but the black rows and columns at the borders, is scaled to fit into 20/28 of each side, and its
/// centre of mass comes to lie in the centre, as far as the ink stays inside. All around is black,
/// into which the ink's border fades. A black image stays black.
///
/// # Panics
///
/// When a side of the result is 0.
pub fn place_digit(image: &Image, height: usize, width: usize, filter: Filter) -> Image {
    let Some(ink) = Ink::of(image) else {
        return Image::black(height, width, image.channels);
    };
    let box_side = |side: usize| side as f64 * 20.0 / 28.0;
    let per_pixel = f64::max(
        (ink.rows.1 - ink.rows.0) / box_side(height),
        (ink.columns.1 - ink.columns.0) / box_side(width),
    );
    // The part of the image that becomes the result: its centre is the ink's centre of mass, but
    // it must not leave ink outside.
    let part = |side: usize, (begin, end): (f64, f64), center: f64| {
        let length = side as f64 * per_pixel;
        let start = (center - length / 2.0).clamp(end - length, begin);
        (start, start + length)
    };
    let rows = part(height, ink.rows, ink.center.0);
    let columns = part(width, ink.columns, ink.center.1);
    resize_part(image, rows, columns, (height, width), filter, Edge::Black)
}

/// The largest size inside `height` x `width` with the image's proportions, at least 1.
fn fit_inside(image: &Image, height: usize, width: usize) -> (usize, usize) {
    let scale = (height as f64 / image.height as f64).min(width as f64 / image.width as f64);
    let side = |from: usize, most: usize| ((from as f64 * scale).round() as usize).clamp(1, most);
    (side(image.height, height), side(image.width, width))
}

/// The most pixels that an image is resized to before its centre is cut out. Beyond it, which takes
/// a very long image or a tiny `crop`, the centre alone is resized: the same but for the rounding.
const CROP_LIMIT: usize = 64 << 20;

/// Resizes so that `1 / crop` of the size is covered, and cuts the centre out.
fn center_crop(image: &Image, height: usize, width: usize, crop: f64, filter: Filter) -> Image {
    let cover = |side: usize| (side as f64 / crop).floor();
    let scale = (cover(height) / image.height as f64).max(cover(width) / image.width as f64);
    let side = |from: usize, least: usize| ((from as f64 * scale).round() as usize).max(least);
    let (h, w) = (side(image.height, height), side(image.width, width));
    if h.saturating_mul(w) > CROP_LIMIT {
        let part = |from: usize, side: usize| {
            let length = side as f64 / scale;
            ((from as f64 - length) / 2.0, (from as f64 + length) / 2.0)
        };
        let (rows, columns) = (part(image.height, height), part(image.width, width));
        return resize_part(image, rows, columns, (height, width), filter, Edge::Cut);
    }
    let large = resize(image, h, w, filter);
    cut(&large, (h - height) / 2, (w - width) / 2, height, width)
}

/// Where an image is not black, in pixels, the first one reaching from 0 to 1.
struct Ink {
    rows: (f64, f64),
    columns: (f64, f64),
    /// Row and column of the centre of mass.
    center: (f64, f64),
}

impl Ink {
    /// `None` when all is black.
    fn of(image: &Image) -> Option<Self> {
        let (mut rows, mut columns) = (vec![0u64; image.height], vec![0u64; image.width]);
        for (place, pixel) in image.pixels.chunks_exact(image.channels).enumerate() {
            let value: u64 = pixel.iter().map(|&value| u64::from(value)).sum();
            rows[place / image.width] += value;
            columns[place % image.width] += value;
        }
        let bounds = |masses: &[u64]| {
            let first = masses.iter().position(|&mass| mass > 0)?;
            let last = masses.iter().rposition(|&mass| mass > 0)?;
            Some((first as f64, (last + 1) as f64))
        };
        let center = |masses: &[u64]| {
            let moment: u64 = masses.iter().enumerate().map(|(place, &m)| m * place as u64).sum();
            moment as f64 / masses.iter().sum::<u64>() as f64 + 0.5
        };
        let (row_bounds, column_bounds) = (bounds(&rows)?, bounds(&columns)?);
        Some(Ink {
            rows: row_bounds,
            columns: column_bounds,
            center: (center(&rows), center(&columns)),
        })
    }
}

/// The part of an image that begins at (top, left).
fn cut(image: &Image, top: usize, left: usize, height: usize, width: usize) -> Image {
    let stride = image.width * image.channels;
    let rows = image.pixels.chunks_exact(stride).skip(top).take(height);
    let pixels =
        rows.flat_map(|row| &row[left * image.channels..][..width * image.channels]).copied();
    Image { height, width, channels: image.channels, pixels: pixels.collect() }
}

/// A black image with another one at (top, left).
fn paste(image: &Image, height: usize, width: usize, top: usize, left: usize) -> Image {
    let mut out = Image::black(height, width, image.channels);
    let inner = image.width * image.channels;
    for (y, row) in image.pixels.chunks_exact(inner).enumerate() {
        let start = ((top + y) * width + left) * image.channels;
        out.pixels[start..start + inner].copy_from_slice(row);
    }
    out
}

#[cfg(test)]
mod tests;

//! Bringing an image to the size that a net takes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::pipeline::Pipeline;
use crate::resize::{Filter, resize};

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
/// into 28x28 with their centre of mass in the centre (LeCun et al., 1998). So: the image, without
/// black rows and columns at its borders, is resized to fit into 20/28 of each side, then moved by
/// whole pixels until its centre of mass is nearest to the centre, or it touches the border.
///
/// # Panics
///
/// When a side of the result is 0.
pub fn place_digit(image: &Image, height: usize, width: usize, filter: Filter) -> Image {
    let box_side = |side: usize| ((side * 20 + 14) / 28).max(1);
    let ink = crop_to_ink(image);
    let (h, w) = fit_inside(&ink, box_side(height), box_side(width));
    let digit = resize(&ink, h, w, filter);
    let (y, x) = center_of_mass(&digit);
    let offset = |side: usize, inner: usize, center: f64| {
        let wanted = (side as f64 / 2.0 - center + 0.5).floor();
        (wanted.max(0.0) as usize).min(side - inner)
    };
    paste(&digit, height, width, offset(height, h, y), offset(width, w, x))
}

/// The largest size inside `height` x `width` with the image's proportions, at least 1.
fn fit_inside(image: &Image, height: usize, width: usize) -> (usize, usize) {
    let scale = (height as f64 / image.height as f64).min(width as f64 / image.width as f64);
    let side = |from: usize, most: usize| ((from as f64 * scale).round() as usize).clamp(1, most);
    (side(image.height, height), side(image.width, width))
}

/// Resizes so that `1 / crop` of the size is covered, and cuts the centre out.
fn center_crop(image: &Image, height: usize, width: usize, crop: f64, filter: Filter) -> Image {
    let cover = |side: usize| (side as f64 / crop).floor();
    let scale = (cover(height) / image.height as f64).max(cover(width) / image.width as f64);
    let side = |from: usize, least: usize| ((from as f64 * scale).round() as usize).max(least);
    let (h, w) = (side(image.height, height), side(image.width, width));
    let large = resize(image, h, w, filter);
    cut(&large, (h - height) / 2, (w - width) / 2, height, width)
}

/// The image without black rows and columns at its borders; as it is when all is black.
fn crop_to_ink(image: &Image) -> Image {
    let row = |y: usize| {
        &image.pixels[y * image.width * image.channels..][..image.width * image.channels]
    };
    let inked_row = |&y: &usize| row(y).iter().any(|&value| value > 0);
    let inked_column = |&x: &usize| {
        (0..image.height)
            .any(|y| row(y)[x * image.channels..][..image.channels].iter().any(|&v| v > 0))
    };
    let bounds = |top: Option<usize>, bottom: Option<usize>| Some((top?, bottom? + 1));
    let rows = bounds((0..image.height).find(inked_row), (0..image.height).rfind(inked_row));
    let columns = bounds((0..image.width).find(inked_column), (0..image.width).rfind(inked_column));
    match (rows, columns) {
        (Some((top, bottom)), Some((left, right))) => {
            cut(image, top, left, bottom - top, right - left)
        }
        _ => image.clone(),
    }
}

/// Row and column of the centre of mass, the first pixel's centre being at 0.5; the centre of the
/// image when all is black.
fn center_of_mass(image: &Image) -> (f64, f64) {
    let (mut mass, mut rows, mut columns) = (0u64, 0u64, 0u64);
    for (place, pixel) in image.pixels.chunks_exact(image.channels).enumerate() {
        let value: u64 = pixel.iter().map(|&value| u64::from(value)).sum();
        mass += value;
        rows += value * (place / image.width) as u64;
        columns += value * (place % image.width) as u64;
    }
    if mass == 0 {
        return (image.height as f64 / 2.0, image.width as f64 / 2.0);
    }
    (rows as f64 / mass as f64 + 0.5, columns as f64 / mass as f64 + 0.5)
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

//! Bringing an image to the size that a net takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::resize::{Edge, Filter, resize, resize_part};

/// How an image of another size is brought to the net's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", from = "Written")]
pub enum ResizeMode {
    /// It must have the size already; another one is an error.
    AsIs,
    /// Resized to the size, whatever becomes of its proportions. The default.
    #[default]
    Stretch,
    /// Resized to fit inside, proportions kept, centred on black.
    Fit,
    /// Resized, proportions kept, so that more than the size is covered, and the centre cut out: what
    /// timm, torchvision and transformers do before evaluation.
    Crop(Crop),
    /// As MNIST places its digits, white on black: the ink, which is all but the black rows and columns
    /// at the borders, fits into 20/28 of each side with its proportions kept, and its centre of mass
    /// lies in the centre, as far as the ink stays inside. All around is black. An image that has the
    /// size already is taken as it is.
    Digit,
}

/// How a resize mode is written.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "one of \"asis\", \"stretch\", \"fit\", \"digit\", or { crop = 0.875 }, \
                 or { crop = { edge = 256, of = 224 } }"
)]
enum Written {
    Name(Name),
    Crop { crop: Crop },
}

/// Those without settings.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    AsIs,
    Stretch,
    Fit,
    Digit,
}

impl From<Written> for ResizeMode {
    fn from(written: Written) -> Self {
        match written {
            Written::Name(Name::AsIs) => Self::AsIs,
            Written::Name(Name::Stretch) => Self::Stretch,
            Written::Name(Name::Fit) => Self::Fit,
            Written::Name(Name::Digit) => Self::Digit,
            Written::Crop { crop } => Self::Crop(crop),
        }
    }
}

impl fmt::Display for ResizeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeMode::AsIs => f.write_str("as is"),
            ResizeMode::Stretch => f.write_str("stretch"),
            ResizeMode::Fit => f.write_str("fit"),
            ResizeMode::Crop(Crop::Share(share)) => write!(f, "centre crop {share}"),
            ResizeMode::Crop(Crop::Edge { edge, of }) => write!(f, "centre crop {of} of {edge}"),
            ResizeMode::Crop(Crop::Stretch { stretch, of }) => {
                write!(f, "centre crop {of} of {stretch}, stretched")
            }
            ResizeMode::Digit => f.write_str("digit"),
        }
    }
}

/// How large an image is before its centre is cut out, and which pixels the centre is.
///
/// The rules differ in what they round, by whose they are:
///
/// ```
/// use taper_dataset::Crop;
///
/// // A photo of 427 rows and 640 columns, of which 224 x 224 are cut out.
/// assert_eq!(Crop::Share(0.875).resized((427, 640), (224, 224)), (256, 383));
/// assert_eq!(Crop::Edge { edge: 255, of: 224 }.resized((427, 640), (224, 224)), (255, 382));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "a share such as 0.875, or a table such as { edge = 256, of = 224 } or { stretch = 256, of = 224 }"
)]
pub enum Crop {
    /// timm's `crop_pct`, above 0 up to 1: 0.875 cuts 224 out of 256; torchvision does the same with
    /// the two sizes. The short side becomes `size / share` and the long one as many times that as it
    /// was, both rounded down; for an image that is not square the one that is smaller beside what it
    /// has to cover becomes `size / share`, and the other is rounded. What is cut off is halved, a
    /// half pixel going to the even side (Python's `round`).
    Share(f64),
    /// transformers' `shortest_edge` and `crop_size`: the short side becomes `edge` pixels where `of`
    /// are cut out of it, as much more or less where another size is; the long side as many times that
    /// as it was, rounded down. What is cut off is halved, a half pixel rounded down.
    Edge {
        /// The short side after resizing, in pixels.
        edge: usize,
        /// The short side of what is cut out, in pixels.
        of: usize,
    },
    /// transformers' `size` of two sides and `crop_size`, as DeiT's: both sides are resized, whatever
    /// becomes of the proportions, to `stretch` pixels where `of` are cut out of them, as much more or
    /// less where another size is. What is cut off is halved, a half pixel rounded down.
    Stretch {
        /// The short side after resizing, in pixels.
        stretch: usize,
        /// The short side of what is cut out, in pixels.
        of: usize,
    },
}

impl Crop {
    /// Height and width to resize an image of the size `from` to, before `to` is cut out.
    pub fn resized(self, from: (usize, usize), to: (usize, usize)) -> (usize, usize) {
        let short = match self {
            Crop::Share(share) => {
                let cover = |side: usize| (side as f64 / share).floor();
                let (rows, columns) = (cover(to.0), cover(to.1));
                if rows != columns {
                    let ratio = (from.0 as f64 / rows).min(from.1 as f64 / columns);
                    let side = |from: usize| (from as f64 / ratio).round_ties_even() as usize;
                    return (side(from.0).max(to.0), side(from.1).max(to.1));
                }
                rows as usize
            }
            Crop::Edge { edge, of } => (to.0.min(to.1) * edge / of.max(1)).max(to.0).max(to.1),
            Crop::Stretch { stretch, of } => {
                // A product that does not fit is no size of an image either way.
                let side = |side: usize| side.saturating_mul(stretch) / of.max(1);
                return (side(to.0), side(to.1));
            }
        };
        // A product that does not fit is far beyond what is ever resized whole.
        let side = |from: usize, shortest: usize| match from == shortest {
            true => short,
            false => short.checked_mul(from).map_or(usize::MAX, |side| side / shortest.max(1)),
        };
        let shortest = from.0.min(from.1);
        (side(from.0, shortest), side(from.1, shortest))
    }

    /// The first row or column of the centre, where `rest` pixels are cut off.
    fn offset(self, rest: usize) -> usize {
        let half = rest / 2;
        match self {
            Crop::Share(_) if rest % 2 == 1 && half % 2 == 1 => half + 1,
            _ => half,
        }
    }
}

impl ResizeMode {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            ResizeMode::Crop(Crop::Share(share)) if !(share > 0.0 && share <= 1.0) => {
                Err(Error::setting("crop", "a number above 0, up to 1", share))
            }
            ResizeMode::Crop(Crop::Edge { edge, of }) if of == 0 || edge < of || edge > 1 << 14 => {
                let found = format!("{{ edge = {edge}, of = {of} }}");
                Err(Error::setting("crop", "an edge of `of`, 1 or more, up to 16384", found))
            }
            ResizeMode::Crop(Crop::Stretch { stretch, of })
                if of == 0 || stretch < of || stretch > 1 << 14 =>
            {
                let found = format!("{{ stretch = {stretch}, of = {of} }}");
                Err(Error::setting("crop", "a side of `of`, 1 or more, up to 16384", found))
            }
            _ => Ok(()),
        }
    }
}

/// The image in the net's size; `None` where it is to be kept and has another.
pub(crate) fn resize_as(
    image: Image,
    (height, width): (usize, usize),
    placement: ResizeMode,
    filter: Filter,
) -> Option<Image> {
    if (image.height, image.width) == (height, width) && !matches!(placement, ResizeMode::Crop(_)) {
        return Some(image);
    }
    match placement {
        ResizeMode::AsIs => None,
        ResizeMode::Stretch => Some(resize(&image, height, width, filter)),
        ResizeMode::Fit => {
            let (h, w) = fit_inside(&image, height, width);
            let (top, left) = ((height - h) / 2, (width - w) / 2);
            Some(paste(&resize(&image, h, w, filter), height, width, top, left))
        }
        ResizeMode::Crop(crop) => Some(center_crop(&image, height, width, crop, filter)),
        ResizeMode::Digit => Some(place_digit(&image, height, width, filter)),
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
pub(crate) fn place_digit(image: &Image, height: usize, width: usize, filter: Filter) -> Image {
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

/// Resizes so that more than the size is covered, and cuts the centre out.
fn center_crop(image: &Image, height: usize, width: usize, crop: Crop, filter: Filter) -> Image {
    let (h, w) = crop.resized((image.height, image.width), (height, width));
    if h.saturating_mul(w) > CROP_LIMIT {
        let (rows, columns) = (h as f64 / image.height as f64, w as f64 / image.width as f64);
        let (rows, columns) = match crop {
            Crop::Stretch { .. } => (rows, columns),
            _ => (rows.min(columns), rows.min(columns)),
        };
        let part = |from: usize, side: usize, scale: f64| {
            let length = side as f64 / scale;
            ((from as f64 - length) / 2.0, (from as f64 + length) / 2.0)
        };
        let (rows, columns) = (part(image.height, height, rows), part(image.width, width, columns));
        return resize_part(image, rows, columns, (height, width), filter, Edge::Cut);
    }
    let large = resize(image, h, w, filter);
    cut(&large, crop.offset(h - height), crop.offset(w - width), height, width)
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

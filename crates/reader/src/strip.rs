//! From a picture to a strip: the line straight, upright and at one height, as windows that a
//! classifier sees.

use image::{DynamicImage, GrayImage, imageops};
use taper_dataset::Image;

use crate::error::{ReadError, Result};
use crate::ink::even_out;
use crate::line::{Line, find_lines};
use crate::straighten::{Frame, ROWS, straighten};
use crate::words::parts;

/// Digits of this height in a picture lose nothing in the strip; a larger picture is shrunk first.
const WORKING_HEIGHT: f32 = 40.0;

/// The most pixels that are looked at before it is known how large the digits are.
const MOST_PIXELS: f32 = 1.5e6;

/// The largest radius, in pixels, of the window whose median is the paper, in the first look.
const MOST_RADIUS: u32 = 80;

/// Digits that take more than this share of the shorter side are looked for from afar.
const LARGE: f32 = 0.375;

/// Least rows and columns of a picture.
const LEAST_SIDE: usize = 12;

/// The line of a picture, its digits 20 rows high and upright, in 28 rows: as high as MNIST's digits
/// and images are.
#[derive(Debug, Clone)]
pub struct Strip {
    frame: Frame,
    /// Pixels of the picture per pixel of what was looked at.
    zoom: f32,
}

impl Strip {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.frame.width
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        ROWS
    }

    /// How much ink there is at a place, 0 to 1; none outside.
    pub fn ink(&self, column: isize, row: usize) -> f32 {
        match usize::try_from(column) {
            Ok(column) if column < self.frame.width => {
                self.frame.ink[row * self.frame.width + column]
            }
            _ => 0.0,
        }
    }

    /// What a classifier sees at a column: 28x28 pixels, white on black, the column just right of the
    /// middle.
    pub fn window(&self, column: usize) -> Image {
        let mut window = Image::black(ROWS, ROWS, 1);
        let first = column as isize - ROWS as isize / 2;
        for (place, pixel) in window.pixels.iter_mut().enumerate() {
            let ink = self.ink(first + (place % ROWS) as isize, place / ROWS);
            *pixel = (ink * 255.0).round() as u8;
        }
        window
    }

    /// The strip on its head.
    pub(crate) fn turned(&self) -> Self {
        Self { frame: self.frame.turned(), zoom: self.zoom }
    }

    /// How the line falls to the right, and how far its digits lean to the right, in degrees.
    pub fn angles(&self) -> (f32, f32) {
        (self.frame.skew.to_degrees(), self.frame.lean.atan().to_degrees())
    }

    /// Where a place of the strip is in the picture; whole numbers are the centres of pixels.
    pub fn place(&self, column: f32, row: f32) -> (f32, f32) {
        let (x, y) = self.frame.place(column, row);
        // Between the centres of pixels, which shrink with the picture.
        ((x + 0.5) * self.zoom - 0.5, (y + 0.5) * self.zoom - 0.5)
    }
}

/// The line of a picture, that with the most ink in it. Where it is hard to say whether the ink is
/// darker or lighter than its paper, or how large the digits are, there are several answers.
///
/// # Errors
/// The picture is too small, or there is no line in it.
pub fn strips(picture: &Image) -> Result<Vec<Strip>> {
    Ok(pages(picture)?.iter().map(|pieces| pieces[0].strip()).collect())
}

/// A piece of a picture that may be a line, as it lies there.
pub(crate) struct Piece {
    line: Line,
    /// Pixels of the picture per pixel of what was looked at.
    zoom: f32,
}

impl Piece {
    /// A line of what is looked at as it is.
    pub fn of(line: Line) -> Self {
        Self { line, zoom: 1.0 }
    }

    pub fn strip(&self) -> Strip {
        Strip { frame: straighten(&self.line), zoom: self.zoom }
    }

    /// The pieces between its wide gaps.
    pub fn parts(&self) -> Vec<Piece> {
        parts(&self.line).into_iter().map(|line| Piece { line, zoom: self.zoom }).collect()
    }

    /// How often as wide as a digit is high.
    pub fn digits_wide(&self) -> f32 {
        self.line.map.width() as f32 / self.line.digit_height
    }

    /// Whether it shares a place of the picture with another.
    pub fn overlaps(&self, other: &Piece) -> bool {
        let sides = |piece: &Piece| piece.line.sides().map(|side| side as f32 * piece.zoom);
        let ([a, b, c, d], [e, f, g, h]) = (sides(self), sides(other));
        a < g && e < c && b < h && f < d
    }
}

/// The lines of a picture, for each way to look at it: one at least, the one with the most ink first.
///
/// # Errors
/// The picture is too small, or there is no line in it.
pub(crate) fn pages(picture: &Image) -> Result<Vec<Vec<Piece>>> {
    let (height, width) = (picture.height, picture.width);
    if height < LEAST_SIDE || width < LEAST_SIDE {
        return Err(ReadError::TooSmall { height, width });
    }
    let grey = grey_of(picture);
    let zoom = (width as f32 * height as f32 / MOST_PIXELS).sqrt().max(1.0);
    let side = height.min(width) as f32;
    // A window that is small beside a digit takes its strokes for paper.
    let from_afar = side / (3.0 * MOST_RADIUS as f32);
    let mut pages = Vec::new();
    let mut failed = None;
    let mut looks = vec![(zoom, 0.0)];
    if from_afar > zoom {
        looks.push((from_afar, LARGE * 3.0 * MOST_RADIUS as f32));
    }
    for (zoom, least) in looks {
        let small = shrunk(&grey, zoom);
        let radius = (small.width().min(small.height()) / 3).clamp(8, MOST_RADIUS);
        let first = even_out(&small, radius);
        let tones = match first.is_dark() {
            Some(dark) => vec![dark],
            None => vec![true, false],
        };
        for dark in tones {
            let large = |lines: &[Line]| lines[0].digit_height >= least;
            let lines = first.ink(dark).and_then(|ink| find_lines(&ink));
            match lines.and_then(|lines| {
                large(&lines).then(|| closer(&grey, zoom * lines[0].digit_height, dark)).transpose()
            }) {
                Ok(page) => pages.extend(page),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    match failed {
        Some(error) if pages.is_empty() => Err(error),
        _ => Ok(pages),
    }
}

/// The lines once more, now that it is known how high a digit is.
fn closer(grey: &GrayImage, digit_height: f32, dark: bool) -> Result<Vec<Piece>> {
    let zoom = (digit_height / WORKING_HEIGHT).max(1.0);
    let small = shrunk(grey, zoom);
    let radius = (0.9 * (digit_height / zoom)).clamp(8.0, 60.0) as u32;
    let lines = find_lines(&even_out(&small, radius).ink(dark)?)?;
    let zoom = grey.width() as f32 / small.width() as f32;
    Ok(lines.into_iter().map(|line| Piece { line, zoom }).collect())
}

fn grey_of(picture: &Image) -> GrayImage {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let grey = match picture.clone().into_channels(1) {
        Ok(grey) => GrayImage::from_raw(width, height, grey.pixels),
        Err(_) => None,
    };
    grey.unwrap_or_else(|| GrayImage::new(width, height))
}

fn shrunk(grey: &GrayImage, zoom: f32) -> GrayImage {
    if zoom <= 1.05 {
        return grey.clone();
    }
    let side = |length: u32| ((length as f32 / zoom).round() as u32).max(LEAST_SIDE as u32);
    let (width, height) = (side(grey.width()), side(grey.height()));
    DynamicImage::from(grey.clone())
        .resize_exact(width, height, imageops::FilterType::Triangle)
        .into_luma8()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three bars on light paper, `scale` times the size.
    fn bars(scale: usize) -> Image {
        let (height, width) = (60 * scale, 150 * scale);
        let pixel = |place: usize| {
            let (x, y) = (place % width / scale, place / width / scale);
            let inside = (15..45).contains(&y) && (20..130).contains(&x) && x % 40 < 6;
            if inside { 20 } else { 220 }
        };
        Image::new(height, width, 1, (0..height * width).map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_strip_is_the_same_whatever_the_pictures_size() {
        for scale in [1, 2, 5] {
            let strips = strips(&bars(scale)).unwrap();
            // Large digits are seen from afar, too.
            assert_eq!(strips.len(), if scale == 5 { 2 } else { 1 });
            let strip = &strips[strips.len() - 1];
            // Bars of 30 rows are 20 high; the middles of the first and the last are 80 apart.
            let middle = strip.rows() / 2;
            let inked = |column: &usize| strip.ink(*column as isize, middle) > 0.5;
            let first = (0..strip.columns()).find(inked).unwrap();
            let last = (0..strip.columns()).rev().find(inked).unwrap();
            assert!((last - first).abs_diff(57) <= 2, "{first} to {last} at {scale}");
            let (x, y) = strip.place((first + last) as f32 / 2.0, middle as f32);
            let scale = scale as f32;
            assert!((x - 83.0 * scale).abs() < 2.0 * scale, "{x} at {scale}");
            assert!((y - 30.0 * scale).abs() < 2.0 * scale, "{y} at {scale}");
        }
    }

    #[test]
    fn strokes_wider_than_any_window_are_seen_from_afar() {
        let (height, width) = (1000, 2000);
        let pixel = |place: usize| {
            let (x, y) = (place % width, place / width);
            let inside = (200..800).contains(&y) && (300..1700).contains(&x) && x % 500 < 190;
            if inside { 20 } else { 220 }
        };
        let picture = Image::new(height, width, 1, (0..height * width).map(pixel).collect());
        let strips = strips(&picture.unwrap()).unwrap();
        let strip = &strips[strips.len() - 1];
        let middle = strip.rows() / 2;
        let inked = (0..strip.columns()).filter(|&c| strip.ink(c as isize, middle) > 0.5).count();
        // Three bars.
        assert!(inked.abs_diff(3 * 190 * 20 / 600) <= 3, "{inked}");
    }

    #[test]
    fn a_window_shows_the_ink_around_its_column_and_none_outside() {
        let strip = &strips(&bars(1)).unwrap()[0];
        let window = strip.window(0);
        for row in 0..28 {
            for column in 0..28 {
                let ink = window.pixels[row * 28 + column];
                assert!(column >= 14 || ink == 0);
                let expected = strip.ink(column as isize - 14, row);
                assert_eq!(ink, (expected * 255.0).round() as u8);
            }
        }
        assert_eq!(strip.ink(-1, 0), 0.0);
        assert_eq!(strip.ink(strip.columns() as isize, 14), 0.0);
    }
}

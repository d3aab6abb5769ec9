//! From a picture to a strip: the line straight, upright and at one height, as windows that a
//! classifier sees.

use image::{DynamicImage, GrayImage, imageops};
use taper_dataset::Image;

use crate::error::{ReadError, Result};
use crate::ink::even_out;
use crate::line::find_line;
use crate::straighten::{Frame, ROWS, straighten};

/// Digits of this height in a picture lose nothing in the strip; a larger picture is shrunk first.
const WORKING_HEIGHT: f32 = 40.0;

/// The most pixels that are looked at before it is known how large the digits are.
const MOST_PIXELS: f32 = 1.5e6;

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

/// The line of a picture. Where it is hard to say whether the ink is darker or lighter than its paper
/// there are two answers.
///
/// # Errors
/// The picture is too small, or there is no line in it.
pub fn strips(picture: &Image) -> Result<Vec<Strip>> {
    let (height, width) = (picture.height, picture.width);
    if height < LEAST_SIDE || width < LEAST_SIDE {
        return Err(ReadError::TooSmall { height, width });
    }
    let grey = grey_of(picture);
    let zoom = (width as f32 * height as f32 / MOST_PIXELS).sqrt().max(1.0);
    let small = shrunk(&grey, zoom);
    let first = even_out(&small, (small.width().min(small.height()) / 3).clamp(8, 80));
    let tones = match first.is_dark() {
        Some(dark) => vec![dark],
        None => vec![true, false],
    };
    let strip = |dark: bool| {
        let line = find_line(&first.ink(dark)?)?;
        // Once more, now that it is known how large the digits are.
        let zoom = (zoom * line.digit_height / WORKING_HEIGHT).max(1.0);
        let small = shrunk(&grey, zoom);
        let digit = line.digit_height.min(WORKING_HEIGHT);
        let ink = even_out(&small, (0.9 * digit).clamp(8.0, 60.0) as u32).ink(dark)?;
        let frame = straighten(&find_line(&ink)?);
        Ok(Strip { frame, zoom: width as f32 / small.width() as f32 })
    };
    let (found, failed): (Vec<_>, Vec<_>) = tones.into_iter().map(strip).partition(Result::is_ok);
    let found: Vec<Strip> = found.into_iter().flatten().collect();
    match failed.into_iter().find_map(Result::err) {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
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
            assert_eq!(strips.len(), 1);
            let strip = &strips[0];
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

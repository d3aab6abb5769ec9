//! The picture with what was read in it.

use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_line_segment_mut};
use imageproc::rect::Rect;
use taper_dataset::Image;

use crate::reading::Reading;

/// Digits of 3x5 pixels, a row three bits; the last is the question mark.
const LETTERS: [[u8; 5]; 11] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b011, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
    [0b111, 0b001, 0b010, 0b000, 0b010],
];

/// The picture with a frame around each digit, green where it is sure and red where it is not, and
/// what was read below the picture, each digit under its own; below that, in white, the truth if it
/// is known.
///
/// # Panics
/// When the picture's pixels do not fill its size.
pub fn annotate(picture: &Image, reading: &Reading, truth: Option<&str>) -> Image {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let highs = reading.digits.iter().map(|digit| digit.corners[3][1] - digit.corners[0][1]);
    let size = (highs.fold(0.0, f32::max) / 8.0).clamp(2.0, 0.02 * width.max(200) as f32) as u32;
    let strips = if truth.is_some() { 2 } else { 1 };
    let mut canvas = RgbImage::from_pixel(width, height + 7 * size * strips, Rgb([32, 32, 32]));
    for (place, pixel) in picture.pixels.chunks_exact(picture.channels).enumerate() {
        let rgb =
            if picture.channels == 3 { [pixel[0], pixel[1], pixel[2]] } else { [pixel[0]; 3] };
        canvas.put_pixel(place as u32 % width, place as u32 / width, Rgb(rgb));
    }
    for digit in &reading.digits {
        // From red, at a half and below, over yellow to green.
        let sure = ((digit.confidence - 0.5) * 2.0).clamp(0.0, 1.0);
        let share = |value: f64| (value.clamp(0.0, 1.0) * 255.0) as u8;
        let colour = Rgb([share(2.0 - 2.0 * sure), share(2.0 * sure), 0]);
        for side in 0..4 {
            let (from, to) = (digit.corners[side], digit.corners[(side + 1) % 4]);
            draw_line_segment_mut(&mut canvas, (from[0], from[1]), (to[0], to[1]), colour);
        }
        let middle = (digit.corners[2][0] + digit.corners[3][0]) / 2.0;
        let left = middle as i32 - (3 * size / 2) as i32;
        let letter = if digit.told { usize::from(digit.digit) } else { 10 };
        draw_letter(&mut canvas, letter, left, height + size, size, colour);
    }
    for (place, letter) in truth.unwrap_or("").chars().enumerate() {
        let letter = letter.to_digit(10).map_or(10, |digit| digit as usize);
        let left = (4 * size * place as u32 + size) as i32;
        draw_letter(&mut canvas, letter, left, height + 8 * size, size, Rgb([255; 3]));
    }
    let (width, height) = (canvas.width() as usize, canvas.height() as usize);
    Image { height, width, channels: 3, pixels: canvas.into_raw() }
}

/// Draws a digit, or for 10 a question mark, `size` pixels for each of its own.
fn draw_letter(canvas: &mut RgbImage, letter: usize, left: i32, top: u32, size: u32, ink: Rgb<u8>) {
    for (row, bits) in LETTERS[letter.min(10)].iter().enumerate() {
        for column in (0..3).filter(|column| bits >> (2 - column) & 1 == 1) {
            let (x, y) = (left + column * size as i32, top as i32 + row as i32 * size as i32);
            draw_filled_rect_mut(canvas, Rect::at(x, y).of_size(size, size), ink);
        }
    }
}

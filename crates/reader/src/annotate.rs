//! The picture with what was read in it.

use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_line_segment_mut};
use imageproc::rect::Rect;
use taper_dataset::Image;

use crate::reading::{Digit, Reading};

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

/// What a digit is at least enlarged to, in pixels.
const SEEN_HEIGHT: f32 = 56.0;

/// How many times as large a picture is shown at most.
const MOST_TIMES: f32 = 4.0;

/// The paint behind what is wrong.
const WRONG: Rgb<u8> = Rgb([150, 0, 60]);

/// The picture with a frame around each digit, green where it is sure and red where it is not, and
/// what was read below the picture, each digit under its own; below that, in white, the truth if it
/// is known, with what is wrong, missing or too much on red. Other numbers have blue frames, each digit
/// below its own. A small picture is enlarged.
///
/// # Panics
/// When the picture's pixels do not fill its size.
pub fn annotate(
    picture: &Image,
    reading: &Reading,
    others: &[&Reading],
    truth: Option<&str>,
) -> Image {
    let high_of = |digit: &Digit| {
        let [a, _, _, d] = digit.corners;
        (d[0] - a[0]).hypot(d[1] - a[1])
    };
    let highs = reading.digits.iter().map(high_of);
    let high = highs.fold(0.0, f32::max).max(1.0);
    let times = (SEEN_HEIGHT / high).ceil().clamp(1.0, MOST_TIMES);
    let (width, height) =
        (picture.width as u32 * times as u32, picture.height as u32 * times as u32);
    let size = (high * times / 8.0).clamp(2.0, 0.02 * width.max(200) as f32) as u32;
    let strips = if truth.is_some() { 2 } else { 1 };
    let mut canvas = RgbImage::from_pixel(width, height + 7 * size * strips, Rgb([32, 32, 32]));
    for (x, y, pixel) in canvas.enumerate_pixels_mut().filter(|(_, y, _)| *y < height) {
        let (x, y) = (x as usize / times as usize, y as usize / times as usize);
        let from = &picture.pixels[(y * picture.width + x) * picture.channels..];
        *pixel = if picture.channels == 3 {
            Rgb([from[0], from[1], from[2]])
        } else {
            Rgb([from[0]; 3])
        };
    }
    let thick = (high * times / 24.0).max(1.0);
    for digit in others.iter().flat_map(|other| &other.digits) {
        let blue = Rgb([40, 120, 255]);
        draw_frame(&mut canvas, digit.corners, times, thick, blue);
        let size = ((high_of(digit) * times / 12.0) as u32).max(1);
        let [x, y] = digit.corners[3].map(|place| place * times);
        let top = (y.max(0.0) as u32 + 2).min(height.saturating_sub(5 * size));
        let letter = if digit.told { usize::from(digit.digit) } else { 10 };
        draw_letter(&mut canvas, letter, x as i32, top, size, blue);
    }
    let middle = |digit: &Digit| {
        let middle = (digit.corners[2][0] + digit.corners[3][0]) / 2.0;
        ((middle + 0.5) * times) as i32 - (3 * size / 2) as i32
    };
    let places: Vec<i32> = reading.digits.iter().map(middle).collect();
    let told: Vec<usize> = (reading.digits.iter())
        .map(|digit| if digit.told { usize::from(digit.digit) } else { 10 })
        .collect();
    let marks = truth.map(|truth| compare(&told, &places, truth, 4 * size as i32));
    for (wrong, row) in marks.iter().flat_map(|marks| [(&marks.wrong, 0), (&marks.missed, 7)]) {
        for &left in wrong {
            let top = (height + row * size) as i32;
            let at = Rect::at(left - size as i32 / 2, top).of_size(4 * size, 7 * size);
            draw_filled_rect_mut(&mut canvas, at, WRONG);
        }
    }
    for ((digit, &left), &letter) in reading.digits.iter().zip(&places).zip(&told) {
        // From red, at a half and below, over yellow to green.
        let sure = ((digit.confidence - 0.5) * 2.0).clamp(0.0, 1.0);
        let share = |value: f64| (value.clamp(0.0, 1.0) * 255.0) as u8;
        let colour = Rgb([share(2.0 - 2.0 * sure), share(2.0 * sure), 0]);
        draw_frame(&mut canvas, digit.corners, times, thick, colour);
        draw_letter(&mut canvas, letter, left, height + size, size, colour);
    }
    for &(letter, left) in marks.iter().flat_map(|marks| &marks.truth) {
        draw_letter(&mut canvas, letter, left, height + 8 * size, size, Rgb([255; 3]));
    }
    let (width, height) = (canvas.width() as usize, canvas.height() as usize);
    Image { height, width, channels: 3, pixels: canvas.into_raw() }
}

/// Where the truth stands below what was read.
struct Marks {
    /// Each letter of the truth, and the place of its left side.
    truth: Vec<(usize, i32)>,
    /// The places of digits that are wrong or too much.
    wrong: Vec<i32>,
    /// The places of letters of the truth that were not read.
    missed: Vec<i32>,
}

/// Lays the truth below what was read, with as few changes as there can be (Levenshtein's distance).
fn compare(read: &[usize], places: &[i32], truth: &str, step: i32) -> Marks {
    let truth: Vec<usize> = (truth.chars().filter(|letter| *letter != ' '))
        .map(|letter| letter.to_digit(10).map_or(10, |digit| digit as usize))
        .collect();
    // The fewest changes from what is left of what was read to what is left of the truth.
    let mut least = vec![vec![0; truth.len() + 1]; read.len() + 1];
    let change = |one: usize, other: usize| usize::from(read[one] != truth[other]);
    for one in (0..=read.len()).rev() {
        for other in (0..=truth.len()).rev() {
            least[one][other] = match (one < read.len(), other < truth.len()) {
                (true, true) => (least[one + 1][other + 1] + change(one, other))
                    .min(least[one + 1][other] + 1)
                    .min(least[one][other + 1] + 1),
                (true, false) => least[one + 1][other] + 1,
                (false, true) => least[one][other + 1] + 1,
                (false, false) => 0,
            };
        }
    }
    let mut marks = Marks { truth: Vec::new(), wrong: Vec::new(), missed: Vec::new() };
    let (mut one, mut other) = (0, 0);
    while one < read.len() || other < truth.len() {
        let both = one < read.len() && other < truth.len();
        if both && least[one][other] == least[one + 1][other + 1] + change(one, other) {
            marks.truth.push((truth[other], places[one]));
            if change(one, other) > 0 {
                marks.wrong.push(places[one]);
                marks.missed.push(places[one]);
            }
            (one, other) = (one + 1, other + 1);
        } else if one < read.len() && least[one][other] == least[one + 1][other] + 1 {
            marks.wrong.push(places[one]);
            one += 1;
        } else {
            // Between its neighbours.
            let before = marks.truth.last().map(|(_, left)| *left);
            let left = match (before, places.get(one)) {
                (Some(before), Some(after)) => (before + after) / 2,
                (Some(before), None) => before + step,
                (None, Some(after)) => after - step,
                (None, None) => step * other as i32,
            };
            marks.truth.push((truth[other], left));
            marks.missed.push(left);
            other += 1;
        }
    }
    marks
}

/// Draws a frame around corners, outwards from them, in a picture so many times as large.
fn draw_frame(canvas: &mut RgbImage, corners: [[f32; 2]; 4], times: f32, thick: f32, ink: Rgb<u8>) {
    let corners = corners.map(|corner| corner.map(|side| (side + 0.5) * times - 0.5));
    let unit = |from: [f32; 2], to: [f32; 2]| {
        let (x, y) = (to[0] - from[0], to[1] - from[1]);
        let length = x.hypot(y).max(1e-6);
        (x / length, y / length)
    };
    let (right, down) = (unit(corners[0], corners[1]), unit(corners[0], corners[3]));
    // Half a pixel a step, so that no gaps stay where the frame is turned.
    for ring in 0..(2.0 * thick) as usize {
        let off = ring as f32 / 2.0;
        let moved = |corner: usize, along: f32, across: f32| {
            let [x, y] = corners[corner];
            let (along, across) = (along * off, across * off);
            (x + along * right.0 + across * down.0, y + along * right.1 + across * down.1)
        };
        let ring =
            [moved(0, -1.0, -1.0), moved(1, 1.0, -1.0), moved(2, 1.0, 1.0), moved(3, -1.0, 1.0)];
        for side in 0..4 {
            draw_line_segment_mut(canvas, ring[side], ring[(side + 1) % 4], ink);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(read: &[usize], truth: &str) -> Marks {
        let places: Vec<i32> = (0..read.len() as i32).map(|place| 10 * place).collect();
        compare(read, &places, truth, 10)
    }

    #[test]
    fn the_truth_stands_below_its_digits_and_what_is_wrong_is_marked() {
        let marks = compared(&[1, 2, 3], "123");
        assert_eq!(marks.truth, [(1, 0), (2, 10), (3, 20)]);
        assert!(marks.wrong.is_empty() && marks.missed.is_empty());
        let marks = compared(&[1, 10, 3], "1 23");
        assert_eq!((marks.wrong, marks.missed), (vec![10], vec![10]));
    }

    #[test]
    fn a_missing_digit_stands_between_its_neighbours_and_one_too_many_above_nothing() {
        let marks = compared(&[1, 3, 4], "1234");
        assert_eq!(marks.truth, [(1, 0), (2, 5), (3, 10), (4, 20)]);
        assert_eq!((marks.wrong, marks.missed), (vec![], vec![5]));
        let marks = compared(&[1, 7, 2, 3], "123");
        assert_eq!(marks.truth, [(1, 0), (2, 20), (3, 30)]);
        assert_eq!((marks.wrong, marks.missed), (vec![10], vec![]));
        assert_eq!(compared(&[], "12").missed, [0, 10]);
    }

    #[test]
    fn frames_are_as_thick_as_their_digits_are_high() {
        for (high, thick) in [(40.0, 3), (480.0, 20)] {
            let picture = Image::black(600, 600, 1);
            let corners = [[50.0, 50.0], [250.0, 50.0], [250.0, 50.0 + high], [50.0, 50.0 + high]];
            let digit = Digit { digit: 3, confidence: 1.0, told: true, corners };
            let reading = Reading::sure("3", vec![digit]);
            let shown = annotate(&picture, &reading, &[], None);
            let times = shown.width / 600;
            assert_eq!(times, if high < 56.0 { 2 } else { 1 });
            let row = (50 + high as usize / 2) * times * shown.width;
            let green = (0..150 * times).filter(|x| shown.pixels[(row + x) * 3 + 1] == 255).count();
            assert!(green.abs_diff(thick) <= 1, "{green} for {thick}");
        }
    }
}

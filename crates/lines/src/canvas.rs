//! A sheet that is drawn on: shapes and writing in colour.

use taper_dataset::Image;
use taper_dataset::random::Random;

use crate::error::Result;
use crate::glyph::{FINE, Glyph};
use crate::hand::Hand;
use crate::print::Font;

pub(crate) type Colour = [f32; 3];

/// Left, upper, right and lower end, in pixels.
pub(crate) type Sides = [f64; 4];

/// A picture in colour, 0 to 255.
#[derive(Debug, Clone)]
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<Colour>,
    /// Every letter that was written, and the place of its ink.
    pub written: Vec<(char, Sides)>,
}

/// What writes: a font, or digits of a hand and a font for letters.
pub(crate) struct Pen<'a> {
    pub font: &'a Font,
    pub hand: Option<&'a Hand>,
    /// Height of a digit in pixels.
    pub height: f64,
    pub colour: Colour,
    /// Light and dark edges, in grey levels; 0: flat.
    pub relief: f32,
    /// How far letters stray in size and place, in heights.
    pub stray: f64,
    /// Additional pixels between letters.
    pub spacing: f64,
}

impl Canvas {
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self { width, height, pixels: vec![colour; width * height], written: Vec::new() }
    }

    /// Lays a colour over the pixels of a part, each as far as a function of its centre says.
    pub fn paint(&mut self, sides: Sides, colour: Colour, covers: impl Fn(f64, f64) -> f64) {
        let [left, top, right, bottom] = sides.map(|side| side.max(0.0));
        for y in top as usize..(bottom.ceil() as usize).min(self.height) {
            for x in left as usize..(right.ceil() as usize).min(self.width) {
                let share = covers(x as f64 + 0.5, y as f64 + 0.5).clamp(0.0, 1.0) as f32;
                for (pixel, colour) in self.pixels[y * self.width + x].iter_mut().zip(colour) {
                    *pixel += share * (colour - *pixel);
                }
            }
        }
    }

    pub fn rectangle(&mut self, sides: Sides, colour: Colour) {
        let [left, top, right, bottom] = sides;
        self.paint([left - 1.0, top - 1.0, right + 1.0, bottom + 1.0], colour, |x, y| {
            let inside = (x - left).min(right - x).min(y - top).min(bottom - y);
            inside + 0.5
        });
    }

    /// The outline of a rectangle.
    pub fn frame(&mut self, [left, top, right, bottom]: Sides, thick: f64, colour: Colour) {
        self.rectangle([left, top, right, top + thick], colour);
        self.rectangle([left, bottom - thick, right, bottom], colour);
        self.rectangle([left, top, left + thick, bottom], colour);
        self.rectangle([right - thick, top, right, bottom], colour);
    }

    /// A ring; `share` is how much of it is laid on.
    pub fn ring(&mut self, [x, y]: [f64; 2], radius: f64, thick: f64, colour: Colour, share: f64) {
        let reach = radius + thick;
        self.paint([x - reach, y - reach, x + reach, y + reach], colour, |px, py| {
            let off = ((px - x).hypot(py - y) - radius).abs();
            share * (thick / 2.0 - off + 0.5).clamp(0.0, 1.0)
        });
    }

    pub fn disc(&mut self, [x, y]: [f64; 2], radius: f64, colour: Colour, share: f64) {
        self.paint([x - radius, y - radius, x + radius, y + radius], colour, |px, py| {
            share * (radius - (px - x).hypot(py - y) + 0.5).clamp(0.0, 1.0)
        });
    }

    fn ink(&mut self, glyph: &Glyph, left: f64, top: f64, pen: &Pen<'_>) {
        let sides = [left, top, left + glyph.width as f64, top + glyph.height as f64];
        let covered = |x: f64, y: f64| {
            let (x, y) = (x - left - 0.5, y - top - 0.5);
            let (x0, y0) = (x.floor(), y.floor());
            let at = |x: f64, y: f64| {
                let inside =
                    x >= 0.0 && y >= 0.0 && x < glyph.width as f64 && y < glyph.height as f64;
                if inside {
                    f64::from(glyph.ink[y as usize * glyph.width + x as usize])
                } else {
                    0.0
                }
            };
            let (fx, fy) = (x - x0, y - y0);
            (at(x0, y0) * (1.0 - fx) + at(x0 + 1.0, y0) * fx) * (1.0 - fy)
                + (at(x0, y0 + 1.0) * (1.0 - fx) + at(x0 + 1.0, y0 + 1.0) * fx) * fy
        };
        if pen.relief > 0.0 {
            let by = (pen.height / 14.0).max(0.7);
            for (by, tone) in [(-by, pen.relief), (by, -pen.relief)] {
                let sides = sides.map(|side| side + by);
                let [left, top, ..] = sides;
                let (left, top) = (left as usize, top as usize);
                let colour = *self.pixels.get(top * self.width + left).unwrap_or(&[128.0; 3]);
                let colour = colour.map(|value| (value + tone).clamp(0.0, 255.0));
                self.paint(sides, colour, |x, y| covered(x - by, y - by));
            }
        }
        self.paint(
            [sides[0] - 1.0, sides[1] - 1.0, sides[2] + 1.0, sides[3] + 1.0],
            pen.colour,
            covered,
        );
    }

    /// Writes a line from a place on its baseline; where each letter's ink is, and the pen at the end.
    ///
    /// # Errors
    /// A digit of a hand cannot be read.
    pub fn write(
        &mut self,
        pen: &Pen<'_>,
        [x, y]: [f64; 2],
        text: &str,
        random: &mut Random,
    ) -> Result<(Vec<Sides>, f64)> {
        let (mut x, mut boxes) = (x, Vec::new());
        for letter in text.chars() {
            let scale = 1.0 + pen.stray * random.between(-1.0, 1.0);
            let y = y + 0.5 * pen.stray * pen.height * random.between(-1.0, 1.0);
            let digit = letter.to_digit(10).map(|digit| digit as usize);
            let (drawn, step) = match (pen.hand, digit) {
                (Some(hand), Some(digit)) => {
                    // A hand's digits are 28 pixels high, as fine as lines are composed.
                    let scale = scale * pen.height / (28.0 * FINE);
                    let glyph = hand.glyph(digit, scale, random)?;
                    let gap = pen.height * random.between(0.03, 0.3);
                    let at = [0.0, glyph.height as f64];
                    let step = glyph.width as f64 + gap;
                    (Some((glyph, at)), step)
                }
                _ => pen.font.letter(plain(pen.font, letter), pen.height * scale),
            };
            let mut sides = [x, y, x, y];
            if let Some((glyph, [right, up])) = drawn {
                let (left, top) = (x + right, y - up);
                self.ink(&glyph, left, top, pen);
                let [first, last, upper, lower] = glyph.seen().map(|place| place as f64);
                sides = [left + first, top + upper, left + last + 1.0, top + lower + 1.0];
                self.written.push((letter, sides));
            }
            boxes.push(sides);
            x += step + pen.spacing;
        }
        Ok((boxes, x))
    }

    /// Bytes.
    pub fn to_image(&self) -> Image {
        let byte = |value: &f32| value.round().clamp(0.0, 255.0) as u8;
        let pixels = self.pixels.iter().flatten().map(byte).collect();
        Image { height: self.height, width: self.width, channels: 3, pixels }
    }
}

/// A letter that a font has in a letter's place.
fn plain(font: &Font, letter: char) -> char {
    if font.has(letter) {
        return letter;
    }
    match letter {
        'ä' | 'á' | 'ã' => 'a',
        'ö' | 'ó' => 'o',
        'ü' => 'u',
        'Ä' => 'A',
        'Ö' => 'O',
        'Ü' => 'U',
        'ß' => 's',
        'é' | 'è' => 'e',
        'í' => 'i',
        'ç' => 'c',
        'ñ' => 'n',
        other => other,
    }
}

/// The box around boxes of letters.
pub(crate) fn around(boxes: &[Sides]) -> Sides {
    let first = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    boxes
        .iter()
        .fold(first, |[a, b, c, d], [e, f, g, h]| [a.min(*e), b.min(*f), c.max(*g), d.max(*h)])
}

//! Digits and letters of fonts, embedded; `assets/fonts/FONTS.md` lists them with their licences.

use ab_glyph::{Font as _, FontRef, Glyph as Place, Point, PxScale, ScaleFont as _};

use crate::glyph::{FINE, Glyph};
use crate::settings::Part;

const DIGIT_HEIGHT: f64 = 28.0;

macro_rules! fonts {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../assets/fonts/", $name)))),+]
    };
}

type File = (&'static str, &'static [u8]);

const TRAINING: &[File] = fonts![
    "training-00.ttf",
    "training-01.ttf",
    "training-02.ttf",
    "training-03.ttf",
    "training-04.otf",
    "training-05.ttf",
    "training-06.ttf",
    "training-07.otf",
    "training-08.ttf",
    "training-09.ttf",
    "training-10.otf",
    "training-11.ttf",
    "training-12.otf",
    "training-13.otf",
    "training-14.ttf",
    "training-15.ttf",
    "training-16.otf",
    "training-17.otf",
    "training-18.otf",
    "training-19.ttf",
];

const TUNING: &[File] = fonts!["tuning-00.ttf", "tuning-01.otf", "tuning-02.ttf"];

const TEST: &[File] = fonts![
    "test-00.otf",
    "test-01.ttf",
    "test-02.ttf",
    "test-03.ttf",
    "test-04.ttf",
    "test-05.ttf",
    "test-06.otf",
];

/// Letters that imitate handwriting, to stand beside handwritten digits.
const TRAINING_HANDS: &[File] = fonts![
    "training-hand-00.otf",
    "training-hand-01.otf",
    "training-hand-02.otf",
    "training-hand-03.otf",
    "training-hand-04.otf",
    "training-hand-05.ttf",
];

const TUNING_HANDS: &[File] = fonts!["tuning-hand-00.ttf", "tuning-hand-01.ttf"];

const TEST_HANDS: &[File] = fonts!["test-hand-00.ttf", "test-hand-01.ttf"];

/// A font's digits and letters.
pub(crate) struct Font {
    /// Its file in `assets/fonts`.
    pub name: &'static str,
    font: FontRef<'static>,
    /// Height of the highest digit at a scale of 100 pixels.
    height: f32,
}

impl Font {
    /// The fonts of a part.
    pub fn all(part: Part) -> Vec<Font> {
        let files = match part {
            Part::Training => TRAINING,
            Part::Tuning => TUNING,
            Part::Test => TEST,
        };
        Self::open(files)
    }

    /// The fonts of a part that imitate handwriting.
    pub fn hands(part: Part) -> Vec<Font> {
        Self::open(match part {
            Part::Training => TRAINING_HANDS,
            Part::Tuning => TUNING_HANDS,
            Part::Test => TEST_HANDS,
        })
    }

    fn open(files: &[File]) -> Vec<Font> {
        files
            .iter()
            .map(|&(name, bytes)| {
                let font = FontRef::try_from_slice(bytes).expect("an embedded font is whole");
                let height = |digit| outline(&font, digit_of(digit), 100.0).map(height_of);
                let height = (0..10).filter_map(height).fold(0.0, f32::max);
                Font { name, font, height }
            })
            .collect()
    }

    /// A digit's ink at a scale.
    pub fn glyph(&self, digit: usize, scale: f64) -> Glyph {
        let size = 100.0 * DIGIT_HEIGHT * FINE * scale / f64::from(self.height);
        let outline = outline(&self.font, digit_of(digit), size as f32)
            .expect("an embedded font has all digits");
        Self::draw(&outline)
    }

    /// A letter's ink where digits are so many pixels high, where its left upper corner lies to the
    /// right of and above the pen, and how far the pen moves; no ink for a blank and for what the font
    /// lacks.
    pub fn letter(&self, letter: char, digit_height: f64) -> (Option<(Glyph, [f64; 2])>, f64) {
        let size = (100.0 * digit_height / f64::from(self.height)) as f32;
        let id = self.font.glyph_id(letter);
        let scaled = self.font.as_scaled(PxScale::from(size));
        let step = f64::from(scaled.h_advance(id));
        let drawn = outline(&self.font, letter, size).filter(|_| id.0 != 0).map(|outline| {
            let bounds = outline.px_bounds();
            let at = [f64::from(bounds.min.x), -f64::from(bounds.min.y)];
            (Self::draw(&outline), at)
        });
        (drawn, if letter == ' ' { step.max(0.3 * digit_height) } else { step })
    }

    /// Whether the font has a letter.
    pub fn has(&self, letter: char) -> bool {
        letter == ' ' || self.font.glyph_id(letter).0 != 0
    }

    fn draw(outline: &ab_glyph::OutlinedGlyph) -> Glyph {
        let bounds = outline.px_bounds();
        let (height, width) = (bounds.height() as usize, bounds.width() as usize);
        let mut ink = vec![0.0; height * width];
        outline.draw(|x, y, covered| {
            if let Some(pixel) = ink.get_mut(y as usize * width + x as usize) {
                *pixel = covered.clamp(0.0, 1.0);
            }
        });
        Glyph { height, width, ink }
    }
}

fn digit_of(digit: usize) -> char {
    char::from(b'0' + digit as u8)
}

fn height_of(outline: ab_glyph::OutlinedGlyph) -> f32 {
    outline.px_bounds().height()
}

fn outline(font: &FontRef<'_>, letter: char, size: f32) -> Option<ab_glyph::OutlinedGlyph> {
    let scale = PxScale { x: size, y: size };
    let id = font.glyph_id(letter);
    font.outline_glyph(Place { id, scale, position: Point { x: 0.0, y: 0.0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_font_draws_ten_digits_of_one_height() {
        for part in [Part::Training, Part::Tuning, Part::Test] {
            for font in Font::all(part) {
                for digit in 0..10 {
                    let glyph = font.glyph(digit, 1.0);
                    assert!((48..=58).contains(&glyph.height), "{} {digit}", font.name);
                    assert!((8..=60).contains(&glyph.width), "{} {digit}", font.name);
                    let covered = glyph.ink.iter().sum::<f32>() / glyph.ink.len() as f32;
                    assert!((0.1..0.95).contains(&covered), "{} {digit}: {covered}", font.name);
                }
            }
        }
    }

    #[test]
    fn at_least_three_families_are_for_testing_alone() {
        // The table that the fonts' script writes: file, face, package.
        let table = include_str!("../assets/fonts/FONTS.md");
        let packages = |part: &str| -> std::collections::BTreeSet<&str> {
            let rows = table.lines().filter(|line| line.starts_with(&format!("| `{part}-")));
            rows.map(|row| row.split('|').nth(3).unwrap().trim()).collect()
        };
        let (test, training) = (packages("test"), packages("training"));
        assert!(test.len() >= 3, "{test:?}");
        assert!(test.is_disjoint(&training) && test.is_disjoint(&packages("tuning")));
        assert!(training.is_disjoint(&packages("tuning")));
    }
}

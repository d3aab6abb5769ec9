//! Digits of fonts: the ten digits of thirty fonts, embedded; `assets/fonts/FONTS.md` lists them with
//! their licences.

use ab_glyph::{Font as _, FontRef, Glyph as Place, Point, PxScale};

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

/// A font's digits.
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
        files
            .iter()
            .map(|&(name, bytes)| {
                let font = FontRef::try_from_slice(bytes).expect("an embedded font is whole");
                let height = |digit| outline(&font, digit, 100.0).px_bounds().height();
                let height = (0..10).map(height).fold(0.0, f32::max);
                Font { name, font, height }
            })
            .collect()
    }

    /// A digit's ink at a scale.
    pub fn glyph(&self, digit: usize, scale: f64) -> Glyph {
        let size = 100.0 * DIGIT_HEIGHT * FINE * scale / f64::from(self.height);
        let outline = outline(&self.font, digit, size as f32);
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

fn outline(font: &FontRef<'_>, digit: usize, size: f32) -> ab_glyph::OutlinedGlyph {
    let id = font.glyph_id(char::from(b'0' + digit as u8));
    let scale = PxScale { x: size, y: size };
    let place = Place { id, scale, position: Point { x: 0.0, y: 0.0 } };
    font.outline_glyph(place).expect("an embedded font has all digits")
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

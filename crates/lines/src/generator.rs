//! From a seed and a number to a line.

use taper_dataset::Image;
use taper_dataset::random::{Purpose, Random};

use crate::error::Result;
use crate::glyph::Glyph;
use crate::hand::Hand;
use crate::layer::Layer;
use crate::paper::{on_card, on_paper};
use crate::print::Font;
use crate::settings::{Kind, Parameters, Settings};

/// Makes lines, each a pure function of the settings and its number.
pub struct Generator {
    /// What the lines are made of.
    pub settings: Settings,
    ink: Ink,
}

enum Ink {
    Hand(Hand),
    Fonts(Vec<Font>),
}

/// A picture of a line of digits, and the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The picture, grey.
    pub picture: Image,
    /// The digits, with a blank between the groups of a card number.
    pub text: String,
    /// The font's file, where the line is printed.
    pub font: Option<&'static str>,
    /// Left, top, width and height of each digit's ink.
    pub boxes: Vec<[u32; 4]>,
    /// How the line strays from a plain one.
    pub parameters: Parameters,
    /// How much of each pixel is covered by ink, 0 to 1.
    pub ink: Vec<f32>,
    /// Which digit each pixel's ink is of, from 1; 0: none.
    pub owner: Vec<u8>,
}

impl Line {
    /// Which digit, from 0, has ink at a place of the picture, if one covers at least half of the
    /// pixel there; whole numbers are the centres of pixels.
    pub fn digit_at(&self, x: f32, y: f32) -> Option<usize> {
        let (x, y) = (x.round(), y.round());
        let (width, height) = (self.picture.width, self.picture.height);
        if !(x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32) {
            return None;
        }
        let place = y as usize * width + x as usize;
        usize::from(self.owner[place]).checked_sub(1).filter(|_| self.ink[place] >= 0.5)
    }
}

/// What the random numbers of a line are for.
#[repr(u8)]
enum Use {
    Text,
    Parameters,
    Glyphs,
    Paper,
}

impl Generator {
    /// A generator that takes handwritten digits from a data set, by path or name; printed lines
    /// need none.
    ///
    /// # Errors
    /// Settings that no line can have; digits that cannot be read, or lack a class or the part.
    pub fn new(settings: Settings, digits: &str) -> Result<Self> {
        settings.check()?;
        let ink = match settings.kind {
            Kind::Handwritten => Ink::Hand(Hand::open(digits, settings.part)?),
            Kind::Printed | Kind::Card => Ink::Fonts(Font::all(settings.part)),
        };
        Ok(Self { settings, ink })
    }

    /// The line of a number.
    ///
    /// # Errors
    /// A digit's image cannot be read.
    pub fn line(&self, index: u64) -> Result<Line> {
        let settings = &self.settings;
        let random = |what: Use| {
            Random::new(settings.seed, Purpose::Lines, settings.kind as u64, index).lane(what as u8)
        };
        let digits = self.draw_digits(&mut random(Use::Text));
        let parameters = Parameters::draw(settings, &mut random(Use::Parameters));
        let stream = &mut random(Use::Glyphs);
        let (glyphs, font): (Vec<Glyph>, _) = match &self.ink {
            Ink::Hand(hand) => {
                let scaled = digits.iter().zip(&parameters.scales);
                let glyphs = scaled.map(|(&digit, &scale)| hand.glyph(digit, scale, stream));
                (glyphs.collect::<Result<_>>()?, None)
            }
            Ink::Fonts(fonts) => {
                let font = &fonts[stream.below(fonts.len())];
                let scaled = digits.iter().zip(&parameters.scales);
                (scaled.map(|(&digit, &scale)| font.glyph(digit, scale)).collect(), Some(font.name))
            }
        };
        let groups_of = (settings.kind == Kind::Card).then_some(4);
        let layer = Layer::compose(&glyphs, &parameters, groups_of);
        let stream = &mut random(Use::Paper);
        let margins = [(); 4].map(|()| 8 + stream.below(21));
        let page = layer.onto_page(parameters.slant, parameters.skew, margins);
        let picture = match settings.kind {
            Kind::Card => on_card(&page, &parameters, stream),
            Kind::Handwritten | Kind::Printed => on_paper(&page, &parameters, stream),
        };
        let mut text = String::new();
        for (place, digit) in digits.iter().enumerate() {
            if groups_of.is_some_and(|size| place > 0 && place % size == 0) {
                text.push(' ');
            }
            text.push(char::from(b'0' + *digit as u8));
        }
        let boxes = page.boxes(digits.len());
        Ok(Line { picture, text, font, boxes, parameters, ink: page.ink, owner: page.owner })
    }

    fn draw_digits(&self, random: &mut Random) -> Vec<usize> {
        let mut digits: Vec<usize> =
            (0..self.settings.digits()).map(|_| random.below(10)).collect();
        if self.settings.kind == Kind::Card {
            let last = digits.len() - 1;
            digits[last] = check_digit(&digits[..last]);
        }
        digits
    }
}

/// The digit that makes a number pass the Luhn check (ISO/IEC 7812-1, annex B).
pub(crate) fn check_digit(digits: &[usize]) -> usize {
    let doubled = |(place, &digit): (usize, &usize)| match place % 2 {
        0 => digit * 2 / 10 + digit * 2 % 10,
        _ => digit,
    };
    let sum: usize = digits.iter().rev().enumerate().map(doubled).sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Level, Part};

    fn generator(kind: Kind, level: Level, seed: u64) -> Generator {
        let settings = Settings { kind, level, seed, ..Settings::default() };
        Generator::new(settings, "mnist-sample").unwrap()
    }

    #[test]
    fn a_line_is_a_function_of_seed_and_number() {
        for kind in [Kind::Handwritten, Kind::Printed, Kind::Card] {
            let one = generator(kind, Level::Degraded, 3);
            assert_eq!(one.line(5).unwrap(), generator(kind, Level::Degraded, 3).line(5).unwrap());
            assert_ne!(one.line(5).unwrap().picture, one.line(6).unwrap().picture);
            assert_ne!(
                one.line(5).unwrap().text,
                generator(kind, Level::Degraded, 4).line(5).unwrap().text
            );
        }
    }

    #[test]
    fn the_golden_line_stays_as_it_is() {
        // Sums of pixels, written down when they were looked at.
        let sum = |kind| {
            let line = generator(kind, Level::Full, 0).line(0).unwrap();
            let sum: u64 = line.picture.pixels.iter().map(|&v| u64::from(v)).sum();
            (line.text, line.picture.width, sum / 1000)
        };
        let sums = [Kind::Handwritten, Kind::Printed, Kind::Card].map(sum);
        let expected =
            [("27568", 184, 3184), ("35170", 157, 2799), ("0811 4460 6750 5101", 416, 1337)];
        assert_eq!(sums, expected.map(|(text, width, sum)| (text.to_string(), width, sum)));
    }

    #[test]
    fn boxes_hold_their_digits_ink_and_keep_the_gaps() {
        let settings =
            Settings { kind: Kind::Printed, gap: Some((7.0, 7.0)), ..Settings::default() };
        let generator = Generator::new(settings, "").unwrap();
        for index in 0..20 {
            let mut line = generator.line(index).unwrap();
            line.parameters.skew = 0.0;
            assert_eq!(line.boxes.len(), 5);
            assert_eq!(line.digit_at(0.0, 0.0), None);
            assert_eq!(line.digit_at(-1.0, 1e9), None);
            for (place, &ink) in line.ink.iter().enumerate().filter(|(_, ink)| **ink > 0.5) {
                let (x, y) = (place % line.picture.width, place / line.picture.width);
                let [left, top, width, height] =
                    line.boxes[usize::from(line.owner[place]) - 1].map(|v| v as usize);
                assert!((left..left + width).contains(&x) && (top..top + height).contains(&y));
                assert!(ink <= 1.0);
                let digit = usize::from(line.owner[place]) - 1;
                assert_eq!(line.digit_at(x as f32 - 0.4, y as f32 + 0.4), Some(digit));
            }
            for (one, scale) in line.boxes.iter().zip(&line.parameters.scales) {
                let height = f64::from(one[3]);
                assert!((height - 28.0 * scale).abs() < 6.0, "{height} at {scale}");
            }
        }
    }

    #[test]
    fn upright_gaps_are_what_they_say() {
        let settings = Settings { kind: Kind::Printed, ..Settings::default() };
        let generator = Generator::new(settings, "").unwrap();
        let Ink::Fonts(fonts) = &generator.ink else { unreachable!() };
        let glyphs: Vec<Glyph> = [8, 8, 8].map(|digit| fonts[5].glyph(digit, 1.0)).into();
        let mut parameters = generator.line(0).unwrap().parameters;
        parameters.gaps = vec![7.0, -3.0];
        let page = Layer::compose(&glyphs, &parameters, None).onto_page(0.0, 0.0, [5; 4]);
        let boxes = page.boxes(3);
        let gap = |left: usize| {
            f64::from(boxes[left + 1][0]) - f64::from(boxes[left][0] + boxes[left][2])
        };
        // A pixel where the ink of two meets is the darker one's.
        assert!((gap(0) - 7.0).abs() <= 1.0, "{}", gap(0));
        assert!((-3.5..=0.5).contains(&gap(1)), "{}", gap(1));
    }

    #[test]
    fn strokes_have_the_contrast_that_is_drawn() {
        let generator = generator(Kind::Printed, Level::Clean, 1);
        for index in 0..10 {
            let line = generator.line(index).unwrap();
            let mean = |inked: bool| {
                let fits = |ink: f32| if inked { ink > 0.99 } else { ink == 0.0 };
                let values: Vec<f64> = (line.picture.pixels.iter().zip(&line.ink))
                    .filter(|(_, ink)| fits(**ink))
                    .map(|(value, _)| f64::from(*value))
                    .collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let contrast = 1.0 - mean(true) / mean(false);
            let expected = line.parameters.contrast;
            assert!((contrast - expected).abs() < 0.08, "{contrast} for {expected}");
        }
    }

    #[test]
    fn a_card_number_passes_the_luhn_check() {
        // The example of the standard's annex: 7992739871 has the check digit 3.
        assert_eq!(check_digit(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1]), 3);
        let line = generator(Kind::Card, Level::Clean, 0).line(0).unwrap();
        assert_eq!((line.text.len(), line.boxes.len()), (19, 16));
        assert_eq!(line.text.matches(' ').count(), 3);
    }

    #[test]
    fn digits_without_a_test_part_write_no_test_lines() {
        let settings = Settings { part: Part::Test, ..Settings::default() };
        let error = Generator::new(settings, "mnist-sample").map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mnist-sample has no test part to write test lines with; choose another part, or \
             digits with one"
        );
    }

    #[test]
    fn a_digit_that_cannot_be_read_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        for digit in 0..10 {
            let class = folder.path().join(digit.to_string());
            std::fs::create_dir(&class).unwrap();
            let ink = Image::new(28, 28, 1, vec![255; 784]).unwrap();
            for item in 0..3 {
                let png = taper_dataset::sheet::to_png(&ink);
                std::fs::write(class.join(format!("{item}.png")), png).unwrap();
            }
        }
        let digits = folder.path().to_str().unwrap().to_string();
        let generator = Generator::new(Settings::default(), &digits).unwrap();
        assert!(generator.line(0).is_ok());
        for digit in 0..10 {
            for item in 0..3 {
                let path = folder.path().join(format!("{digit}/{item}.png"));
                std::fs::write(path, b"no picture").unwrap();
            }
        }
        let error = generator.line(0).unwrap_err().to_string();
        assert!(error.contains(".png is not a readable image"), "{error}");
        let set = folder.path().join("set");
        assert!(crate::write(&generator, 3, &set).is_err());
    }

    #[test]
    fn other_classes_than_the_ten_digits_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for class in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            std::fs::create_dir(folder.path().join(class)).unwrap();
            let ink = Image::new(28, 28, 1, vec![255; 784]).unwrap();
            for item in 0..3 {
                let path = folder.path().join(class).join(format!("{item}.png"));
                std::fs::write(path, taper_dataset::sheet::to_png(&ink)).unwrap();
            }
        }
        let digits = folder.path().to_str().unwrap().to_string();
        let error = Generator::new(Settings::default(), &digits).map(|_| ()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.ends_with(
                "expected the classes 0 to 9 with images of each, found the classes a, b, c, d, e, \
                 f, g, h, i, j"
            ),
            "{error}"
        );
    }
}

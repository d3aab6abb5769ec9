//! What a set of lines is made of, and how far a line may stray.

use serde::{Deserialize, Serialize};
use taper_dataset::random::Random;

use crate::error::{Error, Result};

/// What a scene shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SceneKind {
    /// An envelope: recipient, sender, stamp, postmark, window, barcode.
    Envelope,
    /// A bank card: number, chip, name, date, logo.
    Card,
    /// A form with fields, of which one is the postcode.
    Form,
    /// A parcel's label.
    Label,
}

/// What kind of line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Handwritten digits on paper.
    Handwritten,
    /// Printed digits on paper.
    Printed,
    /// Sixteen printed digits in groups of four, embossed on a card, the last a Luhn check digit.
    Card,
}

/// Whose hand and which fonts: no digit and no font is in two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Nine tenths of the digits' train part; the fonts for training.
    Training,
    /// The last tenth of each class of the train part; the fonts for tuning.
    Tuning,
    /// The digits' test part; the fonts for testing.
    Test,
}

/// Which half of each range a line is drawn from: the half beside no disturbance, the other, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The easy half.
    Clean,
    /// The hard half.
    Degraded,
    /// The whole range.
    Full,
}

/// What a set of lines is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What kind of line. Default handwritten.
    pub kind: Kind,
    /// Whose hand, which fonts. Default training.
    pub part: Part,
    /// How far a line may stray. Default full.
    pub level: Level,
    /// Digits of a line; a card always has 16. Default 5.
    pub length: usize,
    /// Least and largest gap between two digits' ink in pixels, in place of the level's own; less
    /// than 0: they overlap. Default none.
    pub gap: Option<(f64, f64)>,
    /// Seed of everything. Default 0.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: Kind::Handwritten,
            part: Part::Training,
            level: Level::Full,
            length: 5,
            gap: None,
            seed: 0,
        }
    }
}

impl Settings {
    /// Digits of a line.
    pub fn digits(&self) -> usize {
        if self.kind == Kind::Card { 16 } else { self.length }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let setting = |name, expected, found| Err(Error::Setting { name, expected, found });
        if !(1..=64).contains(&self.length) {
            return setting("length", "1 to 64", self.length.to_string());
        }
        match self.gap {
            Some((low, high)) if !(-8.0 <= low && low <= high && high <= 100.0) => {
                setting("gap", "LOW..HIGH, both from -8 to 100", format!("{low}..{high}"))
            }
            _ => Ok(()),
        }
    }
}

/// How one line strays from a plain one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Pixels between the ink of each digit and the next: -3 to 12.
    pub gaps: Vec<f64>,
    /// Size of each digit: 0.8 to 1.25.
    pub scales: Vec<f64>,
    /// How far the digits lean to the right, in degrees: -15 to 15.
    pub slant: f64,
    /// How far the line falls to the right, in degrees: -7 to 7.
    pub skew: f64,
    /// How much of the way from paper to black (or, on a dark card, to white) a stroke goes: 0.4
    /// to 1.
    pub contrast: f64,
    /// Standard deviation of the noise, in grey levels of 255: 0 to 20.
    pub noise: f64,
    /// Share of the light that is missing at the darkest end of the line: 0 to 0.4.
    pub light: f64,
    /// Amplitude of the paper's texture, in grey levels: 0 to 12.
    pub texture: f64,
}

impl Parameters {
    /// Draws those of one line.
    pub(crate) fn draw(settings: &Settings, random: &mut Random) -> Self {
        let level = settings.level;
        let digits = settings.digits();
        // From the undisturbed end of a range to the other.
        let range = |random: &mut Random, calm: f64, wild: f64| {
            let share = match level {
                Level::Clean => random.between(0.0, 0.5),
                Level::Degraded => random.between(0.5, 1.0),
                Level::Full => random.uniform(),
            };
            calm + share * (wild - calm)
        };
        let either = |random: &mut Random, value: f64| match random.chance(0.5) {
            true => value,
            false => -value,
        };
        let gap = |random: &mut Random| match settings.gap {
            Some((low, high)) => random.between(low, high),
            None => range(random, 12.0, -3.0),
        };
        let scale = |random: &mut Random| {
            let log = range(random, 0.0, 1.25f64.ln());
            either(random, log).exp()
        };
        Self {
            gaps: (1..digits).map(|_| gap(random)).collect(),
            scales: (0..digits).map(|_| scale(random)).collect(),
            slant: {
                let slant = range(random, 0.0, 15.0);
                either(random, slant)
            },
            skew: {
                let skew = range(random, 0.0, 7.0);
                either(random, skew)
            },
            contrast: range(random, 1.0, 0.4),
            noise: range(random, 0.0, 20.0),
            light: range(random, 0.0, 0.4),
            texture: range(random, 0.0, 12.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taper_dataset::random::Purpose;

    fn draw(level: Level, index: u64) -> Parameters {
        let settings = Settings { level, ..Settings::default() };
        Parameters::draw(&settings, &mut Random::new(1, Purpose::Lines, 0, index))
    }

    #[test]
    fn a_level_takes_its_half_of_each_range() {
        let all = |level, fits: fn(&Parameters) -> bool| (0..200).all(|i| fits(&draw(level, i)));
        let middle = 1.25f64.sqrt();
        assert!(all(Level::Clean, |p| p.gaps.iter().all(|gap| (4.5..=12.0).contains(gap))));
        assert!(all(Level::Degraded, |p| p.gaps.iter().all(|gap| (-3.0..=4.5).contains(gap))));
        assert!(all(Level::Clean, |p| p.slant.abs() <= 7.5 && p.skew.abs() <= 3.5));
        assert!(all(Level::Degraded, |p| p.slant.abs() >= 7.5 && p.skew.abs() >= 3.5));
        assert!(all(Level::Full, |p| p.slant.abs() <= 15.0 && p.skew.abs() <= 7.0));
        assert!(all(Level::Clean, |p| (0.7..=1.0).contains(&p.contrast) && p.noise <= 10.0));
        assert!(all(Level::Degraded, |p| (0.4..=0.7).contains(&p.contrast) && p.noise >= 10.0));
        assert!(all(Level::Clean, |p| p.light <= 0.2 && p.texture <= 6.0));
        assert!(all(Level::Degraded, |p| (0.2..=0.4).contains(&p.light)));
        for i in 0..200 {
            for scale in draw(Level::Clean, i).scales {
                assert!(scale <= middle && scale >= 1.0 / middle);
            }
            for scale in draw(Level::Degraded, i).scales {
                assert!((0.7999..=1.2501).contains(&scale));
                assert!(scale >= middle || scale <= 1.0 / middle);
            }
        }
    }

    #[test]
    fn settings_that_no_line_can_have_are_an_error() {
        let message = |settings: Settings| settings.check().unwrap_err().to_string();
        let long = Settings { length: 65, ..Settings::default() };
        assert_eq!(message(long), "length is 65, expected 1 to 64");
        let gap = Settings { gap: Some((3.0, 1.0)), ..Settings::default() };
        assert_eq!(message(gap), "gap is 3..1, expected LOW..HIGH, both from -8 to 100");
    }
}

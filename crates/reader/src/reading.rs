//! The whole way: from a picture to an answer.

use serde::Serialize;
use taper_dataset::Image;

use crate::decode::{Found, Way, decode};
use crate::error::{ReadError, Result};
use crate::luhn::luhn;
use crate::pattern::Pattern;
use crate::settings::{Scores, Settings};
use crate::straighten::DIGIT;
use crate::strip::{Strip, strips};

/// Digits of a card number.
const CARD: usize = 16;

/// How much likelier, as a log, a reading of another length must be for a pattern to be refused.
const DISAGREES: f64 = 8.0;

/// Ink below this is not framed.
const SEEN: f32 = 0.4;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// The digits, `?` for those that are not told, blanks between groups.
    pub text: String,
    /// Each digit.
    pub digits: Vec<Digit>,
    /// Least confidence of all digits.
    pub confidence: f64,
    /// Whether the Luhn check holds, where there are 16 digits and all are told.
    pub luhn: Option<bool>,
    /// How the line falls to the right, in degrees.
    pub skew: f32,
    /// How its digits lean to the right, in degrees.
    pub slant: f32,
}

/// One digit of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Digit {
    /// The most probable digit.
    pub digit: u8,
    /// How sure it is, 0 to 1: the share of all ways to read the line that have it here.
    pub confidence: f64,
    /// Whether it is told; `?` stands for one that is not.
    pub told: bool,
    /// Upper left, upper right, lower right and lower left corner of its ink in the picture.
    pub corners: [[f32; 2]; 4],
}

/// Reads the line of a picture; a classifier gets all windows of the line at once and says of each
/// which digit is in its middle, if any.
///
/// # Errors
/// There is no line, nothing that could be a digit, or no way to read it as the pattern wants; the
/// classifier fails.
pub fn read<E: std::fmt::Display>(
    picture: &Image,
    pattern: Option<&Pattern>,
    settings: &Settings,
    mut classifier: impl FnMut(Vec<Image>) -> std::result::Result<Vec<Scores>, E>,
) -> Result<Reading> {
    let mut best: Option<(Strip, Way)> = None;
    let mut unmatched: Option<(Strip, Way)> = None;
    let keep = |kept: &mut Option<(Strip, Way)>, strip: &Strip, way: Way| {
        if kept.as_ref().is_none_or(|(_, other)| way.odds > other.odds) {
            *kept = Some((strip.clone(), way));
        }
    };
    for strip in strips(picture)? {
        let windows: Vec<Image> = (0..strip.columns()).map(|column| strip.window(column)).collect();
        let expected = windows.len();
        let scores = classifier(windows).map_err(|e| ReadError::Classifier(e.to_string()))?;
        if scores.len() != expected {
            let found = scores.len();
            let reason = format!("the classifier gave {found} answers, expected {expected}");
            return Err(ReadError::Classifier(reason));
        }
        let free = decode(&scores, None).filter(|way| !way.found.is_empty());
        let Some(pattern) = pattern else {
            free.into_iter().for_each(|way| keep(&mut best, &strip, way));
            continue;
        };
        let least = free.as_ref().map_or(0.0, |way| way.odds) - DISAGREES;
        match decode(&scores, Some(pattern)).filter(|way| way.odds >= least) {
            Some(way) => keep(&mut best, &strip, way),
            None => free.into_iter().for_each(|way| keep(&mut unmatched, &strip, way)),
        }
    }
    // What is far likelier than any match, though of the other tone, says more of the line.
    if let (Some((_, way)), Some((_, other))) = (&best, &unmatched)
        && other.odds > way.odds + DISAGREES
    {
        best = None;
    }
    let Some((strip, way)) = best else {
        return Err(match (pattern, unmatched) {
            (Some(pattern), Some((strip, way))) => {
                let found = reading(&strip, &way.found, None, settings).text;
                ReadError::NoMatch { pattern: pattern.to_string(), found }
            }
            _ => ReadError::NoLine("nothing in it looks like a digit"),
        });
    };
    Ok(reading(&strip, &way.found, pattern, settings))
}

fn reading(
    strip: &Strip,
    found: &[Found],
    pattern: Option<&Pattern>,
    settings: &Settings,
) -> Reading {
    let bounds = bounds(strip, found);
    let digits: Vec<Digit> = (found.iter().zip(&bounds))
        .map(|(found, &[left, right, top, bottom])| {
            let corner = |column: f32, row: f32| {
                let (x, y) = strip.place(column, row);
                [x, y]
            };
            Digit {
                digit: found.digit as u8,
                confidence: found.confidence,
                told: found.confidence >= settings.min_confidence,
                corners: [
                    corner(left - 0.5, top - 0.5),
                    corner(right + 0.5, top - 0.5),
                    corner(right + 0.5, bottom + 0.5),
                    corner(left - 0.5, bottom + 0.5),
                ],
            }
        })
        .collect();
    let blanks = match pattern {
        Some(pattern) => (0..digits.len()).map(|place| pattern.blank_before(place)).collect(),
        None => blanks(&bounds),
    };
    let text = text_of(&digits, &blanks);
    let confidence = digits.iter().map(|digit| digit.confidence).fold(1.0, f64::min);
    let luhn = if digits.len() == CARD { luhn(&text) } else { None };
    let (skew, slant) = strip.angles();
    Reading { text, digits, confidence, luhn, skew, slant }
}

/// First and last column, first and last row of each digit's ink: what is nearer to its middle than
/// to another's.
fn bounds(strip: &Strip, found: &[Found]) -> Vec<[f32; 4]> {
    let reach = DIGIT as isize * 3 / 5;
    let middle = |place: usize| found.get(place).map(|found| found.column as isize);
    let bounds_of = |(place, found): (usize, &Found)| {
        let column = found.column as isize;
        let (mut left, mut right) = (column - reach, column + reach);
        if let Some(before) = place.checked_sub(1).and_then(middle) {
            left = left.max((before + column) / 2 + 1);
        }
        if let Some(after) = middle(place + 1) {
            right = right.min((column + after) / 2);
        }
        let mut bounds = None::<[isize; 4]>;
        for row in 0..strip.rows() {
            for column in left..=right {
                if strip.ink(column, row) >= SEEN {
                    let row = row as isize;
                    let [a, b, c, d] = bounds.unwrap_or([column, column, row, row]);
                    bounds = Some([a.min(column), b.max(column), c.min(row), d.max(row)]);
                }
            }
        }
        let rows = strip.rows() as isize;
        bounds.unwrap_or([column - 2, column + 2, 4, rows - 5]).map(|place| place as f32)
    };
    found.iter().enumerate().map(bounds_of).collect()
}

/// Before which digits there is a blank: a gap of half a digit's height, and much wider than the
/// others.
fn blanks(bounds: &[[f32; 4]]) -> Vec<bool> {
    let gaps: Vec<f32> = bounds.windows(2).map(|pair| pair[1][0] - pair[0][1]).collect();
    let mut sorted = gaps.clone();
    sorted.sort_by(f32::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let digit = DIGIT as f32;
    let wide = |gap: &f32| *gap > 0.5 * digit && *gap > usual + 0.35 * digit;
    bounds.iter().take(1).map(|_| false).chain(gaps.iter().map(wide)).collect()
}

fn text_of(digits: &[Digit], blanks: &[bool]) -> String {
    let mut text = String::new();
    for (digit, blank) in digits.iter().zip(blanks) {
        if *blank {
            text.push(' ');
        }
        text.push(if digit.told { char::from(b'0' + digit.digit) } else { '?' });
    }
    text
}

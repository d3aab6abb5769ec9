//! The whole way: from a picture to an answer.

use serde::Serialize;
use taper_dataset::Image;

use crate::decode::{Found, Way, decode, share};
use crate::error::{ReadError, Result};
use crate::luhn::luhn;
use crate::pattern::Pattern;
use crate::settings::{Character, LETTER, Scores, Settings};
use crate::straighten::DIGIT;
use crate::strip::{Piece, Strip, pages};

/// How many digits a card's number has (ISO/IEC 7812-1: up to 19; the shortest in use has 13).
pub const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// A line that is less sure, without the pattern, is also looked at on its head.
const SURE: f64 = 0.9;

/// So sure a place that is not the whole first line must be without the pattern: letters fit a pattern
/// now and then, but say something else without it.
const PLACE_SURE: f64 = 0.5;

/// Another place that fits a pattern makes an answer ambiguous where it is nearly as sure and its odds
/// are near. (Names of cities are taken for digits with up to three quarters of a postcode's odds.)
const RIVAL: f64 = 0.9;
const RIVAL_ODDS: f64 = 0.75;

/// The most lines beside the one with the most ink in which a pattern is looked for.
const MOST_OTHERS: usize = 5;

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
    /// How sure the line is as a whole, 0 to 1: the share of all ways to read it that have these digits
    /// and no others. It counts doubts about how many digits there are, which no single digit's
    /// confidence shows.
    pub confidence: f64,
    /// Whether the Luhn check holds, where there are 13 to 19 digits and all are told.
    pub luhn: Option<bool>,
    /// How the gaps between the digits group them, where they contradict a pattern's groups.
    pub grouped: Option<String>,
    /// How many other lines, or parts of this one, are in the picture and were not read.
    pub unread: usize,
    /// How the line falls to the right, in degrees.
    pub skew: f32,
    /// How its digits lean to the right, in degrees.
    pub slant: f32,
}

#[cfg(test)]
impl Reading {
    /// A sure reading of an upright line that is alone.
    pub(crate) fn sure(text: &str, digits: Vec<Digit>) -> Self {
        Self {
            text: text.to_string(),
            digits,
            confidence: 1.0,
            luhn: None,
            grouped: None,
            unread: 0,
            skew: 0.0,
            slant: 0.0,
        }
    }
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

/// Reads the line of a picture, the one with the most ink or, with a pattern, the one that fits it; a
/// classifier gets all windows of a line at once and says of each which digit is in its middle, if
/// any.
///
/// # Errors
/// There is no line, nothing that could be a digit, no way to read it as the pattern wants, or more
/// than one; the line stands on its head; the classifier fails.
pub fn read<E: std::fmt::Display>(
    picture: &Image,
    pattern: Option<&Pattern>,
    settings: &Settings,
    classifier: impl FnMut(Vec<Image>) -> std::result::Result<Vec<Scores>, E>,
) -> Result<Reading> {
    read_checked(picture, pattern, settings, classifier, None)
}

/// A classifier of single characters.
pub(crate) type Check<'a> = &'a mut dyn FnMut(Vec<Image>) -> Result<Vec<Character>>;

/// Reads a line; where a classifier of characters is there, what it takes for no digit makes the line
/// less sure.
pub(crate) fn read_checked<E: std::fmt::Display>(
    picture: &Image,
    pattern: Option<&Pattern>,
    settings: &Settings,
    mut classifier: impl FnMut(Vec<Image>) -> std::result::Result<Vec<Scores>, E>,
    check: Option<Check<'_>>,
) -> Result<Reading> {
    let mut look = |strip: Strip| -> Result<Look> {
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
            let alone = free.as_ref().map_or(0.0, |way| way.confidence);
            return Ok(Look { strip, fits: free, alone, other: None });
        };
        let least = free.as_ref().map_or(0.0, |way| way.odds) - DISAGREES;
        let fits = decode(&scores, Some(pattern)).filter(|way| way.odds >= least);
        let other = if fits.is_none() { free } else { None };
        let digits = |way: &Way| -> Vec<usize> { way.found.iter().map(|f| f.digit).collect() };
        let alone = fits.as_ref().map_or(0.0, |way| share(&scores, &digits(way)));
        Ok(Look { strip, fits, alone, other })
    };
    let pages = pages(picture)?;
    let firsts: Vec<Look> =
        pages.iter().map(|page| look(page[0].strip())).collect::<Result<_>>()?;
    let fits = surest(&firsts, |look| look.fits.as_ref());
    let other = surest(&firsts, |look| look.other.as_ref());
    // What is far likelier than any match, though seen in another way, says more of the line.
    let fits = match (fits, other) {
        (Some((_, odds)), Some((_, other))) if other > odds + DISAGREES => None,
        (fits, _) => fits.map(|(page, _)| page),
    };

    let found = match (pattern, fits) {
        (None, None) => None,
        (None, Some(page)) => Some((firsts[page].clone(), pages[page].len() - 1)),
        (Some(pattern), page) => {
            let mut matches = Vec::new();
            if let Some(page) = page {
                matches.push((&pages[page][0], firsts[page].clone(), pages[page].len() - 1));
            }
            let mut parts = Vec::new();
            for (at, lines) in pages.iter().enumerate() {
                if page.is_some_and(|page| page != at) {
                    continue;
                }
                for (place, piece) in lines.iter().take(MOST_OTHERS + 1).enumerate() {
                    if place > 0 && may_hold(piece, pattern) {
                        let look = look(piece.strip())?;
                        if look.alone >= PLACE_SURE {
                            matches.push((piece, look, lines.len() - 1));
                            continue;
                        }
                    }
                    if page.is_none() {
                        let some = piece.parts().into_iter().filter(|part| may_hold(part, pattern));
                        parts.extend(some.map(|part| (part, lines.len())));
                    }
                }
            }
            for (part, unread) in &parts {
                let look = look(part.strip())?;
                if look.alone >= PLACE_SURE {
                    matches.push((part, look, *unread));
                }
            }
            matches.sort_by(|one, other| other.1.odds().total_cmp(&one.1.odds()));
            let rival = matches.iter().skip(1).find(|(piece, look, _)| {
                let (best_piece, best, _) = &matches[0];
                look.alone >= RIVAL * best.alone
                    && look.odds() >= RIVAL_ODDS * best.odds()
                    && !piece.overlaps(best_piece)
            });
            if let Some((_, rival, _)) = rival {
                let text = |look: &Look| look.text(Some(pattern), settings);
                let (first, second) = (text(&matches[0].1), text(rival));
                return Err(ReadError::Ambiguous { pattern: pattern.to_string(), first, second });
            }
            matches.into_iter().next().map(|(_, look, unread)| (look, unread))
        }
    };

    let Some((found, unread)) = found else {
        return Err(match (pattern, other) {
            (Some(pattern), Some((page, _))) => {
                let found = firsts[page].text(None, settings);
                ReadError::NoMatch { pattern: pattern.to_string(), found }
            }
            _ => ReadError::NoLine("nothing in it looks like a digit"),
        });
    };
    if found.alone < SURE {
        let turned = look(found.strip.turned())?;
        if turned.odds() > found.odds() + DISAGREES {
            return Err(ReadError::UpsideDown { found: turned.text(pattern, settings) });
        }
    }
    match &found.fits {
        Some(way) => {
            let mut read = reading(&found.strip, way, pattern, settings);
            read.unread = unread;
            if let Some(check) = check {
                let at: Vec<Image> =
                    way.found.iter().map(|one| found.strip.window(one.column)).collect();
                for guess in check(at)? {
                    let digit: f32 = guess[..LETTER].iter().sum();
                    if digit < 0.5 {
                        read.confidence *= f64::from(digit.max(0.05));
                    }
                }
            }
            Ok(read)
        }
        None => Err(ReadError::NoLine("nothing in it looks like a digit")),
    }
}

/// What a strip says.
#[derive(Clone)]
struct Look {
    strip: Strip,
    /// As the pattern wants; without one, at all.
    fits: Option<Way>,
    /// How sure it is of these digits without the pattern.
    alone: f64,
    /// What it says without the pattern, where it does not fit.
    other: Option<Way>,
}

impl Look {
    fn odds(&self) -> f64 {
        self.fits.as_ref().map_or(f64::NEG_INFINITY, |way| way.odds)
    }

    fn text(&self, pattern: Option<&Pattern>, settings: &Settings) -> String {
        let way = self.fits.as_ref().or(self.other.as_ref());
        way.map_or_else(String::new, |way| reading(&self.strip, way, pattern, settings).text)
    }
}

/// The look with the greatest odds of a way, and those.
fn surest(looks: &[Look], way: impl Fn(&Look) -> Option<&Way>) -> Option<(usize, f64)> {
    let ways = looks.iter().enumerate().filter_map(|(at, look)| Some((at, way(look)?.odds)));
    ways.reduce(|best, one| if one.1 > best.1 { one } else { best })
}

/// Whether a piece is about as wide as a pattern's digits are.
fn may_hold(piece: &Piece, pattern: &Pattern) -> bool {
    let digits = pattern.digits() as f32;
    (0.2 * digits..1.5 * digits + 2.0 * pattern.groups() as f32).contains(&piece.digits_wide())
}

pub(crate) fn reading(
    strip: &Strip,
    way: &Way,
    pattern: Option<&Pattern>,
    settings: &Settings,
) -> Reading {
    let found = &way.found;
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
    let seen = blanks(&bounds);
    let blanks: Vec<bool> = match pattern {
        Some(pattern) => (0..digits.len()).map(|place| pattern.blank_before(place)).collect(),
        None => seen.clone(),
    };
    let text = match pattern {
        Some(pattern) => text_of(&digits, |place| pattern.separator_before(place)),
        None => text_of(&digits, |place| blanks[place].then_some(' ')),
    };
    // Who gives one group alone may not care for blanks.
    let contradicted = pattern.is_some_and(|pattern| pattern.groups() > 1) && seen != blanks;
    let grouped = contradicted.then(|| text_of(&digits, |place| seen[place].then_some(' ')));
    let luhn = if CARD_DIGITS.contains(&digits.len()) { luhn(&text) } else { None };
    let (skew, slant) = strip.angles();
    let confidence = way.confidence;
    Reading { text, digits, confidence, luhn, grouped, unread: 0, skew, slant }
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

/// Before which digits there is a blank. How far apart two digits are is half the gap between their ink
/// and half the distance of their middles, of which either alone depends on how wide the digits are;
/// in the sorted list of these, the widest break parts groups from neighbours, if it is wide and so
/// are the gaps beyond it. The limits were fitted on tuning lines.
fn blanks(bounds: &[[f32; 4]]) -> Vec<bool> {
    let digit = DIGIT as f32;
    let gaps: Vec<f32> = bounds.windows(2).map(|pair| pair[1][0] - pair[0][1]).collect();
    let middle = |bounds: &[f32; 4]| (bounds[0] + bounds[1]) / 2.0;
    let apart: Vec<f32> = (bounds.windows(2).zip(&gaps))
        .map(|(pair, gap)| (middle(&pair[1]) - middle(&pair[0]) + gap) / 2.0)
        .collect();
    let mut sorted = apart.clone();
    sorted.sort_by(f32::total_cmp);
    let breaks = (1..sorted.len()).map(|place| (sorted[place] - sorted[place - 1], place));
    let widest = breaks.reduce(|best, one| if one.0 > best.0 { one } else { best });
    // Most digits have a neighbour.
    let wide = widest.filter(|(width, place)| *width >= 0.2 * digit && 2 * place >= sorted.len());
    let least = wide.map_or(f32::INFINITY, |(_, place)| sorted[place]);
    let is_wide = |apart: &f32| *apart >= least;
    let mut usual = gaps.clone();
    usual.sort_by(f32::total_cmp);
    let usual = usual.get(usual.len() / 2).copied().unwrap_or(0.0);
    let gap_least = (0.45 * digit).max(usual + 0.33 * digit);
    let clear = apart.iter().zip(&gaps).all(|(apart, gap)| !is_wide(apart) || *gap >= gap_least);
    let blank = |apart: &f32| clear && is_wide(apart);
    bounds.iter().take(1).map(|_| false).chain(apart.iter().map(blank)).collect()
}

fn text_of(digits: &[Digit], separator: impl Fn(usize) -> Option<char>) -> String {
    let mut text = String::new();
    for (place, digit) in digits.iter().enumerate() {
        text.extend(separator(place));
        text.push(if digit.told { char::from(b'0' + digit.digit) } else { '?' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of digits of these widths with these gaps between them.
    fn row(widths: &[f32], gaps: &[f32]) -> Vec<[f32; 4]> {
        let mut left = 0.0;
        let gaps = gaps.iter().chain([&0.0]);
        let bounds = widths.iter().zip(gaps).map(|(width, gap)| {
            let bounds = [left, left + width, 4.0, 23.0];
            left += width + gap;
            bounds
        });
        bounds.collect()
    }

    fn groups(widths: &[f32], gaps: &[f32]) -> Vec<usize> {
        let blanks = blanks(&row(widths, gaps));
        blanks.iter().enumerate().filter(|(_, blank)| **blank).map(|(place, _)| place).collect()
    }

    #[test]
    fn wide_gaps_part_groups_however_near_the_digits_stand() {
        let widths = [12.0, 5.0, 13.0, 12.0, 14.0, 12.0, 5.0, 12.0];
        for near in [-1.0, 3.0, 8.0] {
            let mut gaps = [near; 7];
            assert_eq!(groups(&widths, &gaps), [0usize; 0]);
            gaps[3] = near + 13.0;
            assert_eq!(groups(&widths, &gaps), [4]);
        }
        assert_eq!(groups(&[], &[]), [0usize; 0]);
        assert_eq!(groups(&[12.0, 12.0], &[30.0]), [0usize; 0]);
    }

    #[test]
    fn narrow_digits_and_single_ones_far_apart_make_no_groups() {
        assert_eq!(groups(&[5.0, 5.0, 14.0, 14.0, 14.0], &[3.0, 3.0, 5.0, 6.0]), [0usize; 0]);
        assert_eq!(groups(&[12.0; 5], &[14.0, 15.0, 13.0, 14.0]), [0usize; 0]);
    }
}

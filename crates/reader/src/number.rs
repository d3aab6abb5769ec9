//! The numbers of a page, and the one that is the answer.

use serde::Serialize;

use crate::error::{ReadError, Result};
use crate::pattern::Pattern;
use crate::reading::Reading;

/// What fits so much less well than the best, as a log, makes the answer ambiguous.
const AMBIGUOUS: f64 = 0.35;

/// Two that fit about as well, by their scores: neither is sure.
const NEAR: f64 = 2.0;

/// The most that is believed of the choice of a number without a check digit among all that a page says: on the scenes for
/// tuning the number chosen was right for 76 to 100 % of a kind.
const MOST_SURE: f64 = 0.95;

/// What a picture says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scene {
    /// Every number, in reading order.
    pub numbers: Vec<Number>,
    /// Which of them is the answer: the one that fits a pattern best, or the one that is likely the
    /// postcode or the card's number.
    pub chosen: usize,
    /// The corners of the envelope or card, where it does not fill the picture.
    pub sheet: Option<[[f32; 2]; 4]>,
    /// By how many quarters to the right the picture has to be turned to stand upright.
    pub turns: u8,
}

/// A number on a page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Number {
    /// What it says.
    pub reading: Reading,
    /// The pattern that it fits, if any was given.
    pub pattern: Option<String>,
    /// What speaks for it to be the answer, and against it.
    pub reasons: Vec<String>,
    /// How much, as a log.
    pub score: f64,
}

impl Scene {
    /// The answer.
    pub fn answer(&self) -> &Number {
        &self.numbers[self.chosen]
    }

    /// The other numbers, in reading order.
    pub fn others(&self) -> impl Iterator<Item = &Number> {
        let others = self.numbers.iter().enumerate().filter(|(at, _)| *at != self.chosen);
        others.map(|(_, number)| number)
    }
}

/// A number, and whether it may be a part of a longer one.
pub(crate) struct Candidate {
    pub number: Number,
    pub is_part: bool,
}

/// The numbers in reading order, without those that a better one overlaps, and the answer.
pub(crate) fn choose(
    mut candidates: Vec<Candidate>,
    patterns: &[Pattern],
    sheet: Option<[[f32; 2]; 4]>,
    turns: u8,
) -> Result<Scene> {
    candidates.sort_by(|a, b| b.number.score.total_cmp(&a.number.score));
    // Behind the answer, a part gives way to the whole.
    if let Some((_, others)) = candidates.split_first_mut() {
        others.sort_by_key(|one| one.is_part);
    }
    let numbers: Vec<Number> = candidates.into_iter().map(|one| one.number).collect();
    // The same pattern, some digits further: what is cut off may be the wrong end.
    let shifted = numbers.first().and_then(|best| {
        let is_shifted = |other: &&Number| {
            best.pattern.is_some()
                && other.pattern == best.pattern
                && other.reading.text != best.reading.text
                && overlap(&best.reading, &other.reading)
        };
        let shifted = numbers[1..].iter().filter(is_shifted);
        shifted.max_by(|a, b| a.score.total_cmp(&b.score)).cloned()
    });
    let mut kept: Vec<Number> = Vec::new();
    for number in numbers {
        if !kept.iter().any(|better| overlap(&better.reading, &number.reading)) {
            kept.push(number);
        }
    }
    if kept.is_empty() {
        return Err(match patterns {
            [] => ReadError::NoLine("nothing in it looks like a number"),
            _ => ReadError::NoLine(
                "no number in it is as the pattern wants; read it without to see what is there",
            ),
        });
    }
    let next = kept[1..].iter().max_by(|a, b| a.score.total_cmp(&b.score));
    if let (Some(pattern), Some(next)) = (&kept[0].pattern, next)
        && kept[0].score - next.score < AMBIGUOUS
    {
        let pattern = pattern.clone();
        let (first, second) = (kept[0].reading.text.clone(), next.reading.text.clone());
        return Err(ReadError::Ambiguous { pattern, first, second });
    }
    // How far the best is ahead says how sure the choice is.
    let rivals = next.into_iter().chain(&shifted);
    let rival = rivals.max_by(|a, b| a.score.total_cmp(&b.score)).cloned();
    let ahead = rival.as_ref().map_or(f64::INFINITY, |rival| kept[0].score - rival.score);
    let chosen_share = 1.0 / (1.0 + (-1.5 * ahead).exp());
    let most = if kept[0].reading.luhn == Some(true) { 0.99 } else { MOST_SURE };
    kept[0].reading.confidence *= chosen_share * most;
    if let Some(rival) = rival.filter(|_| ahead < NEAR) {
        kept[0].reasons.push(format!("against it: {} fits about as well", rival.reading.text));
    }
    let best = kept[0].clone();
    // Reading order in the upright picture: numbers side by side are of one line.
    let place = |number: &Number| {
        let [x, y] = middle_of(&number.reading);
        match turns {
            1 => (x, -y),
            2 => (-y, -x),
            3 => (-x, y),
            _ => (y, x),
        }
    };
    kept.sort_by(|a, b| place(a).0.total_cmp(&place(b).0));
    let mut lines: Vec<Vec<Number>> = Vec::new();
    for number in kept {
        let is_beside = |line: &&mut Vec<Number>| {
            let last = line.last().map_or(f32::NEG_INFINITY, |last| place(last).0);
            place(&number).0 - last < 0.5 * height_of(&number.reading)
        };
        match lines.last_mut().filter(is_beside) {
            Some(line) => line.push(number),
            None => lines.push(vec![number]),
        }
    }
    lines.iter_mut().for_each(|line| line.sort_by(|a, b| place(a).1.total_cmp(&place(b).1)));
    let kept = lines.concat();
    let chosen = kept.iter().position(|number| *number == best).unwrap_or(0);
    Ok(Scene { numbers: kept, chosen, sheet, turns })
}

fn middle_of(reading: &Reading) -> [f32; 2] {
    let corners: Vec<[f32; 2]> = reading.digits.iter().flat_map(|digit| digit.corners).collect();
    let mean =
        |axis: usize| corners.iter().map(|c| c[axis]).sum::<f32>() / corners.len().max(1) as f32;
    [mean(0), mean(1)]
}

/// The height of its digits, in pixels.
fn height_of(reading: &Reading) -> f32 {
    let heights = reading.digits.iter().map(|digit| {
        let [upper, .., lower] = digit.corners;
        (lower[0] - upper[0]).hypot(lower[1] - upper[1])
    });
    heights.sum::<f32>() / reading.digits.len().max(1) as f32
}

/// Whether two share digits.
fn overlap(one: &Reading, other: &Reading) -> bool {
    let middle = |corners: &[[f32; 2]; 4]| {
        let mean = |axis: usize| corners.iter().map(|c| c[axis]).sum::<f32>() / 4.0;
        [mean(0), mean(1)]
    };
    let size = |c: &[[f32; 2]; 4]| (c[2][0] - c[0][0]).hypot(c[2][1] - c[0][1]);
    one.digits.iter().any(|a| {
        let [ax, ay] = middle(&a.corners);
        other.digits.iter().any(|b| {
            let [bx, by] = middle(&b.corners);
            (ax - bx).hypot(ay - by) < 0.3 * size(&a.corners).max(size(&b.corners))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Digit;

    /// A number whose digits, 10 wide and 20 high, stand side by side from a place on.
    fn number(text: &str, x: f32, y: f32) -> Number {
        let digits = (0..text.len()).map(|at| {
            let left = x + 12.0 * at as f32;
            let corners = [[left, y], [left + 10.0, y], [left + 10.0, y + 20.0], [left, y + 20.0]];
            Digit { digit: 1, confidence: 1.0, told: true, corners }
        });
        let reading = Reading::sure(text, digits.collect());
        Number { reading, pattern: None, reasons: Vec::new(), score: 0.0 }
    }

    #[test]
    fn numbers_of_one_line_are_told_from_left_to_right_however_it_slants() {
        let numbers = || -> Vec<Candidate> {
            let places =
                [("44", 20.0, 90.0), ("33", 400.0, 30.0), ("22", 200.0, 38.0), ("11", 20.0, 46.0)];
            let candidate = |(text, x, y)| Candidate { number: number(text, x, y), is_part: false };
            places.map(candidate).into()
        };
        let told = |turns| -> Vec<String> {
            let scene = choose(numbers(), &[], None, turns).unwrap();
            scene.numbers.into_iter().map(|number| number.reading.text).collect()
        };
        assert_eq!(told(0), ["11", "22", "33", "44"]);
        assert_eq!(told(2), ["44", "33", "22", "11"]);
    }

    #[test]
    fn behind_the_answer_a_number_is_told_as_a_whole() {
        let scored = |text: &str, x: f32, y: f32, score: f64, is_part: bool| {
            let number = Number { score, ..number(text, x, y) };
            Candidate { number, is_part }
        };
        let all = vec![
            scored("80429", 20.0, 90.0, 5.0, false),
            scored("123456789", 20.0, 20.0, -3.0, false),
            scored("12345", 20.0, 20.0, 0.0, true),
        ];
        let scene = choose(all, &[], None, 0).unwrap();
        let told: Vec<&str> = scene.numbers.iter().map(|one| one.reading.text.as_str()).collect();
        assert_eq!((told, scene.chosen), (vec!["123456789", "80429"], 1));
    }
}

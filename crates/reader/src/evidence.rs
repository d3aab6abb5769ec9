//! What speaks for a number on a page to be the answer.

use crate::layout::Layout;
use crate::pattern::Pattern;
use crate::reading::{CARD_DIGITS, Reading};

/// What is known of a number beside its digits.
pub(crate) struct Evidence<'a> {
    pub pattern: Option<&'a Pattern>,
    /// Where it lies, where that says something.
    pub layout: Option<Layout>,
    /// Whether digits stand close to it, so that it may be a part of a longer number.
    pub is_part: bool,
    /// Whether there is a full stop in it, or between it and those digits.
    pub dotted: bool,
    /// How surely it is read, as a log.
    pub sure: f64,
    /// The mark before each digit, where one is.
    pub marks: &'a [Option<char>],
}

impl Evidence<'_> {
    /// How much speaks for a number to be the answer, as a log, and what.
    pub fn weigh(&self, answer: &Reading) -> (f64, Vec<String>) {
        let &Self { pattern, layout, is_part, dotted, sure, marks } = self;
        let mut reasons = Vec::new();
        let mut score = 0.0;
        let mut says = |points: f64, reason: &str| {
            score += points;
            if points.abs() >= 0.5 {
                let sign = if points > 0.0 { "for it" } else { "against it" };
                reasons.push(format!("{sign}: {reason}"));
            }
        };
        says(sure, "how surely it is read");
        let count = answer.digits.len();
        if CARD_DIGITS.contains(&count) {
            match answer.luhn {
                Some(true) => says(5.0, "the check digit of a card's number holds"),
                Some(false) => says(-2.0, "the check digit of a card's number does not hold"),
                None => says(1.0, "as long as a card's number"),
            }
            return (score, reasons);
        }
        if is_part {
            says(-3.0, "other digits stand beside it");
        }
        if let Some(pattern) = pattern {
            // Marks that are seen where the pattern has them speak for it, others against it.
            let marks = marks.iter().enumerate().map(|(at, seen)| {
                let wanted = pattern.separator_before(at).filter(|mark| *mark != ' ');
                match (wanted, seen) {
                    (None, None) => 0.0,
                    (Some(wanted), Some(seen)) if wanted == *seen => 0.5,
                    (Some(_), _) => -0.5,
                    (None, Some(_)) => -1.0,
                }
            });
            says(marks.sum(), "the marks between its groups");
        }
        let Some(layout) = layout else {
            says(0.4 * count as f64, "how many digits it has");
            return (score, reasons);
        };
        let groups: Vec<usize> = {
            let mut groups = vec![0];
            for letter in answer.text.chars() {
                match letter.is_ascii_digit() || letter == '?' {
                    true => *groups.last_mut().expect("one at least") += 1,
                    false => groups.push(0),
                }
            }
            groups
        };
        if pattern.is_none() {
            let points = match groups[..] {
                [5] => 3.0,
                [6] => 2.0,
                [4] => 1.5,
                [5, 4] | [5, 3] | [2, 3] | [3, 2] | [3, 3] => 2.5,
                [9] | [8] | [7] => 0.0,
                _ => -2.5,
            };
            says(points, "as many digits as a postcode has, or not");
            if dotted {
                says(-2.0, "full stops, as in a date");
            }
        }
        let Layout { x, y, height, below, number_below, above, before, after } = layout;
        // A postcode stands in the last line, or above the country.
        match below {
            0 => says(1.2, "no line below it"),
            1 => says(0.3, "one line below it"),
            _ => says(-1.5, "several lines below it"),
        }
        if number_below {
            says(-1.2, "a number in the lines below it");
        }
        if above > 0 {
            says(1.0, "below other lines");
        }
        if x > 0.6 && y < 0.42 {
            says(-3.0, "where stamps are");
        } else if y < 0.36 && x < 0.55 {
            says(-2.5, "where senders are");
        } else {
            says(1.0, "where recipients are");
        }
        says(1.5 * f64::from(height.max(0.2)).ln(), "how large it is beside the other writing");
        if before == 0 || after == 0 {
            says(0.5, "first or last in its line");
        } else {
            says(-0.5, "amid its line");
        }
        (score, reasons)
    }
}

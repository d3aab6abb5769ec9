//! From what a classifier says of each column to the most probable digits.
//!
//! A way through a strip goes from its left end to its right one in steps: over a column that is no
//! digit's middle, or over the columns in the middle of a digit, and one more on either side where
//! the classifier need not have an opinion. Its probability is the product of what the classifier
//! says of the columns. All ways are summed up forward and backward, as for a hidden Markov model
//! (Rabiner, 1989).

use crate::pattern::Pattern;
use crate::settings::{CLASSES, Scores};

/// How many columns the middle of a digit has, at least and at most.
const MIDDLE: std::ops::RangeInclusive<usize> = 3..=9;

/// Free columns that a blank between groups has at least.
const BLANK: usize = 6;

/// Log of how improbable it is that a pattern's blank is narrower.
const NO_BLANK: f64 = -3.0;

/// How much an answer for a column counts: neighbours see nearly the same, so they do not speak for
/// themselves alone.
const TRUST: f64 = 0.4;

/// How much more an answer counts in the sums over all ways where no pattern says how many digits there
/// are: without it the many ways with a faint digit too many weigh too much. Fitted, as `TRUST` is, to
/// how often lines are read right.
const SHARPER: f64 = 1.5;

/// What one more digit costs, as a log: two alike side by side are rarer than a wide one.
const ONE_MORE: f64 = -1.0;

/// No answer is surer than this.
const LEAST: f32 = 1e-5;

/// How far apart, in columns, two ways may see the middle of one digit.
const SAME: usize = 3;

/// A digit on the most probable way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    pub digit: usize,
    /// The column of its middle.
    pub column: usize,
    /// Share of all ways, by their probability, that have this digit here.
    pub confidence: f64,
}

/// The most probable way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way {
    /// Its digits, from left to right.
    pub found: Vec<Found>,
    /// Log of how much more probable it is than that there is no digit at all.
    pub odds: f64,
    /// Share of all ways, by their probability, that have these digits and no others.
    pub confidence: f64,
}

/// A step of a way.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The boundary between columns where it begins, and the one where it ends.
    from: usize,
    to: usize,
    /// How many digits there are before it; 0 without a pattern.
    layer: usize,
    /// The columns in the middle of its digit, first and one past the last, if it has one.
    middle: Option<(usize, usize)>,
    /// Log of its share, but for the digit's.
    weight: f64,
}

impl Step {
    /// The column in the middle of its digit, if it has one.
    fn middle(&self) -> Option<usize> {
        self.middle.map(|(first, end)| (first + end) / 2)
    }
}

/// The most probable way through a strip, with a pattern among those that have as many digits;
/// nothing where there is no way.
pub(crate) fn decode(scores: &[Scores], pattern: Option<&Pattern>) -> Option<Way> {
    let columns = Columns::new(scores, pattern);
    let boundaries = scores.len() + 1;
    let layers = pattern.map_or(1, |pattern| pattern.digits() + 1);
    let after = |step: &Step| match (step.middle, pattern) {
        (Some(_), Some(_)) => step.layer + 1,
        _ => step.layer,
    };
    let at = |boundary: usize, layer: usize| boundary * layers + layer;

    let mut forward = vec![f64::NEG_INFINITY; boundaries * layers];
    let mut best = vec![(f64::NEG_INFINITY, None::<Step>); boundaries * layers];
    (forward[0], best[0].0) = (0.0, 0.0);
    for boundary in 0..boundaries {
        for layer in 0..layers {
            let here = at(boundary, layer);
            if forward[here] == f64::NEG_INFINITY {
                continue;
            }
            for step in columns.steps(boundary, layer, pattern) {
                let there = at(step.to, after(&step));
                forward[there] = log_add(forward[there], forward[here] + columns.sum(&step));
                let weight = best[here].0 + columns.most(&step);
                if weight > best[there].0 {
                    best[there] = (weight, Some(step));
                }
            }
        }
    }
    let end = at(boundaries - 1, layers - 1);
    let all = forward[end];
    if all == f64::NEG_INFINITY {
        return None;
    }
    let mut steps = Vec::new();
    let mut place = end;
    while let Some(step) = best[place].1 {
        steps.push(step);
        place = at(step.from, step.layer);
    }
    let mut backward = vec![f64::NEG_INFINITY; boundaries * layers];
    backward[end] = 0.0;
    for boundary in (0..boundaries).rev() {
        for layer in 0..layers {
            let here = at(boundary, layer);
            for step in columns.steps(boundary, layer, pattern) {
                let rest = backward[at(step.to, after(&step))];
                backward[here] = log_add(backward[here], columns.sum(&step) + rest);
            }
        }
    }

    // Log of the share of ways that go these steps, neighbours but for columns that are no middle.
    let share = |first: &Step, last: &Step, weight: f64| {
        let ends = forward[at(first.from, first.layer)] + backward[at(last.to, after(last))];
        (ends + weight - all).exp()
    };
    let confidence = |digit: usize, column: usize, layer: usize| {
        let boundaries = column.saturating_sub(SAME + *MIDDLE.end())..=column + SAME;
        let steps = boundaries.flat_map(|boundary| columns.steps(boundary, layer, pattern));
        let near: Vec<Step> = steps
            .filter(|step| step.middle().is_some_and(|middle| middle.abs_diff(column) <= SAME))
            .collect();
        let mut agree = 0.0;
        for step in &near {
            agree += share(step, step, columns.with(step, digit));
            // Who sees two digits here does not agree. A pattern has a place for each.
            let seconds = near.iter().filter(|next| pattern.is_none() && next.from >= step.to);
            for next in seconds {
                let between: f64 = columns.none[step.to..next.from].iter().sum();
                let here = columns.with(step, digit) + between + columns.sum(next);
                let there = columns.sum(step) + between + columns.with(next, digit);
                agree -= share(step, next, here) + share(step, next, there);
            }
        }
        // Rounding may lead out of the range.
        agree.clamp(0.0, 1.0)
    };
    let found = |step: &Step| {
        let (column, (first, end)) = (step.middle()?, step.middle?);
        let (digit, _) = columns.best_digit(first, end);
        Some(Found { digit, column, confidence: confidence(digit, column, step.layer) })
    };
    let none: f64 = columns.none.iter().sum();
    let odds = (best[end].0 - none) / columns.sharpness;
    let found: Vec<Found> = steps.iter().rev().filter_map(found).collect();
    let digits: Vec<usize> = found.iter().map(|found| found.digit).collect();
    // Rounding may lead out of the range.
    let confidence = (columns.spelling(&digits, pattern) - all).exp().clamp(0.0, 1.0);
    Some(Way { found, odds, confidence })
}

/// Share of all ways, however many digits they have, that have these and no others.
pub(crate) fn share(scores: &[Scores], digits: &[usize]) -> f64 {
    let columns = Columns::new(scores, None);
    let mut all = vec![f64::NEG_INFINITY; scores.len() + 1];
    all[0] = 0.0;
    for boundary in 0..scores.len() {
        for step in columns.steps(boundary, 0, None) {
            all[step.to] = log_add(all[step.to], all[boundary] + columns.sum(&step));
        }
    }
    (columns.spelling(digits, None) - all[scores.len()]).exp().clamp(0.0, 1.0)
}

/// What a classifier says of the columns, as logs of shares.
struct Columns {
    /// How much all logs are raised.
    sharpness: f64,
    /// That a column is no digit's middle.
    none: Vec<f64>,
    /// Of the columns before a boundary, that all are the middle of a certain digit.
    sums: Vec<[f64; 10]>,
}

impl Columns {
    fn new(scores: &[Scores], pattern: Option<&Pattern>) -> Self {
        let sharpness = if pattern.is_none() { SHARPER } else { 1.0 };
        let log = |share: f32| {
            TRUST * sharpness * f64::from(if share >= LEAST { share.min(1.0) } else { LEAST }).ln()
        };
        let mut sums = vec![[0.0; 10]];
        for (column, scores) in scores.iter().enumerate() {
            let before = sums[column];
            sums.push(std::array::from_fn(|digit| before[digit] + log(scores[digit])));
        }
        let none = scores.iter().map(|scores| log(scores[CLASSES - 1])).collect();
        Self { sharpness, none, sums }
    }

    /// That some columns, first and one past the last, are the middle of each digit.
    fn digits(&self, first: usize, end: usize) -> [f64; 10] {
        std::array::from_fn(|digit| self.sums[end][digit] - self.sums[first][digit])
    }

    /// The most probable digit of some columns, and the log of its share.
    fn best_digit(&self, first: usize, end: usize) -> (usize, f64) {
        let digits = self.digits(first, end).into_iter().enumerate();
        digits.fold((0, f64::NEG_INFINITY), |best, one| if one.1 > best.1 { one } else { best })
    }

    /// The steps that begin at a boundary with so many digits before it.
    fn steps(&self, from: usize, layer: usize, pattern: Option<&Pattern>) -> Vec<Step> {
        let mut steps = Vec::new();
        let columns = self.none.len();
        if from < columns {
            steps.push(Step { from, to: from + 1, layer, middle: None, weight: self.none[from] });
        }
        if pattern.is_some_and(|pattern| layer == pattern.digits()) {
            return steps;
        }
        let parted = pattern.is_some_and(|pattern| pattern.blank_before(layer));
        let narrow = if parted { NO_BLANK } else { 0.0 };
        // The column on a digit's left may be the one on the right of the digit before it.
        let mut begins = vec![(from, narrow), (from + 1, narrow)];
        if let (true, Some(blank)) = (parted, self.none.get(from..from + BLANK)) {
            begins.push((from + BLANK + 1, blank.iter().sum()));
        }
        for (first, weight) in begins {
            for end in MIDDLE.map(|width| first + width).take_while(|&end| end < columns) {
                let weight = weight + ONE_MORE * self.sharpness;
                steps.push(Step { from, to: end + 1, layer, middle: Some((first, end)), weight });
            }
        }
        steps
    }

    /// Log of the share of all ways that have these digits and no others, wherever their middles are:
    /// the score of connectionist temporal classification (Graves et al., 2006).
    fn spelling(&self, digits: &[usize], pattern: Option<&Pattern>) -> f64 {
        let (boundaries, layers) = (self.none.len() + 1, digits.len() + 1);
        let mut forward = vec![f64::NEG_INFINITY; boundaries * layers];
        forward[0] = 0.0;
        for boundary in 0..boundaries {
            for layer in 0..layers {
                let here = forward[boundary * layers + layer];
                if here == f64::NEG_INFINITY {
                    continue;
                }
                for step in self.steps(boundary, layer, pattern) {
                    let (after, share) = match (step.middle, digits.get(layer)) {
                        (None, _) => (layer, step.weight),
                        (Some(_), Some(&digit)) => (layer + 1, self.with(&step, digit)),
                        (Some(_), None) => continue,
                    };
                    let there = step.to * layers + after;
                    forward[there] = log_add(forward[there], here + share);
                }
            }
        }
        forward[boundaries * layers - 1]
    }

    /// Log of the share of a step, whatever its digit.
    fn sum(&self, step: &Step) -> f64 {
        let any = |(first, end)| {
            let digits = self.digits(first, end);
            let most = digits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            most + digits.iter().map(|digit| (digit - most).exp()).sum::<f64>().ln()
        };
        step.weight + step.middle.map_or(0.0, any)
    }

    /// Log of the share of a step with a certain digit.
    fn with(&self, step: &Step, digit: usize) -> f64 {
        step.weight + step.middle.map_or(0.0, |(first, end)| self.digits(first, end)[digit])
    }

    /// Log of the share of a step with its most probable digit.
    fn most(&self, step: &Step) -> f64 {
        step.weight + step.middle.map_or(0.0, |(first, end)| self.best_digit(first, end).1)
    }
}

/// log(exp(a) + exp(b)).
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of a classifier that sees digits at columns: (column, digit, how sure).
    fn seen(columns: usize, digits: &[(usize, usize, f32)]) -> Vec<Scores> {
        let mut scores = vec![[0.0; CLASSES]; columns];
        for scores in &mut scores {
            scores[CLASSES - 1] = 1.0;
        }
        for &(middle, digit, sure) in digits {
            for scores in &mut scores[middle - 1..=middle + 1] {
                scores[digit] += sure;
                scores[CLASSES - 1] -= sure;
            }
        }
        scores
    }

    fn text(way: &Way) -> String {
        way.found.iter().map(|found| found.digit.to_string()).collect()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_wide_middle_is_one_digit() {
        for wide in [3, 5, 7, 9] {
            let mut scores = seen(40, &[]);
            for scores in &mut scores[12..12 + wide] {
                (scores[9], scores[CLASSES - 1]) = (0.95, 0.05);
            }
            let way = decode(&scores, None).unwrap();
            assert_eq!(text(&way), "9", "{wide}");
            // What is as wide as two digits may be two, unless a pattern says that it is one.
            let (one, said) = (way.found[0].confidence, decode(&scores, Some(&pattern("d"))));
            assert!(if wide < 9 { one > 0.9 } else { (0.4..0.6).contains(&one) }, "{way:?}");
            assert!(said.unwrap().found[0].confidence > 0.95, "{wide}");
        }
    }

    #[test]
    fn digits_are_found_at_their_middles_also_narrow_ones_side_by_side() {
        let scores = seen(60, &[(10, 3, 0.99), (25, 1, 0.99), (29, 1, 0.99), (33, 7, 0.99)]);
        for pattern in [None, Some(&pattern("dddd"))] {
            let way = decode(&scores, pattern).unwrap();
            assert_eq!(text(&way), "3117");
            let columns: Vec<usize> = way.found.iter().map(|found| found.column).collect();
            assert_eq!(columns, [10, 25, 29, 33]);
            assert!(way.found.iter().all(|found| found.confidence > 0.95), "{way:?}");
            assert!(way.odds > 10.0 && way.confidence > 0.9, "{way:?}");
        }
    }

    #[test]
    fn a_pattern_takes_a_faint_digit_and_leaves_out_the_faintest() {
        let scores = seen(60, &[(10, 3, 0.99), (25, 5, 0.3), (40, 7, 0.99), (52, 1, 0.05)]);
        assert_eq!(text(&decode(&scores, None).unwrap()), "37");
        let way = decode(&scores, Some(&pattern("ddd"))).unwrap();
        assert_eq!(text(&way), "357");
        let unsure = way.found[1].confidence;
        assert!(unsure < way.found[0].confidence, "{way:?}");
        assert_eq!(text(&decode(&scores, Some(&pattern("dddd"))).unwrap()), "3571");
        assert_eq!(text(&decode(&scores, Some(&pattern("d d"))).unwrap()), "37");
    }

    #[test]
    fn a_blank_is_looked_for_where_the_pattern_has_it() {
        // Of two faint digits one stands after a gap.
        let scores = seen(60, &[(10, 3, 0.99), (15, 5, 0.4), (30, 7, 0.4)]);
        assert_eq!(text(&decode(&scores, Some(&pattern("d d"))).unwrap()), "37");
    }

    #[test]
    fn confidence_is_shared_between_two_digits_that_look_alike() {
        let mut scores = seen(40, &[(20, 4, 0.5)]);
        for scores in &mut scores[19..=21] {
            scores[9] = 0.5;
            scores[CLASSES - 1] = 0.0;
        }
        let way = decode(&scores, Some(&pattern("d"))).unwrap();
        assert_eq!(text(&way), "4");
        assert!((way.found[0].confidence - 0.5).abs() < 0.05, "{way:?}");
    }

    #[test]
    fn a_digit_that_may_be_missing_makes_the_line_unsure_though_all_others_are_sure() {
        let scores = seen(60, &[(10, 3, 0.99), (25, 5, 0.9), (40, 7, 0.99)]);
        let sure = decode(&scores, None).unwrap();
        assert!(text(&sure) == "357" && sure.confidence > 0.9, "{sure:?}");
        let scores = seen(60, &[(10, 3, 0.99), (25, 5, 0.5), (40, 7, 0.99)]);
        let way = decode(&scores, None).unwrap();
        assert_eq!(text(&way), "37");
        assert!(way.found.iter().all(|found| found.confidence > 0.95), "{way:?}");
        assert!((0.4..0.9).contains(&way.confidence), "{way:?}");
    }

    #[test]
    fn what_a_line_says_by_itself_is_surer_than_what_a_pattern_makes_of_it() {
        let scores = seen(60, &[(10, 3, 0.99), (25, 5, 0.3), (40, 7, 0.99)]);
        let free = decode(&scores, None).unwrap();
        assert_eq!(text(&free), "37");
        assert!((share(&scores, &[3, 7]) - free.confidence).abs() < 1e-9);
        let way = decode(&scores, Some(&pattern("ddd"))).unwrap();
        assert!(text(&way) == "357" && way.confidence > 0.8, "{way:?}");
        assert!(share(&scores, &[3, 5, 7]) < 0.5 * free.confidence);
    }

    #[test]
    fn all_strings_of_a_line_share_its_ways() {
        // Half a 4, half a 9: the two strings and the rest sum to all.
        let mut scores = seen(40, &[(20, 4, 0.6)]);
        for scores in &mut scores[19..=21] {
            scores[9] = 0.4;
            scores[CLASSES - 1] = 0.0;
        }
        let one = pattern("d");
        let columns = Columns::new(&scores, Some(&one));
        let all: f64 = (0..10).map(|digit| columns.spelling(&[digit], Some(&one)).exp()).sum();
        let way = decode(&scores, Some(&one)).unwrap();
        let four = columns.spelling(&[4], Some(&one)).exp() / all;
        assert!((way.confidence - four).abs() < 1e-9, "{way:?}, {four}");
        assert!((way.confidence - way.found[0].confidence).abs() < 0.02, "{way:?}");
    }

    #[test]
    fn where_no_way_is_long_enough_there_is_none() {
        assert!(decode(&seen(9, &[]), Some(&pattern("ddd"))).is_none());
        let none = decode(&seen(9, &[]), None).unwrap();
        assert!(none.found.is_empty() && none.odds == 0.0);
        assert!(decode(&[], None).unwrap().found.is_empty());
        assert!(decode(&[], Some(&pattern("d"))).is_none());
    }

    #[test]
    fn answers_that_are_no_shares_do_no_harm() {
        for odd in [f32::NAN, f32::INFINITY, -1.0, 7.0, 0.0] {
            let way = decode(&vec![[odd; CLASSES]; 30], Some(&pattern("dd"))).unwrap();
            assert!(way.found.iter().all(|found| (0.0..=1.0).contains(&found.confidence)));
        }
    }
}

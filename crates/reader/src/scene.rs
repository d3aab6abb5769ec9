//! A whole envelope, card or form: every number on it, and the one that is asked for.

use std::collections::{BTreeMap, BTreeSet};

use taper_dataset::Image;

use crate::decode::{decode, share};
use crate::error::{ReadError, Result};
use crate::evidence::Evidence;
use crate::layout::{DIGIT, Layout, Layouts, digit_share, in_context};
use crate::number::{Candidate, Number, Scene, choose};
use crate::pattern::Pattern;
use crate::reading::{CARD_DIGITS, Reading, read_checked, reading};
use crate::settings::{CHARACTERS, Character as Guess, LETTER, Scores, Settings};
use crate::strip::Piece;
use crate::text_line::{Character, TextLine, WIDEST_GAP};
use crate::view::{Opened, View, line_alone, open, upright};

/// A character that is less likely a digit ends a number, unless it stands amid digits.
const DIGIT_LIKE: f32 = 0.06;

/// What is less likely a digit may be none at the end of a number.
const LIKELY_END: f32 = 0.3;

/// Without a pattern, parts of a row of digits that have so many are looked at by themselves.
const POSTCODE: std::ops::RangeInclusive<usize> = 4..=9;

/// From such a gap on, in heights, a number may be read without what lies beyond.
const PART_GAP: f32 = 0.3;

/// Digits with a narrower gap, in heights, may be of one number.
const CLOSE: f32 = 1.2;

/// With fewer letters on a page, where a number lies says nothing.
const FEWEST_LETTERS: f32 = 3.0;

/// The most places that are read on a page.
const MOST_READ: usize = 24;

/// The most places of one line among them, so that a long one does not keep the others from being read.
const MOST_OF_LINE: usize = 8;

/// An answer that is less sure may be one of a page that was opened wrongly.
const LIKELY: f64 = 0.5;

/// What is less sure is no number.
const LEAST_SURE: f64 = 0.02;

/// A place that is read: characters of a line of a view.
struct Place<'a> {
    view: usize,
    line: &'a TextLine,
    range: std::ops::Range<usize>,
    /// What the classifier of characters says of each.
    guesses: &'a [Guess],
    pattern: Option<&'a Pattern>,
    /// Where it lies, where that says something.
    layout: Option<Layout>,
}

impl Place<'_> {
    /// The gaps, each by the characters on its left and right, to digits that stand close to it, so that it may
    /// be a part of a longer number.
    fn joints(&self) -> Vec<[&Character; 2]> {
        let some = &self.line.characters;
        let (first, end) = (self.range.start, self.range.end);
        let before = first.checked_sub(1).map(|at| (at, [at, first]));
        let after = (end < some.len()).then_some((end, [end - 1, end]));
        let pairs = [before, after].into_iter().flatten();
        let digits = pairs.filter(|(other, _)| digit_share(&self.guesses[*other]) > DIGIT);
        let close =
            |[a, b]: &[&Character; 2]| b.left - a.right < CLOSE * a.height().min(b.height());
        digits.map(|(_, pair)| pair.map(|at| &some[at])).filter(close).collect()
    }
}

/// Reads every number on a page, at any of four quarter turns; `patterns` say what the answer may look
/// like, `digits` says of windows of a line which digit is in the middle, `characters` tells digits
/// from letters and other things.
///
/// # Errors
/// There is no number, none as the patterns want, or a classifier fails.
pub fn read_scene<E: std::fmt::Display>(
    picture: &Image,
    patterns: &[Pattern],
    settings: &Settings,
    mut digits: impl FnMut(Vec<Image>) -> std::result::Result<Vec<Scores>, E>,
    mut characters: impl FnMut(Vec<Image>) -> std::result::Result<Vec<Guess>, E>,
) -> Result<Scene> {
    let mut digits = |windows: Vec<Image>| {
        let count = windows.len();
        answers(count, digits(windows).map_err(|e| ReadError::Classifier(e.to_string()))?)
    };
    let mut characters = |windows: Vec<Image>| {
        let count = windows.len();
        answers(count, characters(windows).map_err(|e| ReadError::Classifier(e.to_string()))?)
    };
    if let Some(turns) = line_alone(picture, &mut characters)? {
        let (digits, characters) = (&mut digits, &mut characters);
        match read_line_alone(picture, turns, patterns, settings, digits, characters) {
            // A heading, or a frame: there may be a page around it.
            Err(ReadError::NoLine(_)) => {}
            answer => return answer,
        }
    }
    let opened = open(picture, false)?;
    let on_table = opened.sheet.is_some();
    let first = read_page(opened, patterns, settings, &mut digits, &mut characters);
    match first {
        Ok(scene) if !on_table || scene.answer().reading.confidence >= LIKELY => Ok(scene),
        Err(error) if !on_table || !matches!(error, ReadError::NoLine(_)) => Err(error),
        // What was taken for a sheet may be a part of one.
        first => {
            let opened = open(picture, true)?;
            let second = read_page(opened, patterns, settings, &mut digits, &mut characters);
            let sure = |of: &Result<Scene>| {
                of.as_ref().map_or(-1.0, |scene| scene.answer().reading.confidence)
            };
            if sure(&second) > sure(&first) { second } else { first }
        }
    }
}

/// Reads every number on a page in one of the ways to open its picture.
fn read_page(
    opened: Opened,
    patterns: &[Pattern],
    settings: &Settings,
    digits: &mut impl FnMut(Vec<Image>) -> Result<Vec<Scores>>,
    characters: &mut impl FnMut(Vec<Image>) -> Result<Vec<Guess>>,
) -> Result<Scene> {
    let sheet = opened.sheet.map(|corners| corners.map(|(x, y)| [x, y]));
    let views = upright(opened.views, characters)?;
    let turns = views.first().map_or(0, |view| view.turns);

    let mut guesses: Vec<Vec<Vec<Guess>>> = Vec::new();
    for view in &views {
        let windows = |line: &TextLine| -> Vec<Image> {
            let window = |one: &Character| view.page.window(one.middle(), one.word, line.slope);
            line.characters.iter().map(window).collect()
        };
        let all: Vec<Image> = view.page.lines.iter().flat_map(windows).collect();
        let mut answers = if all.is_empty() { Vec::new() } else { characters(all)? }.into_iter();
        let of_line = |line: &TextLine| {
            let guesses: Vec<Guess> = answers.by_ref().take(line.characters.len()).collect();
            in_context(&guesses)
        };
        guesses.push(view.page.lines.iter().map(of_line).collect());
    }
    let writing: f32 = guesses.iter().flatten().flatten().map(|guess| guess[LETTER]).sum();
    let has_letters = writing >= FEWEST_LETTERS;
    let (mut places, mut lines) = (Vec::new(), 0);
    for (at, view) in views.iter().enumerate() {
        let layouts = Layouts::of(view, &guesses[at]);
        lines += layouts.writing();
        for (number, line) in view.page.lines.iter().enumerate() {
            let guesses = &guesses[at][number];
            for run in runs(line, guesses) {
                for (range, pattern) in ranges(line, guesses, run, patterns) {
                    let layout = layouts.of_range(number, &range);
                    let layout = has_letters.then_some(layout);
                    places.push(Place { view: at, line, range, guesses, pattern, layout });
                }
            }
        }
    }
    // What is the surest to be digits is read first, and only so much.
    let likely = |place: &Place<'_>| -> f32 {
        let some = &place.guesses[place.range.clone()];
        let mean = some.iter().map(digit_share).sum::<f32>() / some.len() as f32;
        let fits = match place.pattern {
            Some(pattern) => 0.15 * (some.len() as f32 - pattern.digits() as f32).abs(),
            // Parts of a row of digits come after all that stand alone.
            None if place.joints().is_empty() => 0.0,
            None => 0.3,
        };
        mean - fits + 0.02 * some.len().min(*CARD_DIGITS.end()) as f32
    };
    places.sort_by(|a, b| likely(b).total_cmp(&likely(a)));
    let mut of_line = BTreeMap::new();
    places.retain(|place| {
        let count = of_line.entry((place.view, std::ptr::from_ref(place.line))).or_insert(0);
        *count += 1;
        *count <= MOST_OF_LINE
    });
    places.truncate(MOST_READ);
    let mut numbers = Vec::new();
    for place in &places {
        let view = &views[place.view];
        if let Some(number) = read_place(place, view, settings, digits, characters)? {
            numbers.push(number);
        }
    }
    let mut scene = choose(numbers, patterns, sheet, turns)?;
    for number in &mut scene.numbers {
        number.reading.unread = lines.saturating_sub(1);
    }
    Ok(scene)
}

/// A classifier's answers, as many as there were windows.
fn answers<T>(count: usize, answers: Vec<T>) -> Result<Vec<T>> {
    match answers.len() == count {
        true => Ok(answers),
        false => Err(ReadError::Classifier(format!(
            "it gave {} answers to {count} windows",
            answers.len()
        ))),
    }
}

/// Reads a picture that shows one line, turned by so many quarters.
fn read_line_alone(
    picture: &Image,
    turns: u8,
    patterns: &[Pattern],
    settings: &Settings,
    digits: &mut impl FnMut(Vec<Image>) -> Result<Vec<Scores>>,
    characters: &mut impl FnMut(Vec<Image>) -> Result<Vec<Guess>>,
) -> Result<Scene> {
    let upright = picture.turned(turns);
    let mut readings = Vec::new();
    let mut failed = None;
    let each: Vec<Option<&Pattern>> = match patterns {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    for pattern in each {
        let check = Some(&mut *characters as &mut dyn FnMut(Vec<Image>) -> Result<Vec<Guess>>);
        match read_checked(&upright, pattern, settings, &mut *digits, check) {
            Ok(reading) => readings.push((reading, pattern)),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let best = |a: &(Reading, _), b: &(Reading, _)| a.0.confidence.total_cmp(&b.0.confidence);
    let Some((mut reading, pattern)) = readings.into_iter().max_by(best) else {
        return Err(failed.unwrap_or(ReadError::NoLine("nothing in it looks like a number")));
    };
    let (width, height) = (picture.width as f32, picture.height as f32);
    for corner in reading.digits.iter_mut().flat_map(|digit| &mut digit.corners) {
        let [x, y] = *corner;
        *corner = match turns {
            1 => [y, height - 1.0 - x],
            2 => [width - 1.0 - x, height - 1.0 - y],
            3 => [width - 1.0 - y, x],
            _ => [x, y],
        };
    }
    let pattern = pattern.map(Pattern::to_string);
    let reasons = vec!["for it: the only line".to_string()];
    let numbers = vec![Number { reading, pattern, reasons, score: 0.0 }];
    Ok(Scene { numbers, chosen: 0, sheet: None, turns })
}

/// Runs of characters that may be digits, between letters and wide gaps.
fn runs(line: &TextLine, guesses: &[Guess]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, (one, guess)) in line.characters.iter().zip(guesses).enumerate() {
        // Digits that touch are one wide piece, of which the middle says little.
        let wide = one.width() > 1.15 * one.height() && one.width() < 6.0 * one.height();
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| guesses.get(at)).is_some_and(|guess| digit_share(guess) > DIGIT)
        };
        let amid = is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)) && guess[LETTER] < 0.9;
        let least = if wide { DIGIT_LIKE / 4.0 } else { DIGIT_LIKE };
        if digit_share(guess) < least && !amid {
            continue;
        }
        if let Some(run) = runs.last_mut().filter(|run| run.end == at) {
            let last = &line.characters[at - 1];
            let high = last.height().max(one.height());
            let gap = one.left - last.right;
            let alike = (0.55..1.8).contains(&(one.height() / last.height()));
            if gap < WIDEST_GAP * high && alike {
                run.end = at + 1;
                continue;
            }
        }
        runs.push(at..at + 1);
    }
    runs
}

/// The parts of a run that may be an answer, each with the pattern that it may fit.
fn ranges<'a>(
    line: &TextLine,
    guesses: &[Guess],
    run: std::ops::Range<usize>,
    patterns: &'a [Pattern],
) -> Vec<(std::ops::Range<usize>, Option<&'a Pattern>)> {
    let some = &line.characters;
    let gap = |at: usize| {
        let (a, b) = (&some[at - 1], &some[at]);
        (b.left - a.right) / a.height().max(b.height())
    };
    let mut breaks = vec![run.start];
    breaks.extend((run.start + 1..run.end).filter(|&at| gap(at) > PART_GAP));
    breaks.push(run.end);
    if patterns.is_empty() {
        // Without what is hardly a digit at either end, and between wide gaps.
        let likely = |at: &usize| digit_share(&guesses[*at]) >= LIKELY_END;
        let ends = (run.clone().find(likely), run.clone().rev().find(likely));
        let mut some = BTreeSet::from([(run.start, run.end)]);
        if let (Some(first), Some(last)) = ends {
            some.insert((first, last + 1));
        }
        // A card's number is read as a whole.
        let is_long = CARD_DIGITS.contains(&run.len());
        for (at, &first) in breaks.iter().enumerate().filter(|_| !is_long) {
            let parts = breaks[at + 1..].iter().map(|&end| (first, end));
            some.extend(parts.filter(|(first, end)| POSTCODE.contains(&(end - first))));
        }
        return some.into_iter().map(|(first, end)| (first..end, None)).collect();
    }
    let mut ranges = Vec::new();
    for pattern in patterns {
        let digits = pattern.digits() as f32;
        for (at, &first) in breaks.iter().enumerate() {
            for &end in &breaks[at + 1..] {
                let wide: f32 = some[first..end]
                    .iter()
                    .map(|one| (one.width() / (0.95 * one.height())).round().max(1.0))
                    .sum();
                let pieces = (end - first) as f32;
                let fits = pieces <= digits + 1.0 + 0.15 * digits && wide + 1.0 >= 0.8 * digits;
                if fits {
                    ranges.push((first..end, Some(pattern)));
                }
            }
        }
    }
    ranges
}

/// Reads a place; nothing where there is no number, or none that fits.
fn read_place(
    place: &Place<'_>,
    view: &View,
    settings: &Settings,
    digits: &mut impl FnMut(Vec<Image>) -> Result<Vec<Scores>>,
    characters: &mut impl FnMut(Vec<Image>) -> Result<Vec<Guess>>,
) -> Result<Option<Candidate>> {
    let some = &place.line.characters[place.range.clone()];
    let strip = Piece::of(view.page.cut(some)).strip();
    let windows: Vec<Image> = (0..strip.columns()).map(|column| strip.window(column)).collect();
    let scores = digits(windows)?;
    let Some(way) = decode(&scores, place.pattern).filter(|way| !way.found.is_empty()) else {
        return Ok(None);
    };
    let alone = match place.pattern {
        Some(_) => {
            let spelt: Vec<usize> = way.found.iter().map(|found| found.digit).collect();
            share(&scores, &spelt)
        }
        None => way.confidence,
    };
    // What the other classifier says of each digit.
    let at: Vec<Image> = way.found.iter().map(|found| strip.window(found.column)).collect();
    let seconds = in_context(&characters(at)?);
    let mut agree = 1.0f64;
    for (found, guess) in way.found.iter().zip(&seconds) {
        let right = f64::from(guess[found.digit]);
        let letter = f64::from(guess[LETTER] + guess[CHARACTERS - 1] + guess[CHARACTERS - 2]);
        // Half of what it takes for another digit is its own mistake; a letter is none of the digits.
        agree *= (1.0 - letter - 0.5 * (1.0 - right - letter).max(0.0)).clamp(0.03, 1.0);
    }
    let per_digit = agree.powf(1.0 / way.found.len() as f64);
    let told = if place.pattern.is_some() { way.confidence.min(2.0 * alone) } else { alone };
    let confidence = told * agree.sqrt().min(1.0);
    // Answers that are no numbers are none.
    let (least, least_digit) =
        if place.pattern.is_some() { (LEAST_SURE / 2.0, 0.2) } else { (LEAST_SURE, 0.3) };
    if !(confidence >= least && per_digit >= least_digit) {
        return Ok(None);
    }
    let mut answer = reading(&strip, &way, place.pattern, settings);
    answer.confidence = confidence;
    let marks = marks(view, some, &answer);
    if place.pattern.is_none() {
        answer.text = with_marks(&answer.text, &marks);
    }
    for corner in answer.digits.iter_mut().flat_map(|digit| &mut digit.corners) {
        *corner = view.place(corner[0], corner[1]);
    }
    let sure = 2.0 * told.max(1e-3).ln().max(-4.0) + 0.6 * agree.ln().max(-8.0);
    let joints = place.joints();
    let is_part = !joints.is_empty();
    let beside = joints.into_iter().filter_map(|[left, right]| view.page.mark_between(left, right));
    let evidence = Evidence {
        pattern: place.pattern,
        layout: place.layout,
        is_part,
        dotted: marks.iter().flatten().copied().chain(beside).any(|mark| mark == '.'),
        sure: sure + (alone + 0.02).ln(),
        marks: &marks,
    };
    let (score, reasons) = evidence.weigh(&answer);
    let pattern = place.pattern.map(Pattern::to_string);
    let number = Number { reading: answer, pattern, reasons, score };
    Ok(Some(Candidate { number, is_part }))
}

/// The mark before each digit, where one lies between it and the one before.
fn marks(view: &View, some: &[Character], answer: &Reading) -> Vec<Option<char>> {
    let middle = |at: usize| answer.digits[at].corners.iter().map(|c| c[0]).sum::<f32>() / 4.0;
    let mut marks = vec![None; answer.digits.len()];
    for pair in some.windows(2) {
        let Some(mark) = view.page.mark_between(&pair[0], &pair[1]) else { continue };
        let between = (pair[0].right + pair[1].left) / 2.0;
        let next = (1..marks.len()).find(|&at| middle(at - 1) < between && between < middle(at));
        if let Some(next) = next {
            marks[next] = Some(mark);
        }
    }
    marks
}

/// A text with marks before some of its digits, in place of blanks.
fn with_marks(text: &str, marks: &[Option<char>]) -> String {
    let (mut out, mut digit) = (String::new(), 0);
    for letter in text.chars() {
        if letter == ' ' {
            if marks.get(digit).is_none_or(Option::is_none) {
                out.push(' ');
            }
            continue;
        }
        out.extend(marks.get(digit).copied().flatten());
        out.push(letter);
        digit += 1;
    }
    out
}

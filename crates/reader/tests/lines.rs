//! Generated lines and a classifier that knows the truth: what the reader finds without a net's
//! mistakes; and pictures that show no line.

use proptest::prelude::*;
use taper_dataset::Image;
use taper_lines::{Generator, Kind, Level, Line, Settings as Lines};
use taper_reader::{
    CLASSES, Pattern, ReadError, Reading, Scores, Settings, Strip, annotate, read, strips,
};

/// Reads a line with the truth for a classifier.
fn read_with_truth(line: &Line, pattern: Option<&str>) -> Result<Reading, ReadError> {
    let pattern = pattern.map(|pattern| Pattern::parse(pattern).unwrap());
    let mut answers: Vec<Vec<Scores>> =
        strips(&line.picture)?.iter().map(|strip| truth(line, strip)).collect();
    answers.reverse();
    read(&line.picture, pattern.as_ref(), &Settings::default(), |windows: Vec<Image>| {
        // Nothing is to be found where the reader looks elsewhere: in parts, on its head.
        let mut none = [0.001; CLASSES];
        none[CLASSES - 1] = 0.99;
        Ok::<_, String>(answers.pop().unwrap_or_else(|| vec![none; windows.len()]))
    })
}

/// Which digit is in the middle of each window.
fn truth(line: &Line, strip: &Strip) -> Vec<Scores> {
    let mut ends = vec![(f32::MAX, f32::MIN); line.boxes.len()];
    for column in 0..strip.columns() {
        for row in 0..strip.rows() {
            let (x, y) = strip.place(column as f32, row as f32);
            let seen = strip.ink(column as isize, row) > 0.3;
            let Some(digit) = line.digit_at(x, y).filter(|_| seen) else { continue };
            let (first, last) = &mut ends[digit];
            (*first, *last) = (first.min(column as f32), last.max(column as f32));
        }
    }
    let digits =
        line.text.bytes().filter(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0'));
    let digits: Vec<usize> = digits.collect();
    let scores = |column: usize| {
        let centred = |digit: &usize| {
            let (first, last) = ends[*digit];
            first <= last && ((first + last) / 2.0 - column as f32).abs() <= 1.5
        };
        let class = (0..digits.len()).find(centred).map_or(CLASSES - 1, |place| digits[place]);
        let mut scores = [0.001; CLASSES];
        scores[class] = 0.99;
        scores
    };
    (0..strip.columns()).map(scores).collect()
}

/// A classifier that says the same of every window.
fn always(scores: Scores) -> impl FnMut(Vec<Image>) -> Result<Vec<Scores>, String> {
    move |windows| Ok(vec![scores; windows.len()])
}

fn generator(kind: Kind, level: Level) -> Generator {
    let settings = Lines { kind, level, seed: 11, ..Lines::default() };
    Generator::new(settings, "mnist-sample").unwrap()
}

#[test]
fn every_digit_of_a_line_is_found_also_where_they_overlap() {
    for (kind, level) in [
        (Kind::Handwritten, Level::Clean),
        (Kind::Handwritten, Level::Degraded),
        (Kind::Printed, Level::Clean),
        (Kind::Printed, Level::Degraded),
    ] {
        let generator = generator(kind, level);
        let lines: Vec<Line> = (0..25).map(|index| generator.line(index).unwrap()).collect();
        for (pattern, least) in [(Some("ddddd"), 24), (None, 24)] {
            let right = lines.iter().filter(|line| {
                read_with_truth(line, pattern)
                    .is_ok_and(|reading| reading.text.replace(' ', "") == line.text)
            });
            let right = right.count();
            assert!(right >= least, "{kind:?} {level:?} {pattern:?}: {right} of 25");
        }
    }
}

#[test]
fn a_card_number_is_read_in_its_groups_and_passes_its_check() {
    let generator = generator(Kind::Card, Level::Clean);
    let mut right = 0;
    for index in 0..10 {
        let line = generator.line(index).unwrap();
        let Ok(reading) = read_with_truth(&line, Some("dddd dddd dddd dddd")) else { continue };
        if reading.text == line.text {
            right += 1;
            assert_eq!(reading.luhn, Some(true));
            assert_eq!(reading.digits.len(), 16);
        }
    }
    assert!(right >= 9, "{right} of 10");
}

#[test]
fn skew_and_slant_are_those_of_the_line() {
    let generator = generator(Kind::Printed, Level::Full);
    let mut wrong = 0;
    for index in 0..20 {
        let line = generator.line(index).unwrap();
        let (skew, slant) = strips(&line.picture).unwrap()[0].angles();
        wrong += usize::from((f64::from(skew) - line.parameters.skew).abs() > 2.0);
        wrong += usize::from((f64::from(slant) - line.parameters.slant).abs() > 5.0);
    }
    assert!(wrong <= 3, "{wrong} of 40 angles");
}

#[test]
fn frames_lie_around_their_digits() {
    let line = generator(Kind::Printed, Level::Clean).line(3).unwrap();
    let reading = read_with_truth(&line, Some("ddddd")).unwrap();
    for (digit, [x, y, width, height]) in reading.digits.iter().zip(&line.boxes) {
        let middle = |axis: usize| digit.corners.iter().map(|c| c[axis]).sum::<f32>() / 4.0;
        assert!((middle(0) - (*x as f32 + *width as f32 / 2.0)).abs() < 3.0);
        assert!((middle(1) - (*y as f32 + *height as f32 / 2.0)).abs() < 3.0);
    }
    let annotated = annotate(&line.picture, &reading, &[], Some(&line.text));
    // Small digits are shown larger.
    let times = annotated.width / line.picture.width;
    assert!(times >= 2 && annotated.width == times * line.picture.width);
    assert!(annotated.channels == 3 && annotated.height > times * line.picture.height);
}

#[test]
fn a_line_of_other_length_than_the_pattern_says_what_it_reads() {
    let line = generator(Kind::Printed, Level::Clean).line(3).unwrap();
    let error = read_with_truth(&line, Some("ddddddddd")).unwrap_err();
    assert!(matches!(&error, ReadError::NoMatch { found, .. } if *found == line.text), "{error}");
    assert!(error.to_string().starts_with("cannot be read as \"ddddddddd\""), "{error}");
    let error = read_with_truth(&line, Some("dd")).unwrap_err();
    assert!(matches!(&error, ReadError::NoMatch { found, .. } if *found == line.text), "{error}");
}

#[test]
fn an_unsure_digit_is_not_told() {
    let line = generator(Kind::Printed, Level::Clean).line(3).unwrap();
    let mut torn = [0.001; CLASSES];
    (torn[3], torn[8]) = (0.5, 0.49);
    let settings = Settings { min_confidence: 0.9 };
    let reading = read(&line.picture, None, &settings, always(torn)).unwrap();
    assert!(reading.text.chars().all(|letter| matches!(letter, '?' | ' ')), "{}", reading.text);
    assert!(reading.confidence < 0.9);
}

#[test]
fn a_line_without_a_digit_is_not_read() {
    let line = generator(Kind::Printed, Level::Clean).line(3).unwrap();
    let mut none = [0.001; CLASSES];
    none[CLASSES - 1] = 0.99;
    for pattern in [None, Some(&Pattern::parse("ddddd").unwrap())] {
        let read = read(&line.picture, pattern, &Settings::default(), always(none));
        assert!(matches!(read, Err(ReadError::NoLine(_))), "{read:?}");
    }
}

#[test]
fn a_classifier_that_fails_or_miscounts_is_an_error() {
    let line = generator(Kind::Printed, Level::Clean).line(0).unwrap();
    let settings = Settings::default();
    let error = read(&line.picture, None, &settings, |_: Vec<Image>| Err("no net")).unwrap_err();
    assert_eq!(error.to_string(), "no net");
    let none = |_: Vec<Image>| Ok::<_, String>(Vec::new());
    let error = read(&line.picture, None, &settings, none).unwrap_err();
    assert!(error.to_string().starts_with("the classifier gave 0 answers, expected"), "{error}");
}

#[test]
fn pictures_without_a_line_are_told_apart() {
    let any = [1.0 / CLASSES as f32; CLASSES];
    let message =
        |picture: Image| read(&picture, None, &Settings::default(), always(any)).unwrap_err();
    assert_eq!(
        message(Image::black(11, 300, 1)).to_string(),
        "a picture of 11x300 pixels shows no line: expected at least 12x12"
    );
    assert!(matches!(message(Image::black(40, 300, 3)), ReadError::NoLine(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_picture_is_read_or_refused(
        height in 1usize..70,
        width in 1usize..160,
        colour: bool,
        marks in proptest::collection::vec((0usize..160, 0usize..70, 1usize..40, 1usize..40, 0u8..=255), 0..12),
        seed: u32,
        rough in 0u32..64,
        digits in 1usize..6,
    ) {
        let channels = if colour { 3 } else { 1 };
        let mut state = seed;
        let mut pixels = vec![200u8; height * width * channels];
        for (place, value) in pixels.iter_mut().enumerate() {
            let (x, y) = (place / channels % width, place / channels / width);
            for &(left, top, wide, high, tone) in &marks {
                if (left..left + wide).contains(&x) && (top..top + high).contains(&y) {
                    *value = tone;
                }
            }
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            *value = value.wrapping_add(((state >> 16) % (rough + 1)) as u8);
        }
        let picture = Image::new(height, width, channels, pixels).unwrap();
        let pattern = Pattern::parse(&"d".repeat(digits)).unwrap();
        let any = [1.0 / CLASSES as f32; CLASSES];
        for pattern in [None, Some(&pattern)] {
            if let Ok(reading) = read(&picture, pattern, &Settings::default(), always(any)) {
                prop_assert!(pattern.is_none() || reading.digits.len() == digits);
                prop_assert!(reading.digits.iter().all(|d| (0.0..=1.0).contains(&d.confidence)));
                annotate(&picture, &reading, &[], None);
            }
        }
    }
}

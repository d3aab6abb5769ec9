//! `cargo xtask make-windows`: what the reader sees of generated lines, labelled, as IDX files to
//! train the reader's weights on.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rayon::prelude::*;
use taper_dataset::Image;
use taper_dataset::idx::{Elements, Idx};
use taper_dataset::random::{Purpose, Random};
use taper_lines::{
    Generator, Kind, Level, Line, Part, Scene, SceneGenerator, SceneKind, SceneSettings, Settings,
    View,
};
use taper_reader::{CHARACTERS, CLASSES, LETTER, Strip, glances, strips};

/// How many windows, of what, and where to. The training part is made from training digits and
/// fonts, the test part from tuning ones.
#[derive(Debug, Args)]
pub struct Flags {
    /// The folder to write to; new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Handwritten digits: a folder of MNIST's IDX files
    #[arg(long, value_name = "DATA")]
    digits: String,

    /// Lines for the training part: 14 of 20 handwritten, 4 printed, 2 of cards; a twentieth for the
    /// test part
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    lines: u64,

    /// Make windows of single characters instead, of so many scenes for the training part, to train
    /// the weights that tell digits from letters on
    #[arg(long, value_name = "N")]
    scenes: Option<u64>,

    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// The class of a window without a digit in its middle.
const NONE: u8 = CLASSES as u8 - 1;

/// A digit is in a window's middle up to so many columns from it.
const CENTRED: f32 = 1.5;

/// From here on it is not; what lies between is left out.
const NOT_CENTRED: f32 = 2.75;

/// So near, a window shows a part of a digit, or two halves: those are hard to tell.
const NEAR: f32 = 9.0;

/// From here on the reader sees ink where there is some.
const SEEN: f32 = 0.25;

/// Shares of the windows that are taken: centred, near, far, and of a picture whose tone is mistaken.
const TAKEN: [f64; 4] = [0.5, 0.13, 0.1, 0.03];

/// How each five lines stray.
const LEVELS: [(Level, u64); 3] = [(Level::Clean, 1), (Level::Full, 2), (Level::Degraded, 2)];

/// Windows and their labels, one after the other.
type Windows = (Vec<u8>, Vec<u8>);

/// Carries out the command.
pub fn run(flags: &Flags) -> Result<()> {
    std::fs::create_dir_all(&flags.out).context("cannot make the folder")?;
    let empty = std::fs::read_dir(&flags.out)?.next().is_none();
    ensure!(empty, "{} is not empty; choose another folder", flags.out.display());
    let others: &[&str] = match flags.scenes {
        Some(scenes) => {
            write_characters(flags, Part::Training, "train", scenes)?;
            write_characters(flags, Part::Tuning, "t10k", scenes / 10)?;
            &["letter", "turned", "other"]
        }
        None => {
            write(flags, Part::Training, "train", flags.lines)?;
            write(flags, Part::Tuning, "t10k", flags.lines / 20)?;
            &["none"]
        }
    };
    let mut names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    names.extend(others.iter().map(|name| name.to_string()));
    std::fs::write(flags.out.join("classes.txt"), names.join("\n") + "\n")?;
    Ok(())
}

/// Scenes of each hundred: kind, view, how many.
const SCENES: [(SceneKind, View, u64); 8] = [
    (SceneKind::Envelope, View::Plain, 22),
    (SceneKind::Envelope, View::Photo, 18),
    (SceneKind::Card, View::Plain, 15),
    (SceneKind::Card, View::Photo, 15),
    (SceneKind::Form, View::Plain, 10),
    (SceneKind::Form, View::Photo, 10),
    (SceneKind::Label, View::Plain, 5),
    (SceneKind::Label, View::Photo, 5),
];

/// Windows of the characters in scenes, as the reader sees them.
fn write_characters(flags: &Flags, part: Part, name: &str, scenes: u64) -> Result<()> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (kind, view, of_hundred) in SCENES {
        let settings = SceneSettings { kind, view, part, seed: flags.seed };
        let generator = SceneGenerator::new(settings, &flags.digits)?;
        let some: Vec<Windows> = (0..scenes * of_hundred / 100)
            .into_par_iter()
            .map(|index| Ok(characters_of(&generator.scene(index)?, flags.seed, index)))
            .collect::<Result<_>>()?;
        for (some_pixels, some_labels) in some {
            pixels.extend(some_pixels);
            labels.extend(some_labels);
        }
    }
    write_idx(flags, name, pixels, labels, CHARACTERS)
}

/// Of the letters, and of what else is there, these shares are taken; of the digits all.
const LETTERS_TAKEN: f64 = 0.5;
const OTHERS_TAKEN: f64 = 0.4;

/// What looks the same, or like a digit, on its head.
const SYMMETRIC: &str = "0168905oOxXzZsSNHIlu n|-.:/pdbqWMmwE";

fn characters_of(scene: &Scene, seed: u64, index: u64) -> Windows {
    let mut windows = Windows::default();
    let Ok(glances) = glances(&scene.picture) else { return windows };
    let mut random = Random::new(seed, Purpose::Lines, 1 << 21, index);
    let mut take = |window: &Image, label: usize, share: f64| {
        if random.chance(share) {
            windows.0.extend(&window.pixels);
            windows.1.push(label as u8);
        }
    };
    for glance in &glances {
        let [x, y] = glance.middle;
        let (dx, dy) = (glance.right[0] - x, glance.right[1] - y);
        let length = dx.hypot(dy).max(1e-3);
        // The letter whose middle is nearest.
        let middle = |corners: &[[f32; 2]; 4]| {
            let mean = |axis: usize| corners.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0;
            [mean(0), mean(1)]
        };
        let off = |corners: &[[f32; 2]; 4]| {
            let [mx, my] = middle(corners);
            (mx - x).hypot(my - y)
        };
        let nearest = scene.letters.iter().min_by(|a, b| off(&a.1).total_cmp(&off(&b.1)));
        let Some((letter, corners)) = nearest else { continue };
        let (a, b, d) = (corners[0], corners[1], corners[3]);
        let wide = (b[0] - a[0]).hypot(b[1] - a[1]);
        let high = (d[0] - a[0]).hypot(d[1] - a[1]);
        let along = ((b[0] - a[0]) * dx + (b[1] - a[1]) * dy) / (wide.max(1e-3) * length);
        match off(corners) {
            // Beside every letter.
            off if off > 1.2 * wide.max(high) => {
                take(&glance.window, CHARACTERS - 1, OTHERS_TAKEN);
                continue;
            }
            // In one, about as high as it.
            off if off < 0.2 * wide.max(0.4 * high)
                && (0.7..1.4).contains(&(length / high.max(1.0))) => {}
            _ => continue,
        }
        let (upright, turned) = match along {
            0.8.. => (&glance.window, &glance.on_its_head),
            ..-0.8 => (&glance.on_its_head, &glance.window),
            _ => continue,
        };
        match letter.to_digit(10) {
            Some(digit) => take(upright, digit as usize, 1.0),
            None if letter.is_alphabetic() => take(upright, LETTER, LETTERS_TAKEN),
            None => take(upright, CHARACTERS - 1, 1.0),
        }
        if !SYMMETRIC.contains(*letter) {
            let share = if letter.is_ascii_digit() { 0.6 } else { 0.3 };
            take(turned, CHARACTERS - 2, share);
        }
    }
    windows
}

fn write(flags: &Flags, part: Part, name: &str, lines: u64) -> Result<()> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    // A card has three times the digits of the others.
    for (kind, share) in [(Kind::Handwritten, 14), (Kind::Printed, 4), (Kind::Card, 2)] {
        for (level, of_five) in LEVELS {
            let settings = Settings { kind, part, level, seed: flags.seed, ..Settings::default() };
            let generator = Generator::new(settings, &flags.digits)?;
            let some: Vec<Windows> = (0..lines * share * of_five / 100)
                .into_par_iter()
                .map(|index| Ok(windows_of(&generator.line(index)?, flags.seed, index)))
                .collect::<Result<_>>()?;
            for (some_pixels, some_labels) in some {
                pixels.extend(some_pixels);
                labels.extend(some_labels);
            }
        }
    }
    write_idx(flags, name, pixels, labels, CLASSES)
}

fn write_idx(
    flags: &Flags,
    name: &str,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    classes: usize,
) -> Result<()> {
    let n = labels.len();
    let mut counts = vec![0; classes];
    labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
    let file = |what: &str| flags.out.join(format!("{name}-{what}-ubyte"));
    let images = Idx { shape: vec![n, 28, 28], elements: Elements::U8(pixels) };
    std::fs::write(file("images-idx3"), images.to_bytes()?)?;
    let labels = Idx { shape: vec![n], elements: Elements::U8(labels) };
    std::fs::write(file("labels-idx1"), labels.to_bytes()?)?;
    println!("{name}: {n} windows, by class {counts:?}");
    Ok(())
}

/// The labelled windows of a line; none where the reader finds no line.
fn windows_of(line: &Line, seed: u64, index: u64) -> Windows {
    let mut windows = Windows::default();
    let Ok(strips) = strips(&line.picture) else { return windows };
    let mut random = Random::new(seed, Purpose::Lines, 1 << 20, index);
    let digits: Vec<u8> =
        line.text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    for strip in &strips {
        let places = places(line, strip);
        // Where a strip has taken paper for ink there is no digit anywhere.
        let mistaken = places.iter().all(|place| !place.is_seen);
        for column in 0..strip.columns() {
            let off = |digit: &usize| (places[*digit].middle - column as f32).abs();
            let nearest = (0..digits.len()).min_by(|a, b| off(a).total_cmp(&off(b)));
            let Some(nearest) = nearest else { continue };
            let (label, share) = match off(&nearest) {
                _ if mistaken => (NONE, TAKEN[3]),
                ..NEAR if !places[nearest].is_seen => continue,
                ..=CENTRED => (digits[nearest], TAKEN[0]),
                ..NOT_CENTRED => continue,
                ..NEAR => (NONE, TAKEN[1]),
                _ => (NONE, TAKEN[2]),
            };
            if random.chance(share) {
                windows.0.extend(strip.window(column).pixels);
                windows.1.push(label);
            }
        }
    }
    windows
}

/// Where a digit is in a strip.
struct Place {
    /// The column of its middle.
    middle: f32,
    /// Whether most of its ink is there.
    is_seen: bool,
}

/// Where each digit of a line is; far off, if it is not in the strip.
fn places(line: &Line, strip: &Strip) -> Vec<Place> {
    // First and last column, how much ink there is and how much of it is seen.
    let mut sums = vec![(f32::MAX, f32::MIN, 0, 0); line.boxes.len()];
    // Four places a pixel, to be exact to half a column.
    for half_row in 0..2 * strip.rows() {
        for half_column in 0..2 * strip.columns() {
            let (column, row) = (half_column as f32 / 2.0, half_row as f32 / 2.0);
            let (x, y) = strip.place(column, row);
            let Some(digit) = line.digit_at(x, y) else { continue };
            let (first, last, all, seen) = &mut sums[digit];
            (*first, *last) = (first.min(column), last.max(column));
            *all += 1;
            let ink = strip.ink(half_column as isize / 2, half_row / 2);
            *seen += usize::from(ink >= SEEN);
        }
    }
    let place = |(first, last, all, seen): (f32, f32, usize, usize)| match all {
        0 => Place { middle: -1e6, is_seen: false },
        _ => Place { middle: (first + last) / 2.0, is_seen: 5 * seen >= 3 * all },
    };
    sums.into_iter().map(place).collect()
}

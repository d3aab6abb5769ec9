//! How many of many lines are read right, by a list of what they show.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use taper_dataset::Image;
use taper_dataset::sheet::fit;
use taper_reader::{Pattern, Reading, annotate};
use taper_runner::observe::Counter;
use taper_untrusted::checksums::TEXT;
use taper_untrusted::files::read_text;
use taper_untrusted::json as untrusted;

use super::picture::{self, check_png, unopened, write_png};
use super::reader::Reader;
use crate::flags::{Output, ReadFlags};
use crate::print::{print, print_json};

/// How wide a sheet may be for more than one column, in pixels.
const SHEET_WIDTH: usize = 2000;

/// Larger pictures are shrunk on a sheet: pixels of the longer side.
const LARGEST_SHOWN: usize = 640;

/// The most errors on a sheet.
const MOST_SHOWN: usize = 24;

/// One line of the list.
struct Line {
    image: String,
    text: String,
    /// What the answer looks like, where the list says it.
    pattern: Option<String>,
}

/// From so sure on a wrong answer is a defect.
const SURELY: f64 = 0.95;

/// Where the bins of the reliability table end.
const BINS: [f64; 6] = [0.5, 0.7, 0.9, 0.95, 0.99, 1.0];

/// Readings of one bin of confidence.
#[derive(Default, Clone, Copy)]
struct Bin {
    readings: usize,
    confidence: f64,
    right: usize,
}

/// What came of the lines.
#[derive(Default)]
struct Counts {
    lines: usize,
    whole: usize,
    digits: usize,
    right: usize,
    wrong: usize,
    withheld: usize,
    unread: usize,
    /// Whole strings with the right blanks.
    grouped: usize,
    /// Wrong although more than 95 % sure.
    surely_wrong: usize,
    bins: [Bin; BINS.len()],
    /// Seconds of reading, without opening files.
    seconds: f64,
    slowest: f64,
}

pub(super) fn run(reader: &Reader, truth: &Path, flags: &ReadFlags, output: Output) -> Result<()> {
    if let Some(path) = &flags.errors {
        check_png("--errors", path)?;
    }
    let folder = truth.parent().unwrap_or(Path::new(""));
    let mut counts = Counts::default();
    let (mut errors, mut shown, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let lines = list(truth)?;
    ensure!(!lines.is_empty(), "{} lists no line", truth.display());
    let all = lines.len();
    let counter = Counter::new(!output.quiet && !output.json, "read", all);
    for (index, line) in lines.into_iter().enumerate() {
        counter.set(index);
        let picture = match picture::open(&folder.join(&line.image)) {
            Ok(picture) => picture,
            Err(error) => {
                faults.push(error.to_string());
                continue;
            }
        };
        let digits = |text: &str| -> String {
            text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '?').collect()
        };
        let wanted = digits(&line.text);
        counts.lines += 1;
        counts.digits += wanted.len();
        let own = line.pattern.as_deref().filter(|_| flags.own_patterns);
        let own = own.map(Pattern::parse).transpose()?;
        let start = Instant::now();
        let scene = reader.read(&picture, own.as_slice());
        let seconds = start.elapsed().as_secs_f64();
        counts.seconds += seconds;
        counts.slowest = counts.slowest.max(seconds);
        let others: Vec<&Reading> = match &scene {
            Ok(scene) => scene.others().map(|number| &number.reading).collect(),
            Err(_) => Vec::new(),
        };
        let reading = scene.as_ref().map(|scene| &scene.answer().reading);
        let found = match &reading {
            Ok(reading) => digits(&reading.text),
            Err(_) => String::new(),
        };
        if let Ok(reading) = &reading {
            let bin = BINS.iter().position(|end| reading.confidence < *end);
            let bin = &mut counts.bins[bin.unwrap_or(BINS.len() - 1)];
            bin.readings += 1;
            bin.confidence += reading.confidence;
            bin.right += usize::from(found == wanted);
            let surely = reading.confidence > SURELY && found != wanted;
            counts.surely_wrong += usize::from(surely);
        }
        if found.len() == wanted.len() {
            counts.right += found.bytes().zip(wanted.bytes()).filter(|(a, b)| a == b).count();
        }
        if found == wanted {
            counts.whole += 1;
            let same = reading.is_ok_and(|reading| reading.text == line.text);
            counts.grouped += usize::from(same);
            continue;
        }
        match &reading {
            Err(_) => counts.unread += 1,
            Ok(_) if found.contains('?') => counts.withheld += 1,
            Ok(_) => counts.wrong += 1,
        }
        let said = match &reading {
            Ok(reading) => reading.text.clone(),
            Err(error) => error.to_string(),
        };
        let confidence = reading.as_ref().map_or(0.0, |reading| reading.confidence);
        if flags.errors.is_some() && shown.len() < MOST_SHOWN {
            let seen = match &reading {
                Ok(reading) => annotate(&picture, reading, &others, Some(&wanted)),
                Err(_) => picture.into_channels(3)?,
            };
            let large = seen.height.max(seen.width) > LARGEST_SHOWN;
            shown.push(if large { fit(&seen, LARGEST_SHOWN) } else { seen });
        }
        errors.push(json!({ "image": line.image, "text": line.text, "read": said, "confidence": confidence }));
    }
    drop(counter);
    if let Some(path) = &flags.errors {
        write_png(path, &side_by_side(&shown))?;
    }
    if counts.lines > 0 {
        match output.json {
            true => print_json(&counts.to_json(errors))?,
            false => print(&counts.describe(&errors)?)?,
        }
    }
    match &faults[..] {
        [] => Ok(()),
        faults => Err(unopened(faults, all)),
    }
}

/// Reads a list: one JSON object a line, with `image` (a path beside the list) and `text`.
fn list(path: &Path) -> Result<Vec<Line>> {
    let text = read_text(path, TEXT)
        .map_err(|error| anyhow!("cannot read {}: {error}", path.display()))?;
    let line = |(number, line): (usize, &str)| {
        let place = || format!("{}, line {}", path.display(), number + 1);
        let value =
            untrusted::value(line.as_bytes()).map_err(|error| anyhow!("{}: {error}", place()))?;
        let get = |key: &str| {
            let text = value[key].as_str().map(str::to_string);
            text.with_context(|| format!("{}: expected a text `{key}`", place()))
        };
        let pattern = value["pattern"].as_str().map(str::to_string);
        Ok(Line { image: get("image")?, text: get("text")?, pattern })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

impl Counts {
    fn to_json(&self, errors: Vec<Value>) -> Value {
        json!({
            "lines": self.lines,
            "whole": self.whole,
            "whole_with_blanks": self.grouped,
            "digits": self.digits,
            "digits_right": self.right,
            "wrong": self.wrong,
            "withheld": self.withheld,
            "unread": self.unread,
            "surely_wrong": self.surely_wrong,
            "seconds": self.seconds,
            "slowest_seconds": self.slowest,
            "reliability": self.bins.iter().zip(BINS).filter(|(bin, _)| bin.readings > 0).map(
                |(bin, end)| json!({
                    "below": end,
                    "readings": bin.readings,
                    "mean_confidence": bin.confidence / bin.readings as f64,
                    "right": bin.right,
                })
            ).collect::<Vec<_>>(),
            "errors": errors,
        })
    }

    fn describe(&self, errors: &[Value]) -> Result<String> {
        let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        let mut text = String::new();
        for error in errors {
            let word = |key: &str| error[key].as_str().unwrap_or_default();
            writeln!(text, "{}: {}, read {}", word("image"), word("text"), word("read"))?;
        }
        writeln!(
            text,
            "whole strings right: {} of {} ({:.1} %)",
            self.whole,
            self.lines,
            share(self.whole, self.lines)
        )?;
        writeln!(
            text,
            "with the right blanks, too: {} of {} ({:.1} %)",
            self.grouped,
            self.lines,
            share(self.grouped, self.lines)
        )?;
        writeln!(
            text,
            "digits right: {} of {} ({:.2} %)",
            self.right,
            self.digits,
            share(self.right, self.digits)
        )?;
        writeln!(
            text,
            "of the others: {} read wrong, {} withheld in part, {} not read",
            self.wrong, self.withheld, self.unread
        )?;
        writeln!(
            text,
            "wrong although more than 95 % sure: {} of {} ({:.2} %)",
            self.surely_wrong,
            self.lines,
            share(self.surely_wrong, self.lines)
        )?;
        let mut from = 0.0;
        for (bin, end) in self.bins.iter().zip(BINS) {
            if bin.readings > 0 {
                writeln!(
                    text,
                    "  {:3.0} to {:3.0} % sure: {} readings, {:.1} % sure in the mean, {:.1} % right",
                    100.0 * from,
                    100.0 * end,
                    bin.readings,
                    100.0 * bin.confidence / bin.readings as f64,
                    share(bin.right, bin.readings)
                )?;
            }
            from = end;
        }
        writeln!(
            text,
            "{:.0} ms a picture, {:.0} ms the slowest",
            1000.0 * self.seconds / self.lines.max(1) as f64,
            1000.0 * self.slowest
        )?;
        Ok(text)
    }
}

/// Pictures in up to three columns, each at the top left of its cell.
fn side_by_side(pictures: &[Image]) -> Image {
    let gap = 6;
    let width = pictures.iter().map(|picture| picture.width).max().unwrap_or(1) + gap;
    let columns = (SHEET_WIDTH / width).clamp(1, 3);
    let rows: Vec<&[Image]> = pictures.chunks(columns).collect();
    let high = |row: &&[Image]| row.iter().map(|p| p.height).max().unwrap_or(0) + gap;
    let height = rows.iter().map(high).sum::<usize>().max(1);
    let mut sheet = Image { height, width: width * columns, channels: 3, pixels: Vec::new() };
    sheet.pixels = vec![255; height * sheet.width * 3];
    let mut top = 0;
    for row in &rows {
        for (place, picture) in row.iter().enumerate() {
            for (y, line) in picture.pixels.chunks_exact(picture.width * 3).enumerate() {
                let start = ((top + y) * sheet.width + place * width) * 3;
                sheet.pixels[start..start + line.len()].copy_from_slice(line);
            }
        }
        top += high(row);
    }
    sheet
}

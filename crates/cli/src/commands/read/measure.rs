//! How many of many lines are read right, by a list of what they show.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use taper_dataset::Image;
use taper_reader::annotate;
use taper_runner::observe::Counter;
use taper_untrusted::checksums::TEXT;
use taper_untrusted::files::read_text;

use super::picture::{self, check_png, unopened, write_png};
use super::reader::Reader;
use crate::flags::{Output, ReadFlags};
use crate::print::{print, print_json};

/// How wide a sheet may be for more than one column, in pixels.
const SHEET_WIDTH: usize = 2000;

/// The most errors on a sheet.
const MOST_SHOWN: usize = 24;

/// One line of the list.
struct Line {
    image: String,
    text: String,
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
        let wanted: String = line.text.chars().filter(|letter| *letter != ' ').collect();
        counts.lines += 1;
        counts.digits += wanted.len();
        let reading = reader.read(&picture);
        let found = match &reading {
            Ok(reading) => reading.text.replace(' ', ""),
            Err(_) => String::new(),
        };
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
        if let (Ok(reading), true) = (&reading, shown.len() < MOST_SHOWN) {
            shown.push(annotate(&picture, reading, Some(&wanted)));
        }
        errors.push(json!({ "image": line.image, "text": line.text, "read": said }));
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
        let value: Value =
            serde_json::from_str(line).map_err(|error| anyhow!("{}: {error}", place()))?;
        let get = |key: &str| {
            let text = value[key].as_str().map(str::to_string);
            text.with_context(|| format!("{}: expected a text `{key}`", place()))
        };
        Ok(Line { image: get("image")?, text: get("text")? })
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

//! `read`: the digits of a line in a picture.

mod measure;
mod picture;
mod reader;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use taper_reader::{CARD_DIGITS, Pattern, Reading, Scene, annotate};
use taper_runner::Registry;
use taper_runner::observe::Counter;

use crate::flags::{Output, ReadFlags};
use crate::print::{is_input, print, print_json};
use picture::{check_png, unopened, write_png};
use reader::Reader;

/// A line that is less sure is said to be unsure.
const SURE: f64 = 0.9;

pub(super) fn run(flags: &ReadFlags, output: Output, registry: &Registry) -> Result<()> {
    let patterns = flags.pattern.iter().map(|text| Pattern::parse(text));
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    let reader = Reader::open(flags, patterns, registry)?;
    if let Some(truth) = &flags.truth {
        return measure::run(&reader, truth, flags, output);
    }
    let files = picture::files(&flags.images)?;
    let (count, annotated) = (files.len(), annotated_files(flags, &files)?);
    let streams = !output.json && std::io::stdout().is_terminal();
    let counter = Counter::new(!output.quiet && !output.json && !streams, "read", count);
    let mut answers = Vec::new();
    let (mut faults, mut unread) = (Vec::new(), 0);
    for (index, (path, annotated)) in files.iter().zip(annotated).enumerate() {
        let mut text = String::new();
        match picture::open(path) {
            // The others are still answered.
            Err(error) => {
                answers.push(json!({ "image": path, "error": error.to_string() }));
                if count > 1 {
                    writeln!(text, "{}: can't be opened", path.display())?;
                }
                faults.push(error.to_string());
            }
            Ok(picture) => match reader.read(&picture, &[]) {
                Ok(scene) => {
                    let reading = &scene.answer().reading;
                    let mut answer = json!(reading);
                    answer["image"] = json!(path);
                    for (key, value) in
                        [("numbers", json!(scene.numbers)), ("chosen", json!(scene.chosen))]
                    {
                        answer[key] = value;
                    }
                    answer["sheet"] = json!(scene.sheet);
                    answer["turns"] = json!(scene.turns);
                    describe(&mut text, path, reading)?;
                    describe_scene(&mut text, &scene)?;
                    if let Some(file) = annotated {
                        let others: Vec<&Reading> =
                            scene.others().map(|number| &number.reading).collect();
                        write_png(&file, &annotate(&picture, reading, &others, None))?;
                        answer["annotated"] = json!(file);
                        writeln!(text, "  shown in {}", file.display())?;
                    }
                    answers.push(answer);
                }
                // What can't be read is an answer of its own, also among many pictures.
                Err(error) => {
                    unread += 1;
                    answers.push(json!({ "image": path, "error": error.to_string() }));
                    writeln!(text, "{}: can't be read: {error}", path.display())?;
                }
            },
        }
        if !output.json {
            print(&text)?;
        }
        counter.set(index + 1);
    }
    drop(counter);
    if output.json {
        print_json(&json!({ "readings": answers }))?;
    }
    match &faults[..] {
        [] => {
            ensure!(unread < count, "none of the pictures can be read");
            Ok(())
        }
        faults => Err(unopened(faults, count)),
    }
}

/// Where the annotated picture of each file goes, if anywhere; each has a name of its own.
fn annotated_files(flags: &ReadFlags, files: &[PathBuf]) -> Result<Vec<Option<PathBuf>>> {
    if let Some(file) = &flags.annotated {
        let count = files.len();
        ensure!(
            count == 1,
            "--annotated names one file, but there are {count} pictures; use --out"
        );
        check_png("--annotated", file)?;
        ensure!(
            !is_input(file, files),
            "--annotated {} is the picture that is read; choose another file",
            file.display()
        );
        return Ok(vec![Some(file.clone())]);
    }
    let Some(folder) = &flags.out else { return Ok(vec![None; files.len()]) };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut taken = BTreeSet::new();
    let mut beside = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let numbered = (2..).map(|number| format!("{stem}-{number}-read.png"));
        let mut names = [format!("{stem}-read.png")].into_iter().chain(numbered);
        let free =
            |name: &String| taken.insert(name.clone()) && !is_input(&folder.join(name), files);
        names.find(free).map(|name| folder.join(name))
    };
    Ok(files.iter().map(&mut beside).collect())
}

/// A share in per cent; 100 is never claimed.
fn percent(share: f64) -> String {
    match 100.0 * share {
        sure if sure >= 99.95 => ">99.9 %".to_string(),
        sure => format!("{sure:.1} %"),
    }
}

/// How the picture lies, why this number was chosen, and which others there are.
fn describe_scene(text: &mut String, scene: &Scene) -> std::fmt::Result {
    if scene.turns > 0 {
        writeln!(
            text,
            "  the picture was turned by {}° to the right",
            90 * u32::from(scene.turns)
        )?;
    }
    let reasons = &scene.answer().reasons;
    if scene.numbers.len() > 1 {
        if !reasons.is_empty() {
            writeln!(text, "  chosen: {}", reasons.join("; "))?;
        }
        let others = scene.others().map(|number| {
            format!("{} ({})", number.reading.text, percent(number.reading.confidence))
        });
        writeln!(text, "  also there: {}", others.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// The answer, and below it how sure the line is, and each digit.
fn describe(text: &mut String, path: &Path, reading: &Reading) -> std::fmt::Result {
    writeln!(text, "{}: {}", path.display(), reading.text)?;
    let sure = reading.digits.iter().map(|digit| {
        let confidence = percent(digit.confidence);
        match digit.told {
            true => format!("{} {confidence}", digit.digit),
            false => format!("? ({} {confidence})", digit.digit),
        }
    });
    let sure = sure.collect::<Vec<_>>().join(", ");
    writeln!(text, "  {} for the line; {sure}", percent(reading.confidence))?;
    let untold = reading.digits.iter().filter(|digit| !digit.told).count();
    if untold > 0 {
        let digits = if untold == 1 { "digit" } else { "digits" };
        writeln!(text, "  {untold} {digits} can't be read with confidence")?;
    } else if reading.confidence < SURE {
        writeln!(text, "  unsure: a digit may be wrong, missing or one too many")?;
    }
    if let Some(grouped) = &reading.grouped {
        writeln!(text, "  the gaps between the digits do not show these groups, but {grouped}")?;
    }
    match reading.unread {
        0 => {}
        1 => writeln!(text, "  one more piece of writing was not read")?,
        more => writeln!(text, "  {more} more pieces of writing were not read")?,
    }
    match reading.luhn {
        Some(true) => writeln!(text, "  the Luhn check holds"),
        Some(false) => writeln!(
            text,
            "  the Luhn check does not hold: if this is a card's number, at least one digit is wrong"
        ),
        None if CARD_DIGITS.contains(&reading.digits.len()) => {
            writeln!(text, "  the Luhn check needs every digit")
        }
        None => Ok(()),
    }
}

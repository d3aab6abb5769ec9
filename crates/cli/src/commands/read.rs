//! `read`: the digits of a line in a picture.

mod measure;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use taper_dataset::sheet::to_png;
use taper_dataset::source::read_image;
use taper_dataset::{Image, ImageLimits};
use taper_reader::{CLASSES, Pattern, ReadError, Reading, Scores, Settings, annotate};
use taper_runner::{FinishedModel, Registry};

use super::{print, print_json};
use crate::flags::ReadFlags;

/// The weights that read when no others are named.
pub const DEFAULT_WEIGHTS: &str = "digit-cnn-reading";

/// The class of a window that has no digit in its middle.
const NONE: &str = "none";

pub fn run(flags: &ReadFlags, registry: &Registry) -> Result<()> {
    let pattern = flags.pattern.as_deref().map(Pattern::parse).transpose()?;
    let reader = Reader::open(flags, pattern, registry)?;
    if let Some(truth) = &flags.truth {
        return measure::run(&reader, truth, flags);
    }
    ensure!(
        flags.annotated.is_none() || flags.images.len() == 1,
        "--annotated names one file, but there are {} pictures; use --out",
        flags.images.len()
    );
    if let Some(folder) = &flags.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut lines = Vec::new();
    let mut text = String::new();
    let mut failed = 0;
    for path in &flags.images {
        let picture = read_image(path, &ImageLimits::default())?;
        match reader.read(&picture) {
            Ok(reading) => {
                if let Some(file) = annotated_file(flags, path) {
                    write_png(&file, &annotate(&picture, &reading, None))?;
                }
                lines.push(as_json(path, &reading));
                describe(&mut text, path, &reading)?;
            }
            // What can't be read is an answer of its own, also among many pictures.
            Err(error) => {
                failed += 1;
                lines.push(json!({ "image": path, "error": error.to_string() }));
                writeln!(text, "{}: can't be read: {error}", path.display())?;
            }
        }
    }
    match flags.output.json {
        true => print_json(&json!({ "readings": lines }))?,
        false => print(&text)?,
    }
    ensure!(failed < flags.images.len(), "none of the pictures can be read");
    Ok(())
}

/// A model and how it is to read.
struct Reader {
    model: FinishedModel,
    /// Where each digit, and that there is none, is among the model's classes.
    classes: [usize; CLASSES],
    pattern: Option<Pattern>,
    settings: Settings,
}

impl Reader {
    fn open(flags: &ReadFlags, pattern: Option<Pattern>, registry: &Registry) -> Result<Self> {
        let device = flags.device.device.open()?;
        let model = match (&flags.run, &flags.weights) {
            (Some(run), _) => FinishedModel::open_run(run, &device, registry)?,
            (None, weights) => {
                let weights = weights.as_deref().unwrap_or(DEFAULT_WEIGHTS);
                FinishedModel::open_weights(weights, &device, registry)?
            }
        };
        let names = &model.config.label_names;
        let mut classes = [0; CLASSES];
        for (class, place) in classes.iter_mut().enumerate() {
            let name = if class < 10 { class.to_string() } else { NONE.to_string() };
            *place = names.iter().position(|other| *other == name).with_context(|| {
                format!(
                    "the model has no class `{name}` (it tells apart {}): expected the classes 0 \
                     to 9 and `{NONE}`, for what lies between digits; fine-tune one with --recipe \
                     reading on what `cargo xtask make-windows` makes, or leave --run and \
                     --weights out",
                    names.join(", ")
                )
            })?;
        }
        let defaults = Settings::default();
        let min_confidence = flags.min_confidence.unwrap_or(defaults.min_confidence);
        Ok(Self { model, classes, pattern, settings: Settings { min_confidence } })
    }

    fn read(&self, picture: &Image) -> Result<Reading, ReadError> {
        taper_reader::read(picture, self.pattern.as_ref(), &self.settings, |windows| {
            self.classify(windows)
        })
    }

    fn classify(&self, windows: Vec<Image>) -> Result<Vec<Scores>, taper_runner::RunnerError> {
        let rows = self.model.probabilities(windows)?;
        Ok(rows.into_iter().map(|row| self.classes.map(|class| row[class])).collect())
    }
}

/// Where the annotated picture of a file goes, if anywhere.
fn annotated_file(flags: &ReadFlags, path: &Path) -> Option<PathBuf> {
    let beside = |folder: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        folder.join(format!("{stem}-read.png"))
    };
    flags.annotated.clone().or_else(|| flags.out.as_ref().map(beside))
}

fn write_png(path: &Path, picture: &Image) -> Result<()> {
    std::fs::write(path, to_png(picture))
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
}

fn as_json(path: &Path, reading: &Reading) -> Value {
    let mut value = json!(reading);
    value["image"] = json!(path);
    value
}

/// The answer, and each digit's confidence below it.
fn describe(text: &mut String, path: &Path, reading: &Reading) -> std::fmt::Result {
    writeln!(text, "{}: {}", path.display(), reading.text)?;
    let sure = reading.digits.iter().map(|digit| {
        let confidence = format!("{:.1} %", 100.0 * digit.confidence);
        match digit.told {
            true => format!("{} {confidence}", digit.digit),
            false => format!("? ({} {confidence})", digit.digit),
        }
    });
    writeln!(text, "  {}", sure.collect::<Vec<_>>().join(", "))?;
    let untold = reading.digits.iter().filter(|digit| !digit.told).count();
    if untold > 0 {
        let digits = if untold == 1 { "digit" } else { "digits" };
        writeln!(text, "  {untold} {digits} can't be read with confidence")?;
    }
    match reading.luhn {
        Some(true) => writeln!(text, "  the Luhn check holds"),
        Some(false) => {
            writeln!(text, "  the Luhn check does not hold: at least one digit is wrong")
        }
        None => Ok(()),
    }
}

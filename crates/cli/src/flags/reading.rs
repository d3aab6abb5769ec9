//! Flags of `read`.

use std::path::PathBuf;

use clap::Args;

use super::model::{DeviceFlags, ModelSettings};

/// Flags of `read`.
#[derive(Debug, Args)]
pub struct ReadFlags {
    /// Pictures of a line of digits each, handwritten or printed; a folder stands for those in it
    #[arg(value_name = "IMAGE", required_unless_present = "truth")]
    pub(crate) images: Vec<PathBuf>,

    /// A run's folder; its classes must be 0 to 9 and `none`, as the recipe `reading` makes them
    #[arg(long, value_name = "RUN", conflicts_with = "weights")]
    pub(crate) run: Option<PathBuf>,

    /// Weights, with --net where they do not say what net they are of [default: digit-cnn-reading, which
    /// come with Taper]
    #[arg(long, value_name = "WEIGHTS")]
    pub(crate) weights: Option<String>,

    /// What is set beside it.
    #[command(flatten)]
    pub(crate) settings: ModelSettings,

    /// Where to compute.
    #[command(flatten)]
    pub(crate) device: DeviceFlags,

    /// What the answer looks like: a d for each digit, blanks, hyphens, slashes or full stops between
    /// groups, such as "ddddd", "ddddd-dddd" or "dddd dddd dddd dddd"; may be repeated, the one that
    /// fits best counts [default: none; the answer is what is likely a postcode or a card's number]
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pattern: Vec<String>,

    /// The least confidence, 0 to 1, that a digit is told with; below it, ? is [default: 0.5]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) min_confidence: Option<f64>,

    /// Write the picture with what was read in it to this PNG file
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) annotated: Option<PathBuf>,

    /// Write each picture with what was read in it to this folder, as NAME-read.png; of two of one
    /// name the second is NAME-2-read.png
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Measure instead: read the pictures of a list, one JSON object a line with `image` and `text`,
    /// as make-lines and make-scenes write it, and count what is right
    #[arg(long, value_name = "FILE", conflicts_with_all = ["images", "annotated", "out"])]
    pub(crate) truth: Option<PathBuf>,

    /// With --truth: read each picture by its own `pattern` in the list, as make-scenes writes it
    #[arg(long, requires = "truth", conflicts_with = "pattern")]
    pub(crate) own_patterns: bool,

    /// With --truth: show what was read wrong on one sheet, a PNG file
    #[arg(long, value_name = "FILE", requires = "truth")]
    pub(crate) errors: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_string()),
    }
}

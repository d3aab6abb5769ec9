//! Flags of the commands that ask a model, or look at data.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use taper_runner::DeviceChoice;

use super::recipe::key_value;
use super::settings::{Images, Plain, Subset};

/// Where to compute.
#[derive(Debug, Args)]
pub struct DeviceFlags {
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub(crate) device: DeviceChoice,
}

/// Flags of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateFlags {
    /// Where the model comes from.
    #[command(flatten)]
    pub(crate) model: ModelFlags,

    /// What is set beside it.
    #[command(flatten)]
    pub(crate) settings: ModelSettings,

    /// Where to compute.
    #[command(flatten)]
    pub(crate) device: DeviceFlags,

    /// Images, as --data of `train` takes them; other data than the run's own counts whole unless it has
    /// a test or validation part [default: the run's own; digits for a file]
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,

    /// Which images of the data.
    #[command(flatten)]
    pub(crate) subset: Subset,

    /// Which part of the data [default: test, else validation, else all]
    #[arg(long, value_enum)]
    pub(crate) part: Option<Part>,

    /// Test-time augmentation: average over N views of each image
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) tta: u64,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// The images, and a policy to show them changed by.
    #[command(flatten)]
    pub(crate) images: Images,

    /// Which images of the data.
    #[command(flatten)]
    pub(crate) subset: Subset,

    /// A recipe whose data and augmentation to look at
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<String>,

    /// Any setting of data, image or augment: --set augment.rotation=10 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,

    /// The folder for the page and the pictures
    #[arg(long, value_name = "DIR", default_value = "inspect")]
    pub(crate) out: PathBuf,
}

/// Flags of `predict`.
#[derive(Debug, Args)]
pub struct PredictFlags {
    /// Where the model comes from.
    #[command(flatten)]
    pub(crate) model: ModelFlags,

    /// What is set beside it.
    #[command(flatten)]
    pub(crate) settings: ModelSettings,

    /// Where to compute.
    #[command(flatten)]
    pub(crate) device: DeviceFlags,

    /// Image files, or folders of them
    #[arg(value_name = "FILE|FOLDER", required = true)]
    pub(crate) images: Vec<PathBuf>,

    /// How many classes to print for each image, the most probable first
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top_k: u32,

    /// Test-time augmentation: average over N views of each image
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) tta: u64,

    /// Swap light and dark first: dark ink on white paper for a net that learned white on black
    #[arg(long)]
    pub(crate) invert: bool,

    /// Output format: a table, CSV, or a JSON object per line
    #[arg(long, value_enum, default_value_t = PredictionFormat::Table, conflicts_with = "json")]
    pub(crate) format: PredictionFormat,
}

/// How `predict` writes its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum PredictionFormat {
    /// A table.
    Table,
    /// A line per image, after a header.
    Csv,
    /// A JSON object per line.
    Jsonl,
}

/// A run's folder, or a weights file with its net.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ModelFlags {
    /// A run's folder
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<PathBuf>,

    /// A weights file or folder, `hub:OWNER/NAME[@REVISION]`, or `keras-cnn-mnist`; with --net where it does
    /// not say what net it is of
    #[arg(long, value_name = "WEIGHTS")]
    pub(crate) weights: Option<String>,
}

/// Settings of the model that is opened.
#[derive(Debug, Args)]
pub struct ModelSettings {
    /// What plain weights do not say.
    #[command(flatten)]
    pub(crate) plain: Plain,

    /// Any setting of `model` and `image` of weights, of `augment` for views, of `data` to evaluate on, such as
    /// `--set image.channels=1` (may be repeated); `keys` lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

impl ModelSettings {
    /// The keys and values; `--set` comes last and wins.
    pub(crate) fn overrides(&self) -> impl Iterator<Item = &(String, String)> {
        self.plain.overrides.iter().chain(&self.set)
    }
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Part {
    /// What training sees
    Train,
    /// What is looked at after each epoch
    Validation,
    /// What is held out
    Test,
    /// Everything
    All,
}

//! The flags, as typed. What they mean together is decided in the runner's plan.

mod finding;
mod reading;
mod settings;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use taper_runner::{DeviceChoice, Recipe};

pub use finding::{CrossValidateFlags, LrFindFlags, ReportFlags, SearchFlags};
pub use reading::ReadFlags;
pub(crate) use settings::flag_of;
use settings::{Images, Plain, Pretrained, Subset, Training};

/// The most classes that `summary` builds a net for.
const MAX_CLASSES: u64 = 1_000_000;

/// Fine-tune image classifiers from pretrained safetensors weights.
#[derive(Debug, Parser)]
#[command(name = "taper", version, max_term_width = 100)]
#[command(
    after_help = "RAYON_NUM_THREADS sets the number of threads; results do not depend on it."
)]
pub struct Cli {
    /// How results are printed.
    #[command(flatten)]
    pub(crate) output: Output,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fine-tune pretrained weights; where none are named, shipped ones for photos or for digits
    Finetune(FinetuneFlags),
    /// Train from random weights
    Train(TrainFlags),
    /// Resume a run that was killed or interrupted, to the result it would have had
    Resume(ResumeFlags),
    /// Evaluate a run's model, or a weights file, on labelled images
    Evaluate(EvaluateFlags),
    /// Inspect a data set: counts, sizes, pixel values, duplicate and broken images, and pictures
    Inspect(InspectFlags),
    /// Predict the class of image files
    Predict(PredictFlags),
    /// Read the digits of a line in a picture: a postcode, a card number
    Read(ReadFlags),
    /// Rewrite a run's report.html, or compare several runs on one page
    Report(ReportFlags),
    /// Sweep the learning rate and suggest one
    LrFind(LrFindFlags),
    /// Cross-validate a recipe, or compare several, on stratified folds
    CrossValidate(CrossValidateFlags),
    /// Search hyperparameters, at random or by successive halving
    Search(SearchFlags),
    /// Show a net's layers, shapes, parameters and multiply-adds
    Summary(SummaryFlags),
    /// List the nets: parameters, multiply-adds, input size, and weights of the Hub to start from
    Models,
    /// List the keys of a recipe: what each sets, and its default
    Keys(KeysFlags),
}

/// Flags of `finetune`.
#[derive(Debug, Args)]
pub struct FinetuneFlags {
    /// Flags shared with `train`.
    #[command(flatten)]
    pub(crate) recipe: RecipeFlags,

    /// What starts from weights.
    #[command(flatten)]
    pub(crate) pretrained: Pretrained,

    /// Also train from random weights with the same budget, and print all three results
    #[arg(long)]
    pub(crate) compare: bool,
}

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct TrainFlags {
    /// Flags shared with `finetune`.
    #[command(flatten)]
    pub(crate) recipe: RecipeFlags,
}

/// What makes a recipe; a flag wins over the recipe's own value.
#[derive(Debug, Args)]
pub struct RecipeFlags {
    /// A recipe: a TOML file or a name (`photos`, `photos-fast`, `photos-best`, `finetune-digits`,
    /// `fast-mnist`, `keras-mnist`)
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<String>,

    /// The images and how they are changed.
    #[command(flatten)]
    pub(crate) images: Images,

    /// Which images of the data.
    #[command(flatten)]
    pub(crate) subset: Subset,

    /// The net and how it is trained.
    #[command(flatten)]
    pub(crate) training: Training,

    /// Any other setting, by its key in the recipe: --set train.label_smoothing=0.1 (may be
    /// repeated); `keys` lists them all
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,

    /// The run's folder [default: the next free runs/NAME-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Overwrite the run in --out
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Resume the run in --out; start it if there is none
    #[arg(long, requires = "out", conflicts_with = "overwrite")]
    pub(crate) resume: bool,

    /// Resume although data, version, machine or recipe differ
    #[arg(long, requires = "resume")]
    pub(crate) force: bool,

    /// Trial run: one epoch of one batch of each part
    #[arg(long)]
    pub(crate) fast_dev_run: bool,
}

impl FinetuneFlags {
    /// The overrides of a recipe that the flags ask for; `--set` comes last and wins.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let mut overrides = self.pretrained.overrides.clone();
        overrides.extend(self.recipe.overrides());
        overrides
    }
}

impl RecipeFlags {
    /// The overrides of a recipe that the flags ask for; `--set` comes last and wins.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let groups = [&self.images.overrides, &self.subset.overrides, &self.training.overrides];
        groups.into_iter().chain([&self.set]).flatten().cloned().collect()
    }

    /// Makes a recipe a trial of whether everything works, if that is asked for: one epoch of one
    /// batch of each part.
    pub(crate) fn shorten(&self, recipe: &mut Recipe) {
        if self.fast_dev_run {
            recipe.train.epochs = 1;
            recipe.data.limit = recipe.train.batch_size;
        }
    }
}

/// Where to compute.
#[derive(Debug, Args)]
pub struct DeviceFlags {
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub(crate) device: DeviceChoice,
}

/// How results are printed; of every command, before or after its name.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// Print the result as one JSON object on stdout
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,

    /// No progress on stderr
    #[arg(long, short, global = true, display_order = 901)]
    pub quiet: bool,
}

/// Flags of `resume`.
#[derive(Debug, Args)]
pub struct ResumeFlags {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,

    /// Resume although data, version or machine differ
    #[arg(long)]
    pub(crate) force: bool,
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
pub enum PredictionFormat {
    /// A table.
    Table,
    /// A line per image, after a header.
    Csv,
    /// A JSON object per line.
    Jsonl,
}

/// Flags of `summary`.
#[derive(Debug, Args)]
pub struct SummaryFlags {
    /// The net, or a run's folder
    #[arg(value_name = "NET|RUN", default_value = "keras-cnn")]
    pub(crate) net: String,

    /// Keep parameters as loaded, by name or pattern (may be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) freeze: Vec<String>,

    /// Number of classes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_CLASSES))]
    pub(crate) classes: Option<u64>,
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

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("expected KEY=VALUE, such as train.epochs=3".to_string()),
    }
}

/// Flags of `keys`.
#[derive(Debug, Args)]
pub struct KeysFlags {
    /// One key, or a table such as `train`, in place of all
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
}

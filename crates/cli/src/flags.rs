//! The flags, as typed. What they mean together is decided in the runner's plan.

mod finding;
mod reading;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use taper_runner::DeviceChoice;

pub use finding::{CrossValidateFlags, LrFindFlags, ReportFlags, SearchFlags};
pub use reading::ReadFlags;

/// The largest seed that a recipe can hold: TOML's integers have 64 bits, the sign among them.
const MAX_SEED: u64 = i64::MAX as u64;

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
    pub output: Output,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fine-tune pretrained weights; without a flag: the shipped digit weights on the UCI digits
    Finetune(FinetuneFlags),
    /// Train from random weights
    Train(TrainFlags),
    /// Go on with a run that was killed or left off, to the result it would have had
    Resume(ResumeFlags),
    /// Score a run's model, or a weights file, on labelled images
    Evaluate(EvaluateFlags),
    /// Look at a data set: counts, sizes, values, equal and broken images, and pictures
    Inspect(InspectFlags),
    /// Name the class of image files
    Predict(PredictFlags),
    /// Read the digits of a line in a picture: a postcode, a card number
    Read(ReadFlags),
    /// Write a run's report.html anew, or compare several runs on one page
    Report(ReportFlags),
    /// Sweep the learning rate and suggest one
    LrFind(LrFindFlags),
    /// Judge a recipe, or several side by side, on stratified folds
    CrossValidate(CrossValidateFlags),
    /// Search for settings, at random or by successive halving
    Search(SearchFlags),
    /// Show a net's layers, shapes, parameters and multiply-adds
    Summary(SummaryFlags),
    /// List the nets: parameters, multiply-adds, input size, and weights of the Hub to start from
    Models,
}

/// Flags of `finetune`.
#[derive(Debug, Args)]
pub struct FinetuneFlags {
    /// Flags shared with `train`.
    #[command(flatten)]
    pub recipe: RecipeFlags,

    /// Weights to start from: a file (safetensors, .pth, .bin, an index of several), a folder of the
    /// Hub's layout, a run's folder, `hub:OWNER/NAME[@REVISION]`, or `keras-cnn-mnist`
    #[arg(long, value_name = "WEIGHTS")]
    pub weights: Option<String>,

    /// How the weights file stores its arrays
    #[arg(long, value_enum)]
    pub layout: Option<Layout>,

    /// What is trained: full, head, last-n (last-2: the last two blocks), gradual or lora; its
    /// settings are keys of the recipe, such as --set method.rank=4 [default: full]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,

    /// With the method lora: save the net with its adapters worked in, too
    #[arg(long)]
    pub merge: bool,

    /// Keep parameters as loaded, by name or pattern such as 'conv*' (may be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub freeze: Vec<String>,

    /// Initialize parameters that the weights lack, by name or pattern (may be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub allow_missing: Vec<String>,

    /// Leave out tensors that the net has no use for, by name or pattern (may be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub allow_unused: Vec<String>,

    /// Also train from random weights with the same budget, and print all three results
    #[arg(long)]
    pub compare: bool,
}

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct TrainFlags {
    /// Flags shared with `finetune`.
    #[command(flatten)]
    pub recipe: RecipeFlags,
}

/// What makes a recipe; a flag wins over the recipe's own value.
#[derive(Debug, Args)]
pub struct RecipeFlags {
    /// A recipe: a TOML file or a name (`fast-mnist`, `keras-mnist`, `finetune-digits`)
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,

    /// Images: a file or folder (IDX, parquet, a folder per class, a CSV or JSON-lines list,
    /// safetensors), `hub:OWNER/NAME`, or a name (digits, mnist-sample, mnist, fashion-mnist, …)
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,

    /// Which images of the data.
    #[command(flatten)]
    pub subset: SubsetFlags,

    /// Change the images to train on at random: none, light, digits, cifar or imagenet; single
    /// settings by --set augment.rotation=10
    #[arg(long, value_name = "POLICY")]
    pub augment: Option<String>,

    /// The net, by name; `models` lists them all
    #[arg(long, value_name = "NET")]
    pub net: Option<String>,

    /// Passes over the training part
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,

    /// Images a training step
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,

    /// Peak learning rate
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,

    /// The update rule: sgd, adadelta, adagrad, rmsprop, adam or adamw with PyTorch's defaults,
    /// NAME-keras with Keras's
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<String>,

    /// Seed of initialization, order and dropout
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MAX_SEED))]
    pub seed: Option<u64>,

    /// Where to compute: auto, cpu, cuda, cuda:N or metal; auto takes a GPU if this program was built for one (see
    /// docs/performance.md) and it is there
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,

    /// Any other setting, by its key in the recipe: --set train.label_smoothing=0.1 (may be
    /// repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,

    /// The run's folder [default: the next free runs/NAME-N]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Replace a run that the folder holds already
    #[arg(long)]
    pub overwrite: bool,

    /// Go on with the run in --out where it was left off; begin it where there is none
    #[arg(long, requires = "out", conflicts_with = "overwrite")]
    pub resume: bool,

    /// Resume although data, version, machine or recipe are others
    #[arg(long, requires = "resume")]
    pub force: bool,

    /// Batches whose gradients make one update
    #[arg(long, value_name = "N")]
    pub accumulate: Option<usize>,

    /// End after so many updates; the schedule ends with them
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,

    /// End after so many minutes
    #[arg(long, value_name = "MINUTES")]
    pub max_time: Option<f64>,

    /// One epoch of one batch of each part: does everything work?
    #[arg(long)]
    pub fast_dev_run: bool,

    /// Train and validate on N batches alone: can the net learn at all?
    #[arg(long, value_name = "N")]
    pub overfit_batches: Option<usize>,

    /// Write event files for TensorBoard to the run's folder
    #[arg(long)]
    pub tensorboard: bool,
}

/// Where to compute.
#[derive(Debug, Args)]
pub struct DeviceFlags {
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    pub device: DeviceChoice,
}

/// Which images of the data are taken.
#[derive(Debug, Args)]
pub struct SubsetFlags {
    /// Take at most N images of each part
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// Take at most N images of each class to train on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub per_class: Option<u64>,

    /// Take these classes only, numbered in this order
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub classes: Vec<String>,
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
    pub run: PathBuf,

    /// Resume although data, version or machine are others
    #[arg(long)]
    pub force: bool,
}

/// Flags of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateFlags {
    /// Where the model comes from.
    #[command(flatten)]
    pub model: ModelFlags,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceFlags,

    /// Images, as --data of `train` takes them [default: the run's own; digits for a file]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,

    /// Which images of the data.
    #[command(flatten)]
    pub subset: SubsetFlags,

    /// Which part of the data [default: test]
    #[arg(long, value_enum, default_value_t = Part::Test)]
    pub part: Part,

    /// Test-time augmentation: average over N looks at each image
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub tta: u64,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// Images, as --data of `train` takes them [default: the recipe's; digits]
    #[arg(long, value_name = "DATA")]
    pub data: Option<String>,

    /// Which images of the data.
    #[command(flatten)]
    pub subset: SubsetFlags,

    /// A recipe whose data and augmentation to look at
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,

    /// Also show images as this policy changes them: light, digits, cifar or imagenet
    #[arg(long, value_name = "POLICY")]
    pub augment: Option<String>,

    /// Any setting of data, image or augment: --set augment.rotation=10 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,

    /// The folder for the page and the pictures
    #[arg(long, value_name = "DIR", default_value = "inspect")]
    pub out: PathBuf,
}

/// Flags of `predict`.
#[derive(Debug, Args)]
pub struct PredictFlags {
    /// Where the model comes from.
    #[command(flatten)]
    pub model: ModelFlags,

    /// Where to compute.
    #[command(flatten)]
    pub device: DeviceFlags,

    /// Image files, or folders of them
    #[arg(value_name = "FILE|FOLDER", required = true)]
    pub images: Vec<PathBuf>,

    /// How many classes to name for each image
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: u32,

    /// Test-time augmentation: average over N looks at each image
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub tta: u64,

    /// Swap light and dark first: dark ink on white paper for a net that learned white on black
    #[arg(long)]
    pub invert: bool,

    /// How answers are written: lines to read, CSV, or a JSON object a line
    #[arg(long, value_enum, default_value_t = PredictionFormat::Table, conflicts_with = "json")]
    pub format: PredictionFormat,
}

/// How `predict` writes its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PredictionFormat {
    /// Lines to read.
    Table,
    /// A line an image, after a line of names.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

/// Flags of `summary`.
#[derive(Debug, Args)]
pub struct SummaryFlags {
    /// The net, or a run's folder
    #[arg(value_name = "NET|RUN", default_value = "keras-cnn")]
    pub net: String,

    /// Keep parameters as loaded, by name or pattern (may be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub freeze: Vec<String>,

    /// Number of classes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_CLASSES))]
    pub classes: Option<u64>,
}

/// A run's folder, or a weights file with its net.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ModelFlags {
    /// A run's folder
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,

    /// A weights file or folder that says what net it is of, `hub:OWNER/NAME[@REVISION]`, or
    /// `keras-cnn-mnist`
    #[arg(long, value_name = "WEIGHTS")]
    pub weights: Option<String>,
}

/// How a weights file stores its arrays.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Layout {
    /// Kernels out-in-height-width, dense rows out-in
    Pytorch,
    /// Kernels height-width-in-out, dense in-out, flattened height-width-channels
    Keras,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Part {
    /// What training sees
    Train,
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

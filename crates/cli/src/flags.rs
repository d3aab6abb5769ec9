//! The flags, as typed. What they mean together is decided in the runner's plan.

mod finding;
mod model;
mod reading;
mod recipe;
mod settings;
mod telling;

use clap::{Args, Parser, Subcommand};

pub use finding::{CrossValidateFlags, LrFindFlags, ReportFlags, SearchFlags};
pub use model::{
    DeviceFlags, EvaluateFlags, InspectFlags, ModelFlags, ModelSettings, Part, PredictFlags,
    PredictionFormat,
};
pub use reading::ReadFlags;
pub use recipe::{FinetuneFlags, RecipeFlags, ResumeFlags, TrainFlags};
pub use settings::flag_of;
pub use telling::{CompletionsFlags, KeysFlags, ShowRecipeFlags, SummaryFlags};

/// What the help ends with.
pub const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 an error, in one line on stderr and with --json as an object on stdout; 2 flags that are \
not understood; 130 or 143 a run that Ctrl-C or SIGTERM has ended in order, to be resumed.
RAYON_NUM_THREADS sets the number of threads; results do not depend on it.";

/// Fine-tune image classifiers from pretrained safetensors weights.
#[derive(Debug, Parser)]
#[command(name = "taper", version, max_term_width = 100)]
#[command(after_help = AFTER_HELP)]
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
#[non_exhaustive]
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
    /// Show a recipe with all its keys, or explain one key
    Recipe(ShowRecipeFlags),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsFlags),
    /// Print the manual page in troff
    Man,
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

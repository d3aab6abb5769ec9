//! Flags of the commands that train.

use std::path::PathBuf;

use clap::Args;
use taper_runner::Recipe;

use super::settings::{Images, Pretrained, Subset, Training};

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

/// A key and its value.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_string(), value.trim().to_string()))
        }
        _ => Err("expected KEY=VALUE, such as train.epochs=3".to_string()),
    }
}

//! Flags of the commands that help to find settings, and of `report`.

use std::path::PathBuf;

use clap::Args;

use super::recipe::FinetuneFlags;

/// Flags of `lr-find`.
#[derive(Debug, Args)]
pub struct LrFindFlags {
    /// Flags of `finetune`: what is swept is the run that it would be.
    #[command(flatten)]
    pub(crate) finetune: FinetuneFlags,

    /// The first learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-7)]
    pub(crate) low: f64,

    /// The last learning rate, if the loss does not diverge before
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub(crate) high: f64,

    /// Update steps from the first rate to the last
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) steps: usize,
}

/// Flags of `cross-validate`.
#[derive(Debug, Args)]
pub struct CrossValidateFlags {
    /// Flags of `finetune`: each fold is such a run.
    #[command(flatten)]
    pub(crate) finetune: FinetuneFlags,

    /// Number of folds
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub(crate) folds: usize,

    /// Train this fold alone, from 1, as one of many jobs; with `--resume` and without it all are gathered
    #[arg(long, value_name = "N", requires = "out")]
    pub(crate) fold: Option<usize>,

    /// Another recipe on the same folds, compared by paired tests (may be repeated)
    #[arg(long, value_name = "RECIPE")]
    pub(crate) against: Vec<String>,
}

/// Flags of `search`.
#[derive(Debug, Args)]
pub struct SearchFlags {
    /// A TOML file: [search] says how, [space] which keys of the recipe, and from where to where
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Flags of `finetune`: each trial is such a run.
    #[command(flatten)]
    pub(crate) finetune: FinetuneFlags,

    /// Do this trial alone, from 0, as one of many jobs; with `--resume` and without it all are gathered
    #[arg(long, value_name = "N", requires = "out")]
    pub(crate) trial: Option<usize>,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportFlags {
    /// The run whose report is rewritten, or the runs to compare
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,

    /// Write a comparison to this file [default: comparison.html]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

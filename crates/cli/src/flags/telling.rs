//! Flags of the commands that describe nets, recipes and the command line itself.

use clap::Args;

use super::recipe::key_value;

/// The most classes that `summary` builds a net for.
const MAX_CLASSES: u64 = 1_000_000;

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

/// Flags of `keys`.
#[derive(Debug, Args)]
pub struct KeysFlags {
    /// One key, or a table such as `train`, in place of all
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Flags of `recipe`.
#[derive(Debug, Args)]
pub struct ShowRecipeFlags {
    /// The recipe: a TOML file or a name [default: all keys at their defaults]
    #[arg(value_name = "RECIPE")]
    pub(crate) recipe: Option<String>,

    /// Change a setting first: --set train.epochs=3 (may be repeated)
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,

    /// Say what a key, or each key of a table such as `train`, sets, its default and its flag
    #[arg(long, value_name = "KEY", conflicts_with_all = ["recipe", "set"])]
    pub(crate) explain: Option<String>,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsFlags {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

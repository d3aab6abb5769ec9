//! What can be wrong with a recipe.

use taper_run_folder::RunFolderError;

use crate::fault::Fault;

/// What can be wrong with a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Its file could not be read.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// It is no recipe: not TOML, an unknown key, a value of another type.
    #[error("{fault}")]
    Invalid {
        /// What is wrong.
        fault: Fault,
    },
    /// What is wrong with one that has a name or a path.
    #[error("recipe {origin}: {error}")]
    In {
        /// The recipe's name or path.
        origin: String,
        /// What is wrong, a [`RunnerError`](crate::RunnerError).
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting is outside what it may be.
    #[error("`{key}` is {found}, expected {expected}")]
    Setting {
        /// The dotted key.
        key: String,
        /// The value found.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A part of a program's own has the name of another.
    #[error(
        "the {what} `{name}` of this program has the name of another that is known; call it otherwise"
    )]
    Taken {
        /// What kind of thing it is.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that nothing is known under.
    #[error("unknown {what} `{name}`, expected one of: {}", known.join(", "))]
    Unknown {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The names that are known.
        known: Vec<String>,
    },
}

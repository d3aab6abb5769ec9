//! What can be wrong with a recipe.

use std::path::PathBuf;

/// What can be wrong with a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// Its file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no recipe: not TOML, an unknown key, a value of another type.
    #[error("recipe {origin}: {reason}")]
    Invalid {
        /// The recipe's name or path.
        origin: String,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A setting is outside what it may be.
    #[error("`{key}` is {found}, expected {expected}")]
    Setting {
        /// The dotted key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A name that nothing is known under.
    #[error("unknown {what} `{name}`, expected one of: {known}")]
    Unknown {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The names that are known.
        known: String,
    },
}

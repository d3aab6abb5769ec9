//! What can go wrong on the way to a line.

use std::path::PathBuf;

/// The result of everything in this crate that reads, validates or writes.
pub type Result<T> = std::result::Result<T, Error>;

/// What was wrong, where, what was expected and found, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The digits cannot be read.
    #[error(transparent)]
    Digits(#[from] taper_dataset::Error),

    /// The digits have other classes than digits have.
    #[error("{source_name}: expected the classes 0 to 9 with images of each, found {found}")]
    Classes {
        /// Where the digits are from.
        source_name: String,
        /// What is there instead.
        found: String,
    },

    /// Digits for testing were asked of a source without a test part.
    #[error(
        "{0} has no test part to write test lines with; choose another part, or digits with one"
    )]
    NoTestPart(String),

    /// A setting that no line can have.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },

    /// The folder holds something already.
    #[error("{} is not empty; choose another folder", .0.display())]
    NotEmpty(PathBuf),

    /// The system refused to write something.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

//! What can keep something from being shown.

use std::path::PathBuf;

use taper_run_folder::RunFolderError;

/// What can keep something from being shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A run's folder cannot be used, read or written.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// A run's recipe is not what a run writes.
    #[error("recipe {}: {reason}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// Images cannot be read.
    #[error(transparent)]
    Dataset(#[from] taper_dataset::Error),
}

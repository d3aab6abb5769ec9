//! What can keep settings from being found.

use std::path::PathBuf;

use taper_metrics::MetricsError;
use taper_report::ReportError;
use taper_run_folder::RunFolderError;
use taper_runner::RunnerError;

/// What can keep settings from being found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// One of the runs failed.
    #[error(transparent)]
    Run(#[from] RunnerError),
    /// A file could not be read or written.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// The page of a run could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Candidates cannot be compared.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A search file is none.
    #[error("{}: {reason}", path.display())]
    SearchFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
}

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
    /// A setting is outside what it may be.
    #[error("`{key}` is {found}, expected {expected}")]
    Setting {
        /// The key, or what stands for it.
        key: String,
        /// The value found.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// Nobody could be made to follow a run.
    #[error(transparent)]
    Listeners(BoxedError),
}

/// Whatever keeps a caller's listener from following a run.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// A setting that is outside what it may be.
pub(crate) fn setting(
    key: impl Into<String>,
    found: impl ToString,
    expected: impl Into<String>,
) -> TuneError {
    TuneError::Setting { key: key.into(), found: found.to_string(), expected: expected.into() }
}

//! What can go wrong with a run's folder.

use std::path::{Path, PathBuf};

/// What can go wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFolderError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is a file where the folder should be.
    #[error("{} is a file, expected a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A file is not what this version writes.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// The output folder holds a run already.
    #[error("{} holds a run already; choose another folder or overwrite it", .0.display())]
    RunExists(PathBuf),
    /// The output folder holds other things.
    #[error("{} is not empty and holds no run; choose another folder", .0.display())]
    NotARun(PathBuf),
    /// Another process writes in the folder.
    #[error("{}: another process is at work on this run; wait for it, or end it", .0.display())]
    Busy(PathBuf),
    /// A folder that should hold a run does not.
    #[error("{} holds no run: {file} is missing", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
}

impl RunFolderError {
    /// What the system said of a path.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Io { path: path.to_path_buf(), source }
    }

    /// A file that is not what it should be.
    pub(crate) fn invalid(path: &Path, reason: impl ToString) -> Self {
        Self::Invalid { path: path.to_path_buf(), reason: taper_untrusted::cut(reason.to_string()) }
    }
}

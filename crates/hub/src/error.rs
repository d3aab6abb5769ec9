//! What can go wrong between a repository's name and its files.

use std::path::PathBuf;

use crate::files::WeightsFileError;
use crate::id::{HubId, HubIdError};

/// What can go wrong between a repository's name and its files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A name that no repository can have.
    #[error(transparent)]
    Name(#[from] HubIdError),
    /// A setting of the environment that cannot be used.
    #[error("{key} is {found:?}, expected {expected}")]
    Environment {
        /// The variable.
        key: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Nothing says where the cache is.
    #[error("there is no home folder for the Hub's cache; set HF_HOME")]
    NoHome,
    /// Something is not in the cache, and the network is not to be used.
    #[error("{id} is not in the cache ({missing} in {}), and HF_HUB_OFFLINE is set", cache.display())]
    Offline {
        /// The repository.
        id: HubId,
        /// What is missing or damaged.
        missing: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The Hub cannot be reached.
    #[error("cannot reach {endpoint} for {id}: {reason}")]
    Unreachable {
        /// The Hub's address.
        endpoint: String,
        /// The repository.
        id: HubId,
        /// Why.
        reason: String,
    },
    /// The Hub does not let this user in.
    #[error("{endpoint} refuses {id} (status {status}): {advice}")]
    Refused {
        /// The Hub's address.
        endpoint: String,
        /// The repository.
        id: HubId,
        /// The status of the answer.
        status: u16,
        /// What to do.
        advice: String,
    },
    /// The Hub knows no such thing.
    #[error("{endpoint} has no {what} (status 404)")]
    NotFound {
        /// The Hub's address.
        endpoint: String,
        /// What was asked for.
        what: String,
    },
    /// A rate limit with a longer wait than [`Hub::longest_pause`](crate::Hub::longest_pause), or
    /// still after all tries.
    #[error("rate limit at {endpoint}; retry in {seconds} s or set HF_TOKEN")]
    TooManyRequests {
        /// The Hub's address.
        endpoint: String,
        /// How long it asks to wait.
        seconds: u64,
    },
    /// The Hub failed again and again.
    #[error("{endpoint} answers for {what} with status {status} (tries: {tries})")]
    Status {
        /// The Hub's address.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// The status of the last answer.
        status: u16,
        /// How often it was tried.
        tries: u32,
    },
    /// An answer that cannot be right.
    #[error("the Hub's answer for {id} cannot be used: it gives {what}")]
    Answer {
        /// The repository.
        id: HubId,
        /// What is wrong.
        what: String,
    },
    /// A file name that would leave its folder.
    #[error("{id} has a file named {name:?}, which would leave its folder; refused")]
    FileName {
        /// The repository.
        id: HubId,
        /// The name.
        name: String,
    },
    /// No file of the repository, or too many, can be the weights.
    #[error("{id} {}", without_name(source))]
    NoWeights {
        /// The repository.
        id: HubId,
        /// Why.
        source: WeightsFileError,
    },
    /// A data set without parquet files.
    #[error("{id} has no parquet files; only data sets with images and labels in such can be read")]
    NoParquet {
        /// The repository.
        id: HubId,
    },
    /// A data set with parquet files in several folders, or not in the one that was named.
    #[error(
        "{id} has parquet files in the folders {}; name one: hub:{}/FOLDER",
        folders.join(", "),
        id.repo
    )]
    Folders {
        /// The repository.
        id: HubId,
        /// The folders with parquet files, sorted.
        folders: Vec<String>,
    },
    /// The connection ended before the file did, again and again.
    #[error("the download of {file} of {id} broke off at {received} bytes; run again to resume it")]
    Cut {
        /// The repository.
        id: HubId,
        /// The file.
        file: String,
        /// Bytes that are here.
        received: u64,
    },
    /// A file that twice arrived with another length or hash than the Hub states.
    #[error("{file} of {id} is corrupt after download: found {found}, the Hub states {expected}")]
    Corrupt {
        /// The repository.
        id: HubId,
        /// The file.
        file: String,
        /// What arrived.
        found: Box<str>,
        /// What the Hub states.
        expected: Box<str>,
    },
    /// A file that should be the index of a checkpoint in several files.
    #[error("{file} of {id} is not an index of a sharded checkpoint: {reason}")]
    Index {
        /// The repository.
        id: HubId,
        /// The file.
        file: String,
        /// Why not, in one line.
        reason: String,
    },
    /// A file of the cache or of the settings cannot be read or written.
    #[error("for the Hub: {}: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Names the path in an error of the file system.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> HubError {
    let path = path.into();
    move |source| HubError::Cache { path, source }
}

/// Of a folder one of several files can be named, of a repository not.
fn without_name(source: &WeightsFileError) -> String {
    let what = "download one of them and give the file's path";
    source.to_string().replace("name one of them", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_weights_in_a_repository_one_is_to_be_downloaded() {
        let id = HubId::parse("a/b").unwrap();
        let source = crate::weights_file(["x.pth", "y.pth"]).unwrap_err();
        let error = HubError::NoWeights { id, source }.to_string();
        assert!(
            error.ends_with("x.pth, y.pth; download one of them and give the file's path"),
            "{error}"
        );
    }
}

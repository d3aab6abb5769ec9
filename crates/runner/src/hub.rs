//! The Hugging Face Hub: from `hub:OWNER/NAME[@REVISION]` to a folder with the repository's files.
//!
//! The folder is a snapshot in the cache that Python's `huggingface_hub` uses too, in the same
//! layout: what one has downloaded the other finds. A snapshot that is whole is used without a
//! word to the network. A file that is not there is downloaded, verified against what the Hub says
//! of it (its SHA-256 for large files, its length for all) and only then given its name.
//!
//! [`hf_hub`] gives the layout of the cache and the Hub's addresses. The requests are made here, with
//! the HTTP client that it brings: it verifies nothing, knows neither offline use nor `HF_HUB_CACHE`,
//! and says of an error only that there was one.

mod cache;
mod dataset;
mod download;
mod error;
mod http;
mod id;
mod settings;

use std::path::PathBuf;
use std::time::Duration;

use hf_hub::api::RepoInfo;

use crate::files;
use cache::Snapshot;
use http::Client;

pub use dataset::HubData;
pub(crate) use dataset::open as open_data;
pub use error::HubError;
pub use id::{HubId, is_commit};

/// How the Hub is reached, and where its files are kept.
///
/// ```no_run
/// use taper_runner::hub::{Hub, HubId};
///
/// let id = HubId::parse("timm/resnet18.a1_in1k")?;
/// let fetched = Hub::from_env()?.fetch(&id)?;
/// println!("{} of commit {}", fetched.folder.display(), fetched.commit);
/// # Ok::<(), taper_runner::hub::HubError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// The Hub's address, without a slash at the end. Default `https://huggingface.co`.
    pub endpoint: String,
    /// The folder of the cache, with a folder for each repository.
    pub cache: PathBuf,
    /// The token that says who asks; most repositories need none.
    pub token: Option<String>,
    /// A file of certificates (PEM) to trust in place of the usual ones, as behind a proxy that has
    /// its own.
    pub certificates: Option<PathBuf>,
    /// Whether to use the cache alone.
    pub offline: bool,
    /// Whether to show the progress of downloads on stderr.
    pub progress: bool,
    /// How often a request is tried that ends in a fault which may pass. Default 5.
    pub tries: u32,
    /// The pause after the first try, doubled after each one. Default a second.
    pub pause: Duration,
    /// The longest pause that the Hub may ask for. Default two minutes.
    pub longest_pause: Duration,
}

/// Where the files of a repository are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that the revision stood for.
    pub commit: String,
    /// The folder with the files; links into the cache.
    pub folder: PathBuf,
}

impl Hub {
    /// The Hub as the environment says: `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH` and `HF_HUB_OFFLINE`, with the meanings that they have in Python;
    /// `REQUESTS_CA_BUNDLE` or `SSL_CERT_FILE` for certificates.
    ///
    /// # Errors
    /// There is no home folder to keep a cache in, or a setting cannot be used.
    pub fn from_env() -> Result<Self, HubError> {
        settings::read(|key| std::env::var(key).ok())
    }

    /// The weights of a repository and what it says of them, from the cache or the network.
    ///
    /// # Errors
    /// Whatever keeps the files from being here whole; see [`HubError`].
    pub fn fetch(&self, id: &HubId) -> Result<Fetched, HubError> {
        let known = match is_commit(&id.revision) {
            true => Some(id.revision.clone()),
            false => cache::read_ref(&self.cache, id),
        };
        let missing = match &known {
            Some(commit) => {
                let snapshot = Snapshot::new(&self.cache, id, commit);
                match snapshot.missing()? {
                    None => return Ok(snapshot.fetched()),
                    Some(missing) => missing,
                }
            }
            None => format!("revision `{}`", id.revision),
        };
        if self.offline {
            let cache = self.cache.clone();
            return Err(HubError::Offline { id: id.clone(), missing, cache });
        }

        let client = Client::new(self, id)?;
        let info: RepoInfo = client.info()?;
        let names: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let snapshot = Snapshot::new(&self.cache, id, &info.sha);
        self.complete(&client, &snapshot, &names)?;
        if info.sha != id.revision {
            snapshot.write_ref()?;
        }
        Ok(snapshot.fetched())
    }

    /// Downloads what the snapshot lacks of the files that are needed.
    fn complete(
        &self,
        client: &Client<'_>,
        snapshot: &Snapshot<'_>,
        names: &[&str],
    ) -> Result<(), HubError> {
        let optional = |name: &str| match names.contains(&name) {
            true => download::ensure(client, snapshot, name),
            false => snapshot.mark_absent(name),
        };
        optional(files::CONFIG)?;
        if files::wants_preprocessor(&snapshot.folder()) {
            optional(files::PREPROCESSOR)?;
        }
        let weights = files::choose(names.iter().copied())
            .map_err(|reason| HubError::NoWeights { id: snapshot.id.clone(), reason })?;
        download::ensure(client, snapshot, &weights)?;
        for shard in snapshot.shards(&weights)? {
            download::ensure(client, snapshot, &shard)?;
        }
        Ok(())
    }
}

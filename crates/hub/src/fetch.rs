//! A model's files: from the cache, or downloaded.

use std::path::PathBuf;

use hf_hub::api::RepoInfo;

use crate::cache::{self, Snapshot};
use crate::client::Client;
use crate::download::{self, DownloadEvent, Listener};
use crate::error::HubError;
use crate::files;
use crate::id::HubId;
use crate::settings::Hub;

/// Where the files of a repository are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that the revision stood for.
    pub commit: String,
    /// The folder with the files; links into the cache.
    pub folder: PathBuf,
}

impl Fetched {
    fn of(snapshot: &Snapshot<'_>) -> Self {
        Self { commit: snapshot.commit().to_string(), folder: snapshot.folder() }
    }
}

impl Hub {
    /// The weights of a repository and their configuration, from the cache or the network;
    /// `listener` is told of downloads.
    ///
    /// # Errors
    /// Whatever keeps the files from being here whole; see [`HubError`].
    pub fn fetch(
        &self,
        id: &HubId,
        listener: &mut dyn FnMut(DownloadEvent<'_>),
    ) -> Result<Fetched, HubError> {
        let missing = match cache::commit_of(&self.cache, id) {
            Some(commit) => {
                let snapshot = Snapshot::new(&self.cache, id, &commit);
                match snapshot.missing()? {
                    None => return Ok(Fetched::of(&snapshot)),
                    Some(missing) => missing,
                }
            }
            None => format!("revision `{}` is missing", id.revision),
        };
        if self.offline {
            let cache = self.cache.clone();
            return Err(HubError::Offline { id: id.clone(), missing, cache });
        }

        let client = Client::new(self, id)?;
        let info: RepoInfo = client.info()?;
        let names: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let snapshot = Snapshot::new(&self.cache, id, &info.sha);
        self.complete(&client, &snapshot, &names, listener)?;
        if info.sha != id.revision {
            snapshot.write_ref()?;
        }
        Ok(Fetched::of(&snapshot))
    }

    /// Downloads what the snapshot lacks of the files that are needed.
    fn complete(
        &self,
        client: &Client<'_>,
        snapshot: &Snapshot<'_>,
        names: &[&str],
        listener: Listener<'_>,
    ) -> Result<(), HubError> {
        let mut optional = |name: &str| match names.contains(&name) {
            true => download::ensure(client, snapshot, name, listener),
            false => snapshot.mark_absent(name),
        };
        optional(files::CONFIG)?;
        if files::wants_preprocessor(&snapshot.folder()) {
            optional(files::PREPROCESSOR)?;
        }
        let weights = files::weights_file(names.iter().copied())
            .map_err(|source| HubError::NoWeights { id: snapshot.id.clone(), source })?;
        download::ensure(client, snapshot, &weights, listener)?;
        for shard in snapshot.shards(&weights)? {
            download::ensure(client, snapshot, &shard, listener)?;
        }
        Ok(())
    }
}

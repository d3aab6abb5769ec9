//! A data set's files: the parquet files of a repository.

use std::path::PathBuf;

use hf_hub::api::RepoInfo;

use crate::cache::{self, Snapshot};
use crate::client::Client;
use crate::download::{self, DownloadEvent};
use crate::error::HubError;
use crate::id::HubDataset;
use crate::settings::Hub;

impl Hub {
    /// The commit and the parquet files of a data set, from the cache or the network; `listener` is
    /// told of downloads.
    ///
    /// # Errors
    /// Whatever keeps the files from being here whole; see [`HubError`].
    pub fn fetch_data(
        &self,
        data: &HubDataset,
        listener: &mut dyn FnMut(DownloadEvent<'_>),
    ) -> Result<(String, Vec<PathBuf>), HubError> {
        let id = &data.id;
        if let Some(commit) = cache::commit_of(&self.cache, id) {
            let snapshot = Snapshot::new(&self.cache, id, &commit);
            // The list says which files there are: a part that is missing would go unnoticed else.
            if let Some(names) = snapshot.read_list()
                && let Ok(chosen) = choose(&names, data)
                && chosen.iter().all(|name| snapshot.holds(name))
            {
                return Ok((commit, paths(&snapshot, chosen)));
            }
        }
        if self.offline {
            let cache = self.cache.clone();
            let missing = "one of its parquet files is missing".to_string();
            return Err(HubError::Offline { id: id.clone(), missing, cache });
        }
        let client = Client::new(self, id)?;
        let info: RepoInfo = client.info()?;
        let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        let chosen = choose(&names, data)?;
        let snapshot = Snapshot::new(&self.cache, id, &info.sha);
        for name in &chosen {
            download::ensure(&client, &snapshot, name, listener)?;
        }
        let parquet: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| is_parquet(name)).collect();
        snapshot.write_list(&parquet)?;
        if info.sha != id.revision {
            snapshot.write_ref()?;
        }
        Ok((info.sha, paths(&snapshot, chosen)))
    }
}

fn paths(snapshot: &Snapshot<'_>, names: Vec<String>) -> Vec<PathBuf> {
    names.into_iter().map(|name| snapshot.folder().join(name)).collect()
}

fn is_parquet(name: &str) -> bool {
    name.ends_with(".parquet")
}

/// The parquet files of the one folder that has some, or of the configuration's.
fn choose(names: &[String], data: &HubDataset) -> Result<Vec<String>, HubError> {
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(f, _)| f.to_string());
    let parquet = || names.iter().filter(|name| is_parquet(name));
    let mut folders: Vec<String> = parquet().map(|name| folder(name)).collect();
    folders.sort();
    folders.dedup();
    let wanted = match (&data.config, &folders[..]) {
        (Some(config), all) if all.contains(config) => config.clone(),
        (None, [one]) => one.clone(),
        (_, []) => return Err(HubError::NoParquet { id: data.id.clone() }),
        (_, _) => return Err(HubError::Folders { id: data.id.clone(), folders }),
    };
    let mut chosen: Vec<String> =
        parquet().filter(|name| folder(name) == wanted).cloned().collect();
    chosen.sort();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], config: Option<&str>) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let id = HubDataset::parse("a/b").unwrap().id;
        let data = HubDataset { id, config: config.map(str::to_string) };
        choose(&names, &data).map_err(|error| error.to_string())
    }

    #[test]
    fn the_files_of_one_folder_are_chosen() {
        let one = ["README.md", "data/train-1.parquet", "data/test-0.parquet"];
        assert_eq!(chosen(&one, None).unwrap(), ["data/test-0.parquet", "data/train-1.parquet"]);
        let two = ["x/train.parquet", "y/train.parquet"];
        assert_eq!(chosen(&two, Some("y")).unwrap(), ["y/train.parquet"]);
        let error = chosen(&two, None).unwrap_err();
        assert_eq!(
            error,
            "hub:a/b has parquet files in the folders x, y; name one: hub:a/b/FOLDER"
        );
        assert!(chosen(&["a.csv"], None).unwrap_err().contains("has no parquet files"));
    }
}

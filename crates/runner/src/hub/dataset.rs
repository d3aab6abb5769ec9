//! Data sets of the Hub: the parquet files of a repository.

use std::path::PathBuf;

use hf_hub::api::RepoInfo;
use taper_dataset::source::parquet;
use taper_dataset::{Columns, Dataset};

use super::cache::{self, Snapshot};
use super::error::at;
use super::http::Client;
use super::{Hub, HubError, HubId, download, id, is_commit};
use crate::error::RunnerError;

/// A repository of data at a revision, and which of its configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubData {
    /// The repository.
    pub id: HubId,
    /// The folder of the parquet files, where there are several.
    pub config: Option<String>,
}

impl HubData {
    /// Takes apart `OWNER/NAME[/CONFIGURATION][@REVISION]`.
    ///
    /// # Errors
    /// [`HubError::Name`], by the rules that the Hub has for names.
    ///
    /// ```
    /// use taper_runner::hub::HubData;
    ///
    /// let data = HubData::parse("uoft-cs/cifar100/plain_text@main")?;
    /// assert_eq!((data.id.repo.as_str(), data.config.as_deref()), ("uoft-cs/cifar100", Some("plain_text")));
    /// assert!(HubData::parse("mnist").is_err());
    /// # Ok::<(), taper_runner::hub::HubError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let mut parts = name.splitn(3, '/');
        let repo: Vec<&str> = parts.by_ref().take(2).collect();
        let config = parts.next().map(str::to_string);
        if config.as_ref().is_some_and(|config| !id::stays_inside(config)) {
            let reason = "the configuration is no name of a folder";
            return Err(HubError::Name { name: text.to_string(), reason });
        }
        // What is told is the name as it was given.
        let id =
            HubId::parse(&format!("{}@{revision}", repo.join("/"))).map_err(
                |error| match error {
                    HubError::Name { reason, .. } => {
                        HubError::Name { name: text.to_string(), reason }
                    }
                    other => other,
                },
            )?;
        Ok(Self { id: HubId { data: true, ..id }, config })
    }

    /// The name that finds the same files again.
    fn pinned(&self, commit: &str) -> String {
        let config = self.config.as_ref().map_or(String::new(), |config| format!("/{config}"));
        format!("hub:{}{config}@{commit}", self.id.repo)
    }
}

/// Opens a data set of the Hub; what the cache has not is downloaded.
pub(crate) fn open(name: &str, columns: &Columns, hub: &Hub) -> Result<Dataset, RunnerError> {
    let data = HubData::parse(name)?;
    let (commit, files) = hub.fetch_data(&data)?;
    Ok(parquet::read(&data.pinned(&commit), files, columns)?)
}

impl Hub {
    /// The parquet files of a data set, from the cache or the network; the commit they are of.
    ///
    /// # Errors
    /// Whatever keeps the files from being here whole; see [`HubError`].
    pub fn fetch_data(&self, data: &HubData) -> Result<(String, Vec<PathBuf>), HubError> {
        let id = &data.id;
        let known = match is_commit(&id.revision) {
            true => Some(id.revision.clone()),
            false => cache::read_ref(&self.cache, id),
        };
        if let Some(commit) = &known {
            let snapshot = Snapshot::new(&self.cache, id, commit);
            // The list says which files there are: a part that is missing would go unnoticed else.
            if let Some(names) = snapshot.read_list()
                && let Ok(chosen) = choose(&names, data)
                && chosen.iter().all(|name| snapshot.holds(name))
            {
                return Ok((commit.clone(), paths(&snapshot, chosen)));
            }
        }
        if self.offline {
            let cache = self.cache.clone();
            let missing = "its parquet files".to_string();
            return Err(HubError::Offline { id: id.clone(), missing, cache });
        }
        let client = Client::new(self, id)?;
        let info: RepoInfo = client.info()?;
        let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        let chosen = choose(&names, data)?;
        let snapshot = Snapshot::new(&self.cache, id, &info.sha);
        for name in &chosen {
            download::ensure(&client, &snapshot, name)?;
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
fn choose(names: &[String], data: &HubData) -> Result<Vec<String>, HubError> {
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(f, _)| f.to_string());
    let parquet = || names.iter().filter(|name| is_parquet(name));
    let mut folders: Vec<String> = parquet().map(|name| folder(name)).collect();
    folders.sort();
    folders.dedup();
    let wanted = match (&data.config, &folders[..]) {
        (Some(config), all) if all.contains(config) => config.clone(),
        (None, [one]) => one.clone(),
        (_, []) => {
            let reason = "has no parquet files; expected images and labels in such".to_string();
            return Err(HubError::NoWeights { id: data.id.clone(), reason });
        }
        (_, all) => {
            let reason = format!(
                "has parquet files in the folders {}; name one: hub:{}/FOLDER",
                all.join(", "),
                data.id.repo
            );
            return Err(HubError::NoWeights { id: data.id.clone(), reason });
        }
    };
    let mut chosen: Vec<String> =
        parquet().filter(|name| folder(name) == wanted).cloned().collect();
    chosen.sort();
    Ok(chosen)
}

impl Snapshot<'_> {
    /// The names of all parquet files of the commit, if they have been asked for before.
    fn read_list(&self) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(self.list_path()).ok()?;
        let names: Vec<String> = text.lines().map(str::to_string).collect();
        names.iter().all(|name| id::stays_inside(name)).then_some(names)
    }

    fn write_list(&self, names: &[&str]) -> Result<(), HubError> {
        let path = self.list_path();
        let folder = path.parent().unwrap_or(&path).to_path_buf();
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        std::fs::write(&path, names.join("\n")).map_err(at(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str], config: Option<&str>) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let id = HubData::parse("a/b").unwrap().id;
        let data = HubData { id, config: config.map(str::to_string) };
        choose(&names, &data).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_that_is_none_is_told_as_it_was_given() {
        let error = HubData::parse("foo").unwrap_err().to_string();
        assert!(error.contains("`foo`") && !error.contains("main"), "{error}");
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

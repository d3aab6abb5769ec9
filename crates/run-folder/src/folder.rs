//! What lies in a run's folder, and under which name.

use std::path::{Path, PathBuf};

use taper_untrusted::checksums::{SETTINGS, SUMS, line};

use crate::error::RunFolderError;
use crate::write::write_whole;

const RECIPE: &str = "recipe.toml";
const HISTORY: &str = "history.jsonl";
const MODEL: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.json";
const ADAPTER: &str = "adapter_model.safetensors";
const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Files and folders of a run by method.
macro_rules! names {
    ($($method:ident = $name:literal,)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub fn $method(&self) -> PathBuf {
            self.path.join($name)
        }
    )*};
}

/// A folder that holds one run.
///
/// | file | what |
/// | --- | --- |
/// | `recipe.toml` | the complete recipe |
/// | `history.jsonl` | an event a line |
/// | `model.safetensors` | the weights; no time and no path inside |
/// | `adapter_model.safetensors`, `adapter_config.json` | what the method `lora` has trained, as `peft` names it |
/// | `config.json` | net, classes, preprocessing: what is needed to use the weights |
/// | `transformers/` | of nets that timm has not: the same for transformers |
/// | `mistakes/` | the most confident mistakes, for the page |
/// | `SHA256SUMS` | checksums of all of the above, and of the next; who reads a file compares |
/// | `metrics.json` | the results; written last, so a run that has it is finished |
/// | `README.md` | the model card; `README.old.md`, `README.old-2.md` … are those of before a finished run went on |
/// | `report.html` | a page that shows how it went; `report-before.html` is that of an older version |
/// | `lr-find.json`, `lr-find.html` | a sweep of learning rates that was made there |
/// | `tensorboard/` | event files, if asked for |
/// | `checkpoints/` | states from which the run can go on |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Writes `recipe.toml`, as TOML.
    ///
    /// # Errors
    /// The file cannot be written; it would have more bytes than are read.
    pub fn write_recipe(&self, recipe: &str) -> Result<(), RunFolderError> {
        if recipe.len() as u64 > SETTINGS {
            let reason = format!("it would have {} bytes, the limit is {SETTINGS}", recipe.len());
            return Err(RunFolderError::invalid(&self.recipe(), reason));
        }
        write_whole(&self.recipe(), recipe.as_bytes())
    }

    /// Opens the folder of a run that has begun, finished or not.
    ///
    /// # Errors
    /// The folder holds no recipe.
    pub fn begun(path: &Path) -> Result<Self, RunFolderError> {
        Self::with(path, &[RECIPE])
    }

    /// Opens the folder of a model that can be used: weights, or an adapter, and their
    /// configuration.
    ///
    /// # Errors
    /// One of the two is missing.
    pub fn open(path: &Path) -> Result<Self, RunFolderError> {
        let adapted = Self::at(path).is_adapted();
        Self::with(path, &[CONFIG, if adapted { ADAPTER } else { MODEL }])
    }

    /// Opens the folder of a finished run.
    ///
    /// # Errors
    /// The folder holds no recipe, or the run is not finished.
    pub fn finished(path: &Path) -> Result<Self, RunFolderError> {
        Self::with(path, &[RECIPE, METRICS])
    }

    fn with(path: &Path, files: &[&'static str]) -> Result<Self, RunFolderError> {
        match files.iter().find(|file| !path.join(file).is_file()) {
            None => Ok(Self::at(path)),
            Some(file) => Err(RunFolderError::NoRun { path: path.to_path_buf(), file }),
        }
    }

    /// Whether the run is finished.
    pub fn is_finished(&self) -> bool {
        self.metrics().is_file()
    }

    /// Whether what the run has trained is an adapter, and the net's own weights are elsewhere.
    pub fn is_adapted(&self) -> bool {
        !self.model().is_file() && self.path.join(ADAPTER).is_file()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    names! {
        recipe = "recipe.toml",
        history = "history.jsonl",
        model = "model.safetensors",
        checkpoints = "checkpoints",
        config = "config.json",
        transformers = "transformers",
        mistakes = "mistakes",
        card = "README.md",
        report = "report.html",
        tensorboard = "tensorboard",
        checksums = "SHA256SUMS",
        metrics = "metrics.json",
    }

    /// Writes the checksums of what a run that ends has written, and of `metrics.json` to come. The folders in
    /// it, which are used or copied alone, have a list of their own.
    pub(crate) fn write_checksums(&self, metrics: &[u8]) -> Result<(), RunFolderError> {
        for folder in [self.transformers(), self.mistakes()].iter().filter(|path| path.is_dir()) {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(folder).map_err(RunFolderError::io(folder))? {
                let name = entry.map_err(RunFolderError::io(folder))?.file_name();
                names.extend(name.into_string().ok().filter(|name| name != SUMS));
            }
            names.sort();
            write_list(folder, names.iter().map(String::as_str), String::new())?;
        }
        let names = [RECIPE, HISTORY, MODEL, ADAPTER, ADAPTER_CONFIG, CONFIG];
        let names = names.into_iter().filter(|name| self.path.join(name).is_file());
        write_list(&self.path, names, line(METRICS, metrics))
    }

    /// What else a run leaves, for one that begins anew.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn others(&self) -> Result<Vec<PathBuf>, RunFolderError> {
        let mut others = vec![
            self.checksums(),
            self.checkpoints(),
            self.tensorboard(),
            self.transformers(),
            self.mistakes(),
            self.model(),
            self.config(),
            self.path.join(ADAPTER),
            self.path.join(ADAPTER_CONFIG),
            self.report(),
            self.card(),
            self.path.join("report-before.html"),
            self.path.join("lr-find.json"),
            self.path.join("lr-find.html"),
        ];
        let entries = std::fs::read_dir(&self.path).map_err(RunFolderError::io(&self.path))?;
        for entry in entries {
            let entry = entry.map_err(RunFolderError::io(&self.path))?;
            if is_old_card(&entry.file_name().to_string_lossy()) {
                others.push(entry.path());
            }
        }
        Ok(others)
    }
}

/// Writes the checksums of files of a folder, and what else is to stand in the list.
fn write_list<'a>(
    folder: &Path,
    names: impl Iterator<Item = &'a str>,
    more: String,
) -> Result<(), RunFolderError> {
    let mut list = String::new();
    for name in names {
        let path = folder.join(name);
        list += &line(name, &std::fs::read(&path).map_err(RunFolderError::io(&path))?);
    }
    write_whole(&folder.join(SUMS), (list + &more).as_bytes())
}

/// `README.old.md`, `README.old-2.md` and so on.
fn is_old_card(name: &str) -> bool {
    let between = name.strip_prefix("README.old").and_then(|rest| rest.strip_suffix(".md"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    between.is_some_and(|between| {
        between.is_empty() || between.strip_prefix('-').is_some_and(is_number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_model_or_a_finished_run_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = |opened: Result<RunFolder, RunFolderError>| {
            let error = opened.unwrap_err().to_string();
            error.rsplit_once(": ").unwrap().1.to_string()
        };
        let path = folder.path();
        assert_eq!(missing(RunFolder::begun(path)), "recipe.toml is missing");
        assert_eq!(missing(RunFolder::open(path)), "config.json is missing");
        std::fs::write(path.join(CONFIG), "{}").unwrap();
        assert_eq!(missing(RunFolder::open(path)), "model.safetensors is missing");
        std::fs::write(path.join(ADAPTER), "").unwrap();
        assert!(RunFolder::open(path).unwrap().is_adapted());
        std::fs::write(path.join(RECIPE), "").unwrap();
        assert_eq!(missing(RunFolder::finished(path)), "metrics.json is missing");
    }
}

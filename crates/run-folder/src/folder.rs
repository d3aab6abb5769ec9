//! What lies in a run's folder, and under which name.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::RunFolderError;
use crate::write::write_whole;

const RECIPE: &str = "recipe.toml";
const MODEL: &str = "model.safetensors";
const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.json";
const ADAPTER: &str = "adapter_model.safetensors";
const ADAPTER_CONFIG: &str = "adapter_config.json";

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
/// | `metrics.json` | the results; written last, so a run that has it is finished |
/// | `README.md` | the model card |
/// | `report.html` | a page that shows how it went |
/// | `tensorboard/` | event files, if asked for |
/// | `checkpoints/` | states from which the run can go on |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Checks that a run may be written to `path`, without creating anything.
    ///
    /// # Errors
    /// It holds a run (unless `overwrite`), holds other things, or stands below a file.
    pub fn check(path: &Path, overwrite: bool) -> Result<(), RunFolderError> {
        let io = RunFolderError::io(path);
        let mut parents = path.ancestors().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(file) = parents.find(|parent| parent.is_file()) {
            let reason = format!("{} is a file, expected a folder", file.display());
            return Err(io(std::io::Error::other(reason)));
        }
        if !path.exists() {
            return Ok(());
        }
        let empty = std::fs::read_dir(path).map_err(io)?.next().is_none();
        match (empty, path.join(RECIPE).is_file(), overwrite) {
            (true, ..) | (_, true, true) => Ok(()),
            (_, true, false) => Err(RunFolderError::RunExists(path.to_path_buf())),
            (_, false, _) => Err(RunFolderError::NotARun(path.to_path_buf())),
        }
    }

    /// Creates the folder and writes the recipe, as TOML, into it. Of a run that is overwritten, all
    /// that is named above is removed first.
    ///
    /// # Errors
    /// As [`RunFolder::check`], and whatever the file system says.
    pub fn create(path: &Path, recipe: &str, overwrite: bool) -> Result<Self, RunFolderError> {
        Self::check(path, overwrite)?;
        let run = Self { path: path.to_path_buf() };
        std::fs::create_dir_all(path).map_err(RunFolderError::io(path))?;
        for old in [run.checkpoints(), run.tensorboard(), run.transformers(), run.mistakes()] {
            gone(std::fs::remove_dir_all(&old)).map_err(RunFolderError::io(&old))?;
        }
        let adapter = [ADAPTER, ADAPTER_CONFIG].map(|name| path.join(name));
        let files =
            [run.metrics(), run.history(), run.model(), run.config(), run.report(), run.card()];
        for old in files.into_iter().chain(adapter) {
            gone(std::fs::remove_file(&old)).map_err(RunFolderError::io(&old))?;
        }
        run.write_recipe(recipe)?;
        Ok(run)
    }

    /// Writes `recipe.toml`, as TOML.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_recipe(&self, recipe: &str) -> Result<(), RunFolderError> {
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
        let adapted = Self { path: path.to_path_buf() }.is_adapted();
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
            None => Ok(Self { path: path.to_path_buf() }),
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

    /// The first free `base/NAME-N`, N from 1.
    pub fn next_free(base: &Path, name: &str) -> PathBuf {
        (1..)
            .map(|n: u32| base.join(format!("{name}-{n}")))
            .find(|p| !p.exists())
            .unwrap_or_else(|| base.join(name))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `recipe.toml`.
    pub fn recipe(&self) -> PathBuf {
        self.path.join(RECIPE)
    }

    /// `history.jsonl`.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// `model.safetensors`.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `config.json`.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// `transformers/`.
    pub fn transformers(&self) -> PathBuf {
        self.path.join("transformers")
    }

    /// `mistakes/`.
    pub fn mistakes(&self) -> PathBuf {
        self.path.join("mistakes")
    }

    /// `README.md`.
    pub fn card(&self) -> PathBuf {
        self.path.join("README.md")
    }

    /// `report.html`.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// `tensorboard/`.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// `metrics.json`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }
}

/// What is not there need not be removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_overwritten_only_where_that_is_allowed_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), "seed = 1\n", false).unwrap();
        std::fs::create_dir(run.mistakes()).unwrap();
        for file in [run.metrics(), run.model(), run.mistakes().join("01.png")] {
            std::fs::write(file, "old").unwrap();
        }
        let error = RunFolder::create(folder.path(), "", false).unwrap_err();
        assert!(matches!(error, RunFolderError::RunExists(_)), "{error}");
        let run = RunFolder::create(folder.path(), "seed = 2\n", true).unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(run.recipe()).unwrap(), "seed = 2\n");
    }

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

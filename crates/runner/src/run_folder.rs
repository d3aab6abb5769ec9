//! A run's folder: what lies in it and under which name.

use std::path::{Path, PathBuf};

use taper_model::lora::{ADAPTER_CONFIG, ADAPTER_WEIGHTS};

use crate::error::RunnerError;
use crate::recipe::Recipe;
use crate::write::write_whole;

/// A folder that holds one run.
///
/// | file | what |
/// | --- | --- |
/// | `recipe.toml` | the complete recipe |
/// | `history.jsonl` | an event a line |
/// | `model.safetensors` | the weights; no time and no path inside |
/// | `adapter_model.safetensors`, `adapter_config.json` | what the method `lora` has trained |
/// | `config.json` | net, classes, preprocessing: what is needed to use the weights |
/// | `transformers/` | of nets that timm has not: the same for transformers |
/// | `README.md` | the model card |
/// | `report.html` | a page that shows how it went |
/// | `metrics.json` | what it came to; written last but for the page, so that it says: finished |
/// | `tensorboard/` | event files, if asked for |
/// | `checkpoints/` | states from which the run can go on |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

const RECIPE: &str = "recipe.toml";

impl RunFolder {
    /// Checks that a run may be written to `path`, without creating anything.
    ///
    /// # Errors
    /// It holds a run (unless `overwrite`), holds other things, or stands below a file.
    pub fn check(path: &Path, overwrite: bool) -> Result<(), RunnerError> {
        let io = |source| RunnerError::Io { path: path.to_path_buf(), source };
        for parent in path.ancestors().filter(|p| !p.as_os_str().is_empty()) {
            if parent.is_file() {
                return Err(RunnerError::Io {
                    path: path.to_path_buf(),
                    source: std::io::Error::other(format!(
                        "{} is a file, expected a folder",
                        parent.display()
                    )),
                });
            }
        }
        if !path.exists() {
            return Ok(());
        }
        let empty = std::fs::read_dir(path).map_err(io)?.next().is_none();
        let is_run = path.join(RECIPE).is_file();
        match (empty, is_run, overwrite) {
            (true, ..) | (_, true, true) => Ok(()),
            (_, true, false) => Err(RunnerError::RunExists(path.to_path_buf())),
            (_, false, _) => Err(RunnerError::NotARun(path.to_path_buf())),
        }
    }

    /// Creates the folder and writes the recipe into it. Of a run that is overwritten, the files
    /// named above are removed first.
    ///
    /// # Errors
    /// As [`RunFolder::check`], and whatever the file system says.
    pub fn create(path: &Path, recipe: &Recipe, overwrite: bool) -> Result<Self, RunnerError> {
        Self::check(path, overwrite)?;
        let run = Self { path: path.to_path_buf() };
        std::fs::create_dir_all(path)
            .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
        crate::checkpoint::Checkpoints::remove(&run.checkpoints())?;
        for folder in [run.tensorboard(), run.transformers()] {
            if folder.is_dir() {
                std::fs::remove_dir_all(&folder)
                    .map_err(|source| RunnerError::Io { path: folder, source })?;
            }
        }
        let adapter = [ADAPTER_WEIGHTS, ADAPTER_CONFIG].map(|name| path.join(name));
        let others =
            [run.metrics(), run.history(), run.model(), run.config(), run.report(), run.card()];
        for old in others.into_iter().chain(adapter) {
            match std::fs::remove_file(&old) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(RunnerError::Io { path: old, source });
                }
                _ => {}
            }
        }
        run.write_recipe(recipe)?;
        Ok(run)
    }

    /// Writes `recipe.toml`.
    pub(crate) fn write_recipe(&self, recipe: &Recipe) -> Result<(), RunnerError> {
        let text = toml::to_string(recipe).map_err(|e| RunnerError::Recipe {
            origin: self.recipe().display().to_string(),
            reason: e.to_string(),
        })?;
        write_whole(&self.recipe(), text.as_bytes())
    }

    /// Opens the folder of a run that has begun, finished or not.
    ///
    /// # Errors
    /// The folder holds no recipe.
    pub fn begun(path: &Path) -> Result<Self, RunnerError> {
        let run = Self { path: path.to_path_buf() };
        match run.recipe().is_file() {
            true => Ok(run),
            false => Err(RunnerError::NoRun { path: run.path, file: RECIPE }),
        }
    }

    /// Whether the run is finished.
    pub fn is_finished(&self) -> bool {
        self.metrics().is_file()
    }

    /// Opens the folder of a finished run.
    ///
    /// # Errors
    /// The folder, its model or its configuration is missing.
    pub fn open(path: &Path) -> Result<Self, RunnerError> {
        let run = Self { path: path.to_path_buf() };
        let model = run.model().is_file() || run.is_adapted();
        for (there, file) in [(run.config().is_file(), "config.json"), (model, "model.safetensors")]
        {
            if !there {
                return Err(RunnerError::NoRun { path: path.to_path_buf(), file });
            }
        }
        Ok(run)
    }

    /// Whether what the run has trained is an adapter, and the net's own weights are elsewhere.
    pub fn is_adapted(&self) -> bool {
        !self.model().is_file() && self.path.join(ADAPTER_WEIGHTS).is_file()
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
        self.path.join("model.safetensors")
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `config.json`.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// `transformers/`.
    pub fn transformers(&self) -> PathBuf {
        self.path.join("transformers")
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

    /// Checks that the run has been made by a recipe.
    ///
    /// # Errors
    /// [`RunnerError::Differs`].
    pub(crate) fn check_recipe(&self, recipe: &Recipe) -> Result<(), RunnerError> {
        let before = crate::recipe::read_resolved(&self.recipe())?;
        let differences = crate::resume::recipe_differences(&before, recipe);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(RunnerError::Differs { path: self.path.clone(), differences }),
        }
    }

    /// `metrics.json`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.json")
    }
}

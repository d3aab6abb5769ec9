//! A checkpoint to start from: where `--weights` finds it, and what it says of itself.
//!
//! | `--weights` | what is read |
//! | --- | --- |
//! | a name | weights that the [`Registry`] has |
//! | `hub:OWNER/NAME[@REVISION]` | a repository of the Hugging Face Hub |
//! | a folder | a run of ours, or a folder as the Hub has it: weights, `config.json` |
//! | a file | safetensors, PyTorch's `.pth` or `.bin`, or the index of several |
//!
//! What a checkpoint says of itself (its net, how images are prepared, its classes) is a layer of the
//! recipe: above the defaults, below a recipe and flags that the user names ([`resolve_pretrained`]).

pub(crate) mod files;
mod said;
mod timm;
mod transformers;

use std::path::{Path, PathBuf};

use taper_model::weights::TensorFile;

use crate::adapted;
use crate::error::RunnerError;
use crate::recipe::{Recipe, layered, resolve};
use crate::registry::Registry;
use crate::run_folder::RunFolder;

pub use said::{ImageSaid, Said};
pub(crate) use transformers::sizes as transformers_sizes;

/// What a name of the Hub begins with.
const HUB: &str = "hub:";

/// A checkpoint that has been found; its tensors are read by [`Pretrained::read`].
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The name that finds the same checkpoint again: as given, but for the Hub's with the commit.
    pub name: String,
    /// What the checkpoint says of itself, if it does.
    pub said: Option<Said>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// Read already, to see what it says of itself.
    Memory(TensorFile),
    File(PathBuf),
}

impl Pretrained {
    /// Finds a checkpoint; what the Hub has and the cache has not is downloaded.
    ///
    /// # Errors
    /// Nothing is there, or what it says of itself cannot be understood.
    pub fn open(name: &str, registry: &Registry) -> Result<Self, RunnerError> {
        if let Some(bytes) = registry.weights(name) {
            return Self::in_memory(name, TensorFile::from_bytes(bytes, name)?);
        }
        if let Some(id) = name.strip_prefix(HUB) {
            let (name, folder) = fetch(id, registry)?;
            return Self::in_folder(name, &folder);
        }
        if RunFolder::begun(Path::new(name)).is_ok_and(|run| run.is_adapted()) {
            let file = adapted::merged(Path::new(name), registry)?;
            let said = Said::in_folder(Path::new(name))?;
            return Ok(Self { name: name.to_string(), said, place: Place::Memory(file) });
        }
        let path = Path::new(name);
        if path.is_dir() {
            return Self::in_folder(name.to_string(), path);
        }
        let beside = path.with_file_name(files::CONFIG);
        let said = match beside.is_file() {
            true => Said::in_folder(path.parent().unwrap_or(Path::new("")))?,
            false => None,
        };
        if !path.exists() {
            let known = registry.weights_names().map(|name| format!("`{name}`"));
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(RunnerError::NoSuchWeights { path: path.to_path_buf(), known });
        }
        // Our own files carry it inside, too.
        if said.is_none() && path.extension().is_some_and(|e| e == "safetensors") {
            return Self::in_memory(name, TensorFile::read(path)?);
        }
        Ok(Self { name: name.to_string(), said, place: Place::File(path.to_path_buf()) })
    }

    fn in_memory(name: &str, file: TensorFile) -> Result<Self, RunnerError> {
        let said = Said::of_file(&file)?;
        Ok(Self { name: name.to_string(), said, place: Place::Memory(file) })
    }

    fn in_folder(name: String, folder: &Path) -> Result<Self, RunnerError> {
        let io = |source| RunnerError::Io { path: folder.to_path_buf(), source };
        let names = files::names_in(folder).map_err(io)?;
        let file = files::choose(names.iter().map(String::as_str))
            .map_err(|reason| RunnerError::NoWeights { path: folder.to_path_buf(), reason })?;
        let said = Said::in_folder(folder)?;
        Ok(Self { name, said, place: Place::File(folder.join(file)) })
    }

    /// Reads the tensors.
    ///
    /// # Errors
    /// The file is not whole, or a value is not finite.
    pub fn read(&self) -> Result<TensorFile, RunnerError> {
        Ok(match &self.place {
            Place::Memory(file) => file.clone(),
            Place::File(path) => TensorFile::read(path)?,
        })
    }
}

/// Resolves a recipe that starts from a checkpoint: the defaults, then, if no `base` is named,
/// `default_base`, then what the checkpoint says of itself, then `base` and `overrides` as in
/// [`resolve`].
///
/// The checkpoint is the `model.weights` that these layers come to; in the recipe stands the name
/// that finds the very same again.
///
/// # Errors
/// As [`resolve`] and [`Pretrained::open`].
pub fn resolve_pretrained(
    default_base: &str,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let recipe = resolve(Some(base.unwrap_or(default_base)), overrides)?;
    if recipe.model.weights.is_empty() {
        return Ok(recipe);
    }
    let pretrained = Pretrained::open(&recipe.model.weights, registry)?;
    let said = pretrained.said.as_ref().map(Said::settings).unwrap_or_default();
    let below = base.is_none().then_some(default_base);
    let mut recipe = layered(below, said, base, overrides)?;
    recipe.model.weights = pretrained.name;
    Ok(recipe)
}

/// The name with its commit, and the folder with the files.
#[cfg(feature = "hub")]
fn fetch(id: &str, registry: &Registry) -> Result<(String, PathBuf), RunnerError> {
    let id = crate::hub::HubId::parse(id)?;
    let mut hub = crate::hub::Hub::from_env()?;
    hub.progress = registry.shows_downloads();
    let fetched = hub.fetch(&id)?;
    Ok((id.at(&fetched.commit).to_string(), fetched.folder))
}

#[cfg(not(feature = "hub"))]
fn fetch(id: &str, _: &Registry) -> Result<(String, PathBuf), RunnerError> {
    Err(RunnerError::NoHub { name: format!("{HUB}{id}") })
}

#[cfg(test)]
mod tests;

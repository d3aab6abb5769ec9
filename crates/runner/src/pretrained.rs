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

mod classes;
mod defaults;
mod said;
mod timm;
mod transformers;

use std::path::{Path, PathBuf};

use taper_model::weights::TensorFile;
use taper_run_folder::RunFolder;

use crate::adapted;
use crate::error::RunnerError;
use crate::hub;
use crate::recipe::{Recipe, layered, resolve};
use crate::registry::Registry;

pub(crate) use classes::{Match, head_classes, matches as same_classes, shortened};
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
            let (name, folder) = hub::model(id, registry.shows_downloads())?;
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
        if !path.exists() && is_like_hub(name) {
            return Err(RunnerError::PerhapsHub { name: name.to_string() });
        }
        let beside = path.with_file_name(taper_hub::CONFIG);
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
        let names = taper_hub::file_names(folder).map_err(io)?;
        let file = taper_hub::weights_file(names.iter().map(String::as_str))
            .map_err(|source| RunnerError::NoWeights { path: folder.to_path_buf(), source })?;
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
            Place::File(path) => match self.name.strip_prefix(HUB) {
                None => TensorFile::read(path)?,
                // Where the cache is on this machine is nobody's business.
                Some(_) => {
                    let file = path.file_name().unwrap_or_default().to_string_lossy();
                    TensorFile::read(path)?.with_origin(format!("{}, {file}", self.name))
                }
            },
        })
    }
}

/// Resolves a recipe that starts from a checkpoint: the defaults; then, if no `base` is named, those for
/// the net and the method (`default_base` for a net that is for digits); then what the checkpoint says of
/// itself, and where it does not say how images are prepared, what is usual for its net; then `base` and
/// `overrides` as in [`resolve`].
///
/// The checkpoint is the `model.weights` that these layers come to; in the recipe stands the name
/// that finds the very same again. Another net than that of `default_base` starts from no weights
/// unless they are named.
///
/// # Errors
/// As [`resolve`] and [`Pretrained::open`]; nothing says what net the checkpoint is of.
pub fn resolve_pretrained(
    default_base: &str,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let named = |key: &str| overrides.iter().any(|(name, _)| name == key);
    let mut recipe = resolve(Some(base.unwrap_or(default_base)), overrides)?;
    let usual = resolve(Some(default_base), &[])?;
    let other_net = base.is_none() && recipe.model.net != usual.model.net;
    let mut overrides = overrides.to_vec();
    if other_net && !named("model.weights") {
        // The weights of the default recipe are another net's.
        overrides.insert(0, ("model.weights".to_string(), String::new()));
        recipe.model.weights = String::new();
    }
    let pretrained = match recipe.model.weights.as_str() {
        "" => None,
        name => Some(Pretrained::open(name, registry)?),
    };
    let said = pretrained.as_ref().and_then(|pretrained| pretrained.said.as_ref());
    if let (Some(pretrained), None, None, false) = (&pretrained, said, base, named("model.net")) {
        defaults::guess(pretrained, &recipe, registry)?;
    }
    let net = match said {
        Some(said) if !named("model.net") && base.is_none() => said.net.as_str(),
        _ => recipe.model.net.as_str(),
    };
    let info = registry.net(net)?;
    let mut layer = defaults::image(info).filter(|_| pretrained.is_some()).unwrap_or_default();
    if let Some(said) = said {
        defaults::overlay(&mut layer, said.settings());
    }
    let layer = match (base, info.prepared) {
        (None, Some(_)) => {
            let mut below = defaults::training(info, &recipe.method);
            defaults::overlay(&mut below, layer);
            below
        }
        _ => layer,
    };
    let below = (base.is_none() && info.prepared.is_none()).then_some(default_base);
    let mut resolved = layered(below, layer, base, &overrides)?;
    if let Some(pretrained) = &pretrained {
        resolved.model.weights.clone_from(&pretrained.name);
    }
    // The checkpoint's colours on grey images: their mean.
    if resolved.image.channels == 1 && !named("image.mean") && !named("image.std") {
        for values in [&mut resolved.image.mean, &mut resolved.image.std] {
            if let [r, g, b] = values[..] {
                *values = vec![(r + g + b) / 3.0];
            }
        }
    }
    Ok(resolved)
}

/// Whether a name is `OWNER/NAME`, and does not end as a file of weights does.
fn is_like_hub(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let parts: Vec<&str> = name.split('/').collect();
    let is_file = [".safetensors", ".pth", ".pt", ".bin", ".json", ".th", ".h5", ".keras"];
    parts.len() == 2
        && parts.into_iter().all(is_part)
        && !is_file.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests;

//! A checkpoint to start from: where a name finds it.
//!
//! | name | what is read |
//! | --- | --- |
//! | a name | weights that [`Models`] has |
//! | `hub:OWNER/NAME[@REVISION]` | a repository of the Hugging Face Hub |
//! | a folder | a run of ours, or a folder as the Hub has it: weights, `config.json` |
//! | a file | safetensors, PyTorch's `.pth` or `.bin`, or the index of several |

use std::path::{Path, PathBuf};

use taper_hub::{CONFIG, file_names, weights_file};
use taper_model::weights::TensorFile;
use taper_untrusted::checksums::TEXT;

use crate::adapter::AdapterRun;
use crate::classes::shortened;
use crate::error::PretrainedError;
use crate::json;
use crate::likely_net::likely_nets;
use crate::metadata::CheckpointMetadata;
use crate::models::Models;
use crate::read::{check_inside, in_file, read_config};

/// What a name of the Hub begins with.
const HUB: &str = "hub:";

/// A checkpoint that has been found; its tensors are read by [`Pretrained::read`].
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The name that finds the same checkpoint again: as given, but for the Hub's with the commit.
    pub name: String,
    /// What the checkpoint says of itself, if it does.
    pub metadata: Option<CheckpointMetadata>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// Read already, to see what it says of itself; where its configuration would be.
    Memory(TensorFile, PathBuf),
    File(PathBuf),
}

impl Pretrained {
    /// Finds a checkpoint; what the Hub has and the cache has not is downloaded. Of a run that ended in an
    /// adapter it is merged into the weights beside which it was trained.
    ///
    /// # Errors
    /// Nothing is there, or what it says of itself cannot be understood.
    pub fn open(name: &str, models: &Models) -> Result<Self, PretrainedError> {
        if let Some(bytes) = models.weights(name) {
            return Self::in_memory(
                name.to_string(),
                TensorFile::from_bytes(bytes, name)?,
                name.into(),
            );
        }
        if let Some(id) = name.strip_prefix(HUB) {
            let (name, folder) = fetch(id, models)?;
            return Self::in_folder(name, &folder);
        }
        let path = Path::new(name);
        if !path.exists() && is_like_hub(name) {
            return Err(PretrainedError::PerhapsHub { name: name.to_string() });
        }
        Self::open_path(path, models)
    }

    /// As [`open`](Self::open), of a path alone, whatever it is called.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_path(path: &Path, models: &Models) -> Result<Self, PretrainedError> {
        let name = path.display().to_string();
        if AdapterRun::is_one(path) {
            let metadata = read_config(path)?;
            let file = merged(path, metadata.as_ref(), models)?;
            return Ok(Self { name, metadata, place: Place::Memory(file, path.join(CONFIG)) });
        }
        if path.is_dir() {
            return Self::in_folder(name, path);
        }
        let metadata = read_config(path.parent().unwrap_or(Path::new("")))?;
        if !path.exists() {
            let known = models.weights_names().map(String::from).collect();
            return Err(PretrainedError::NoSuchWeights { path: path.to_path_buf(), known });
        }
        Self::at(name, path.to_path_buf(), metadata)
    }

    /// That nothing says what net this is of; with the nets of `models` whose tensors it seems to hold.
    pub fn no_net(&self, models: &Models) -> PretrainedError {
        let file = self.read("");
        let likely = file.map_or(Vec::new(), |file| likely_nets(&file, models.nets()));
        PretrainedError::NoNet { weights: self.name.clone(), silence: self.silence(), likely }
    }

    /// Why nothing is known of the net: what stands beside the weights, in words.
    pub fn silence(&self) -> String {
        let (Place::File(path) | Place::Memory(_, path)) = &self.place;
        let keys = match json::read(&path.with_file_name(CONFIG), TEXT) {
            Ok(serde_json::Value::Object(keys)) => keys,
            _ => {
                return "the file carries nothing of Taper's, and no config.json is beside it"
                    .into();
            }
        };
        let keys: Vec<_> = keys.keys().cloned().collect();
        format!(
            "its config.json has neither `architecture` (as timm's) nor `model_type` (as transformers'), but {}",
            shortened(&keys)
        )
    }

    fn in_memory(name: String, file: TensorFile, path: PathBuf) -> Result<Self, PretrainedError> {
        let metadata = in_file(&file)?;
        Ok(Self { name, metadata, place: Place::Memory(file, path) })
    }

    /// Weights of which the configuration beside them has said what it can.
    fn at(
        name: String,
        path: PathBuf,
        metadata: Option<CheckpointMetadata>,
    ) -> Result<Self, PretrainedError> {
        // Our own files carry it inside, too.
        if metadata.is_none() && path.extension().is_some_and(|e| e == "safetensors") {
            let file = named(&name, &path, TensorFile::read(&path)?);
            return Self::in_memory(name, file, path);
        }
        Ok(Self { name, metadata, place: Place::File(path) })
    }

    fn in_folder(name: String, folder: &Path) -> Result<Self, PretrainedError> {
        let names = file_names(folder).map_err(PretrainedError::io(folder))?;
        let file = weights_file(names.iter().map(String::as_str))
            .map_err(|source| PretrainedError::NoWeights { path: folder.to_path_buf(), source })?;
        Self::at(name, folder.join(file), read_config(folder)?)
    }

    /// Reads the tensors; of a file with several state dicts those under `state_key`, which may be empty
    /// (see [`TensorFile::read_state`]).
    ///
    /// # Errors
    /// The file is not whole, or a value is not finite; nothing says which weights to take; the configuration beside
    /// weights of ours is not the one that they carry.
    pub fn read(&self, state_key: &str) -> Result<TensorFile, PretrainedError> {
        let path = match &self.place {
            Place::Memory(file, _) => return Ok(file.clone().state(state_key)?),
            Place::File(path) => path,
        };
        let file = named(&self.name, path, TensorFile::read_state(path, state_key)?);
        if let Some(metadata) = &self.metadata {
            check_inside(metadata, &path.with_file_name(CONFIG), &file)?;
        }
        Ok(file)
    }
}

/// Tensors by the name that errors tell: where the cache of the Hub is on this machine is nobody's business.
fn named(name: &str, path: &Path, file: TensorFile) -> TensorFile {
    match name.starts_with(HUB) {
        true => {
            let of = path.file_name().unwrap_or_default().to_string_lossy();
            file.with_origin(format!("{name}, {of}"))
        }
        false => file,
    }
}

/// The weights of a run that ended in an adapter, merged into those that it started from.
fn merged(
    run: &Path,
    metadata: Option<&CheckpointMetadata>,
    models: &Models,
) -> Result<TensorFile, PretrainedError> {
    let path = run.join(CONFIG);
    let silent = || PretrainedError::config(&path)("it does not say what net this is".to_string());
    let metadata = metadata.ok_or_else(silent)?;
    let info = models.net(&metadata.net)?;
    let net_config = metadata.model_config(info, &path)?.net_config();
    let adapter = AdapterRun::open(run)?;
    check_inside(metadata, &path, adapter.tensors())?;
    let without_base = |error| adapter.without_base(&error);
    let base = Pretrained::open(&adapter.base()?, models).map_err(without_base)?;
    let file = base.read(adapter.state_key()).map_err(without_base)?;
    let built_for = base.metadata.and_then(|metadata| metadata.built_for);
    adapter.merge(file, built_for, info, &net_config)
}

/// Whether a name is `OWNER/NAME`, and does not end as a file of weights does.
fn is_like_hub(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let parts: Vec<&str> = name.split('/').collect();
    let is_file =
        [".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".json", ".th", ".h5", ".keras"];
    parts.len() == 2
        && parts.into_iter().all(is_part)
        && !is_file.iter().any(|ending| name.ends_with(ending))
}

/// The name with its commit, and the folder with the files.
#[cfg(feature = "hub")]
fn fetch(id: &str, models: &Models) -> Result<(String, PathBuf), PretrainedError> {
    use taper_hub::{Hub, HubError, HubId};

    let id = HubId::parse(id).map_err(HubError::from)?;
    let fetched = Hub::from_env()?.fetch(&id, &mut |event| {
        if let Some(listener) = &models.on_download {
            listener(event);
        }
    })?;
    Ok((id.at(&fetched.commit).to_string(), fetched.folder))
}

#[cfg(not(feature = "hub"))]
fn fetch(id: &str, _: &Models) -> Result<(String, PathBuf), PretrainedError> {
    Err(PretrainedError::NoHub { name: format!("{HUB}{id}") })
}

#[cfg(test)]
mod tests;

//! Reading a checkpoint, whatever program wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::error::WeightsError;
use super::pickle;
use super::tensor_file::{FileTensor, TensorFile};

/// How the index of a sharded checkpoint's file name ends, as in `model.safetensors.index.json`.
const INDEX_SUFFIX: &str = ".index.json";

/// The index of a sharded checkpoint.
#[derive(Deserialize)]
struct Index {
    /// The file that each tensor is in, by the tensor's name.
    weight_map: BTreeMap<String, String>,
}

impl TensorFile {
    /// Reads the checkpoint at `path`: a safetensors file, a file of PyTorch's (`.pth`, `.bin`), or
    /// the index of several of either (`….index.json`, as the Hub has them).
    ///
    /// What a file is shows in its first bytes, not in its name. Of a PyTorch file the state dict is
    /// taken, at the top or under `state_dict`, `model_state_dict` or `model`; nothing in it is
    /// executed.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Read`], [`WeightsError::Malformed`] for a file that is cut short or of another format,
    /// [`WeightsError::Pickle`], [`WeightsError::Keras`], [`WeightsError::Index`],
    /// [`WeightsError::NonFinite`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let unreadable = |source| WeightsError::Read { path: path.to_path_buf(), source };
        if path.to_string_lossy().ends_with(INDEX_SUFFIX) {
            return read_shards(path);
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref().take(16).read_to_end(&mut bytes).map_err(unreadable)?;
        // A safetensors file begins with the length of its header, then the header's brace.
        if bytes.get(8) != Some(&b'{') {
            if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
                return Err(WeightsError::Keras { file: path.display().to_string() });
            }
            if pickle::is_archive(&bytes) {
                return pickle::read(path);
            }
            if pickle::is_old(&bytes) {
                return Err(WeightsError::Pickle {
                    file: path.display().to_string(),
                    reason:
                        "it is written as before PyTorch 1.6; load it with torch.load there and \
                             save it again, best as safetensors"
                            .to_string(),
                });
            }
        }
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }
}

/// Reads all files that the index at `path` names, which lie beside it.
fn read_shards(path: &Path) -> Result<TensorFile, WeightsError> {
    let bytes = std::fs::read(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let origin = path.display().to_string();
    let wrong = |reason: String| WeightsError::Index { file: origin.clone(), reason };
    let Index { weight_map } = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
    if weight_map.is_empty() {
        return Err(wrong("its `weight_map` is empty".to_string()));
    }
    let files: BTreeSet<&String> = weight_map.values().collect();
    if let Some(name) = files.iter().find(|name| !is_plain(name)) {
        return Err(wrong(format!("{name:?} must be a file name in the same folder")));
    }
    if let Some(name) = files.iter().find(|name| name.ends_with(INDEX_SUFFIX)) {
        return Err(wrong(format!("{name:?} is an index itself, expected files of tensors")));
    }
    let mut tensors: BTreeMap<String, FileTensor> = BTreeMap::new();
    for file in files {
        let shard = TensorFile::read(path.with_file_name(file))?;
        for (name, tensor) in shard.tensors {
            // A tensor that the index lacks is kept, so that the report names it.
            if weight_map.get(&name).is_none_or(|named| named == file) {
                tensors.insert(name, tensor);
            }
        }
    }
    match weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => Ok(TensorFile { origin, tensors, metadata: BTreeMap::new() }),
        Some((name, file)) => {
            Err(wrong(format!("`{name}` is not in {file}, where it is said to be")))
        }
    }
}

/// Whether a name names a file in the folder at hand, on every system.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':'])
        && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use tempfile::tempdir;

    use super::*;

    fn write(path: &Path, names: &[&str]) {
        let tensor = Tensor::ones((2, 3), DType::F32, &Device::Cpu).unwrap();
        let tensors: std::collections::HashMap<_, _> =
            names.iter().map(|name| (name.to_string(), tensor.clone())).collect();
        candle_core::safetensors::save(&tensors, path).unwrap();
    }

    fn read_index(shards: &[(&str, &[&str])], index: &str) -> Result<TensorFile, String> {
        let folder = tempdir().unwrap();
        for (file, names) in shards {
            write(&folder.path().join(file), names);
        }
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(&path, index).unwrap();
        TensorFile::read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn all_shards_are_one_file() {
        let shards: [(&str, &[&str]); 2] =
            [("1.safetensors", &["a", "b"]), ("2.safetensors", &["c"])];
        let index = r#"{"metadata": {"total_size": 72},
            "weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}}"#;
        let file = read_index(&shards, index).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_tensor_that_the_index_does_not_know_of_is_kept() {
        let shards: [(&str, &[&str]); 1] = [("1.safetensors", &["a", "b"])];
        let file = read_index(&shards, r#"{"weight_map": {"a": "1.safetensors"}}"#).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_shard_that_is_missing_is_an_error_with_its_name() {
        let error = read_index(&[], r#"{"weight_map": {"a": "1.safetensors"}}"#).unwrap_err();
        assert!(error.contains("1.safetensors: the file does not exist"), "{error}");
    }

    #[test]
    fn a_tensor_that_its_shard_lacks_is_an_error() {
        let shards: [(&str, &[&str]); 1] = [("1.safetensors", &["a"])];
        let index = r#"{"weight_map": {"a": "1.safetensors", "b": "1.safetensors"}}"#;
        let error = read_index(&shards, index).unwrap_err();
        assert!(error.ends_with("`b` is not in 1.safetensors, where it is said to be"), "{error}");
    }

    #[test]
    fn a_shard_outside_the_folder_is_refused() {
        for name in ["../x", "/etc/passwd", "a/b", "..", "C:x", "a\\\\b", "", "a\\u0000b"] {
            let index = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
            let error = read_index(&[], &index).unwrap_err();
            assert!(error.contains("must be a file name in the same folder"), "{name}: {error}");
        }
    }

    #[test]
    fn an_index_of_an_index_is_refused() {
        let index = r#"{"weight_map": {"a": "model.safetensors.index.json"}}"#;
        let error = read_index(&[], index).unwrap_err();
        assert!(error.contains("is an index itself"), "{error}");
    }

    #[test]
    fn what_is_no_index_is_an_error() {
        for json in ["", "[]", "{}", r#"{"weight_map": 3}"#, r#"{"weight_map": {}}"#] {
            let error = read_index(&[], json).unwrap_err();
            assert!(
                error.contains("is not a valid index of a sharded checkpoint"),
                "{json}: {error}"
            );
        }
    }
}

//! A checkpoint in several files, and the index that says which tensor is in which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::WeightsError;
use super::file::{FileTensor, TensorFile};

/// How the index of a sharded checkpoint's file name ends, as in `model.safetensors.index.json`.
pub const INDEX_SUFFIX: &str = ".index.json";

/// The index of a sharded checkpoint: `model.safetensors.index.json` or
/// `pytorch_model.bin.index.json`.
///
/// ```
/// use taper_model::weights::ShardIndex;
///
/// let json = br#"{ "weight_map": { "a": "one.safetensors", "b": "two.safetensors" } }"#;
/// let index = ShardIndex::from_bytes(json, "model.safetensors.index.json")?;
/// assert_eq!(index.files().collect::<Vec<_>>(), ["one.safetensors", "two.safetensors"]);
///
/// let hostile = br#"{ "weight_map": { "a": "../../.ssh/id_rsa" } }"#;
/// assert!(ShardIndex::from_bytes(hostile, "index").is_err());
/// # Ok::<(), taper_model::weights::WeightsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIndex {
    /// The file that each tensor is in, by the tensor's name.
    pub weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Written {
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index's bytes; `origin` names it in errors.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Index`] for JSON that is no index, and for a file name that would lead out of
    /// the index's own folder.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Self, WeightsError> {
        let wrong = |reason: String| WeightsError::Index { file: origin.to_string(), reason };
        let Written { weight_map } =
            serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        if weight_map.is_empty() {
            return Err(wrong("its `weight_map` is empty".to_string()));
        }
        if let Some(name) = weight_map.values().find(|name| !is_plain(name)) {
            return Err(wrong(format!("{name:?} is no name of a file beside it")));
        }
        Ok(Self { weight_map })
    }

    /// The names of the files, each once, in ascending order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.weight_map.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }
}

/// Reads all files that the index at `path` names, which lie beside it.
pub(super) fn read(path: &Path) -> Result<TensorFile, WeightsError> {
    let bytes = std::fs::read(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let origin = path.display().to_string();
    let index = ShardIndex::from_bytes(&bytes, &origin)?;
    let mut tensors: BTreeMap<String, FileTensor> = BTreeMap::new();
    for file in index.files() {
        let shard = TensorFile::read(path.with_file_name(file))?;
        for (name, tensor) in shard.tensors {
            // What the index does not know of is kept, so that it is told of, not lost.
            if index.weight_map.get(&name).is_none_or(|named| named == file) {
                tensors.insert(name, tensor);
            }
        }
    }
    match index.weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => Ok(TensorFile { origin, tensors, metadata: BTreeMap::new() }),
        Some((name, file)) => Err(WeightsError::Index {
            file: origin,
            reason: format!("`{name}` is not in {file}, where it is said to be"),
        }),
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
            assert!(error.contains("is no name of a file beside it"), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_no_index_is_an_error() {
        for json in ["", "[]", "{}", r#"{"weight_map": 3}"#, r#"{"weight_map": {}}"#] {
            let error = read_index(&[], json).unwrap_err();
            assert!(error.contains("is no index of a sharded checkpoint"), "{json}: {error}");
        }
    }
}

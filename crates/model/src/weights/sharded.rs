//! The index of a checkpoint in several files: which tensor is in which.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::error::WeightsError;

/// How the index of a sharded checkpoint's file name ends, as in `model.safetensors.index.json`.
pub(super) const INDEX_SUFFIX: &str = ".index.json";

/// The index of a sharded checkpoint: `model.safetensors.index.json` or
/// `pytorch_model.bin.index.json`.
#[derive(Deserialize)]
pub(super) struct ShardIndex {
    /// The file that each tensor is in, by the tensor's name.
    pub weight_map: BTreeMap<String, String>,
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
        let index: Self = serde_json::from_slice(bytes).map_err(|e| wrong(e.to_string()))?;
        let weight_map = &index.weight_map;
        if weight_map.is_empty() {
            return Err(wrong("its `weight_map` is empty".to_string()));
        }
        if let Some(name) = weight_map.values().find(|name| !is_plain(name)) {
            return Err(wrong(format!("{name:?} must be a file name in the same folder")));
        }
        if let Some(name) = weight_map.values().find(|name| name.ends_with(INDEX_SUFFIX)) {
            return Err(wrong(format!("{name:?} is an index itself, expected files of tensors")));
        }
        Ok(index)
    }

    /// The names of the files, each once, in ascending order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.weight_map.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }
}

/// Whether a name names a file in the folder at hand, on every system.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(['/', '\\', ':'])
        && !name.contains(char::is_control)
}

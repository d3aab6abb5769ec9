//! Which files of a repository or folder are needed.

#[cfg(feature = "download")]
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
#[cfg(feature = "download")]
use taper_untrusted::json;

/// The file with what a checkpoint says of itself.
pub const CONFIG: &str = "config.json";
/// The file with transformers' preprocessing of images.
pub const PREPROCESSOR: &str = "preprocessor_config.json";

/// The usual names of weights, in order of preference.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The endings of other weights' names, in order of preference.
const ENDINGS: [&str; 7] = [".safetensors", ".pth", ".pt", ".bin", ".pth.tar", ".ckpt", ".th"];

/// The files that an error names of a folder that has no weights.
const LISTED: usize = 6;

/// Files with such an ending that are not the model's weights.
const OTHERS: [&str; 5] = ["adapter_model", "optimizer", "scheduler", "training_args", "rng_state"];

/// The most bytes of a file that is no weights and no data: a configuration, an index.
#[cfg(feature = "download")]
pub(crate) const SMALL: u64 = 64 << 20;

/// The ending of an index of a checkpoint in several files.
#[cfg(feature = "download")]
const INDEX_SUFFIX: &str = ".index.json";

/// A folder without weights, or with too many to choose from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsFileError {
    /// No file can be the weights.
    #[error(
        "has no weights: expected {}, or one file that ends in {}{}",
        WEIGHTS.join(", "),
        ENDINGS.join(", "),
        listed(found)
    )]
    Missing {
        /// The files that there are, sorted.
        found: Vec<String>,
    },
    /// Several files can be the weights.
    #[error("has several weights files: {}; name one of them", names.join(", "))]
    Several {
        /// Their names, sorted.
        names: Vec<String>,
    },
}

fn listed(found: &[String]) -> String {
    match found.split_at_checked(LISTED) {
        _ if found.is_empty() => String::new(),
        Some((first, [_, ..])) => format!("; it has {}, …", first.join(", ")),
        _ => format!("; it has {}", found.join(", ")),
    }
}

/// The file with the weights among the names of a folder's files; names in subfolders are skipped.
///
/// A usual name wins (`model.safetensors`, its index, `pytorch_model.bin`, its index); else the one
/// file that ends in `.safetensors`, `.pth`, `.pt`, `.bin`, `.pth.tar`, `.ckpt` or `.th`, or of several
/// that are called the same the first in this order.
///
/// ```
/// let names = ["README.md", "config.json", "pytorch_model.bin", "model.safetensors"];
/// assert_eq!(taper_hub::weights_file(names)?, "model.safetensors");
/// # Ok::<(), taper_hub::WeightsFileError>(())
/// ```
///
/// # Errors
/// None is there, or several are.
pub fn weights_file<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<String, WeightsFileError> {
    let names: Vec<&str> = names.into_iter().filter(|name| !name.contains('/')).collect();
    if let Some(name) = WEIGHTS.iter().find(|name| names.contains(name)) {
        return Ok(name.to_string());
    }
    let other = |name: &str| OTHERS.iter().any(|other| name.starts_with(other));
    let mut found: Vec<(&str, usize)> = Vec::new();
    for name in names.iter().filter(|name| !other(name)) {
        let stem = |ending: &&str| name.strip_suffix(*ending);
        if let Some((place, stem)) =
            ENDINGS.iter().enumerate().find_map(|(place, ending)| Some((place, stem(ending)?)))
        {
            found.push((stem, place));
        }
    }
    found.sort_unstable();
    let name = |(stem, place): &(&str, usize)| format!("{stem}{}", ENDINGS[*place]);
    match found.as_slice() {
        [] => {
            let mut found: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            found.sort_unstable();
            Err(WeightsFileError::Missing { found })
        }
        [first, rest @ ..] if rest.iter().all(|(stem, _)| *stem == first.0) => Ok(name(first)),
        several => {
            let mut names: Vec<String> = several.iter().map(name).collect();
            names.sort_unstable();
            Err(WeightsFileError::Several { names })
        }
    }
}

/// The names of the files in a folder; empty for a folder that does not exist.
///
/// # Errors
/// The folder cannot be read.
pub fn file_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.push(name.to_string());
        }
    }
    Ok(names)
}

/// Whether a `config.json` is transformers', which keeps the preprocessing in [`PREPROCESSOR`].
pub fn is_transformers(config: &Value) -> bool {
    config.get("architecture").is_none() && config.get("model_type").is_some()
}

/// Whether the `config.json` in a folder is transformers'.
#[cfg(feature = "download")]
pub(crate) fn wants_preprocessor(folder: &Path) -> bool {
    let text = taper_untrusted::files::read(&folder.join(CONFIG), SMALL).unwrap_or_default();
    json::value(&text).is_ok_and(|config| is_transformers(&config))
}

/// Whether a weights file is the index of several.
#[cfg(feature = "download")]
pub(crate) fn is_index(weights: &str) -> bool {
    weights.ends_with(INDEX_SUFFIX)
}

/// The file names in the index of a checkpoint in several files, each once, in ascending order; an
/// error says why the bytes are not an index.
#[cfg(feature = "download")]
pub(crate) fn shard_names(index: &[u8]) -> Result<BTreeSet<String>, String> {
    let index = json::value(index).map_err(|e| e.to_string())?;
    let map = index["weight_map"].as_object().filter(|map| !map.is_empty());
    let map = map.ok_or("it has no `weight_map`, or an empty one")?;
    let plain =
        |name: &str| crate::id::stays_inside(name) && !name.contains('/') && !name.starts_with('.');
    map.values()
        .map(|name| match name.as_str().filter(|name| plain(name)) {
            Some(name) => Ok(name.to_string()),
            None => Err(format!("{name} must be a file name in the same folder")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_found_by_their_name_the_best_first() {
        let chosen = |names: &[&str]| weights_file(names.iter().copied());
        let both = ["pytorch_model.bin", "config.json", "model.safetensors"];
        assert_eq!(chosen(&both).unwrap(), "model.safetensors");
        let sharded = ["model-00001-of-00002.safetensors", "model.safetensors.index.json"];
        assert_eq!(chosen(&sharded).unwrap(), "model.safetensors.index.json");
        assert_eq!(chosen(&["resnet.pth", "training_args.bin"]).unwrap(), "resnet.pth");
        assert_eq!(chosen(&["onnx/model.safetensors", "a.bin"]).unwrap(), "a.bin");
        let error = chosen(&["b.safetensors", "a.safetensors"]).unwrap_err().to_string();
        let several = "has several weights files: a.safetensors, b.safetensors; name one of them";
        assert_eq!(error, several);
        // The same weights in two formats are one choice, others are another.
        assert_eq!(chosen(&["a.bin", "a.safetensors", "a.pth.tar"]).unwrap(), "a.safetensors");
        assert_eq!(chosen(&["model_best.pth.tar", "args.yaml"]).unwrap(), "model_best.pth.tar");
        let error = chosen(&["a.safetensors", "ema.pth"]).unwrap_err().to_string();
        assert!(error.starts_with("has several weights files: a.safetensors, ema.pth"), "{error}");
        let error = chosen(&["README.md", "adapter_model.safetensors"]).unwrap_err().to_string();
        assert!(error.starts_with("has no weights: expected model.safetensors"), "{error}");
        assert!(error.ends_with("; it has README.md, adapter_model.safetensors"), "{error}");
        let error = chosen(&["a", "b", "c", "d", "e", "f", "g"]).unwrap_err().to_string();
        assert!(error.ends_with("; it has a, b, c, d, e, f, …"), "{error}");
        assert!(chosen(&[]).unwrap_err().to_string().ends_with(".ckpt, .th"));
    }

    #[cfg(feature = "download")]
    #[test]
    fn an_index_names_files_of_its_own_folder_or_is_an_error() {
        let json = br#"{"weight_map": {"a": "2.bin", "b": "1.bin", "c": "2.bin"}}"#;
        assert_eq!(shard_names(json).unwrap().into_iter().collect::<Vec<_>>(), ["1.bin", "2.bin"]);
        for name in ["../x", "/etc/passwd", "a/b", "..", ".x", "C:x", "a\\\\b", "", "a\\u0000b"] {
            let json = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
            let error = shard_names(json.as_bytes()).unwrap_err();
            assert!(error.ends_with("must be a file name in the same folder"), "{name}: {error}");
        }
        for json in ["", "[]", "{}", r#"{"weight_map": 3}"#, r#"{"weight_map": {}}"#] {
            assert!(shard_names(json.as_bytes()).is_err(), "{json}");
        }
    }
}

//! Which files of a repository or folder are needed.

use std::path::Path;

/// What the checkpoint says of itself.
pub(crate) const CONFIG: &str = "config.json";
/// How transformers prepares images.
pub(crate) const PREPROCESSOR: &str = "preprocessor_config.json";

/// The names that weights have by custom, the best first.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// How the names of other weights end, the best first.
const ENDINGS: [&str; 4] = [".safetensors", ".pth", ".pt", ".bin"];

/// What ends like weights and is none.
const OTHERS: [&str; 5] = ["adapter_model", "optimizer", "scheduler", "training_args", "rng_state"];

/// The weights among the names of a folder's files; names in folders below are passed over.
pub(crate) fn choose<'a>(names: impl Iterator<Item = &'a str>) -> Result<String, String> {
    let names: Vec<&str> = names.filter(|name| !name.contains('/')).collect();
    if let Some(name) = WEIGHTS.iter().find(|name| names.contains(name)) {
        return Ok(name.to_string());
    }
    for ending in ENDINGS {
        let other = |name: &str| OTHERS.iter().any(|other| name.starts_with(other));
        let mut found: Vec<&str> =
            names.iter().copied().filter(|name| name.ends_with(ending) && !other(name)).collect();
        found.sort_unstable();
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one.to_string()),
            many => return Err(format!("has several weights files: {}", many.join(", "))),
        }
    }
    Err(format!(
        "has no weights: expected {}, or one file that ends in {}",
        WEIGHTS.join(", "),
        ENDINGS.join(", ")
    ))
}

/// The names of the files in a folder; none for a folder that does not exist.
pub(crate) fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
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

/// Whether the `config.json` in a folder is one of transformers, which says elsewhere how images are
/// prepared.
#[cfg(feature = "hub")]
pub(crate) fn wants_preprocessor(folder: &Path) -> bool {
    let text = std::fs::read(folder.join(CONFIG)).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|config| is_transformers(&config))
}

/// Whether a configuration is transformers'.
pub(crate) fn is_transformers(config: &serde_json::Value) -> bool {
    config.get("architecture").is_none() && config.get("model_type").is_some()
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn weights_are_found_by_their_name_the_best_first() {
        let chosen = |names: &[&str]| choose(names.iter().copied());
        let both = ["pytorch_model.bin", "config.json", "model.safetensors"];
        assert_eq!(chosen(&both).unwrap(), "model.safetensors");
        let sharded = ["model-00001-of-00002.safetensors", "model.safetensors.index.json"];
        assert_eq!(chosen(&sharded).unwrap(), "model.safetensors.index.json");
        assert_eq!(chosen(&["resnet.pth", "training_args.bin"]).unwrap(), "resnet.pth");
        assert_eq!(chosen(&["onnx/model.safetensors", "a.bin"]).unwrap(), "a.bin");
        let error = chosen(&["b.safetensors", "a.safetensors"]).unwrap_err();
        assert_eq!(error, "has several weights files: a.safetensors, b.safetensors");
        let error = chosen(&["README.md", "adapter_model.safetensors"]).unwrap_err();
        assert!(error.starts_with("has no weights: expected model.safetensors"), "{error}");
    }
}

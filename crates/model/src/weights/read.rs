//! Reading a checkpoint, whatever program wrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use taper_untrusted::checksums::{self, TEXT};
use taper_untrusted::{files, json};

use super::error::WeightsError;
use super::pickle;
use super::state_key::TOP;
use super::tensor_file::{FileTensor, TensorFile};

/// How the index of a sharded checkpoint's file name ends, as in `model.safetensors.index.json`.
const INDEX_SUFFIX: &str = ".index.json";

/// The first bytes of a file that say what it is.
const START: u64 = 512;

/// Where the bytes stand that show a format, the bytes, and what to do about such a file.
type Format = (usize, &'static [u8], &'static str);

/// What weights are met as that cannot be read as they are.
const FORMATS: &[Format] = &[
    (0, b"\x1f\x8b", "compressed by gzip; unpack it first"),
    (0, b"BZh", "compressed by bzip2; unpack it first"),
    (0, b"\xfd7zXZ", "compressed by xz; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS in place of the file; `git lfs pull` fetches it",
    ),
    (0, b"<", "a web page or XML; the download may have given an error's page"),
    (0, b"\x93NUMPY", "a NumPy array; expected safetensors or what torch.save writes"),
    (0, b"GGUF", "a GGUF file; expected safetensors or what torch.save writes"),
    (
        257,
        b"ustar",
        "a tar archive: what PyTorch wrote before 0.1.10, or files packed together; unpack those, or save \
         it again by torch.load and torch.save",
    ),
];

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
    /// What a file is shows in its first bytes, not in its name; PyTorch's files from before 1.6 are read,
    /// too. Of a PyTorch file the dictionary of tensors is taken, wherever it stands; of several the one
    /// that says that its weights are averaged (`state_dict_ema`, `ema.state_dict`), as timm does it, else
    /// the one under `state_dict`, `model_state_dict` or `model`. [`notes`](Self::notes) tell of the
    /// choice, [`read_state`](Self::read_state) makes another. Nothing in the file is executed.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Read`], also for a file that is not as [`checksums`] beside it say,
    /// [`WeightsError::Malformed`] for a file that is cut short,
    /// [`WeightsError::OtherFormat`], [`WeightsError::Pickle`], [`WeightsError::SeveralStates`],
    /// [`WeightsError::Keras`], [`WeightsError::Index`], [`WeightsError::NonFinite`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        Self::read_state(path, "")
    }

    /// As [`read`](Self::read), the weights under `key`: keys of dictionaries, or of names, with dots
    /// between, as in `ema.state_dict`; `.` for those under none; empty for what `read` takes.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); [`WeightsError::NoState`].
    pub fn read_state(path: impl AsRef<Path>, key: &str) -> Result<Self, WeightsError> {
        let path = path.as_ref();
        let unreadable = |source| WeightsError::Read { path: path.to_path_buf(), source };
        if path.to_string_lossy().ends_with(INDEX_SUFFIX) {
            return read_shards(path)?.state(key);
        }
        let mut file = files::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.by_ref().take(START).read_to_end(&mut bytes).map_err(unreadable)?;
        // A safetensors file begins with the length of its header, then the header's brace.
        if bytes.get(8) != Some(&b'{') {
            if bytes.starts_with(b"\x89HDF\r\n\x1a\n") {
                return Err(WeightsError::Keras { file: path.display().to_string() });
            }
            if pickle::is_archive(&bytes) || pickle::is_pickle(&bytes) {
                checksums::verify_file(path).map_err(unreadable)?;
                return pickle::read(path, key);
            }
            let is_it =
                |(at, start, _): &&Format| bytes.get(*at..).is_some_and(|b| b.starts_with(start));
            if let Some((_, _, what)) = FORMATS.iter().find(is_it) {
                return Err(WeightsError::OtherFormat { file: path.display().to_string(), what });
            }
        }
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        checksums::verify(path, &bytes).map_err(unreadable)?;
        Self::from_bytes(&bytes, &path.display().to_string())?.state(key)
    }

    /// Of a file whose names say more than the net's, the tensors whose names begin with `key` and a
    /// dot, by the rest of their names; all for an empty key, and for `.`, with which those of the net's
    /// own names are taken though others under a prefix are there, too.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NoState`] where no name begins so.
    pub fn state(self, key: &str) -> Result<Self, WeightsError> {
        if key.is_empty() {
            return Ok(self);
        }
        if key == TOP {
            return Ok(Self { at_top: true, ..self });
        }
        let file = self.origin.clone();
        self.under(key).map_err(|known| WeightsError::NoState { file, key: key.to_string(), known })
    }
}

/// The most tensors of all shards together; one file has room in its header for about as many.
const TENSORS: usize = 1 << 18;

/// Reads all files that the index at `path` names, which lie beside it.
fn read_shards(path: &Path) -> Result<TensorFile, WeightsError> {
    let bytes = checksums::read(path, TEXT)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let origin = path.display().to_string();
    let wrong = |reason: String| WeightsError::Index { file: origin.clone(), reason };
    let index = json::read(&bytes, json::MOST);
    let Index { weight_map } = index.map_err(|e| wrong(e.to_string()))?;
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
        let found = tensors.len() + shard.tensors.len();
        if found > TENSORS {
            return Err(wrong(format!("its files have {found} tensors, the limit is {TENSORS}")));
        }
        for (name, tensor) in shard.tensors {
            // A tensor that the index lacks is kept, so that the report names it.
            if weight_map.get(&name).is_none_or(|named| named == file) {
                tensors.insert(name, tensor);
            }
        }
    }
    match weight_map.iter().find(|(name, _)| !tensors.contains_key(*name)) {
        None => {
            let (metadata, notes) = (BTreeMap::new(), Vec::new());
            Ok(TensorFile { origin, tensors, metadata, notes, at_top: false })
        }
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
    fn a_pickle_that_is_not_the_listed_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pth");
        std::fs::write(&path, b"\x80\x02}.").unwrap();
        let told = |sums: &str| {
            std::fs::write(folder.path().join(checksums::SUMS), sums).unwrap();
            TensorFile::read(&path).unwrap_err().to_string()
        };
        let error = told(&checksums::line("model.pth", b"another"));
        assert!(error.contains("it is not the file that was written"), "{error}");
        assert!(!told(&checksums::line("model.pth", b"\x80\x02}.")).contains("was written"));
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

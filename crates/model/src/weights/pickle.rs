//! Reading PyTorch's own files: a zip archive with a pickled dictionary and a file for each storage.
//!
//! The pickle is read by candle's reader, which knows no code: it gives a description of what a
//! Python program would call, and of that only tensors are taken. What it is fed is bounded, so that
//! a hostile file ends in an error and not in the memory's end.
//!
//! The format is what `torch.save` writes since PyTorch 1.6 (`torch/serialization.py`,
//! `torch/_utils.py`).

mod state_dict;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use candle_core::{Device, Tensor};
use zip::ZipArchive;

use super::error::WeightsError;
use super::tensor_file::{FileTensor, TensorFile, check_finite};
use state_dict::{Described, Entry, state_dict};

/// The pickle itself, without the tensors, in bytes; that of a ResNet-18 has 40 thousand.
const PICKLE_LIMIT: u64 = 64 << 20;
/// Operations of a pickle; a tensor takes some 40.
const OPERATIONS_LIMIT: usize = 1 << 20;
/// Parts of an object that is kept for reuse. In a state dict these are names, types and sizes; a
/// large one that is reused again and again would double the memory each time.
const REUSED_LIMIT: usize = 1 << 10;
/// Reading and dropping are recursive in the depth of the pickle, which the operations bound.
const STACK: usize = 1 << 30;

/// Whether a file that begins so is a zip archive.
pub(super) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// Whether a file that begins so is a pickle of the time before PyTorch 1.6.
pub(super) fn is_old(start: &[u8]) -> bool {
    start.starts_with(&[0x80, 2, 0x8a, 0x0a])
}

/// Reads the state dict in the file at `path`.
pub(super) fn read(path: &Path) -> Result<TensorFile, WeightsError> {
    let wrong = |reason: String| WeightsError::Pickle { file: path.display().to_string(), reason };
    // Deep nesting costs stack: the reader gets a thread with enough of it.
    let thread = std::thread::Builder::new().name("pickle".to_string()).stack_size(STACK);
    std::thread::scope(|scope| {
        let reader = thread.spawn_scoped(scope, || read_here(path));
        match reader.map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(wrong("its pickle cannot be read".to_string())),
            Err(error) => Err(wrong(error.to_string())),
        }
    })
}

fn read_here(path: &Path) -> Result<TensorFile, WeightsError> {
    let origin = path.display().to_string();
    let wrong = |reason: String| WeightsError::Pickle { file: origin.clone(), reason };
    let file = File::open(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| wrong(e.to_string()))?;
    let names = zip.file_names().map(|name| name.map(|name| name.into_owned()));
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    let is_data = |name: &&String| *name == "data.pkl" || name.ends_with("/data.pkl");
    let mut pickles = names.iter().filter(is_data);
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        // What `model.save("….keras")` writes.
        if names.iter().any(|name| name == "model.weights.h5") {
            return Err(WeightsError::Keras { file: origin });
        }
        return Err(wrong("it has no data.pkl; expected what torch.save writes".to_string()));
    };
    let root = pickle.trim_end_matches("data.pkl").to_string();
    if names.contains(&format!("{root}constants.pkl")) {
        return Err(wrong("it holds a TorchScript program; save its state_dict()".to_string()));
    }
    if let Ok(mut order) = zip.by_name(&format!("{root}byteorder")) {
        let mut text = String::new();
        if order.by_ref().take(16).read_to_string(&mut text).is_err() || text != "little" {
            return Err(wrong("its numbers are not little-endian".to_string()));
        }
    }

    let pickle = zip.by_name(pickle).map_err(|e| wrong(e.to_string()))?;
    if pickle.size() > PICKLE_LIMIT {
        return Err(wrong(format!("its pickle has {} bytes, too many", pickle.size())));
    }
    let object = unpickle(BufReader::new(pickle.take(PICKLE_LIMIT))).map_err(wrong)?;
    let entries = state_dict(object).map_err(wrong)?;

    let mut tensors = BTreeMap::new();
    // Tensors may share a storage, and those that do mostly follow one another.
    let mut storage: (String, Vec<u8>) = Default::default();
    for (name, entry) in entries {
        let tensor = match entry {
            Entry::Object => {
                FileTensor::Other { dtype: "no tensor".to_string(), shape: Vec::new() }
            }
            Entry::Tensor(Described { dtype, shape, .. }) if !dtype.is_float() => {
                FileTensor::Other { dtype: dtype.as_str().to_string(), shape }
            }
            Entry::Tensor(described) => {
                if storage.0 != described.storage || storage.1.is_empty() {
                    let path = format!("{root}data/{}", described.storage);
                    let mut bytes = Vec::new();
                    let mut entry =
                        zip.by_name(&path).map_err(|e| wrong(format!("{path}: {e}")))?;
                    entry.read_to_end(&mut bytes).map_err(|e| wrong(format!("{path}: {e}")))?;
                    storage = (described.storage.clone(), bytes);
                }
                let bytes = described.gather(&storage.1).map_err(|reason| {
                    wrong(format!("the tensor `{name}` cannot be read: {reason}"))
                })?;
                let (dtype, shape) = (described.dtype, described.shape);
                let tensor = Tensor::from_raw_buffer(&bytes, dtype, &shape, &Device::Cpu)?;
                check_finite(&tensor, &name, &origin)?;
                FileTensor::Float(tensor)
            }
        };
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(wrong(format!("it has two tensors `{name}`")));
        }
    }
    Ok(TensorFile { origin, tensors, metadata: BTreeMap::new() })
}

/// What a pickle describes.
fn unpickle(mut pickle: impl BufRead) -> Result<Object, String> {
    const STORE: [u8; 2] = [b'q', b'r'];
    let mut stack = Stack::empty();
    for _ in 0..OPERATIONS_LIMIT {
        let operation = *pickle
            .fill_buf()
            .map_err(|e| e.to_string())?
            .first()
            .ok_or("its pickle ends too soon")?;
        if STORE.contains(&operation)
            && let Some(object) = stack.stack().last()
            && parts(object, REUSED_LIMIT) == 0
        {
            return Err("its pickle reuses large objects, as no state dict does".to_string());
        }
        if stack.read(&mut pickle).map_err(|e| e.to_string())? {
            return stack.finalize().map_err(|e| e.to_string());
        }
    }
    Err("its pickle has too many operations".to_string())
}

/// What is left of `limit` after counting the parts of an object; 0 if it has more.
fn parts(object: &Object, limit: usize) -> usize {
    let limit = limit.saturating_sub(1);
    match (limit, object) {
        (0, _) => 0,
        (_, Object::Tuple(items) | Object::List(items)) => {
            items.iter().fold(limit, |limit, item| parts(item, limit))
        }
        (_, Object::Dict(items)) => {
            items.iter().fold(limit, |limit, (key, value)| parts(value, parts(key, limit)))
        }
        (_, Object::Reduce { callable, args } | Object::Build { callable, args }) => {
            parts(args, parts(callable, limit))
        }
        (_, Object::PersistentLoad(id)) => parts(id, limit),
        _ => limit,
    }
}

#[cfg(test)]
mod tests;

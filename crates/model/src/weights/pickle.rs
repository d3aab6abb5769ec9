//! Reading PyTorch's own files: a zip archive with a pickled dictionary and a file for each storage, or
//! what PyTorch wrote before 1.6, pickles and storages one after another.
//!
//! A pickle is a program, and this runs none: [`unpickle`](unpickle::unpickle) describes what it would
//! build, and of that only tensors are taken. What is read is bounded, so that a hostile file ends in an
//! error and not in the memory's end.
//!
//! The formats are what `torch.save` writes (`torch/serialization.py`, `torch/_utils.py`).

mod legacy;
mod state_dict;
mod unpickle;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use zip::ZipArchive;

use super::error::{WeightsError, listed};
use super::state_key::{TOP, choose};
use super::tensor_file::{FileTensor, TensorFile, check_finite};
use legacy::Legacy;
use state_dict::{Entry, State, Storage, contents, entries, states};
use unpickle::{NUMPY, Objects, unpickle};

/// The pickles themselves, without the tensors, in bytes; that of a ResNet-18 has 40 thousand.
const PICKLE_LIMIT: u64 = 64 << 20;

/// Whether a file that begins so is a zip archive.
pub(super) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// Whether a file that begins so is a pickle, as PyTorch's were before 1.6.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..])
}

/// A file's storages.
enum Storages {
    Archive { zip: ZipArchive<BufReader<File>>, root: String },
    Legacy(Legacy),
}

impl Storages {
    fn read(&mut self, storage: &Storage) -> Result<Vec<u8>, String> {
        match self {
            Self::Legacy(legacy) => legacy.read(storage),
            Self::Archive { zip, root } => {
                let path = format!("{root}data/{}", storage.name);
                let mut bytes = Vec::new();
                let entry = zip.by_name(&path).map_err(|e| format!("{path}: {e}"))?;
                // A few bytes may be packed that would fill the memory.
                let mut entry = entry.take(storage.bytes()?);
                entry.read_to_end(&mut bytes).map_err(|e| format!("{path}: {e}"))?;
                Ok(bytes)
            }
        }
    }
}

/// Reads a state dict in the file at `path`: the one under `key`, or if that is empty the one that there
/// is.
pub(super) fn read(path: &Path, key: &str) -> Result<TensorFile, WeightsError> {
    let origin = path.display().to_string();
    let wrong = |reason: String| WeightsError::Pickle { file: origin.clone(), reason };
    let mut file = File::open(path)
        .map_err(|source| WeightsError::Read { path: path.to_path_buf(), source })?;
    let mut start = [0; 4];
    file.read_exact(&mut start).map_err(|e| wrong(e.to_string()))?;
    let (objects, storages) = match is_archive(&start) {
        true => open_archive(file, &origin)?,
        false => {
            let (objects, legacy) = Legacy::open(file).map_err(wrong)?;
            (objects, Storages::Legacy(legacy))
        }
    };
    let states = states(&objects);
    let keys: Vec<&str> = states.iter().map(|state| state.key.as_str()).collect();
    if keys.is_empty() {
        return Err(wrong(contents(&objects)));
    }
    let (place, rest, note) = match key {
        "" => match choose(&keys) {
            Some(place) => (place, "", note(&keys, place)),
            None => {
                let keys = keys.into_iter().map(String::from).collect();
                return Err(WeightsError::SeveralStates { file: origin, keys });
            }
        },
        key => {
            let below = (0..keys.len()).filter_map(|at| Some((at, rest(key, keys[at])?)));
            let (place, rest) = below.max_by_key(|(at, _)| keys[*at].len()).unwrap_or((0, key));
            (place, rest, None)
        }
    };
    let mut file = tensors(&objects, &states[place], storages, origin)?;
    file.notes.extend(note);
    if rest.is_empty() {
        return Ok(file);
    }
    file.under(rest).map_err(|names| {
        let (file, key) = (path.display().to_string(), key.to_string());
        let keys: Vec<String> = keys.iter().map(|key| key.to_string()).collect();
        WeightsError::NoState { file, key, known: if keys == [TOP] { names } else { keys } }
    })
}

/// What is left of a key below that of a state dict; `None` if it is not below.
fn rest<'a>(key: &'a str, state: &str) -> Option<&'a str> {
    match (key == state, state) {
        (true, _) => Some(""),
        (_, TOP) => Some(key),
        _ => key.strip_prefix(state)?.strip_prefix('.'),
    }
}

/// A line on which of several state dicts was taken.
fn note(keys: &[&str], place: usize) -> Option<String> {
    let others: Vec<&str> = keys.iter().filter(|key| **key != keys[place]).copied().collect();
    match (others.as_slice(), keys[place]) {
        ([], TOP) => None,
        ([], key) => Some(format!("the weights are those under `{key}`")),
        (others, key) => Some(format!(
            "the weights are those under `{key}`; the file has others under {}: `model.state_key` \
             chooses",
            listed(others)
        )),
    }
}

fn open_archive(file: File, origin: &str) -> Result<(Objects, Storages), WeightsError> {
    let wrong = |reason: String| WeightsError::Pickle { file: origin.to_string(), reason };
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| wrong(e.to_string()))?;
    let names = zip.file_names().map(|name| name.map(|name| name.into_owned()));
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    let is_data = |name: &&String| *name == "data.pkl" || name.ends_with("/data.pkl");
    let mut pickles = names.iter().filter(is_data);
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        // What `model.save("….keras")` writes.
        if names.iter().any(|name| name == "model.weights.h5") {
            return Err(WeightsError::Keras { file: origin.to_string() });
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

    let mut bytes = Vec::new();
    let entry = zip.by_name(pickle).map_err(|e| wrong(e.to_string()))?;
    if entry.size() > PICKLE_LIMIT {
        return Err(wrong(format!("its pickle has {} bytes, too many", entry.size())));
    }
    entry.take(PICKLE_LIMIT).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    let (objects, _) = unpickle(&bytes).map_err(wrong)?;
    Ok((objects, Storages::Archive { zip, root }))
}

fn tensors(
    objects: &Objects,
    state: &State,
    mut storages: Storages,
    origin: String,
) -> Result<TensorFile, WeightsError> {
    let wrong = |reason: String| WeightsError::Pickle { file: origin.clone(), reason };
    let (mut tensors, mut no_tensors) = (BTreeMap::new(), Vec::new());
    // Tensors may share a storage, and those that do mostly follow one another.
    let mut last: Option<(Storage, Vec<u8>)> = None;
    for (name, entry) in entries(objects, state.dict).map_err(wrong)? {
        let tensor = match entry {
            Entry::Other(what) if what == NUMPY => {
                FileTensor::Other { dtype: what, shape: Vec::new() }
            }
            Entry::Other(_) => {
                no_tensors.push(name);
                continue;
            }
            Entry::Tensor(described) => {
                let storage = &described.storage;
                let shape = described.shape.clone();
                match storage.dtype() {
                    None => FileTensor::Other { dtype: storage.type_name(), shape },
                    Some(dtype) => {
                        let bytes = match last.take() {
                            Some((known, bytes)) if known == *storage => bytes,
                            _ => storages.read(storage).map_err(wrong)?,
                        };
                        let gathered = described.gather(&bytes).map_err(|reason| {
                            wrong(format!("the tensor `{name}` cannot be read: {reason}"))
                        })?;
                        last = Some((storage.clone(), bytes));
                        let tensor =
                            Tensor::from_raw_buffer(&gathered, dtype, &shape, &Device::Cpu)?;
                        check_finite(&tensor, &name, &origin)?;
                        FileTensor::Float(tensor)
                    }
                }
            }
        };
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(wrong(format!("it has two tensors `{name}`")));
        }
    }
    let mut notes = Vec::new();
    if !no_tensors.is_empty() {
        notes.push(format!("no tensors, and left out: {}", listed(&no_tensors)));
    }
    Ok(TensorFile { origin, tensors, metadata: BTreeMap::new(), notes })
}

#[cfg(test)]
mod tests;
